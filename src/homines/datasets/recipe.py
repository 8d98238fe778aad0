"""What a data set is made of: the preference, kinds of games, stakes, frames, words, ways of asking, rows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

import numpy as np

from homines.core.capabilities import AsksFor, StatesUnit, labels_of
from homines.core.checks import count, number
from homines.core.options import option, required
from homines.core.plugins import names
from homines.core.registry import find, head
from homines.core.types import HominesError
from homines.datasets.labels import label_sets
from homines.elicitation.amounts import check_unit

TIES = ("drop", "both")
WAYS = ("aloud", "bare")
TARGETS = ("best", "logit")
USUAL = 9
"""The stake at which a recipe states its precision."""


@dataclass(frozen=True)
class Stake:
    """The highest payoff of the games drawn, and what payoffs are told in; '' is the frame's own words."""

    most: int
    unit: str = ""

    @classmethod
    def of(cls, text: str) -> Stake:
        """'99', '$99', '99 coins'.

        >>> Stake.of("$99")
        Stake(most=99, unit='$')
        """
        match = re.fullmatch(r"(?P<sign>[^\w\s]?)(?P<most>[1-9]\d{0,8})(?P<word> [^\W\d_]+)?", text.strip())
        if match is None or (match["sign"] and match["word"]):
            raise HominesError(f"no stake in {text!r}; write the highest payoff, as 9, 99, $99 or 99 coins")
        unit = match["sign"] or (match["word"] or "").strip()
        check_unit(unit)
        return cls(int(match["most"]), unit)

    def precision(self, usual: float) -> float:
        """The precision (1/payoff) at this stake that is as sharp as `usual` at payoffs up to 9."""
        return usual * USUAL / self.most


ANSWERED_BY = {
    "dilemma": "lives(human=1, female=0, fit=0, status=0, young=0, inaction=0, pedestrians=0, lawful=0)"
}
"""Kinds of games in which one preference of this package alone answers, with an example of it."""


@dataclass(frozen=True)
class Recipe:
    """What to generate: as many rows of each kind of game as of the others; no game of the test is in the
    training. Stakes, frames, labels, places and ways of asking take turns, each evenly with each other."""

    preference: str = required("Preference that the answers follow, as 'moralis(kappa=1)'.", "--to")
    games: tuple[str, ...] = option(
        ("symmetric",),
        "Kind of game to draw, a name of `homines list games` without parameters; repeat for several.",
        "--game",
    )
    train: int = option(400, "Rows to train on.", "--n", low=1)
    test: int = option(100, "Rows to test on, of other games.", low=0)
    frames: tuple[str, ...] = option(
        ("table(goal='')",), "Frame that tells the decision; repeat for several in turn.", "--frame"
    )
    words: tuple[str, ...] = option(
        ("A,B",), "Words for the actions, as X,Y; repeat for several; many: a varied set.", "--labels"
    )
    stakes: tuple[str, ...] = option(
        ("9",), "Highest payoff, with a unit or without: 9, 99, $99, 99 coins; repeat for several.", "--stake"
    )
    asks: tuple[str, ...] = option(
        ("aloud",),
        "aloud: the arithmetic of the utility, then the answer; bare: the answer alone; both in turn. Named "
        "twice is twice as often.",
    )
    targets: str = option(
        "best", "What is trained: best, the best answer; logit, the logit choice (ties are then kept)."
    )
    ties: str = option("drop", "Two best answers: drop, or both (a row each).")
    precision: float = option(
        1.0, "Of the logit choice, per unit of payoff at stake 9; at stake 99 it is 9/99 of this."
    )
    longest: int = option(1200, "Characters of reasons and answer; a row with more is left out.", low=20)
    seed: int = option(0, "The same seed gives the same rows.")
    apart: tuple[str, ...] = ()
    """Specs of games that no row is made of, beside the canonical ones."""

    def __post_init__(self) -> None:
        count("train", self.train)
        count("test", self.test, 0)
        count("longest", self.longest, 20)
        number("precision", self.precision, 0)
        count("seed", self.seed, 0)
        for name, value, allowed in (
            ("ties", self.ties, TIES),
            ("targets", self.targets, TARGETS),
            *(("asks", way, WAYS) for way in self.asks),
        ):
            if value not in allowed:
                raise HominesError(f"{name} is {value!r}; there are {', '.join(allowed)}")
        if not all((self.games, self.words, self.frames, self.stakes, self.asks)):
            raise HominesError(
                "a recipe needs at least one game, set of labels, frame, stake and way of asking each"
            )
        label_sets(self.words)
        units = {unit for unit in (Stake.of(text).unit for text in self.stakes) if unit}
        for spec in self.frames:
            _check_frame(spec, units)
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
    if only is not None and name in names("preferences") and name != head(only):
        raise NotAnswered(game, preference, only)


def _check_frame(spec: str, units: set[str]) -> None:
    """Raise HominesError where a frame cannot tell the rows, or not in these units."""
    frame = find("frames", spec)
    if not isinstance(frame, AsksFor) or frame.asks != "choice" or labels_of(frame):
        raise HominesError(
            f"frame {spec} cannot tell the rows: it must tell payoffs and leave its labels and "
            "what it asks to the recipe, as table, sentences or story do; give labels by --labels"
        )
    if units and not isinstance(frame, StatesUnit):
        raise HominesError(
            f"frame {spec} has no unit, and a stake is in {', '.join(sorted(units))}; use table, sentences, "
            "story or experiment, or stakes without a unit"
        )


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
