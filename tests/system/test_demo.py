"""The README's first command, as a user runs it: the smallest real model, aligned and verified."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from homines.core.run_folder import RunFolder
from tests.helpers.running import HOMINES

pytestmark = pytest.mark.system

DEMO = [*HOMINES, "demo", "--model", "smollm2"]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("demo") / "run"
    done = subprocess.run([*DEMO, "--out", str(folder)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def test_it_reaches_the_preference_on_the_training_prompts(demo: tuple[Path, str]) -> None:
    run = RunFolder(demo[0])
    trained = run.config["training_frames"]
    after = [r for r in run.records if r.model != "smollm2" and r.game == "ipd" and r.frame in trained]
    assert len(after) == 16
    for r in after:
        assert r.choice is not None
        last = r.decision.history[-1][1]
        assert last is not None
        assert r.choice.p[last] >= 0.99
        assert r.choice.mass >= 0.99


def test_it_measures_the_same_questions_before_and_after(demo: tuple[Path, str]) -> None:
    run = RunFolder(demo[0])
    asked = {(r.game, r.frame, r.order, r.decision.key) for r in run.records if r.model == "smollm2"}
    again = {(r.game, r.frame, r.order, r.decision.key) for r in run.records if r.model != "smollm2"}
    assert asked == again
    assert len(asked) == 176
    assert {r.game for r in run.records} == {"ipd", "ish", "icn", "bos", "icd", "ivd"}
    side = run.noted("sideeffects.json")
    assert side is not None
    assert len(side) == 2


def test_it_ends_by_telling_what_it_made(demo: tuple[Path, str]) -> None:
    folder, said = demo
    for part in ("report.html", "figures", "adapter", "next", "legal mass", "C after C"):
        assert part in said
    page = (folder / "report.html").read_text()
    assert "game_deontological" in page
    assert list((folder / "figures").glob("*.png"))
    assert (folder / "adapter" / "adapter_model.safetensors").exists()
    config = json.loads((folder / "adapter" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "smollm2"


def test_a_second_run_does_nothing_twice(demo: tuple[Path, str]) -> None:
    folder, _ = demo
    before = (folder / "records.jsonl").read_bytes()
    again = subprocess.run([*DEMO, "--out", str(folder), "--json"], capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert (folder / "records.jsonl").read_bytes() == before
    assert json.loads(again.stdout)["result"] == str(folder / "adapter")


def test_the_adapter_is_a_model_string(demo: tuple[Path, str], tmp_path: Path) -> None:
    """The next command it names works."""
    folder, _ = demo
    words = ["measure", f"smollm2+{folder / 'adapter'}", "--frame", "story", "--labels", "X,Y", "--json"]
    done = subprocess.run(
        [*HOMINES, *words, "--out", str(tmp_path / "next")],
        capture_output=True,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["rows"]
    assert {row["frame"] for row in rows} == {
        f"story(labels=({pair}), memory=1, asks=choice)" for pair in ("X, Y", "Y, X")
    }
