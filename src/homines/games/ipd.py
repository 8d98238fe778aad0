"""Iterated prisoner's dilemma."""

from __future__ import annotations

import numpy as np

from homines.theory.game_forms import NormalForm, Repeated, protocol_payoffs
from homines.theory.stakes import ranked

PAYOFFS = (4, 3, 1, 0)
"""T, R, P, S"""


def ipd(rounds: int | None = None, payoffs: tuple[float, ...] = ()) -> Repeated:
    """Iterated prisoner's dilemma: D always pays more, yet DD pays both less than CC.

         C     D
    C   3, 3  0, 4
    D   4, 0  1, 1

    rounds    how many rounds; None: no end is announced
    payoffs   T, R, P, S in place of those of Tennant et al. (2025): of D against C, CC, DD, C against D
    """
    t, r, p, s = protocol_payoffs(1, payoffs, (PAYOFFS,))
    return Repeated(NormalForm.two(("C", "D"), [[r, s], [t, p]]), rounds)


def draw(rng: np.random.Generator, most: int = 9) -> str:
    """A game of this kind of one round, T > R > P > S, in whole points of 1 to `most`."""
    t, r, p, s = ranked(rng, "ipd", most, 4)
    return f"ipd(rounds=1, payoffs={(t, r, p, s)})"
