"""Where the replicator dynamics goes: paths, and basins of attraction.

The dynamics is solved for y_i = log x_i up to a common constant, dy_i/dt = f_i(x) with x = softmax(y): shares
stay on the simplex by construction, and a type that is not there does not appear. Time is in units of 1 /
(range of the payoffs).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np

from homines.core.types import Array, HominesError, frozen
from homines.theory.population import RestPoint, assortative, invasion, rest_points, scale

HORIZON = 2000.0
"""Time after which a path is taken to have ended."""
MOST_STARTS = 400
NEAR = 1e-3
"""Distance in every share within which a path has ended at a rest point."""


def _softmax(y: Array) -> Array:
    z = np.exp(y - y.max(axis=-1, keepdims=True))
    return z / z.sum(axis=-1, keepdims=True)


def path(
    matrix: Array, sigma: float, start: Sequence[float] | Array, times: Sequence[float] | Array
) -> Array:
    """Shares at these times, shape [time, type] of one start, or [time, start, type] of starts [start, type].

    times   rising, from 0 on. Raises HominesError where the solver does not come to the end.
    """
    from scipy.integrate import solve_ivp  # slow to import

    m = assortative(matrix, sigma) / scale(matrix)
    x0 = np.asarray(start, dtype=np.float64)
    if (x0 < 0).any() or not np.allclose(x0.sum(axis=-1), 1) or x0.shape[-1] != len(m):
        raise HominesError(f"start {x0.tolist()} is no distribution over the {len(m)} types")
    there = x0 > 0
    y0 = np.log(np.where(there, x0, 1.0))

    def flow(_: float, y: Array) -> Array:
        x = _softmax(np.where(there, y.reshape(x0.shape), -np.inf))
        return np.where(there, x @ m.T, 0.0).ravel()

    when = np.asarray(times, dtype=np.float64)
    solved = solve_ivp(flow, (0.0, float(when[-1])), y0.ravel(), t_eval=when, rtol=1e-8, atol=1e-8)
    if not solved.success:
        raise HominesError(f"the replicator dynamics could not be solved: {solved.message}")
    y = solved.y.T.reshape(len(when), *x0.shape)
    return frozen(_softmax(np.where(there, y, -np.inf)))


@dataclass(frozen=True, eq=False)
class Basin:
    """Starting points from which the population ends alike.

    share   of all starting points
    end     the stable rest point where they end; None: they do not end at one
    types   the types that are left where `end` is None
    """

    share: float
    end: RestPoint | None
    types: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Basins:
    """Basins, the largest first.

    starts   points of the lattice; None: exact, by the rest points of two types
    """

    basins: tuple[Basin, ...]
    starts: int | None


def basins(matrix: Array, sigma: float = 0.0) -> Basins:
    """Every basin of attraction among mixtures of all types: exact for two types, else of lattice points."""
    points = rest_points(matrix, sigma)
    if len(matrix) == 2:
        wins = 1 if invasion(matrix, sigma, 0, 1).outcome == "invades" else 0
        return Basins(_between(points, wins), None)
    starts = lattice(len(matrix))
    ends = path(matrix, sigma, starts, [0.0, HORIZON])[-1]
    stable = [p for p in points if p.stability == "stable"]
    shares: dict[tuple[int | None, tuple[int, ...]], int] = {}
    for x in ends:
        near = next((k for k, p in enumerate(stable) if np.abs(x - p.shares).max() < NEAR), None)
        types = () if near is not None else tuple(np.flatnonzero(x > NEAR).tolist())
        shares[near, types] = shares.get((near, types), 0) + 1
    found = [
        Basin(n / len(starts), None if near is None else stable[near], types)
        for (near, types), n in shares.items()
    ]
    return Basins(tuple(sorted(found, key=lambda basin: -basin.share)), len(starts))


def _between(points: Sequence[RestPoint], wins: int) -> tuple[Basin, ...]:
    """The basins of two types, by length of the segment between them.

    wins   which type is left where no mixture rests: also where the linear part of the dynamics does not tell
    """
    inner = next((p for p in points if len(p.support) == 2), None)
    if inner is not None and not inner.isolated:
        return (Basin(1.0, None, (0, 1)),)
    if inner is not None and inner.stability == "stable":
        return (Basin(1.0, inner, ()),)
    one, two = (next(p for p in points if p.support == (k,)) for k in (0, 1))
    if inner is not None:
        split = float(inner.shares[1])  # of the way from the first type to the second
        found = [Basin(split, one, ()), Basin(1 - split, two, ())]
        return tuple(sorted(found, key=lambda basin: -basin.share))
    return (Basin(1.0, (one, two)[wins], ()),)


def lattice(types: int, most: int = MOST_STARTS) -> Array:
    """Evenly spaced mixtures of all types, at most `most`, [start, type]: (k_1, ..., k_n) / m, k_i >= 1."""
    m = types + 1
    while comb(m, types - 1) <= most:
        m += 1
    cuts = np.array(list(combinations(range(1, m), types - 1)))
    edges = np.hstack([np.zeros((len(cuts), 1)), cuts, np.full((len(cuts), 1), m)])
    return frozen(np.diff(edges, axis=1) / m)
