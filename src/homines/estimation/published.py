"""Choices of people in canonical games and moral dilemmas, for comparison with a model's.

Amounts: MobLab (Mei et al. 2024, PNAS; Xie et al. 2025), in points of the game named. Charness-Rabin pairs:
Horton (2023).
Moral dilemmas: Awad et al. (2018), as used by Takemoto (2024). Estimates: Bruhin, Fehr & Schunk (2019). The
numbers are in published.toml.
"""

from __future__ import annotations

import csv
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
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


@dataclass(frozen=True)
class Human:
    """A published estimate of people, in the parameters of `family`. short: author and year; who: which."""

    short: str
    source: str
    who: str
    family: str
    values: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class People:
    """Effects of people on being saved.

    values  [effect], in the order of `amce.EFFECTS`
    more    by how many more characters that of the number is; None: by one to four together
    """

    values: Array
    more: int | None = None


_TABLES = tomllib.loads(files("homines.estimation").joinpath("published.toml").read_text(encoding="utf-8"))

AMOUNTS = tuple(Benchmark(**{**row, "modes": dict(row["modes"])}) for row in _TABLES["amounts"])
PAIRS: Mapping[str, tuple[str, float]] = {
    name: (game, share) for name, (game, share) in _TABLES["pairs"].items()
}
"""Charness-Rabin pairs: the game (own, other), and the share of people who chose X ('left')."""
DILEMMAS: Mapping[str, People] = {
    name: People(frozen(row["values"]), row.get("more")) for name, row in _TABLES["dilemmas"].items()
}
"""Effects on being saved."""
HUMANS = tuple(Human(**row) for row in _TABLES["humans"])


def moments(choice: Choice, amounts: Array) -> dict[str, float]:
    """Mean, sd and median of an amount chosen with these probabilities, given a legal answer."""
    p = choice.p
    mean = float(p @ amounts)
    order = np.argsort(amounts)
    past_median = np.cumsum(p[order]) >= 0.5 - 1e-12
    return {
        "mean": mean,
        "sd": float(np.sqrt(max(0.0, p @ (amounts - mean) ** 2))),
        "median": float(amounts[order][int(np.argmax(past_median))]),
    }


COUNTRIES = ("Estimates", "se", "Label", "Country")
LEAST_SE = 1e-6
"""Errors below this are those of a handful of answers that all agree; they would weigh without bound."""


@dataclass(frozen=True, eq=False)
class Country:
    """Effects of one country's people and their standard errors, [effect]."""

    values: Array
    se: Array


def countries(path: str | Path, labels: Sequence[str]) -> dict[str, Country]:
    """Countries with estimates for all these labels, from a CSV with columns Estimates, se, Label, Country.

    Raises HominesError for another file, and where no country has all labels.
    """
    path = Path(path)
    by_country: dict[str, dict[str, tuple[float, float]]] = {}
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
                by_country.setdefault(unquote(row["Country"]), {})[unquote(row["Label"])] = pair
    except OSError as failure:
        raise HominesError(f"cannot read {path}: {failure.strerror or failure}") from failure
    except (UnicodeDecodeError, csv.Error) as failure:
        raise HominesError(f"{path} is no CSV in UTF-8: {failure}") from failure
    complete = {name: rows for name, rows in by_country.items() if all(label in rows for label in labels)}
    if not complete:
        raise HominesError(
            f"{path} has no country with all of {', '.join(labels)}; one row a label and country"
        )
    return {
        name: Country(*(frozen([rows[label][i] for label in labels]) for i in (0, 1)))
        for name, rows in complete.items()
    }


def mean_of(people: Mapping[str, Country]) -> Array:
    """Inverse-variance mean of countries, [effect]: sum value / se^2 over sum 1 / se^2.

    An estimate with an error below LEAST_SE is left out.
    """
    values = np.array([c.values for c in people.values()])
    se = np.array([c.se for c in people.values()])
    weight = np.where(se > LEAST_SE, 1 / np.maximum(se, LEAST_SE) ** 2, 0.0)
    return (weight * values).sum(0) / weight.sum(0)
