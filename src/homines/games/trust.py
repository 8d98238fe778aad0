"""Mini trust game, six protocols."""

from __future__ import annotations

from homines.check import count
from homines.core import frozen
from homines.forms import Sequential

PROTOCOLS = (  # T, R, P, S
    (80, 50, 30, 20),
    (90, 50, 30, 10),
    (80, 60, 30, 20),
    (90, 60, 30, 10),
    (80, 70, 30, 20),
    (90, 70, 30, 10),
)
NOT_INVEST = 1


def trust(protocol: int = 3) -> Sequential:
    """Mini trust game: invest (I) or not (N, which ends it); the other gives back (G) or keeps (K).

    N pays P, P; I then G pays R, R; I then K pays the first mover S and the second T.
    protocol   1 to 6, the payoffs of van Leeuwen & Alger (2024); T + S = 100

    >>> from homines.forms import veil
    >>> veil(trust(3)).names  # first move, reply to I
    ('IG', 'IK', 'NG', 'NK')
    """
    count("protocol", protocol, 1, len(PROTOCOLS))
    t, r, p, s = PROTOCOLS[protocol - 1]
    table = frozen([[[r, s], [p, p]], [[r, t], [p, p]]])
    return Sequential(("I", "N"), ("G", "K"), table, frozenset({NOT_INVEST}))
