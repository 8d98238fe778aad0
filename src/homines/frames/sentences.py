"""`sentences`: the payoffs in sentences, one for each outcome."""

from __future__ import annotations

from dataclasses import dataclass, field

from homines.core.format import join
from homines.core.registry import LATER
from homines.core.types import Decision, Order, Prompt
from homines.elicitation.amounts import in_unit
from homines.elicitation.scene import Scene, paragraph, settle
from homines.frames.table import introduction


@dataclass(frozen=True)
class Sentences:
    """Payoffs in sentences, state, question.

    labels   words for the actions, in their order; empty: the actions' own names
    layout   order of the sentences: original, reversed, columns, rows
    memory   how many past rounds are told, at most
    asks     for a choice, for one after thinking aloud (aloud), or for what another will do (belief)
    goal     a goal that the text states: 'highest score', or a sentence; empty: none
    begins   words with which the model's answer begins, as 'Answer:'; empty: it begins by itself
    unit     what payoffs are told in: $, or a word such as dollars or coins; empty: points
    """

    labels: tuple[str, ...] | str = ()
    layout: str = "original"
    memory: int = 1
    asks: str = "choice"
    goal: str = field(default="", metadata=LATER)
    begins: str = field(default="", metadata=LATER)
    unit: str = field(default="", metadata=LATER)

    places = 2

    def __post_init__(self) -> None:
        settle(self)

    def __call__(self, d: Decision, order: Order) -> Prompt:
        scene = Scene.of(d, self.labels, order, unit=self.unit, layout=self.layout)
        parts = [introduction(scene), scene.rule]
        for outcome in scene.outcomes(self.layout):
            acts = join(scene.clauses("you choose {}", "{} chooses {}", outcome.words))
            parts.append(f"If {acts}, {scene.gains('you get {} points', '{} gets {}', outcome.payoffs)}.")
        parts += [in_unit(self.goal, self.unit), scene.beliefs("chooses")]
        if (move := scene.first_move) is not None:
            parts.append(f"{scene.people[0]} has chosen {move}.")
        parts += scene.alternatives("chosen", " and you {}", "you would have got {} points")
        for past in scene.rounds(self.memory):
            acts = join(scene.clauses("you chose {}", "{} chose {}", past.words, past.people))
            parts.append(f"{past.when('In the round before', 'rounds before')}, {acts}.")
        parts.append(f"Which do you choose, {scene.options}?")
        request = f" Reply with {scene.last_options} only."
        return scene.prompt(self.asks, paragraph(parts), request, self.begins)
