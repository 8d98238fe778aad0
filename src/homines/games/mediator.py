"""A prisoner's dilemma in which the choice can be left to a mediator."""

from __future__ import annotations

import numpy as np

from homines.games.ipd import PAYOFFS
from homines.theory.game_forms import NormalForm, protocol_payoffs
from homines.theory.stakes import ranked


def mediator(payoffs: tuple[float, ...] = ()) -> NormalForm:
    """Each plays C or D, or leaves it to a mediator (M), who plays C for both where both do, and D for one
    alone.

    payoffs   T, R, P, S in place of those of `ipd`
    That both leave it is an equilibrium beside D, D, for whoever leaves the other alone is met by D. The
    mediator of Monderer & Tennenholtz (2009), Artificial Intelligence 173: 180.

    >>> mediator().table[0].tolist()
    [[3.0, 0.0, 0.0], [4.0, 1.0, 1.0], [4.0, 1.0, 3.0]]
    """
    t, r, p, s = protocol_payoffs(1, payoffs, (PAYOFFS,))
    return NormalForm.two(("C", "D", "M"), [[r, s, s], [t, p, p], [t, p, r]])


def draw(rng: np.random.Generator, most: int = 9) -> str:
    """A game of this kind, T > R > P > S, in whole points of 1 to `most`."""
    t, r, p, s = ranked(rng, "mediator", most, 4)
    return f"mediator(payoffs={(t, r, p, s)})"
