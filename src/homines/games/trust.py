"""Mini trust game, six protocols."""

from __future__ import annotations

import numpy as np

from homines.core.types import frozen
from homines.theory.game_forms import Sequential, protocol_payoffs
from homines.theory.stakes import pie_payoffs

PROTOCOLS = (  # T, R, P, S
    (80, 50, 30, 20),
    (90, 50, 30, 10),
    (80, 60, 30, 20),
    (90, 60, 30, 10),
    (80, 70, 30, 20),
    (90, 70, 30, 10),
)
NOT_INVEST = 1


def trust(protocol: int = 3, payoffs: tuple[float, ...] = ()) -> Sequential:
    """Mini trust game: invest (I) or not (N, which ends it); the other gives back (G) or keeps (K).

    N pays P, P; I then G pays R, R; I then K pays the first mover S and the second T.
    protocol   1 to 6, the payoffs of van Leeuwen & Alger (2024); T + S = 100
    payoffs    T, R, P, S in place of a protocol's

    >>> from homines.theory.game_forms import veil
    >>> veil(trust(3)).names  # first move, reply to I
    ('IG', 'IK', 'NG', 'NK')
    """
    t, r, p, s = protocol_payoffs(protocol, payoffs, PROTOCOLS)
    table = frozen([[[r, s], [p, p]], [[r, t], [p, p]]])
    return Sequential(("I", "N"), ("G", "K"), table, frozenset({NOT_INVEST}))


def draw(rng: np.random.Generator, most: int = 9) -> str:
    """A game of this kind with other payoffs, T > R > P > S in whole points of 1 to `most`; from 99 on
    T + S = most + 1."""
    return f"trust(payoffs={pie_payoffs(rng, 'trust', most)})"
