"""Public goods game."""

from __future__ import annotations

from functools import reduce

import numpy as np

from homines.core.checks import count, number
from homines.core.types import HominesError, frozen
from homines.games.dictator import amounts
from homines.theory.game_forms import NormalForm

MOST_ENTRIES = 1_000_000
MOST_PLAYERS = 20
"""Of more, a table with two contributions each has too many entries to count them."""


def public_goods(
    players: int = 4, *, endowment: float = 20, multiplier: float = 1.6, step: float = 20
) -> NormalForm:
    """Linear public goods game: what is contributed is multiplied and shared by all.

    pi_i = endowment - c_i + multiplier / players * sum_j c_j
    The actions are named by the contribution c: 0, step, ..., endowment. A dilemma where
    1 < multiplier < players. Isaac & Walker (1988), QJE 103: 179; the defaults but for the step
    are those of Fehr & Gaechter (2000), AER 90: 980.

    >>> public_goods(players=2).due(())[0].payoffs[0].tolist()
    [[20.0, 36.0], [16.0, 32.0]]
    """
    count("players", players, 2, MOST_PLAYERS)
    number("endowment", endowment, 0)
    number("multiplier", multiplier, 0)
    number("step", step, 0)
    gifts = amounts("endowment", endowment, step)
    entries = players * len(gifts) ** players
    if entries > MOST_ENTRIES:
        raise HominesError(
            f"{players} players with {len(gifts)} contributions make a table of {entries} payoffs, "
            f"more than {MOST_ENTRIES}; use fewer players or a larger step"
        )
    pot = reduce(np.add.outer, [gifts] * players)
    remainders = [
        endowment - gifts.reshape([-1 if j == i else 1 for j in range(players)]) for i in range(players)
    ]
    table = frozen([k + multiplier / players * pot for k in remainders])
    names = tuple(f"{c:.10g}" for c in gifts)
    many = "another" if players == 2 else f"{players - 1} others"
    rule = (
        f"You and {many} have {endowment:.10g} points each and put some of them into a common pot. The pot "
        f"is multiplied by {multiplier:.10g} and shared equally by all {players}. You get your share and "
        "what you kept. Choose how many points you put in."
    )
    return NormalForm((names,) * players, table, symmetric=True, rules=(rule,) * players)
