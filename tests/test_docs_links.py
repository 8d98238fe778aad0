"""What README.md and docs/ point to is there: pages in the site's menu, links, commands and their options."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from homines.cli.app import app

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.glob("*.md")])
FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
COMMANDS: dict[str, Any] = get_command(app).commands  # type: ignore[attr-defined]


def prose(path: Path) -> str:
    """A page without its blocks of code."""
    return FENCED.sub("", path.read_text(encoding="utf-8"))


def anchors(path: Path) -> set[str]:
    """The names that headings get, on GitHub and on the site."""
    heads = re.findall(r"^#+ +(.+)$", prose(path), re.MULTILINE)
    return {re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", head.lower()).strip()) for head in heads}


def broken(path: Path) -> Iterator[str]:
    """Relative links of a page whose file or heading does not exist."""
    for link in LINK.findall(re.sub(r"`[^`]*`", "", prose(path))):
        if re.match(r"[a-z]+:", link):
            continue
        file, _, anchor = link.partition("#")
        there = (path.parent / file) if file else path
        if file == "bench.md":  # on the site: bench/README.md
            there = ROOT / "bench" / "README.md"
        if not there.exists() or (anchor and anchor not in anchors(there)):
            yield link


def commands(text: str) -> Iterator[list[str]]:
    """The words after `homines` of every command line in blocks of code."""
    for block in FENCED.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            if found := re.search(r"(?:^|^\w+=.* |\$ )homines ([a-z].*)", line):
                yield shlex.split(re.split(r" (?:\|\||&&|\||>) ", found[1])[0], comments=True)


def refused(words: list[str]) -> str | None:
    """Why the command line does not take these words, or None."""
    name, *rest = words
    if name not in COMMANDS:
        return f"no command {name!r}"
    try:
        COMMANDS[name].make_context(name, rest)
    except Exception as why:  # click's own, wherever this version of typer keeps it
        return str(why)
    return None


def test_every_page_is_in_the_menu() -> None:
    menu = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")[2]
    told = set(re.findall(r": (\w+\.md)$", menu, re.MULTILINE))
    assert {path.name for path in DOCS.glob("*.md")} - told == set()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    assert list(broken(path)) == []


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "a.md"
    page.write_text("# One, two\n[a](a.md#one-two) [b](b.md) [c](#three) [d](https://x.org) `[e](f.md)`\n")
    assert list(broken(page)) == ["b.md", "#three"]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_commands_are_taken_as_they_are_written(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for words in commands(text):
        assert refused(words) is None, f"homines {' '.join(words)}: {refused(words)}"
    for words in re.findall(r"`homines ([a-z]+)([^`]*)`", prose(path)):
        assert words[0] in COMMANDS, words
        options = COMMANDS[words[0]].params
        known = {name for option in options for name in (*option.opts, *option.secondary_opts)}
        assert set(re.findall(r"--[a-z-]+", words[1])) <= known | {"--help"}, words


def test_a_wrong_option_is_found() -> None:
    lines = (
        "```sh",
        "A=b homines measure mock --gamme ipd  # c",
        "homines mesure mock",
        "homines align mock",
    )
    text = "\n".join((*lines, "```"))
    said = [refused(words) or "" for words in commands(text)]
    assert [words[0] for words in commands(text)] == ["measure", "mesure", "align"]
    assert "--gamme" in said[0]
    assert "mesure" in said[1]
    assert "to" in said[2]
