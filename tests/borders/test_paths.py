"""Nothing outside a run folder is written, whatever its files name and wherever its links lead."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from homines.cli.amce import write_groups
from homines.core.paths import (
    PathError,
    inside,
    make_folder,
    open_file,
    read,
    tidy,
    write_whole,
    write_whole_folder,
)
from homines.core.registry import find
from homines.core.run_folder import RunFolder
from homines.core.types import HominesError
from homines.elicitation.asking import measure
from homines.elicitation.questions import battery, questions
from homines.models.mock import HANDLERS, Mock
from homines.reports import model_card
from homines.reports.run_page import write as page
from homines.studies.task import StudyTask
from homines.training.lifecycle import finished_training

CONFIG = {"kind": "align", "command": "", "model": "mock", "preference": "economicus", "games": ["ipd"]}
NAMES = [
    "", ".", "..", "/", "/etc/passwd", "../x", "a/../b", "a/..", "./a", "a//b", "a/", "a\\b", "a\0b", "a\nb",
    "x" * 256, "漢" * 86, "\ud800",
]  # fmt: skip


# --- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "use", [inside, read, make_folder, lambda folder, name: write_whole(folder, name, "x")]
)
def test_a_name_that_leads_out_is_no_path(use: Callable[..., Any], name: str, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with pytest.raises(PathError, match="is no name of a file in a folder"):
        use(tmp_path / "run", name)
    assert [p.name for p in tmp_path.rglob("*")] == ["run"]


@pytest.mark.parametrize("name", ["a", "a/b.json", ".lock", "..a", "été/ü x", "a.b..c", "[r]=1,x@y+z"])
def test_a_name_in_the_folder_is_a_path(name: str, tmp_path: Path) -> None:
    assert inside(tmp_path, name) == tmp_path / name
    make_folder(tmp_path, name)
    assert (tmp_path / name).is_dir()


def test_the_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "run").symlink_to("real")
    write_whole(tmp_path / "run", "a", "x")
    assert (tmp_path / "real" / "a").read_text() == "x"


@pytest.mark.parametrize("mode", ["rb", "ab", "r+b"])
def test_what_is_no_file_is_not_opened(mode: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "there").write_text("mine")
    (tmp_path / "link").symlink_to("there")
    for name in ("pipe", "link"):
        with pytest.raises(PathError, match=r"is a link|neither a file nor a folder"):
            open_file(tmp_path, name, mode)
    assert (tmp_path / "there").read_text() == "mine"


def test_a_file_is_whole_or_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_whole(tmp_path, "a", "before")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(tmp_path, "a", "after")
    with pytest.raises(OSError, match="No space"), write_whole_folder(tmp_path, "f") as aside:
        (aside / "x").write_text("x")
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_text() == "before"


def test_what_killed_processes_left_aside_goes_and_nothing_else(tmp_path: Path) -> None:
    kept = [tmp_path / name for name in (".a.making", "a.making", f".a.{'0' * 15}g.making")]
    left = [tmp_path / f".a.{i:016x}.making" for i in range(2)]
    for path in (*kept, left[0]):
        path.write_text("")
    left[1].symlink_to(tmp_path.parent)
    tidy(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted(kept)


def test_below_a_folder_only_what_lies_aside_for_long_goes(tmp_path: Path) -> None:
    names = [f"{at}.a.{i:016x}.making" for i, at in enumerate(("tables/", "a/b/", "adapter/", "other/"))]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
        if not name.startswith("adapter"):  # that one somebody may be writing
            os.utime(tmp_path / name, (1e9, 1e9))
    (tmp_path / "other" / ".lock").write_text("")  # a run of its own
    (tmp_path.parent / "outside").mkdir(exist_ok=True)
    theirs = tmp_path.parent / "outside" / f".a.{9:016x}.making"
    theirs.write_text("")
    os.utime(theirs, (1e9, 1e9))
    (tmp_path / "link").symlink_to(theirs.parent)
    tidy(tmp_path)
    assert [name for name in names if (tmp_path / name).exists()] == names[2:]
    assert theirs.exists()


@pytest.mark.parametrize("name", ["漢" * 80, "é" * 127, "x" * 255])
def test_the_longest_names_are_written(name: str, tmp_path: Path) -> None:
    write_whole(tmp_path, name, "x")
    with write_whole_folder(tmp_path, f"{name[:-1]}y"):
        pass
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("number", [errno.EBADF, errno.EINVAL])
def test_a_system_that_cannot_sync_what_is_open_for_reading(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Windows."""

    def fsync(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fsync)
    with write_whole_folder(tmp_path, "f") as aside:
        (aside / "x").write_text("x")
    assert (tmp_path / "f" / "x").read_text() == "x"


