"""A stored answer that is no distribution, or has an impossible mass, is an error of its record: counted and
shown, never used, never a crash."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from homines.cli.app import main
from homines.core.registry import find
from homines.core.run_folder import NO_DISTRIBUTION, RunFolder, StoreError
from homines.core.types import Choice, Record
from homines.elicitation.metrics import average_by_decision, mass, summary
from homines.elicitation.questions import battery
from homines.estimation.observations import from_records
from homines.preferences.inequity import Inequity

NAN = float("nan")
MASSES = {"7": 7, "null": None, "text": "x", "negative": -0.5, "true": True}
LOGPS = {
    "sum above 1": [-0.1, -0.1],
    "positive": [0.5, -3.0],
    "far above 1": [710.0, -3.0],
    "all 0": [0.0, 0.0],
    "filler": [-9999.0, -9999.0],
    "too few": [0.0],
    "nested": [[0.0], [0.0]],
}
WRONG: dict[str, dict[str, Any]] = {f"mass {name}": {"mass": value} for name, value in MASSES.items()}
WRONG |= {f"logp {name}": {"logp": value} for name, value in LOGPS.items()}
WRONG |= {"n text": {"n": "x"}, "n negative": {"n": -4}}
NO_JSON = {"mass NaN": {"mass": NAN}, "mass inf": {"mass": float("inf")}, "logp NaN": {"logp": [NAN, 0.0]}}


def run_of(folder: Path, change: dict[str, Any], times: int = 3) -> Path:
    """Answers of an inequity-averse agent to many games, the first few changed in the file."""
    games = [
        f"symmetric(reward={r}, sucker={s}, temptation=9, punishment=2)" for r in (3, 5, 7) for s in (0, 1)
    ]
    frame = "table(labels='X,Y')"
    with RunFolder(folder, {"kind": "measure", "model": "m"}) as run:
        for game in games:
            for d in battery(find("games", game)):
                u = Inequity(0.2, 0.4)(d).mean(-1)
                run.add([Record(d, frame, ((0, 1),), ("X", "Y"), "m", game, Choice.of(0.3 * u, 0.9))])
    path = folder / "records.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows:
        del row["sum"]  # a stranger's lines need no checksum
    for row in rows[:times]:
        row["choice"] |= change
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_an_impossible_answer_counts_as_none(tmp_path: Path, change: dict[str, Any]) -> None:
    run = RunFolder(run_of(tmp_path / "run", change))
    assert run.unsound == 3
    wrong = [r for r in run.records if r.choice is None]
    assert [r.error for r in wrong] == [NO_DISTRIBUTION] * 3
    right = [r for r in run.records if r.choice is not None]
    assert mass(run.records) == pytest.approx(0.9)
    assert len(average_by_decision(run.records)) == len(from_records(run.records)) == len(right)
    assert sum(row["errors"] for row in summary(run.records)) == 3


@pytest.mark.parametrize("change", NO_JSON.values(), ids=NO_JSON)
def test_a_line_that_is_no_json_is_named(tmp_path: Path, change: dict[str, Any]) -> None:
    with pytest.raises(StoreError, match=r"records\.jsonl line 1 is no JSON \(.* is no number of JSON\)"):
        RunFolder(run_of(tmp_path / "run", change))


def test_fit_tells_how_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = run_of(tmp_path / "run", {"mass": 7})

    def said(*more: str) -> str:
        monkeypatch.setattr(sys, "argv", ["homines", "fit", str(folder), "--family", "altruist", *more])
        with pytest.raises(SystemExit) as left:
            main()
        assert left.value.code == 0
        return capsys.readouterr().out

    assert "3 answers are no distribution and count as none" in said()
    assert json.loads(said("--json"))["no_distribution"] == 3


def test_mass_0_is_an_answer_without_a_choice(tmp_path: Path) -> None:
    run = RunFolder(run_of(tmp_path / "run", {"mass": 0}))
    assert run.unsound == 0
    assert len(average_by_decision(run.records)) == len(run.records) - 3
    assert mass(run.records) == pytest.approx(0.9 * (len(run.records) - 3) / len(run.records))
