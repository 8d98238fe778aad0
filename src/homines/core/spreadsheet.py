"""Cells of a CSV that a spreadsheet opens (text, never a formula); a check against compressed files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from homines.core.types import HominesError

PACKED = (b"\x1f\x8b", b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda", b"\x28\xb5\x2f\xfd")
"""How gzip, zlib and zstd begin; polars would unpack them, to whatever size."""

_RUNS = re.compile(r"'*[=+\-@\x00-\x1f\x7f＝＋－＠]")
"""Text that a spreadsheet may run as a formula, and text that `unquote` would take for such text quoted."""
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def cell(value: Any) -> Any:
    """A value as a CSV holds it: text that a spreadsheet would run begins with a single quote (OWASP, CSV
    injection); numbers, also those written as text, stay.

    >>> cell("=1+1"), cell("-0.5"), cell(-0.5), cell("C,D")
    ("'=1+1", '-0.5', -0.5, 'C,D')
    """
    runs = isinstance(value, str) and _RUNS.match(value) and not _NUMBER.fullmatch(value)
    return f"'{value}" if runs else value


def unquote(text: str) -> str:
    """The text that `cell` wrote.

    >>> unquote("'=1+1"), unquote("'s")
    ('=1+1', "'s")
    """
    return text[1:] if text.startswith("'") and _RUNS.match(text) else text


def check_not_packed(path: Path) -> None:
    """Raise HominesError for a compressed file, OSError where the file cannot be read."""
    with open(path, "rb") as file:
        start = file.read(max(map(len, PACKED)))
    if start.startswith(PACKED):
        raise HominesError(f"{path} is packed (it begins with {start.hex(' ')}); unpack it first")
