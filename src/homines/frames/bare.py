"""`bare`: no payoffs; the actions, perhaps the game's name, perhaps the last round."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from homines.core.format import join
from homines.core.registry import LATER
from homines.core.types import Decision, Order, Prompt
from homines.elicitation.scene import Scene, check_no_plan, paragraph, settle


@dataclass(frozen=True)
class Bare:
    """A decision without its payoffs, to see what a model does then.

    labels   words for the actions, in their order; empty: the actions' own names
    game     name of the game, as "the iterated prisoner's dilemma"; empty: it is not named
    state    whether the last round is told
    memory   how many past rounds are told, at most
    goal     a goal that the text states: 'highest score', or a sentence; empty: none
    begins   words with which the model's answer begins, as 'Answer:'; empty: it begins by itself
    mine     whether my own acts in past rounds are told; else those of the others alone
    Three of the payoff-free probes of Tennant et al. (2025).
    """

    labels: tuple[str, ...] | str = ()
    game: str = ""
    state: bool = True
    memory: int = 1
    goal: str = field(default="", metadata=LATER)
    begins: str = field(default="", metadata=LATER)
    mine: bool = field(default=True, metadata=LATER)

    places = 1
    payoffs: ClassVar[bool] = False

    def __post_init__(self) -> None:
        settle(self)

    def __call__(self, d: Decision, order: Order) -> Prompt:
        check_no_plan(d)
        scene = Scene.of(d, self.labels, order)
        opening = [self.game, f"with {scene.company}" if scene.people else ""]
        parts = [f"You play {paragraph(opening)}." if any(opening) else "", self.goal]
        parts.append(scene.beliefs("plays"))
        if self.state:
            if (move := scene.first_move) is not None:
                parts.append(f"{scene.people[0]} played {move}.")
            for past in scene.rounds(self.memory):
                told = scene.clauses("you played {}", "{} played {}", past.words, past.people)
                acts = join(told if self.mine else told[1:])
                parts.append(f"{past.when('Last time', 'rounds ago')} {acts}.")
        request = f"Answer with exactly {scene.options}."
        return scene.prompt("choice", paragraph([*parts, request], "\n"), "", self.begins)
