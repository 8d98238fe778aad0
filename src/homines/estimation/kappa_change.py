"""Change of kappa between two sets of answers to the same games, with its interval or why there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from scipy.stats import t as student

from homines.core.types import HominesError, Record
from homines.elicitation.metrics import answered_records, choices, rarely_legal
from homines.estimation.agent_estimates import numbers, sentence, where_defined
from homines.estimation.columns import Observation
from homines.estimation.family import Family, family
from homines.estimation.fit import check_design, check_peak, fit
from homines.estimation.observations import from_records
from homines.estimation.problem import problem, to_parameters

FAMILIES = ("kantian(alpha=0)", "moralis")
"""Families that kappa is estimated by: the first that both sets of answers identify."""
APART = "No question has legal answers of both."
NOWHERE = "No question asked has a value for it: kappa needs a symmetric game."
LEVEL = 0.95
FEWEST = 3
"""Games in common from which an interval is given."""
NO_WIDTH = 1e-6
"""Changes nearer to each other than this are the same, but for rounding and the search for the peak."""
Question: TypeAlias = tuple[str, str, str]
"""Game, key of the decision, frame."""


@dataclass(frozen=True)
class ParameterChange:
    """A parameter in two sets of answers. low, high: 95% interval of after - before over `games` games that
    both sets hold; None for fewer than FEWEST, and where no game makes a difference (alike)."""

    before: float
    after: float
    low: float | None
    high: float | None
    games: int

    @property
    def change(self) -> float:
        return self.after - self.before

    @property
    def alike(self) -> bool:
        """Whether the change is the same whichever game is left out: an interval would have no width, which
        says nothing of other games."""
        return self.low is None and self.games >= FEWEST


@dataclass(frozen=True)
class KappaChange:
    """kappa of the later answers with its 95% interval by `fit`, and its change.

    family   the family it is a parameter of; empty where there is no value
    why      what has no value, and for what reason
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    family: str = ""
    change: ParameterChange | None = None
    why: str = ""


def kappa_change(before: Sequence[Record], after: Sequence[Record], *, changed: bool = True) -> KappaChange:
    """kappa of two sets of records, of questions that state a belief about the other where there are some.

    Both sets are restricted to the questions (game, decision and frame) that have legal answers in both: a
    theory that fits no game exactly has another kappa in other games, and that is no change of the answers.

    changed   False: of the later records alone
    """
    if not changed:
        before = after
    before, after = _in_both(before, after)
    if changed and not choices(after):
        return KappaChange(why=APART)
    alone, reasons = KappaChange(), list[str]()
    for spec in FAMILIES:
        of = family(spec)
        try:
            one, two = (where_defined(of, _observations(side)) for side in (before, after))
            if not two:
                return KappaChange(why=NOWHERE)
            value, _, low, high, why = numbers(fit(two, of), "kappa")
        except HominesError as failure:
            reasons.append(sentence(failure))
            continue
        if value is None:
            reasons.append(why)
            continue
        estimate = KappaChange(value, low, high, spec)
        if not changed:
            return estimate
        alone = alone if alone.family else estimate
        try:
            return replace(estimate, change=parameter_change(one, two, of, "kappa"))
        except HominesError as failure:
            reasons.append(f"The change has no value: {sentence(failure)}")
    return replace(alone, why=reasons[-1 if alone.family else 0])


def _in_both(before: Sequence[Record], after: Sequence[Record]) -> tuple[list[Record], list[Record]]:
    """The records of questions that `_legal` keeps of both."""
    both = _legal(before) & _legal(after)
    one, two = ([r for r in side if _question(r) in both] for side in (before, after))
    return one, two


def _legal(records: Sequence[Record]) -> set[Question]:
    """The questions whose answers have a legal mass of LEGAL_MASS or more; all with an answer where none has
    so much; and all on beliefs that have an answer."""
    groups: dict[Question, list[Record]] = {}
    for r in records:
        groups.setdefault(_question(r), []).append(r)
    answered = {question for question, group in groups.items() if answered_records(group)}
    beliefs = {question for question in answered if groups[question][0].asks == "belief"}
    legal = {question for question in answered if not rarely_legal(groups[question])} - beliefs
    return (legal | beliefs) if legal else answered


def _question(r: Record) -> Question:
    return r.game, r.decision.key, r.frame


def _observations(records: Sequence[Record]) -> list[Observation]:
    """Choices where a belief about the other is stated; all where none is."""
    return from_records([r for r in records if r.decision.others is not None] or records)


def parameter_change(
    before: Sequence[Observation], after: Sequence[Observation], of: Family, name: str
) -> ParameterChange:
    """The change of one parameter of a family.

    The interval is a jackknife over games, both sets without the same game at a time, by Student's t with
    games - 1 degrees of freedom: it holds for games like these, and what a game does to both sets alike
    cancels. Raises NotIdentified where either set, with all games or without one of them, gives no value.
    """
    games = list(dict.fromkeys(o.game for o in before if o.game in {o.game for o in after}))
    one, two = (point_estimate(side, of, name) for side in (before, after))
    if len(games) < FEWEST:
        return ParameterChange(one, two, None, None, len(games))
    changes = [
        point_estimate([o for o in after if o.game != game], of, name)
        - point_estimate([o for o in before if o.game != game], of, name)
        for game in games
    ]
    if np.ptp(changes) < NO_WIDTH:
        return ParameterChange(one, two, None, None, len(games))
    n = len(games)
    error = float(np.sqrt((n - 1) / n * np.sum((np.array(changes) - (two - one)) ** 2)))
    half = float(student.ppf((1 + LEVEL) / 2, n - 1)) * error
    return ParameterChange(one, two, two - one - half, two - one + half, n)


def point_estimate(observations: Sequence[Observation], of: Family, name: str) -> float:
    """The maximum-likelihood value of one parameter, without errors. Raises NotIdentified as `fit`."""
    p = problem(observations, of)
    check_design(p)
    peak, _ = p.peak()
    check_peak(p, peak)
    theta, _ = to_parameters(peak.g)
    return float(theta[list(of.free).index(name)])
