"""The folders in README and the files in docs/architecture.md are what is on disk, both ways."""

from __future__ import annotations

import re
from pathlib import Path

import homines

ROOT = Path(homines.__file__).parent
REPOSITORY = ROOT.parents[1]


def folders(text: str) -> list[str]:
    """Names of the block after the first line that mentions src/homines: "  name/   what it is"."""
    block = re.search(r"src/homines.*?^```\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert block, "README.md has no fenced block after a line that mentions src/homines"
    return re.findall(r"^  (\S+) {2,}\S", block[1], re.MULTILINE)


def files(text: str) -> list[str]:
    """Paths of the tables, each below its "### folder/"."""
    folder, found = "", list[str]()
    for line in text.partition("## Every file")[2].splitlines():
        if heading := re.fullmatch(r"### (\w+/)", line):
            folder = heading[1]
        elif row := re.match(r"\| (\S+\.\w+) \| \S", line):
            found.append(folder + row[1])
    return found


def test_every_folder_has_a_line_in_the_readme() -> None:
    listed = folders((REPOSITORY / "README.md").read_text(encoding="utf-8"))
    assert len(set(listed)) == len(listed)
    there = {f"{path.parent.name}/" for path in ROOT.glob("*/__init__.py")}
    assert set(listed) == there | {"api.py"}


def test_every_file_has_a_line_in_the_architecture() -> None:
    listed = files((REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8"))
    assert len(set(listed)) == len(listed), "docs/architecture.md lists a file twice"
    names = {p.relative_to(ROOT).as_posix() for p in ROOT.rglob("*.*") if "__pycache__" not in p.parts}
    assert set(listed) == {name for name in names if not name.endswith(("/__init__.py", "py.typed"))}


def test_the_readers() -> None:
    tree = "What\n  a.py    one\n  b/      two\n"
    assert folders(f"```\nx\n```\nIn src/homines:\n\n```\n{tree}```\n") == ["a.py", "b/"]
    table = "## Every file\n\n| file | |\n|---|---|\n| a.py | one |\n\n### b/\n\n| c/d.py | two |\n"
    assert files(table) == ["a.py", "b/c/d.py"]
