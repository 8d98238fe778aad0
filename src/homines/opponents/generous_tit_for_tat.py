"""Generous tit for tat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from homines.core.checks import number
from homines.core.types import Choice, Decision
from homines.theory.strategies import first_action_with, last_moves


@dataclass(frozen=True)
class GenerousTitForTat:
    """Tit for tat that forgives a D with probability `generosity`.

    (1, 1, g, 1, g). The most generous g that unconditional defection cannot exploit is

        g = min(1 - (T - R) / (R - S), (R - P) / (T - P))

    of Nowak & Sigmund (1992), Nature 355: 250. The default, 1/3, is its value for Axelrod's payoffs
    (T, R, P, S) = (5, 3, 1, 0) and the one of the literature; for those of `ipd`, (4, 3, 1, 0), it is 2/3.
    """

    generosity: float = 1 / 3

    memory: ClassVar[int] = 1

    def __post_init__(self) -> None:
        number("generosity", self.generosity, 0, 1)

    def __call__(self, ds: Sequence[Decision]) -> list[Choice]:
        return [first_action_with(self.generosity if last_moves(d)[1] == 1 else 1.0) for d in ds]
