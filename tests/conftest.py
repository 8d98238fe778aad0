"""What the tests share: the embedded model, loaded once; tiny random networks; the data beside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from homines.models import load
from homines.models.hf import HuggingFace
from homines.models.smollm2 import cache_folder, pull

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def smollm2() -> HuggingFace:
    """The embedded model on the CPU. Never train it: it is everybody's."""
    model = load("smollm2", device="cpu")
    assert isinstance(model, HuggingFace)
    return model


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    """The embedded model's tokenizer alone, without its weights."""
    from transformers import AutoTokenizer

    folder = cache_folder() / "smollm2"
    return AutoTokenizer.from_pretrained(str(folder if folder.exists() else pull()))


@pytest.fixture
def seeded() -> None:
    torch.manual_seed(0)
