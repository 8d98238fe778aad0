"""Run folders made by hand, and a reader of the pages made from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from homines.core import registry
from homines.core.run_folder import RunFolder
from homines.core.types import Choice, Record
from homines.elicitation.questions import battery, questions
from homines.models.mock import Mock

TABLE, OTHER = "table(labels='action1,action2')", "table(labels='X,Y')"
VOID = {"meta", "link", "br", "img", "input", "hr"}

Answer = Callable[[Record], Choice]


@dataclass
class Page:
    """What a report says: `tables` by caption, each a list of rows of cells; `text` without scripts."""

    tables: dict[str, list[list[str]]] = field(default_factory=dict)
    scripts: list[str] = field(default_factory=list)
    styles: list[str] = field(default_factory=list)
    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    text: str = ""


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page = Page()
        self.open: list[str] = []
        self.rows: list[list[str]] = []
        self.caption = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.page.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.rows, self.caption = [], ""
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag in ("script", "style"):
            getattr(self.page, f"{tag}s").append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"{tag} closes another element"
        if tag == "table":
            self.page.tables[self.caption.strip()] = self.rows

    def handle_data(self, data: str) -> None:
        inside = self.open[-1] if self.open else ""
        if inside in ("script", "style"):
            getattr(self.page, f"{inside}s")[-1] += data
            return
        self.page.text += data
        if "caption" in self.open:
            self.caption += data
        elif "td" in self.open or "th" in self.open:
            self.rows[-1][-1] += data


def read_page(path: Path) -> Page:
    reader = _Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    reader.close()
    assert not reader.open, f"unclosed: {reader.open}"
    return reader.page


def ask(
    name: str, answer: Answer, games: Sequence[str] = ("ipd",), frames: Sequence[str] = (TABLE,)
) -> list[Record]:
    """What a model of this name would have answered."""
    model = Mock(lambda prompt: Choice.of([0.0] * len(prompt.labels)), name)
    batteries = {game: battery(registry.find("games", game)) for game in games}
    asked = questions(model, batteries, [registry.find("frames", frame) for frame in frames])
    return [replace(q.record, choice=answer(q.record)) for q in asked]


def fill(
    folder: Path,
    config: Mapping[str, Any],
    records: Sequence[Record] = (),
    curve: Sequence[Mapping[str, Any]] = (),
    notes: Mapping[str, Mapping[str, Any]] | None = None,
) -> Path:
    """A run folder that holds just this."""
    with RunFolder(folder, config) as run:
        run.add(records)
        for row in curve:
            run.log(row)
        for name, value in (notes or {}).items():
            run.note(name, value)
    return folder


@dataclass(frozen=True)
class Kit:
    """What the tests build with."""

    ask = staticmethod(ask)
    fill = staticmethod(fill)
    read = staticmethod(read_page)
    table: str = TABLE
    other: str = OTHER
