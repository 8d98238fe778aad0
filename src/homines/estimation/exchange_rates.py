"""Exchange rates: how many units of one good are worth some units of another, on a scale of outcomes.

Outcomes that hold a number N of a unit s have u = a_s + b_s ln N; every other outcome keeps a utility of its
own. All are estimated from the same pairs as the scale (binary_response.py). N units of s are worth

    ln M = (a_s + b_s ln N - a_r) / b_r

units of r. An interval is Student's, over outcomes: the jackknife leaves out one outcome with a number, and
all its pairs, at a time; of ln M by the delta method. There is no rate where the slope b_r has an interval
that holds 0, and none far beyond the numbers of r that were asked: nothing but the form stands behind it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from homines.core.types import Array, frozen
from homines.estimation.binary_response import Link, jackknife, maximise
from homines.estimation.problem import NotIdentified
from homines.estimation.utility_scale import LEVEL, Pairs, check_scale

FEWEST = 3
"""Numbers of a unit from which it has a slope: two always lie on a line."""
BEYOND = 10.0
"""Factor outside the numbers that were asked beyond which no rate is told."""
Amount = tuple[str, float]
"""Unit and number of an outcome."""


@dataclass(frozen=True)
class Rate:
    """What `amount` of `unit` is worth in `units` of `into`; value None where `why` says why.

    low, high   its interval, None without one
    """

    unit: str
    amount: float
    into: str
    value: float | None
    low: float | None = None
    high: float | None = None
    why: str = ""


@dataclass(frozen=True, eq=False)
class Slopes:
    """Utility by the logarithm of the number, by unit.

    units    [unit]; a, b: parameters [unit]; covariance: of (a..., b...), None where there is none
    spare    degrees of freedom: outcomes with a number less parameters
    numbers  that were asked, by unit
    """

    units: tuple[str, ...]
    a: Array
    b: Array
    covariance: Array | None
    spare: int
    numbers: Mapping[str, tuple[float, ...]]

    @cached_property
    def _critical(self) -> float:
        from scipy.stats import t as student

        return float(student.ppf((1 + LEVEL) / 2, self.spare))

    def slope(self, unit: str) -> tuple[float, tuple[float, float] | None]:
        """(b, its interval) of a unit."""
        k = self.units.index(unit)
        value = float(self.b[k])
        if self.covariance is None:
            return value, None
        at = len(self.units) + k
        half = self._critical * float(np.sqrt(self.covariance[at, at]))
        return value, (value - half, value + half)

    def identified(self, unit: str) -> bool:
        """Whether the interval of a unit's slope excludes 0."""
        _, ends = self.slope(unit)
        return ends is not None and (ends[0] > 0 or ends[1] < 0)

    def middle(self, unit: str) -> float:
        """The number of a unit in the middle of those that were asked."""
        numbers = sorted(self.numbers[unit])
        return numbers[len(numbers) // 2]

    def rate(self, unit: str, amount: float, into: str) -> Rate:
        """How many units of `into` are worth this amount of a unit."""
        s, r, n = self.units.index(unit), self.units.index(into), len(self.units)
        if not self.identified(into):
            why = f"the interval of the slope of {into} holds 0"
            return Rate(unit, amount, into, None, why=why if self.covariance is not None else "no intervals")
        log_n, slope = float(np.log(amount)), float(self.b[r])
        log_m = (self.a[s] + self.b[s] * log_n - self.a[r]) / slope
        low, high = min(self.numbers[into]), max(self.numbers[into])
        if not np.log(low / BEYOND) <= log_m <= np.log(high * BEYOND):
            why = f"{'more' if log_m > np.log(high) else 'less'} than any number of {into} that was asked"
            return Rate(unit, amount, into, None, why=why)
        assert self.covariance is not None
        turn = np.zeros(2 * n)
        turn[s] += 1 / slope
        turn[n + s] += log_n / slope
        turn[r] -= 1 / slope
        turn[n + r] -= log_m / slope
        half = self._critical * float(np.sqrt(turn @ self.covariance @ turn))
        ends = np.exp([log_m, log_m - half, log_m + half])
        return Rate(unit, amount, into, float(ends[0]), float(ends[1]), float(ends[2]))


def slopes(
    pairs: Pairs, amounts: Sequence[Amount | None], names: Sequence[str], link: Link = "logistic"
) -> Slopes | None:
    """Slopes of the units that FEWEST outcomes or more have; None without such a unit.

    amounts   unit and number of each outcome, None of one without
    Raises NotIdentified where the pairs have no scale. There are no intervals where fewer outcomes with a
    number than parameters would be left, or some outcome alone identifies one of them.
    """
    by_unit: dict[str, list[int]] = {}
    for k, amount in enumerate(amounts):
        if amount is not None:
            by_unit.setdefault(amount[0], []).append(k)
    by_unit = {unit: places for unit, places in by_unit.items() if _different(amounts, places) >= FEWEST}
    if not by_unit:
        return None
    check_scale(pairs, names)
    units = tuple(by_unit)
    numbered = sorted(k for places in by_unit.values() for k in places)
    mix = _mix(pairs.outcomes, by_unit, amounts)
    columns = pairs.columns @ mix
    free = np.flatnonzero(np.abs(columns).sum(0) > 0)
    # utilities have no level: one parameter is fixed at 0, of an outcome without a number where there is one
    free = free[free != (2 * len(units) if mix.shape[1] > 2 * len(units) else 0)]

    def estimate(kept: np.ndarray) -> Array:
        g = np.zeros(mix.shape[1])
        seen = free[np.abs(columns[kept][:, free]).sum(0) > 0]
        g[seen] = maximise(columns[kept][:, seen], pairs.p[kept], link).g
        utilities = mix @ g
        g[: len(units)] -= utilities[numbered].mean()
        return frozen(g[: 2 * len(units)])

    whole = estimate(np.ones(len(pairs), dtype=bool))
    spare = len(numbered) - 2 * len(units)
    covariance = None
    if spare >= FEWEST:
        group = np.array([(pairs.i == k) | (pairs.j == k) for k in numbered])
        try:
            covariance, _ = jackknife(estimate, group)
        except NotIdentified:
            covariance = None
    n = len(units)
    numbers = {u: tuple(_number(amounts[k]) for k in places) for u, places in by_unit.items()}
    return Slopes(units, whole[:n], whole[n:], covariance, spare, numbers)


def _number(amount: Amount | None) -> float:
    assert amount is not None
    return amount[1]


def _different(amounts: Sequence[Amount | None], places: Sequence[int]) -> int:
    return len({_number(amounts[k]) for k in places})


def _mix(outcomes: int, by_unit: Mapping[str, Sequence[int]], amounts: Sequence[Amount | None]) -> Array:
    """Utilities by parameters (a of every unit, b of every unit, u of every other outcome)."""
    n = len(by_unit)
    inside = {k for places in by_unit.values() for k in places}
    others = [k for k in range(outcomes) if k not in inside]
    mix = np.zeros((outcomes, 2 * n + len(others)))
    for s, places in enumerate(by_unit.values()):
        for k in places:
            mix[k, s], mix[k, n + s] = 1.0, np.log(_number(amounts[k]))
    for c, k in enumerate(others):
        mix[k, 2 * n + c] = 1.0
    return frozen(mix)
