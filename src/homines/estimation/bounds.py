"""Bounds from certain choices: the values of one parameter at which most choices are best.

(Nearly) certain choices have no maximum-likelihood estimate: the precision would grow without bound
(problem.Separated). They still bound the parameter: each answer is best on an interval, and the maximum-score
set (Manski 1975, Journal of Econometrics 3: 205) holds the values at which most answers are best.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from homines.core.types import HominesError
from homines.estimation.columns import Observation, read_for
from homines.estimation.family import Family, family
from homines.theory.choice import Belief, stated_beliefs

EQUAL = 1e-9
"""Utilities nearer than this, as a share of the largest payoff, count as equal."""


@dataclass(frozen=True)
class Bounds:
    """The set of values at which most choices are best.

    name    of the parameter
    parts   (low, high) of every interval of the set, in order; inf: open
    share   of the choices that are best there
    """

    name: str
    parts: tuple[tuple[float, float], ...]
    share: float
    observations: int

    @property
    def low(self) -> float:
        """The lowest end."""
        return self.parts[0][0]

    @property
    def high(self) -> float:
        """The highest end; values between the parts explain fewer choices."""
        return self.parts[-1][1]


def bounds(
    observations: Sequence[Observation], of: Family | str | type, *, belief: Belief = stated_beliefs
) -> Bounds:
    """Maximum-score set of a family's only free parameter: where the mean probability on best answers is
    largest, every observation counting the same.

    Raises HominesError where the family has not exactly one free parameter, or nothing was observed.
    """
    of = of if isinstance(of, Family) else family(of)
    if len(of.free) != 1:
        raise HominesError(
            f"{of.spec} leaves {', '.join(of.free) or 'nothing'} free; bounds take one free parameter: write "
            "values for the others"
        )
    if not observations:
        raise HominesError("no observations to bound a parameter by; measure a model first")
    spells = [spell for o in read_for(observations, of) for spell in _best_on(o, of, belief)]
    ends = sorted({end for low, high, _ in spells for end in (low, high) if np.isfinite(end)})
    # between neighbouring ends nothing changes; at an end itself two answers are equally good
    cells = list(pairwise([-np.inf, *ends, np.inf]))
    score = [
        sum(p for a, b, p in spells if a <= low and high <= b) / len(observations) for low, high in cells
    ]
    top = max(score)
    parts: list[tuple[float, float]] = []
    for (low, high), n in zip(cells, score, strict=True):
        if n > top - EQUAL:
            joined = bool(parts) and parts[-1][1] == low
            parts[-1:] = [(parts[-1][0], high)] if joined else [*parts[-1:], (low, high)]
    return Bounds(of.free[0], tuple(parts), float(top), len(observations))


def _best_on(o: Observation, of: Family, belief: Belief) -> list[tuple[float, float, float]]:
    """Intervals on which each action is best, with the probability of the answer it gives: (low, high, p)."""
    columns = of.columns(o.decision, belief)
    tiny = EQUAL * max(1.0, float(np.abs(o.decision.payoffs).max()))
    spells: list[tuple[float, float, float]] = []
    for a, p in enumerate(o.choice.p[list(o.answers)] if o.answers else o.choice.p):
        low, high = -np.inf, np.inf
        for base, slope in columns[a] - columns:  # at least 0 against every other answer
            if abs(slope) > tiny:
                low, high = (max(low, -base / slope), high) if slope > 0 else (low, min(high, -base / slope))
            elif base < -tiny:
                high = -np.inf
        if low <= high:
            spells.append((float(low), float(high), float(p)))
    return spells
