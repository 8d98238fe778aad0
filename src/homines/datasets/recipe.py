"""What a data set is made of: the preference, the kinds of games, words and frames, how many rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

import numpy as np

from homines.core.capabilities import AsksFor, labels_of
from homines.core.checks import count, number
from homines.core.options import LABELS, option, required
from homines.core.plugins import names
from homines.core.registry import find
from homines.core.types import HominesError

TIES = ("drop", "both")


@dataclass(frozen=True)
class Recipe:
    """What to generate: as many rows of each kind of game as of the others; no game of the test is in the
    training."""

    preference: str = required("Preference that the answers follow, as 'moralis(kappa=1)'.", "--to")
    games: tuple[str, ...] = option(
        ("symmetric",),
        "Kind of game to draw: symmetric, spd, trust, ultimatum, split, reciprocity; several.",
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
                "A game is drawn by a function draw(rng) in its file"
            )


def drawable() -> tuple[str, ...]:
    """Games that can be drawn."""
    return tuple(name for name in names("games") if drawer(name) is not None)


def drawer(name: str) -> Callable[[np.random.Generator], str] | None:
    return getattr(import_module(f"homines.games.{name}"), "draw", None)
