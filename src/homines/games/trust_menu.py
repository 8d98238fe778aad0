"""Trust game with any amount sent, by the strategy method."""

from __future__ import annotations

import numpy as np

from homines.core.checks import number
from homines.core.types import frozen
from homines.games.dictator import amounts
from homines.theory.game_forms import NormalForm

SHARES = np.linspace(0, 1, 11)


def trust_menu(endowment: float = 100, factor: float = 3, step: float = 10) -> NormalForm:
    """Player 0 sends part of its endowment, which is multiplied; player 1 states what share it returns.

    Player 0's actions are the amounts sent; player 1's the percent of what arrives that it returns, in tens.
    Berg, Dickhaut & McCabe (1995), GEB 10: 122, where player 1 has nothing of its own.

    >>> trust_menu(step=50).table[:, 1, 5].tolist()  # 50 sent, half of 150 returned
    [125.0, 75.0]
    """
    number("endowment", endowment, 0)
    number("factor", factor, 0)
    number("step", step, 0)
    sent = amounts("endowment", endowment, step)[:, None]
    returned = factor * sent * SHARES
    table = frozen([endowment - sent + returned, factor * sent - returned])
    names = tuple(f"{x:.10g}" for x in sent[:, 0]), tuple(f"{x:.10g}" for x in 100 * SHARES)
    rules = (
        f"You have {endowment:.10g} points and send {{other}} some of them. What you send is multiplied by "
        f"{factor:.10g}, and {{other}} returns a share of it to you. You get what you keep and what is "
        "returned. Choose how many points you send.",
        f"{{other}} has {endowment:.10g} points and sends you some of them, multiplied by {factor:.10g}. You "
        "return a share of what arrives and keep the rest. Choose how many percent you return.",
    )
    return NormalForm(names, table, rules=rules)
