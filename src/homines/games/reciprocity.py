"""A choice between two divisions of money that another has made possible."""

from __future__ import annotations

import numpy as np

from homines.core.types import frozen
from homines.games.split import pays
from homines.theory.game_forms import Sequential
from homines.theory.stakes import check_stake

OUT = 1


def reciprocity(
    x: tuple[float, ...] = (50, 50), y: tuple[float, ...] = (80, 20), out: tuple[float, ...] = (30, 60)
) -> Sequential:
    """Player 0 lets player 1 choose (L) or ends the game (O); player 1 then chooses X or Y.

    x, y, out   (the chooser's, the other's) payoffs: of player 1 first
    Letting is kind where the chooser gains whatever is chosen, unkind where it loses. The reciprocity games
    of Bruhin, Fehr & Schunk (2019), JEEA 17: 1025.

    >>> reciprocity().due(((0, None),))[1].kindness
    1
    """
    for name, pair in (("x", x), ("y", y), ("out", out)):
        pays(name, pair)
    table = frozen([[[x[1], y[1]], [out[1]] * 2], [[x[0], y[0]], [out[0]] * 2]])
    return Sequential(("L", "O"), ("X", "Y"), table, frozenset({OUT}))


def draw(rng: np.random.Generator, most: int = 9) -> str:
    """Two divisions, neither better for both, and a way out that is better or worse for the chooser than
    either, in whole points of 1 to `most`."""
    check_stake("reciprocity", most, 4)
    margin = max(1, most // 9 - 1)  # of payoffs that only the way out has
    a, b, c, d = (int(x) for x in rng.integers(1 + margin, most + 1 - margin, 4))
    if (a - c) * (b - d) >= 0:
        return draw(rng, most)
    kind = bool(rng.integers(2))
    low, high = (1, min(a, c)) if kind else (max(a, c) + 1, most + 1)
    out = int(rng.integers(low, high))
    return f"reciprocity(x=({a}, {b}), y=({c}, {d}), out=({out}, {rng.integers(1, most + 1)}))"
