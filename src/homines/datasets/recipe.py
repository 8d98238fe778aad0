"""What a data set is made of: the preference, the kinds of games, words and frames, how many rows."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

import numpy as np

from homines.core.capabilities import AsksFor, labels_of
from homines.core.checks import count, number
from homines.core.options import LABELS, option, required
from homines.core.plugins import names
from homines.core.registry import find, head
from homines.core.types import HominesError

TIES = ("drop", "both")
ANSWERED_BY = {"dilemma": "lives"}
"""Kinds of games in which one preference of this package alone answers."""


@dataclass(frozen=True)
class Recipe:
    """What to generate: as many rows of each kind of game as of the others; no game of the test is in the
    training."""

    preference: str = required("Preference that the answers follow, as 'moralis(kappa=1)'.", "--to")
    games: tuple[str, ...] = option(
        ("symmetric",),
        "Kind of game to draw, any of `homines list games`; several.",
        "--game",
    )
    train: int = option(400, "Rows to train on.", "--n", low=1)
    test: int = option(100, "Rows to test on, of other games.", low=0)
    frame: str = option("table(goal='')", "Frame that tells the decision.")
    words: tuple[str, ...] = option(("A,B",), LABELS, "--labels")
    """The sets of labels take turns."""
    reasons: bool = option(True, "The arithmetic of the utility before the answer.")
    ties: str = option("drop", "Two best answers: drop, or both (a row each).")
    precision: float = option(1.0, "Of the logit choice stored beside each row.")
    seed: int = option(0, "The same seed gives the same rows.")
    apart: tuple[str, ...] = ()
    """Specs of games that no row is made of, beside the canonical ones."""

    def __post_init__(self) -> None:
        count("train", self.train)
        count("test", self.test, 0)
        number("precision", self.precision, 0)
        if self.ties not in TIES:
            raise HominesError(f"ties is {self.ties!r}; there are {', '.join(TIES)}")
        if not self.games or not self.words:
            raise HominesError("a recipe needs at least one game and one set of labels")
        frame = find("frames", self.frame)
        if not isinstance(frame, AsksFor) or frame.asks != "choice" or labels_of(frame):
            raise HominesError(
                f"frame {self.frame} cannot tell the rows: it must tell payoffs and leave its labels and "
                "what it asks to the recipe, as table, sentences or story do; give labels by --labels"
            )
        count("seed", self.seed, 0)
        if unknown := [game for game in self.games if game not in drawable()]:
            raise HominesError(
                f"no game {unknown[0]!r} can be drawn; there are {', '.join(drawable())}. "
                "A game is drawn by a function draw(rng, most) in its file"
            )
        for game in self.games:
            check_answered(game, self.preference)


class NotAnswered(HominesError):  # noqa: N818 (a property of the pair)
    """A preference has no sensible answer in any game of a kind."""

    def __init__(self, game: str, preference: str, only: str) -> None:
        super().__init__(
            f"{preference} has no answer in {game}, whose payoffs are lives of others and marks of the act, "
            f"not points; give another game (--game), or a preference that weighs lives, as {only}"
        )
        self.game, self.preference = game, preference


def check_answered(game: str, preference: str) -> None:
    """Raise NotAnswered where no sensible answer follows from a preference of this package in a kind of game.
    A stranger's own preference (module:object) is taken as it is."""
    only = ANSWERED_BY.get(game)
    name = head(preference)
    if only is not None and name in names("preferences") and name != only:
        raise NotAnswered(game, preference, only)


def drawable() -> tuple[str, ...]:
    """Games that can be drawn: all whose files hold a function draw(rng, most).

    In `dilemma` only `lives` answers (ANSWERED_BY): I get nothing there, whatever the car does, and its
    other seats are kinds of beings and marks of the act, which no sum or comparison of points is about.
    """
    return tuple(name for name in names("games") if drawer(name) is not None)


class Drawer(Protocol):
    """Draws the spec of a game of one kind, with whole payoffs up to `most` where the kind has such.

    Raises StakeTooLow where the kind has none up to this stake.
    """

    def __call__(self, rng: np.random.Generator, most: int = 9) -> str: ...


def drawer(name: str) -> Drawer | None:
    """The drawer of a game; None where its file holds none."""
    return getattr(import_module(f"homines.games.{name}"), "draw", None)
