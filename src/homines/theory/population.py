"""Populations of agents that meet in pairs: assortment, invasion, rest points, welfare.

    f_i(x) = sigma a_ii + (1 - sigma) sum_j a_ij x_j        what type i gets a meeting at shares x
    dx_i/dt = x_i (f_i(x) - sum_k x_k f_k(x))               the replicator dynamics

a is the payoff matrix (`theory.pair_payoffs`), sigma the assortment: with probability sigma an agent meets
its own kind, else anybody (Grafen 1979; Bergstrom 2003, American Economic Review 93: 222; Alger & Weibull
2013). Since shares sum to one, f = M x with M_ij = sigma a_ii + (1 - sigma) a_ij: a population with
assortment is one without, of another game. Replicator dynamics: Taylor & Jonker (1978); Hofbauer & Sigmund
(1998).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from homines.core.checks import number
from homines.core.types import Array, HominesError, frozen

MOST_TYPES = 12
"""Rest points are looked for in every subset of types: 4095 of twelve."""
TOLERANCE = 1e-9
"""Differences of payoffs, relative to the range of the matrix, below which they are equal."""
Outcome = Literal["invades", "repelled", "neutral"]
Stability = Literal["stable", "unstable", "neutral"]


def assortative(matrix: Array, sigma: float) -> Array:
    """M_ij = sigma a_ii + (1 - sigma) a_ij, shape [type, type]; sigma = 1: each meets its own kind alone.

    Raises HominesError for a sigma outside [0, 1], and a matrix that is none of two to MOST_TYPES types.
    """
    number("sigma", sigma, 0, 1)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not np.isfinite(matrix).all():
        raise HominesError(f"a payoff matrix is square and finite, got shape {matrix.shape}")
    if not 2 <= len(matrix) <= MOST_TYPES:
        raise HominesError(f"a population has 2 to {MOST_TYPES} types, got {len(matrix)}")
    return frozen(sigma * np.diag(matrix)[:, None] + (1 - sigma) * matrix)


def scale(matrix: Array) -> float:
    """The range of the payoffs, the unit of their differences; 1 where all are equal."""
    return float(np.ptp(matrix)) or 1.0


# --- invasion --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Invasion:
    """What a rare type j gets among a type i, less what i gets there.

    advantage   M_ji - M_ii, points a meeting where j is rare; `later`: by how much the advantage grows as j
                does, (M_jj - M_ij) - (M_ji - M_ii), which decides where the first is 0
    threshold   the sigma at which the advantage changes its sign; None where it has none in (0, 1)
    """

    resident: int
    mutant: int
    advantage: float
    later: float
    threshold: float | None
    outcome: Outcome


def invasion(matrix: Array, sigma: float, resident: int, mutant: int) -> Invasion:
    """Whether a rare mutant invades a resident type (Maynard Smith & Price 1973), at this assortment.

    advantage(sigma) = a_ji - a_ii + sigma (a_jj - a_ji), a line in sigma: its zero is the threshold.
    """
    m, unit = assortative(matrix, sigma), scale(matrix)
    i, j = resident, mutant
    advantage = float(m[j, i] - m[i, i])
    later = float(m[j, j] - m[i, j]) - advantage
    start, slope = float(matrix[j, i] - matrix[i, i]), float(matrix[j, j] - matrix[j, i])
    zero = -start / slope if abs(slope) > TOLERANCE * unit else np.nan
    decided = next((x for x in (advantage, later) if abs(x) > TOLERANCE * unit), 0.0)
    outcome: Outcome = "invades" if decided > 0 else "repelled" if decided < 0 else "neutral"
    return Invasion(i, j, advantage, later, float(zero) if 0 < zero < 1 else None, outcome)


def invasions(matrix: Array, sigma: float) -> list[Invasion]:
    """Every rare type among every other."""
    n = len(matrix)
    return [invasion(matrix, sigma, i, j) for i in range(n) for j in range(n) if i != j]


def uninvaded(matrix: Array, sigma: float) -> dict[int, Stability]:
    """By type: stable where every other type, when rare, is repelled; neutral where none invades, and some is
    neither; else unstable. Stable here is evolutionarily stable against these types one at a time."""
    out: dict[int, Stability] = {}
    for i in range(len(matrix)):
        found = {invasion(matrix, sigma, i, j).outcome for j in range(len(matrix)) if j != i}
        out[i] = "unstable" if "invades" in found else "neutral" if "neutral" in found else "stable"
    return out


# --- rest points -----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class RestPoint:
    """Shares at which the replicator dynamics rests.

    shares        [type]; payoff: what everybody gets there, which is the welfare a head
    eigenvalues   of the dynamics along the simplex, [type - 1], by falling real part
    isolated      False: one of a continuum of rest points with the same types
    """

    shares: Array
    payoff: float
    eigenvalues: NDArray[np.complex128]
    isolated: bool
    unit: float

    @property
    def support(self) -> tuple[int, ...]:
        """The types that are there."""
        return tuple(np.flatnonzero(self.shares > 0).tolist())

    @property
    def stability(self) -> Stability:
        """stable: every eigenvalue has a negative real part, so that whatever begins near ends there;
        unstable: one has a positive one; neutral: neither, and the linear part does not tell."""
        top = float(self.eigenvalues.real.max())
        edge = 1e-7 * self.unit  # eigenvalues of a nearly defective matrix are worse than its entries
        return "unstable" if top > edge else "stable" if top < -edge else "neutral"


def rest_points(matrix: Array, sigma: float = 0.0) -> list[RestPoint]:
    """Every rest point, the fewest types first; of a continuum with the same types one, its middle.

    In the face of the types S a rest point solves M_S x = v 1, sum x = 1, x > 0. Its eigenvalues are those of
    J_ik = delta_ik (f_i - f) + x_i (M_ik - (x M)_k - f_k) on {sum = 0}. A continuum whose types are all in a
    larger one is left out.
    """
    m = assortative(matrix, sigma)
    unit, n = scale(matrix), len(m)
    found: list[RestPoint] = []
    for size in range(n, 0, -1):
        for support in combinations(range(n), size):
            inner = _inner(m[np.ix_(support, support)] / unit)
            if inner is None:
                continue
            inside, isolated = inner
            covered = any(not p.isolated and set(support) < set(p.support) for p in found)
            if not isolated and covered:
                continue
            shares = np.zeros(n)
            shares[list(support)] = inside
            found.append(_rest_point(m, shares, isolated, unit))
    return sorted(found, key=lambda point: (len(point.support), point.support))


def _rest_point(m: Array, shares: Array, isolated: bool, unit: float) -> RestPoint:
    payoffs = m @ shares
    mean = float(shares @ payoffs)
    jacobian = np.diag(payoffs - mean) + shares[:, None] * (m - (shares @ m)[None, :] - payoffs[None, :])
    basis = np.linalg.svd(np.ones((1, len(shares))))[2][1:]  # orthonormal, of {sum = 0}
    values = np.linalg.eigvals(basis @ jacobian @ basis.T).astype(np.complex128)
    return RestPoint(frozen(shares), mean, values[np.argsort(-values.real)], isolated, unit)


def _inner(m: Array) -> tuple[Array, bool] | None:
    """Positive shares at which all types of m get the same, and whether there are no others; None: there are
    none. Of several those whose least share is largest."""
    from scipy.optimize import linprog  # slow to import, and `homines --help` must not wait for it

    k = len(m)
    equal = np.vstack([m[1:] - m[0], np.ones(k)])
    right = np.append(np.zeros(k - 1), 1.0)
    if np.linalg.matrix_rank(equal, tol=TOLERANCE) == k:
        x = np.linalg.solve(equal, right)
        return (x / x.sum(), True) if (x > TOLERANCE).all() else None
    # variables x and t: the largest t with x_i >= t
    least = np.hstack([-np.eye(k), np.ones((k, 1))])
    solved = linprog(
        np.append(np.zeros(k), -1.0),
        A_ub=least,
        b_ub=np.zeros(k),
        A_eq=np.hstack([equal, np.zeros((k, 1))]),
        b_eq=right,
        bounds=[(0, 1)] * (k + 1),
    )
    if solved.status != 0 or solved.x[-1] <= TOLERANCE:
        return None
    x = np.asarray(solved.x[:-1], dtype=np.float64)
    return x / x.sum(), False


def welfare(matrix: Array, sigma: float, shares: Sequence[float] | Array) -> float:
    """What an agent gets a meeting, on average over the population: sum_i x_i f_i(x)."""
    x = np.asarray(shares, dtype=np.float64)
    return float(x @ assortative(matrix, sigma) @ x)
