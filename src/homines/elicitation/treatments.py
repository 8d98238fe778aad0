"""Treatments: the same questions with and without a stated goal, or an answer begun, and what that moves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from homines.core.capabilities import begins_of, goal_of, variant
from homines.core.registry import find, spell
from homines.core.types import HominesError, Record
from homines.elicitation.metrics import average_by_decision, choices, instability, mass

TREATMENTS = ("goal", "begins")
"""Fields of a frame that do not reword a question but add to it: a goal, or the beginning of the answer."""


@dataclass(frozen=True)
class Treatment:
    """A treatment in one frame. name: of TREATMENTS; text: the goal or the beginning; plain: the frame's
    spec without it."""

    name: str
    text: str
    plain: str


@dataclass(frozen=True)
class Effect:
    """What one treatment moves in one game, over the questions that were asked with it and without.

    action         the first action of the game; rates are P(action) given a legal answer, decisions weighing
                   alike
    rates, masses, instabilities   (without, with)
    moved          mean of |with - without| over decisions in each frame: what the mean rate may hide
    questions      pairs of questions that are the same but for the treatment
    """

    model: str
    game: str
    treatment: str
    text: str
    action: str
    rates: tuple[float, float] | None
    masses: tuple[float | None, float | None]
    instabilities: tuple[float | None, float | None]
    moved: float | None
    questions: int


def treatments(frame: str) -> list[Treatment]:
    """The treatments in a frame's spec; empty for a frame that is not known here."""
    try:
        known = find("frames", frame)
    except HominesError:
        return []
    texts = {"goal": goal_of(known), "begins": begins_of(known)}
    return [
        Treatment(name, text, spell(variant(known, **{name: ""}))) for name, text in texts.items() if text
    ]


def _pairs(records: Sequence[Record]) -> Iterator[tuple[Treatment, Record, Record]]:
    """(treatment, record without it, record with it) of the same question to the same model."""
    asked = {_question(r, r.frame): r for r in records}
    known = {frame: treatments(frame) for frame in {r.frame for r in records}}
    for r in records:
        for treatment in known[r.frame]:
            if (plain := asked.get(_question(r, treatment.plain))) is not None:
                yield treatment, plain, r


def _question(r: Record, frame: str) -> tuple[object, ...]:
    return r.model, r.provenance.get("revision"), r.game, r.decision.key, r.order, frame


def untreated(records: Sequence[Record]) -> list[Record]:
    """The records without those whose question was also asked without their treatment: rates, instability
    and estimates then describe one way of asking."""
    treated = {id(r) for _, _, r in _pairs(records)}
    return [r for r in records if id(r) not in treated]


def effects(records: Iterable[Record]) -> list[Effect]:
    """What each treatment moves, by model and game."""
    groups: dict[tuple[str, str, str, str], list[tuple[Record, Record]]] = {}
    for treatment, plain, treated in _pairs(choices(records)):
        key = plain.model, plain.game, treatment.name, treatment.text
        groups.setdefault(key, []).append((plain, treated))
    return [_effect(key, pairs) for key, pairs in groups.items()]


def _effect(key: tuple[str, str, str, str], pairs: Sequence[tuple[Record, Record]]) -> Effect:
    model, game, name, text = key
    sides = [[pair[i] for pair in pairs] for i in (0, 1)]
    first, second = ({d.key: float(c.p[0]) for d, c in average_by_decision(side)} for side in sides)
    both = [(first[k], second[k]) for k in first if k in second]
    changes: dict[tuple[str, str], list[float]] = {}
    for plain, treated in pairs:
        if plain.choice is not None and treated.choice is not None:
            change = float(treated.choice.p[0] - plain.choice.p[0])
            changes.setdefault((plain.decision.key, plain.frame), []).append(change)
    return Effect(
        model,
        game,
        name,
        text,
        pairs[0][0].decision.actions[0],
        (float(np.mean([a for a, _ in both])), float(np.mean([b for _, b in both]))) if both else None,
        (mass(sides[0]), mass(sides[1])),
        (instability(sides[0]), instability(sides[1])),
        float(np.mean([abs(np.mean(each)) for each in changes.values()])) if changes else None,
        len(pairs),
    )
