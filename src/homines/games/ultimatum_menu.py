"""Ultimatum game with any offer, by the strategy method."""

from __future__ import annotations

import numpy as np

from homines.core.checks import number
from homines.core.types import frozen
from homines.games.dictator import amounts
from homines.theory.game_forms import NormalForm
from homines.theory.stakes import menu


def ultimatum_menu(total: float = 100, step: float = 10) -> NormalForm:
    """Player 0 offers part of `total`; player 1, not knowing the offer, states the least it accepts.

    An offer of at least that is paid, and player 0 keeps the rest; otherwise both get nothing. The actions
    are named by the amounts. Gueth, Schmittberger & Schwarze (1982), JEBO 3: 367.

    >>> ultimatum_menu(total=10, step=5).table[0].tolist()  # player 0's, [offer, least accepted]
    [[10.0, 0.0, 0.0], [5.0, 5.0, 0.0], [0.0, 0.0, 0.0]]
    """
    number("total", total, 0)
    number("step", step, 0)
    offers = amounts("total", total, step)
    paid = offers[:, None] >= offers[None, :]
    names = tuple(f"{x:.10g}" for x in offers)
    table = frozen([np.where(paid, total - offers[:, None], 0.0), np.where(paid, offers[:, None], 0.0)])
    rules = (
        f"You divide {total:.10g} points. You offer {{other}} some of them; {{other}}, without seeing "
        "your offer, states the least it accepts. If your offer is at least that, {other} gets it and you "
        "keep the rest; otherwise both of you get 0 points. Choose your offer.",
        f"{{other}} divides {total:.10g} points and offers you some of them. Without seeing the offer, you "
        "state the least you accept. If the offer is at least that, you get it and {other} keeps the rest; "
        "otherwise both of you get 0 points. Choose the least you accept.",
    )
    return NormalForm((names, names), table, rules=rules)


def draw(rng: np.random.Generator, most: int = 9) -> str:
    """A total of whole points up to `most`, in 3 to 6 amounts or 11."""
    total, step = menu(rng, "ultimatum_menu", most)
    return f"ultimatum_menu(total={total}, step={step})"
