"""What the page of one run says of its kind: trained on rows, half-written, a sitting, a long menu."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from homines.core.run_folder import RunFolder
from homines.core.types import Choice, HominesError, Record
from homines.people.plan import SessionPlan
from homines.people.session import start
from homines.reports import model_card
from homines.reports import run_page as report

TUNED = {
    "kind": "tune",
    "command": "homines tune smollm2 --data data/moralis",
    "model": "smollm2",
    "preference": "moralis(kappa=0.5)",
    "data": {"preference": "moralis(kappa=0.5)", "games": ["symmetric"], "train": 320},
    "course": {"by": "sft"},
}


def even(r: Record) -> Choice:
    return Choice.at([1.0 + i for i in range(len(r.labels))])


def said(kit: Any, path: Path) -> str:
    return re.sub(r"\s+", " ", kit.read(path).text)


def tuned(kit: Any, folder: Path) -> Path:
    score = {"share": 0.8, "right": 0.75, "mass": 0.9, "rows": 16}
    bare = score | {"mass": 1e-15}
    scores = {"after": {"asked as trained": score, "asked for the bare answer": bare}}
    notes = {"scores.json": scores, "training.json": {"result": "adapter", "rows": 320, "steps": 80}}
    kit.fill(folder, TUNED, kit.ask("smollm2+k", even, ("ipd", "ish")), notes=notes)
    (folder / "adapter").mkdir()
    return folder


def test_a_tuned_agent_is_told_as_trained_and_only_as_far_as_it_was_measured(
    kit: Any, tmp_path: Path
) -> None:
    text = said(kit, report.write(tuned(kit, tmp_path / "run")))
    assert "smollm2, aligned to moralis(kappa=0.5)" in text
    assert "After training for moralis(kappa=0.5) on 320 rows of data in symmetric, smollm2+k plays" in text
    assert "was not measured before training in this run folder" in text
    assert "asked for the bare answer, legal mass is .000" in text
    assert "in the words it was trained on" not in text
    assert "Trained on:" not in text
    assert "What got worse" not in text
    told = (tmp_path / "run" / "adapter" / "README.md").read_text()
    limits = told.partition("## Limits")[2].partition("## Licence")[0]
    for word in ("320 rows of data in symmetric", "ipd, ish", "table", "bare answer", ".000"):
        assert word in limits, word


def test_words_trained_on_are_claimed_of_the_row_that_is(kit: Any, tmp_path: Path) -> None:
    config = {"kind": "align", "model": "m", "preference": "utilitarian", "game": "ipd"}
    config |= {"training_frames": [kit.other], "training_games": ["ipd"]}
    records = kit.ask("m", even) + kit.ask("m+a", even)  # in other words than those
    text = said(kit, report.write(kit.fill(tmp_path / "run", config, records)))
    assert "in the words it was trained on" not in text
    assert "frame.Asked" not in text
    assert re.search(r"on ipd in 1 frame for utilitarian\. ", text)


def test_a_half_written_run_says_so_first(kit: Any, tmp_path: Path) -> None:
    config = {"kind": "measure", "model": "m", "command": "homines measure m --game ipd"}
    records = kit.ask("m", even)
    noted = {"asked.json": {"model": "m", "questions": len(records)}}
    folder = kit.fill(tmp_path / "run", config, records, notes=noted)
    assert "are answered" not in said(kit, report.write(folder))
    held = (folder / "records.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "records.jsonl").write_bytes(b"".join(held[:5]) + held[5][:40])
    text = said(kit, report.write(folder))
    wanted = f"5 of {len(records)} questions are answered; all that follows rests on these. "
    assert wanted + "Run homines measure m --game ipd again to go on." in text


def test_the_plan_of_every_model_stays_known(tmp_path: Path) -> None:
    from homines.core.registry import find
    from homines.elicitation.asking import measure
    from homines.elicitation.questions import battery, questions
    from homines.models.mock import Mock, uniform

    with RunFolder(tmp_path / "run", {"kind": "align", "model": "a"}) as run:
        for name, games in (("a", ("ipd", "ish")), ("b", ("ipd",))):
            model = Mock(uniform, name)
            asked = {game: battery(find("games", game)) for game in games}
            measure(model, questions(model, asked, [find("frames", "table")]), run)
    noted = json.loads((tmp_path / "run" / "asked.json").read_text())
    assert noted["model"] == "b"
    assert noted["all"] == {"a": 2 * noted["questions"], "b": noted["questions"]}


def test_a_long_menu_is_told_by_its_mean_and_its_likeliest(kit: Any, tmp_path: Path) -> None:
    records = kit.ask("m", even, ("pricing",), ("market",))
    page = kit.read(report.write(kit.fill(tmp_path / "run", {"kind": "measure", "model": "m"}, records)))
    text = re.sub(r"\s+", " ", page.text)
    assert re.search(
        r"Asked about pricing, m answers 1\.\d\d on average, most likely 1\.97 \(\.1\d\), and", text
    )
    assert " after 1." not in text
    assert max(len(row) for rows in page.tables.values() for row in rows) <= 12
    assert not any(told.startswith("Action types,") for told in page.tables)


def test_a_sitting_is_told_as_the_persons(kit: Any, tmp_path: Path) -> None:
    plan = SessionPlan(("ipd",), "mock/uniform", "table(goal='')", rounds=4, person="Ada")
    with RunFolder(tmp_path / "run", plan.config("homines play ipd")) as run:
        sitting = start(plan, run)
        for action in (0, 1, 0, 0):
            sitting.answer(action)
    text = said(kit, report.write(tmp_path / "run"))
    assert "What Ada chose, beside mock/uniform" in text
    assert "prefers" not in text
    assert "every order of the options;" not in text
    assert "Ada each question in one order of the options" in text


def test_figures_and_tables_lie_beside_the_page_or_elsewhere(kit: Any, tmp_path: Path) -> None:
    folder = kit.fill(tmp_path / "run", {"kind": "measure", "model": "m"}, kit.ask("m", even))
    before = {path.name for path in folder.iterdir()}
    page = report.reports([folder], tmp_path / "out")
    assert page == tmp_path / "out" / "report.html"
    assert "What m prefers" in said(kit, page)
    assert {path.name for path in folder.iterdir()} == before
    figures = {path.name for path in (tmp_path / "out" / "figures").iterdir()}
    assert {"states.png", "states.svg"} <= figures
    states = (tmp_path / "out" / "tables" / "states.csv").read_text().splitlines()
    frames = (tmp_path / "out" / "tables" / "frames.csv").read_text()
    assert "{" not in frames
    assert ",p," not in frames
    assert states[0].startswith("game,frame,kind,state,role,first,p,mass")
    assert (tmp_path / "out" / "tables" / "states.tex").read_text().startswith(r"\begin{tabular}")
    report.reports([folder])
    assert (folder / "tables" / "preferences.csv").exists()


def test_estimates_stand_beside_theory_and_people(kit: Any, tmp_path: Path) -> None:
    page = kit.read(report.write(tuned(kit, tmp_path / "run")))
    rows = next(rows for told, rows in page.tables.items() if told.startswith("Estimates"))
    kappa = next(row for row in rows if row[0] == "after" and row[2] == "kappa")
    assert kappa[5] == ".50"
    people = next(rows for told, rows in page.tables.items() if told.startswith("People"))
    assert ["all", "Bruhin, Fehr & Schunk (2019)", "−.083", ".261"] in people
    assert any(row[3] == "none" for row in rows) == ("cannot tell" in page.text or "no value" in page.text)


def test_no_run_is_refused_in_words() -> None:
    with pytest.raises(HominesError, match="no run was given"):
        report.reports([])


def test_nothing_trained_has_no_card(kit: Any, tmp_path: Path) -> None:
    assert model_card.write(kit.fill(tmp_path / "run", {"kind": "measure"}, kit.ask("m", even))) == []
