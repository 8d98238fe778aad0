"""Two real processes train one model (accelerate, gloo) as one process does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from homines import parallel
from homines.core import HominesError
from tests.models.tiny import willing
from tests.running import HOMINES

BIN = Path(sys.executable).parent
TWO = ["accelerate", "launch", "--cpu", "--num_processes", "2", "--num_cpu_threads_per_process", "1"]


@pytest.fixture(scope="module")
def tiny_folder(tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    willing(tokenizer, max_position_embeddings=1024).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def train(folder: Path, words: list[str], *, two: bool) -> str:
    """Train in one process, or in two; what was said."""
    command = [str(BIN / TWO[0]), *TWO[1:], str(BIN / "homines")] if two else HOMINES
    done = subprocess.run(
        [*command, *words, "--out", str(folder)],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def curve(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "curve.jsonl").read_text().splitlines()]


def alike(one: Path, two: Path) -> None:
    """The same losses, and the same adapters, within float error."""
    losses = [[row["loss"] for row in curve(folder)] for folder in (one, two)]
    assert len(losses[0]) == len(losses[1]) > 1
    assert losses[0][-1] != losses[0][0]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-4, atol=1e-5)
    weights = [load_file(folder / "adapter" / "adapter_model.safetensors") for folder in (one, two)]
    for name, array in weights[0].items():
        np.testing.assert_allclose(array, weights[1][name], rtol=0.05, atol=2e-4)


@pytest.mark.timeout(600)
def test_rl_in_two_processes_is_rl_in_one(tiny_folder: Path, tmp_path: Path) -> None:
    words = [
        "align",
        f"hf/{tiny_folder}",
        "--to",
        "game_deontological",
        "--steps",
        "4",
        "--accumulation",
        "2",
    ]
    words += ["--no-check"]
    said = {two: train(tmp_path / str(two), words, two=two) for two in (False, True)}
    alike(tmp_path / "False", tmp_path / "True")
    assert said[True].count("report    ") == 1  # the first process alone speaks
    records = [(tmp_path / str(two) / "records.jsonl").read_text().count("\n") for two in (False, True)]
    assert records[0] == records[1] > 0


@pytest.mark.timeout(600)
def test_sft_in_two_processes_is_sft_in_one(tiny_folder: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    made = ["data", "--to", "moralis(kappa=1)", "--n", "24", "--out", str(data)]
    subprocess.run([*HOMINES, *made], check=True, capture_output=True)
    words = ["tune", f"hf/{tiny_folder}", "--data", str(data), "--by", "sft", "--no-check"]
    for two in (False, True):
        train(tmp_path / str(two), words, two=two)
    alike(tmp_path / "False", tmp_path / "True")


def test_a_step_that_cannot_be_divided_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "3")
    assert parallel.share(6, "batch") == 2
    with pytest.raises(HominesError, match="batch is 4, which 3 processes cannot divide"):
        parallel.share(4, "batch")
