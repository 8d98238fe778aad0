"""Sweeps: whatever dies and wherever cells are done, each is done once, and the bytes are the same."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import fsspec
import pytest

import homines
from homines.core.run_folder import RunFolder
from homines.core.types import HominesError, Interrupted
from homines.sweeps.cell import Job, Outcome, SourceTree, attempt
from homines.sweeps.grid import parse, read
from homines.sweeps.options import SweepOptions
from homines.sweeps.store import DONE, FAILED, SharedStore
from homines.sweeps.sweep import rows, sweep
from tests.helpers.running import HOMINES
from tests.helpers.sweeps import ROOT, alone, asks, begin, bytes_of, trapped, written
from tests.helpers.tiny import willing
from tests.helpers.traps import arm, wait_for


@pytest.fixture(autouse=True)
def quick_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """No page is drawn in this process: it takes longer than the cells here. Workers draw theirs."""
    monkeypatch.setattr("homines.sweeps.cell.write", lambda folder: None)


@pytest.fixture
def paths(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers find this homines, and tests.traps."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT / "src"), str(ROOT)]))
    monkeypatch.syspath_prepend(str(ROOT))  # what is spawned has this process's path


def attempts(store: SharedStore, name: str) -> list[str]:
    """Run folders of a cell, those that do not count too."""
    there = f"{store.root}/cells/{name}"
    store.fs.invalidate_cache()
    return [p for p in store.fs.ls(there, detail=False) if not p.endswith(".json")]


# --- the file ------------------------------------------------------------------------------------

MODELS = {"models": ["mock"]}
PREFERENCES = {"models": ["smollm2"], "preferences": ["economicus"]}
MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "no model": ({}, "models is not there; name at least one"),
    "nothing to do": (MODELS, "the grid is empty: models alone are nothing to do"),
    "an empty axis": ({**MODELS, "preferences": []}, "preferences must be a list of at least one word"),
    "an unknown key": ({**MODELS, "prefrences": ["x"]}, "no key 'prefrences'; did you mean 'preferences'"),
    "an unknown key of a table": (
        {**PREFERENCES, "align": {"step": 3}},
        r"\[align\] has no key 'step'; did you mean 'steps'",
    ),
    "a table that is none": ({**MODELS, "measure": True}, r"measure must be a table, written as \[measure\]"),
    "a word for a list": ({**MODELS, "preferences": "economicus"}, "preferences must be a list"),
    "a number for a word": ({"models": [3]}, "models must be a list of at least one word"),
    "a seed that is none": ({**PREFERENCES, "seeds": [0.5]}, "seeds must be a list of whole numbers"),
    "seeds that are truth values": ({**PREFERENCES, "seeds": [True]}, "seeds must be a list of whole"),
    "a wrong kind": ({**PREFERENCES, "align": {"lr": "fast"}}, "lr must be a number, got 'fast'"),
    "a wrong kind in a list": ({**PREFERENCES, "align": {"frames": [1]}}, "frames must be a list of words"),
    "out of range": ({**PREFERENCES, "align": {"objective": "discounted", "gamma": 2}}, "gamma"),
    "no such preference": ({**PREFERENCES, "preferences": ["moralss"]}, "did you mean 'moralis'"),
    "no such model": ({"models": ["mok"], "measure": {}}, "no model called 'mok'"),
    "no such game": ({**MODELS, "measure": {"games": ["ipt"]}}, "no game called 'ipt'"),
    "no such opponent": ({**PREFERENCES, "opponents": ["tit"]}, "no opponent called 'tit'"),
    "no such study": ({**MODELS, "studies": ["tennant"]}, "no study called 'tennant'; .*did you mean 'tenn"),
    "opponents of nobody": ({**MODELS, "opponents": ["random"]}, "opponents bears on nothing without pref"),
    "settings of nobody": ({**MODELS, "measure": {}, "align": {"lr": 1.0}}, r"\[align\] bears on nothing"),
    "a study's settings of nobody": ({**MODELS, "measure": {}, "study": {}}, r"\[study\] bears on nothing"),
    "what a study does not take": (
        {**MODELS, "studies": ["tennant2025"], "study": {"periods": 3}},
        "study tennant2025 takes no --periods",
    ),
    "an opponent of a game played once": (
        {**PREFERENCES, "opponents": ["random"], "align": {"game": "dictator"}},
        "dictator is no repeated game",
    ),
    "no threads": ({**MODELS, "measure": {}, "worker": {"threads": 0}}, "threads is 0 and gpus 0; at least"),
    "no number of GPUs": ({**PREFERENCES, "worker": {"gpus": math.nan}}, "gpus is nan; a cell takes a share"),
    "GPUs and a half": ({**PREFERENCES, "worker": {"gpus": 1.5}}, "gpus is 1.5; a cell takes a share of one"),
    "no such device": ({**PREFERENCES, "device": "foo"}, "no device 'foo'; there are cpu, cuda, mps"),
    "no such part of a device": ({**PREFERENCES, "device": "cuda:x"}, "no device 'cuda:x'"),
    "no such type": ({**PREFERENCES, "dtype": "int8"}, "no dtype 'int8'; there are float32, .*nf4"),
    "all weights in four bits": (
        {**PREFERENCES, "dtype": "nf4", "align": {"rank": 0}},
        "dtype is nf4 and rank 0; .*give rank 8 or more",
    ),
    "four bits on a processor": ({**PREFERENCES, "dtype": "nf4", "device": "cpu"}, "trained on cuda only"),
    "a model that has no weights": ({**PREFERENCES, "models": ["mock"]}, "mock cannot be trained here"),
    "a model behind an API": (
        {**PREFERENCES, "models": ["smollm2", "openai/gpt-4o"]},
        "openai/gpt-4o cannot be trained here: its weights are out of reach",
    ),
    "no such folder": ({"models": ["hf//no/such"], "measure": {}}, "hf//no/such: /no/such is no folder here"),
    "no such adapter": ({"models": ["smollm2+./none"], "measure": {}}, r"\./none is no folder here"),
    "an opponent in no folder": ({**PREFERENCES, "opponents": ["hf/a/b/c"]}, "a/b/c is no folder here"),
    "thinking aloud": (
        {**MODELS, "measure": {"frames": ["table(asks=aloud)"]}},
        "think aloud; a sweep does not",
    ),
}


@pytest.mark.parametrize(("table", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_in_the_file_is_told_before_any_work(table: dict[str, Any], message: str) -> None:
    with pytest.raises(HominesError, match=message):
        parse(table, "g")


def test_a_file_that_is_no_toml(tmp_path: Path) -> None:
    file = tmp_path / "grid.toml"
    with pytest.raises(HominesError, match=r"cannot read .*grid.toml"):
        read(file)
    file.write_text("models = [")
    with pytest.raises(HominesError, match=r"grid.toml is no TOML"):
        read(file)
    file.write_text("model = ['mock']")
    with pytest.raises(HominesError, match=r"grid.toml: the file has no key 'model'; did you mean 'models'"):
        read(file)


def test_the_grid_is_the_product_of_its_axes_each_cell_once() -> None:
    table = {
        "models": ["smollm2", "hf/some/model", "smollm2"],
        "preferences": ["economicus", "moralis(kappa=1)"],
        "opponents": ["random", "grim"],
        "seeds": [0, 1, 2],
        "studies": ["moral_machine"],
        "align": {"steps": 3},
        "measure": {"games": ["ipd", "ish"]},
    }
    grid = parse(table, "g")
    kinds = [cell.columns["kind"] for cell in grid.cells]
    assert {kind: kinds.count(kind) for kind in kinds} == {"align": 24, "measure": 4, "study": 2}
    assert len({cell.name for cell in grid.cells}) == len(grid.cells)
    assert parse(table, "another name").cells == grid.cells


def test_a_cell_is_what_bears_on_its_result(monkeypatch: pytest.MonkeyPatch) -> None:
    def key(**more: Any) -> str:
        (cell,) = parse({**PREFERENCES, **more}, "g").cells
        return cell.key

    changed = [
        key(),
        key(seeds=[1]),
        key(opponents=["random"]),
        key(align={"lr": 0.1}),
        key(dtype="bfloat16"),
        key(worker={"threads": 2}),
    ]
    assert len(set(changed)) == len(changed)
    assert key(opponents=["tit_for_tat"], seeds=[0]) == key() == key(worker={"gpus": 0.5})
    before = key()
    monkeypatch.setattr(homines, "__version__", "9")
    assert key() != before


# --- the store -----------------------------------------------------------------------------------


@pytest.fixture(params=["folder", "file://", "memory://"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> SharedStore:
    if request.param == "memory://":
        return SharedStore(f"memory://{tmp_path.name}")
    return SharedStore(f"{request.param if '/' in request.param else ''}{tmp_path / 'store'}")


CHECKPOINTS = (
    "run/checkpoints/checkpoint-9/trainer_state.json",
    "run/checkpoints/checkpoint-10/trainer_state.json",
    "run/checkpoints/checkpoint-11/weights",
)
"""An older one, the newest, and one that was not written to its end."""


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A run folder with a file in a folder, and what is not kept."""
    for name in ("run/records.jsonl", "run/adapter/weights", "run/.lock", *CHECKPOINTS):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path / "run"


