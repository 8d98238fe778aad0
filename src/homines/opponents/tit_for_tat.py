"""Tit for tat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from homines.core.types import Choice, Decision
from homines.theory.strategies import first_or_second, last_moves


@dataclass(frozen=True)
class TitForTat:
    """Cooperate (the first action, C) at first, then do what the other did last.

    Axelrod & Hamilton (1981), Science 211: 1390.
    """

    memory: ClassVar[int] = 1

    def __call__(self, ds: Sequence[Decision]) -> list[Choice]:
        return [first_or_second(last_moves(d)[1] or 0) for d in ds]
