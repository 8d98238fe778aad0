"""Memory-one strategies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from homines.core.checks import number
from homines.core.types import Choice, Decision
from homines.theory.strategies import first_action_with, last_moves


@dataclass(frozen=True)
class MemoryOne:
    """Probability of playing the first action, C, given my last move and the other's.

    start            where one of us has not moved yet
    cc, cd, dc, dd   after (my last, the other's last)
    Tit for tat is (1, 1, 0, 1, 0); win-stay lose-shift (1, 1, 0, 0, 1), Nowak & Sigmund (1993),
    Nature 364: 56.
    """

    memory: ClassVar[int] = 1

    start: float
    cc: float
    cd: float
    dc: float
    dd: float

    def __post_init__(self) -> None:
        for name in ("start", "cc", "cd", "dc", "dd"):
            number(name, getattr(self, name), 0, 1)

    def __call__(self, ds: Sequence[Decision]) -> list[Choice]:
        return [first_action_with(self._probability(d)) for d in ds]

    def _probability(self, d: Decision) -> float:
        mine, other = last_moves(d)
        if mine is None or other is None:
            return self.start
        return ((self.cc, self.cd), (self.dc, self.dd))[mine][other]
