"""The book of a run folder: tokens that the calls of all its commands used.

A command writes a line before each call, with the most tokens that the call may use, and a line after it,
with minus the tokens that it did not use. The sum of the lines is right after a kill -9 too; the calls that
were under way then count at their most.
"""

from __future__ import annotations

import errno
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from homines.core import paths, strict_json
from homines.core.types import HominesError

BOOK = "spent.log"


def write(book: Path | None, tokens_in: int, tokens_out: int) -> None:
    """Add a line to a book. The line starts with a line break, since a kill may have cut the line before.
    Raises HominesError where the book cannot be written."""
    if book is None:
        return
    line = f"\n{json.dumps({'input': tokens_in, 'output': tokens_out})}".encode()
    try:
        with paths.open_file(book.parent, book.name, "ab") as file:
            if file.write(line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except (OSError, paths.PathError) as failure:
        raise _unusable("write to", book, failure) from failure


def begin(book: Path, records: Sequence[Mapping[str, Any]]) -> Counter[str]:
    """Tokens by name (input, output): the sum of the book or of the usage of records, the larger of each. A
    book without lines receives this sum as its first line."""
    lines = _lines(book)
    tokens = _sum(lines) | _sum(records)
    if not lines and tokens.total():
        write(book, tokens["input"], tokens["output"])
    return tokens


def _lines(book: Path) -> list[Any]:
    """The lines of a book, without a line that a kill cut: its call was not made."""
    try:
        text = paths.read(book.parent, book.name).decode(errors="replace")
    except FileNotFoundError:
        return []
    except (OSError, paths.PathError) as failure:
        raise _unusable("read", book, failure) from failure
    lines: list[Any] = []
    for line in text.splitlines():
        with suppress(ValueError):
            lines.append(strict_json.loads(line))
    return lines


def _sum(rows: Sequence[Any]) -> Counter[str]:
    """Sums of input and output. Only whole numbers count. A row gives back at most what one before took."""
    tokens: Counter[str] = Counter()
    most: Counter[str] = Counter()
    for row in rows:
        for name in ("input", "output"):
            count = row.get(name) if isinstance(row, Mapping) else None
            n = count if isinstance(count, int) and not isinstance(count, bool) else 0
            tokens[name] += max(n, -most[name])
            most[name] = max(n, most[name])
    return Counter({name: max(0, n) for name, n in tokens.items()})


def _unusable(verb: str, book: Path, failure: OSError | paths.PathError) -> HominesError:
    why = getattr(failure, "strerror", None) or failure
    return HominesError(
        f"cannot {verb} {book}, which holds what was spent: {why}; make room, or use another --out"
    )
