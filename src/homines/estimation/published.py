"""What people and two older language models did in canonical games, to stand beside a model's choices.

Humans: MobLab (Mei et al. 2024, PNAS; Xie et al. 2025). Language models: GPT-4-0314 and GPT-3.5-0301 in the
same games (Mei et al. 2024). Charness-Rabin pairs: Horton (2023). Amounts in points of the game named.
Moral dilemmas: Awad et al. (2018), as used by Takemoto (2024).
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from homines.core.spreadsheet import check_not_packed, unquote
from homines.core.types import Array, Choice, HominesError, frozen


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


DILEMMAS: Mapping[str, Array] = {
    "all people": frozen([0.061, 0.097, 0.353, 0.119, 0.160, 0.345, 0.497, 0.651, 0.585]),
    "mean of countries": frozen([0.058, 0.102, 0.359, 0.116, 0.161, 0.346, 0.491, 0.506, 0.602]),
    "USA": frozen([0.067, 0.098, 0.319, 0.121, 0.176, 0.359, 0.491, 0.531, 0.584]),
}
"""Effects on being saved, [effect] in the order of `amce.EFFECTS`: of all people, as Takemoto (2024) takes
them (his number is the effect of four more characters); the inverse-variance mean of countries; the USA."""
COUNTRIES = ("Estimates", "se", "Label", "Country")
LEAST_SE = 1e-6
"""Errors below this are those of a handful of answers that all agree; they would weigh without bound."""


@dataclass(frozen=True, eq=False)
class Country:
    """Effects of one country's people and their standard errors, [effect]."""

    values: Array
    se: Array


def countries(path: str | Path, labels: Sequence[str]) -> dict[str, Country]:
    """Countries that have every one of these labels, from a CSV of Estimates, se, Label, Country.

    Raises HominesError where it is no such file, and where no country has them all.
    """
    path = Path(path)
    held: dict[str, dict[str, tuple[float, float]]] = {}
    try:
        check_not_packed(path)
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if missing := [name for name in COUNTRIES if name not in (reader.fieldnames or ())]:
                raise HominesError(
                    f"{path} lacks {', '.join(missing)}; its head must be {', '.join(COUNTRIES)}"
                )
            for line, row in enumerate(reader, 2):
                try:
                    pair = float(row["Estimates"]), float(row["se"])
                except (TypeError, ValueError):
                    pair = (math.nan, math.nan)
                if not (math.isfinite(pair[0]) and pair[1] >= 0):
                    raise HominesError(
                        f"{path} line {line}: Estimates {row['Estimates']!r} and se {row['se']!r} must be "
                        "numbers, se at least 0; leave out a row without them"
                    )
                held.setdefault(unquote(row["Country"]), {})[unquote(row["Label"])] = pair
    except OSError as failure:
        raise HominesError(f"cannot read {path}: {failure.strerror or failure}") from failure
    except (UnicodeDecodeError, csv.Error) as failure:
        raise HominesError(f"{path} is no CSV in UTF-8: {failure}") from failure
    whole = {name: rows for name, rows in held.items() if all(label in rows for label in labels)}
    if not whole:
        raise HominesError(
            f"{path} has no country with all of {', '.join(labels)}; one row a label and country"
        )
    return {
        name: Country(*(frozen([rows[label][i] for label in labels]) for i in (0, 1)))
        for name, rows in whole.items()
    }


def mean_of(people: Mapping[str, Country]) -> Array:
    """Inverse-variance mean of countries, [effect]: sum value / se^2 over sum 1 / se^2.

    An estimate with an error below LEAST_SE is left out.
    """
    values = np.array([c.values for c in people.values()])
    se = np.array([c.se for c in people.values()])
    weight = np.where(se > LEAST_SE, 1 / np.maximum(se, LEAST_SE) ** 2, 0.0)
    return (weight * values).sum(0) / weight.sum(0)
