"""Every study on models that cannot be trained here: sampled, exact, mute, out of reach, all in one call."""

from __future__ import annotations

import csv
import json
import random
import re
import shlex
from collections.abc import Iterator
from dataclasses import fields, replace
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any
from weakref import ref

import pytest

from homines.cli.study import StudyOptions
from homines.core.plugins import names
from homines.core.run_folder import RunFolder
from homines.core.types import HominesError, Model
from homines.inference import server
from homines.models import load
from homines.models.mock import Mock, hashed
from homines.reports import page as pages
from homines.studies.omissions import NEEDS, Omission
from homines.studies.task import StudyResult, StudyTask

SAMPLED, MUTE = "mockllm/sampled(samples=4)", "mockllm/mute(samples=1)"
EXACT, ABSENT = "mock", "mock/none"

RATES = {
    "lu2025": ("conditions", "share"),
    "tennant2025": ("behaviour", "C after C,C"),
    "pricing": ("prices", "legal mass"),
    "av_dilemma": ("behaviour", "2 saved"),
    "moral_machine": ("effects", "legal mass"),
}
"""A table of each study and a rate in it."""


def labels_of(text: str) -> list[str]:
    """The labels that the last line of a prompt asks for; 'now?' lists them in the lines before."""
    last = text.strip().splitlines()[-1]
    if aloud := re.search(r'"Answer: (.*?)" or "Answer: (.*?)"', last):
        return [*aloud.groups()]
    if menu := re.search(r"exactly a number from (\d+) to (\d+)", last):
        return [*menu.groups()]
    asked = re.search(r"(?:exactly|Reply with) (.*?)(?: only)?\.$", last)
    return ["1.70"] if asked is None or "these" in last else re.split(r", | or ", asked[1])


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> None:
    """Inspect's mock: one model says a label, seven times in eight; another says none. No images."""
    inspecting = pytest.importorskip("tests.helpers.inspecting")
    from homines.models import inspect

    turns = count()

    def answer(text: str, config: Any) -> str:
        draw = random.Random(next(turns))
        if "Price: a number" in text:
            return f"Plans: none\nInsights: none\nPrice: {draw.uniform(1, 2):.2f}"
        words = labels_of(text)
        said = words[-1 if draw.random() < 0.4 else 0]
        return "As you like." if draw.random() < 1 / 8 else f"Answer: {said}"

    def connect(name: str) -> Any:
        mute = name.endswith("mute")
        return inspecting.saying((lambda text, config: "As you like.") if mute else answer, name)

    monkeypatch.setattr(inspect, "connect", connect)
    monkeypatch.setattr(pages, "images", lambda *args: None)


def tables(folder: Path) -> Iterator[tuple[str, list[dict[str, str]]]]:
    for path in sorted((folder / "tables").glob("*.csv")):
        with open(path, newline="") as file:
            yield path.stem, list(csv.DictReader(file))


def lead(folder: Path) -> str:
    """The first section of a page."""
    return (folder / "report.html").read_text().split('id="summary"')[1].split("</section>")[0]


def task_of(name: str, folder: Path, model: str, *also: str) -> StudyTask:
    return StudyTask(model, folder, (0,), quick=True, also=also, study=name)


def run(name: str, folder: Path, model: str, *also: str) -> StudyResult:
    study = import_module(f"homines.studies.{name}.study")
    return study.run(task_of(name, folder, model, *also))


