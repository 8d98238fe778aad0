"""The next game of a sitting whose games are drawn: a pure function of its plan and of the answers given."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from homines.core.types import Choice, HominesError
from homines.design.inquiry import Inquiry, begin
from homines.design.stopping import Standing
from homines.estimation.columns import Observation
from homines.people.plan import SessionPlan

Answers = tuple[tuple[int, int], ...]
"""(candidate, action) of every game so far."""


def next_game(plan: SessionPlan, answers: Answers) -> int | None:
    """The candidate that is asked next; None where what is wanted is reached, or no question is left."""
    design = plan.design
    if design is None or len(answers) >= design.max_questions or reached(plan, answers).reached:
        return None
    return _chosen(plan, answers)


def placed(plan: SessionPlan, answers: tuple[tuple[str, int], ...]) -> Answers:
    """These answers, (game, action), with each game's place among the candidates."""
    pool = _after(plan, ()).pool
    return tuple((pool.place(spec), act) for spec, act in answers)


@lru_cache(maxsize=512)
def reached(plan: SessionPlan, answers: Answers) -> Standing:
    """How far these answers are from what is wanted."""
    inquiry = _after(plan, answers)
    seen = [
        Observation(d, Choice.at(np.eye(len(d.actions))[act], n=1), plan.person, inquiry.pool.specs[place])
        for place, act in answers
        for d in [inquiry.pool.decisions[place]]
    ]
    return inquiry.standing(seen)


@lru_cache(maxsize=512)
def _chosen(plan: SessionPlan, answers: Answers) -> int | None:
    return _after(plan, answers).next()


@lru_cache(maxsize=512)
def _after(plan: SessionPlan, answers: Answers) -> Inquiry:
    """The inquiry after these answers; that of all but the last is kept, as a sitting is replayed often."""
    if plan.design is None:
        raise HominesError("the games of this sitting are named, not drawn; give it a design")
    if not answers:
        return begin(plan.design, plan.games, plan.seed)
    *before, (place, act) = answers
    inquiry = _after(plan, tuple(before))
    return inquiry.learn(place, np.eye(len(inquiry.pool.decisions[place].actions))[act])
