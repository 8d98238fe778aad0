"""Numbers that cannot be, in files of a run beside its records: left out and counted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from homines.core.plausible import CURVE, SCORES, SIDES, drop_impossible, drop_impossible_sides
from homines.core.registry import find
from homines.core.run_folder import RunFolder
from homines.core.types import Choice, Prompt
from homines.elicitation.asking import measure, spent
from homines.elicitation.questions import battery, questions
from homines.inference.api_budget import sentence
from homines.models.mock import Mock, uniform
from homines.reports import model_card
from homines.reports.caveats import caveats
from homines.reports.measures import tabulate
from homines.reports.run_page import write
from homines.reports.run_view import RunView, read
from homines.studies.task import StudyTask
from homines.view.live import charts, live

CONFIG = {"kind": "align", "model": "mock", "game": "ipd", "preference": "deontological"}
SIDE = {"right": 99, "questions": 60, "accuracy": 7.5, "mass": 3, "perplexity": -2}
SCORE = {"share": 5, "right": 9, "mass": 9, "rows": -60}
STEPS = (
    {"step": 1, "reward": 1e308, "mass": 7, "kl": -5, "p": {"CC": [9, -8]}},
    {"step": 2, "reward": 1.5, "mass": 0.5, "kl": 0.1, "p": {"CC": [0.25, 0.75]}},
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run in which a stranger wrote what cannot be."""
    place = tmp_path / "run"
    with RunFolder(place, CONFIG) as run:
        run.note("sideeffects.json", {"mock": SIDE})
        run.note("scores.json", {"before": {"asked as trained": SCORE}})
        run.note("training.json", {"steps": -9, "seconds": -5, "result": "adapter"})
        for row in STEPS:
            run.log(row)
    (place / "adapter").mkdir(exist_ok=True)
    return place


@pytest.fixture
def study(folder: Path) -> RunView:
    return read(folder)


def test_side_effects_that_cannot_be_are_no_measurement(study: RunView) -> None:
    (row,) = tabulate(study)["sides"]
    assert row == {"role": "before"} | dict.fromkeys(SIDE) | {"questions": 60}


def test_scores_that_cannot_be_are_no_measurement(study: RunView) -> None:
    (row,) = tabulate(study)["scores"]
    assert row == {"asked": "asked as trained", "role": "before"} | dict.fromkeys(SCORE)


def test_steps_that_cannot_be_are_not_drawn(study: RunView) -> None:
    rows = tabulate(study)
    none, some = rows["steps"]
    assert {none[key] for key in ("reward", "mass", "kl")} == {None}
    assert (some["reward"], some["mass"], some["kl"]) == (1.5, 0.5, 0.1)
    assert rows["curve"] == [{"step": 2, "state": "CC", "p": 0.25}]
    assert {chart.title: chart.lines[0].points.count(",") for chart in charts(list(STEPS))} == {
        "P(first action), by state": 2,  # one point, drawn as a short line
        "Reward": 2,
        "Legal mass": 2,
    }


def test_they_are_counted_on_the_page_and_in_view(folder: Path, study: RunView) -> None:
    told = caveats(study, tabulate(study))
    for count in ("4 numbers of side", "4 numbers of scores", "2 numbers of training", "5 numbers of curve"):
        assert sum(count in line for line in told) == sum(count in line for line in live(folder).notes) == 1


def test_neither_page_nor_card_shows_them(folder: Path, study: RunView) -> None:
    page = write(folder, folder.parent / "page").read_text()
    text = model_card.text(study, folder / "adapter")
    assert "99" not in text.partition("## Side effects")[2].partition("##")[0]
    assert [some for some in ("steps: `-9`", "seconds: `-5`") if some in text] == []
    assert [some for some in ("for -9 step", ">99<", "7.50") if some in page] == []


@pytest.mark.parametrize(
    ("value", "bounds"),
    [
        (
            {"step": 3, "reward": -2.5, "mass": 1.0, "kl": -1e-9, "p": {"CC": [0.0, 1.0]}, "phase": "rl"},
            CURVE,
        ),
        ({"share": 0.4, "right": 1, "mass": 0, "rows": 60}, SCORES),
        ({"mass": "all", "p": None, "right": True}, SIDES),
    ],
)
def test_what_can_be_stays_as_it_is(value: dict[str, Any], bounds: Any) -> None:
    assert drop_impossible(value, bounds) == (value, 0)


def test_a_right_without_questions_is_none() -> None:
    assert drop_impossible_sides({"a": {"right": 3}, "b": 5}) == ({"a": {"right": None}, "b": 5}, 1)
    assert drop_impossible_sides(json.loads('{"a": {"right": 60, "questions": 60}}'))[1] == 0


def test_counts_of_calls_that_are_none_are_left_out_of_the_sum(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run", {"kind": "measure", "model": "mock"})
    run.note("calls.json", {"calls": "many", "input": -4, "output": [1], "retries": 2})
    run.note("asked.json", {"all": ["mock"]})

    class Metered(Mock):
        used = 0

        def score(self, prompts: Sequence[Prompt]) -> list[Choice]:
            self.used += len(prompts)
            return super().score(prompts)

        def usage(self) -> dict[str, int]:
            return {"calls": self.used, "input": 10 * self.used, "output": self.used}

    model = Metered(uniform)
    asked = questions(model, {"ipd": battery(find("games", "ipd"))}, [find("frames", "bare")])
    measure(model, asked, run)
    n = len({q.record.key for q in asked})
    assert spent(run) == {"calls": n, "input": 10 * n, "output": n, "retries": 2}
    assert sentence(spent(run)).startswith(f"{n} calls, ")
    assert sentence({"retries": 1}) == "0 calls, 0 tokens in, 0 out, 1 calls made again"
    run.close()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("-5", 0), ("true", 0), ('"x"', 0), ("[1]", 0), ("1e300", 0), ("2.5", 2.5)],
)
def test_seconds_of_a_study_are_those_that_can_be(tmp_path: Path, text: str, seconds: float) -> None:
    (tmp_path / "seconds.json").write_text(f'{{"seconds": {text}}}')
    assert StudyTask.seconds.fget(SimpleNamespace(folder=tmp_path)) == seconds  # type: ignore[attr-defined]
