"""Iterated defective coordination."""

from __future__ import annotations

import numpy as np

from homines.theory.game_forms import NormalForm, Repeated, protocol_payoffs
from homines.theory.stakes import ranked

PAYOFFS = (0, 1, 4, 0)
"""T, R, P, S"""


def icd(rounds: int | None = None, payoffs: tuple[float, ...] = ()) -> Repeated:
    """Iterated defective coordination: both want to do the same, and DD is the better same.

         C     D
    C   1, 1  0, 0
    D   0, 0  4, 4

    rounds    how many rounds; None: no end is announced
    payoffs   T, R, P, S in place of those of Tennant et al. (2025): of D against C, CC, DD, C against D
    """
    t, r, p, s = protocol_payoffs(1, payoffs, (PAYOFFS,))
    return Repeated(NormalForm.two(("C", "D"), [[r, s], [t, p]]), rounds)


def draw(rng: np.random.Generator, most: int = 9) -> str:
    """A game of this kind of one round, P > R > T = S, in whole points of 1 to `most`."""
    p, r, t = ranked(rng, "icd", most, 3)
    return f"icd(rounds=1, payoffs={(t, r, p, t)})"