def held(store: SharedStore, name: str, mark: str = DONE) -> list[str]:
    """Files of the attempt that a mark names."""
    attempt = store.marks([name], mark)[name]["attempt"]
    store.fs.invalidate_cache()
    return sorted(
        p.rpartition(f"{attempt}/")[2] for p in store.fs.find(f"{store.root}/cells/{name}/{attempt}")
    )


def test_what_is_marked_is_whole(store: SharedStore, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store.check()
    whole = store.fs.put_file

    def dies(here: str, there: str, **more: Any) -> None:
        if there.endswith("records.jsonl"):
            raise OSError("the disk is full")
        whole(here, there, **more)

    monkeypatch.setattr(store.fs, "put_file", dies)
    with pytest.raises(HominesError, match=r"cannot write to the store .* disk is full"):
        store.commit("c", made, {})
    assert store.marks(["c", "d"]) == {}
    monkeypatch.setattr(store.fs, "put_file", whole)
    store.commit("c", made, {"seconds": 1})
    assert held(store, "c") == ["adapter/weights", "records.jsonl"]
    assert store.marks(["c", "d"])["c"]["seconds"] == 1


def test_of_two_workers_the_last_mark_wins_and_either_is_whole(store: SharedStore, made: Path) -> None:
    store.commit("c", made, {"who": "first"})
    before = store.marks(["c"])["c"]
    store.commit("c", made, {"who": "second"})
    after = store.marks(["c"])["c"]
    assert (before["who"], after["who"]) == ("first", "second")
    assert before["attempt"] != after["attempt"]
    for mark in (before, after):
        there = f"{store.root}/cells/c/{mark['attempt']}/records.jsonl"
        assert bytes(store.fs.cat_file(there)) == b"run/records.jsonl"


def test_what_was_interrupted_is_gone_on_from_and_then_forgotten(
    store: SharedStore, made: Path, tmp_path: Path
) -> None:
    store.restore("c", tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()
    store.fail("c", {"error": "interrupted"}, made)
    store.restore("c", tmp_path / "again")
    assert (tmp_path / "again/adapter/weights").read_text() == "run/adapter/weights"
    assert [p.name for p in (tmp_path / "again/checkpoints").iterdir()] == ["checkpoint-10"]
    store.commit("c", made, {})
    assert store.marks(["c"], FAILED) == {}
    assert len(attempts(store, "c")) == 1
    assert held(store, "c") == ["adapter/weights", "records.jsonl"]


@pytest.mark.parametrize(
    "mark", [{"error": "interrupted after 3 of 8 questions"}, {"error": "stopped", "interrupted": True}]
)
def test_an_interrupted_cell_is_missing_and_not_failed(
    store: SharedStore, made: Path, mark: dict[str, Any]
) -> None:
    """Also by the mark of an earlier version, which says it in its error alone."""
    grid = asks("ipd")
    (cell,) = grid.cells
    store.fail(cell.name, mark, made)
    assert [row["state"] for row in rows(grid, store)] == ["missing"]
    store.fail(cell.name, {"error": "a full disk"}, made)
    assert [row["state"] for row in rows(grid, store)] == ["failed"]


def test_a_mark_that_was_torn_is_none(store: SharedStore) -> None:
    store.write("cells/c/done.json", '{"attempt": "ab')
    assert store.marks(["c"]) == {}


def test_a_store_that_cannot_be_used_is_told_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for url in ("/proc/homines", str(tmp_path / "file")):
        with pytest.raises(HominesError, match=r"cannot write to the store .*; give --store a place"):
            sweep(asks(), SharedStore(url))
    with pytest.raises(HominesError, match=r"no store 'nosuch://x': .*nosuch"):
        SharedStore("nosuch://x")
    with pytest.raises(HominesError, match=r"the store ...@host/x holds a password; leave it") as told:
        SharedStore("ftp://me:secret@host/x")
    assert "secret" not in str(told.value)


@pytest.mark.parametrize("url", ["", " ", "file://"])
def test_a_store_that_names_no_place(url: str) -> None:
    with pytest.raises(HominesError, match=r"which names no place \(is the variable"):
        SharedStore(url)


class Locked(fsspec.get_filesystem_class("memory")):
    """A store that may be read and not written, as a bucket without permission."""

    protocol = "locked"

    def pipe_file(self, path: str, value: bytes, **_: Any) -> None:
        raise PermissionError(f"Access Denied: {path}")


def test_a_store_without_permission(tmp_path: Path) -> None:
    fsspec.register_implementation("locked", Locked, clobber=True)
    with pytest.raises(HominesError, match=r"cannot write to the store locked://b \(PermissionError: Access"):
        sweep(asks(), SharedStore("locked://b"))


def test_a_store_that_only_this_process_sees_is_no_store_for_workers() -> None:
    with pytest.raises(HominesError, match="lives in this process alone"):
        sweep(asks(), SharedStore("memory://m"), SweepOptions("local"))


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"engine": "spark"}, "no engine called 'spark'; there are here, local, ray"),
        ({"workers": 2}, "--workers bears on nothing beside --engine here"),
        ({"engine": "local", "workers": 0}, "workers is 0; at least 1"),
        ({"engine": "local", "address": "x"}, "--address bears on nothing beside --engine local"),
    ],
)
def test_engines_that_cannot_be(how: dict[str, Any], message: str) -> None:
    with pytest.raises(HominesError, match=message):
        SweepOptions(**how)


