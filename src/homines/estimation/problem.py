"""The data of one fit as arrays, its maximum (`Problem.peak`), and the errors where there is none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import ClassVar, TypeAlias

import numpy as np
from scipy.optimize import minimize_scalar

from homines.core.checks import one_of
from homines.core.types import Array, HominesError, Integers
from homines.estimation.columns import Columns, Decisions, Observation, read_for
from homines.estimation.family import LAPSE, PRECISION, RISK, Family, crra
from homines.estimation.lapse import climb_lapse
from homines.estimation.likelihood import Design, Peak, climb, loglik
from homines.theory.choice import Belief, stated_beliefs

CLUSTERS = ("subject", "game", "decision", "none")
RISKS = (-2.0, 3.0)
"""Bounds of the search for relative risk aversion."""
HIGHEST_WITH_ZERO = 0.99
"""From 1 on a payoff of 0 has no value."""

Hold: TypeAlias = Callable[[Design], tuple[Design, Array | float]]
"""From a design to one with a parameter held fixed: the remaining columns, and an offset of utility."""


def hold_nothing(design: Design) -> tuple[Design, Array | float]:
    """The design with all parameters free."""
    return design, 0.0


class NotIdentified(HominesError):  # noqa: N818 (a finding, as much as an error)
    """The choices or the decisions give these parameters no values.

    reason   the same in a few words without numbers, where many are listed
    """

    reason: ClassVar[str] = "the parameters have no values"


class FlatLikelihood(NotIdentified):
    """The likelihood is flat along a direction: these decisions cannot tell the parameters apart."""

    reason = "its decisions cannot tell the parameters apart"


class EqualOptions(NotIdentified):
    """The family values all options of every decision alike, thus the precision has no value."""

    reason = "every option has the same value"


class NearIndifference(NotIdentified):
    """Lapses and imprecision look alike: no decision lies far from indifference."""

    reason = "lapses look like a low precision, as no decision lies far from indifference"


class Separated(NotIdentified):
    """The likelihood rises without bound: some values imply every choice (certain choices, few decisions)."""

    reason = "choices are (nearly) certain at every decision: they are separated"


class SeparatedByLapses(Separated):
    """The same with lapses alone: what is not certain counts as a lapse."""

    reason = "choices are certain but for lapses: with --lapse they are separated, without it they are not"


class NotRising(NotIdentified):
    """The likelihood is highest at a precision of 0 or less."""

    reason = "choices do not rise with what the family values"


@dataclass(frozen=True, eq=False)
class Problem:
    """Observations as arrays, for one family.

    design    columns of `Family.columns` at no risk aversion; `sampled` [observation]: not exact
    rows      [observation, action] choices; `at` [observation] their decision, `group` their cluster
    """

    family: Family
    decisions: Decisions
    games: tuple[str, ...]
    belief: Belief
    design: Design
    rows: Array
    at: np.ndarray
    group: np.ndarray
    cluster: str
    sampled: np.ndarray
    risk: bool = False
    scale: float = 1.0
    mass: float = 1.0
    lapse: bool = False
    designs: dict[float, Design] = field(default_factory=dict[float, Design])

    @property
    def names(self) -> tuple[str, ...]:
        """What is estimated: the family's parameters, one that bends the likelihood, the precision."""
        bends = (RISK,) if self.risk else (LAPSE,) if self.lapse else ()
        return (*self.family.free, *bends, PRECISION)

    @cached_property
    def y(self) -> Array:
        """Choices at each decision [decision, action]."""
        total = np.zeros(self.design.legal.shape)
        np.add.at(total, self.at, self.rows)
        return total

    @cached_property
    def shares(self) -> Array:
        """Observed shares at each decision [decision, action]."""
        total = self.y.sum(-1, keepdims=True)
        return np.divide(self.y, total, out=np.zeros_like(self.y), where=total > 0)

    @cached_property
    def null(self) -> float:
        """Log-likelihood of random choice."""
        return loglik(self.y, self.design.logp(np.zeros(self.design.x.shape[-1])))

    @cached_property
    def best(self) -> float:
        """Log-likelihood of the observed shares."""
        return loglik(self.y, np.log(np.where(self.shares > 0, self.shares, 1.0)))

    @property
    def repeated(self) -> bool:
        """Some decision has an exact choice, or more than one sampled: shares there can differ from a fit."""
        return not self.sampled.all() or bool((self.y.sum(-1) > 1 + 1e-9).any())

    def design_at(self, bend: float) -> Design:
        """The design at this risk attitude, or at this share of lapses: whichever is estimated."""
        return replace(self.design, lapse=bend) if self.lapse else self.at_risk(bend)

    def at_risk(self, risk: float) -> Design:
        """The design where payoffs are valued at this risk attitude."""
        if risk == 0.0:
            return self.design
        if risk not in self.designs:
            if len(self.designs) > 200:
                self.designs.clear()
            self.designs[risk] = self.decisions.design(
                self.family, self.belief, lambda paid: crra(paid, risk, self.scale)
            )
        return self.designs[risk]

    def peak(
        self, take: Hold = hold_nothing, around: float | None = None, start: Array | None = None
    ) -> tuple[Peak, float]:
        """The highest likelihood of the design that `take` makes, and the risk attitude or the share of
        lapses where it lies; 0 where neither is estimated.

        around   this number is searched around this value only
        start    coefficients at the start of the climb
        """

        def at(risk: float) -> Peak:
            design, offset = take(self.at_risk(float(risk)))
            return climb(design, self.y, offset=offset, start=start)

        if self.lapse:
            design, offset = take(self.design)
            return climb_lapse(design, self.y, offset=offset, start=start, around=around)
        if not self.risk:
            return at(0.0), 0.0
        low, high = self.risks
        if around is None:
            grid = np.linspace(low, high, 11)
            top = int(np.argmax([at(r).loglik for r in grid]))
            low, high = grid[max(top - 1, 0)], grid[min(top + 1, 10)]
        else:
            low, high = max(low, around - 0.5), min(high, around + 0.5)
        optimum = minimize_scalar(
            lambda r: -at(r).loglik, bounds=(low, high), method="bounded", options={"xatol": 1e-6}
        )
        return at(optimum.x), float(optimum.x)

    @cached_property
    def risks(self) -> tuple[float, float]:
        """Bounds of the search for risk aversion."""
        return RISKS if self.decisions.least > 0 else (RISKS[0], HIGHEST_WITH_ZERO)


