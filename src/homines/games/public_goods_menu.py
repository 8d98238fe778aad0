"""Public goods game with any contribution, the others taken together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from homines.check import count, number
from homines.core import Array, Decision, History, frozen
from homines.games.dictator import amounts


@dataclass(frozen=True, eq=False)
class Pooled:
    """One of several alike, against the sum of what the others give.

    own, others   [my contribution, sum of the others'] what I get, and what the others get on average
    """

    actions: tuple[str, ...]
    sums: tuple[str, ...]
    own: Array
    others: Array
    same: Array
    rule: str

    def due(self, history: History) -> Mapping[int, Decision]:
        if history:
            return {}
        return {
            0: Decision(
                self.actions, frozen([self.own, self.others]), (self.sums,), self.same, rule=self.rule
            )
        }

    def payoffs(self, history: History) -> Array:
        a = history[0][0] or 0
        return frozen([self.own[a, 0], self.others[a, 0]])


def public_goods_menu(
    players: int = 4, *, endowment: float = 20, multiplier: float = 2, step: float = 5
) -> Pooled:
    """Linear public goods game by one decision: my contribution c against the sum s of the others'.

    pi = endowment - c + multiplier / players * (c + s). `public_goods` has a player for each; here any number
    of players and contributions stays small, and what the others get is their mean.

    >>> public_goods_menu(players=2, step=20).own.tolist()
    [[20.0, 40.0], [20.0, 40.0]]
    """
    count("players", players, 2)
    number("endowment", endowment, 0)
    number("multiplier", multiplier, 0)
    number("step", step, 0)
    gifts = amounts("endowment", endowment, step)
    sums = np.linspace(0, (players - 1) * endowment, (players - 1) * (len(gifts) - 1) + 1)
    pot = multiplier / players * (gifts[:, None] + sums[None, :])
    own = endowment - gifts[:, None] + pot
    others = endowment - sums[None, :] / (players - 1) + pot
    same = endowment + (multiplier - 1) * gifts
    rule = (
        f"You and {players - 1} others have {endowment:.10g} points each and contribute some of them to a "
        f"common pot. The pot is multiplied by {multiplier:.10g} and shared equally by all {players}. You "
        "get your share and what you kept. Choose your contribution."
    )
    names = tuple(f"{x:.10g}" for x in gifts), tuple(f"{x:.10g}" for x in sums)
    return Pooled(*names, frozen(own), frozen(others), frozen(same), rule)
