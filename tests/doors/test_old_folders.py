"""Run folders of the version before the files moved: they open, say the same and are not asked again."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

import homines as hm
from homines.cli.app import main
from homines.core.run_folder import RunFolder
from homines.estimation.fit import Estimate
from homines.estimation.fitting import estimate_one, read_observations
from homines.estimation.options import FitOptions
from homines.training.settings import AlignmentPlan, Settings

FOLDERS = Path(__file__).parents[1] / "folders"


@pytest.fixture
def old(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    return Path(shutil.copytree(FOLDERS / request.param, tmp_path / request.param))


def homines(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["homines", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    assert isinstance(end.value.code, int)
    return end.value.code


@pytest.mark.parametrize(("old", "number"), [("measured", 24), ("aligned", 64)], indirect=["old"])
def test_every_record_is_read_under_its_own_key(old: Path, number: int) -> None:
    rows = [json.loads(line) for line in (old / "records.jsonl").read_text().splitlines()]
    run = RunFolder(old)
    assert [r.key for r in run.records] == [row["key"] for row in rows]
    assert len(run.records) == number
    assert run.unsound == 0
    assert all("asks" not in row for row in rows), "these records say what they ask in the frame alone"
    assert [r.asks for r in run.records] == [
        "belief" if "asks=belief" in row["frame"] else "choice" for row in rows
    ]


@pytest.mark.parametrize("old", ["measured"], indirect=True)
def test_the_same_command_asks_nothing_anew(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (old / "records.jsonl").read_bytes()
    frame = "table(goal='highest score')"  # which was the default then
    options = ["--game", "spd", "--frame", frame, "--beliefs", "--no-swap", "--labels", "A,B", "--out"]
    assert homines(monkeypatch, "measure", "mock/uniform", *options, str(old)) == 0
    assert (old / "records.jsonl").read_bytes() == before


@pytest.mark.parametrize("old", ["measured"], indirect=True)
def test_another_command_is_still_refused(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert homines(monkeypatch, "measure", "mock/uniform", "--game", "trust(5)", "--out", str(old)) == 2


@pytest.mark.parametrize("old", ["aligned"], indirect=True)
def test_a_plan_resolves_to_the_config_that_it_had(old: Path) -> None:
    plan = AlignmentPlan(
        "hf//tmp/old/net",
        "moralis(kappa=0.5)",
        settings=Settings(steps=4, rank=4, lr=0.01, until=0.0, text_kl=0.0, kl_steps=0),  # the way of then
        frames=("table(labels='action1,action2', goal='highest score')",),
        transfer_games=("ish",),
        side_effects=False,
    )
    with RunFolder(old, plan.config(command="the same plan")) as run:
        assert len(run.records) == 64


@pytest.mark.parametrize("old", ["aligned"], indirect=True)
def test_an_estimate_is_the_number_that_it_was(old: Path) -> None:
    """Printed at 25e8a52 by homines fit FOLDER --family economicus --model hf//tmp/old/net+adapter --json."""
    observations, _, _ = read_observations(old, "hf//tmp/old/net+adapter")
    estimate = estimate_one(observations, "economicus", FitOptions())
    assert isinstance(estimate, Estimate)
    assert estimate["precision"] == pytest.approx(2.124084588994561, rel=1e-9)
    assert estimate.loglik == pytest.approx(-4.131489581780601, rel=1e-9)
    assert estimate.misfit["ish"] == pytest.approx(0.40854124300023487, rel=1e-9)


@pytest.mark.parametrize("old", ["measured", "aligned"], indirect=True)
def test_a_report_is_written(old: Path) -> None:
    hm.report(old)
    assert "</html>" in (old / "report.html").read_text(encoding="utf-8")
