"""A measurement that ends at what is wanted: recovery, interruption, budgets, refusals."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import homines as hm
from homines.cli.app import main
from homines.cli.until import lines
from homines.core.registry import find
from homines.core.run_folder import RunFolder
from homines.core.types import Choice, HominesError, Interrupted, Prompt
from homines.design import adaptive
from homines.design.adaptive import CHOSEN, AdaptivePlan, inquire
from homines.design.inquiry import Inquiry
from homines.design.options import DesignOptions
from homines.elicitation.questions import Question
from homines.elicitation.survey import Survey
from homines.estimation.fit import fit
from homines.estimation.observations import from_records
from homines.models.mock import Mock, uniform
from homines.theory.choice import LogitAgent


class Answering:
    """Answers each question once by a preference; `calls` counts prompts, `exact` draws nothing."""

    name = "answering"
    provenance: Mapping[str, Any] = {"revision": "1"}

    def __init__(self, spec: str, precision: float, exact: bool = False) -> None:
        self.agent = LogitAgent(find("preferences", spec), precision)
        self.rng, self.exact, self.calls = np.random.default_rng(0), exact, 0
        self.of: dict[str, Choice] = {}

    def score(self, prompts: Sequence[Prompt]) -> list[Choice]:
        self.calls += len(prompts)
        choices = [self.of[p.key] for p in prompts]
        if self.exact:
            return choices
        return [Choice.at(np.eye(len(c.p))[self.rng.choice(len(c.p), p=c.p)], n=1) for c in choices]


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An Answering model learns from the plan which decision a prompt tells."""
    monkeypatch.chdir(tmp_path)
    ask = AdaptivePlan.questions

    def questions(self: AdaptivePlan, model: Any, inquiry: Inquiry, place: int) -> list[Question]:
        found = ask(self, model, inquiry, place)
        if isinstance(model, Answering):
            model.of |= {q.prompt.key: model.agent([q.record.decision])[0] for q in found}
        return found

    monkeypatch.setattr(AdaptivePlan, "questions", questions)


def plan(until: str = "se(kappa)<.2", swap: bool = False, **options: Any) -> AdaptivePlan:
    settings: dict[str, Any] = {"pool": 150, "least": 12} | options
    return AdaptivePlan(Survey("answering", swap=swap), DesignOptions(until=until, **settings))


def test_it_reaches_what_was_wanted_and_the_estimate_is_near_the_truth() -> None:
    p = plan()
    with p.run(Path("run")) as run:
        outcome = inquire(Answering("moralis(kappa=0.6)", 1.0), p, run)
    assert outcome.standing.reached, outcome.standing.sentence
    assert outcome.why == "what was wanted is reached"
    assert not outcome.exact
    estimate = fit(from_records(RunFolder(Path("run")).records), "kantian")
    assert estimate["kappa"] == pytest.approx(0.6, abs=0.5)
    assert estimate.se[2] == pytest.approx(outcome.standing.value)
    assert estimate.clusters == outcome.standing.games >= 12
    assert (RunFolder(Path("run")).noted(CHOSEN) or {})["reached"]


def test_an_interrupted_run_goes_on_with_the_same_answers_and_choices() -> None:
    p = plan("se(kappa)<.001", max_questions=80)
    whole, first = (
        Answering("inequity(alpha=0.2, beta=0.4)", 1.0),
        Answering("inequity(alpha=0.2, beta=0.4)", 1.0),
    )
    with p.run(Path("whole")) as run:
        inquire(whole, p, run)
    with p.run(Path("part")) as run, pytest.raises(Interrupted):
        inquire(first, p, run, stop=lambda: first.calls >= 30)
    done = first.calls
    assert 30 <= done < whole.calls
    with p.run(Path("part")) as run:
        inquire(first, p, run)
    assert first.calls == whole.calls == 80
    there, here = (RunFolder(Path(name)) for name in ("whole", "part"))
    assert there.done.keys() == here.done.keys()
    assert there.noted(CHOSEN) == here.noted(CHOSEN)


def test_a_larger_budget_goes_on_in_the_same_folder() -> None:
    model = Answering("economicus", 0.4)
    for most in (60, 100):
        p = plan("se(kappa)<.001", max_questions=most)
        with p.run(Path("run")) as run:
            outcome = inquire(model, p, run)
        assert not outcome.standing.reached
        assert "--max-questions" in outcome.why
        assert model.calls == len(outcome.records) == most
    assert plan("se(kappa)<.3").folder == plan("se(kappa)<.001").folder != plan("se(beta)<.3").folder


def test_an_exact_model_is_said_to_be_read_exactly() -> None:
    p = plan()
    with p.run(Path("run")) as run:
        outcome = inquire(Answering("kantian(alpha=0.1, beta=0.3, kappa=0.4)", 1.0, exact=True), p, run)
    assert outcome.exact
    assert any("answers are exact" in line for line in lines(outcome))


