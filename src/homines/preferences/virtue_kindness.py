"""The virtue of kindness: cooperating is good in itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from homines.core.checks import action, number
from homines.core.types import Array, Decision
from homines.preferences.deontological import by_action
from homines.theory.utility_terms import KIND, Term, weigh


@dataclass(frozen=True)
class VirtueKindness:
    """u = reward where I play C, else 0.

    reward   at least 0, in utility
    The virtue-kindness reward of Tennant et al.'s earlier work.
    """

    reward: float = 3.0

    def __post_init__(self) -> None:
        number("reward", self.reward, 0)

    def __call__(self, d: Decision) -> Array:
        return weigh(self.terms(d), d)

    def terms(self, d: Decision) -> tuple[Term, ...]:
        return (Term(KIND, self.reward, plays("C", d, "kindness")),)


def plays(name: str, d: Decision, why: str) -> Array:
    """1.0 where my action has this name, 0.0 elsewhere; shape d.payoffs.shape[1:]."""
    return by_action(np.eye(len(d.actions))[action(d, name, why)], d)
