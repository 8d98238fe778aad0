"""Equality and kindness together."""

from __future__ import annotations

from dataclasses import dataclass

from homines.core.checks import number
from homines.core.types import Array, Decision
from homines.preferences.virtue_equality import inequality
from homines.preferences.virtue_kindness import plays


@dataclass(frozen=True)
class VirtueMixed:
    """u = weight * equality + (1 - weight) * [I play C], equality as in `virtue_equality`.

    weight   in [0, 1]
    The virtue-mixed reward of Tennant et al.'s earlier work.
    """

    weight: float = 0.5

    def __post_init__(self) -> None:
        number("weight", self.weight, 0, 1)

    def __call__(self, d: Decision) -> Array:
        equality = 1 - inequality(d)
        return self.weight * equality + (1 - self.weight) * plays("C", d, "virtue_mixed")
