"""What a spreadsheet makes of the CSVs written here: text from models and files stays text."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from homines.cli import amce
from homines.core.spreadsheet import cell, unquote
from homines.estimation.amce import ALL, Amce
from homines.estimation.published import countries
from homines.reports.tables import Table

RUN = ("=1+1", '=HYPERLINK("http://x")', "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "-", "--1")
KEPT = ("-0.5", "+1e3", "1", "-3", ".5", "C,D", "a=b", "'s", "", "s3://x", "−.50")


def cells(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("text", RUN)
def test_what_would_run_is_quoted_and_read_back(text: str) -> None:
    assert cell(text) == f"'{text}"
    assert unquote(cell(text)) == text
    assert unquote(cell(f"'{text}")) == f"'{text}"


@pytest.mark.parametrize("text", KEPT)
def test_numbers_and_plain_words_stay(text: str) -> None:
    assert cell(text) == text
    assert unquote(text) == text


def test_numbers_are_no_text() -> None:
    assert [cell(x) for x in (-0.5, -3, None, float("-inf"))] == [-0.5, -3, None, float("-inf")]


def test_tables_of_a_page() -> None:
    head, row = cells(Table([{"=game": "=1+1", "p": -0.5, "frame": "@x"}]).csv())
    assert head == ["'=game", "p", "frame"]
    assert row == ["'=1+1", "-0.5", "'@x"]


def test_tables_of_a_sweep() -> None:
    head, row = cells(Table([{"model": "-2+3", "value": -2.0, "+x": None}]).csv())
    assert head == ["model", "value", "'+x"]
    assert row == ["'-2+3", "-2.0", ""]


def test_groups_of_effects_are_written_and_read_back(tmp_path: Path) -> None:
    many = len(ALL)
    found = Amce(np.full(many, -0.1), np.full(many, 0.01), np.full(many, 9), np.full(many, 9))
    path = tmp_path / "groups.csv"
    counted: Any = SimpleNamespace(groups={"": found, "=1+1": found})
    amce.write_groups(counted, path)
    assert {row[3] for row in cells(path.read_text())[1:]} == {"'=1+1"}
    assert list(countries(path, [e.label for e in ALL[:9]])) == ["=1+1"]
