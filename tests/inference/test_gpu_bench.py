"""bench/gpu.py without a GPU: FlexAttention, as plain PyTorch, reads a forest as a dense mask does."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch

from homines.inference.logits import Forest

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*torch.jit.script_method:DeprecationWarning"),  # torch's own
    pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile:UserWarning"),
]


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "bench"))
    bench = import_module("gpu")
    monkeypatch.setattr(bench.score, "timed", lambda work, device: (0.0, work()))  # without its gc.collect
    yield bench
    for name in ("gpu", "score", "rl"):
        sys.modules.pop(name, None)


def compared(gpu: Any) -> float:
    with torch.compiler.set_stance("force_eager"):
        return gpu.attention(gpu.network(gpu.TINY | {"vocab_size": 999}, "cpu"), 256)["largest_difference"]


def test_blocks_of_the_forest_give_what_the_dense_mask_gives(gpu: Any) -> None:
    assert compared(gpu) < 1e-5


def test_another_mask_is_seen(gpu: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second call, which makes the mask of blocks, lets every token see all before it."""
    masks = [Forest.sees, lambda self, start, stop: torch.ones(stop, stop, dtype=torch.bool).tril()]
    monkeypatch.setattr(Forest, "sees", lambda *given: masks.pop(0)(*given))
    assert compared(gpu) > 0.01


def test_without_a_gpu_it_says_that_nothing_was_measured(
    gpu: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--out", str(tmp_path / "gpu.json")])
    gpu.main()
    assert capsys.readouterr().out.startswith("no CUDA GPU on this machine: nothing was measured")
    assert not list(tmp_path.iterdir())
