"""A choice between two divisions of money."""

from __future__ import annotations

import numpy as np

from homines.core.checks import number
from homines.core.types import HominesError, frozen
from homines.games.dictator import Allocation
from homines.theory.stakes import check_stake


def split(x: tuple[float, ...] = (50, 50), y: tuple[float, ...] = (80, 20)) -> Allocation:
    """Two allocations, X and Y, of which player 0 chooses one for both; player 1 never moves.

    x, y   (own, other) payoffs
    The pairs of Charness & Rabin (2002), QJE 117: 817; the dictator games of Bruhin, Fehr & Schunk (2019).

    >>> split((400, 400), (375, 750)).due(())[0].payoffs.tolist()
    [[400.0, 375.0], [400.0, 750.0]]
    """
    for name, pair in (("x", x), ("y", y)):
        pays(name, pair)
    return Allocation(("X", "Y"), frozen([[x[0], y[0]], [x[1], y[1]]]))


def pays(name: str, pair: tuple[float, ...]) -> None:
    """Raise HominesError unless these are two finite numbers."""
    if len(pair) != 2:
        raise HominesError(f"{name} is {pair}; it must be two numbers: (own, other)")
    for value in pair:
        number(name, value)


def draw(rng: np.random.Generator, most: int = 9) -> str:
    """Two divisions in whole points of 1 to `most`, neither better for both."""
    check_stake("split", most, 2)
    a, b, c, d = rng.integers(1, most + 1, 4).tolist()
    return f"split(x=({a}, {b}), y=({c}, {d}))" if (a - c) * (b - d) < 0 else draw(rng, most)
