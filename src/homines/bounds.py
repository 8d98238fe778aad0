"""What certain choices tell: the values of one parameter at which most of them are best.

Choices that are (nearly) certain have no maximum-likelihood estimate: the precision would grow without bound
(estimate.NotIdentified). They still bound the parameter: each answer is best on an interval, and the maximum
score (Manski 1975, Journal of Econometrics 3: 205) is the set where most of them are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from homines.choice import Belief, told
from homines.core import HominesError
from homines.estimate import Observation
from homines.family import Family, family

EQUAL = 1e-9
"""Utilities nearer than this, as a share of the largest payoff, count as equal."""


@dataclass(frozen=True)
class Bounds:
    """The set of values at which most answers are best.

    name        of the parameter
    low, high   ends of the set (of the smallest interval that holds it, where it is in `parts`); inf: open
    share       of the observations whose likeliest answer is best there
    """

    name: str
    low: float
    high: float
    share: float
    observations: int
    parts: int = 1


def bounds(observations: Sequence[Observation], of: Family | str, *, belief: Belief = told) -> Bounds:
    """Maximum-score set of a family's only free parameter.

    An observation counts with its likeliest answer. Raises HominesError where the family has not exactly one
    free parameter, or nothing was observed.
    """
    of = family(of) if isinstance(of, str) else of
    if len(of.free) != 1:
        raise HominesError(
            f"{of.spec} leaves {', '.join(of.free) or 'nothing'} free; bounds take one free parameter: write "
            "values for the others"
        )
    if not observations:
        raise HominesError("no observations to bound a parameter by; measure a model first")
    held = [_best_on(o, of, belief) for o in observations]
    ends = sorted({end for low, high in held for end in (low, high) if low <= high and np.isfinite(end)})
    # between neighbouring ends nothing changes; at an end itself two answers are equally good
    inner = [(a + b) / 2 for a, b in pairwise(ends)]
    points = [*([ends[0] - 1, ends[-1] + 1] if ends else [0.0]), *inner]
    score = [sum(low <= x <= high for low, high in held) for x in points]
    top = max(score)
    cells = sorted(_cell(x, ends) for x, n in zip(points, score, strict=True) if n == top)
    parts = 1 + sum(a[1] < b[0] for a, b in pairwise(cells))
    return Bounds(of.free[0], float(cells[0][0]), float(cells[-1][1]), top / len(held), len(held), parts)


def _best_on(o: Observation, of: Family, belief: Belief) -> tuple[float, float]:
    """Where the likeliest answer is best: (low, high), low > high where nowhere."""
    columns = of.columns(o.decision, belief)
    gain = columns[int(o.choice.p.argmax())] - columns  # >= 0 for every other answer where it is best
    tiny = EQUAL * max(1.0, float(np.abs(o.decision.payoffs).max()))
    low, high = -np.inf, np.inf
    for base, slope in gain:
        if abs(slope) <= tiny:
            if base < -tiny:
                return np.inf, -np.inf
        elif slope > 0:
            low = max(low, -base / slope)
        else:
            high = min(high, -base / slope)
    return low, high


def _cell(x: float, ends: Sequence[float]) -> tuple[float, float]:
    """The neighbouring ends around x."""
    below = [e for e in ends if e <= x]
    above = [e for e in ends if e >= x]
    return (below[-1] if below else -np.inf), (above[0] if above else np.inf)
