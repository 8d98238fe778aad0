"""Two tits for tat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from homines.core.types import Choice, Decision
from homines.theory.strategies import check_pair, first_or_second


@dataclass(frozen=True)
class TwoTitsForTat:
    """Cooperate (the first action, C) at first; defect in each of the two rounds after the other's defection.

    Axelrod (1980), Journal of Conflict Resolution 24: 3.
    """

    memory: ClassVar[int] = 2

    def __call__(self, ds: Sequence[Decision]) -> list[Choice]:
        check_pair(ds)
        return [first_or_second(int(any(stage[1 - d.player] == 1 for stage in d.history[-2:]))) for d in ds]
