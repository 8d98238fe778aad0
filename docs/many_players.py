"""The tables of docs/many_players.md: python docs/many_players.py (some seconds)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from homines.core.registry import find
from homines.core.types import Policy
from homines.opponents import opponent
from homines.theory.chain import chain
from homines.theory.choice import LogitAgent

PRECISION = 1.0
GAMES = (
    "public_goods_iterated(players=4)",
    "public_goods_iterated(players=4, multiplier=6)",
    "public_goods_iterated(players=4, multiplier=0)",
    "commons_iterated(players=4)",
)
PREFERENCES = (
    "economicus",
    "utilitarian",
    "moralis(kappa=0.5)",
    "deontological(rule='betrayal')",
    "deontological(rule='graded_betrayal')",
)
OTHERS = ("random", "conditional_contributor(share=0.5, error=0.05)", "linear_contributor")
PLAYERS = (2, 5, 20, 50)


def cooperation(game: str, policies: Sequence[Policy]) -> tuple[int, float]:
    """(states, player 0's share of cooperation in the long run)."""
    play = chain(find("games", game), policies)
    return len(play.states), float(play.long_run() @ np.array([c.p[0] for c in play.choices[0]]))


def agents() -> list[str]:
    """Four theoretical players of one preference among their like."""
    rows = [f"| {' | '.join(['', *(f'`{game}`' for game in GAMES)])} |", "|---" * (1 + len(GAMES)) + "|"]
    for spec in PREFERENCES:
        agent = LogitAgent(find("preferences", spec), PRECISION)
        shares = [cooperation(game, [agent] * 4)[1] for game in GAMES]
        rows.append(f"| `{spec}` | {' | '.join(f'{x:.2f}' for x in shares)} |")
    return rows


def crowds() -> list[str]:
    """One who feels graded duty among others of one kind, by their number."""
    rows = [
        f"| players | states | {' | '.join(f'`{spec}`' for spec in OTHERS)} |",
        "|---" * (2 + len(OTHERS)) + "|",
    ]
    agent = LogitAgent(find("preferences", "deontological(rule='graded_betrayal')"), PRECISION)
    for n in PLAYERS:
        found = [
            cooperation(f"public_goods_iterated(players={n})", [agent, *[opponent(spec)] * (n - 1)])
            for spec in OTHERS
        ]
        rows.append(f"| {n} | {found[0][0]} | {' | '.join(f'{share:.2f}' for _, share in found)} |")
    return rows


if __name__ == "__main__":
    print("\n".join([*agents(), "", *crowds()]))
