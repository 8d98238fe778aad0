"""Range checks for numbers in a stranger's files: no probability lies above 1, no perplexity below 1.

drop_impossible(rows, CURVE)   the rows with None for every impossible number, and the count of those
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from homines.core.format import finite
from homines.core.types import MOST_PAID

Bounds = Mapping[str, tuple[float, float]]
"""(least, most) of the numbers under a key."""

UNIT = (0.0, 1.0)
COUNT = (0.0, 2.0**53)
PAYOFF = (-MOST_PAID, MOST_PAID)
CURVE: Bounds = {
    "step": COUNT,
    "p": UNIT,
    "mass": UNIT,
    "reward": PAYOFF,
    "loss": PAYOFF,
    "kl": (-1e-6, MOST_PAID),
    "text_kl": (-1e-3, MOST_PAID),
    "regret": (-1e-6, MOST_PAID),
    "highest_regret": (-1e-6, MOST_PAID),
    "grad_norm": (0.0, MOST_PAID),
}
SCORES: Bounds = {"share": UNIT, "right": UNIT, "mass": UNIT, "rows": COUNT}
SIDES: Bounds = {
    **dict.fromkeys(("accuracy", "mass", "p", "low", "high"), UNIT),
    "questions": COUNT,
    "right": COUNT,
    "perplexity": (1.0, MOST_PAID),
}
TRAINING: Bounds = {
    **dict.fromkeys(("steps", "most_steps", "seconds", "rows", "prompts"), COUNT),
    "regret": (-1e-6, MOST_PAID),
    "highest_regret": (-1e-6, MOST_PAID),
}


def within(x: Any, low: float, high: float) -> float | None:
    """A number as a float; None for another value, and for a number outside [low, high].

    >>> within(0.5, 0, 1), within(7, 0, 1), within("7", 0, 10)
    (0.5, None, None)
    """
    value = finite(x)
    return value if value is not None and low <= value <= high else None


def possible_counts(counts: Any) -> dict[str, Any]:
    """The counts of a file, by name, that are numbers of at least 0."""
    pairs = counts.items() if isinstance(counts, Mapping) else ()
    return {str(name): n for name, n in pairs if within(n, *COUNT) is not None}


def drop_impossible(value: Any, bounds: Bounds) -> tuple[Any, int]:
    """The value of a file with None for numbers outside the bounds of their key, and their count."""
    return _drop_impossible(value, bounds, None)


def drop_impossible_sides(scores: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
    """As `drop_impossible`, for side effects by model; also drops more right answers than questions."""
    possible: dict[str, Any] = {}
    count = 0
    for model, sides in scores.items():
        possible[model], impossible = drop_impossible(sides, SIDES)
        count += impossible
        if isinstance(sides, dict) and _exceeds(
            possible[model].get("right"), possible[model].get("questions")
        ):
            possible[model]["right"] = None
            count += 1
    return possible, count


def _exceeds(n: Any, most: Any) -> bool:
    return within(n, *COUNT) is not None and (finite(most) is None or n > most)


def _drop_impossible(value: Any, bounds: Bounds, limits: tuple[float, float] | None) -> tuple[Any, int]:
    """limits: bounds of an enclosing key; they hold for all numbers in the list or mapping under it."""
    if isinstance(value, dict):
        pairs = {
            key: _drop_impossible(child, bounds, limits or bounds.get(str(key)))
            for key, child in value.items()
        }
        return {key: possible for key, (possible, _) in pairs.items()}, sum(n for _, n in pairs.values())
    if isinstance(value, list):
        listed = [_drop_impossible(child, bounds, limits) for child in value]
        return [possible for possible, _ in listed], sum(n for _, n in listed)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if limits is None or not number or within(value, *limits) is not None:
        return value, 0
    return None, 1
