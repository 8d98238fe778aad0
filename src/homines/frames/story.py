"""`story`: two stalls at a market, coins instead of points; no game, no table, no jargon."""

from __future__ import annotations

from dataclasses import dataclass, field

from homines.core.format import join
from homines.core.registry import LATER
from homines.core.types import Decision, Order, Prompt
from homines.elicitation.amounts import counting_word, in_unit
from homines.elicitation.rounds import Round
from homines.elicitation.scene import Scene, paragraph, settle

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
    """

    labels: tuple[str, ...] | str = ()
    memory: int = 1
    asks: str = "choice"
    goal: str = field(default="", metadata=LATER)
    begins: str = field(default="", metadata=LATER)
    unit: str = field(default="", metadata=LATER)

    places = 1

    def __post_init__(self) -> None:
        settle(self)

    def __call__(self, d: Decision, order: Order) -> Prompt:
        scene = Scene.of(d, self.labels, order, FRIENDS, self.unit or "coins")
        gain = "you take home {} points" if self.unit else "you take home {}"
        parts = [self._opening(scene), scene.rule]
        for outcome in scene.outcomes():
            acts = join(scene.clauses("you go for {}", "{} for {}", outcome.words))
            parts.append(f"When {acts}, {scene.gains(gain, '{} {}', outcome.payoffs)}.")
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
            return f"You and {company} share a stall for one day. You start; {company} sees it and goes on."
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
