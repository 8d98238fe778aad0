"""Whom a self-driving car kills: scenarios in the design of the Moral Machine, drawn and balanced by us."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from homines.core.checks import count, one_of
from homines.core.format import join
from homines.core.types import Array, Decision, History, frozen
from homines.theory.stakes import check_stake

STAY, SWERVE = 0, 1
PEDESTRIANS, AHEAD, BEYOND = 0, 1, 2
"""Pedestrians on both roads; pedestrians ahead and a barrier beside; a barrier ahead, pedestrians beside."""
SETTINGS = (0.48, 0.32, 0.2)
SIGNALS = (0.48, 0.2, 0.32)
"""No signal; green for those ahead (for the pedestrians where there are passengers); red for them. Both
as often as in the public experiment, whose weights (`homines.estimation.amce`) undo it."""
CROSSING = ("where there is no signal", "on a green signal", "on a red signal")
RULE = "The brakes of a self-driving car have failed. Somebody will be killed. You decide what the car does."
STEPS = (0.7548776662466927, 0.5698402909980532)
"""Of an additive sequence that fills the unit square evenly: few scenarios have the frequencies of many."""
MOST = 5
FIRST_DRAWN = 1_000_000
"""Scenarios from here on are for data; models are asked those before."""


class Character(NamedTuple):
    """One kind of being. The contrasts are +1, -1, or 0 where the dimension says nothing of it."""

    name: str
    plural: str
    human: int = 1
    female: int = 0
    fit: int = 0
    status: int = 0
    young: int = 0


CHARACTERS = (
    Character("man", "men", female=-1),
    Character("woman", "women", female=1),
    Character("pregnant woman", "pregnant women", female=1),
    Character("baby", "babies", young=1),
    Character("old man", "old men", female=-1, young=-1),
    Character("old woman", "old women", female=1, young=-1),
    Character("boy", "boys", female=-1, young=1),
    Character("girl", "girls", female=1, young=1),
    Character("homeless person", "homeless people", status=-1),
    Character("large man", "large men", female=-1, fit=-1),
    Character("large woman", "large women", female=1, fit=-1),
    Character("criminal", "criminals", status=-1),
    Character("male executive", "male executives", female=-1, status=1),
    Character("female executive", "female executives", female=1, status=1),
    Character("male athlete", "male athletes", female=-1, fit=1),
    Character("female athlete", "female athletes", female=1, fit=1),
    Character("male doctor", "male doctors", female=-1, status=1),
    Character("female doctor", "female doctors", female=1, status=1),
    Character("dog", "dogs", human=-1),
    Character("cat", "cats", human=-1),
)
SEATS = ("me", *(c.name for c in CHARACTERS), "inaction", "pedestrians", "lawful")
"""Whom the rows of `payoffs` are about: me (nothing); beings saved, by kind; and by convention three marks of
the action: 1 where the car stays on its course, 1 where pedestrians are saved and passengers are not, 1 (-1)
where those saved cross on green (red)."""
BEINGS = slice(1, 1 + len(CHARACTERS))


class Dimension(NamedTuple):
    """An attribute in the words of the Moral Machine's files: its ScenarioType and both AttributeLevels."""

    type: str
    minus: str
    plus: str


DIMENSIONS: Mapping[str, Dimension] = {
    "gender": Dimension("Gender", "Male", "Female"),
    "fitness": Dimension("Fitness", "Fat", "Fit"),
    "status": Dimension("Social Value", "Low", "High"),
    "age": Dimension("Age", "Old", "Young"),
    "number": Dimension("Utilitarian", "Less", "More"),
    "species": Dimension("Species", "Pets", "Hoomans"),
}
MATCHED: Mapping[str, tuple[tuple[str, str], ...]] = {
    "gender": (
        ("man", "woman"),
        ("old man", "old woman"),
        ("boy", "girl"),
        ("large man", "large woman"),
        ("male executive", "female executive"),
        ("male athlete", "female athlete"),
        ("male doctor", "female doctor"),
    ),
    "fitness": (("large man", "male athlete"), ("large woman", "female athlete")),
    "age": (("old man", "boy"), ("old woman", "girl")),
}
"""Beings that differ in one dimension alone, minus and plus: each of one side faces its match."""
ID = {c.name: i for i, c in enumerate(CHARACTERS)}


