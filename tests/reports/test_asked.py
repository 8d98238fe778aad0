"""What was asked stands on the page verbatim, with its likeliest answers and its goal."""

from __future__ import annotations

import json
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from homines.cli.app import main
from homines.core.run_folder import RunFolder
from homines.core.types import Choice, Prompt, Record
from homines.elicitation.asking import measure
from homines.elicitation.survey import Survey
from homines.models.mock import Mock
from homines.reports import run_page
from homines.reports.asked import brief, wordings

FOLDERS = Path(__file__).parents[1] / "folders"


def said(prompt: Prompt) -> Choice:
    return Choice.at([0.75, 0.25], mass=0.4)


def run_of(folder: Path, **settings: Any) -> list[Record]:
    survey = Survey("mock", **settings)
    model = Mock(said, "mock")
    with survey.run(folder) as run:
        return measure(model, survey.questions(model), run)


def test_one_prompt_a_wording_stands_on_the_page_as_it_was_asked(kit: Any, tmp_path: Path) -> None:
    frames = ("table", "story", "table(layout=rows)")
    records = run_of(tmp_path, games=("ipd", "ish"), frames=frames, goal="<b>Win & win.</b>", begins="So:")
    run = RunFolder(tmp_path)
    shown = wordings(records, run.prompts)
    assert len(shown) == 9
    assert sum(w.questions for w in shown) == len(records)
    page = kit.read(run_page.write(tmp_path))
    assert len([1 for tag, of in page.tags if tag == "pre" and of.get("class") == "prompt"]) == 9 + 3
    for wording in shown:
        assert wording.prompt is not None
        assert wording.prompt.text in page.text
    assert "<b>Win & win.</b>" in page.text
    assert "table, layout rows; goal stated: “<b>Win & win.</b>”" in page.text
    assert "story; no goal stated; answer begun: “So:”" in page.text
    assert "3 wordings of 9 state a goal." in page.text


def test_a_frame_under_a_condition_has_a_short_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = "under(condition=persona, frame='story(memory=2)')"
    assert brief(spec) == "story 2, persona"
    assert brief("under(condition=text, frame=table, labels=[X, Y])") == "table X,Y, text"
    assert brief("under") == "table, plain"
    assert brief("<script>(") == "<script>("  # no spec at all
    monkeypatch.setenv("COLUMNS", "80")
    typed = ["homines", "measure", "mock", "--frame", "under(condition=persona, frame=story)"]
    monkeypatch.setattr(sys, "argv", [*typed, "--game", "ipd", "--out", str(tmp_path)])
    with pytest.raises(SystemExit):
        main()
    shown = capsys.readouterr().out
    assert "story action1,action2, persona" in shown
    assert re.search(r"C\|C +C\|D +mass +order +failed", shown)
    assert "labels=()" not in shown
    page = (tmp_path / "report.html").read_text()
    assert "story · action1/action2 · persona" in page
    records = RunFolder(tmp_path).records
    assert [w.name for w in wordings(records, lambda _: {})] == ["story, persona"]


def test_the_likeliest_answers_are_not_given_a_legal_one(kit: Any, tmp_path: Path) -> None:
    run_of(tmp_path)
    page = kit.read(run_page.write(tmp_path))
    rows = next(rows for caption, rows in page.tables.items() if caption.startswith("Likeliest answers"))
    told = [(row[1], row[2]) for row in rows[1:]]
    assert told == [("action1", ".300"), ("action2", ".100"), ("anything else", ".600")]
    assert "No prompt states a goal." in page.text


def test_texts_that_were_sampled_are_shown_with_their_counts(tmp_path: Path) -> None:
    (record, *_) = run_of(tmp_path)
    notes = {**record.provenance, "illegal": {"I refuse": 3, "": 5, "x": "many"}}
    counted = replace(record, choice=Choice.at([1, 0], mass=0.2, n=10), provenance=notes)
    (shown,) = wordings([counted], RunFolder(tmp_path).prompts)
    (answers,) = shown.answers
    assert answers.texts == (("", 5), ("I refuse", 3))
    assert answers.other == pytest.approx(0.8)


def test_an_old_folder_tells_its_prompts_by_their_hash(kit: Any, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(FOLDERS / "measured", tmp_path / "old"))
    page = kit.read(run_page.write(folder))
    assert "You want the highest score in points.\nYou can play" in page.text
    assert "Every prompt states a goal" in page.text
    assert "state a goal, “You want the highest score in points.”" in page.text
    lines = (folder / "records.jsonl").read_text().splitlines()
    rows = [{k: v for k, v in json.loads(line).items() if k != "sum"} for line in lines]
    for row in rows:
        row["provenance"]["prompt"] = "0" * 16
    (folder / "records.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    changed = kit.read(run_page.write(folder))
    assert "You can play" not in changed.text
    assert "The prompt is not in this folder as it was asked" in changed.text


def test_treated_answers_have_a_table_of_their_own_and_no_other(kit: Any, tmp_path: Path) -> None:
    def pushed(prompt: Prompt) -> Choice:
        return Choice.at([0.2, 0.8] if "highest score" in prompt.text else [0.75, 0.25], mass=0.4)

    survey = Survey("mock", goal="highest score", swap=False)
    model = Mock(pushed, "mock")
    with survey.run(tmp_path) as run:
        measure(model, survey.questions(model), run)
    page = kit.read(run_page.write(tmp_path))
    (row,) = page.tables["What a treatment moves"][1:]
    assert row[1:] == [
        "goal 'highest score'ipd, 16 pairs",
        ".400 → .400",
        "– → –",
        ".75 → .20†of C",
        "−.55",
        ".55",
    ]
    types = next(
        rows for caption, rows in page.tables.items() if caption.startswith("Action types and legal")
    )
    assert types[1][1] == ".75†"


@pytest.mark.parametrize("dry", [True, False])
def test_the_terminal_shows_the_same(
    dry: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "run")
    arguments = ["measure", "mock", "--show", "--goal", "highest score", "--out", out, *["--dry-run"] * dry]
    monkeypatch.setattr(sys, "argv", ["homines", *arguments])
    with pytest.raises(SystemExit):
        main()
    out, errors = capsys.readouterr()
    assert "table; no goal stated; labels action1, action2; action2, action1; 32 prompts" in errors
    assert "  | You want the highest score in points.\n" in errors
    assert "  | Answer with exactly action1 or action2.\n" in errors
    assert ("anything else" in errors) != dry
    assert ("ipd, goal 'highest score': legal mass " in out) != dry
