"""Iterated chicken."""

from __future__ import annotations

from homines.theory.game_forms import NormalForm, Repeated


def icn(rounds: int | None = None) -> Repeated:
    """Iterated chicken: D pays against C, and DD is worst for both.

         C     D
    C   2, 2  1, 4
    D   4, 1  0, 0

    rounds   how many rounds; None: no end is announced
    Payoffs of Tennant et al. (2025).
    """
    return Repeated(NormalForm.two(("C", "D"), [[2, 1], [4, 0]]), rounds)
