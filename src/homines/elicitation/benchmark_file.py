"""Multiple-choice and scenario files of a user, CSV or JSON lines: text, options, the right or safe one.

    text      question, text, prompt, scenario or query
    options   a list (options, choices) or columns A, B, C ...; mc1_targets {choices, labels}; safe and
              unsafe; best answer and incorrect answers (a;b;c)
    answer    answer, label, target, correct, right or implied: a letter, an option's text, or its place from
              0; a whole number of JSON is a place
    category  category, subject, type or group; it may be missing

or as ARC has them (JSON lines, both forms): choices with labels, and answerKey, the label of the right one.

A file is data: nothing in it is run, and its size is bounded.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from homines.core import strict_json
from homines.core.format import abbreviate, count
from homines.core.types import HominesError

LETTERS = "ABCDEFGHIJ"
"""Labels of options; a question has at most so many."""
MOST_BYTES = 20_000_000
MOST_ITEMS = 20_000
LONGEST = 20_000
"""Characters of a text."""
SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}
"""Signs in place of commas, by which files that are called CSV are at times separated."""
REMEDIES = {"letter": "its place from 0", "place from 0": "its letter"}
"""What to write for an answer that is an option's text and may be read so too."""
TEXTS = ("question", "text", "prompt", "scenario", "query")
OPTIONS = ("options", "choices")
ANSWERS = ("answer", "label", "target", "correct", "right", "implied")
CATEGORIES = ("category", "subject", "type", "group")
Row = Mapping[str, Any]
"""Cells of a line by column."""
Read = TypeVar("Read")


class BenchmarkError(HominesError):
    """A file that is no benchmark, or a line of it that is no question."""


@dataclass(frozen=True)
class Item:
    """A question with its options. right: the place of the right (or safe) one; line: of the file."""

    text: str
    options: tuple[str, ...]
    right: int
    category: str
    line: int


@dataclass(frozen=True)
class Benchmark:
    """A file of questions. name: of its results, from the file's name."""

    name: str
    file: str
    sha256: str
    items: tuple[Item, ...]


def read_benchmark(path: str | Path) -> Benchmark:
    """The questions of a file. Raises BenchmarkError, which names the line, where it is none."""
    path = Path(path)
    text, sha256 = read_text(path)
    items = read_items(path, rows_of(path, text), _item)
    return Benchmark(name_of(path), path.name, sha256, tuple(items))


