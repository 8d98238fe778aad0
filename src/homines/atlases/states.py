"""States of the iterated prisoner's dilemma: P(C) after each last round, in labels, orders and frames."""

from __future__ import annotations

from collections.abc import Sequence

from homines.atlases.section import Cell, Column, Section, rate_cell, unanswered
from homines.core.run_folder import RunFolder
from homines.core.types import Model, Record
from homines.elicitation.metrics import choices, decision_rates
from homines.elicitation.questions import Question, state
from homines.elicitation.survey import PAIR, Survey

GAME = "ipd"
STATES = ("C,C", "C,D", "D,C", "D,D")
"""The last round, own act first."""
INTERVAL = (
    "Exact where the model's log-probabilities are read: no interval. Of sampled answers 95% by Clopper and "
    "Pearson: what the same words would give again."
)


def _column(last: str) -> str:
    return f"C after {last.replace(',', '')}"


COLUMNS = tuple(
    Column(
        _column(last),
        "probability",
        f"P(C | last round {last.replace(',', '')}, own act first) given a legal answer, mean over frames, "
        "labels and orders.",
        INTERVAL,
    )
    for last in STATES
)


def ask(model: Model, quick: bool) -> list[Question]:
    """Every state in every order: a table with two pairs of labels, each both ways round; in the long form
    also sentences and a story."""
    table = Survey(model.name, (GAME,), labels=(PAIR, "X,Y"))
    others = Survey(model.name, (GAME,), ("sentences", "story"), labels=(PAIR,))
    return [q for survey in ((table,) if quick else (table, others)) for q in survey.every_question(model)]


def read(run: RunFolder) -> list[Cell]:
    """P(C) in each state."""
    records = choices(run.records)
    return [_cell(last, column, records) for last, column in zip(STATES, COLUMNS, strict=True)]


def _cell(last: str, column: Column, records: Sequence[Record]) -> Cell:
    here = [r for r in records if state(r.decision) == last]
    rates = decision_rates(here)
    if not rates:
        return unanswered((column,), here)[0]
    (_, _, by_action), *_ = rates
    return rate_cell(column.name, by_action[0], here)


SECTION = Section("states", "The iterated prisoner's dilemma by state", COLUMNS, ask, read)
