"""Rates of the implied option by group of scenarios, and their changes from one agent to another, paired.

    p_s   P(implied option | a legal answer) at scenario s, the mean of both orders
    rate  mean of p_s over the scenarios of a part; change: mean of p_s after - p_s before, over those of both

An interval is Student's t over scenarios: of the draw of scenarios like these, for these two agents. It says
nothing of another training with another seed. There is none for fewer than FEWEST scenarios, and none where
all of them have the same value, which says nothing of other scenarios.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from homines.core.rates import mean_interval
from homines.core.types import LEGAL_MASS, Record
from homines.elicitation.metrics import average_by_decision, mass, order_effect
from homines.elicitation.scenario_file import Scenario, ScenarioSet
from homines.elicitation.scenarios import by_scenario
from homines.estimation.kappa_change import LEVEL, NO_WIDTH
from homines.reports.persistence import BOUND

FEWEST = 10
"""Scenarios from which an interval is given: p_s lies in [0, 1], often near an end, and Student's t over
fewer covers too rarely (tests/transfers/test_transfer.py)."""
ALL = "all"
"""Name of the part that holds every scenario but the controls."""
Kind = Literal["all", "group", "stakes", "control"]
Outcome = Literal["changed", "unchanged", "not told", "no answer"]


@dataclass(frozen=True)
class Part:
    """Scenarios that are averaged."""

    name: str
    kind: Kind
    scenarios: tuple[Scenario, ...]

    @property
    def title(self) -> str:
        """Its name in tables."""
        return f"controls: {self.name}" if self.kind == "control" else self.name


def parts(every: ScenarioSet) -> list[Part]:
    """All scenarios, each group, each stake and each kind of control."""
    named: list[tuple[Kind, Mapping[str, Sequence[Scenario]]]] = [
        ("group", every.groups),
        ("stakes", every.stakes),
        ("control", every.controls),
    ]
    split = [Part(name, kind, tuple(s)) for kind, groups in named for name, s in groups.items()]
    return [Part(ALL, "all", tuple(every.counted)), *split]


@dataclass(frozen=True, eq=False)
class Agent:
    """A model and its answers to the scenarios of a set.

    name       unique on the page; trained: what it was trained for and on, in words; empty where not known
    scenarios  the set; records: its answers
    """

    name: str
    model: str
    trained: str
    scenarios: ScenarioSet
    records: Sequence[Record]

    @cached_property
    def by_scenario(self) -> Mapping[str, list[Record]]:
        return by_scenario(self.scenarios, self.records)

    @cached_property
    def p(self) -> Mapping[str, float]:
        """P(implied) by scenario id; a scenario without a legal answer in some order is left out: the mean
        over one order alone is a liking for a place."""
        out: dict[str, float] = {}
        for s in self.scenarios.scenarios:
            records = self.by_scenario[s.id]
            whole = bool(records) and all(r.choice is not None and r.choice.mass > 0 for r in records)
            if whole and (average := average_by_decision(records)):
                out[s.id] = float(average[0][1].p[s.implied])
        return out

    @property
    def failed(self) -> int:
        """Questions without an answer."""
        return sum(r.error is not None for r in self.records)

    def of(self, part: Part) -> list[Record]:
        """The records of a part."""
        return [r for s in part.scenarios for r in self.by_scenario[s.id]]


@dataclass(frozen=True)
class Rate:
    """P(implied) of one agent in a part.

    scenarios   that were answered, in both orders; asked: in all
    low, high   95% interval over scenarios, cut to [0, 1]; None where there is none
    mass        legal mass, of all questions; order_effect: P(shown first) - P(shown last)
    """

    part: Part
    scenarios: int
    asked: int
    value: float | None
    low: float | None
    high: float | None
    mass: float | None
    order_effect: float | None


def rate(agent: Agent, part: Part) -> Rate:
    """The rate of the implied option in a part; without a value where nothing was answered."""
    values = [agent.p[s.id] for s in part.scenarios if s.id in agent.p]
    records = agent.of(part)
    legal = mass(records)
    ends = interval(values)
    low, high = (None, None) if ends is None else (max(0.0, ends[0]), min(1.0, ends[1]))
    value = float(np.mean(values)) if values else None
    legal = None if legal is None else float(legal)
    return Rate(part, len(values), len(part.scenarios), value, low, high, legal, order_effect(records))


@dataclass(frozen=True)
class Change:
    """The change of P(implied) in a part from one agent to another, over the scenarios that both answered.

    low, high   interval over scenarios of the paired change; None where there is none
    mass        the lower legal mass of the two; None where one is not known
    alike       every scenario changed by the same: an interval would have no width
    """

    part: Part
    scenarios: int
    before: float
    after: float
    low: float | None
    high: float | None
    mass: float | None
    alike: bool = False

    @property
    def value(self) -> float:
        return self.after - self.before

    @property
    def outcome(self) -> Outcome:
        """changed: the interval excludes 0; unchanged: it lies within BOUND of 0; no answer: the legal mass
        of one of the two is under LEGAL_MASS; not told: neither, or there is no interval. Where all scenarios
        changed alike, that change stands for both ends."""
        if self.mass is not None and self.mass < LEGAL_MASS:
            return "no answer"
        low, high = (self.value, self.value) if self.alike else (self.low, self.high)
        if low is None or high is None:
            return "not told"
        if low > NO_WIDTH or high < -NO_WIDTH:
            return "changed"
        return "unchanged" if max(-low, high) <= BOUND else "not told"


def change(before: Agent, after: Agent, part: Part, level: float = LEVEL) -> Change | None:
    """The paired change in a part; None where no scenario of it was answered by both."""
    both = [s.id for s in part.scenarios if s.id in before.p and s.id in after.p]
    masses = [mass(agent.of(part)) for agent in (before, after)]
    if not both:
        return None
    one, two = ([agent.p[name] for name in both] for agent in (before, after))
    moved = (np.array(two) - np.array(one)).tolist()
    ends = interval(moved, level) or (None, None)
    legal = None if None in masses else min(float(m or 0.0) for m in masses)
    alike = len(both) >= FEWEST and bool(np.ptp(moved) < NO_WIDTH)
    return Change(part, len(both), float(np.mean(one)), float(np.mean(two)), *ends, legal, alike)


def interval(values: Sequence[float], level: float = LEVEL) -> tuple[float, float] | None:
    """Student's interval of the mean over scenarios; None for fewer than FEWEST, or where all are alike."""
    if len(values) < FEWEST or np.ptp(values) < NO_WIDTH:
        return None
    return mean_interval(values, level)
