"""`story`: two stalls at a market, coins instead of points; no game, no table, no jargon."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from homines.core.format import join
from homines.core.registry import LATER
from homines.core.types import Decision, HominesError, Order, Prompt
from homines.elicitation.amounts import counting_word, in_unit
from homines.elicitation.rounds import Round
from homines.elicitation.scene import Outcome, Scene, paragraph, settle

FORTUNES = (
    ("so so",),
    ("badly", "well"),
    ("badly", "so so", "well"),
    ("very badly", "badly", "well", "very well"),
)
"""How a day goes, from the worst outcome to the best, by the number of different payoffs of a player."""
FRIENDS = ("Robin", "Kim", "Sam", "Noor", "Lee", "Ada", "Max")


@dataclass(frozen=True)
class Story:
    """The same decision told as a market day.

    labels   words for the ways to work, in the order of the actions; empty: the actions' own names
    memory   how many past days are told, at most
    asks     for a choice, for one after thinking aloud (aloud), or for what another will do (belief)
    goal     a goal that the text states, points being its unit: 'highest score', or a sentence; empty: none
    begins   words with which the model's answer begins, as 'Answer:'; empty: it begins by itself
    unit     what payoffs are told in: $, or a word such as dollars or coins; empty: coins
    numbers  whether payoffs are told as numbers; else by how well each outcome is for each player, the best
             and the worst of at most four
    """

    labels: tuple[str, ...] | str = ()
    memory: int = 1
    asks: str = "choice"
    goal: str = field(default="", metadata=LATER)
    begins: str = field(default="", metadata=LATER)
    unit: str = field(default="", metadata=LATER)
    numbers: bool = field(default=True, metadata=LATER)

    places = 1

    def __post_init__(self) -> None:
        settle(self)

    def __call__(self, d: Decision, order: Order) -> Prompt:
        scene = Scene.of(d, self.labels, order, FRIENDS, self.unit or "coins")
        gain = "you take home {} points" if self.unit else "you take home {}"
        if not self.numbers:
            _check_listed(scene)
        parts = [self._opening(scene), scene.rule]
        for outcome in scene.outcomes():
            acts = join(scene.clauses("you go for {}", "{} for {}", outcome.words))
            paid = scene.gains(gain, "{} {}", outcome.payoffs) if self.numbers else _fortunes(scene, outcome)
            parts.append(f"When {acts}, {paid}.")
        parts += [in_unit(self.goal, scene.unit), scene.beliefs("goes for")]
        if (move := scene.first_move) is not None:
            parts.append(f"Today {scene.people[0]} came first and went for {move}.")
        parts += scene.alternatives("gone for", " and you for {}", "you would have taken home {}")
        for past in scene.rounds(self.memory):
            acts = join(scene.clauses("you went for {}", "{} for {}", past.words, past.people))
            parts.append(f"{_days_ago(past)} {acts}.")
        parts.append(f"What do you go for now: {scene.options}?")
        return scene.prompt(self.asks, paragraph(parts), " Say just the one.", self.begins)

    @staticmethod
    def _opening(scene: Scene) -> str:
        """Who keeps a stall, when, and how often."""
        d, company, coins = scene.decision, scene.company, in_unit("points", scene.unit)
        if d.does:
            return ""
        if not d.theirs and not d.history:
            return (
                f"A purse of {coins} was left to you to share with {company}."
                if scene.people
                else "A day at the market."
            )
        if d.reply:
            mate = scene.people[0]
            return f"You and {company} share a stall for one day. You start; {mate} sees it and goes on."
        if not d.theirs:
            return f"You and {company} share a stall for one day."
        often = "today" if d.rounds == 1 else "each day"
        return (
            f"You and {company} keep stalls at the market, side by side. The {coins} {often} depend on you "
            "all."
        )


def _days_ago(past: Round) -> str:
    """How many days ago a past round was."""
    if past.ago <= 2:
        return ("Yesterday", "The day before yesterday")[past.ago - 1]
    return f"{counting_word(past.ago)} days ago"


def _check_listed(scene: Scene) -> None:
    """Raise HominesError where a story cannot do without numbers."""
    d = scene.decision
    if scene.rule or d.forgone:
        raise HominesError(
            "a story without numbers tells listed outcomes alone; leave out numbers=False here"
        )
    if (most := max(len(np.unique(paid)) for paid in d.payoffs)) > len(FORTUNES):
        raise HominesError(
            f"a story without numbers has words for {len(FORTUNES)} different payoffs of a player, and this "
            f"decision has {most}; leave out numbers=False here"
        )


def _fortunes(scene: Scene, outcome: Outcome) -> str:
    """How well an outcome is for everybody: 'the day goes well for you and badly for Robin'."""
    words: list[str] = []
    for paid, mine in zip(scene.decision.payoffs, outcome.payoffs, strict=True):
        levels = np.unique(paid)
        words.append(FORTUNES[len(levels) - 1][int(np.searchsorted(levels, mine))])
    return join(scene.clauses("the day goes {} for you", "{1} for {0}", words))