@pytest.mark.parametrize("engine", ["here", "local"])
def test_gpus_that_no_engine_would_give(engine: str, tmp_path: Path) -> None:
    with pytest.raises(HominesError, match=f"gpus is 0.5, which bears on nothing beside --engine {engine}"):
        sweep(asks(worker={"gpus": 0.5}), SharedStore(str(tmp_path)), SweepOptions(engine))
    assert not list(tmp_path.iterdir())


# --- in this process -----------------------------------------------------------------------------


def test_a_cell_is_the_run_folder_that_measure_makes(store: SharedStore, tmp_path: Path) -> None:
    grid = asks("ipd")
    (row,) = sweep(grid, store)
    name = grid.cells[0].name
    assert held(store, name) == [
        "asked.json",
        "config.json",
        "prompts.jsonl",
        "provenance.json",
        "records.jsonl",
    ]
    command = [*HOMINES, "measure", "mock", "--out", str(tmp_path / "by hand")]
    subprocess.run(command, check=True, capture_output=True)
    by_hand, swept = RunFolder(tmp_path / "by hand"), tmp_path / "swept"
    store.fs.get(f"{store.root}/{row['folder']}", str(swept), recursive=True)
    assert (by_hand.folder / "records.jsonl").read_bytes() == (swept / "records.jsonl").read_bytes()
    assert {**RunFolder(swept).config, "command": ""} == {**by_hand.config, "command": ""}


