"""Questions on the canonical games of the study lu2025, and on the games that tell kappa."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from homines.core.registry import find
from homines.core.types import Decision
from homines.elicitation.questions import Question, battery, questions
from homines.estimation.published import AMOUNTS, PAIRS
from homines.studies.lu2025.agents import PROTOCOL_SPECS, kappa_games, random_games, stated_games

WORDS_ASKED = ("X,Y", "Y,X")

DecisionsByGame: TypeAlias = Mapping[str, tuple[Decision, ...]]
"""Decisions by the spec of their game."""


def table(words: str, **fields: str) -> Any:
    """The frame of this study: payoffs as a table, no word on what to aim at."""
    return replace(find("frames", f"table(labels='{words}', goal='')"), **fields)


def decisions_of(specs: Sequence[str]) -> dict[str, tuple[Decision, ...]]:
    """The decisions of games, by spec."""
    return {spec: battery(find("games", spec)) for spec in specs}


def balanced_questions(model: Any, games: DecisionsByGame, asks: str) -> list[Question]:
    """Decisions between two actions, each asked twice: every action has either label and place once."""
    out: list[Question] = []
    for turn, words in enumerate(WORDS_ASKED):
        every = questions(model, games, [table(words, asks=asks)], most=2)
        out += [q for q in every if q.record.order[0][0] == turn]
    return out


def doses(model: Any, asks: str, *, quick: bool = False) -> list[Question]:
    """Questions in the games that tell doses of kappa, and in those that state beliefs. The short form has
    every fifth game: an odd step, as neighbours favour the two actions in turn."""
    step = 5 if quick else 1
    specs = (*list(kappa_games())[::step], *stated_games()[::step])
    games = {spec: battery(find("games", spec).stage) for spec in specs}
    return balanced_questions(model, games, asks)


def canonical_questions(model: Any, asks: str, *, quick: bool = False) -> list[Question]:
    """The canonical games: protocols by the strategy method, pairs and divisions as `asks` says ("choice" or
    "aloud"), and amounts for the bare answer.

    Beliefs are asked for the bare answer of every agent; of one that was taught to think aloud the legal mass
    says how far it gives one.
    """
    protocols = decisions_of(PROTOCOL_SPECS[:: 6 if quick else 1])
    kind = {
        spec: tuple(d for d in ds if d.player == 1)
        for spec, ds in decisions_of(random_games("reciprocity")).items()
    }
    divisions = {
        **decisions_of([spec for spec, _ in PAIRS.values()]),
        **decisions_of(random_games("split")),
        **kind,
    }
    every = balanced_questions(model, protocols, asks)
    every += balanced_questions(model, protocols, "belief")
    every += balanced_questions(model, dict(list(divisions.items())[:: 7 if quick else 1]), asks)
    amounts = decisions_of([b.game for b in AMOUNTS[: 1 if quick else None]])
    return every + questions(model, amounts, [find("frames", "table(goal='')")], most=2)
