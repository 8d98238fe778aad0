"""Iterated stag hunt."""

from __future__ import annotations

from homines.theory.game_forms import NormalForm, Repeated


def ish(rounds: int | None = None) -> Repeated:
    """Iterated stag hunt: CC pays both most, D is safe.

         C     D
    C   4, 4  0, 3
    D   3, 0  1, 1

    rounds   how many rounds; None: no end is announced
    Payoffs of Tennant et al. (2025).
    """
    return Repeated(NormalForm.two(("C", "D"), [[4, 0], [3, 1]]), rounds)
