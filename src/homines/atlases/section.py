"""The nouns of an atlas: a section asks a model its questions and reads a cell a column from the answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

from homines.core.format import TableRow
from homines.core.progress import ignore
from homines.core.rates import sample_of
from homines.core.run_folder import RunFolder
from homines.core.types import Model, Record
from homines.elicitation.metrics import instability, is_sampled, mass
from homines.elicitation.questions import Question

Outcome = Literal[
    "read", "passed", "failed", "not asked", "not read", "not identified", "unanswered", "error"
]
"""read: there is a value. passed, failed: of a check. not asked: this row lacks the questions. not read: they
cannot be asked of this model, or the answers do not tell. not identified: an estimate has no value.
unanswered: calls failed, or no answer was legal. error: the section failed as a whole."""


@dataclass(frozen=True)
class Column:
    """A column of the table.

    name       as in the data file
    unit       of its values
    meaning    what it is, with its formula
    interval   what its interval is of, or why it has none
    shown      whether it stands in the table of all models
    """

    name: str
    unit: str
    meaning: str
    interval: str
    shown: bool = True


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A value of one model in one column, or the reason why there is none.

    value            None without one
    lower, upper     of its 95% interval; None without one, +-inf where the answers set no bound
    n                number of legal sampled answers; None where exact
    mass             mean legal mass of the answers behind it
    instability      mean over decisions of the spread (max - min) over wordings
    """

    column: str
    outcome: Outcome = "read"
    value: float | None = None
    lower: float | None = None
    upper: float | None = None
    n: int | None = None
    mass: float | None = None
    instability: float | None = None
    reason: str = ""

    def to_json(self) -> TableRow:
        """Plain numbers by field."""
        return {f.name: _plain(getattr(self, f.name)) for f in fields(self)}


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, float) else value


@dataclass(frozen=True)
class Section:
    """Questions and the columns that are read from their answers.

    name      of its run folder, of a-z and 0-9
    ask       (model, quick) -> its questions; the short form has some of the long one's, or none
    read      its open run folder -> a cell a column
    beside    notes in the run folder what else is measured while the model is loaded
    """

    name: str
    title: str
    columns: Sequence[Column]
    ask: Callable[[Model, bool], list[Question]]
    read: Callable[[RunFolder], list[Cell]]
    beside: Callable[[RunFolder, Model], None] = ignore


def sampled(records: Iterable[Record]) -> int | None:
    """The number of legal sampled answers behind a figure; None where no answer was sampled."""
    counts = [r.choice.legal or 0.0 for r in records if r.choice is not None and is_sampled(r)]
    return round(sum(counts)) if counts else None


def rate_cell(column: str, value: float, records: Sequence[Record]) -> Cell:
    """The cell of a rate: with its interval where answers were sampled, their legal mass and instability."""
    sample = sample_of(value)
    return Cell(
        column=column,
        value=float(value),
        lower=sample.lower if sample else None,
        upper=sample.upper if sample else None,
        n=sample.n if sample else None,
        mass=mass(records),
        instability=instability(records),
    )


def unanswered(columns: Sequence[Column], records: Sequence[Record]) -> list[Cell]:
    """Cells of columns without any legal answer."""
    failed = sum(r.choice is None for r in records)
    reason = f"{failed} of {len(records)} questions failed; no answer was legal"
    return [Cell(column=c.name, outcome="unanswered", mass=mass(records), reason=reason) for c in columns]
