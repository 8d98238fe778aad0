"""The last round of a public goods game, after rounds in which all put in the same."""

from __future__ import annotations

import numpy as np

from homines.core.checks import count, number
from homines.core.types import HominesError, frozen
from homines.games.dictator import Allocation, amounts
from homines.games.public_goods import MOST_PLAYERS, draw_good
from homines.theory.stakes import PARTS


def public_goods_round(
    players: int = 4,
    *,
    endowment: float = 20,
    multiplier: float = 2,
    step: float = 5,
    rounds: int = 3,
    before: float = 10,
) -> Allocation:
    """Last of several rounds: what is contributed is multiplied and shared by all. Any amount may be given.

    before   what everybody put in in each earlier round; payoffs are those where the others do so again

        mine = endowment - c + multiplier / players * (c + (players - 1) before)

    player 1 is each of the others. The actions are named by the contribution c: 0, step, ..., endowment. One
    decision of one player: with the others' contributions as axes (`public_goods`) a menu of 21 amounts makes
    a table of 800,000 payoffs. The defaults but for `step` and `before` are the game that people played on
    MobLab (Mei et al. 2024, PNAS 121: e2313925121), whose contributions in round 3 are published.

    >>> public_goods_round(endowment=20, step=10).due(())[0].payoffs.tolist()  # mine, each of the others'
    [[35.0, 30.0, 25.0], [25.0, 30.0, 35.0]]
    """
    count("players", players, 2, MOST_PLAYERS)
    count("rounds", rounds, 2)
    number("endowment", endowment, 0)
    number("multiplier", multiplier, 0)
    number("step", step, 0)
    number("before", before, 0)
    if before > endowment:
        raise HominesError(f"before {before:g} must be at most the endowment, {endowment:g}")
    gifts = amounts("endowment", endowment, step)
    share = multiplier / players * (gifts + (players - 1) * before)
    many = "another" if players == 2 else f"{players - 1} others"
    past = "the round before" if rounds == 2 else f"each of the {rounds - 1} rounds before"
    rule = (
        f"You and {many} have {endowment:.10g} points each in every one of {rounds} rounds and put some of "
        f"them into a common pot. The pot is multiplied by {multiplier:.10g} and shared equally by all "
        f"{players}. You get your share and what you kept. This is round {rounds}, the last. In {past}, "
        f"everybody put in {before:.10g}. Choose how many points you put in."
    )
    table = frozen([endowment - gifts + share, endowment - before + share])
    return Allocation(tuple(f"{c:.10g}" for c in gifts), table, rule)


def draw(rng: np.random.Generator, most: int = 9) -> str:
    """The last of 2 to 5 rounds of two players, in whole points up to `most`.

    Two, for with more the two seats of this game (mine, and that of each of the others) are no two roles of
    one game, and what would follow if everyone did so cannot be read from them.
    """
    players, multiplier, endowment, step = draw_good(rng, "public_goods_round", most, {2: (1, *PARTS)})
    before = step * int(rng.integers(0, endowment // step + 1))
    return (
        f"public_goods_round(players={players}, endowment={endowment}, multiplier={multiplier}, step={step}, "
        f"rounds={rng.integers(2, 6)}, before={before})"
    )
