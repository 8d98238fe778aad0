"""Win-stay lose-shift."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from homines.core.types import Choice, Decision
from homines.opponents.memory_one import MemoryOne


@dataclass(frozen=True)
class WinStayLoseShift:
    """Cooperate (the first action, C) at first; keep the last action if the other played C, else change it.

    (1, 1, 0, 0, 1), also called Pavlov. In a prisoner's dilemma a win is R or T, a loss S or P.
    Nowak & Sigmund (1993), Nature 364: 56.
    """

    memory: ClassVar[int] = 1

    def __call__(self, ds: Sequence[Decision]) -> list[Choice]:
        return MemoryOne(1, 1, 0, 0, 1)(ds)
