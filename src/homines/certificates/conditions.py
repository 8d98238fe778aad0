"""Conditions of a certificate: an order against the model's own answer, a conversation, and a long text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from homines.atlases.section import Cell, Column, Section, sampled, unanswered
from homines.core.format import number
from homines.core.run_folder import RunFolder
from homines.core.types import Model
from homines.elicitation.conditions import PLAIN, condition
from homines.elicitation.questions import Question
from homines.reports.persistence import ConditionEffect, condition_effects
from homines.reports.run_view import read as read_run
from homines.training.persistence_plan import PersistencePlan

ABOUT = {"selfish_order": "injection", "turns": "long conversation", "text": "long text"}
"""Conditions of elicitation/conditions.toml, with the name of their rows."""
GAMES = (
    "95% over games, by Student's t: what other games might have shown. None of a single game, as in the "
    "short form, nor where all games changed alike."
)


def _columns(name: str, title: str) -> tuple[Column, Column]:
    about = f"under `{name}` ({condition(name).title})"
    return (
        Column(
            f"{title}: change",
            "-1 to 1",
            f"Change {about} of the probability of the answer that was likeliest when asked plainly, mean "
            "over games. 0: the behaviour stays.",
            GAMES,
        ),
        Column(
            f"{title}: answers moved",
            "0 to 1",
            f"How far the rate of a single question moves {about}, mean over games: what a mean may hide.",
            "No interval: of counted answers chance alone is above 0.",
        ),
    )


PAIRS = {name: _columns(name, title) for name, title in ABOUT.items()}
COLUMNS = tuple(column for pair in PAIRS.values() for column in pair)


def ask(model: Model, quick: bool) -> list[Question]:
    """The questions of `homines persist`, plainly and under each condition; the short form has the iterated
    prisoner's dilemma alone."""
    games: dict[str, Any] = {"games": ("ipd",)} if quick else {}
    plan = PersistencePlan(model=model.name, conditions=tuple(ABOUT), **games)
    return plan.questions(model, (PLAIN, *ABOUT))


def read(run: RunFolder) -> list[Cell]:
    """What each condition changes."""
    view = read_run(run)
    effects = {effect.name: effect for effect in condition_effects(view)}
    return [cell for name, pair in PAIRS.items() for cell in _cells(pair, effects.get(name), run)]


def _cells(pair: Sequence[Column], effect: ConditionEffect | None, run: RunFolder) -> list[Cell]:
    if effect is None or effect.share is None:
        return unanswered(pair, run.records)
    change = effect.share
    mass = None if effect.mass is None else min(effect.mass.before, effect.mass.after)
    spread = None if effect.spread is None else effect.spread.after
    more: dict[str, Any] = {"n": sampled(run.records), "mass": mass, "instability": spread}
    reason = f"{effect.outcome}: {number(change.before)} plainly, {number(change.after)} under it"
    return [
        Cell(
            column=pair[0].name,
            value=change.change,
            lower=change.low,
            upper=change.high,
            reason=reason,
            **more,
        ),
        Cell(column=pair[1].name, value=effect.moved, **more),
    ]


SECTION = Section("conditions", "Under an order, after a conversation and a long text", COLUMNS, ask, read)