def test_a_budget_of_calls_that_is_spent_ends_the_run_with_what_there_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, ask = Answering("economicus", 0.5), adaptive.measure

    def spending(*arguments: Any, **more: Any) -> Any:
        if model.calls >= 60:
            raise Interrupted("the budget of 5 dollars leaves no room for another call")
        return ask(*arguments, **more)

    monkeypatch.setattr(adaptive, "measure", spending)
    p = plan("se(kappa)<.001")
    with p.run(Path("run")) as run:
        outcome = inquire(model, p, run)
    assert outcome.why.startswith("a budget is spent: the budget of 5 dollars")
    assert len(outcome.records) == 60
    assert len(outcome.observations) == 15


def test_games_without_a_legal_answer_end_it_and_are_kept() -> None:
    mute = Mock(lambda prompt: Choice.of(np.zeros(len(prompt.labels)), 0.0, 1), "mute")
    p = plan()
    with (
        p.run(Path("run")) as run,
        pytest.raises(HominesError, match="10 games in a row had no legal answer"),
    ):
        inquire(mute, p, run)
    assert len(RunFolder(Path("run")).records) == 40


@pytest.mark.parametrize("listed", [["symmetric(1, 2, 3, 4)"], "symmetric", [3], ["own:Spec"]])
def test_a_file_of_choices_that_is_none_of_ours_is_refused(listed: Any) -> None:
    p = plan()
    with p.run(Path("run")) as run:
        run.note(CHOSEN, {"asked": listed})
        with pytest.raises(HominesError, match="another --out"):
            inquire(Mock(uniform), p, run)


def test_fewer_questions_than_the_least_number_of_games_are_refused_before_any() -> None:
    model, p = Answering("economicus", 0.5), plan(max_questions=20)
    with p.run(Path("run")) as run, pytest.raises(HominesError, match="lets 5 games be asked in 4 wordings"):
        inquire(model, p, run)
    assert model.calls == 0


@pytest.mark.parametrize(
    ("survey", "what"),
    [
        ({"decompose": True}, "decompose is asked in games that are named"),
        ({"goal": "win"}, "leave out --until, or --goal"),
        ({"beliefs": True}, "beliefs are not asked in games drawn"),
    ],
)
def test_a_survey_of_named_games_is_refused(survey: dict[str, Any], what: str) -> None:
    with pytest.raises(HominesError) as refusal:
        AdaptivePlan(Survey("mock", **survey), DesignOptions(until="se(kappa)<.1"))
    assert what in str(refusal.value)


Homines = Callable[..., tuple[int, str, str]]


@pytest.fixture
def homines_(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Homines:
    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["homines", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        said = capsys.readouterr()
        return int(str(left.value.code or 0)), said.out, said.err

    return run


SMALL = ("--until", "se(kappa)<.1", "--pool", "30", "--min-games", "10", "--no-swap")


def test_the_command_says_why_there_is_no_estimate_and_the_same_command_asks_nothing(
    homines_: Homines,
) -> None:
    code, out, _ = homines_("measure", "mock/uniform", *SMALL, "--json", "--out", "run")
    found = json.loads(out)
    assert code == 0
    assert found["reached"] is False
    assert found["value"] is None
    assert found["estimate"] is None
    assert found["refused"]
    assert found["games"] == 30
    assert "all 30 games drawn were asked" in found["why"]
    assert Path(found["report"]).exists()
    records = Path("run/records.jsonl").read_bytes()
    assert homines_("measure", "mock/uniform", *SMALL, "--out", "run")[0] == 0
    assert Path("run/records.jsonl").read_bytes() == records


def test_a_dry_run_says_how_many_questions_it_may_take(homines_: Homines) -> None:
    _, out, _ = homines_("measure", "mock", *SMALL, "--dry-run")
    assert out == "40 to 120 questions, 4 a game, of 30 games drawn\n"
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("--until", "se(kapa)<.1"), "has no free parameter 'kapa'"),
        (("--until", "low"), "'se(kappa)<.05' or 'width(kappa)<.2'"),
        (("--until", "se(kappa)<.1", "--game", "spd"), "no candidate is left of spd"),
        (("--until", "se(kappa)<.1", "--show"), "leave out --benchmark and --show"),
        (("--until", "se(kappa)<.1", "--max-cost", "5"), "bear on models behind an API alone"),
        (("--stake", "20"), "add --until"),
    ],
)
def test_bad_input_of_the_command_is_named(homines_: Homines, arguments: tuple[str, ...], what: str) -> None:
    code, _, said = homines_("measure", "mock", *arguments)
    assert code == 2
    assert what in said


def test_python_asks_as_the_command_does() -> None:
    run = hm.measure(
        "mock",
        "symmetric",
        until="se(kappa)<.1",
        pool=30,
        least=10,
        swap=False,
        progress=False,
        families=("kantian",),
    )
    noted = RunFolder(run.folder).noted(CHOSEN) or {}
    assert len(noted["asked"]) == 30
    assert noted["families"] == {"kantian": 1.0}
    assert len(run.records) == 120
    with pytest.raises(HominesError, match="add --until"):
        hm.measure("mock", pool=30)
