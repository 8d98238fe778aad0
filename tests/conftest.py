"""What the tests share: the embedded model, loaded once; tiny random networks; the data beside."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from homines.models import load
from homines.models.hf import HuggingFace

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def smollm2() -> HuggingFace:
    """The embedded model on the CPU. Never train it: it is everybody's."""
    model = load("smollm2", device="cpu")
    assert isinstance(model, HuggingFace)
    return model


@pytest.fixture
def seeded() -> None:
    torch.manual_seed(0)
