"""Conditional contributor: does its part where enough of the others did theirs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from homines.core.checks import count, number
from homines.core.types import Choice, Decision, HominesError
from homines.theory.strategies import contribute


@dataclass(frozen=True)
class ConditionalContributor:
    """Cooperate (the first action, C) where at least a share of the others did in the last round.

    share       of the others, in [0, 1]
    threshold   how many of them, in place of a share; 0: by the share
    start       probability of cooperating in the first round
    error       probability of doing the other thing
    For any number of players; with two and a share above 0 it is tit for tat. Conditional cooperation after
    Fischbacher, Gaechter & Fehr (2001), Economics Letters 71: 397, as a threshold.
    """

    memory: ClassVar[int] = 1

    share: float = 0.5
    threshold: int = 0
    start: float = 1.0
    error: float = 0.0

    def __post_init__(self) -> None:
        for name in ("share", "start", "error"):
            number(name, getattr(self, name), 0, 1)
        count("threshold", self.threshold, 0)

    def __call__(self, ds: Sequence[Decision]) -> list[Choice]:
        return contribute(ds, self.start, self._probability)

    def _probability(self, did: int, others: int) -> float:
        if self.threshold > others:
            raise HominesError(
                f"threshold {self.threshold} is more than the {others} others of this game; it must be at "
                "most as many"
            )
        enough = did >= self.threshold if self.threshold else did >= self.share * others - 1e-9
        return 1 - self.error if enough else self.error
