"""Rivals of an estimate: other families on the same choices, and whether these tell them from it.

observations x family -> Rival, one for every family of RIVALS that is defined there
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from homines.core.types import HominesError
from homines.estimation.columns import Observation
from homines.estimation.family import PRECISION, Family, family
from homines.estimation.fit import check_peak, flat_parameter, spell_fixed
from homines.estimation.likelihood import flat_direction
from homines.estimation.model_tests import Comparison, EqualFit, SameChoices, contest, holm
from homines.estimation.problem import Problem, problem, to_parameters
from homines.theory.choice import Belief, stated_beliefs

RIVALS = ("economicus", "utilitarian", "maximin", "altruist", "moralis", "inequity", "kantian")
"""Families that are tried beside an estimate."""
LEVEL = 0.05
"""Level of the tests between an estimate and its rivals, all together (Holm)."""

TOLD_APART = {"moralis", "inequity", "kantian", "altruist"}
"""Families that protocols and stated beliefs tell apart."""

Standing = Literal["same", "as well", "wider", "less", "more", "undefined"]


@dataclass(frozen=True)
class Rival:
    """Another family on the choices of an estimate.

    family    its spec; parameters that the decisions do not identify are fixed at 0 in it
    values    the parameters estimated, and the precision
    standing  same: it gives these decisions the same probabilities, whatever the answers are
              as well: narrower or unlike, and the test does not reject it, or of the same likelihood
              wider: it contains the estimate's family, and the test does not reject that
              less, more: the test rejects it, or the estimate's family against it
              undefined: no value at a decision, no maximum, or no test; `why` says it
    p         of the test between the two, corrected for their number
    """

    family: str
    standing: Standing
    values: Mapping[str, float]
    p: float | None = None
    why: str = ""

    @property
    def spec(self) -> str:
        """The preference with the values of its parameters, such as 'inequity(alpha=0, beta=0.5)'."""
        of = family(self.family)
        values = {**of.fixed, **{name: self.values[name] for name in of.free if name in self.values}}
        name = of.spec.partition("(")[0]
        return f"{name}({', '.join(f'{k}={v:.3g}' for k, v in values.items())})" if values else name


def rivals(
    observations: Sequence[Observation],
    of: Family | str,
    *,
    belief: Belief = stated_beliefs,
    cluster: str | None = None,
    others: Sequence[str] = RIVALS,
) -> list[Rival]:
    """Every other family against this one, each read as it values the answers (`columns.read_for`).

    The tests are those of model_tests.py; together they reject at LEVEL by Holm's (1979) rule.
    """
    of = family(of) if isinstance(of, str) else of
    mine = _not_zero(_values(pin(observations, of, belief, cluster)))
    rows: list[Rival] = []
    tests: dict[int, Comparison] = {}
    for spec in others:
        if family(spec).make is of.make:
            continue
        try:
            p = pin(observations, family(spec), belief, cluster)
            values = _values(p)
        except HominesError as failure:
            rows.append(Rival(spec, "undefined", {}, why=str(failure)))
            continue
        try:
            tests[len(rows)] = contest(observations, p.family, of, belief=belief, cluster=cluster)
            rows.append(Rival(p.family.spec, "as well", values))
        except SameChoices:
            special_case = family(spec).free and _not_zero(values).keys() == mine.keys()
            if not special_case:
                rows.append(Rival(p.family.spec, "same", values))
        except EqualFit:
            rows.append(Rival(p.family.spec, "as well", values))
        except HominesError as failure:
            rows.append(Rival(spec, "undefined", {}, why=str(failure)))
    for i, test in zip(tests, holm(list(tests.values())), strict=True):
        if np.isnan(test.p):
            rows[i] = replace(rows[i], standing="undefined", why="one cluster is too few for a test")
        else:
            rows[i] = replace(rows[i], p=test.p_holm, standing=_standing(test, of.spec))
    return rows


def pin(
    observations: Sequence[Observation],
    of: Family,
    belief: Belief = stated_beliefs,
    cluster: str | None = None,
) -> Problem:
    """The problem of a family whose parameters are fixed at 0, one after another, until its decisions
    identify the others."""
    p = problem(observations, of, belief=belief, cluster=cluster)
    while p.family.free:
        direction = flat_direction(p.design.potential(np.ones(len(p.design.x))))
        if direction is None:
            break
        spec = spell_fixed(p.family, flat_parameter(p.family, direction))
        p = problem(observations, family(spec), belief=belief, cluster=cluster)
    return p


def _not_zero(values: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in values.items() if value}


def _values(p: Problem) -> dict[str, float]:
    """Parameters and precision at the maximum. Raises NotIdentified where there is none."""
    peak, _ = p.peak()
    check_peak(p, peak)
    g = peak.g
    theta, precision = to_parameters(g)
    return dict(zip((*p.family.free, PRECISION), (*map(float, theta), precision), strict=True))


def _standing(test: Comparison, mine: str) -> Standing:
    rejected = test.p_holm <= LEVEL
    if test.kind == "Vuong":
        return "as well" if not rejected else "less" if test.statistic > 0 else "more"
    if test.narrow == mine:
        return "more" if rejected else "wider"
    return "less" if rejected else "as well"


def rival_sentences(mine: str, rivals: Sequence[Rival]) -> list[str]:
    """What rivals say of an estimate of the family `mine`, first what cannot be told from it."""

    def listed(*standings: Standing) -> list[str]:
        return [r.spec for r in rivals if r.standing in standings]

    texts: list[str] = []
    if same := listed("same"):
        heads = {mine.partition("(")[0], *(spec.partition("(")[0] for spec in same)}
        protocols = "the sequential protocols, or games with stated beliefs other than 50/50, do"
        remedy = protocols if heads <= TOLD_APART else "it takes other games"
        texts.append(f"no answers to these questions tell {mine} from {', '.join(same)}; {remedy}")
    if more := listed("more"):
        texts.append(f"explains more than {mine} (5% level): {', '.join(more)}")
    if well := listed("as well"):
        texts.append(f"not rejected beside {mine} (5% level): {', '.join(well)}")
    if wider := listed("wider"):
        texts.append(f"wider than {mine}, and explains no more (5% level): {', '.join(wider)}")
    if undefined := [r.family for r in rivals if r.standing == "undefined"]:
        texts.append(f"no estimate or test here: {', '.join(undefined)}")
    return texts
