"""The one-shot equilibrium, in every round."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from homines.core.types import Array, Choice, Decision, NotDefined
from homines.theory.strategies import payoffs_by_player, pure_choice


@dataclass(frozen=True)
class Nash:
    """A pure Nash equilibrium of one round, whatever happened before.

    Of several, that which pays all together least: competition at its fiercest."""

    memory: ClassVar[int] = 1

    def __call__(self, ds: Sequence[Decision]) -> list[Choice]:
        return [pure_choice(d, equilibria(payoffs_by_player(d))[0][d.player]) for d in ds]


class NoPureEquilibrium(NotDefined):
    """A stage game in which every outcome makes some player want to move."""


def equilibria(table: Array) -> list[tuple[int, ...]]:
    """Every pure Nash equilibrium of a stage game [player, a_0, a_1, ...], by the sum of payoffs, rising.

    Raises NoPureEquilibrium where there is none.
    """
    stable = np.ones(table.shape[1:], dtype=np.bool_)
    for k, paid in enumerate(table):
        stable &= paid >= paid.max(axis=k, keepdims=True) - 1e-12
    profiles = [tuple(map(int, at)) for at in np.argwhere(stable)]
    if not profiles:
        raise NoPureEquilibrium(
            "this game has no pure Nash equilibrium of one round; give a menu with more points, or another "
            "opponent"
        )
    return sorted(profiles, key=lambda at: float(table[(slice(None), *at)].sum()))