def test_a_rerun_does_only_what_is_missing(store: SharedStore) -> None:
    sweep(asks("ipd", "ish"), store)
    before = {cell.name: attempts(store, cell.name) for cell in asks("ipd", "ish").cells}
    told: list[int] = []
    found = sweep(asks(), store, tell=lambda finished, outcome: told.append(finished))
    assert told == [2, 3]
    assert [row["state"] for row in found] == ["done"] * 3
    assert {name: attempts(store, name) for name in before} == before


def test_the_summary_has_a_row_a_cell_and_what_may_differ_stands_beside_it(store: SharedStore) -> None:
    grid = asks("ipd", "ultimatum", model="mock/uniform")
    sweep(grid, store)

    def table(name: str) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(store.fs.cat_file(f"{store.root}/g/{name}").decode())))

    ipd, ultimatum = table("sweep.csv")
    assert (ipd["game"], ipd["state"], ipd["measured C|C"], ipd["measured legal mass"]) == (
        "ipd",
        "done",
        "0.5",
        "1.0",
    )
    assert ultimatum["measured C|C"] == ""
    assert not {"seconds", "folder", "machine"} & set(ipd)
    places = table("cells.csv")
    assert [row["cell"] for row in places] == [ipd["cell"], ultimatum["cell"]]
    assert all(float(row["seconds"]) >= 0 and row["folder"] and row["machine"] for row in places)


