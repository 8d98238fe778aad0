"""Lives, each kind of being with a weight of its own: the structural reading of moral dilemmas."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from homines.core.checks import number
from homines.core.types import Array, Decision, NotDefined
from homines.games.dilemma import BEINGS, CHARACTERS, SEATS

TRAITS = ("human", "female", "fit", "status", "young")
CONTRASTS = np.array([[getattr(c, trait) / 2 for trait in TRAITS] for c in CHARACTERS])
"""+1/2 for beings that have the trait, -1/2 for its opposite, 0 for others; [character, trait]."""


@dataclass(frozen=True)
class Lives:
    """u = sum over those saved of their worth + inaction i + pedestrians p + lawful l, in lives.

    worth = 1 + human h + female f + fit b + status s + young y
    h, f, b, s, y are a being's contrasts (CONTRASTS): 1/2 for a human and -1/2 for a pet; for females and
    males; athletes and large people; executives or doctors and homeless people or criminals; children and the
    old; 0 for whom the trait says nothing of. i = 1 where the car stays on course; p = 1 where pedestrians
    are saved and passengers are not; l = 1 where those saved cross on green and -1 where they cross on red.

    A life is that of a being without any trait: `human` is by how many a human is worth more than a pet;
    to save the lawful and not the unlawful is worth 2 lawful.
    """

    human: float
    female: float
    fit: float
    status: float
    young: float
    inaction: float
    pedestrians: float
    lawful: float

    def __post_init__(self) -> None:
        for name in (*TRAITS, *SEATS[BEINGS.stop :]):
            number(name, getattr(self, name))

    def __call__(self, d: Decision) -> Array:
        if len(d.payoffs) != len(SEATS):
            raise NotDefined(
                f"lives needs a decision with the {len(SEATS)} seats of games/dilemma.py (SEATS), and this "
                f"one has {len(d.payoffs)}; use a game such as dilemma(kind=age), or another preference"
            )
        worth = 1 + CONTRASTS @ [getattr(self, trait) for trait in TRAITS]
        marks = [getattr(self, name) for name in SEATS[BEINGS.stop :]]
        return np.tensordot([0.0, *worth, *marks], d.payoffs, axes=1)
