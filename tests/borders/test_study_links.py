"""A study's folder may be a stranger's: no link in it is followed, and only our own lines are cut."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import homines
from homines.core.paths import PathError
from homines.core.registry import TrustedPath
from homines.core.run_folder import RunFolder
from homines.core.types import HominesError
from homines.reports.comparison_page import runs_in
from homines.reports.run_page import reports
from homines.studies.task import StudyTask
from homines.training.settings import AlignmentPlan, SupervisedSettings

CONFIG = {"kind": "measure", "command": ""}
LOGS = ("records.jsonl", "curve.jsonl", "periods.jsonl")
OPEN: dict[str, Callable[[StudyTask], Any]] = {
    "measuring": lambda task: task.measuring("a", "mock/uniform"),
    "run": lambda task: task.run("a", AlignmentPlan("smollm2", "economicus")),
    "distilled": lambda task: task.distilled("a", [], SupervisedSettings("sft"), lambda model: []),
}


@pytest.fixture
def task(tmp_path: Path) -> StudyTask:
    """A study whose run folder `a` is a link to a folder that is somebody's."""
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "notes.jsonl").write_text("{}\nmine")
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "a").symlink_to(victim)
    return StudyTask("mock/uniform", tmp_path / "study", (0,))


@pytest.mark.parametrize("way", OPEN.values(), ids=OPEN)
def test_a_run_folder_that_is_a_link_is_refused(
    task: StudyTask, way: Callable[[StudyTask], Any], tmp_path: Path
) -> None:
    with pytest.raises(PathError, match="is a link"):
        way(task)
    assert [path.name for path in (tmp_path / "victim").iterdir()] == ["notes.jsonl"]
    assert (tmp_path / "victim" / "notes.jsonl").read_text() == "{}\nmine"


def test_no_study_joins_a_run_folder_by_hand() -> None:
    sources = [*(Path(homines.__file__).parent / "studies").rglob("*.py")]
    joined = re.compile(r"task\.folder /|self\.folder / name,")
    assert [path.name for path in sources if joined.search(path.read_text())] == []


def test_a_place_is_trusted_as_its_folder_is(tmp_path: Path) -> None:
    assert isinstance(StudyTask("mock", TrustedPath(tmp_path), (0,)).place("a"), TrustedPath)
    assert not isinstance(StudyTask("mock", tmp_path, (0,)).place("a"), TrustedPath)


def test_only_lines_of_this_package_are_cut(tmp_path: Path) -> None:
    RunFolder(tmp_path, CONFIG).close()
    for name in (*LOGS, "notes.jsonl"):
        (tmp_path / name).write_text("torn")
    RunFolder(tmp_path, CONFIG).close()
    assert (tmp_path / "notes.jsonl").read_text() == "torn"
    assert [(tmp_path / name).read_text() for name in LOGS] == [""] * len(LOGS)


def test_a_link_to_a_run_is_not_found_but_may_be_named(tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    RunFolder(tmp_path / "secret", CONFIG).close()
    (tmp_path / "study" / "a").symlink_to(tmp_path / "secret")
    with pytest.raises(HominesError, match="holds none"):
        runs_in([tmp_path / "study"])
    with pytest.raises(HominesError, match=r"no config\.json"):
        reports([tmp_path / "study"])
    RunFolder(tmp_path / "study" / "b", CONFIG).close()
    assert runs_in([tmp_path / "study"]) == [tmp_path / "study" / "b"]
    assert runs_in([tmp_path / "study" / "a"]) == [tmp_path / "study" / "a"]
