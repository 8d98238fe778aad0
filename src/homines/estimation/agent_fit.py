"""What `homines fit` says of one agent: estimates, their checks and rivals, tests, and what has no number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from homines.core.types import HominesError
from homines.estimation.fit import Estimate
from homines.estimation.fitting import AgentChoices, checks_of, estimate_one, estimate_row, with_values
from homines.estimation.mixture import Mixture
from homines.estimation.model_tests import Comparison, contest, holm
from homines.estimation.options import BELIEFS, FitOptions
from homines.estimation.random_coefficients import RandomCoefficients
from homines.estimation.rivals import Rival, rivals
from homines.estimation.spread import Spread


@dataclass(frozen=True, eq=False)
class FamilyFit:
    """One family's estimate, its checks (`checks_of`), and its rivals; both empty where it is not of one
    preference for all."""

    estimate: Estimate | Mixture | RandomCoefficients | Spread
    checks: dict[str, Any]
    rivals: list[Rival]

    def row(self) -> dict[str, Any]:
        """As JSON."""
        return estimate_row(self.estimate) | self.checks | {"rivals": [asdict(r) for r in self.rivals]}


@dataclass(frozen=True, eq=False)
class AgentFit:
    """Estimates and tests from one agent's choices. refused: why there is none, by family or test; left:
    answers of little legal mass that are left out."""

    agent: str | None
    families: list[FamilyFit]
    tests: list[Comparison]
    refused: dict[str, str]
    left: int = 0


@dataclass(frozen=True)
class FamilySet:
    """What is estimated: families, and those tested against the first; by which options; rivals or none."""

    families: Sequence[str]
    against: Sequence[str]
    options: FitOptions
    name_rivals: bool = True

    @property
    def one_for_all(self) -> bool:
        """Whether one preference for all subjects is estimated."""
        return self.options.one_for_all

    @property
    def testable(self) -> bool:
        """Whether families can be tested against each other: one for all, of given payoffs."""
        return self.one_for_all and not self.options.bends

    @property
    def narrower(self) -> tuple[str, ...]:
        """The families tested against the first, each once."""
        return tuple(dict.fromkeys((*self.against, *(self.families[1:] if self.testable else ()))))

    @property
    def steps(self) -> int:
        """Calls of `step` for one agent."""
        return len(self.families) + len(self.narrower)


def fit_agent(choices: AgentChoices, wanted: FamilySet, step: Callable[[], None]) -> AgentFit:
    """Estimate these families for one agent, and test them. step: called after each."""
    families: list[FamilyFit] = []
    tests: list[Comparison] = []
    if not choices.observations:
        return AgentFit(choices.agent, families, tests, dict.fromkeys(wanted.families, choices.why))
    refused: dict[str, str] = {}
    for spec in wanted.families:
        try:
            families.append(_fit_family(choices, spec, wanted))
        except HominesError as why:
            refused[spec] = str(why)
        step()
    for narrow in wanted.narrower:
        try:
            first, options = wanted.families[0], wanted.options
            both = with_values(choices.observations, narrow, first)
            belief = BELIEFS[options.belief]
            tests.append(contest(both, narrow, first, belief=belief, cluster=options.cluster))
        except HominesError as why:
            refused[f"{narrow} against {wanted.families[0]}"] = str(why)
        step()
    return AgentFit(choices.agent, families, holm(tests), refused, choices.left)


def _fit_family(choices: AgentChoices, spec: str, wanted: FamilySet) -> FamilyFit:
    estimate = estimate_one(choices.observations, spec, wanted.options)
    checks = checks_of(choices, spec, wanted.options) if wanted.one_for_all else {}
    others: list[Rival] = []
    if wanted.name_rivals and wanted.testable:
        belief, cluster = BELIEFS[wanted.options.belief], wanted.options.cluster
        others = rivals(with_values(choices.observations, spec), spec, belief=belief, cluster=cluster)
    return FamilyFit(estimate, checks, others)
