"""A GGUF file is converted tensor by tensor to what transformers itself reads from it, bit for bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gguf
import pytest
import torch
from huggingface_hub import constants
from safetensors import safe_open
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from homines.core.progress import QUIET
from homines.inference import gguf_conversion
from homines.inference.tokens import terminator
from homines.models.hf import hash_files, model_files
from tests.helpers import tiny_gguf


@pytest.mark.parametrize("architecture", ["qwen2", "llama"])
@pytest.mark.parametrize("output", ["other", "same", "none"])
def test_every_tensor_is_that_of_transformers(
    tmp_path: Path, architecture: str, output: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gguf_conversion, "ROWS", 50)  # several blocks a matrix, the last one shorter
    source, folder = tiny_gguf.write(tmp_path / "tiny.gguf", architecture, output=output), tmp_path / "made"
    gguf_conversion.convert(source, folder, QUIET)
    theirs: Any = AutoModelForCausalLM.from_pretrained(tmp_path, gguf_file="tiny.gguf", dtype=torch.float32)
    ours: Any = AutoModelForCausalLM.from_pretrained(folder)
    expected = theirs.state_dict()
    assert set(ours.state_dict()) == set(expected)
    for name, values in ours.state_dict().items():
        assert torch.equal(values, expected[name]), name
    stored = load_file(folder / "model.safetensors")
    assert ("lm_head.weight" in stored) == (output == "other")
    assert ours.config.tie_word_embeddings == (output != "other")
    with safe_open(folder / "model.safetensors", "pt") as file:
        assert file.metadata() == {"format": "pt"}


def test_the_file_is_the_one_that_its_library_writes(tmp_path: Path) -> None:
    source, folder = tiny_gguf.write(tmp_path / "tiny.gguf"), tmp_path / "made"
    gguf_conversion.convert(source, folder, QUIET)
    ours: Any = AutoModelForCausalLM.from_pretrained(folder)
    ours.save_pretrained(tmp_path / "again")
    for name in ("model.safetensors", "config.json"):
        assert (folder / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name


def test_the_file_is_opened_once_and_the_reader_is_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths: list[Path] = []
    reader = gguf.GGUFReader

    def watch(path: Path) -> gguf.GGUFReader:
        paths.append(path)
        return reader(path)

    monkeypatch.setattr(gguf, "GGUFReader", watch)
    file = tiny_gguf.write(tmp_path / "tiny.gguf")
    gguf_conversion.convert(file, tmp_path / "made", QUIET)
    assert paths == [file]
    assert gguf.GGUFReader is watch


def test_the_files_are_the_same_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tiny_gguf.write(tmp_path / "tiny.gguf")
    for offline in (False, True):
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", offline)
        gguf_conversion.convert(source, tmp_path / str(offline), QUIET)
    assert hash_files(model_files(tmp_path / "True")) == hash_files(model_files(tmp_path / "False"))


def test_the_template_and_the_end_of_turn_are_the_files_own(tmp_path: Path) -> None:
    gguf_conversion.convert(tiny_gguf.write(tmp_path / "tiny.gguf"), tmp_path / "made", QUIET)
    tokenizer: Any = AutoTokenizer.from_pretrained(tmp_path / "made")
    assert tokenizer.chat_template == tiny_gguf.TEMPLATE
    assert terminator(tokenizer) == 257
    settings = json.loads((tmp_path / "made" / "generation_config.json").read_text())
    assert settings["eos_token_id"] == 257
