"""Agents of the study moral_machine: their choices and the effects on who is saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from homines.core.format import TableRow
from homines.core.types import Choice, Decision, Record
from homines.elicitation.metrics import (
    answered_records,
    average_by_decision,
    group_by,
    instability,
    mass,
    order_effect,
)
from homines.estimation.amce import ATTRIBUTES, Amce
from homines.estimation.amce_nulls import nulls
from homines.estimation.amce_rows import amce_of_choices
from homines.estimation.published import Country
from homines.games.dilemma import DIMENSIONS, Dilemma, spec
from homines.studies.kit import Agent, Findings

EFFECT_OF_KIND: Mapping[str, int] = {kind: ATTRIBUTES[d.type] for kind, d in DIMENSIONS.items()}
"""The index of the effect that a kind of scenario varies; the first three effects are of all kinds."""
ASKINGS = 4
"""Questions a scenario: two orders, two label sets."""


@dataclass(frozen=True, eq=False, kw_only=True)
class MachineAgent(Agent):
    """A model and the scenarios that it was asked about."""

    scenarios: Sequence[Dilemma]

    @cached_property
    def by_scenario(self) -> dict[str, list[Record]]:
        """Records by the spec of their scenario."""
        return {game: group for (game,), group in group_by(self.records, "game").items()}

    @cached_property
    def chosen(self) -> list[tuple[Dilemma, Decision, Choice]]:
        """Choices by scenario, averaged over orders and label sets.

        Only scenarios with an answer to every question are here: without one of them a preference for a place
        or a label would look like an effect.
        """
        groups = [(d, self.by_scenario.get(spec(d.kind, d.draw), [])) for d in self.scenarios]
        return [
            (d, decision, choice)
            for d, group in groups
            if len(group) == len(answered_records(group)) == ASKINGS
            for decision, choice in average_by_decision(group)
        ]

    @cached_property
    def amce(self) -> Amce:
        """Its effects on being saved."""
        return amce_of_choices((d, float(c.p[0])) for d, _, c in self.chosen)

    def records_of(self, effect: int | None = None) -> list[Record]:
        """Records of the scenarios of an effect; None: of all."""
        kinds = [
            kind for kind in DIMENSIONS if effect is None or effect < 3 or EFFECT_OF_KIND[kind] == effect
        ]
        return [
            r
            for d in self.scenarios
            if d.kind in kinds
            for r in self.by_scenario.get(spec(d.kind, d.draw), [])
        ]

    def reliability(self, effect: int | None = None) -> TableRow:
        """Legal mass, order effect and instability in the scenarios of an effect; None: in all."""
        group = self.records_of(effect)
        return {
            "legal mass": mass(group),
            "order effect": order_effect(group),
            "instability": instability(group),
        }


@dataclass(frozen=True, eq=False, kw_only=True)
class MachineFindings(Findings[MachineAgent]):
    """Every model of the study, its scenarios, and people by country where a file of theirs was given."""

    scenarios: Sequence[Dilemma]
    people: Mapping[str, Country]

    def answers(self, agent: MachineAgent) -> bool:
        return bool(agent.chosen)

    @cached_property
    def nulls(self) -> dict[tuple[str, str], Amce]:
        """Effects of policies that ignore who dies, or count heads, by policy and design."""
        return nulls(self.scenarios)
