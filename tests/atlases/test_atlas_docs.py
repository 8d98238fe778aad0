"""The atlas in the docs is its data file's: tables, figure, and the command that made each row."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from homines.atlases.table import columns

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """docs/atlas.py as a module."""
    found = importlib.util.spec_from_file_location("docs_atlas", DOCS / "atlas.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def test_the_tables_are_those_of_the_data_file(script: ModuleType) -> None:
    data, models = script.read()
    made = script.tables(data, models)
    wrong = {name: table.replace(".", ",") for name, table in made.items()}
    for name in script.PAGES:
        text = (DOCS / name).read_text(encoding="utf-8")
        assert "<!-- atlas: " in text
        assert script.fill(text, made) == text
        assert script.fill(text, wrong) != text


def test_the_data_file_holds_every_column_of_every_model(script: ModuleType) -> None:
    data, models = script.read()
    names = [column.name for column in columns()]
    for cells in models.values():
        assert list(cells) == ["verdict", *names]
    assert [m["model"] for m in data["models"]] == list(models)
    assert all(m["commands"] and m["homines"] for m in data["models"])


def test_the_figure_shows_every_model(script: ModuleType) -> None:
    drawn = (DOCS / "atlas.svg").read_text(encoding="utf-8")
    _, models = script.read()
    assert all(name[:12] in drawn for name in models)
    for column in script.FIGURE:
        assert (column in drawn) == any(cells[column].value is not None for cells in models.values())