def test_a_summary_of_another_grid_is_put_aside(store: SharedStore) -> None:
    said: list[str] = []
    for games in (["ipd"], ["ipd", "ish"]):  # a grid that grew is the same one
        sweep(asks(*games), store, say=said.append)
    assert not said
    before = store.read("g/sweep.csv")
    sweep(asks("icn"), store, say=said.append)
    assert len(said) == 1
    older = said[0].rpartition("/g/")[2]
    assert store.read(f"g/{older}/sweep.csv") == before
    assert "ipd" not in (store.read("g/sweep.csv") or "")


def test_a_bad_cell_stops_no_other_and_is_tried_again(store: SharedStore, tmp_path: Path) -> None:
    grid = trapped(tmp_path / "trap", "fail")
    arm(tmp_path / "trap")
    found = sweep(grid, store)
    assert sorted(row["state"] for row in found) == ["done", "done", "failed"]
    (bad,) = (row for row in found if row["state"] == "failed")
    assert bad["error"] == "RuntimeError: the trap was sprung"
    assert not bad["page"]
    assert [row["state"] for row in sweep(grid, store)] == ["done"] * 3
    assert bytes_of(store, grid) == alone(grid, tmp_path / "alone")


def test_failed_questions_are_kept_and_asked_again(
    store: SharedStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from homines.models import mock

    grid = asks("ipd", model="mock/broken")
    name = grid.cells[0].name
    (row,) = sweep(grid, store)
    assert row["state"] == "failed"
    assert "questions failed; the next run asks them again" in row["error"]
    asked: list[str] = []

    def healed(prompt: Any) -> Any:
        asked.append(prompt.text)
        return mock.hashed(prompt)

    failed = int(row["error"].partition(" ")[0])
    monkeypatch.setitem(mock.HANDLERS, "broken", healed)
    (row,) = sweep(grid, store)
    assert row["state"] == "done"
    assert len(asked) == failed > 0
    assert len(attempts(store, name)) == 1


def test_stopped_between_cells_and_within_one_then_gone_on_from_there(
    store: SharedStore, tmp_path: Path
) -> None:
    grid = asks()
    asked = 0

    def stop() -> bool:
        nonlocal asked
        asked += 1
        return asked > 5  # three looks a cell: before it and before both of its batches

    with pytest.raises(Interrupted, match="stopped after 1 of 3 cells"):
        sweep(grid, store, stop=stop)
    second = grid.cells[1].name
    assert "records.jsonl" in held(store, second, FAILED)
    assert [row["state"] for row in rows(grid, store)] == ["done", "missing", "missing"]
    sweep(grid, store)
    assert bytes_of(store, grid) == alone(grid, tmp_path / "alone")


def test_a_cell_that_is_out_of_memory_in_this_process_is_recorded(store: SharedStore, tmp_path: Path) -> None:
    grid = trapped(tmp_path / "trap", "exhaust")
    arm(tmp_path / "trap")
    found = sweep(grid, store)
    assert [row["state"] for row in found] == ["failed", "done", "done"]
    assert found[0]["error"].startswith("out of memory")


def test_a_worker_of_another_version_does_nothing(store: SharedStore) -> None:
    (cell,) = asks("ipd").cells
    other = SourceTree("0.0.1", "abc")
    done = attempt(Job(cell, store.url, other, ""))
    assert done.state == "lost"
    assert "this worker has homines" in (done.error or "")
    assert "started with homines 0.0.1 (abc)" in (done.error or "")
    assert store.marks([cell.name]) == {}


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory, tokenizer: Any) -> str:
    """A network that trains in a second, as a model's name."""
    folder = tmp_path_factory.mktemp("student")
    willing(tokenizer).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return f"hf/{folder}"


