"""Public goods game."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import cache, reduce
from math import ceil

import numpy as np

from homines.core.checks import count, number
from homines.core.types import HominesError, frozen
from homines.games.dictator import amounts
from homines.theory.game_forms import NormalForm
from homines.theory.stakes import PARTS, check_stake

MOST_ENTRIES = 1_000_000
MOST_PLAYERS = 20
"""Of more, a table with two contributions each has too many entries to count them."""
DRAWN_PARTS = {2: (1, *PARTS), 3: (1, 2, 3), 4: (1, 2)}
"""Steps of the endowment in drawn games, by players: at most 121 outcomes."""
MULTIPLIERS = (0.5, 0.8, 1.2, 1.5, 1.6, 1.8, 2.4, 2.5, 3.0, 3.6)
"""Multipliers of drawn games: with some it is best for all to keep, with others it pays oneself to give."""


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


def draw(rng: np.random.Generator, most: int = 9) -> str:
    """A public good of 2 to 4 players in whole points up to `most`, a dilemma or not."""
    players, multiplier, endowment, step = draw_good(rng, "public_goods", most, DRAWN_PARTS)
    return f"public_goods(players={players}, endowment={endowment}, multiplier={multiplier}, step={step})"


def draw_good(
    rng: np.random.Generator, kind: str, most: int, parts_by_players: Mapping[int, tuple[int, ...]]
) -> tuple[int, float, int, int]:
    """(players, multiplier, endowment, step) of which every payoff is whole and at most `most`.

    The most is paid to one who keeps all while the others give all, or to everybody where all give.
    Raises StakeTooLow where nothing fits.
    """
    kinds = [
        (n, m, parts)
        for n, every in parts_by_players.items()
        for m in MULTIPLIERS
        for parts in every
        if m != n  # a tie for whoever counts own points
    ]
    highest = [parts * _unit(n, m) * max(m, 1 + (n - 1) * m / n) for n, m, parts in kinds]  # of one unit
    check_stake(kind, most, ceil(min(highest) - 1e-9))
    fitting = [
        (each, int(most / h + 1e-9)) for each, h in zip(kinds, highest, strict=True) if h < most + 1e-9
    ]
    while True:
        (n, m, parts), units = fitting[int(rng.integers(len(fitting)))]
        step = _unit(n, m) * int(rng.integers(1, units + 1))
        if all((m / n * (step * total)).is_integer() for total in range(n * parts + 1)):
            return n, m, parts * step, step


@cache
def _unit(players: int, multiplier: float) -> int:
    """The smallest contribution of which everybody's share is whole: multiplier / players * unit."""
    return (Fraction(str(multiplier)) / players).denominator
