"""Several runs on one page: whatever they are, nothing is mixed up, and what is missing is said."""

from __future__ import annotations

import csv
import html
import json
import math
import shlex
from pathlib import Path
from typing import Any

import pytest

from homines.core.registry import find
from homines.core.run_folder import RunFolder
from homines.core.types import Choice, HominesError
from homines.elicitation.asking import measure
from homines.elicitation.questions import battery, questions
from homines.frames.market import Market
from homines.models.mock import HANDLERS, Mock
from homines.reports import charts, tables
from homines.reports.agents import statistic, statistic_name
from homines.reports.changes import compare_agents, summary
from homines.reports.comparison_page import read_agents, runs_in
from homines.reports.run_page import reports
from homines.reports.study_sections import prices


def made(folder: Path, who: str, *games: str) -> Path:
    """A run folder of one of the mocks."""
    model = Mock(HANDLERS[who])
    asked = questions(
        model, {name: battery(find("games", name)) for name in games}, [find("frames", "table(labels='X,Y')")]
    )
    with RunFolder(folder, {"kind": "measure", "model": model.name, "games": list(games)}) as run:
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
    assert "one and two side by side" in text
    assert "http://" not in text.replace("http://www.w3.org", "")


def test_a_studys_folder_is_the_runs_below_it(tmp_path: Path) -> None:
    for name in ("b", "a"):
        made(tmp_path / "study" / name, "uniform", "ipd")
    assert runs_in([tmp_path / "study"]) == [tmp_path / "study" / "a", tmp_path / "study" / "b"]
    assert [a.name for a in read_agents(runs_in([tmp_path / "study"]))[0]] == ["a", "b"]


def test_the_same_name_twice_is_told_apart(tmp_path: Path) -> None:
    folders = [made(tmp_path / where / "run", "uniform", "ipd") for where in ("x", "y")]
    there, _ = read_agents(runs_in(folders))
    assert len({a.name for a in there}) == 2


def test_an_empty_run_is_left_out_with_a_sentence(tmp_path: Path) -> None:
    full = made(tmp_path / "full", "uniform", "ipd")
    with RunFolder(tmp_path / "empty", {"kind": "measure", "model": "mock"}):
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
    drawn = charts.intervals(rows, "x").to_dict()
    one, none, both = drawn["data"]["values"]
    assert (one["open"], none["open"], both["open"]) == ("high", "low high", "")
    assert one["high"] == none["high"] > both["high"]  # beyond all that is finite
    assert none["value"] is None  # so no dot is drawn
    told = json.dumps(drawn)
    assert "not bounded" in told
    assert "triangle-right" in told
    assert tables.Table([{"low": -math.inf, "high": math.inf}]).tex().count(r"\infty") == 2


def test_what_rests_on_little_mass_is_marked() -> None:
    cells = [{"row": "r", "column": "c", "value": 0.5, "text": ".50", "weak": True}]
    assert charts.heat(cells, "x").to_dict()["data"]["values"][0]["text"] == ".50†"
    [[cell]] = tables.Table([{"x": tables.Weak(0.5)}]).cells()
    assert cell == (".50", True, "0.5", True)


def trained(folder: Path, kit: Any, preference: str, seed: int, p: float, *, base: str = "smollm2") -> Path:
    """A run that holds answers from after a training alone, as a study keeps them."""
    config = {"kind": "align", "model": base, "preference": preference, "settings": {"seed": seed}}
    config |= {"game": "ipd", "training_frames": [kit.table], "training_games": ["ipd"]}
    answers = kit.ask(f"{base}+{folder.name}", lambda _: Choice.at([p, 1 - p], mass=0.4))
    return kit.fill(folder, config, answers)


def based(folder: Path, kit: Any, frame: str | None = None) -> Path:
    answers = kit.ask("smollm2", lambda _: Choice.at([0.7, 0.3], mass=0.9), frames=(frame or kit.table,))
    return kit.fill(folder, {"kind": "measure", "model": "smollm2"}, answers)


