"""Iterated public goods game: contribute or not, and see how many others did."""

from __future__ import annotations

import numpy as np

from homines.core.checks import number
from homines.core.types import frozen
from homines.theory.count_form import CountForm, check_players
from homines.theory.game_forms import Repeated


def public_goods_iterated(
    players: int = 4, *, endowment: float = 5, multiplier: float = 1.6, rounds: int | None = None
) -> Repeated:
    """Each gives an endowment to a pot that is multiplied and shared by all (C), or keeps it (D).

    with k of the players - 1 others giving:  C  multiplier / players * endowment * (k + 1)
                                              D  endowment + multiplier / players * endowment * k

    rounds   how many; None: no end is announced
    A dilemma where 1 < multiplier < players. With more than `players` it pays oneself to give; below 1 it is
    best for all to keep, and with 0 what is given is lost. The linear game of `public_goods` with all or
    nothing to give, told by counts: own act and number of the others who gave, 2 x players states.

    >>> public_goods_iterated(players=3, endowment=3, multiplier=2).stage.pays.tolist()  # 0, 1, 2 others keep
    [[6.0, 4.0, 2.0], [7.0, 5.0, 3.0]]
    """
    check_players(players)
    number("endowment", endowment, 0)
    number("multiplier", multiplier, 0)
    gifts = endowment * (players - 1 - np.arange(players))
    share = multiplier / players
    return Repeated(
        CountForm(("C", "D"), frozen([share * (gifts + endowment), endowment + share * gifts])), rounds
    )
