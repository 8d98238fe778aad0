"""Iterated volunteer's dilemma."""

from __future__ import annotations

from homines.theory.game_forms import NormalForm, Repeated


def ivd(rounds: int | None = None) -> Repeated:
    """Iterated volunteer's dilemma: one C is enough for both, and none is worst.

         C     D
    C   3, 3  1, 4
    D   4, 1  0, 0

    rounds   how many rounds; None: no end is announced
    Payoffs of Tennant et al. (2025).
    """
    return Repeated(NormalForm.two(("C", "D"), [[3, 1], [4, 0]]), rounds)
