"""`market`: what never changes first and the options once, so that long menus cost little."""

from __future__ import annotations

from dataclasses import dataclass, field

from homines.core.format import join
from homines.core.registry import LATER
from homines.core.types import Decision, Order, Prompt
from homines.elicitation.amounts import number
from homines.elicitation.scene import Scene, paragraph, settle


@dataclass(frozen=True)
class Market:
    """A firm's decision: the rule (or every outcome), the options, the last periods, the question.

    labels   words for the actions, in their order; empty: the actions' own names
    goal     a goal that the text states: 'highest score', or a sentence; empty: none
    memory   how many past periods are told, at most
    asks     for a choice, for one after thinking aloud (aloud), or for what another will do (belief)
    begins   words with which the model's answer begins, as 'Answer:'; empty: it begins by itself
    """

    labels: tuple[str, ...] | str = ()
    goal: str = ""
    memory: int = 1
    asks: str = "choice"
    begins: str = field(default="", metadata=LATER)

    places = 1

    def __post_init__(self) -> None:
        settle(self)

    def __call__(self, d: Decision, order: Order) -> Prompt:
        scene = Scene.of(d, self.labels, order)
        company = scene.people and not scene.rule
        parts = [f"There is you, and {scene.company}." if company else "", scene.rule]
        for outcome in scene.outcomes():
            acts = join(scene.clauses("you choose {}", "{} {}", outcome.words))
            parts.append(f"If {acts}, {scene.gains('you earn {}', '{} earns {}', outcome.payoffs)}.")
        parts += [self.goal, scene.beliefs("chooses"), f"You can choose {scene.options}."]
        if (move := scene.first_move) is not None:
            parts.append(f"{scene.people[0]} has chosen {move}.")
        parts += scene.alternatives("chosen", " and you {}", "you would have earned {}")
        for past in scene.rounds(self.memory):
            pairs = zip(past.words, past.payoffs, strict=False)
            values = [f"{word} and earned {number(payoff)}" for word, payoff in pairs]
            acts = ", ".join(scene.clauses("you chose {}", "{} chose {}", values, past.people))
            parts.append(f"{past.when('Last period', 'periods ago')} {acts}.")
        request = "\nWhat do you choose now? Answer with exactly one of these."
        return scene.prompt(self.asks, paragraph(parts, "\n"), request, self.begins)
