"""A coin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from homines.core.checks import number
from homines.core.types import Choice, Decision
from homines.theory.strategies import check_two_actions, first_action_with


@dataclass(frozen=True)
class Random:
    """The first action, C, with probability p, whatever happened."""

    memory: ClassVar[int] = 0

    p: float = 0.5

    def __post_init__(self) -> None:
        number("p", self.p, 0, 1)

    def __call__(self, ds: Sequence[Decision]) -> list[Choice]:
        check_two_actions(ds)
        return [first_action_with(self.p) for _ in ds]
