"""`table`: the payoffs as a table, then the last rounds, then the question."""

from __future__ import annotations

from dataclasses import dataclass, field

from homines.core.format import join
from homines.core.registry import LATER
from homines.core.types import Decision, Order, Prompt
from homines.elicitation.amounts import in_unit
from homines.elicitation.scene import Scene, paragraph, settle


@dataclass(frozen=True)
class Table:
    """Payoff table, state, question; what never changes stands first, so that prompts share it.

    labels   words for the actions, in their order; empty: the actions' own names
    layout   how the table is turned: original, reversed, columns, rows (Tennant et al. 2025)
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

    places = 2

    def __post_init__(self) -> None:
        settle(self)

    def __call__(self, d: Decision, order: Order) -> Prompt:
        scene = Scene.of(d, self.labels, order, unit=self.unit, layout=self.layout)
        parts = [introduction(scene), scene.rule or listing(scene, self.layout)]
        parts.append(in_unit(self.goal, self.unit))
        parts += [scene.beliefs("plays"), f"You can play {scene.options}."]
        if (move := scene.first_move) is not None:
            parts.append(f"{scene.people[0]} played {move}.")
        for move, replies in scene.forgone():
            outcomes = [
                f"{f'{mine} would pay' if mine else 'the game would have ended:'} "
                f"{scene.gains('you {} points', '{} {}', payoffs)}"
                for mine, payoffs in replies
            ]
            parts.append(f"Had {scene.people[0]} played {move}, {'; '.join(outcomes)}.")
        for past in scene.rounds(self.memory):
            gains = scene.gains("you got {}", "{} got {}", past.payoffs, past.people)
            acts = join(scene.clauses("you played {}", "{} played {}", past.words, past.people))
            parts.append(f"{past.when('Last time', 'rounds ago')} {gains}, because {acts}.")
        request = f"\nAnswer with exactly {scene.last_options}."
        return scene.prompt(self.asks, paragraph(parts, "\n"), request, self.begins)


def listing(scene: Scene, layout: str) -> str:
    """A line for each outcome: what everybody plays, then what everybody gets."""
    heads = ["you", *scene.choosers, "your points", *(f"{person}'s points" for person in scene.people)]
    lines = [in_unit(", ".join(heads), scene.unit)]
    for outcome in scene.outcomes(layout):
        theirs = outcome.words[1:] or ["any"] * len(scene.choosers)
        lines.append(", ".join([outcome.words[0], *theirs, *scene.amounts(outcome.payoffs)]))
    return "\n".join(lines)


def introduction(scene: Scene) -> str:
    """Who decides, when, and how often; empty where a rule tells all and names nobody."""
    d, others = scene.decision, scene.company
    if scene.rule and "{other}" not in d.rule:
        return ""
    if not d.theirs and not d.history:
        if scene.people:
            points = in_unit("points", scene.unit)
            return f"You decide alone how {points} are shared between you and {others}."
        return "You decide."
    if d.reply:
        return (
            f"You play once with {others}. You move first, then {scene.people[0]} sees your move and replies."
        )
    if not d.theirs:
        return f"You play once with {others}. {scene.people[0]} moved first and you reply."
    often = "in every round" if d.rounds is None else "once" if d.rounds == 1 else f"for {d.rounds} rounds"
    return f"You play with {others}. All choose at the same time, {often}."
