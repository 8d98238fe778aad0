"""Trust game with any amount sent, by the strategy method."""

from __future__ import annotations

from math import gcd

import numpy as np

from homines.core.checks import count, number
from homines.core.types import frozen
from homines.games.dictator import amounts
from homines.theory.game_forms import NormalForm
from homines.theory.stakes import PARTS, StakeTooLow

MOST_PARTS = 100
FACTORS = (2, 3, 4)
"""By how much drawn games multiply what is sent."""


def trust_menu(endowment: float = 100, factor: float = 3, step: float = 10, parts: int = 10) -> NormalForm:
    """Player 0 sends part of its endowment, which is multiplied; player 1 states what share it returns.

    Player 0's actions are the amounts sent; player 1's the percent of what arrives that it returns: 0,
    100 / parts, ..., 100.
    Berg, Dickhaut & McCabe (1995), GEB 10: 122, where player 1 has nothing of its own.

    >>> trust_menu(step=50).table[:, 1, 5].tolist()  # 50 sent, half of 150 returned
    [125.0, 75.0]
    """
    number("endowment", endowment, 0)
    number("factor", factor, 0)
    number("step", step, 0)
    sent = amounts("endowment", endowment, step)[:, None]
    count("parts", parts, 1, MOST_PARTS)
    shares = np.linspace(0, 1, parts + 1)
    returned = factor * sent * shares
    table = frozen([endowment - sent + returned, factor * sent - returned])
    names = tuple(f"{x:.10g}" for x in sent[:, 0]), tuple(f"{x:.10g}" for x in 100 * shares)
    rules = (
        f"You have {endowment:.10g} points and send {{other}} some of them. What you send is multiplied by "
        f"{factor:.10g}, and {{other}} returns a share of it to you. You get what you keep and what is "
        "returned. Choose how many points you send.",
        f"{{other}} has {endowment:.10g} points and sends you some of them, multiplied by {factor:.10g}. You "
        "return a share of what arrives and keep the rest. Choose how many percent you return.",
    )
    return NormalForm(names, table, rules=rules)


def draw(rng: np.random.Generator, most: int = 9) -> str:
    """What is sent in 3 to 6 amounts or 11, what is returned in 3, 5, 6 or 11 shares, whole points."""
    fitting = [
        (factor, sent, parts, unit)
        for factor in FACTORS
        for sent in PARTS
        for parts in PARTS
        if 100 % parts == 0 and factor * sent * (unit := parts // gcd(parts, factor)) <= most
    ]
    if not fitting:
        raise StakeTooLow("trust_menu", most, FACTORS[0] * PARTS[0])
    factor, sent, parts, unit = fitting[int(rng.integers(len(fitting)))]
    step = unit * int(rng.integers(1, most // (factor * sent * unit) + 1))
    if (trust_menu(sent * step, factor, step, parts).table % 1).any():  # a share that float64 rounds
        return draw(rng, most)
    return f"trust_menu(endowment={sent * step}, factor={factor}, step={step}, parts={parts})"
