"""The exam of the study lu2025: drawn games of every kind, in the words of the training and in others.

    kinds of games x conditions -> rows -> questions -> scores, noted as exam.json in the run folder

No game of the exam is in any training. Both ends are examined on games drawn alike; where all answers are as
good for a utility (as in divisions of a fixed sum for homo moralis) it implies none, and there is no row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal, TypeAlias

import numpy as np

from homines.core.capabilities import Reasons
from homines.core.registry import find, head
from homines.core.run_folder import RunFolder
from homines.core.types import Model, Record
from homines.datasets.best_answers import implied_answers
from homines.datasets.generator import generate
from homines.datasets.reasons import read_reasons
from homines.datasets.row import Row
from homines.elicitation.questions import Question
from homines.studies.lu2025.agents import canonical_specs
from homines.studies.lu2025.curriculum import (
    GROUPS,
    KINDS,
    LEFT_OUT_FRAME,
    LEFT_OUT_WORDS,
    UTILITIES,
    AgentKind,
    TaughtKind,
    kinds_of,
    recipe,
)
from homines.theory.game_forms import Repeated
from homines.training.exam import as_questions, score_answers

Condition: TypeAlias = Literal["aloud", "bare", "other labels", "other frame"]
DECISIONS: Mapping[Condition, int] = {"aloud": 12, "bare": 12, "other labels": 8, "other frame": 8}
"""Decisions of a cell at most, by condition: as trained after reasons, for the bare answer, and aloud in
labels or in a frame that no training has."""
FEW = 4
"""Decisions of a cell where the figure is only a comparison: of the model before training, and of an agent
without a group in kinds that it is trained on."""
MOST_OF_GAME = 3
"""Decisions of one game at most."""
EXAM_SEED = 2026
"""Seed of the games of the exam; those of a training have the seed of the training."""
NOTE = "exam.json"
NO_ANSWER = "no answer"
"""The fault of reasons that end before an answer."""
LEFT_OUT_LABELS = {label for words in LEFT_OUT_WORDS for label in words.split(",")}


@dataclass(frozen=True, eq=False)
class Cell:
    """The rows of one kind of game in one condition, by the answers that one utility implies.

    utility   a name of UTILITIES
    trained   whether the agent is trained on this kind; None: it is not trained here
    """

    utility: str
    kind: str
    condition: Condition
    rows: Sequence[Row]
    trained: bool | None

    @property
    def name(self) -> tuple[str, str, str]:
        return self.utility, self.kind, self.condition


@cache
def drawn_rows(utility: str, condition: Condition, most: int) -> Mapping[str, list[Row]]:
    """At most so many rows of every kind of game. All conditions have the same games, but for those whose
    reasons are too long in one's words."""
    words: dict[str, Any] = {
        "other labels": {"words": LEFT_OUT_WORDS},
        "other frame": {"frames": (LEFT_OUT_FRAME,)},
    }.get(condition, {})
    base = recipe(UTILITIES[utility], kinds_of(utility), apart=canonical_specs())
    many = (most + MOST_OF_GAME) * len(base.games)  # the rows of a game come together
    full = replace(base, train=1, test=many, seed=EXAM_SEED, **words)
    rows: dict[str, list[Row]] = {kind: [] for kind in KINDS}
    for row in generate(full)[1]:
        here = rows[head(row.game)]
        if len(here) < most and (
            condition != "other labels" or LEFT_OUT_LABELS.issuperset(row.prompt.labels)
        ):
            here.append(row)
    return {kind: here for kind, here in rows.items() if here}


