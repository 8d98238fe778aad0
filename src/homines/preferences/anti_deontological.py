"""The mirror image of duty: doing what is forbidden pays."""

from __future__ import annotations

from dataclasses import dataclass

from homines.check import number
from homines.core import Array, Decision
from homines.preferences.deontological import forbidden, named


@dataclass(frozen=True)
class AntiDeontological:
    """u = reward where the rule forbids my action, else 0: minus `deontological`.

    rule     a name from deontological.RULES, or 'module:object'
    reward   at least 0, in utility
    An anti-moral baseline of Tennant et al.'s earlier work.
    """

    rule: str = "betrayal"
    reward: float = 3.0

    def __post_init__(self) -> None:
        named(self.rule)
        number("reward", self.reward, 0)

    def __call__(self, d: Decision) -> Array:
        return self.reward * forbidden(self.rule, d)