def problem(
    observations: Sequence[Observation],
    of: Family,
    *,
    belief: Belief = stated_beliefs,
    cluster: str | None = None,
    risk: bool = False,
    lapse: bool = False,
) -> Problem:
    """Observations as arrays. Raises HominesError where there is nothing to choose or to cluster by, and for
    risk and lapses together."""
    if risk and lapse:
        raise HominesError("risk attitude and lapses are not estimated together; leave out one of them")
    columns = Columns.of(read_for(observations, of))
    if not len(columns):
        raise HominesError("no observations to fit; measure a model first, or give a CSV with rows")
    cluster = cluster or _cluster(columns)
    one_of("cluster", cluster, CLUSTERS)
    groups: dict[str, Callable[[], Integers]] = {
        "subject": lambda: columns.subject,
        "game": lambda: columns.game_of[columns.at],
        "decision": lambda: columns.at,
        "none": lambda: np.arange(len(columns)),
    }
    return Problem(
        of,
        columns.decisions,
        tuple(columns.games[i] for i in columns.game_of),
        belief,
        columns.decisions.design(of, belief),
        columns.counts,
        columns.at,
        groups[cluster](),
        cluster,
        np.isfinite(columns.n),
        risk,
        float(np.mean(columns.decisions.largest)) or 1.0,
        float(np.mean(columns.mass)),
        lapse,
    )


def _cluster(columns: Columns) -> str:
    """The default cluster: subject where there are several; else game, else decision."""
    if len(columns.subjects) > 1:
        return "subject"
    return "game" if len(columns.games) > 1 else "decision"


def to_parameters(g: Array) -> tuple[Array, float]:
    """(parameters, precision) of a coefficient vector g = precision * (1, parameters)."""
    return g[1:] / g[0], float(g[0])
