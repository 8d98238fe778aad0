"""Dictator game."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from homines.core.checks import number
from homines.core.types import Array, Decision, History, HominesError, frozen
from homines.theory.stakes import menu

MOST_GIFTS = 1001


@dataclass(frozen=True, eq=False)
class Allocation:
    """Player 0 decides for both; player 1 never moves.

    table[k, a] is what player k gets after action a; shape [player, a]. `rule`: the same in words, for tables
    too long to list (`Decision.rule`).
    """

    actions: tuple[str, ...]
    table: Array
    rule: str = ""

    def due(self, history: History) -> Mapping[int, Decision]:
        return {} if history else {0: Decision(self.actions, self.table, rule=self.rule)}

    def payoffs(self, history: History) -> Array:
        return self.table[:, history[0][0]]


def dictator(total: float = 100, step: float = 10) -> Allocation:
    """Dictator game: give the other any part of `total`, in steps; keep the rest.

    The actions are named by the amount given. Forsythe et al. (1994), GEB 6: 347.

    >>> dictator(total=10, step=5).due(())[0].actions
    ('0', '5', '10')
    """
    number("total", total, 0)
    number("step", step, 0)
    gifts = amounts("total", total, step)
    rule = f"You have {total:.10g} points. Choose how many of them {{other}} gets; you keep the rest."
    return Allocation(tuple(f"{g:.10g}" for g in gifts), frozen([total - gifts, gifts]), rule)


def draw(rng: np.random.Generator, most: int = 9) -> str:
    """A total of whole points up to `most`, in 3 to 6 amounts or 11."""
    total, step = menu(rng, "dictator", most)
    return f"dictator(total={total}, step={step})"


def amounts(name: str, total: float, step: float) -> Array:
    """0, step, ..., total. Raises HominesError unless step divides total into fewer than MOST_GIFTS parts."""
    many = total / step if 0 < step <= total else 0.0
    if many >= MOST_GIFTS:
        raise HominesError(
            f"step {step:g} makes {many + 1:g} actions of {name} {total:g}, more than {MOST_GIFTS}; "
            "use a larger step"
        )
    parts = round(many)
    if not parts or abs(parts * step - total) > 1e-9 * total:
        raise HominesError(
            f"step {step:g} must divide {name} {total:g}, and both be above 0; try {total / 10:g}"
        )
    return np.linspace(0, total, parts + 1)
