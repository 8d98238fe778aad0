"""Any symmetric two-player game with two actions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from homines.core.checks import number
from homines.core.types import frozen
from homines.theory.game_forms import NormalForm, Repeated


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


def draw(rng: np.random.Generator) -> str:
    """Any such game of one round with whole payoffs from 1 to 9."""
    names = ("reward", "sucker", "temptation", "punishment")
    paid = ", ".join(f"{name}={rng.integers(1, 10)}" for name in names)
    return f"symmetric({paid}, rounds=1)"
