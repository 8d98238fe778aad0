"""Two real processes train a model (torchrun, gloo) as one does, its weights whole in each or divided."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from homines.core.types import HominesError
from homines.training import distributed
from tests.helpers.running import HOMINES
from tests.helpers.tiny import tiny, willing

pytestmark = pytest.mark.system

BIN = Path(sys.executable).parent
TWO = [str(BIN / "torchrun"), "--standalone", "--nproc-per-node", "2", str(BIN / "homines")]
DIVIDED = {"ACCELERATE_USE_FSDP": "true"}
"""As `accelerate launch --use_fsdp` says it, which needs GPUs."""


@pytest.fixture(scope="module")
def tiny_folder(tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    willing(tokenizer, max_position_embeddings=1024).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def train(folder: Path, words: list[str], *, two: bool, **told: str) -> str:
    """Train in one process, or in two, with this environment; what was said."""
    done = subprocess.run(
        [*(TWO if two else HOMINES), *words, "--out", str(folder)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": "", **told},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def curve(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "curve.jsonl").read_text().splitlines()]


def alike(one: Path, two: Path, *, divided: bool = False) -> None:
    """The same losses, and the same adapters, within float error; and that there were two processes."""
    noted = [json.loads((folder / "training.json").read_text()) for folder in (one, two)]
    assert "processes" not in noted[0]
    assert [noted[1][name] for name in ("processes", "backend", "divided")] == [2, "gloo", divided]
    losses = [[row["loss"] for row in curve(folder)] for folder in (one, two)]
    assert len(losses[0]) == len(losses[1]) > 1
    assert losses[0][-1] != losses[0][0]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-4, atol=1e-5)
    weights = [load_file(folder / "adapter" / "adapter_model.safetensors") for folder in (one, two)]
    for name, array in weights[0].items():
        np.testing.assert_allclose(array, weights[1][name], rtol=0.05, atol=2e-4)


def test_rl_in_two_processes_is_rl_in_one(tiny_folder: Path, tmp_path: Path) -> None:
    words = ["align", f"hf/{tiny_folder}", "--to", "game_deontological", "--steps", "4"]
    words += ["--accumulation", "2", "--kl", "0.1", "--no-check"]
    said = train(tmp_path / "one", words, two=False)
    for name, told in (("two", {}), ("divided", DIVIDED)):
        said = train(tmp_path / name, words, two=True, **told)
        alike(tmp_path / "one", tmp_path / name, divided=bool(told))
        assert said.count("report    ") == 1  # the first process alone speaks
    records = [(tmp_path / n / "records.jsonl").read_text().count("\n") for n in ("one", "two", "divided")]
    assert records[0] == records[1] == records[2] > 0


def test_sft_in_two_processes_is_sft_in_one(tiny_folder: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    made = ["data", "--to", "moralis(kappa=1)", "--n", "24", "--out", str(data)]
    subprocess.run([*HOMINES, *made], check=True, capture_output=True)
    words = ["tune", f"hf/{tiny_folder}", "--data", str(data), "--by", "sft", "--products", "float32"]
    words += ["--no-check"]
    train(tmp_path / "one", words, two=False)
    train(tmp_path / "divided", words, two=True, **DIVIDED)
    alike(tmp_path / "one", tmp_path / "divided", divided=True)


def test_of_divided_weights_each_process_holds_its_part(tiny_folder: Path, tmp_path: Path) -> None:
    script = tmp_path / "divide.py"
    script.write_text(
        f"""
import sys
import torch
from transformers import AutoModelForCausalLM
from homines.training import distributed as parallel
assert parallel.divides_weights()
net = AutoModelForCausalLM.from_pretrained({str(tiny_folder)!r})
layers = net.get_decoder().layers
whole = sum(p.numel() for p in layers.parameters())
with torch.no_grad():
    said = net(torch.arange(12)[None]).logits
    parallel.divide(net)
    again = net(torch.arange(12)[None]).logits
group = torch.distributed.distributed_c10d._get_default_group()
waits = group._get_backend(torch.device("cpu")).options._timeout.total_seconds()
mine = sum(p.to_local().numel() for p in layers.parameters())
parts = mine / whole, float((said - again).abs().max()), waits == parallel.LONGEST_WAIT
sys.stdout.write(" ".join(map(str, ("PART", *parts))) + "\\n")  # one write: two processes share the pipe
"""
    )
    done = subprocess.run(
        [*TWO[:-1], str(script)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", **DIVIDED},
    )
    assert done.returncode == 0, done.stderr
    parts = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("PART")]
    assert parts == [["0.5", "0.0", "True"]] * 2, done.stdout


@pytest.mark.parametrize("kind", ["llama", "gpt2", "gpt_neox"])
def test_the_layers_of_any_decoder_are_found(kind: str) -> None:
    net = tiny(kind, vocabulary=32)
    layers = distributed.blocks(net)
    assert len(layers) == 2
    assert all("Attention" in str(layer) and "MLP" in str(layer) for layer in layers)


def test_experts_are_not_taken_for_layers() -> None:
    net = tiny("llama", vocabulary=32)
    net.model.layers[0].experts = torch.nn.ModuleList(torch.nn.Linear(2, 2) for _ in range(8))
    assert distributed.blocks(net) is net.model.layers
    net.model.layers = torch.nn.ModuleList()
    with pytest.raises(HominesError, match="no list of layers in LlamaModel"):
        distributed.blocks(net)


def test_all_weights_cannot_be_divided(tiny_folder: Path, tmp_path: Path) -> None:
    words = ["align", f"hf/{tiny_folder}", "--to", "economicus", "--rank", "0", "--steps", "1", "--no-check"]
    done = subprocess.run(
        [*TWO, *words, "--sets", "2", "--out", str(tmp_path / "all")],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", **DIVIDED},
    )
    assert done.returncode != 0
    assert "rank is 0 (all weights), and --use_fsdp divides only weights that stay" in done.stderr


def test_a_step_that_cannot_be_divided_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "3")
    assert distributed.share(6, "batch") == 2
    with pytest.raises(HominesError, match="batch is 4, which 3 processes cannot divide"):
        distributed.share(4, "batch")
