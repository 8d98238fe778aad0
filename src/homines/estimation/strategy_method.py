"""Sequential games: answers at points of decision, and plans that answer at all of them.

A model is asked at one point at a time, and nothing binds its answers together. Each is an observation of
its own: a choice at this point, or, for a preference that universalises, the part of a plan that shows there.
The decision between plans is taken behind the veil of ignorance, against the distribution of plans that the
beliefs imply. A person who is asked for a whole plan (the strategy method) chooses one (`plan_observation`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from homines.core.types import Array, Choice, Decision, Game, History, frozen
from homines.estimation.columns import Observation
from homines.theory.game_forms import Plan, Sequential, nodes, plan_probability, veil

Point = tuple[int, History]
"""A player, and the history before its decision."""


def points(game: Game) -> dict[Point, Decision]:
    """Every point of decision of a finite two-player game."""
    return {(k, history): d for history, due in nodes(game) for k, d in due.items()}


def plan_decision(game: Game, beliefs: Mapping[Point, Choice]) -> tuple[Decision, tuple[Plan, ...]]:
    """The decision between all plans behind the veil of ignorance, and the plans.

    beliefs   about the other at a point, uniform where missing
    """
    v = veil(game)
    belief_at = {
        point: beliefs[point].p if point in beliefs else np.full(len(d.actions), 1 / len(d.actions))
        for point, d in points(game).items()
    }
    return replace(v.seat(), others=(plan_probability(v, belief_at),)), v.plans


def plan_observation(
    game: Game,
    answers: Mapping[Point, Choice],
    beliefs: Mapping[Point, Choice],
    *,
    subject: str = "",
    name: str = "",
) -> Observation:
    """One choice between all plans: of a subject that answers every point as part of one plan.

    A plan's probability is the product of its answers, exact where all answers are; else its n is the
    smallest n of the answers.
    """
    d, plans = plan_decision(game, beliefs)
    sampled = [c.n for c in answers.values() if c.n is not None]
    chosen = frozen([np.prod([answers[point].p[a] for point, a in plan.items()]) for plan in plans])
    mass = float(np.prod([c.mass for c in answers.values()]))
    return Observation(d, Choice.at(chosen, mass, min(sampled) if sampled else None), subject, name)


def with_stated_beliefs(d: Decision, point: Point, beliefs: Mapping[Point, Choice]) -> Decision:
    """The first mover's decision with its beliefs about the replies; other decisions unchanged."""
    player, history = point
    if not d.reply or d.others is not None:
        return d
    rows: list[Array] = []
    for a in range(len(d.actions)):
        after: Point = (1 - player, (*history, tuple(a if k == player else None for k in (0, 1))))
        size = len(d.theirs[0])
        rows.append(beliefs[after].p if after in beliefs else np.full(size, 1 / size))
    return replace(d, others=(frozen(rows),))


def sequential_observations(
    game: Sequential,
    answers: Sequence[tuple[Decision, Choice]],
    beliefs: Sequence[tuple[Decision, Choice]],
    *,
    subject: str = "",
    name: str = "",
    plans: bool = True,
    whole: bool = False,
) -> list[Observation]:
    """One observation of each answer at a point of a sequential game, with its reading as part of a plan.

    plans   False: without that reading
    whole   the subject chose plans; where every point is answered, one observation of the choice between them
    """
    point_of = {d.key: point for point, d in points(game).items()}
    belief_at = {point_of[d.key]: c for d, c in beliefs if d.key in point_of}
    answer_at = {point_of[d.key]: (d, c) for d, c in answers if d.key in point_of}
    if plans and whole and len(answer_at) == len(point_of):
        chosen = {point: c for point, (_, c) in answer_at.items()}
        return [plan_observation(game, chosen, belief_at, subject=subject, name=name)]
    between, every_plan = plan_decision(game, belief_at) if plans else (None, ())
    observations: list[Observation] = []
    for point, (d, c) in answer_at.items():
        o = Observation(with_stated_beliefs(d, point, belief_at), c, subject, name)
        if between is not None:
            given = tuple(plan[point] for plan in every_plan)
            o = replace(o, part=replace(o, decision=between, answers=given))
        observations.append(o)
    return observations
