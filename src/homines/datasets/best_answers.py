"""The answers that a preference implies at every decision of a game: those of highest expected utility."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from homines.core.registry import spell
from homines.core.types import Array, Decision, Game, HominesError, NeedsVeil, Preference
from homines.elicitation.questions import battery, past_acts
from homines.estimation.likelihood import Design
from homines.estimation.strategy_method import plan_decision, points
from homines.theory.choice import Belief, best_response, expected_utility, logit, stated_beliefs
from homines.theory.game_forms import Sequential


@dataclass(frozen=True, eq=False)
class ImpliedAnswers:
    """What a preference implies at a decision: worth [mine], and every best answer."""

    decision: Decision
    worth: Array
    answers: tuple[int, ...]
    top: tuple[int, ...] = ()
    """The plans that are worth most."""
    plans: tuple[tuple[tuple[str | None, tuple[str, ...], int], ...], ...] = ()
    """Every plan as (what the other did just before, the actions there, the one it takes) at each point;
    empty where none were compared."""
    plan_worth: Array | None = None
    acts: tuple[int, ...] = ()
    """What every plan does here."""

    def target(self, precision: float) -> Array:
        """Logit choice [mine]; of plans, the logit choice between them, summed over those that act alike: the
        probability whose likelihood `fit` maximises (`Design.logp`)."""
        if self.plan_worth is None:
            return logit(self.worth, precision).p
        plans = Design(
            self.plan_worth[None, :, None], np.ones((1, len(self.acts)), bool), np.array([self.acts])
        )
        return np.exp(plans.logp(np.array([precision])))[0, : len(self.worth)]

    def plan_names(self, labels: Sequence[str]) -> list[str]:
        """Names of the plans such as 'first A, after A: B, after B: A', in the words of this decision where a
        point has the same actions."""
        own = self.decision.actions

        def act(before: str | None, actions: tuple[str, ...], a: int) -> str:
            does = (labels if actions == own else actions)[a]
            if before is None:
                return f"first {does}"
            return f"after {labels[own.index(before)] if before in own else before}: {does}"

        return [", ".join(act(*point) for point in plan) for plan in self.plans]


def implied_answers(
    preference: Preference, game: Game, belief: Belief = stated_beliefs
) -> list[ImpliedAnswers]:
    """Every decision of a game with its best answers.

    A preference that universalises needs a symmetric game: a sequential one is put behind the veil of
    ignorance, where each role is as likely; its best plans against a 50/50 reply everywhere answer at every
    point of decision, and a point at which they disagree is a tie.
    """
    out: list[ImpliedAnswers] = []
    try:
        for d in battery(game):
            eu = expected_utility(preference(d), belief(d), d.chance)
            out.append(ImpliedAnswers(d, eu, tuple(np.flatnonzero(best_response(eu).p > 0).tolist())))
    except NeedsVeil as failure:
        if not isinstance(game, Sequential):
            raise HominesError(
                f"{spell(preference)} asks what if everyone did so, and this game has no such thing; draw "
                "symmetric or sequential games: symmetric, spd, trust, ultimatum, reciprocity"
            ) from failure
        return _best_plans(preference, game)
    return out


def _best_plans(preference: Preference, game: Sequential) -> list[ImpliedAnswers]:
    """The answers of the best plans behind the veil of ignorance, against a 50/50 reply everywhere."""
    decisions = points(game)
    seat, every_plan = plan_decision(game, {})
    worth = expected_utility(preference(seat), stated_beliefs(seat), seat.chance)
    top = np.flatnonzero(best_response(worth).p > 0)
    before = {point: next(iter(past_acts(d)), None) for point, d in decisions.items()}
    plans = tuple(
        tuple((before[point], d.actions, plan[point]) for point, d in decisions.items())
        for plan in every_plan
    )
    out: list[ImpliedAnswers] = []
    for point, d in decisions.items():
        acts = np.array([plan[point] for plan in every_plan])
        value = np.array([worth[acts == a].max() for a in range(len(d.actions))])
        answers = tuple(sorted({int(acts[i]) for i in top}))
        out.append(
            ImpliedAnswers(d, value, answers, tuple(top.tolist()), plans, worth, tuple(map(int, acts)))
        )
    return out
