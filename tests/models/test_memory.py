"""What a model takes is known before it is loaded, and refused where it does not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from homines.core import HominesError
from homines.models import _memory, load
from homines.models._memory import GIB, TRAINED, free, numbers, room
from tests.models.tiny import tiny

CPU = torch.device("cpu")


@pytest.fixture
def folder(tokenizer: Any, tmp_path: Path) -> Path:
    tiny("llama").save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    return tmp_path


def test_headers_tell_how_many_numbers_there_are(folder: Path) -> None:
    net = tiny("llama")
    assert numbers(folder.glob("*.safetensors")) == sum(p.numel() for p in net.state_dict().values())


def test_a_model_that_does_not_fit_is_refused_before_it_is_loaded(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_memory, "free", lambda place: 2**20)
    with pytest.raises(HominesError, match=r"takes about .* MiB .* and 1 MiB are free on cpu; use --dtype"):
        load(f"hf/{folder}", device="cpu")


def test_what_is_much_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(_memory, "free", lambda place: 20 * GIB)
    room("m", 10**6, torch.float32, CPU)
    assert capsys.readouterr().err == ""
    room("m", 10**9, torch.float32, CPU, TRAINED)
    assert "m takes about 14.9 GiB (1 billion weights in float32, 4 times" in capsys.readouterr().err
    with pytest.raises(HominesError, match="--rank 64"):
        room("m", 10**10, torch.bfloat16, CPU, TRAINED)


def test_half_a_file_is_told(folder: Path) -> None:
    (file,) = folder.glob("*.safetensors")
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(HominesError, match="no whole safetensors file"):
        load(f"hf/{folder}", device="cpu")


def test_this_machine_tells_what_is_free() -> None:
    there = free("cpu")
    assert there is not None
    assert 2**26 < there < 2**50
