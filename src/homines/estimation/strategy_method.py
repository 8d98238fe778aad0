"""The strategy method: the answers at all points of a sequential game as one choice between plans.

Every point of decision is asked on its own, in both roles, and so is the belief about the other there. A
plan's probability is the product over its points. The decision between plans is taken behind the veil of
ignorance, against the distribution of plans that the beliefs imply.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from homines.core.types import Array, Choice, Decision, Game, History, frozen
from homines.estimation.columns import Observation
from homines.theory.game_forms import Sequential, nodes, plan_probability, veil

Point = tuple[int, History]
"""A player, and the history before its decision."""


def points(game: Game) -> dict[Point, Decision]:
    """Every point of decision of a finite two-player game."""
    return {(k, history): d for history, due in nodes(game) for k, d in due.items()}


def plan_observation(
    game: Game,
    answers: Mapping[Point, Choice],
    beliefs: Mapping[Point, Choice],
    *,
    subject: str = "",
    name: str = "",
) -> Observation:
    """One observation: the choice between all plans, behind the veil of ignorance.

    answers   at every point; beliefs: about the other at a point, uniform where missing
    A plan's probability is exact where all answers are; else its n is the smallest n of the answers.
    """
    v = veil(game)
    decisions = points(game)
    belief_at = {
        point: beliefs[point].p if point in beliefs else np.full(len(d.actions), 1 / len(d.actions))
        for point, d in decisions.items()
    }
    others = plan_probability(v, belief_at)
    sampled = [c.n for c in answers.values() if c.n is not None]
    chosen = plan_probability(v, {point: c.p for point, c in answers.items()})
    mass = float(np.prod([c.mass for c in answers.values()]))
    choice = Choice.at(chosen, mass, min(sampled) if sampled else None)
    return Observation(replace(v.seat(), others=(others,)), choice, subject, name)


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


def assemble(
    game: Sequential,
    answers: Sequence[tuple[Decision, Choice]],
    beliefs: Sequence[tuple[Decision, Choice]],
    *,
    subject: str = "",
    name: str = "",
    plans: bool = True,
) -> list[Observation]:
    """Observations of a sequential game from the answers at its points: one between plans where `plans` and
    every point was answered, else one a point."""
    point_of = {d.key: point for point, d in points(game).items()}
    belief_at = {point_of[d.key]: c for d, c in beliefs if d.key in point_of}
    answer_at = {point_of[d.key]: (d, c) for d, c in answers if d.key in point_of}
    if plans and len(answer_at) == len(point_of):
        chosen = {point: c for point, (_, c) in answer_at.items()}
        return [plan_observation(game, chosen, belief_at, subject=subject, name=name)]
    return [
        Observation(with_stated_beliefs(d, point, belief_at), c, subject, name)
        for point, (d, c) in answer_at.items()
    ]
