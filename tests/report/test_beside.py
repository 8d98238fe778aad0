"""Several runs on one page: whatever they are, nothing is mixed up, and what is missing is said."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import pytest

from homines import figures_study, pages
from homines.beside import agents, runs_in
from homines.core import HominesError
from homines.lookup import find
from homines.measure import battery, measure, questions
from homines.models.mock import HANDLERS, Mock
from homines.report import reports
from homines.store import Run


def made(folder: Path, who: str, *games: str) -> Path:
    """A run folder of one of the mocks."""
    model = Mock(HANDLERS[who])
    asked = questions(
        model, {name: battery(find("games", name)) for name in games}, [find("frames", "table(labels='X,Y')")]
    )
    with Run(folder, {"kind": "measure", "model": model.name, "games": list(games)}) as run:
        measure(model, asked, run)
    return folder


def table(folder: Path, name: str) -> list[dict[str, str]]:
    with open(folder / "tables" / f"{name}.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_every_agent_stands_beside_the_others(tmp_path: Path) -> None:
    one, two = made(tmp_path / "one", "uniform", "ipd", "ish"), made(tmp_path / "two", "", "ipd")
    page = reports([one, two], tmp_path / "page")
    assert page == tmp_path / "page" / "report.html"
    assert [row["agent"] for row in table(page.parent, "agents")] == ["one", "two"]
    rows = table(page.parent, "behaviour")
    assert rows
    assert all(row["where"].startswith("ipd, ") for row in rows)  # of ish nobody else was asked
    for row in rows:
        assert float(row["one"]) == pytest.approx(0.5)
    text = page.read_text()
    assert "2 agents side by side" in text
    assert "http://" not in text.replace("http://www.w3.org", "")


def test_a_studys_folder_is_the_runs_below_it(tmp_path: Path) -> None:
    for name in ("b", "a"):
        made(tmp_path / "study" / name, "uniform", "ipd")
    assert runs_in([tmp_path / "study"]) == [tmp_path / "study" / "a", tmp_path / "study" / "b"]
    assert [a.name for a in agents(runs_in([tmp_path / "study"]))[0]] == ["a", "b"]


def test_the_same_name_twice_is_told_apart(tmp_path: Path) -> None:
    folders = [made(tmp_path / where / "run", "uniform", "ipd") for where in ("x", "y")]
    there, _ = agents(runs_in(folders))
    assert len({a.name for a in there}) == 2


def test_an_empty_run_is_left_out_with_a_sentence(tmp_path: Path) -> None:
    full = made(tmp_path / "full", "uniform", "ipd")
    with Run(tmp_path / "empty", {"kind": "measure", "model": "mock"}):
        pass
    page = reports([full, tmp_path / "empty"], tmp_path / "page")
    assert "holds no answer yet and is left out" in page.read_text()
    with pytest.raises(HominesError, match="holds an answer; measure something first"):
        reports([tmp_path / "empty", tmp_path / "empty"], tmp_path / "other")


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    full = made(tmp_path / "full", "uniform", "ipd")
    (tmp_path / "nothing").mkdir()
    with pytest.raises(HominesError, match=r"nothing is no run folder \(no config.json\) and holds none"):
        reports([full, tmp_path / "nothing"], tmp_path / "page")
    assert not (tmp_path / "page").exists()
    broken = made(tmp_path / "broken", "uniform", "ipd")
    (broken / "provenance.json").write_text(json.dumps({"schema": 999}))
    with pytest.raises(HominesError, match="999"):
        reports([full, broken], tmp_path / "page")


def test_half_a_line_costs_itself_alone(tmp_path: Path) -> None:
    full, cut = (made(tmp_path / name, "uniform", "ipd") for name in ("full", "cut"))
    records = cut / "records.jsonl"
    records.write_bytes(records.read_bytes()[:-40])
    assert reports([full, cut], tmp_path / "page").exists()


def test_a_name_that_would_run_is_text(tmp_path: Path) -> None:
    bad = made(tmp_path / "<script>alert(1)</script>".replace("/", "_"), "uniform", "ipd")
    page = reports([bad, made(tmp_path / "good", "uniform", "ipd")], tmp_path / "page")
    assert "<script>alert" not in page.read_text()


def test_one_run_is_its_own_page(tmp_path: Path) -> None:
    full = made(tmp_path / "full", "uniform", "ipd")
    assert reports([full]) == full / "report.html"


def test_an_interval_without_bound_is_drawn_to_the_edge() -> None:
    row = {"panel": "kappa", "series": "estimated", "value": 0.5}
    open_ends = {"low": -math.inf, "high": math.inf}
    rows = [
        row | {"group": "one", "low": 0.0, "high": math.inf},
        row | {"group": "none", "value": 7.0} | open_ends,
        row | {"group": "both", "low": 0.0, "high": 2.0},
    ]
    drawn = figures_study.intervals(rows, "x").to_dict()
    one, none, both = drawn["data"]["values"]
    assert (one["open"], none["open"], both["open"]) == ("high", "low high", "")
    assert one["high"] == none["high"] > both["high"]  # beyond all that is finite
    assert none["value"] is None  # so no dot is drawn
    told = json.dumps(drawn)
    assert "not bounded" in told
    assert "triangle-right" in told
    assert pages.Table([{"low": -math.inf, "high": math.inf}]).tex().count("∞") == 2


def test_what_rests_on_little_mass_is_marked() -> None:
    cells = [{"row": "r", "column": "c", "value": 0.5, "text": ".50", "weak": True}]
    assert ".50†" in json.dumps(figures_study.heat(cells, "x").to_dict())
    [[cell]] = pages.Table([{"x": pages.Weak(0.5)}]).cells()
    assert cell == (".50", True, "0.5", True)