def test_a_training_that_was_interrupted_goes_on_from_its_checkpoint(student: str, tmp_path: Path) -> None:
    table = {
        "models": [student],
        "preferences": ["economicus"],
        "device": "cpu",
        "align": {"steps": 5, "rank": 4, "side_effects": False},
    }
    grid, store = parse(table, "g"), SharedStore(str(tmp_path / "store"))
    (cell,) = grid.cells
    steps: list[int] = []

    def stop() -> bool:
        return bool(steps) and steps[-1] >= 2

    logged = RunFolder.log

    def log(run: RunFolder, row: Any, name: str = "curve.jsonl") -> None:
        logged(run, row, name)
        steps.append(row["step"])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunFolder, "log", log)
        with pytest.raises(Interrupted):
            sweep(grid, store, stop=stop)
        stopped = steps[-1]
        assert [p for p in held(store, cell.name, FAILED) if p.endswith("trainer_state.json")] == [
            f"checkpoints/checkpoint-{stopped}/trainer_state.json"
        ]
        sweep(grid, store)
    assert stopped < 5
    assert steps == [1, 2, 3, 4, 5]
    assert not [p for p in held(store, cell.name) if "checkpoints" in p]
    curve = f"{store.root}/cells/{cell.name}/{store.marks([cell.name])[cell.name]['attempt']}/curve.jsonl"
    assert [json.loads(line)["step"] for line in Path(curve).read_text().splitlines()] == steps
    assert bytes_of(store, grid) == alone(grid, tmp_path / "alone")


# --- in processes of this machine ----------------------------------------------------------------


@pytest.mark.usefixtures("paths")
def test_the_same_bytes_in_other_processes(student: str, tmp_path: Path) -> None:
    grid = parse(
        {
            "models": [student],
            "preferences": ["economicus", "game_deontological"],
            "device": "cpu",
            "align": {"steps": 2, "rank": 4, "side_effects": False},
            "measure": {},
        },
        "g",
    )
    store = SharedStore(str(tmp_path / "store"))
    found = sweep(grid, store, SweepOptions("local", workers=2))
    assert [row["state"] for row in found] == ["done"] * 3
    assert bytes_of(store, grid) == alone(grid, tmp_path / "alone")
    for row in found:
        assert (tmp_path / "store" / row["page"]).exists()
    first = next(row for row in found if row["kind"] == "align")
    config = json.loads((tmp_path / "store" / first["folder"] / "adapter/adapter_config.json").read_text())
    assert config["target_modules"] == sorted(config["target_modules"])


@pytest.mark.usefixtures("paths")
@pytest.mark.parametrize("how", ["kill", "exhaust"])
def test_a_worker_that_dies_costs_nothing(how: str, tmp_path: Path) -> None:
    grid = trapped(tmp_path / "trap", how)
    want = alone(grid, tmp_path / "alone")
    arm(tmp_path / "trap")
    store = SharedStore(str(tmp_path / "store"))
    ended: list[str] = []

    def tell(finished: int, outcome: Outcome | None) -> None:
        ended.extend([outcome.name] if outcome else [])

    sweep(grid, store, SweepOptions("local", workers=1), tell=tell)
    assert not list((tmp_path / "trap").iterdir())
    assert sorted(ended) == sorted(cell.name for cell in grid.cells)
    assert bytes_of(store, grid) == want


@pytest.mark.usefixtures("paths")
def test_a_cell_that_kills_every_worker_has_failed_and_the_others_are_done(tmp_path: Path) -> None:
    grid = trapped(tmp_path / "trap", "kill", ["ipd"])
    grid = replace(grid, cells=(*grid.cells, *asks("ish").cells))
    arm(tmp_path / "trap", times=3)
    found = sweep(grid, SharedStore(str(tmp_path / "store")), SweepOptions("local", workers=2))
    assert [row["state"] for row in found] == ["failed", "done"]
    assert found[0]["error"].startswith("its worker died 3 times, at last with killed by signal 9")


@pytest.mark.usefixtures("paths")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_the_driver_dies_and_the_same_command_goes_on(number: signal.Signals, tmp_path: Path) -> None:
    file, grid = written(tmp_path)
    want = alone(grid, tmp_path / "alone")
    store = tmp_path / "store"
    arm(tmp_path / "trap")
    driver = begin(file, store, "--engine", "local", "--workers", "2")
    wait_for((tmp_path / "trap" / "begun").exists, driver)
    wait_for(lambda: list(store.glob(f"cells/*/{DONE}")), driver)
    driver.send_signal(number)
    if number == signal.SIGINT:
        time.sleep(2)  # two at once are one
        driver.send_signal(number)
    driver.communicate()
    assert driver.returncode == (-9 if number == signal.SIGKILL else 130)
    again = begin(file, store, "--engine", "local", "--workers", "2")
    _, said = again.communicate()
    assert again.returncode == 0, said
    assert bytes_of(SharedStore(str(store)), grid) == want
