"""Mini ultimatum game, six protocols."""

from __future__ import annotations

import numpy as np

from homines.core.types import frozen
from homines.theory.game_forms import Sequential, protocol_payoffs
from homines.theory.stakes import PIE, check_stake

PROTOCOLS = (  # T, R, P, S
    (60, 50, 10, 40),
    (65, 50, 10, 35),
    (70, 50, 10, 30),
    (75, 50, 10, 25),
    (80, 50, 10, 20),
    (85, 50, 10, 15),
)
EQUAL = 0


def ultimatum(protocol: int = 3, payoffs: tuple[float, ...] = ()) -> Sequential:
    """Mini ultimatum game: split equally (E, which ends it) or not (U); the other has a veto.

    E pays R, R; U then A (accept) pays the proposer T and the responder S; U then R (reject) P, P.
    protocol   1 to 6, the payoffs of van Leeuwen & Alger (2024); T + S = 100
    payoffs    T, R, P, S in place of a protocol's

    >>> from homines.theory.game_forms import veil
    >>> veil(ultimatum(3)).names  # first move, reply to U
    ('EA', 'ER', 'UA', 'UR')
    """
    t, r, p, s = protocol_payoffs(protocol, payoffs, PROTOCOLS)
    table = frozen([[[r, r], [t, p]], [[r, r], [s, p]]])
    return Sequential(("E", "U"), ("A", "R"), table, frozenset({EQUAL}))


def draw(rng: np.random.Generator, most: int = 9) -> str:
    """A game of this kind with other payoffs, T + S = 2 R and T > R > S > P in whole points of 0 to `most`;
    from 99 on T + S = most + 1, where that is even."""
    check_stake("ultimatum", most, 3)
    if most < PIE:
        p, s, r = sorted(rng.choice(most, 3, replace=False).tolist())
        return f"ultimatum(payoffs={(2 * r - s, r, p, s)})" if 2 * r - s <= most else draw(rng, most)
    equal = (most + 1) // 2
    p, s = sorted((1 + rng.choice(equal - 1, 2, replace=False)).tolist())
    return f"ultimatum(payoffs={(2 * equal - s, equal, p, s)})"
