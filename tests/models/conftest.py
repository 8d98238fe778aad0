"""A student small enough to be trained in a second."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from homines.models.hf import HuggingFace
from tests.models.tiny import willing


@pytest.fixture
def fresh(tokenizer: Any) -> Callable[[], HuggingFace]:
    """Makes the student, the same one at every call."""
    return lambda: HuggingFace(willing(tokenizer), tokenizer, name="tiny", provenance={"revision": "t"})


@pytest.fixture
def student(fresh: Callable[[], HuggingFace]) -> HuggingFace:
    return fresh()


@pytest.fixture
def folder(tokenizer: Any, tmp_path: Path) -> Path:
    """The student as a user has it: a model folder."""
    where = tmp_path / "student"
    willing(tokenizer).save_pretrained(where)
    tokenizer.save_pretrained(where)
    return where
