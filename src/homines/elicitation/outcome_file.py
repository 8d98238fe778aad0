"""Outcomes in words, of several kinds: what a model chooses between, two at a time.

The built-in list is outcomes.tsv; files of a user are CSV or JSON lines with these columns:

    id       its own in every line; it may be missing, then the line's number
    text     text or outcome: what happens, one sentence or a few
    kind     kind, group or category, in every line or in none
    unit, amount   of an outcome that holds a number of something, as 'euros' and 50; both or neither
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

from homines.core.checks import one_of
from homines.core.format import abbreviate
from homines.core.types import digest
from homines.elicitation.benchmark_file import (
    BenchmarkError,
    Row,
    check_text,
    first_of,
    name_of,
    read_items,
    read_text,
    rows_of,
    table_rows,
)
from homines.elicitation.scenario_file import LONGEST_NAME, same_text

BUILT_IN = "five-kinds"
"""Name of the built-in list."""
TABLE = "outcomes.tsv"
LONGEST_OUTCOME = 600
"""Characters of an outcome: two of them and the question are one prompt."""
MOST_OUTCOMES = 200
"""Outcomes of a list: they have 19,900 pairs."""
MOST_AMOUNT = 1e12
KINDS = ("kind", "group", "category")
TEXTS = ("text", "outcome")
LACKING = "outcome; give a line each, of text, and of kind, unit and amount where there are any"


@dataclass(frozen=True)
class Outcome:
    """What may happen.

    kind     empty where the file tells none
    unit     and amount, of an outcome that holds a number of something; else empty and None
    line     of the file
    """

    id: str
    text: str
    kind: str = ""
    unit: str = ""
    amount: float | None = None
    line: int = 0


@dataclass(frozen=True)
class OutcomeList:
    """The outcomes of a file."""

    name: str
    file: str
    sha256: str
    outcomes: tuple[Outcome, ...]

    @property
    def kinds(self) -> dict[str, list[int]]:
        """Places of the outcomes of each kind; empty where the file tells no kinds."""
        out: dict[str, list[int]] = {}
        for k, outcome in enumerate(self.outcomes):
            if outcome.kind:
                out.setdefault(outcome.kind, []).append(k)
        return out

    def of_kinds(self, kinds: Sequence[str]) -> OutcomeList:
        """The outcomes of these kinds; all where none is named. Raises HominesError for an unknown kind, and
        where fewer than two outcomes are left."""
        for kind in kinds:
            if not self.kinds:
                raise BenchmarkError(
                    f"{self.file} tells no kinds; leave out --kind {kind}, or add a column kind"
                )
            one_of("kind of outcome", kind, self.kinds)
        if not kinds:
            return self
        return replace(self, outcomes=_enough(self.file, [o for o in self.outcomes if o.kind in kinds]))


def built_in() -> OutcomeList:
    """The list of this package: 16 outcomes of each of five kinds."""
    text = files("homines.elicitation").joinpath(TABLE).read_text(encoding="utf-8")
    return OutcomeList(
        BUILT_IN,
        TABLE,
        digest(text),
        _whole(Path(TABLE), read_items(Path(TABLE), table_rows(text), read_outcome)),
    )


def read_outcomes(path: Path | None) -> OutcomeList:
    """The outcomes of a file, of none the built-in list. Raises BenchmarkError, which names the line, where
    one is none, two have an id or a text, a number is none, and where there are fewer than two."""
    if path is None:
        return built_in()
    text, sha256 = read_text(path)
    outcomes = read_items(path, rows_of(path, text), read_outcome, LACKING)
    return OutcomeList(name_of(path), path.name, sha256, _whole(path, outcomes))


def read_outcome(row: Row, line: int) -> Outcome:
    """A line as an outcome. Raises BenchmarkError."""
    text = check_text("text", first_of(row, TEXTS, "text"))
    if len(text) > LONGEST_OUTCOME:
        raise BenchmarkError(
            f"the outcome has {len(text):,} characters; at most {LONGEST_OUTCOME} are asked, say it shortly"
        )
    if "\n" in text:
        raise BenchmarkError(f"the outcome {abbreviate(text)} has several lines; write it in one")
    name = _word("id", row.get("id")) or f"line {line}"
    kind = next((_word("kind", row[key]) for key in KINDS if row.get(key) not in (None, "")), "")
    unit, amount = _word("unit", row.get("unit")), row.get("amount")
    if bool(unit) is (amount in (None, "")):
        lacks, has = ("amount", "unit") if unit else ("unit", "amount")
        raise BenchmarkError(f"there is no {lacks} beside the {has}; give both, or neither")
    return Outcome(name, text, kind, unit, _amount(amount, text) if unit else None, line)


def _word(what: str, value: object) -> str:
    if value in (None, ""):
        return ""
    word = check_text(what, value)
    if len(word) > LONGEST_NAME:
        raise BenchmarkError(f"{what} has {len(word)} characters; at most {LONGEST_NAME} are read")
    return word


def _amount(value: object, text: str) -> float:
    """The number of an outcome; it must stand in its text, for that is what a model reads."""
    written = check_text("amount", value)
    try:
        amount = float(written.replace(",", ""))
    except ValueError as failure:
        raise BenchmarkError(f"amount {abbreviate(written)} is no number; write digits, as 50") from failure
    if not math.isfinite(amount) or not 0 < amount <= MOST_AMOUNT:
        raise BenchmarkError(
            f"amount {written} must be a number above 0 and at most {MOST_AMOUNT:g}: a slope is by its "
            "logarithm; say a loss in the unit, as 'hours lost'"
        )
    if amount not in [float(x.replace(",", "")) for x in re.findall(r"\d[\d,]*(?:\.\d+)?", text)]:
        raise BenchmarkError(
            f"amount {written} is no number in the text {abbreviate(text)}; mend one of the two"
        )
    return amount


def _whole(path: Path, outcomes: Sequence[Outcome]) -> tuple[Outcome, ...]:
    """The outcomes, where each has its own id and text, and all or none a kind."""
    tell: list[tuple[str, Callable[[Outcome], str]]] = [
        ("id", lambda o: o.id),
        ("text", lambda o: same_text(o.text)),
    ]
    for what, key in tell:
        known: dict[str, int] = {}
        for o in outcomes:
            if (first := known.setdefault(key(o), o.line)) != o.line:
                shown = abbreviate(o.id if what == "id" else o.text)
                raise BenchmarkError(
                    f"{path} line {o.line}: the {what} {shown} is that of line {first}; two outcomes "
                    "that are one "
                    f"cannot be chosen between: give each its own {what}, or drop the line"
                )
    bare = [o for o in outcomes if not o.kind]
    if bare and len(bare) < len(outcomes):
        raise BenchmarkError(
            f"{path} line {bare[0].line}: no kind, and others have one; give it to all, or to none"
        )
    return _enough(str(path), outcomes)


def _enough(file: str, outcomes: Sequence[Outcome]) -> tuple[Outcome, ...]:
    if len(outcomes) < 2:
        raise BenchmarkError(
            f"{file} holds {len(outcomes)} outcome of those that are wanted, which has nothing to be "
            "chosen over; "
            "give two or more"
        )
    if len(outcomes) > MOST_OUTCOMES:
        raise BenchmarkError(
            f"{file} holds {len(outcomes):,} outcomes; at most {MOST_OUTCOMES} are asked, divide the "
            "file, or name "
            "kinds by --kind"
        )
    return tuple(outcomes)
