"""A tidy CSV of any length as columns, read by polars: cells as text, as codes of equal cells, as numbers."""

from __future__ import annotations

import csv
import math
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from homines.core.spreadsheet import check_not_packed
from homines.core.types import Array, HominesError, Integers

if TYPE_CHECKING:
    import polars as pl

ROWS_AT_ONCE = 2**16
"""Rows read at once where polars cannot read a file."""
BYTES_AT_ONCE = 2**24


def library() -> Any:
    """polars, imported late because the import is slow.

    The import replaces the handler of Ctrl-C, and a question at the terminal could not be interrupted; the
    previous handler is restored.
    """
    before = signal.getsignal(signal.SIGINT)
    import polars

    if before is not None and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, before)
    return polars


class Table:
    """Rows of a CSV. The first row is line 2, as in editors where no cell holds a newline."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self._frame = frame

    def __len__(self) -> int:
        return self._frame.height

    def __contains__(self, name: str) -> bool:
        return name in self._frame.columns

    def codes(self, *names: str) -> tuple[Integers, Table]:
        """(code [row] of the cells in these columns, the table of different rows there); codes number the
        different rows in order of appearance."""
        pl, cells = library(), self._frame.select(names)
        unlike = cells.unique(maintain_order=True)
        numbered = unlike.with_columns(pl.int_range(unlike.height, dtype=pl.Int64).alias(""))
        joined = cells.join(numbered, on=list(names), how="left", maintain_order="left", nulls_equal=True)
        return joined[""].to_numpy(), Table(unlike)

    def texts(self, name: str) -> list[str]:
        """The cells of a column."""
        return self._frame[name].to_list()

    def numbers(self, name: str) -> Array:
        """The cells of a column as Python reads numbers; nan where it reads none."""
        codes, unlike = self.codes(name)
        return np.array([number(text) for text in unlike.texts(name)])[codes]

    def rows(self, places: Integers) -> list[tuple[int, dict[str, str]]]:
        """These rows, each with its line."""
        rows: list[dict[str, Any]] = self._frame[places].to_dicts()
        return [(int(i) + 2, row) for i, row in zip(places, rows, strict=True)]


def table_of(columns: Mapping[str, Integers]) -> Table:
    """A table of whole numbers."""
    return Table(library().DataFrame(columns))


def number(text: str) -> float:
    """A number as Python reads it; nan where it reads none, and for infinities."""
    try:
        value = float(text)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan


def read_header(path: Path) -> list[str]:
    """The names of a CSV's columns. Raises HominesError where it cannot be read."""
    _check(path)
    with _reading_errors(path), open(path, encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file).fieldnames or ())


def read_table(path: Path, names: Sequence[str], columns: Sequence[str]) -> Table:
    """The given columns of a CSV whose head has these names. Raises HominesError, naming the line, for a row
    with more or fewer cells than the head, and for a file that is no CSV in UTF-8.

    polars reads a missing cell as an empty one, and stops at quotes within a cell; files with either are read
    row by row.
    """
    _check(path)
    pl = library()
    try:
        whole = pl.read_csv(path, infer_schema=False) if _has_standard_line_ends(path) else None
    except pl.exceptions.PolarsError:
        whole = None
    if whole is None or whole.columns != list(names) or whole[:, -1].null_count():
        return Table(_row_by_row(path, names, columns))
    return Table(whole.select(columns).fill_null(""))


def _check(path: Path) -> None:
    with _reading_errors(path):
        check_not_packed(path)


def _has_standard_line_ends(path: Path) -> bool:
    """Whether every line ends as polars takes lines to end: no carriage return stands alone."""
    with open(path, "rb") as file:
        before = b""
        while part := file.read(BYTES_AT_ONCE):
            if (before + part).count(b"\r") != (before + part).count(b"\r\n") + part.endswith(b"\r"):
                return False
            before = b"\r" if part.endswith(b"\r") else b""
    return not before


def _row_by_row(path: Path, names: Sequence[str], columns: Sequence[str]) -> pl.DataFrame:
    pl, at = library(), [names.index(name) for name in columns]
    parts = [pl.DataFrame({name: [] for name in columns}, schema=dict.fromkeys(columns, pl.String))]
    with _reading_errors(path), open(path, encoding="utf-8-sig", newline="") as file:
        rows = _rows_of_width(path, file, len(names))
        while part := list(islice(rows, ROWS_AT_ONCE)):
            parts.append(
                pl.DataFrame({name: [row[i] for row in part] for name, i in zip(columns, at, strict=True)})
            )
    return pl.concat(parts)


def _rows_of_width(path: Path, file: Any, width: int) -> Iterator[list[str]]:
    """Rows under the head, blank lines left out. HominesError for one of another width."""
    rows = csv.reader(file)
    next(rows, None)
    for line, row in enumerate(filter(None, rows), 2):
        if len(row) != width:
            raise HominesError(
                f"{path} line {line} has {'more' if len(row) > width else 'fewer'} cells than its head"
            )
        yield row


@contextmanager
def _reading_errors(path: Path) -> Iterator[None]:
    """Failures to read a file as sentences."""
    try:
        yield
    except OSError as failure:
        raise HominesError(f"cannot read {path}: {failure.strerror or failure}") from failure
    except (UnicodeDecodeError, csv.Error) as failure:
        raise HominesError(f"{path} is no CSV in UTF-8: {failure}") from failure
