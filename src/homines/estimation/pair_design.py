"""Which pairs to ask: a connected design first, then the pairs that tell most under what is known.

The posterior of a Bradley-Terry scale is taken as normal around its mode, with a normal prior of deviation
PRIOR; an answer to pair (i, j) lowers its entropy by about

    gain(i, j) = 1/2 ln(1 + w v)      v = Var(u_i - u_j),   w = F(z) (1 - F(z))
                                      z = E(u_i - u_j) / sqrt(1 + pi v / 8)

(D-optimal; MacKay 1992, "Information-based objective functions"; the probit approximation of F's mean).
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from homines.core.types import Array, frozen
from homines.estimation.binary_response import probability
from homines.estimation.utility_scale import Pairs

Places = tuple[int, int]
PRIOR = 2.0
"""Prior deviation of a utility, in log-odds."""
STEPS = 50


def all_pairs(n: int) -> list[Places]:
    """Every pair of n outcomes."""
    return list(combinations(range(n), 2))


def connected_design(n: int, rounds: int, rng: np.random.Generator) -> list[Places]:
    """Circles through all outcomes in random orders, each pair once: connected, and every outcome in two
    pairs a round, so that no pair alone connects two parts."""
    out: dict[Places, None] = {}
    for _ in range(rounds):
        circle = rng.permutation(n).tolist()
        for a, b in zip(circle, [*circle[1:], circle[0]], strict=True):
            if a != b:
                out[(min(a, b), max(a, b))] = None
    return list(out)


def posterior(pairs: Pairs, prior: float = PRIOR) -> tuple[Array, Array]:
    """(mode [outcome], covariance [outcome, outcome]) of the utilities; a prior bounds separated ones."""
    x, u = pairs.columns, np.zeros(pairs.outcomes)
    ridge = np.eye(pairs.outcomes) / prior**2
    information = ridge
    for _ in range(STEPS):
        q = probability("logistic", x @ u)
        information = x.T @ (x * (q * (1 - q))[:, None]) + ridge
        step = np.linalg.solve(information, x.T @ (pairs.p - q) - u / prior**2)
        u = u + step * min(1.0, 2 / max(float(np.abs(step).max()), 1e-300))
        if np.abs(step).max() < 1e-9:
            break
    return u, frozen(np.linalg.inv(information))


def gains(u: Array, covariance: Array, i: NDArray[np.intp], j: NDArray[np.intp]) -> Array:
    """The expected information of every pair, nats [pair]."""
    v = covariance[i, i] + covariance[j, j] - 2 * covariance[i, j]
    q = probability("logistic", (u[i] - u[j]) / np.sqrt(1 + np.pi * v / 8))
    return 0.5 * np.log1p(q * (1 - q) * v)


def next_pairs(pairs: Pairs, open_pairs: list[Places], most: int) -> list[Places]:
    """The most informative of the pairs that are open, at most `most`, each given those before it."""
    u, covariance = posterior(pairs)
    left = np.array(open_pairs, dtype=np.intp).reshape(-1, 2)
    out: list[Places] = []
    while len(out) < most and len(left):
        i, j = left[:, 0], left[:, 1]
        best = int(np.argmax(gains(u, covariance, i, j)))
        a, b = int(i[best]), int(j[best])
        out.append((a, b))
        row = covariance[a] - covariance[b]
        q = float(probability("logistic", np.array(u[a] - u[b])))
        covariance = covariance - np.outer(row, row) / (1 / max(q * (1 - q), 1e-12) + row[a] - row[b])
        left = np.delete(left, best, axis=0)
    return out
