"""What a data set is made of: the preference, kinds of games, stakes, frames, words, ways of asking, rows."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

import numpy as np

from homines.core.capabilities import AsksFor, StatesUnit, labels_of
from homines.core.checks import count, number
from homines.core.options import option, required
from homines.core.plugins import names
from homines.core.registry import find
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


@dataclass(frozen=True)
class Recipe:
    """What to generate: as many rows of each kind of game as of the others; no game of the test is in the
    training. Stakes, frames, labels, places and ways of asking take turns, each evenly with each other."""

    preference: str = required("Preference that the answers follow, as 'moralis(kappa=1)'.", "--to")
    games: tuple[str, ...] = option(
        ("symmetric",),
        "Kind of game to draw: symmetric, spd, trust, ultimatum, split, reciprocity; several.",
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
        ("aloud",), "aloud: the arithmetic of the utility, then the answer; bare: the answer alone; several."
    )
    targets: str = option(
        "best", "What is trained: best, the best answer; logit, the logit choice (ties are then kept)."
    )
    ties: str = option("drop", "Two best answers: drop, or both (a row each).")
    precision: float = option(
        1.0, "Of the logit choice, per unit of payoff at stake 9; at stake 99 it is 9/99 of this."
    )
    seed: int = option(0, "The same seed gives the same rows.")
    apart: tuple[str, ...] = ()
    """Specs of games that no row is made of, beside the canonical ones."""

    def __post_init__(self) -> None:
        count("train", self.train)
        count("test", self.test, 0)
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
                "A game is drawn by a function draw(rng) in its file"
            )


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
    """Games that can be drawn."""
    return tuple(name for name in names("games") if drawer(name) is not None)


def drawer(name: str) -> Callable[[np.random.Generator], str] | None:
    return getattr(import_module(f"homines.games.{name}"), "draw", None)
