"""Iterated stag hunt."""

from __future__ import annotations

import numpy as np

from homines.theory.game_forms import NormalForm, Repeated, protocol_payoffs
from homines.theory.stakes import ranked

PAYOFFS = (3, 4, 1, 0)
"""T, R, P, S"""


def ish(rounds: int | None = None, payoffs: tuple[float, ...] = ()) -> Repeated:
    """Iterated stag hunt: CC pays both most, D is safe.

         C     D
    C   4, 4  0, 3
    D   3, 0  1, 1

    rounds    how many rounds; None: no end is announced
    payoffs   T, R, P, S in place of those of Tennant et al. (2025): of D against C, CC, DD, C against D
    """
    t, r, p, s = protocol_payoffs(1, payoffs, (PAYOFFS,))
    return Repeated(NormalForm.two(("C", "D"), [[r, s], [t, p]]), rounds)


def draw(rng: np.random.Generator, most: int = 9) -> str:
    """A game of this kind of one round, R > T > P > S, in whole points of 1 to `most`."""
    r, t, p, s = ranked(rng, "ish", most, 4)
    return f"ish(rounds=1, payoffs={(t, r, p, s)})"
