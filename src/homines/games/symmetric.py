"""Any symmetric two-player game with two actions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from homines.core.checks import number
from homines.core.types import frozen
from homines.theory.game_forms import NormalForm, Repeated
from homines.theory.stakes import check_stake

SHARES = (0.2, 0.25, 0.75, 0.8)
"""Shares of others who choose C, as drawn games state them."""


def symmetric(
    reward: float,
    sucker: float,
    temptation: float,
    punishment: float,
    rounds: int | None = None,
    share: float | None = None,
) -> Repeated:
    """A symmetric game by its four payoffs, the prisoner's dilemma among them.

         C                    D
    C   reward, reward        sucker, temptation
    D   temptation, sucker    punishment, punishment

    rounds   how many rounds; None: no end is announced
    share    what players are told: the share of others who choose C; None: nothing
    """
    for name, value in (
        ("reward", reward), ("sucker", sucker), ("temptation", temptation), ("punishment", punishment)
    ):  # fmt: skip
        number(name, value)
    stage = NormalForm.two(("C", "D"), [[reward, sucker], [temptation, punishment]])
    if share is not None:
        number("share", share, 0, 1)
        stage = replace(stage, shares=(frozen([share, 1 - share]),) * 2)
    return Repeated(stage, rounds)


def draw(rng: np.random.Generator, most: int = 9) -> str:
    """Any such game of one round with whole payoffs of 1 to `most`; a third state one of SHARES.

    Stated shares other than a half tell kappa from aversion to inequity, which even beliefs do not.
    """
    game = draw_even(rng, most)
    stated = int(rng.integers(3 * len(SHARES)))
    return game if stated >= len(SHARES) else f"{game[:-1]}, share={SHARES[stated]})"


def draw_even(rng: np.random.Generator, most: int = 9) -> str:
    """Any such game of one round with whole payoffs of 1 to `most`, and no stated share."""
    check_stake("symmetric", most, 2)
    names = ("reward", "sucker", "temptation", "punishment")
    paid = ", ".join(f"{name}={rng.integers(1, most + 1)}" for name in names)
    return f"symmetric({paid}, rounds=1)"
