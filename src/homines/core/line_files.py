"""Files of lines that a run appends to: their whole lines, and the end that a killed process leaves."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path

from homines.core.paths import inside, open_file

BLOCK = 2**20
"""Bytes read at once in the search for a line's end."""


def numbered_lines(folder: Path, name: str) -> Iterator[tuple[int, bytes]]:
    """Whole lines of a file with their numbers; none where there is no file."""
    if not inside(folder, name).exists():
        return
    with open_file(folder, name) as raw, io.BufferedReader(raw) as file:
        for number, line in enumerate(file, 1):
            if line.endswith(b"\n"):
                yield number, line[:-1]


def drop_torn_line(folder: Path, name: str) -> None:
    """Cut the bytes after the last newline: a killed process wrote them, and they are no record."""
    with open_file(folder, name, "r+b") as file:
        end = at = file.seek(0, os.SEEK_END)
        while at > 0:
            start = max(0, at - BLOCK)
            file.seek(start)
            if (newline := file.read(at - start).rfind(b"\n")) >= 0:
                at = start + newline + 1
                break
            at = start
        if at < end:
            os.ftruncate(file.fileno(), at)
