"""Linear contributor: the more of the others did their part, the likelier it does its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from homines.core.checks import number
from homines.core.types import Choice, Decision
from homines.theory.strategies import contribute


@dataclass(frozen=True)
class LinearContributor:
    """Cooperate (the first action, C) with probability base + slope * (share of the others who did).

    base    where none of them did
    slope   added where all did; below 0: the fewer do, the likelier. What leaves [0, 1] is cut there
    start   probability of cooperating in the first round
    For any number of players.
    """

    memory: ClassVar[int] = 1

    base: float = 0.1
    slope: float = 0.8
    start: float = 0.9

    def __post_init__(self) -> None:
        for name in ("base", "start"):
            number(name, getattr(self, name), 0, 1)
        number("slope", self.slope, -1, 1)

    def __call__(self, ds: Sequence[Decision]) -> list[Choice]:
        return contribute(ds, self.start, self._probability)

    def _probability(self, did: int, others: int) -> float:
        return min(1.0, max(0.0, self.base + self.slope * did / others))