@pytest.mark.parametrize("name", names("studies"))
@pytest.mark.usefixtures("served")
def test_a_study_measures_what_can_be_measured_and_says_what_was_left_out(name: str, tmp_path: Path) -> None:
    also = (EXACT, MUTE, ABSENT)
    result = run(name, tmp_path, SAMPLED, *also)
    assert result.failed == 0
    assert [*result.unread] == [ABSENT]  # it cost the others nothing
    top = lead(tmp_path)
    assert f"{ABSENT} could not be asked" in top
    assert f"Answers of {SAMPLED} are samples" in top
    assert f"No rate of {MUTE} is shown" in top
    for omission in result.omissions:
        assert omission.section in top
        assert NEEDS[omission.need] in top.replace("&#39;", "'")
    task = task_of(name, tmp_path, SAMPLED, *also)
    if hasattr(import_module(f"homines.studies.{name}.study"), "kinds"):
        (training,) = {o.command(task) for o in result.omissions if o.need == "training"}
        assert shlex.split(training)[:5] == ["homines", "study", name, "--model", "smollm2"]
        assert f"--also {shlex.quote(SAMPLED)}" in training

    shown = dict(tables(tmp_path))
    assert all(rows for rows in shown.values())
    cells = {stem: {cell for row in rows for cell in row.values()} for stem, rows in shown.items()}
    of_models = [stem for stem, values in cells.items() if EXACT in values]
    assert of_models
    for stem in of_models:
        assert SAMPLED in cells[stem]
        assert stem == "verdicts" or MUTE not in cells[stem]
    stem, rate = RATES[name]
    (row,) = [row for row in shown[stem] if row[rate] and SAMPLED in row.values()][:1]
    assert float(row[f"{rate} lower"]) <= float(row[rate]) <= float(row[f"{rate} upper"])
    assert int(row[f"{rate} n"]) > 0
    page = (tmp_path / "report.html").read_text()
    assert "There is nothing to show here yet" not in page


@pytest.mark.parametrize("name", names("studies"))
def test_what_a_dry_run_counts_is_what_is_asked(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "images", lambda *args: None)
    study = import_module(f"homines.studies.{name}.study")
    run(name, tmp_path, "mock/uniform", "mock")
    exams = study.exams(task_of(name, tmp_path, "mock/uniform", "mock"))
    assert list(dict.fromkeys(exam.model for exam in exams)) == ["mock/uniform", "mock"]
    for folder, _, exam in exams:
        with RunFolder(tmp_path / folder) as asked:
            assert {q.prompt.key for q in exam(Mock(hashed))} == {
                r.provenance["prompt"] for r in asked.records
            }


def test_failed_questions_of_one_model_cost_the_other_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "images", lambda *args: None)
    result = run("tennant2025", tmp_path, "mock/broken", "mock")
    assert result.failed > 0
    assert {row["agent"] for row in dict(tables(tmp_path))["behaviour"]} == {"mock"}
    assert f"{result.failed} questions to mock/broken failed" in lead(tmp_path)


def test_where_no_model_can_be_asked_the_first_error_is_raised(tmp_path: Path) -> None:
    with pytest.raises(HominesError, match="no mock called 'none'"):
        run("av_dilemma", tmp_path, "mock/none", "mock/neither")


def test_a_model_is_measured_once_and_named_without_doubt() -> None:
    task = StudyTask("smollm2", Path("x"), (0,), also=("mock", "smollm2", "mock", "smollm2+a"))
    assert [*task.models.values()] == ["smollm2", "mock", "smollm2+a"]
    assert [task.name_of(model) for model in task.models.values()] == ["untrained", "mock", "smollm2+a"]
    for aligned in ("smollm2+a", "vllm/qwen+a", "openai/gpt-4o", "mock"):
        assert replace(task, model=aligned).name_of(aligned) == aligned


def test_nothing_is_trained_of_a_model_that_could_not_be_asked() -> None:
    from homines.studies.task import Asked
    from homines.studies.tennant2025.kinds import kinds

    task = StudyTask("smollm2", Path("x"), (0, 1), quick=True, only=("core",))
    assert [(kind.name, seed) for kind, seed in task.trainings(kinds(task))] == [
        ("De", 0), ("Game+De", 0), ("De", 1), ("Game+De", 1),
    ]  # fmt: skip
    assert task.trainings(kinds(task), Asked(0, {"smollm2": "no disk"})) == []
    assert replace(task, model="vllm/x").trainings(kinds(task)) == []


