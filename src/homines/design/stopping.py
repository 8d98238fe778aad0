"""Whether what was wanted is reached: by the error or interval that `fit` gives, and by the posterior.

A standard error from few answers is now and then small by luck, and who looks after every answer stops there
(docs/next_question.md). The spread of the posterior, which averages over what the parameters may be, must be
as small too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from homines.core.types import HominesError
from homines.design.prior import Particles
from homines.estimation.columns import Observation
from homines.estimation.family import PRECISION, Family
from homines.estimation.fit import check_design, check_peak, fit
from homines.estimation.problem import NotIdentified, problem
from homines.estimation.sample_size import Wanted
from homines.estimation.uncertainty import covariance

NORMAL_WIDTH = 2 * 1.96
"""Width of a 95% interval in standard deviations of a normal."""


@dataclass(frozen=True)
class Standing:
    """How far the answers are from what is wanted.

    value   the standard error or width now; None: there is none, and `why` says why
    games   different games answered
    spread  the same by the posterior: its standard deviation, or 2 x 1.96 times this; 0 where none is given
    """

    wanted: Wanted
    games: int
    value: float | None
    why: str = ""
    spread: float = 0.0

    @property
    def reached(self) -> bool:
        return self.value is not None and max(self.value, self.spread) <= self.wanted.value

    @property
    def sentence(self) -> str:
        """'se(kappa) 0.12, wanted 0.1: not reached after 40 games'."""
        w, value = self.wanted, "has no value" if self.value is None else f"{self.value:.3g}"
        return (
            f"{w.kind}({w.parameter}) {value} (by the posterior {self.spread:.3g}), wanted {w.value:g}: "
            f"{'' if self.reached else 'not '}reached after {self.games} games"
        )

    @property
    def games_needed(self) -> int | None:
        """Games in all, if the value falls with the root of their number; None where it has no value."""
        if self.value is None:
            return None
        return int(np.ceil(self.games * (max(self.value, self.spread) / self.wanted.value) ** 2))


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


def standing(
    observations: Sequence[Observation], family: Family, wanted: Wanted, posterior: Particles | None = None
) -> Standing:
    """The standard error or width in these answers, clustered as `fit` does and refused where it refuses.

    posterior   of the family after these answers
    """
    spread = 0.0 if posterior is None else posterior.deviation(wanted.parameter)
    spread *= 1.0 if wanted.kind == "se" else NORMAL_WIDTH
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
        return Standing(wanted, games, None, str(why), spread)
    if not np.isfinite(value):
        why = "there are too few games for an error, or one end has no bound"
        return Standing(wanted, games, None, why, spread)
    return Standing(wanted, games, value, "", spread)