def test_a_file_that_the_user_names_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "groups.csv").write_text("before")
    (tmp_path / "out.csv").symlink_to("far/groups.csv")
    counted: Any = SimpleNamespace(groups={})
    write_groups(counted, tmp_path / "out.csv")
    assert (tmp_path / "out.csv").is_symlink()
    assert (tmp_path / "far" / "groups.csv").read_text().startswith("Estimates")


# --- a stranger's run folder ----------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run with an adapter, in a folder that holds other things."""
    monkeypatch.setattr("homines.reports.run_charts.draw", lambda rows, drawn: {})  # drawn elsewhere
    for name in ("README.md", "victim/README.md", "victim/states.csv", "victim/records.jsonl"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("mine\n")
    run = tmp_path / "run"
    with RunFolder(run, CONFIG) as held:
        model = Mock(HANDLERS[""], "mock")
        asked = questions(model, {"ipd": battery(find("games", "ipd"))}, [find("frames", "table")])
        measure(model, asked, held)
        held.note("training.json", {"result": "adapter", "seconds": 1.0, "last": {}})
    (run / "adapter").mkdir()
    return run


def outside(folder: Path) -> dict[str, bytes]:
    return {
        str(path): path.read_bytes()
        for path in sorted(folder.parent.rglob("*"))
        if path.is_file() and not path.is_relative_to(folder)
    }


def result(name: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        noted = json.loads((folder / "training.json").read_text())
        (folder / "training.json").write_text(json.dumps({**noted, "result": name, "rival": name}))

    return change


def link(name: str, to: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / name
        if path.is_dir():
            path.rename(folder.parent / "moved")
        path.unlink(missing_ok=True)
        path.symlink_to(to)

    return change


HOSTILE: dict[str, Callable[[Path], None]] = {
    "a result that is the folder above": result(".."),
    "a result beside": result("../victim"),
    "a result that is no name": result(["adapter"]),
    "a result somewhere": result("/tmp"),
    "a result further down": result("adapter/../../victim"),
    "the page set aside": link("report.making", "../README.md"),
    "the page": link("report.html", "../README.md"),
    "the tables": link("tables", "../victim"),
    "the figures": link("figures", "../victim"),
    "the adapter": link("adapter", "../victim"),
    "the card": link("adapter/README.md", "../../README.md"),
    "the card set aside": link("adapter/README.making", "../../README.md"),
    "a note set aside": link("asked.making", "../README.md"),
    "a note": link("asked.json", "../README.md"),
    "the records": link("records.jsonl", "../victim/records.jsonl"),
    "the curve": link("curve.jsonl", "../victim/records.jsonl"),
    "another log": link("other.jsonl", "../victim/torn.jsonl"),
    "the lock": link(".lock", "../victim/lock"),
    "the config set aside": link("config.making", "../README.md"),
}


def use(folder: Path) -> None:
    """All that a user may do with a run folder."""
    said: list[str] = []
    for do in (
        lambda: page(folder),
        lambda: model_card.write(folder),
        lambda: write(folder),
        lambda: begin(folder),
    ):
        try:
            do()
        except HominesError as failure:
            said.append(str(failure))
    assert not [text for text in said if "\n" in text]  # one sentence each


def write(folder: Path) -> None:
    with RunFolder(folder, CONFIG) as run:
        run.note("asked.json", {"all": {}})
        run.log({"step": 1})
        run.add(run.records[:1])


def begin(folder: Path) -> None:
    """A study's training that may be done already."""
    task = StudyTask("mock", folder, (0,))
    with task.timed():
        finished_training(folder)


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE)
def test_nothing_outside_a_run_folder_is_written(change: Callable[[Path], None], folder: Path) -> None:
    change(folder)
    (folder.parent / "victim" / "torn.jsonl").write_text("{}\ntorn")
    before = outside(folder)
    use(folder)
    assert outside(folder) == before


def test_the_same_folder_unchanged_is_used_as_ever(folder: Path) -> None:
    """So that the test above does not hold because nothing works."""
    before = outside(folder)
    made = page(folder)
    write(folder)
    assert made.read_text().startswith("<!")
    assert (folder / "adapter" / "README.md").exists()
    assert list((folder / "tables").glob("*.csv"))
    assert outside(folder) == before
    assert not list(folder.rglob("*.making"))