@dataclass(frozen=True, eq=False)
class Dilemma:
    """One scenario: who is killed if the car stays on its course, and who if it swerves.

    kind     the attribute that the two groups differ in, `draw` which scenario of it
    victims  beings by CHARACTERS, [stay or swerve, character]
    levels   +1 where the group has the plus level of DIMENSIONS, -1 the minus level, [stay or swerve]
    setting  PEDESTRIANS, AHEAD or BEYOND; `signals`: of each group, 0 none, 1 green, 2 red
    """

    kind: str
    draw: int
    victims: Array
    levels: tuple[int, int]
    setting: int
    signals: tuple[int, int]

    @property
    def passengers(self) -> int | None:
        """Who of STAY and SWERVE are passengers; None where both are pedestrians."""
        return {PEDESTRIANS: None, AHEAD: SWERVE, BEYOND: STAY}[self.setting]

    @property
    def table(self) -> Array:
        """What each seat of SEATS gets, [seat, action]: those saved are those whom the other action kills."""
        saved = self.victims[::-1]
        marks = np.zeros((3, 2))
        marks[0, STAY] = 1
        if self.passengers is not None:
            marks[1, self.passengers] = 1
        for action in (STAY, SWERVE):
            if 1 - action != self.passengers:  # a passenger keeps and breaks no law
                marks[2, action] = (0, 1, -1)[self.signals[1 - action]]
        return frozen(np.vstack([np.zeros((1, 2)), saved.T, marks]))

    def due(self, history: History) -> Mapping[int, Decision]:
        if history:
            return {}
        does = tuple(self._does(action) for action in (STAY, SWERVE))
        return {0: Decision(("stay", "swerve"), self.table, rule=RULE, does=does)}

    def payoffs(self, history: History) -> Array:
        return self.table[:, history[0][0]]

    def _does(self, action: int) -> str:
        beings = crowd(self.victims[action])
        moves = ("The car goes straight on", "The car turns aside")[action]
        if action == self.passengers:
            return f"{moves}, hits a barrier and kills its passengers: {beings}."
        road = ("the road ahead", "the other road")[action]
        return f"{moves} and kills {beings} crossing {road} {CROSSING[self.signals[action]]}."

    def outcomes(self) -> tuple[dict[str, str | int], dict[str, str | int]]:
        """The groups killed by staying and by swerving as rows of the Moral Machine's files, Saved left out.

        A group of passengers bears the signal of the pedestrians it is weighed against, so that a reader of
        rows sees which scenarios have none.
        """
        dimension, sizes = DIMENSIONS[self.kind], self.victims.sum(-1)

        def row(action: int) -> dict[str, str | int]:
            return {
                "ResponseID": f"{self.kind} {self.draw // 2}",
                "Intervention": action,
                "PedPed": int(self.passengers is None),
                "Barrier": int(action == self.passengers),
                "CrossingSignal": self.signals[action],
                "AttributeLevel": dimension.plus if self.levels[action] > 0 else dimension.minus,
                "ScenarioType": dimension.type,
                "DiffNumberOFCharacters": int(abs(sizes[STAY] - sizes[SWERVE])),
            }

        return row(STAY), row(SWERVE)


def dilemma(kind: str = "number", draw: int = 0) -> Dilemma:
    """A scenario of the Moral Machine's design: two groups, one of which a car without brakes kills.

    kind   the attribute in which they differ: gender, fitness, status, age, number or species
    draw   which scenario. Of an even number and the next, the second exchanges the groups: each stands once
           where the other stood, under the same signal
    Setting and signal are as frequent as in Awad et al. (2018), Nature 563: 59, spread evenly over the draws;
    the groups are drawn from twenty characters. Characters and words are our own.

    >>> dilemma("species", 4).due(())[0].actions
    ('stay', 'swerve')
    """
    count("draw", draw, 0)
    one_of("kind of dilemma", kind, DIMENSIONS)
    at, pair = list(DIMENSIONS).index(kind), draw // 2
    rng = np.random.default_rng([at, pair])
    setting, ahead = (
        int(np.searchsorted(np.cumsum(odds), (0.5 + (pair + at / len(DIMENSIONS)) * step) % 1, side="right"))
        for odds, step in zip((SETTINGS[:2], SIGNALS[:2]), STEPS, strict=True)
    )
    # pedestrians on both roads: where these have green, those have red
    signals = (ahead, (0, 2, 1)[ahead]) if setting == PEDESTRIANS else (ahead, ahead)
    exchanged = bool(rng.integers(2)) != bool(draw % 2)
    groups = _groups(kind, rng)
    victims = frozen([_counts(group) for group in (groups[::-1] if exchanged else groups)])
    return Dilemma(kind, draw, victims, (1, -1) if exchanged else (-1, 1), setting, signals)


def spec(kind: str, draw: int) -> str:
    """The spec of a scenario."""
    return f"dilemma(kind={kind}, draw={draw})"


def draw(rng: np.random.Generator, most: int = 9) -> str:
    """Any scenario past those that are asked. At most MOST beings of a kind are saved, at any stake."""
    check_stake("dilemma", most, MOST)
    return spec(list(DIMENSIONS)[int(rng.integers(len(DIMENSIONS)))], int(rng.integers(FIRST_DRAWN, 2**31)))


def _groups(kind: str, rng: np.random.Generator) -> tuple[list[str], list[str]]:
    """Names of the beings of the minus level, and of the plus level."""
    if kind == "number":
        smaller = _draw_names(rng, [c.name for c in CHARACTERS], int(rng.integers(1, MOST)))
        extra = int(rng.integers(1, MOST - len(smaller) + 1))
        return smaller, smaller + _draw_names(rng, [c.name for c in CHARACTERS], extra)
    size = int(rng.integers(1, MOST + 1))
    if kind in MATCHED:
        indices = rng.integers(len(MATCHED[kind]), size=size)
        return [MATCHED[kind][i][0] for i in indices], [MATCHED[kind][i][1] for i in indices]
    field = {"species": "human", "status": "status"}[kind]
    low, high = ([c.name for c in CHARACTERS if getattr(c, field) == sign] for sign in (-1, 1))
    return _draw_names(rng, low, size), _draw_names(rng, high, size)


def _draw_names(rng: np.random.Generator, names: list[str], size: int) -> list[str]:
    return [names[i] for i in rng.integers(len(names), size=size)]


def _counts(names: list[str]) -> Array:
    return np.bincount([ID[name] for name in names], minlength=len(CHARACTERS)).astype(np.float64)


def crowd(counts: Array) -> str:
    """Beings as a list in words.

    >>> crowd(_counts(["dog", "old man", "dog"]))
    'an old man and two dogs'
    """
    words = ("", "", "two", "three", "four", "five")
    return join(
        [
            f"{words[int(n)]} {c.plural}" if n > 1 else f"a{'n' * (c.name[0] in 'aeiou')} {c.name}"
            for n, c in zip(counts, CHARACTERS, strict=True)
            if n
        ]
    )
