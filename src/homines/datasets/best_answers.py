"""The answers that a preference implies at every decision of a game: those of highest expected utility."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from homines.core.registry import spell
from homines.core.types import Array, Decision, Game, HominesError, NeedsVeil, Preference
from homines.elicitation.questions import battery
from homines.estimation.likelihood import Design
from homines.estimation.strategy_method import Point, plan_decision, points
from homines.theory.choice import Belief, best_response, expected_utility, logit, stated_beliefs
from homines.theory.game_forms import Plan
from homines.theory.two_stage import TwoStage


@dataclass(frozen=True, eq=False)
class Walk:
    """The plans for both roles of a game, and where in the game a decision stands.

    seat     the decision between the plans, behind the veil of ignorance
    worth    of every plan, against an opponent who takes every act as likely, shape [plan]
    acts     what every plan does here
    """

    game: Game
    point: Point
    plans: tuple[Plan, ...]
    seat: Decision
    worth: Array
    acts: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class ImpliedAnswers:
    """What a preference implies at a decision: worth [mine], and every best answer.

    walk   the plans that were compared behind the veil of ignorance; None where none were
    """

    decision: Decision
    worth: Array
    answers: tuple[int, ...]
    walk: Walk | None = None

    def target(self, precision: float) -> Array:
        """Logit choice [mine]; of plans, the logit choice between them, summed over those that act alike: the
        probability whose likelihood `fit` maximises (`Design.logp`)."""
        if self.walk is None:
            return logit(self.worth, precision).p
        worth, acts = self.walk.worth, self.walk.acts
        plans = Design(worth[None, :, None], np.ones((1, len(acts)), bool), np.array([acts]))
        return np.exp(plans.logp(np.array([precision])))[0, : len(self.worth)]


def implied_answers(
    preference: Preference, game: Game, belief: Belief = stated_beliefs
) -> list[ImpliedAnswers]:
    """Every decision of a game with its best answers.

    A preference that universalises needs a symmetric game: any other game of two players is put behind the
    veil of ignorance, where each role is as likely; its best plans against a 50/50 opponent answer at every
    point of decision, and a point at which they disagree is a tie. Raises HominesError for a game of more
    players, or of too many plans.
    """
    try:
        out: list[ImpliedAnswers] = []
        for d in battery(game):
            eu = expected_utility(preference(d), belief(d), d.chance)
            out.append(ImpliedAnswers(d, eu, tuple(np.flatnonzero(best_response(eu).p > 0).tolist())))
        return out
    except NeedsVeil as failure:
        if isinstance(game, TwoStage):
            raise HominesError(
                f"{spell(preference)} asks what if everyone did so, and a first stage does not say what then "
                "follows; take a preference that does not universalise"
            ) from failure
        try:
            return _best_plans(preference, game)
        except HominesError as refusal:
            raise HominesError(
                f"{spell(preference)} asks what if everyone did so, which needs a symmetric game or one of "
                f"two players: {refusal}"
            ) from failure


def _best_plans(preference: Preference, game: Game) -> list[ImpliedAnswers]:
    """The answers of the best plans behind the veil of ignorance, against a 50/50 opponent."""
    decisions = points(game)
    seat, plans = plan_decision(game, {})
    worth = expected_utility(preference(seat), stated_beliefs(seat), seat.chance)
    top = np.flatnonzero(best_response(worth).p > 0)
    out: list[ImpliedAnswers] = []
    for point, d in decisions.items():
        acts = np.array([plan[point] for plan in plans])
        value = np.array([worth[acts == a].max() for a in range(len(d.actions))])
        answers = tuple(sorted({int(acts[i]) for i in top}))
        walk = Walk(game, point, plans, seat, worth, tuple(map(int, acts)))
        out.append(ImpliedAnswers(d, value, answers, walk))
    return out
