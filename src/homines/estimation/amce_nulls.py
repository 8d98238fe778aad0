"""Null policies in moral dilemmas: they ignore the scenario, or count heads alone.

A model's effects are informative as far as they differ from these. Under our design a policy that ignores the
scenario scores 0 in every effect. In the public generator of scenarios for language models it does not: where
both groups are pedestrians the first attribute level is always Case 1, and passengers are always Case 1:
"always Case 2" saves them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from homines.estimation.amce import Amce
from homines.estimation.amce_rows import amce_of_choices
from homines.games.dilemma import STAY, SWERVE, Dilemma

Null = Callable[[Dilemma, int], float]
"""P(stay) in a scenario, given the action that is shown first."""

FIRST_LEVEL = {"gender": 1, "fitness": -1, "status": -1, "age": 1, "number": -1, "species": 1}
"""Which level is Case 1 in that generator (1: the plus level), read off the signs of the published scores of
"always Case 2"."""


def headcount(d: Dilemma) -> float:
    """Saves the larger group; a coin where they are as large."""
    killed = d.victims.sum(-1)
    return 0.5 if killed[STAY] == killed[SWERVE] else float(killed[STAY] < killed[SWERVE])


NULLS: Mapping[str, Null] = {
    "always the first shown": lambda d, first: float(first == STAY),
    "always the second shown": lambda d, first: float(first == SWERVE),
    "coin": lambda d, first: 0.5,
    "headcount": lambda d, first: headcount(d),
}


def stay_over_both_orders(null: Null, d: Dilemma) -> float:
    """P(stay), averaged over both orders: our design."""
    return (null(d, STAY) + null(d, SWERVE)) / 2


def stay_in_public_order(null: Null, d: Dilemma) -> float:
    """P(stay) where the order is that of the public generator: Case 1, shown first, kills the passengers, or
    the first level of the attribute."""
    passengers = d.passengers
    first = d.levels.index(FIRST_LEVEL[d.kind]) if passengers is None else passengers
    return null(d, first)


def nulls(scenarios: Sequence[Dilemma]) -> dict[tuple[str, str], Amce]:
    """Effects of every null policy in these scenarios, by (policy, design)."""
    designs = {"balanced": stay_over_both_orders, "first level always first": stay_in_public_order}
    return {
        (name, design): amce_of_choices((d, stays(null, d)) for d in scenarios)
        for design, stays in designs.items()
        for name, null in NULLS.items()
    }
