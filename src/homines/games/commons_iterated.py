"""Iterated commons: take little or much of what all share, and see how many others took little."""

from __future__ import annotations

import numpy as np

from homines.core.checks import number
from homines.core.types import HominesError, frozen
from homines.theory.count_form import CountForm, check_players
from homines.theory.game_forms import Repeated


def commons_iterated(
    players: int = 4,
    *,
    little: float = 1,
    much: float = 2,
    worth: float = 10,
    decline: float = 1,
    rounds: int | None = None,
) -> Repeated:
    """Each takes little (C) or much (D) of a commons, and what a unit is worth falls with all that is taken.

    x      what I take: little or much;  X  what all take, mine included
    payoff x * max(0, worth - decline * X)

    worth     of a unit where nothing is taken
    decline   of that worth with each unit taken
    rounds    how many; None: no end is announced
    The quadratic commons of Ostrom, Gardner & Walker (1994), Rules, Games, and Common-Pool Resources, with
    two efforts and no outside wage. With decline 0 nobody harms anybody.

    >>> commons_iterated(players=2, little=2, much=3, worth=9, decline=1).stage.pays.tolist()
    [[10.0, 8.0], [12.0, 9.0]]
    """
    check_players(players)
    for name, value in (("little", little), ("much", much), ("worth", worth), ("decline", decline)):
        number(name, value, 0)
    if not little < much:
        raise HominesError(f"little {little:g} must be less than much, {much:g}: they are the two actions")
    greedy = np.arange(players)  # how many others take much
    others = little * (players - 1 - greedy) + much * greedy
    pays = [x * np.maximum(0, worth - decline * (x + others)) for x in (little, much)]
    return Repeated(CountForm(("C", "D"), frozen(pays)), rounds)
