"""Revealed preference: whether choices from budgets can be those of one monotone utility (GARP, CCEI).

    x[t] is bought at prices p[t]; cost[t, s] = p[t] . x[s]
    t R s     cost[t, s] <= e cost[t, t]: x[s] could have been bought at t with a share e of the income
    t P s     the same with <
    GARP(e)   never both t R ... R s (a chain of any length, by Warshall's closure) and s P t
    CCEI      the supremum of the e in [0, 1] for which GARP(e) holds

At e = 1 GARP holds if and only if some continuous, monotone, concave utility explains all choices (Afriat
1967). Afriat (1973), "On a system of inequalities in demand analysis"; Varian (1982), "The nonparametric
approach to demand analysis", Econometrica 50.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from homines.core.types import Array, HominesError, frozen

SAME = 1e-9
"""Relative difference of two costs under which they are one cost."""


@dataclass(frozen=True, eq=False)
class Purchases:
    """Bundles that were bought. prices, bundles: [time, good]; prices above 0, amounts at least 0.

    Raises HominesError for shapes that differ, a price that is not above 0 and a bundle of nothing.
    """

    prices: Array
    bundles: Array

    def __post_init__(self) -> None:
        for name in ("prices", "bundles"):
            object.__setattr__(self, name, frozen(getattr(self, name)))
        if self.prices.ndim != 2 or self.prices.shape != self.bundles.shape or not self.prices.size:
            raise HominesError(
                f"prices {self.prices.shape} and bundles {self.bundles.shape} must both be [time, "
                "good]; give "
                "a price and an amount of every good at every time"
            )
        check_prices(self.prices)
        if not (np.isfinite(self.bundles) & (self.bundles >= 0)).all():
            raise HominesError("a bundle holds an amount that is no number of at least 0; mend it")
        if (empty := np.flatnonzero(self.bundles.sum(1) == 0)).size:
            raise HominesError(f"bundle {empty[0] + 1} holds nothing; leave it out: it reveals nothing")

    @property
    def shares(self) -> Array:
        """cost[t, s] / cost[t, t]: what x[s] costs at t, as a share of what was spent there."""
        cost = self.prices @ self.bundles.T
        return frozen(cost / np.diag(cost)[:, None])


def check_prices(prices: Array) -> None:
    """Raise HominesError for a price that is not above 0: what costs nothing tells nothing of its worth."""
    if not (np.isfinite(prices) & (prices > 0)).all():
        bad = prices[~(np.isfinite(prices) & (prices > 0))].flat[0]
        raise HominesError(
            f"a price is {bad:g}; every price must be a number above 0, for what costs nothing reveals no "
            "preference: give it a price, or leave the budget out"
        )


def closure(direct: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The transitive closure of a relation [n, n]: whether a chain of any length leads from t to s.

    Warshall (1962), "A theorem on Boolean matrices", JACM 9.
    """
    out = direct.copy()
    for k in range(len(out)):
        out |= out[:, k, None] & out[None, k, :]
    return out


def violations(shares: Array, *, strictly: float | None = None) -> NDArray[np.bool_]:
    """The pairs (t, s) with t R ... R s and s P t, at e = 1, bool [t, s]; none where GARP holds.

    strictly   e just below this share in place of 1: both relations are then `shares` below it
    """
    if strictly is None:
        return closure(shares <= 1 + SAME) & (shares < 1 - SAME).T
    below = shares < strictly * (1 - SAME)
    return closure(below) & below.T


def garp(purchases: Purchases) -> bool:
    """Whether one monotone utility can explain all purchases."""
    return not violations(purchases.shares).any()


def critical_cost_efficiency(purchases: Purchases) -> float:
    """Afriat's index (CCEI), exact: GARP(e) changes only where e passes a share, so a search over these ends
    at the supremum. 1 where GARP holds; it is 1 too where GARP fails by a tie alone, which any share of the
    income below 1 breaks."""
    shares = purchases.shares
    steps = np.unique(np.append(shares[shares < 1 - SAME], 1.0))
    low, high = 0, len(steps) - 1  # GARP just below the lowest step holds: no relation is left there
    while low < high:
        middle = (low + high + 1) // 2
        if violations(shares, strictly=float(steps[middle])).any():
            high = middle - 1
        else:
            low = middle
    return float(steps[low])