def test_the_full_form_is_of_the_same_model() -> None:
    task = StudyTask("mock", Path("x"), (0, 1), quick=True, also=("mock/uniform",), study="tennant2025")
    assert Omission("A", "the full form").command(task) == (
        "homines study tennant2025 --model mock --also mock/uniform --seeds 2 --out x-full"
    )
    usual = replace(task, folder=Path("runs/tennant2025-quick"), seeds=tuple(range(3)), also=())
    assert Omission("A", "the full form").command(usual) == "homines study tennant2025 --model mock"
    assert Omission("A", "answers").command(task) == ""


def test_a_remedy_has_every_option_of_the_run() -> None:
    task = StudyTask("vllm/x", Path("a/b"), (0, 1), True, "cuda", "bfloat16", also=("mock",), study="pricing")
    task = replace(task, rivals=("nash", "mock"), humans=Path("people.csv"), periods=7, only=("full",))
    words = shlex.split(Omission("A", "weights").command(task))
    assert words == [
        *("homines", "study", "pricing", "--model", "smollm2", "--also", "vllm/x", "--also", "mock"),
        *("--rival", "nash", "--rival", "mock", "--humans", "people.csv", "--periods", "7", "--only", "full"),
        *("--seeds", "2"),
        *("--device", "cuda", "--dtype", "bfloat16", "--out", "a/b-smollm2", "--quick"),
    ]
    flags = {word[2:] for word in words if word.startswith("--")}
    every = {field.name for field in fields(StudyOptions)} | {"device", "dtype"}  # none is forgotten
    assert every == {"rivals" if flag == "rival" else flag for flag in flags}


def test_the_terminal_and_json_say_what_was_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from homines.cli.app import main

    def said(*more: str) -> tuple[object, str]:
        """The exit status of the short study on a mock, and what it prints."""
        words = ["homines", "study", "av_dilemma", "--quick", "--model", "mock"]
        monkeypatch.setattr("sys.argv", [*words, *more])
        with pytest.raises(SystemExit) as end:
            main()
        return end.value.code, capsys.readouterr().out

    monkeypatch.setattr(pages, "images", lambda *args: None)
    out = ("--out", str(tmp_path / "a"))
    status, text = said(*out, "--also", ABSENT, "--json")
    result = json.loads(text)
    assert status == 1  # a model could not be asked
    assert [*result["unread"]] == [ABSENT]
    assert {row["section"] for row in result["left_out"]} >= {"Learning", "Everyday questions"}
    assert all(row["needs"] and row["command"] for row in result["left_out"])
    status, text = said(*out)
    assert status == 0
    assert "Left out:" in text
    remedy = f"--model smollm2 --also mock --out {shlex.quote(str(tmp_path / 'a-smollm2'))} --quick"
    assert f"\n          homines study av_dilemma {remedy}\n" in text
    plan = json.loads(said("--dry-run", "--json")[1])
    assert plan["trainings"] == []
    assert [(row["model"], row["questions"]) for row in plan["asked"]] == [("mock", 60)]


def test_an_outline_loads_one_model_at_a_time_and_goes_on_where_one_cannot_be(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from homines.cli.study import print_outline

    loaded: list[ref[Model]] = []
    load = StudyTask.load

    def watch(task: StudyTask, spec: str) -> Model:
        assert not any(model() for model in loaded)
        model = load(task, spec)
        loaded.append(ref(model))
        return model

    monkeypatch.setattr(StudyTask, "load", watch)
    study = import_module("homines.studies.av_dilemma.study")
    with pytest.raises(SystemExit) as end:
        print_outline(study, task_of("av_dilemma", tmp_path, EXACT, ABSENT, "mock/uniform"), as_json=True)
    assert end.value.code == 1
    plan = json.loads(capsys.readouterr().out)
    assert [row["model"] for row in plan["asked"]] == [EXACT, "mock/uniform"]
    assert [*plan["unread"]] == [ABSENT]
    assert len(loaded) == 2
    with pytest.raises(HominesError, match="no mock called 'none'"):
        print_outline(study, task_of("av_dilemma", tmp_path, ABSENT), as_json=False)


def test_a_server_that_does_not_run_is_said_with_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(server, "TRIES", 1)
    with pytest.raises(HominesError, match=r"is its address \(VLLM_BASE_URL\) right"):
        load("vllm/x")
