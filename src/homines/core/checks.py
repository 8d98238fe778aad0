"""Checks of parameters where they enter: a HominesError with the value, the rule, the remedy."""

from __future__ import annotations

import math
from collections.abc import Iterable
from difflib import get_close_matches
from numbers import Integral, Real

from homines.core.types import Decision, HominesError, NotDefined


def number(name: str, value: object, low: float = -math.inf, high: float = math.inf) -> None:
    """A finite number in [low, high].

    >>> number("kappa", 1.5, 0, 1)
    Traceback (most recent call last):
    homines.core.types.HominesError: kappa must be a number in [0, 1], got 1.5
    """
    rule = f"{name} must be a {_range(low, high)}"
    if isinstance(value, bool) or not isinstance(value, Real):
        raise HominesError(f"{rule}, got {value!r}")
    x = float(value)
    if not math.isfinite(x) or not low <= x <= high:
        raise HominesError(f"{rule}, got {x}")


def count(name: str, value: object, low: int = 1, high: float = math.inf) -> None:
    """A whole number in [low, high]."""
    rule = f"{name} must be a whole {_range(low, high)}"
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise HominesError(f"{rule}, got {value!r}")
    if not low <= int(value) <= high:
        raise HominesError(f"{rule}, got {int(value)}")


def one_of(what: str, value: object, among: Iterable[str]) -> None:
    """A value that is one of these names; `what`: the kind of thing they name.

    >>> one_of("cluster", "games", ("game", "none"))
    Traceback (most recent call last):
    homines.core.types.HominesError: no cluster called 'games'; there are game, none; did you mean 'game'?
    """
    names = list(among)
    if value in names:
        return
    close = get_close_matches(value.lower(), names, n=1) if isinstance(value, str) else []
    hint = f"; did you mean {close[0]!r}?" if close else ""
    raise HominesError(f"no {what} called {value!r}; there are {', '.join(names)}{hint}")


def action(d: Decision, name: str, why: str) -> int:
    """Index of my action of this name. Raises NotDefined where there is none; `why` says what needs it."""
    if name not in d.actions:
        raise NotDefined(
            f"{why} needs an action called {name!r}; this decision offers {', '.join(d.actions)}: "
            "use a game with actions C and D, or another preference"
        )
    return d.actions.index(name)


def _range(low: float, high: float) -> str:
    if math.isinf(low) and math.isinf(high):
        return "finite number"
    if math.isinf(high):
        return f"number of at least {low:g}"
    return f"number in [{low:g}, {high:g}]"
