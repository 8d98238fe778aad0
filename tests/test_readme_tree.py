"""The tree in the README and the files on disk are the same, both ways.

The tree is the fenced block after the first line that mentions src/homines:

    name.py     what it is
    folder/
      name.py   what it is

Every file has a line, but for the folders' own __init__.py; the description is two spaces away or more.
"""

from __future__ import annotations

import re
from pathlib import Path

import homines

ROOT = Path(homines.__file__).parent
README = ROOT.parents[1] / "README.md"


def told(text: str) -> list[tuple[str, str]]:
    """Path and description of every file of the tree."""
    block = re.search(r"src/homines.*?^```\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert block, "README.md has no fenced block after a line that mentions src/homines"
    out: list[tuple[str, str]] = []
    folder = ""
    for line in block[1].splitlines():
        if line.endswith("/"):
            folder = line
            continue
        match = re.fullmatch(r"(  )?(\S+) {2,}(\S.*)", line)
        assert match, f"README.md: {line!r} is no 'name.py  what it is'"
        folder = folder if match[1] else ""
        out.append((folder + match[2], match[3]))
    return out


def test_the_tree_is_what_is_on_disk() -> None:
    listed = [name for name, _ in told(README.read_text(encoding="utf-8"))]
    assert len(set(listed)) == len(listed), "README.md lists a file twice"
    files = {p.relative_to(ROOT).as_posix() for p in ROOT.rglob("*.*") if "__pycache__" not in p.parts}
    there = {name for name in files if not name.endswith(("/__init__.py", "py.typed"))}
    assert set(listed) == there, "the tree in README.md and src/homines differ"


def test_the_reader_of_trees() -> None:
    tree = "a.py      one\nb/\n  c.py    three of it\nd.css  four\n"
    found = told(f"Here:\n```\nx\n```\nIn src/homines:\n\n```\n{tree}```\n\n```\ny\n```\n")
    assert found == [("a.py", "one"), ("b/c.py", "three of it"), ("d.css", "four")]
