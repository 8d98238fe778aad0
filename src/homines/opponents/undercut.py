"""One step below the others' last price."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from homines.core.types import Choice, Decision
from homines.theory.strategies import check_simultaneous, last_actions, pure_choice


@dataclass(frozen=True)
class Undercut:
    """The next price below the cheapest of the others', of prices in rising order.

    But none that would lose money against theirs; the highest at the start. Where the names of actions are no
    numbers, the step below theirs."""

    memory: ClassVar[int] = 1

    def __call__(self, ds: Sequence[Decision]) -> list[Choice]:
        return [pure_choice(d, self._price(d)) for d in ds]

    @staticmethod
    def _price(d: Decision) -> int:
        check_simultaneous(d)
        past = last_actions(d)
        if past is None:
            return len(d.actions) - 1
        others = tuple(a for k, a in enumerate(past) if k != d.player)
        cheaper = max(0, _count_below(d, past) - 1)
        profitable = [a for a in range(len(d.actions)) if d.payoffs[(0, a, *others)] >= 0]
        if not profitable or cheaper in profitable:
            return cheaper
        return min(profitable, key=lambda a: abs(a - cheaper))


def _count_below(d: Decision, past: Sequence[int]) -> int:
    """Own prices below every other's last; by their places where the names of actions are no numbers."""
    others = [k for k in range(len(past)) if k != d.player]
    try:
        lowest = min(float(d.action_name(k, past[k])) for k in others)
        return sum(float(name) < lowest for name in d.actions)
    except ValueError:
        return min(past[k] for k in others)
