"""Sequential prisoner's dilemma, six protocols."""

from __future__ import annotations

import numpy as np

from homines.core.types import frozen
from homines.theory.game_forms import Sequential, protocol_payoffs
from homines.theory.stakes import pie_payoffs

PROTOCOLS = (  # T, R, P, S
    (90, 45, 15, 10),
    (90, 55, 20, 10),
    (80, 65, 25, 20),
    (90, 65, 25, 10),
    (80, 75, 30, 20),
    (90, 75, 30, 10),
)


def spd(protocol: int = 3, payoffs: tuple[float, ...] = ()) -> Sequential:
    """Sequential prisoner's dilemma: move C or D; the other sees it and replies C or D.

    Both C pay R, R; C then D pays S, T; D then C pays T, S; both D pay P, P.
    protocol   1 to 6, the payoffs of van Leeuwen & Alger (2024); T + S = 100
    payoffs    T, R, P, S in place of a protocol's

    >>> from homines.theory.game_forms import veil
    >>> veil(spd(3)).names  # first move, reply to C, reply to D
    ('CCC', 'CCD', 'CDC', 'CDD', 'DCC', 'DCD', 'DDC', 'DDD')
    """
    t, r, p, s = protocol_payoffs(protocol, payoffs, PROTOCOLS)
    return Sequential(("C", "D"), ("C", "D"), frozen([[[r, s], [t, p]], [[r, t], [s, p]]]))


def draw(rng: np.random.Generator, most: int = 9) -> str:
    """A game of this kind with other payoffs, T > R > P > S in whole points of 1 to `most`; from 99 on
    T + S = most + 1."""
    return f"spd(payoffs={pie_payoffs(rng, 'spd', most)})"