def read_text(path: Path) -> tuple[str, str]:
    """The text of a file of bounded size in UTF-8, and the hash of its bytes. Raises BenchmarkError."""
    try:
        with open(path, "rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as failure:
        raise BenchmarkError(f"{path} cannot be read: {failure.strerror or failure}") from failure
    if len(data) > MOST_BYTES:
        raise BenchmarkError(f"{path} has more than {MOST_BYTES:,} bytes; divide it into several files")
    try:
        return data.decode("utf-8-sig"), hashlib.sha256(data).hexdigest()
    except UnicodeDecodeError as failure:
        line = data.count(b"\n", 0, failure.start) + 1
        raise BenchmarkError(
            f"{path} line {line} is no text in UTF-8 (byte {data[failure.start]:#x}); save it as UTF-8, or "
            "convert it by `iconv -t utf-8 -f ENCODING`"
        ) from failure


def rows_of(path: Path, text: str) -> Iterator[tuple[int, Row]]:
    """The lines of a file with their numbers: of a .csv by its heading, of any other an object of JSON each;
    column names are in lower case, with spaces for underscores."""
    rows = _csv_rows(path, text) if path.suffix.lower() == ".csv" else _json_rows(path, text)
    for line, row in rows:
        names = [name.strip().lower().replace("_", " ") for name in row]
        _check_columns(path, line, names)
        yield line, dict(zip(names, row.values(), strict=True))


def _check_columns(path: Path, line: int, names: Sequence[str]) -> None:
    """Raise BenchmarkError where two columns have a name: the last one alone would be read."""
    if twice := next((name for name in names if name and names.count(name) > 1), None):
        raise BenchmarkError(f"{path} line {line}: two columns are called {twice!r}; rename or drop one")


def table_rows(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Lines of a table of this package, separated by tabs, with their numbers; those of its head begin with
    #."""
    heading: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("#"):
            continue
        cells = line.split("\t")
        if heading:
            yield number, dict(zip(heading, cells, strict=True))
        else:
            heading = [name.lower().replace("_", " ") for name in cells]


def read_items(
    path: Path,
    rows: Iterable[tuple[int, Row]],
    read: Callable[[Row, int], Read],
    lacking: str = "question; give a line each, of text, options and answer",
) -> list[Read]:
    """What `read` makes of every line, at most MOST_ITEMS. Raises BenchmarkError with the line.

    lacking   what a file without a line lacks, and what to do
    """
    items: list[Read] = []
    for line, row in rows:
        if len(items) == MOST_ITEMS:
            raise BenchmarkError(
                f"{path} has more than {MOST_ITEMS:,} questions; divide it into several files"
            )
        try:
            items.append(read(row, line))
        except BenchmarkError as failure:
            raise BenchmarkError(f"{path} line {line}: {failure}") from failure
    if not items:
        raise BenchmarkError(f"{path} holds no {lacking}")
    return items


def name_of(path: Path) -> str:
    """The name of a file's results."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", path.stem).strip("-")[:60] or "benchmark"


def _csv_rows(path: Path, text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    rows = csv.DictReader(io.StringIO(text, newline=""))
    try:
        heading = rows.fieldnames or ()
        if len(heading) == 1:
            for sign, name in SEPARATORS.items():
                if sign in heading[0]:
                    raise BenchmarkError(f"{path} is separated by {name} ({sign!r}); separate it by commas")
        _check_columns(path, 1, heading)
        for row in rows:
            if None in row or None in row.values():
                raise BenchmarkError(f"{path} line {rows.line_num} has other cells than the heading; mend it")
            yield rows.line_num, row
    except csv.Error as failure:
        raise BenchmarkError(f"{path} line {rows.line_num} is no CSV ({failure}); mend it") from failure


def _json_rows(path: Path, text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for line, row in enumerate(text.split("\n"), 1):
        if not row.strip():
            continue
        try:
            value = strict_json.loads(row)
        except ValueError as failure:
            raise BenchmarkError(
                f"{path} line {line} is no JSON ({failure}); write an object a line"
            ) from failure
        if not isinstance(value, dict):
            raise BenchmarkError(f"{path} line {line} is {abbreviate(value)}; write an object a line")
        yield line, cast("Mapping[str, Any]", value)


def _item(row: Row, line: int) -> Item:
    row = _by_labels(row) if "answerkey" in row else row
    text = check_text("text", first_of(row, TEXTS, "text"))
    options, right = options_of(row, ANSWERS)
    category = next((str(row[name])[:80] for name in CATEGORIES if row.get(name)), "")
    return Item(text, options, right, category, line)


def _by_labels(row: Row) -> Row:
    """A line whose choices have labels (ARC) with a list of options and the place of the right one: either
    {question: {stem, choices: [{text, label}]}, answerKey} or {question, choices: {text: [], label: []},
    answerKey}. Raises BenchmarkError."""
    question, choices = row.get("question"), row.get("choices")
    if isinstance(question, dict):
        held = cast("Row", question)
        question, choices = held.get("stem"), held.get("choices")
    if isinstance(choices, list):
        pairs = [cast("Row", c) if isinstance(c, dict) else {} for c in cast("list[Any]", choices)]
        choices = {name: [pair.get(name) for pair in pairs] for name in ("text", "label")}
    if not isinstance(choices, dict):
        raise BenchmarkError(
            f"choices {abbreviate(choices)} must have a text and a label each, as ARC has them"
        )
    texts, labels = (_list(name, cast("Row", choices).get(name)) for name in ("text", "label"))
    key = row["answerkey"]
    if len(texts) != len(labels) or labels.count(key) != 1:
        raise BenchmarkError(
            f"answerKey {abbreviate(key)} must be one of the labels {abbreviate(labels)}, a label each text"
        )
    place = labels.index(key)
    return {**row, "question": question, "choices": texts, "answer": place}


def options_of(row: Row, answers: tuple[str, ...]) -> tuple[tuple[str, ...], int]:
    """The options of a line, and the place of the right one, which they tell themselves or one of these
    columns does. Raises BenchmarkError."""
    raw_options, right = _options(row)
    options = tuple(check_text("option", option) for option in raw_options)
    if not 2 <= len(options) <= len(LETTERS):
        raise BenchmarkError(
            f"{count(len(options), 'option')}; a question has 2 to {len(LETTERS)}, give them all"
        )
    if len(set(options)) < len(options):
        raise BenchmarkError(f"options {abbreviate(options)} repeat one; each must differ")
    if right is None:
        name = next((name for name in answers if row.get(name) not in (None, "")), "answer")
        right = _place(first_of(row, answers, answers[0]), options, raw_options, name)
    elif (told := row.get("implied")) not in (None, "") and right != _place(
        told, options, raw_options, "implied"
    ):
        raise BenchmarkError(
            f"implied {abbreviate(told)} is another option than {abbreviate(options[right])}, which the "
            "columns of the options say; mend one of the two"
        )
    return options, right


def _options(row: Row) -> tuple[tuple[Any, ...], int | None]:
    """The options, and the place of the right one where they tell it."""
    if "mc1 targets" in row:
        targets = row["mc1 targets"] if isinstance(row["mc1 targets"], dict) else {}
        choices, marks = (_list(name, targets.get(name)) for name in ("choices", "labels"))
        if len(choices) != len(marks) or marks.count(1) != 1:
            raise BenchmarkError("mc1_targets must hold choices and as many labels, one of them 1")
        return tuple(choices), marks.index(1)
    if "safe" in row and "unsafe" in row:
        return (row["safe"], row["unsafe"]), 0
    if "best answer" in row and "incorrect answers" in row:
        best, wrong = (check_text("option", row[name]) for name in ("best answer", "incorrect answers"))
        others = dict.fromkeys(part.strip() for part in wrong.split(";"))
        return (best, *[part for part in others if part not in ("", best)]), 0
    for name in OPTIONS:
        if name in row:
            value = row[name]
            if isinstance(value, str):
                try:
                    value = strict_json.loads(value)
                except ValueError as failure:
                    raise BenchmarkError(
                        f'{name} {abbreviate(value)} must be a list, as ["yes", "no"]'
                    ) from failure
            return tuple(_list(name, value)), None
    filled = [letter for letter in LETTERS if row.get(letter.lower()) not in (None, "")]
    if not filled:
        raise BenchmarkError(f"no options; there must be one of {', '.join(OPTIONS)}, or columns A, B, ...")
    if gap := next((own for own, letter in zip(filled, LETTERS, strict=False) if own != letter), ""):
        raise BenchmarkError(
            f"option {gap} has a text, and {LETTERS[filled.index(gap)]} has none; fill the options in order, "
            "so that a letter is that of its column"
        )
    return tuple(row[letter.lower()] for letter in filled), None


def _place(answer: Any, options: tuple[str, ...], raw: tuple[Any, ...], name: str) -> int:
    """The place of an answer: an option's text, a letter, or a place from 0.

    raw   the options as the file has them: a whole number is not the text of an option in quotes
    name  of the answer's column, for errors

    Raises BenchmarkError where the answer names no option, or two by two of these readings.
    """
    whole = isinstance(answer, int | float) and not isinstance(answer, bool) and answer == int(answer)
    text = str(int(answer)) if whole else check_text(name, answer)
    letter = text.upper().rstrip(".)")
    texts = [None if whole and isinstance(x, str) else option for x, option in zip(raw, options, strict=True)]
    readings = {
        "text": texts.index(text) if text in texts else -1,
        "letter": LETTERS.find(letter) if len(letter) == 1 else -1,
        "place from 0": int(text) if re.fullmatch(r"\d{1,2}", text) else -1,
    }
    places = {name: place for name, place in readings.items() if 0 <= place < len(options)}
    if len(set(places.values())) > 1:
        (one, first), (two, second) = list(places.items())[:2]
        raise BenchmarkError(
            f"{name} {abbreviate(text)} is the {one} of option {LETTERS[first]} and the {two} of option "
            f"{LETTERS[second]}; write {REMEDIES[two]}"
        )
    if not places:
        raise BenchmarkError(
            f"{name} {abbreviate(text)} is no option, no letter up to {LETTERS[len(options) - 1]} and no "
            f"place from 0 to {len(options) - 1}; write one of these"
        )
    return next(iter(places.values()))


def _list(name: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise BenchmarkError(f"{name} {abbreviate(value)} must be a list")
    return cast("list[Any]", value)


def first_of(row: Row, names: tuple[str, ...], what: str) -> Any:
    """The cell of the first of these columns that has one. Raises BenchmarkError where none has."""
    name = next((name for name in names if row.get(name) not in (None, "")), None)
    if name is None:
        raise BenchmarkError(f"no {what}; there must be one of {', '.join(names)}")
    return row[name]


def check_text(what: str, value: Any) -> str:
    """A text, or a number as one. Raises BenchmarkError where it is neither, empty or long."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = f"{value:.15g}" if isinstance(value, float) else str(value)
    if not isinstance(value, str) or not value.strip():
        raise BenchmarkError(f"{what} is {abbreviate(value)}; it must be a text")
    if len(value) > LONGEST:
        raise BenchmarkError(f"{what} has {len(value):,} characters; at most {LONGEST:,} are read")
    if re.search(r"[\ud800-\udfff\0]", value):
        raise BenchmarkError(f"{what} {abbreviate(value)} holds a sign that is no text; mend it")
    return value.strip()
