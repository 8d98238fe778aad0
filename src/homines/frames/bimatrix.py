"""`bimatrix`: the structure of the prompt of Tennant et al. (2025), in words of our own."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby

from homines.core.format import join
from homines.core.registry import LATER
from homines.core.types import Decision, Order, Prompt
from homines.elicitation.amounts import number
from homines.elicitation.scene import Scene, paragraph, settle
from homines.frames.table import introduction, listing


@dataclass(frozen=True)
class Bimatrix:
    """Rules and options, a payoff matrix, the last round as acts and then points, the question.

    A cell of the matrix holds my points and the other's; its rows are my actions, its columns the other's. A
    decision that is no choice of two at the same time has a line for each outcome, as in `table`.

    labels   words for the actions, in their order; empty: the actions' own names
    layout   how the matrix is turned: original, reversed, columns, rows
    goal     a goal that the text states: 'highest score' (as published), or a sentence; empty: none
    memory   how many past rounds are told, at most
    asks     for a choice, for one after thinking aloud (aloud), or for what another will do (belief)
    begins   words with which the model's answer begins, as 'Answer:'; empty: it begins by itself
    """

    labels: tuple[str, ...] | str = ()
    layout: str = "original"
    goal: str = ""
    memory: int = 1
    asks: str = "choice"
    begins: str = field(default="", metadata=LATER)

    places = 2

    def __post_init__(self) -> None:
        settle(self)

    def __call__(self, d: Decision, order: Order) -> Prompt:
        scene = Scene.of(d, self.labels, order, layout=self.layout)
        rules = [introduction(scene), f"You can choose {scene.options}."]
        parts = [paragraph(rules), scene.rule or self._payoffs(scene), scene.beliefs("chooses")]
        if (move := scene.first_move) is not None:
            parts.append(f"{scene.people[0]} has chosen {move}.")
        parts += scene.alternatives("chosen", " and you {}", "you would have got {} points")
        rounds = scene.rounds(self.memory)
        past = [f"You have met {scene.company} before."] if rounds else []
        for one in rounds:
            acts = join(scene.clauses("you chose {}", "{} chose {}", one.words, one.people))
            gains = scene.gains("you got {} points", "{} got {}", one.payoffs, one.people)
            past.append(f"{one.when('Last time', 'rounds ago')} {acts}, so {gains}.")
        parts += [paragraph(past), paragraph([self.goal, "What do you choose this time?"])]
        request = f" Answer with exactly {scene.last_options}, without an explanation."
        return scene.prompt(self.asks, paragraph(parts, "\n"), request, self.begins)

    def _payoffs(self, scene: Scene) -> str:
        """The matrix, with what its rows, columns and cells are; else a line for each outcome."""
        d = scene.decision
        if len(d.theirs) != 1 or len(d.payoffs) != 2 or d.reply:
            return listing(scene, self.layout)
        other, outcomes = scene.people[0], list(scene.outcomes(self.layout))
        columns = list(dict.fromkeys(o.words[1] for o in outcomes))
        lines = [["", *columns]]
        for mine, row in groupby(outcomes, key=lambda o: o.words[0]):
            lines.append([mine, *(", ".join(map(number, o.payoffs)) for o in row)])
        return "\n".join(
            [
                "What both choose decides the points. Rows are what you choose, columns are what "
                f"{other} chooses; a cell holds your points, then {other}'s:",
                *(f"| {' | '.join(line)} |".replace("|  |", "| |") for line in lines),
            ]
        )
