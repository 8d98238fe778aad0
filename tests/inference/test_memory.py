"""What a model takes is known before it is loaded, and refused where it does not fit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from homines.core.types import HominesError
from homines.inference import memory
from homines.inference.memory import (
    GIB,
    TRAINED,
    _of_cgroups,
    check_memory,
    count_numbers,
    free_bytes,
    saved_dtype,
)
from homines.models import load
from tests.helpers.tiny import tiny

CPU = torch.device("cpu")


@pytest.fixture
def folder(tokenizer: Any, tmp_path: Path) -> Path:
    tiny("llama").save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    return tmp_path


def test_headers_tell_how_many_numbers_there_are(folder: Path) -> None:
    net = tiny("llama")
    assert count_numbers(folder.glob("*.safetensors")) == sum(p.numel() for p in net.state_dict().values())


def test_a_model_that_does_not_fit_is_refused_before_it_is_loaded(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda place: 2**20)
    with pytest.raises(HominesError, match=r"takes about .* MB .* and 1 MB are free on cpu; use --dtype"):
        load(f"hf/{folder}", device="cpu")


def test_what_is_much_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda place: 20 * GIB)
    check_memory("m", 10**6, torch.float32, CPU)
    assert capsys.readouterr().err == ""
    check_memory("m", 10**9, torch.float32, CPU, TRAINED)
    assert "m takes about 16.0 GB (1 billion weights in float32, 4 times" in capsys.readouterr().err
    with pytest.raises(HominesError, match="--rank 64"):
        check_memory("m", 10**10, torch.bfloat16, CPU, TRAINED)


def test_auto_is_reckoned_as_what_was_saved(folder: Path) -> None:
    files = list(folder.glob("*.safetensors"))
    config = folder / "config.json"
    assert saved_dtype(files) is torch.float32
    told = json.loads(config.read_text())
    config.write_text(json.dumps({**told, "dtype": "float16"}))  # which transformers obeys before the files
    assert saved_dtype(files) is torch.float16
    config.write_text(json.dumps({k: v for k, v in told.items() if k not in ("dtype", "torch_dtype")}))
    assert saved_dtype(files) is torch.float32
    assert AutoModelForCausalLM.from_pretrained(folder, dtype="auto").dtype is torch.float32
    tiny("llama").to(torch.bfloat16).save_pretrained(folder)
    config.unlink()
    assert saved_dtype(files) is torch.bfloat16


def test_what_pytorch_keeps_for_reuse_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("mem_get_info", (100, 900)), ("memory_reserved", 50), ("memory_allocated", 20)):
        monkeypatch.setattr(torch.cuda, name, lambda place, value=value: value)
    assert free_bytes("cuda:1") == 130


def test_the_tightest_cgroup_limits_what_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Version 2 and version 1, one's own group or one above; files that are merely kept count as free."""

    def group(place: str, names: tuple[str, str], most: str, now: int, stat: str = "") -> None:
        (here := tmp_path / place).mkdir(parents=True, exist_ok=True)
        for name, text in zip((*names, "memory.stat"), (most, str(now), stat), strict=True):
            (here / name).write_text(text)

    own = tmp_path / "own"
    second, first = ("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes")
    assert _of_cgroups(tmp_path, own) is None
    own.write_text("4:memory:/slurm/job\n0::/user/job\n")
    group("user/job", second, "max", 300)
    assert _of_cgroups(tmp_path, own) is None
    group("user", second, "5000", 4500, "anon 100\ninactive_file 200\nactive_file 100\n")
    assert _of_cgroups(tmp_path, own) == 800
    group("memory/slurm/job", first, "1000", 700, "inactive_file 7\ntotal_inactive_file 60\n")
    assert _of_cgroups(tmp_path, own) == 360
    group("memory/slurm", first, "1000", 1100)
    assert _of_cgroups(tmp_path, own) == 0
    monkeypatch.setattr(memory, "_of_cgroups", lambda: 123)
    assert free_bytes("cpu") == 123


def test_half_a_file_is_told(folder: Path) -> None:
    (file,) = folder.glob("*.safetensors")
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(HominesError, match="no whole safetensors file"):
        load(f"hf/{folder}", device="cpu")


def test_this_machine_tells_what_is_free() -> None:
    there = free_bytes("cpu")
    assert there is not None
    assert 2**26 < there < 2**50
