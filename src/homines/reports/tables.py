"""One table for the terminal, notebooks, pages, CSV, LaTeX and Markdown.

    rows, a dict each -> Table -> console(), text(), html(), cells(), csv(), tex(), markdown()

Columns are the keys of the rows in order of appearance. A page and LaTeX show numbers as the field writes
them, a CSV in full, text and html with three digits; in a terminal and in Markdown cells are text already. A
sampled rate (core/rates.py) is shown with its interval and number of answers; a CSV has columns for these.
"""

from __future__ import annotations

import csv
import io
import math
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from homines.core.format import clean
from homines.core.rates import SAMPLE, Sample, describe, sample_of
from homines.core.spreadsheet import cell
from homines.core.types import LEGAL_MASS

if TYPE_CHECKING:
    from rich.table import Table as ConsoleTable

MOST_ROWS = 200
"""Most lines of a table on a page; its CSV has all."""
NOTHING = "—"
NARROWEST = 8
"""Signs of a name that a terminal shows in a line, however many numbers stand beside it."""


class Weak(float):
    """A number that rests on little legal mass: grey, with a dagger. The section's note says what that is.

    sample   that of a sampled rate, which it keeps
    """

    sample: Sample | None = None


def mark_weak(value: Any, legal: float | None) -> Any:
    """The number; as Weak where its legal mass is under LEGAL_MASS."""
    if isinstance(value, int | float) and legal is not None and legal < LEGAL_MASS:
        weak = Weak(value)
        weak.sample = sample_of(value)
        return weak
    return value


def spread_samples(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows with the sample of every sampled rate in cells of its own: NAME n, NAME lower, NAME upper."""
    sampled = {key for row in rows for key, value in row.items() if sample_of(value)}
    out: list[dict[str, Any]] = []
    for row in rows:
        cells: dict[str, Any] = {}
        for key, value in row.items():
            cells[key] = value
            if key in sampled:
                sample = sample_of(value)
                parts = sample.to_json() if sample else dict.fromkeys(SAMPLE)
                cells |= {f"{key} {part}": x for part, x in parts.items()}
        out.append(cells)
    return out


class Table:
    """Rows as columns, with a method for every form of the table.

    columns   names of the first columns, which exist also where there are no rows
    """

    def __init__(self, rows: Iterable[Mapping[str, Any]], columns: Sequence[str] = ()) -> None:
        self.rows = [{key: scalar(value) for key, value in row.items()} for row in rows]
        scalars = self.rows
        self.first = columns
        keys = list(dict.fromkeys([*columns, *(key for row in scalars for key in row)]))
        self.heads = [str(key) for key in keys]
        self.body = [[row.get(key) for key in keys] for row in scalars]
        columns_of = list(zip(*self.body, strict=True)) or [("",)] * len(keys)
        self.right = [all(x is None or _is_number(x) for x in column) for column in columns_of]

    def console(
        self, title: str, *, left: Iterable[str] = (), total: Sequence[str] = (), wrap: bool = True
    ) -> ConsoleTable:
        """For a terminal, through rich. left: columns of words; total: a last row below a line; wrap: other
        columns may break lines too."""
        from rich import box
        from rich.table import Table as ConsoleTable
        from rich.text import Text

        words = set(left)
        table = ConsoleTable(box=box.SIMPLE_HEAD, title=Text(title, style="table.title"))
        for i, head in enumerate(self.heads):
            side: Literal["left", "right"] = "left" if head in words else "right"
            whole = not wrap and head not in words
            longest = max((len(_text(row[i])) for row in self.body), default=0)
            least = min(NARROWEST, max(longest, len(head))) if head in words and not wrap else None
            table.add_column(Text(head), justify=side, no_wrap=whole, overflow="fold", min_width=least)
        for row in self.body:
            table.add_row(*(Text(_text(x)) for x in row))
        if total:
            table.add_section()
            table.add_row(*map(Text, total))
        return table

    def text(self) -> str:
        """Lines of plain text, floats with three digits."""
        body = [[_brief(x) for x in row] for row in self.body]
        widths = [max(map(len, column)) for column in zip(self.heads, *body, strict=True)]
        lines = [self.heads, ["-" * width for width in widths], *body]
        return "\n".join(
            "  ".join(x.ljust(width) for x, width in zip(line, widths, strict=True)).rstrip()
            for line in lines
        )

    def html(self) -> str:
        """For a notebook, floats with three digits."""
        heads = "".join(f"<th>{escape(head)}</th>" for head in self.heads)
        body = "".join(
            f"<tr>{''.join(f'<td>{escape(_brief(x))}</td>' for x in row)}</tr>" for row in self.body
        )
        return f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"

    def markdown(self) -> str:
        """For a model card; cells are Markdown already."""
        lines = [self.heads, ["---"] * len(self.heads), *([_text(x) for x in row] for row in self.body)]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)

    def cells(self) -> list[list[tuple[str, bool, str, bool]]]:
        """What a page shows of each cell: (text, whether aligned right, the number in full, whether Weak)."""
        return [
            [
                (_format(x), right, repr(x) if _is_number(x) else "", isinstance(x, Weak))
                for x, right in zip(row, self.right, strict=True)
            ]
            for row in self.body[:MOST_ROWS]
        ]

    def csv(self) -> str:
        """All rows, numbers in full; None is empty."""
        out = io.StringIO(newline="")
        writer = csv.writer(out, lineterminator="\n")
        whole = Table(spread_samples(self.rows), self.first)
        writer.writerow([cell(clean(head, sys.maxsize)) for head in whole.heads])
        for row in whole.body:
            writer.writerow([x if _is_number(x) else cell(clean(_text(x), sys.maxsize)) for x in row])
        return out.getvalue()

    def tex(self) -> str:
        """All rows as a tabular that needs no package, numbers as the page writes them."""
        columns = "".join("r" if right else "l" for right in self.right)
        weak = r"$^\dagger$"
        body = [
            " & ".join(_tex(_format(x)) + weak * isinstance(x, Weak) for x in row) + r" \\"
            for row in self.body
        ]
        heads = " & ".join(map(_tex, self.heads)) + r" \\"
        lines = [rf"\begin{{tabular}}{{{columns}}}", r"\hline", heads, r"\hline", *body, r"\hline"]
        return "\n".join([*lines, r"\end{tabular}", ""])


_TEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%",
    "_": r"\_", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}",
    ">": r"\textgreater{}", "|": r"\textbar{}", "`": r"\textasciigrave{}", "[": "{[}", "*": "{*}",
    "−": "$-$", "∞": r"$\infty$", "\n": " ", "\t": " ",
}  # fmt: skip
"""Brackets and stars are wrapped, for LaTeX takes them for part of the command that ends a line."""


def _tex(text: str) -> str:
    escaped = clean(text).translate(str.maketrans(_TEX))
    return re.sub("-(?=-)", "-{}", escaped)  # else two hyphens are set as one dash


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def scalar(value: Any) -> Any:
    """A number of numpy as one of Python."""
    return value.item() if isinstance(value, np.generic) else value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _format(value: Any) -> str:
    """A cell as pages and LaTeX show it."""
    if isinstance(value, float) and math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value is None or isinstance(value, float):
        return NOTHING if value is None or math.isnan(value) else describe(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value).replace("-", "−", 1) if isinstance(value, int) else str(value)


def _brief(value: Any) -> str:
    """A cell with three digits."""
    sample = sample_of(value)
    return (f"{value:.3g}" if isinstance(value, float) else _text(value)) + (f" {sample}" if sample else "")
