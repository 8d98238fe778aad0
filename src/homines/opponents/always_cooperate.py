"""Always cooperate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from homines.core.types import Choice, Decision
from homines.theory.strategies import check_two_actions, first_or_second


@dataclass(frozen=True)
class AlwaysCooperate:
    """The first action, C, whatever happened."""

    memory: ClassVar[int] = 0

    def __call__(self, ds: Sequence[Decision]) -> list[Choice]:
        check_two_actions(ds)
        return [first_or_second(0) for _ in ds]
