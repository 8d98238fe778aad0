"""Iterated defective coordination."""

from __future__ import annotations

from homines.theory.game_forms import NormalForm, Repeated


def icd(rounds: int | None = None) -> Repeated:
    """Iterated defective coordination: both want to do the same, and DD is the better same.

         C     D
    C   1, 1  0, 0
    D   0, 0  4, 4

    rounds   how many rounds; None: no end is announced
    Payoffs of Tennant et al. (2025).
    """
    return Repeated(NormalForm.two(("C", "D"), [[1, 0], [0, 4]]), rounds)
