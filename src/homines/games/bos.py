"""Bach or Stravinsky."""

from __future__ import annotations

from homines.theory.game_forms import NormalForm, Repeated


def bos(rounds: int | None = None) -> Repeated:
    """Iterated Bach or Stravinsky: both want to meet, each at another place. Not symmetric.

    C is what the first player likes, D what the second does.

         C     D
    C   3, 2  0, 0
    D   0, 0  2, 3

    rounds   how many rounds; None: no end is announced
    Payoffs of Tennant et al. (2025).
    """
    return Repeated(NormalForm.two(("C", "D"), [[3, 0], [0, 2]], [[2, 0], [0, 3]]), rounds)
