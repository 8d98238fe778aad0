"""Fields of another kind than ours in a stranger's folder or file: a sentence, never a crash or a number."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from homines.core.plugins import names
from homines.core.registry import find
from homines.core.run_folder import NO_DISTRIBUTION, RunFolder, StoreError
from homines.core.types import Choice, HominesError, Record
from homines.datasets import folder as data_folder
from homines.datasets.recipe import Recipe
from homines.elicitation.questions import battery
from homines.people.plan import SessionPlan
from homines.reports.run_page import write
from homines.sweeps.grid import read as read_grid


def run_of(folder: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    with RunFolder(folder, {"kind": "measure", "model": "m"}) as run:
        for d in battery(find("games", "ipd")):
            run.add(
                [Record(d, "table(labels='X,Y')", ((0, 1),), ("X", "Y"), "m", "ipd", Choice.of([0.0, 1.0]))]
            )
    path = folder / "records.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows:
        del row["sum"]
        change(row)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


FIELDS: dict[str, Any] = {
    "an action nobody has": {"history": [[0, 99]]},
    "acts as words": {"history": [["a", "b"]]},
    "half an act": {"history": [[1.5, 0]]},
    "an act below": {"history": [[-1, 0]]},
    "true as an act": {"history": [[True, 0]]},
    "three players": {"history": [[0, 0, 0]]},
    "lists as acts": {"history": [[[0], [0]]]},
    "text as history": {"history": "x"},
    "no such player": {"player": 5, "history": [[0, 0]]},
    "a player beyond": {"player": 10**19, "history": [[0, 0]]},
    "names too few": {"names": [["a"]], "history": [[0, 1]]},
    "names of numbers": {"names": [[1, 2], [1, 2]]},
    "actions of numbers": {"actions": [1, 2]},
}


@pytest.mark.parametrize("change", FIELDS.values(), ids=FIELDS)
def test_a_decision_that_cannot_be_is_a_line_to_remove(tmp_path: Path, change: dict[str, Any]) -> None:
    folder = run_of(tmp_path / "run", lambda row: row["decision"].update(change))
    with pytest.raises(StoreError, match=r"line 1\)|line 1 "):
        write(folder)


@pytest.mark.parametrize("order", [[[]], [[0, 0]], [[9, 9]], [["a", "b"]], [[1]], 5])
def test_an_order_names_each_option_once(tmp_path: Path, order: Any) -> None:
    with pytest.raises(StoreError, match="line 1"):
        RunFolder(run_of(tmp_path / "run", lambda row: row.update(order=order)))


@pytest.mark.parametrize("n", [0, -1, 10**10, 10**19, True, 1.5])
def test_samples_that_cannot_be_are_no_answer(tmp_path: Path, n: Any) -> None:
    run = RunFolder(run_of(tmp_path / "run", lambda row: row["choice"].update(n=n)))
    assert {r.error for r in run.records} == {NO_DISTRIBUTION}
    assert run.unsound == len(run.records)


WRITTEN = {
    "ordinal": "ordinal(1, 2)",
    "symmetric": "symmetric(3, 0, 4, 1)",
    "dilemma": "dilemma(age, 3)",
    **{name: f"{name}(3)" for name in ("spd", "trust", "ultimatum")},
}


@pytest.mark.parametrize("name", names("games"))
def test_the_decisions_of_our_own_games_are_read_back(name: str, tmp_path: Path) -> None:
    game = find("games", WRITTEN.get(name, name))
    with RunFolder(tmp_path / "run", {"kind": "measure", "model": "m"}) as run:
        for d in battery(game):
            p = Choice.of([0.0] * len(d.actions))
            order = (tuple(range(len(d.actions))),)
            run.add([Record(d, "table", order, tuple(d.actions), "m", name, p)])
    assert [r.decision.key for r in RunFolder(tmp_path / "run").records] == [
        r.decision.key for r in run.records
    ]


@pytest.mark.parametrize("course", [5, "x", ["by"]])
def test_a_course_of_another_kind_is_none(tmp_path: Path, course: Any) -> None:
    folder = run_of(tmp_path / "run", lambda row: None)
    config = {"kind": "tune", "model": "m", "course": course}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "training.json").write_text(json.dumps({"result": "adapter"}))
    (folder / "adapter").mkdir()
    assert write(folder).exists()


TARGETS = ([70, -60], [1], ["a", "b"], [None, 1], {"a": 1}, [0.5, 0.6], [[0.5, 0.5]])
ROWS: dict[str, Any] = {f"target {target}": {"target": target} for target in TARGETS}
ROWS |= {"order": {"order": [[9, 9]]}, "game": {"game": {}}, "cue": {"cue": 9}, "frame": {"frame": ["table"]}}


@pytest.mark.parametrize("change", ROWS.values(), ids=ROWS)
def test_a_row_of_data_that_cannot_be_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    data_folder.write(Recipe("economicus", train=4, test=2), tmp_path / "data")
    path = tmp_path / "data" / "train.facts.jsonl"
    assert data_folder.read(tmp_path / "data")[1]
    rows = [json.loads(line) | change for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(HominesError):
        data_folder.read(tmp_path / "data")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            f"preferences = {[f'moralis(kappa=0.{i:03d})' for i in range(900)]}\nseeds = {list(range(900))}",
            "cells",
        ),
        ("[worker]\nthreads = 1000000000000", "threads"),
        ("x = " + "[" * 3000, "is no TOML"),
    ],
)
def test_a_grid_is_bounded(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "g.toml"
    file.write_text(f'models = ["smollm2"]\n{text}\n')
    with pytest.raises(HominesError, match=told):
        read_grid(file)


@pytest.mark.parametrize(
    "change", [{"model": 5}, {"model": None}, {"games": {"ipd": 1}}, {"frames": [3]}, {"person": 5}]
)
def test_a_sitting_of_another_kind_is_none(change: dict[str, Any]) -> None:
    config = SessionPlan(("ipd",), "tit_for_tat", "table(labels='X,Y')").config()
    assert SessionPlan.of(config)
    with pytest.raises(HominesError, match="no config of a sitting"):
        SessionPlan.of(config | change)


def test_a_game_whose_decisions_have_other_actions_has_a_page(tmp_path: Path) -> None:
    """Duty is a rule about C and D; a stranger's game may have these at one decision and none at the next."""
    folder = run_of(tmp_path / "run", lambda row: None)
    path = folder / "records.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[-1]["decision"] |= {"actions": ["left", "right"], "theirs": [["left", "right"]]}
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    page = write(folder, tmp_path / "page")
    assert "</html>" in page.read_text(encoding="utf-8")
