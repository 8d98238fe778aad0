"""A preference behind the `Model` protocol: it answers every question that a model is asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from homines.core.registry import find
from homines.core.types import Array, Choice, Decision, NeedsVeil, Prompt
from homines.elicitation.questions import Question, battery
from homines.estimation.strategy_method import Point, plan_decision, points, with_stated_beliefs
from homines.theory.choice import LogitAgent, lapsing
from homines.theory.game_forms import Repeated, Sequential


class Theorist:
    """Answers by the logit choice of a preference; at a point of a sequential game, where the preference
    universalises, as its plan does there.

    beliefs   by game, the probabilities it gives to the other's actions at every point; 50/50 elsewhere
    lapse     share of answers in which every option is equally likely
    n         answers are drawn so many times; None: exact
    """

    def __init__(
        self,
        preference: str,
        precision: float,
        *,
        beliefs: Mapping[str, Mapping[Point, Array]] | None = None,
        lapse: float = 0.0,
        n: int | None = None,
        rng: np.random.Generator | None = None,
    ) -> None:
        self.agent = LogitAgent(find("preferences", preference), precision)
        self.beliefs = dict(beliefs or {})
        self.lapse = lapse
        self.n, self.rng = n, rng or np.random.default_rng(0)
        self.name = f"theorist/{preference}"
        self.provenance: Mapping[str, Any] = {"revision": f"{precision}"}
        self._answers: dict[str, Choice] = {}

    def prepare(self, questions: Iterable[Question]) -> None:
        """Work out the answers to these questions."""
        by_game: dict[str, dict[str, Choice]] = {}
        believed: dict[str, dict[str, Choice]] = {}
        for q in questions:
            game = q.record.game
            if game not in by_game:
                by_game[game], believed[game] = self._game(game, find("games", game))
            key = q.record.decision.key
            about = q.record.asks == "belief"
            answer = believed[game][key] if about else lapsing(by_game[game][key], self.lapse)
            self._answers[q.prompt.key] = answer

    def _game(self, name: str, game: Any) -> tuple[dict[str, Choice], dict[str, Choice]]:
        at = {(0, d.history): d for d in battery(game)} if isinstance(game, Repeated) else points(game)
        stated = {
            point: Choice.at(self.beliefs.get(name, {}).get(point, np.ones(len(d.actions))))
            for point, d in at.items()
        }
        believed = {d.key: stated[point] for point, d in at.items()}
        answers: dict[str, Choice] = {}
        for point, d in at.items():
            try:
                answers[d.key] = self.agent([_with_beliefs(game, d, point, stated)])[0]
            except NeedsVeil:
                assert isinstance(game, Sequential)
                seat, plans = plan_decision(game, stated)
                p = self.agent([seat])[0].p
                shares = [sum(p[i] for i, plan in enumerate(plans) if plan[point] == a) for a in range(2)]
                answers[d.key] = Choice.at(shares)
        return answers, believed

    def score(self, prompts: Sequence[Prompt]) -> list[Choice]:
        return [self._draw(self._answers[prompt.key]) for prompt in prompts]

    def _draw(self, choice: Choice) -> Choice:
        if self.n is None:
            return choice
        return Choice.at(self.rng.multinomial(self.n, choice.p), n=self.n)


def _with_beliefs(game: Any, d: Decision, point: Point, stated: Mapping[Point, Choice]) -> Decision:
    return with_stated_beliefs(d, point, stated) if isinstance(game, Sequential) else d
