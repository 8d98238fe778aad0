"""Bach or Stravinsky."""

from __future__ import annotations

import numpy as np

from homines.core.checks import number
from homines.core.types import HominesError
from homines.theory.game_forms import NormalForm, Repeated
from homines.theory.stakes import ranked

PAYOFFS = (3, 2, 0)


def bos(rounds: int | None = None, payoffs: tuple[float, ...] = PAYOFFS) -> Repeated:
    """Iterated Bach or Stravinsky: both want to meet, each at another place. Not symmetric.

    C is what the first player likes, D what the second does.

         C     D
    C   3, 2  0, 0
    D   0, 0  2, 3

    rounds    how many rounds; None: no end is announced
    payoffs   of meeting where one likes, of meeting where the other does, and of not meeting; these are those
              of Tennant et al. (2025)
    """
    if len(payoffs) != 3:
        raise HominesError(f"payoffs {payoffs} must be three numbers: liked, unliked, apart")
    for name, value in zip(("liked", "unliked", "apart"), payoffs, strict=True):
        number(name, value)
    liked, unliked, apart = payoffs
    stage = NormalForm.two(("C", "D"), [[liked, apart], [apart, unliked]], [[unliked, apart], [apart, liked]])
    return Repeated(stage, rounds)


def draw(rng: np.random.Generator, most: int = 9) -> str:
    """A game of this kind of one round, in whole points of 1 to `most`."""
    liked, unliked, apart = ranked(rng, "bos", most, 3)
    return f"bos(rounds=1, payoffs={(liked, unliked, apart)})"
