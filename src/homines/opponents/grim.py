"""Grim trigger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from homines.core.types import Choice, Decision
from homines.theory.strategies import first_or_second, last_moves


@dataclass(frozen=True)
class Grim:
    """Cooperate (the first action, C) until the other defects, then defect for ever.

    After its own D it stays at D, so its own last move tells whether the other ever defected, and
    (1, 1, 0, 0, 0), which looks one round back, is the whole strategy.
    Friedman (1971), Review of Economic Studies 38: 1.
    """

    memory: ClassVar[int] = 1

    def __call__(self, ds: Sequence[Decision]) -> list[Choice]:
        return [first_or_second(int(1 in last_moves(d))) for d in ds]
