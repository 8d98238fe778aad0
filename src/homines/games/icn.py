"""Iterated chicken."""

from __future__ import annotations

import numpy as np

from homines.theory.game_forms import NormalForm, Repeated, protocol_payoffs
from homines.theory.stakes import check_stake, ranked

PAYOFFS = (4, 2, 0, 1)
"""T, R, P, S"""


def icn(rounds: int | None = None, payoffs: tuple[float, ...] = ()) -> Repeated:
    """Iterated chicken: D pays against C, and DD is worst for both.

         C     D
    C   2, 2  1, 4
    D   4, 1  0, 0

    rounds    how many rounds; None: no end is announced
    payoffs   T, R, P, S in place of those of Tennant et al. (2025): of D against C, CC, DD, C against D
    """
    t, r, p, s = protocol_payoffs(1, payoffs, (PAYOFFS,))
    return Repeated(NormalForm.two(("C", "D"), [[r, s], [t, p]]), rounds)


def draw(rng: np.random.Generator, most: int = 9) -> str:
    """A game of this kind of one round in whole points of 1 to `most`: T > R > S > P, and T + S > 2 R as in
    the published game."""
    check_stake("icn", most, 5)
    t, r, s, p = ranked(rng, "icn", most, 4)
    if not t + s > 2 * r:
        return draw(rng, most)
    return f"icn(rounds=1, payoffs={(t, r, p, s)})"
