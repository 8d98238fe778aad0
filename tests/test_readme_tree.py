"""The folders in README and the files in docs/architecture.md are what is on disk, both ways."""

from __future__ import annotations

import re
from importlib.util import module_from_spec, spec_from_file_location
from inspect import isfunction
from pathlib import Path

import homines
from homines import api

ROOT = Path(homines.__file__).parent
REPOSITORY = ROOT.parents[1]


def folders(text: str) -> list[str]:
    """Names of the block after the first line that mentions src/homines: "  name/   what it is"."""
    block = re.search(r"src/homines.*?^```\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert block, "README.md has no fenced block after a line that mentions src/homines"
    return re.findall(r"^  (\S+) {2,}\S", block[1], re.MULTILINE)


def test_every_folder_has_a_line_in_the_readme() -> None:
    listed = folders((REPOSITORY / "README.md").read_text(encoding="utf-8"))
    assert len(set(listed)) == len(listed)
    there = {f"{path.parent.name}/" for path in ROOT.glob("*/__init__.py")}
    assert set(listed) == there | {"api.py"}


def test_the_readme_names_every_function_of_the_interface() -> None:
    line = re.search(r"^  api\.py .*: (.*)$", (REPOSITORY / "README.md").read_text("utf-8"), re.MULTILINE)
    assert line
    own = [name for name, x in vars(api).items() if isfunction(x) and x.__module__ == api.__name__]
    assert set(line[1].split(", ")) == set(homines.__all__) >= {name for name in own if name[0] != "_"}


def test_the_architecture_lists_every_file_with_the_first_sentence_of_its_docstring() -> None:
    """Printed by python docs/architecture.py."""
    spec = spec_from_file_location("architecture", REPOSITORY / "docs" / "architecture.py")
    assert spec
    assert spec.loader
    architecture = module_from_spec(spec)
    spec.loader.exec_module(architecture)
    _, heading, listed = architecture.PAGE.read_text(encoding="utf-8").partition(architecture.HEADING)
    assert heading
    assert listed == architecture.listing()
    nameless = re.findall(r"^\| (\S+) \| *\|$", listed.replace("| file | |", ""), re.MULTILINE)
    assert not nameless, "files without a docstring"


def test_the_reader() -> None:
    tree = "What\n  a.py    one\n  b/      two\n"
    assert folders(f"```\nx\n```\nIn src/homines:\n\n```\n{tree}```\n") == ["a.py", "b/"]
