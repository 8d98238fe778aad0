"""A choice that another sees, who may punish it at a cost."""

from __future__ import annotations

import numpy as np

from homines.core.checks import number
from homines.core.types import frozen
from homines.games.split import pays
from homines.theory.game_forms import Sequential
from homines.theory.stakes import ranked


def punishment(
    cooperate: tuple[float, ...] = (6, 6),
    defect: tuple[float, ...] = (9, 3),
    cost: float = 1,
    fine: float = 4,
) -> Sequential:
    """Player 0 cooperates (C) or defects (D); player 1 sees it and punishes (P) or does not (N).

    cooperate, defect   (player 0's, player 1's) payoffs without punishment
    cost                what punishing costs player 1; fine: what it takes from player 0
    One who counts own points never punishes, and then player 0 defects. Player 1 averse to inequity by alpha
    punishes defection where alpha (fine - cost) > cost, as long as it stays behind. After Fehr & Gaechter
    (2000), AER 90: 980, for two.

    >>> punishment().payoffs(((1, None), (None, 0))).tolist()
    [5.0, 2.0]
    """
    for name, pair in (("cooperate", cooperate), ("defect", defect)):
        pays(name, pair)
    number("cost", cost, 0)
    number("fine", fine, 0)
    rows = [[[pair[0] - fine, pair[0]] for pair in (cooperate, defect)]]
    rows += [[[pair[1] - cost, pair[1]] for pair in (cooperate, defect)]]
    return Sequential(("C", "D"), ("P", "N"), frozen(rows))


def draw(rng: np.random.Generator, most: int = 9) -> str:
    """A game of this kind of whole payoffs up to `most`: defection pays player 0 more and player 1 less, and
    both can pay for a punishment, dear or cheap."""
    t, r, reply, s = ranked(rng, "punishment", most, 4)
    cost, fine = int(rng.integers(1, s + 1)), int(rng.integers(1, r + 1))
    return f"punishment(cooperate={(r, reply)}, defect={(t, s)}, cost={cost}, fine={fine})"
