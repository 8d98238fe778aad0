"""The mirror image of duty: doing what is forbidden pays."""

from __future__ import annotations

from dataclasses import dataclass

from homines.core.checks import number
from homines.core.types import Array, Decision
from homines.preferences.deontological import forbidden, spec_of


@dataclass(frozen=True)
class AntiDeontological:
    """u = reward where the rule forbids my action (reward * degree, where by degrees), else 0: minus
    `deontological`.

    rule     a name from deontological.RULES, a Rule itself, or, where it is typed, 'module:object'
    reward   at least 0, in utility
    An anti-moral baseline of Tennant et al.'s earlier work.
    """

    rule: str = "betrayal"
    reward: float = 3.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "rule", spec_of(self.rule))
        number("reward", self.reward, 0)

    def __call__(self, d: Decision) -> Array:
        return self.reward * forbidden(self.rule, d)
