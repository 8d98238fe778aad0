"""Numbers, names and lists as the terminal and the pages write them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

TableRow = dict[str, Any]
LONGEST = 2000


def lines(rows: Iterable[TableRow], keys: Sequence[str]) -> list[tuple[tuple[Any, ...], dict[str, TableRow]]]:
    """Rows as lines of a table: one for each value of the keys, holding a row for each role."""
    by_key: dict[tuple[Any, ...], dict[str, TableRow]] = {}
    for row in rows:
        by_key.setdefault(tuple(row.get(key) for key in keys), {})[row["role"]] = row
    return list(by_key.items())


# --- words and numbers for a reader ----------------------------------------------------------------

_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


def clean(text: str, longest: int = LONGEST) -> str:
    """Text a reader can trust: control and direction characters written out, very long text cut."""
    visible = _INVISIBLE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
    return visible if len(visible) <= longest else f"{visible[:longest]}… ({len(visible)} characters)"


def number(x: Any, digits: int = 2) -> str:
    """A number as the field writes it.

    >>> number(0.034), number(-0.5), number(1.0), number(-0.001), number(None), number(12345678.9)
    ('.03', '−.50', '1.00', '.00', '–', '1.23e+07')
    """
    if (value := finite(x)) is None:
        return "–"
    text = f"{value:.3g}" if abs(value) >= 1e6 else f"{value:.{digits}f}"
    text = text.removeprefix("-") if float(text) == 0 else text
    return re.sub(r"^(-?)0\.", r"\1.", text).replace("-", "−", 1)


def count(n: int, noun: str) -> str:
    """'1 frame', '6 frames'."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def texts(value: Any) -> list[str]:
    """The texts in a setting that may be one, several or missing."""
    listed = value if isinstance(value, list) else [value]
    return [text for text in listed if isinstance(text, str)]


def join(parts: list[str]) -> str:
    return "".join(parts) if len(parts) < 2 else ", ".join(parts[:-1]) + " and " + parts[-1]


def finite(x: Any) -> float | None:
    """A number as a float; None for what is none."""
    good = isinstance(x, int | float) and not isinstance(x, bool) and math.isfinite(x)
    return float(x) if good else None


def abbreviate(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:117]}..."