def cells_of(kind: AgentKind | None, *, quick: bool, untrained: bool = False) -> list[Cell]:
    """The exam of an agent: all kinds of games in every condition, by its own utility; of an agent without a
    group that group, and little of the rest; of a model as it is (None) by both; of a dose none.

    untrained   the model before the trainings of the study, which is asked less
    """
    if kind is None:
        most = FEW if untrained else None
        return [c for name in UTILITIES for c in _cells(name, KINDS, None, quick=quick, most=most)]
    if not isinstance(kind, TaughtKind):
        return []
    if not kind.left_out:
        return _cells(kind.name, KINDS, True, quick=quick)
    control = _cells(kind.name, kind.games, True, quick=quick, most=FEW)
    return _cells(kind.name, GROUPS[kind.left_out], False, quick=quick) + [
        cell for cell in control if cell.condition == "aloud"
    ]


def _cells(
    utility: str, kinds: Iterable[str], trained: bool | None, *, quick: bool, most: int | None = None
) -> list[Cell]:
    out: list[Cell] = []
    for condition, decisions in DECISIONS.items():
        full = 1 if quick else decisions
        rows = drawn_rows(utility, condition, full)
        here = [kind for kind in kinds if kind in rows]
        out += [Cell(utility, kind, condition, rows[kind][: most or full], trained) for kind in here]
    return out


def exam_specs() -> tuple[str, ...]:
    """Specs of every game of the exam, which no training has."""
    most = max(DECISIONS.values())
    rows = [
        row
        for name in UTILITIES
        for condition in DECISIONS
        for here in drawn_rows(name, condition, most).values()
        for row in here
    ]
    return tuple(dict.fromkeys(row.game for row in rows))


def cell_questions(model: Model, cell: Cell) -> list[Question]:
    """The questions of a cell; none aloud of a model that is not trained here and does not reason."""
    bare = cell.condition == "bare"
    asked = bare or cell.trained is not None or isinstance(model, Reasons)
    return as_questions(model, cell.rows, bare=bare) if asked else []


def exam_questions(model: Model, cells: Iterable[Cell]) -> list[Question]:
    """The questions of all cells."""
    return [q for cell in cells for q in cell_questions(model, cell)]


# --- scores --------------------------------------------------------------------------------------


def note_scores(run: RunFolder, model: Model, cells: Iterable[Cell]) -> None:
    """Note the scores of every cell that was asked."""
    by_key = {record.key: record for record in run.records}
    scores: list[dict[str, Any]] = []
    for cell in cells:
        records = [by_key[q.record.key] for q in cell_questions(model, cell) if q.record.key in by_key]
        if records:
            scores.append(score_cell(cell, records))
    run.note(NOTE, {"cells": scores})


def score_cell(cell: Cell, records: Sequence[Record]) -> dict[str, Any]:
    """`score_answers` of a cell, beside what chance and the other utility would reach, and its faults."""
    rows = cell.rows
    rivals = [preference for name, preference in UTILITIES.items() if name != cell.utility]
    return {
        "utility": cell.utility,
        "kind": cell.kind,
        "condition": cell.condition,
        "trained": cell.trained,
        **score_answers(rows, records),
        "chance": float(np.mean([1 / len(row.decision.actions) for row in rows])),
        "other utility": float(np.mean([_shared(rival, row) for rival in rivals for row in rows])),
        "faults": faults_of(rows, records),
    }


@cache
def _best(preference: str, game: str) -> Mapping[str, tuple[int, ...]]:
    """The best answers of a preference by the key of the decision."""
    form: Any = find("games", game)
    implied = implied_answers(
        find("preferences", preference), form.stage if isinstance(form, Repeated) else form
    )
    return {i.decision.key: i.answers for i in implied}


def _shared(preference: str, row: Row) -> float:
    """The share of a preference's best answers that is the answer of this row."""
    best = _best(preference, row.game)[row.decision.key]
    return (row.answer in best) / len(best)


def faults_of(rows: Sequence[Row], records: Sequence[Record]) -> dict[str, int]:
    """The number of texts by their first fault, as `read_reasons` finds it; none where nothing was said."""
    out: Counter[str] = Counter()
    for row, record in zip(rows, records, strict=True):
        for text in record.provenance.get("reasons", ()):
            out[NO_ANSWER if text is None else str(read_reasons(text, row))] += 1
    return dict(out)
