"""Iterated prisoner's dilemma."""

from __future__ import annotations

from homines.theory.game_forms import NormalForm, Repeated


def ipd(rounds: int | None = None) -> Repeated:
    """Iterated prisoner's dilemma: D always pays more, yet DD pays both less than CC.

         C     D
    C   3, 3  0, 4
    D   4, 0  1, 1

    rounds   how many rounds; None: no end is announced
    Payoffs of Tennant et al. (2025).
    """
    return Repeated(NormalForm.two(("C", "D"), [[3, 0], [4, 1]]), rounds)
