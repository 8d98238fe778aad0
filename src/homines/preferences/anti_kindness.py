"""The mirror image of kindness: defecting is good in itself."""

from __future__ import annotations

from dataclasses import dataclass

from homines.core.checks import number
from homines.core.types import Array, Decision
from homines.preferences.virtue_kindness import plays


@dataclass(frozen=True)
class AntiKindness:
    """u = reward where I play D, else 0: between C and D, `reward` minus `virtue_kindness`.

    reward   at least 0, in utility
    An anti-moral baseline of Tennant et al.'s earlier work.
    """

    reward: float = 3.0

    def __post_init__(self) -> None:
        number("reward", self.reward, 0)

    def __call__(self, d: Decision) -> Array:
        return self.reward * plays("D", d, "anti-kindness")
