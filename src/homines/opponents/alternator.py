"""Alternator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from homines.core.types import Choice, Decision
from homines.theory.strategies import first_or_second, last_moves


@dataclass(frozen=True)
class Alternator:
    """Cooperate (the first action, C) at first, then play what was not played last, whatever the other does.

    Axelrod (1980), Journal of Conflict Resolution 24: 3.
    """

    memory: ClassVar[int] = 1

    def __call__(self, ds: Sequence[Decision]) -> list[Choice]:
        return [first_or_second(0 if (mine := last_moves(d)[0]) is None else 1 - mine) for d in ds]
