"""What opponents/axelrod.py asks of the axelrod library, which has no types: made, told, replayed."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from importlib import import_module
from typing import Any

import numpy as np

from homines.core.types import Decision, HominesError

MOST_COINS = 8
REMEDY = "axelrod knows rounds in which both move at once: use a repeated game, or another opponent"
CHEATS = ("manipulates_state", "manipulates_source", "inspects_source")


class NotACoinError(Exception):
    """The strategy drew something else than a few coins, so its probabilities are not read off."""


class Coin:
    """Stands in for a player's random numbers: coins fall as scripted, then heads, and are weighed."""

    def __init__(self, heads: Sequence[bool], axl: Any) -> None:
        self.heads, self.weight, self._thrown, self._axl = list(heads), 1.0, 0, axl

    def random_choice(self, p: float = 0.5) -> Any:
        """C with probability p, as the library's own."""
        c, d = self._axl.Action.C, self._axl.Action.D
        if p in (0, 1):
            return c if p == 1 else d
        if self._thrown == len(self.heads):
            self.heads.append(True)
        if self._thrown == MOST_COINS:
            raise NotACoinError
        head = self.heads[self._thrown]
        self._thrown += 1
        self.weight *= p if head else 1 - p
        return c if head else d

    def __getattr__(self, name: str) -> Any:
        raise NotACoinError


@contextmanager
def quiet() -> Generator[None]:
    """The library's warnings are about its own tournaments."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def library() -> Any:
    """The axelrod library; imported here alone, for it takes seconds."""
    try:
        with quiet():
            return import_module("axelrod")
    except ImportError as error:
        raise HominesError(
            f"strategies of the axelrod library need that library ({error}); "
            "install it: pip install 'homines[opponents]'"
        ) from error


def player(strategy: str, parameters: Mapping[str, Any]) -> Any:
    """A new player of this class; HominesError for one that is unknown, cheats, or takes no such values."""
    axl = library()
    there = {kind.__name__: kind for kind in axl.all_strategies}
    if strategy not in there:
        plain = {name.lower(): name for name in there}
        close = get_close_matches(strategy.lower().replace("_", ""), plain, n=3)
        hint = (
            f"did you mean {' or '.join(plain[c] for c in close)}?" if close else "none has a name like it;"
        )
        raise HominesError(
            f"axelrod has no strategy {strategy!r}; {hint} axelrod.readthedocs.io lists all {len(there)}"
        )
    wanted = inspect.signature(there[strategy].__init__).parameters
    values = {
        name: axl.Action[value]
        if name in wanted and isinstance(wanted[name].default, axl.Action) and value in ("C", "D")
        else value
        for name, value in parameters.items()
    }
    try:
        with quiet():
            made = there[strategy](**values)
    except Exception as error:
        takes = ", ".join(name for name in wanted if name != "self") or "none"
        raise HominesError(
            f"axelrod's {strategy} does not take {dict(parameters)} ({error}); its parameters are: {takes}"
        ) from error
    if cheats := [c for c in CHEATS if classified(made, c)]:
        raise HominesError(
            f"axelrod's {strategy} ({', '.join(cheats)}) needs its opponent's program, and here the "
            "opponent is a history; choose another strategy"
        )
    return made


def classified(made: Any, what: str) -> Any:
    """The library's own classification, such as memory_depth."""
    with quiet():
        return library().Classifiers[what](made)


def rounds(d: Decision) -> list[tuple[int, int]]:
    """My action and the other's, round by round."""
    out: list[tuple[int, int]] = []
    for stage in d.history:
        mine, other = stage[d.player], stage[1 - d.player]
        if mine is None or other is None:
            raise HominesError(f"stage {stage} has the move of one player only; {REMEDY}")
        out.append((mine, other))
    return out


def move(made: Any, d: Decision, seed: int, heads: Sequence[bool] | None = None) -> tuple[int, Coin | None]:
    """Lives through the history and moves. 0 is C; with `heads`, the last move's coins are scripted."""
    axl = library()
    actions = (axl.Action.C, axl.Action.D)
    other = axl.MockPlayer()
    with quiet():
        made.set_match_attributes(length=np.inf if d.rounds is None else d.rounds, game=game(axl, d))
        made.set_seed(seed)
        for mine, its in rounds(d):
            made.strategy(other)
            made.update_history(actions[mine], actions[its])
            other.update_history(actions[its], actions[mine])
        if heads is None:
            return actions.index(made.strategy(other)), None
        coin = made._random = Coin(heads, axl)
        return actions.index(made.strategy(other)), coin


def game(axl: Any, d: Decision) -> Any:
    """The decision's payoffs as the library writes them."""
    if d.payoffs.shape != (2, 2, 2):
        raise HominesError(f"payoffs of shape {d.payoffs.shape} are not [seat, mine, other]; {REMEDY}")
    mine, other = d.payoffs
    if not np.allclose(other, mine.T):
        return axl.AsymmetricGame(mine, other)
    (r, s), (t, p) = mine.tolist()
    return axl.Game(r=r, s=s, t=t, p=p)
