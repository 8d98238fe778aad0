"""Scenarios as questions: every option by its letter, in the order of the file and in the reverse.

What is read is the probability of the implied option given a legal answer, the mean of both orders.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from homines.core.types import Decision, Model, Record, frozen
from homines.elicitation.benchmark import ask_by_letter
from homines.elicitation.questions import Question
from homines.elicitation.scenario_file import Scenario, ScenarioSet

NAME = "scenario"
"""Frame and game of a scenario's records."""


def decision_of(s: Scenario) -> Decision:
    """A scenario as a decision: its options by place, the implied one pays 1."""
    n = len(s.options)
    return Decision(tuple(map(str, range(n))), frozen(np.eye(1, n, s.implied)), rule=s.text, does=s.shown)


def questions(model: Model, every: ScenarioSet) -> list[Question]:
    """The two questions of every scenario."""
    return [
        ask_by_letter(model, NAME, decision_of(s), s.text, s.shown, reverse=reverse)
        for s in every.scenarios
        for reverse in (False, True)
    ]


def by_scenario(every: ScenarioSet, records: Sequence[Record]) -> Mapping[str, list[Record]]:
    """The records of each scenario, by its id; a scenario that was not asked has none."""
    ids = {decision_of(s).key: s.id for s in every.scenarios}
    out: dict[str, list[Record]] = {s.id: [] for s in every.scenarios}
    for r in records:
        if (name := ids.get(r.decision.key)) is not None:
            out[name].append(r)
    return out
