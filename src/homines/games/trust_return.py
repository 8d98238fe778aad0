"""What is returned in a trust game."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from homines.core.checks import number
from homines.core.types import Array, Decision, History, HominesError, frozen
from homines.games.dictator import amounts
from homines.games.trust_menu import FACTORS
from homines.theory.stakes import PARTS, StakeTooLow


@dataclass(frozen=True, eq=False)
class Returned:
    """Player 0 has sent; player 1 returns. table[k, a] is what player k gets after a was returned."""

    actions: tuple[str, ...]
    table: Array
    rule: str

    def due(self, history: History) -> Mapping[int, Decision]:
        if history:
            return {}
        return {1: Decision(self.actions, frozen(self.table[::-1]), player=1, kindness=1, rule=self.rule)}

    def payoffs(self, history: History) -> Array:
        act = history[0][1]
        return self.table[:, 0 if act is None else act]


def trust_return(
    received: float = 150, factor: float = 3, step: float = 15, endowment: float = 100
) -> Returned:
    """Player 0 had an endowment and sent received / factor of it; player 1 returns any part of `received`.

    The actions are named by the amount returned.

    >>> trust_return(step=75).due(())[1].payoffs.tolist()  # mine, player 0's
    [[150.0, 75.0, 0.0], [50.0, 125.0, 200.0]]
    """
    for name, value in (("received", received), ("factor", factor), ("step", step), ("endowment", endowment)):
        number(name, value, 0)
    if factor == 0 or received / factor > endowment:
        raise HominesError(f"received {received:g} must be factor {factor:g} times at most {endowment:g}")
    back = amounts("received", received, step)
    remainder = endowment - received / factor
    sent = f"{received / factor:.10g}"
    rule = (
        f"{{other}} had {endowment:.10g} points and sent you {sent} of them, multiplied by {factor:.10g}: "
        f"you hold {received:.10g} points. Choose how many of them {{other}} gets back; you keep the rest."
    )
    return Returned(tuple(f"{x:.10g}" for x in back), frozen([remainder + back, received - back]), rule)


def draw(rng: np.random.Generator, most: int = 9) -> str:
    """Whole points up to `most` in 3 to 6 amounts or 11; the endowment may be more than was sent."""
    fitting = [
        (factor, sent, parts)
        for factor in FACTORS
        for sent in range(1, most // factor + 1)
        for parts in PARTS
        if factor * sent % parts == 0
    ]
    if not fitting:
        raise StakeTooLow("trust_return", most, FACTORS[0])
    factor, sent, parts = fitting[int(rng.integers(len(fitting)))]
    received = factor * sent
    remainder = int(rng.integers(0, most - received + 1))
    return (
        f"trust_return(received={received}, factor={factor}, step={received // parts}, "
        f"endowment={sent + remainder})"
    )
