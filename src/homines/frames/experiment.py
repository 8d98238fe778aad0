"""`experiment`: the plain, neutral style of instructions in the experimental literature."""

from __future__ import annotations

from dataclasses import dataclass, field

from homines.core.format import join
from homines.core.registry import LATER
from homines.core.types import Decision, Order, Prompt
from homines.elicitation.amounts import in_unit
from homines.elicitation.scene import Scene, paragraph, settle


@dataclass(frozen=True)
class Experiment:
    """Participants, who decides when, a list of earnings, "Your decision".

    labels   words for the actions, in their order; empty: the actions' own names
    layout   order of the list: original, reversed, columns, rows
    goal     a goal that the text states: 'highest score', or a sentence; empty: none
    memory   how many past rounds are told, at most
    asks     for a choice, for one after thinking aloud (aloud), or for what another will do (belief)
    begins   words with which the model's answer begins, as 'Answer:'; empty: it begins by itself
    unit     what payoffs are told in: $, or a word such as dollars or coins; empty: points
    """

    labels: tuple[str, ...] | str = ()
    layout: str = "original"
    goal: str = ""
    memory: int = 1
    asks: str = "choice"
    begins: str = field(default="", metadata=LATER)
    unit: str = field(default="", metadata=LATER)

    places = 1

    def __post_init__(self) -> None:
        settle(self)

    def __call__(self, d: Decision, order: Order) -> Prompt:
        scene = Scene.of(d, self.labels, order, unit=self.unit, layout=self.layout)
        parts = [_instructions(scene), scene.rule or "Earnings:"]
        for outcome in scene.outcomes(self.layout):
            acts = join(scene.clauses("you choose {}", "{} chooses {}", outcome.words))
            parts.append(f"- {acts}: {scene.gains('you earn {} points', '{} {}', outcome.payoffs)}.")
        parts += [in_unit(self.goal, self.unit), scene.beliefs("chooses")]
        if (move := scene.first_move) is not None:
            parts.append(f"{scene.people[0]} has chosen {move}.")
        parts += scene.alternatives("chosen", " and you {}", "you would have earned {} points")
        for past in scene.rounds(self.memory):
            acts = join(scene.clauses("you chose {}", "{} chose {}", past.words, past.people))
            parts.append(f"{past.when('In the last round', 'rounds ago')} {acts}.")
        parts.append(f"Your decision: {scene.options}.")
        return scene.prompt(self.asks, paragraph(parts, "\n"), " State it alone.", self.begins)


def _instructions(scene: Scene) -> str:
    """Who is matched with whom, who decides when, and how often; empty where a rule tells all and names
    nobody."""
    d, others = scene.decision, scene.company
    if scene.rule and "{other}" not in d.rule:
        return ""
    if not scene.people:
        return "You decide alone."
    several = len(scene.people) > 1
    matched = f"You are matched with {'other participants' if several else 'another participant'}, {others}."
    if not d.theirs and not d.history:
        return f"{matched} You alone decide what everyone earns."
    if d.reply:
        return f"{matched} You decide first; {scene.people[0]} learns your decision and then decides."
    if not d.theirs:
        return f"{matched} {scene.people[0]} decided first; you learn the decision and then decide."
    often = "in every round" if d.rounds is None else "once" if d.rounds == 1 else f"for {d.rounds} rounds"
    return f"{matched} {'All' if several else 'Both'} of you decide at the same time, {often}."
