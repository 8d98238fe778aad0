"""What people and two older language models did in canonical games, to stand beside a model's choices.

Humans: MobLab (Mei et al. 2024, PNAS; Xie et al. 2025). Language models: GPT-4-0314 and GPT-3.5-0301 in the
same games (Mei et al. 2024). Charness-Rabin pairs: Horton (2023). Amounts in points of the game named.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from homines.core import Array, Choice


@dataclass(frozen=True)
class Benchmark:
    """One amount that people chose.

    game     spec, and `seat` the player in it who chooses
    most     of how many points
    n        people; mean, sd, median of what they chose; modes: share of people at an amount
    models   mean of each language model
    """

    name: str
    game: str
    seat: int
    most: float
    n: int
    mean: float
    sd: float
    median: float
    modes: Mapping[float, float]
    models: Mapping[str, float] = field(default_factory=dict[str, float])


AMOUNTS = (
    Benchmark(
        "dictator, given", "dictator(total=100, step=1)", 0, 100, 10_335, 25.70, 21.7, 25,
        {0: 0.26, 50: 0.187}, {"GPT-4": 50.0, "GPT-3.5": 35.2},
    ),
    Benchmark(
        "ultimatum, offered", "ultimatum_menu(total=100, step=1)", 0, 100, 5_291, 44.13, 20.0, 49,
        {50: 0.28}, {"GPT-4": 50.0, "GPT-3.5": 45.2},
    ),
    Benchmark(
        "ultimatum, least accepted", "ultimatum_menu(total=100, step=1)", 1, 100, 5_291, 34.90, 20.3, 40,
        {50: 0.21}, {"GPT-4": 23.3, "GPT-3.5": 32.5},
    ),
    Benchmark(
        "trust, sent", "trust_menu(endowment=100, factor=3, step=1)", 0, 100, 16_830, 42.02, 36.1, 30,
        {100: 0.206, 0: 0.133}, {"GPT-4": 46.1, "GPT-3.5": 36.3},
    ),
    Benchmark(
        "trust, returned of 150", "trust_return(received=150, step=1)", 1, 150, 1_570, 59.38, 39.5, 54.5,
        {100: 0.199, 50: 0.169}, {"GPT-4": 89.2, "GPT-3.5": 112.5},
    ),
    Benchmark(
        "public goods, given", "public_goods(players=3, endowment=20, multiplier=1.5, step=1)", 0, 20,
        19_109, 9.63, 6.4, 10, {20: 0.158, 0: 0.115}, {"GPT-4": 10.33, "GPT-3.5": 11.17},
    ),
)  # fmt: skip
"""How many share the public good, and its multiplier, are not in our sources: three and 1.5 are ours."""

PAIRS: Mapping[str, tuple[str, float]] = {
    "Berk29": ("split(x=(400, 400), y=(400, 750))", 0.31),
    "Berk26": ("split(x=(800, 0), y=(400, 400))", 0.78),
    "Berk23": ("split(x=(200, 800), y=(0, 0))", 1.00),
    "Barc2": ("split(x=(400, 400), y=(375, 750))", 0.52),
}
"""Charness-Rabin pairs: the game (own, other), and the share of people who chose X ('left'). Payoffs of
Charness & Rabin (2002), Table I, from memory."""


def moments(choice: Choice, amounts: Array) -> dict[str, float]:
    """Mean, sd and median of an amount chosen with these probabilities, given a legal answer."""
    p = choice.p
    mean = float(p @ amounts)
    order = np.argsort(amounts)
    reached = np.cumsum(p[order]) >= 0.5 - 1e-12
    return {
        "mean": mean,
        "sd": float(np.sqrt(max(0.0, p @ (amounts - mean) ** 2))),
        "median": float(amounts[order][int(np.argmax(reached))]),
    }