def test_what_got_worse_is_told_against_the_agent_it_was_made_of(tmp_path: Path, kit: Any) -> None:
    base, after = based(tmp_path / "base", kit), trained(tmp_path / "eco-s0", kit, "economicus", 0, 0.1)
    there, _ = read_agents([base, after])
    [change] = compare_agents(there)
    assert change.before is there[0]
    assert "legal mass" in change.worse
    page = kit.read(reports([base, after], tmp_path / "page"))
    assert "base and eco-s0 side by side" in page.text
    assert "comparison" in page.text
    assert "legal mass .90 → .40" in page.text
    assert "C after C .70 → .10" in page.text
    alone = kit.read(
        reports([after, trained(tmp_path / "eco-s1", kit, "economicus", 1, 0.1)], tmp_path / "x")
    )
    assert "not compared: no measurement before training is on this page" in alone.text
    assert "nothing that was measured got worse" not in alone.text


def test_seeds_of_one_training_are_one_sentence(tmp_path: Path, kit: Any) -> None:
    folders = [based(tmp_path / "base", kit)]
    folders += [trained(tmp_path / f"eco-s{i}", kit, "economicus", i, 0.1) for i in range(3)]
    folders += [trained(tmp_path / "ut-s0", kit, "utilitarian", 0, 0.9)]
    there, _ = read_agents(folders)
    told = summary(there, compare_agents(there))
    assert len(told) == 3
    assert told[1].startswith(
        "eco (trained to economicus, 3 seeds): verdicts: no answer (3 of 3); legal mass .90 → .40; "
    )
    assert "legal mass (3 of 3)" in told[1]
    assert len(kit.read(reports(folders, tmp_path / "page")).tables["What changed"]) == 1 + 4


def test_games_without_shared_frames_are_told(tmp_path: Path, kit: Any) -> None:
    folders = [based(tmp_path / "a", kit), based(tmp_path / "b", kit, kit.other)]
    assert "share no frame (no wording)" in kit.read(reports(folders, tmp_path / "page")).text


def test_little_legal_mass_is_marked_and_explained(tmp_path: Path, kit: Any) -> None:
    folders = [based(tmp_path / "base", kit), trained(tmp_path / "eco-s0", kit, "economicus", 0, 0.1)]
    page = reports(folders, tmp_path / "page")
    assert "legal mass under .5" in kit.read(page).text
    assert '<span class="dagger">†</span>' in page.read_text()
    rows = table(page.parent, "preferences")
    assert {"legal mass", "trained to", "low", "high"} <= rows[0].keys()
    assert any(row["who"].startswith("people") for row in rows)


def test_the_command_is_quoted_and_the_title_counts(tmp_path: Path) -> None:
    folders = [made(tmp_path / f"a run {i}", "uniform", "ipd") for i in range(4)]
    page = reports(folders, tmp_path / "a page")
    assert "4 agents side by side" in page.read_text()
    assert shlex.join(["--out", str(tmp_path / "a page")]) in html.unescape(page.read_text())


def test_equal_names_have_their_study_first(tmp_path: Path) -> None:
    folders = [made(tmp_path / where / "run", "uniform", "ipd") for where in ("x", "y")]
    assert [a.name for a in read_agents(folders)[0]] == ["x/run", "y/run"]


def test_a_market_in_words_is_no_empty_run(tmp_path: Path) -> None:
    full = made(tmp_path / "full", "uniform", "ipd")
    with RunFolder(tmp_path / "free", {"kind": "free", "model": "mock"}):
        pass
    _, [told] = read_agents([full, tmp_path / "free"])
    assert "is a market in words" in told
    assert str(tmp_path / "report.html") in told


def test_profit_gains_are_of_the_market_that_was_asked(tmp_path: Path) -> None:
    """Prices ten times as high in a market of ten times the unit are no cartel."""
    folders: list[Path] = []
    for name, spec in {"units": "pricing(points=3)", "tens": "pricing(points=3, scale=10)"}.items():
        model = Mock(HANDLERS["uniform"])
        with RunFolder(tmp_path / name, {"kind": "measure", "model": model.name, "games": [spec]}) as run:
            measure(model, questions(model, {spec: battery(find("games", spec))}, [Market()]), run)
        folders.append(tmp_path / name)
    section = prices(read_agents(folders)[0])
    assert section is not None
    one, ten = (float(str(row["profit gain"])) for row in section.rows)
    assert 0 < one < 1
    assert ten == pytest.approx(one, abs=0.01)


def test_a_long_menu_is_told_by_its_mean() -> None:
    d = find("games", "pricing(points=5)").due(())[0]
    c = Choice.of([0.0] * 5)
    assert statistic_name(d) == "mean action"
    assert statistic(d, c) == pytest.approx(sum(map(float, d.actions)) / 5)
