"""`homines data` as a person types it: counts, rows in full, the short way to bare answers."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from homines.cli.app import main

ROWS = ("data", "--to", "economicus", "--game", "symmetric", "--game", "split", "--n", "12", "--test", "4")
Typed = Callable[..., tuple[int, str]]


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Typed:
    """typed("data", ...) is (exit code, what was printed)."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["homines", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        said = capsys.readouterr()
        return int(left.value.code or 0), said.out + said.err

    return run


def test_counts_are_printed_by_kind_frame_stake_and_way_of_asking(typed: Typed) -> None:
    several = ("--frame", "table", "--frame", "experiment", "--stake", "9", "--stake", "$9")
    code, said = typed(*ROWS, *several, "--asks", "aloud", "--asks", "bare", "--labels", "many", "--out", "d")
    assert code == 0, said
    for line in (
        "games     split 6, symmetric 6",
        "frames    experiment 6, table 6",
        "stakes    $9 6, 9 6",
        "asks      aloud 6, bare 6",
    ):
        assert line in said


def test_rows_are_shown_in_full(typed: Typed) -> None:
    code, said = typed(*ROWS, "--show", "3", "--out", "d")
    assert code == 0, said
    first = [json.loads(line) for line in Path("d/train.jsonl").read_text().splitlines()][:4]
    for row, shown in zip(first, (True, True, True, False), strict=True):
        for turn in row["messages"]:
            assert (turn["content"] in said) == shown
    assert said.count("logit choice at precision 1:") == 3
    as_json = json.loads(typed(*ROWS, "--show", "1", "--json", "--out", "d")[1])
    assert as_json["rows"][0]["messages"] == first[0]["messages"]
    assert as_json["train"] == 12


def test_no_reasons_is_the_short_way_to_bare_answers(typed: Typed) -> None:
    assert typed(*ROWS, "--no-reasons", "--out", "d")[0] == 0
    assert json.loads(Path("d/recipe.json").read_text())["recipe"]["asks"] == ["bare"]
    code, said = typed(*ROWS, "--asks", "loudly", "--out", "e")
    assert code == 2
    assert "there are aloud, bare" in said


def test_help_and_errors_say_what_can_be_typed(typed: Typed) -> None:
    text = " ".join(typed("data", "--help")[1].split())
    assert "a name of `homines list games` without parameters; repeat for several" in text
    few = ("--game", "dilemma", "--n", "2", "--test", "0", "--out")
    for i, preference in enumerate(("lives", "economicus")):
        code, said = typed("data", "--to", preference, *few, "d")
        example = said.rpartition(", as ")[2].strip()
        assert (code, example[:15]) == (2, "lives(human=1, ")
        assert typed("data", "--to", example, *few, f"d{i}")[0] == 0
