"""Whether what was wanted is reached: the standard error or the interval that `fit` gives for the answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from homines.core.types import HominesError
from homines.estimation.columns import Observation
from homines.estimation.family import PRECISION, Family
from homines.estimation.fit import check_design, check_peak, fit
from homines.estimation.problem import NotIdentified, problem
from homines.estimation.sample_size import Wanted
from homines.estimation.uncertainty import covariance


@dataclass(frozen=True)
class Standing:
    """How far the answers are from what is wanted.

    value   the standard error or width now; None: there is none, and `why` says why
    games   different games answered
    """

    wanted: Wanted
    games: int
    value: float | None
    why: str = ""

    @property
    def reached(self) -> bool:
        return self.value is not None and self.value <= self.wanted.value

    @property
    def games_needed(self) -> int | None:
        """Games in all, if the value falls with the root of their number; None where it has no value."""
        if self.value is None:
            return None
        return int(np.ceil(self.games * (self.value / self.wanted.value) ** 2))


def wanted_of(text: str, family: Family) -> Wanted:
    """What is wanted of a family, from text. Raises HominesError for other text, and for a parameter that the
    family does not have or that is fixed."""
    wanted = Wanted.read(text, "--until")
    if wanted.parameter not in (*family.free, PRECISION):
        raise HominesError(
            f"--until {text!r}: {family.spec} has no free parameter {wanted.parameter!r}; it has "
            f"{', '.join((*family.free, PRECISION))}: name one of these, or another family (--family)"
        )
    return wanted


def standing(observations: Sequence[Observation], family: Family, wanted: Wanted) -> Standing:
    """The standard error or width in these answers, clustered as `fit` does and refused where it refuses."""
    games = len({o.game for o in observations})
    try:
        if wanted.kind == "width":
            low, high = fit(observations, family).intervals[(*family.free, PRECISION).index(wanted.parameter)]
            value = float(high - low)
        else:
            p = problem(observations, family)
            check_design(p)
            peak, _ = p.peak()
            check_peak(p, peak)
            cov = covariance(p, p.design, peak.g, 0.0)[0]
            value = float(np.sqrt(cov.diagonal()[p.names.index(wanted.parameter)]))
    except NotIdentified as why:
        return Standing(wanted, games, None, str(why))
    if not np.isfinite(value):
        return Standing(wanted, games, None, "there are too few games for an error, or one end has no bound")
    return Standing(wanted, games, value)
