"""What a reader must know of a model stands wherever its numbers do: a coding model is called so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from homines.core.catalogue import CODER, remarks
from homines.core.types import Choice
from homines.reports import comparison_page, console, run_page

MODEL = "qwen-0.5b+runs/x/adapter"
SENTENCE = f"qwen-0.5b is Qwen2.5-Coder-0.5B-Instruct, {CODER}."


def even(_: Any) -> Choice:
    return Choice.at([0.5, 0.5], mass=0.9)


def test_a_model_is_remarked_on_once_and_others_are_not() -> None:
    assert remarks(["smollm2", "mock", "hf/qwen-0.5b"]) == []
    assert remarks([MODEL, "qwen-0.5b", "smollm2"]) == [SENTENCE]


def test_the_page_of_a_run_and_the_one_of_several_say_it(tmp_path: Path, kit: Any) -> None:
    for name, model in (("a", "qwen-0.5b"), ("b", "mock")):
        kit.fill(tmp_path / name, {"kind": "measure", "model": model}, kit.ask(model, even))
    assert SENTENCE in kit.read(run_page.write(tmp_path / "a")).text
    assert "Coder" not in kit.read(run_page.write(tmp_path / "b")).text
    both = comparison_page.write([tmp_path / "a", tmp_path / "b"], tmp_path / "both")
    assert SENTENCE in kit.read(both).text


def test_the_table_of_a_measurement_says_it(kit: Any, capsys: pytest.CaptureFixture[str]) -> None:
    console.print_measurement(kit.ask("qwen-0.5b", even))
    assert "Qwen2.5-Coder-0.5B-Instruct" in capsys.readouterr().out
    console.print_measurement(kit.ask("mock", even))
    assert "Coder" not in capsys.readouterr().out
