"""The applications of the study lu2025: what follows from a preference is found, and what looks at nothing
shows nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from homines.core.registry import find
from homines.core.run_folder import RunFolder
from homines.core.types import Choice, Decision, Prompt
from homines.elicitation.questions import questions
from homines.inference.reasoning import ReasoningOptions
from homines.models.mock import Mock, uniform
from homines.reports.page import Section, write
from homines.studies.lu2025 import applications, cars, markets, talks
from homines.studies.lu2025.claims import MARGIN, Cell, Claim
from homines.studies.lu2025.markets import MenuMarket
from homines.studies.lu2025.subjects import AppliedAgent, Subject, domain_agents
from homines.studies.task import StudyTask
from homines.theory.choice import LogitAgent

REASONING = ReasoningOptions(most=8)
PREFERENCES = {"economicus": "economicus", "moralis": "moralis(kappa=1)"}


class Follower(Mock):
    """A model that answers by a preference, bare and aloud, and names one price in words."""

    def __init__(self, preference: str, price: float, legal: float = 1.0) -> None:
        super().__init__(uniform, f"follower/{preference}")
        self.agent, self.price, self.legal = LogitAgent(find("preferences", preference), 50.0), price, legal
        self.reasoning = ReasoningOptions()
        asked = [*cars.exam(self, quick=True), *markets.exam(self, quick=True)]
        self.decisions: dict[str, Decision] = {q.prompt.key: q.record.decision for q in asked}

    def score(self, prompts: Sequence[Prompt]) -> list[Choice]:
        every = self.agent([self.decisions[prompt.key] for prompt in prompts])
        return [Choice(choice.logp, self.legal) for choice in every]

    def write(self, prompts: Sequence[Prompt], how: Any) -> list[str]:
        return [f"Price: {self.price:.2f}"] * len(prompts)


class Follow(StudyTask):
    """The task with followers in place of models; `loads` counts them."""

    loads: int = 0
    legal: float = 1.0

    def load(self, model: str) -> Any:
        type(self).loads += 1
        if model in PREFERENCES.values():
            return Follower(model, 1.47 if model == "economicus" else 1.92, self.legal)
        return Mock(uniform, model)


def subjects(task: StudyTask, **models: str) -> list[Subject]:
    """The model as it is, and two tuned agents."""
    base = Subject(name="untrained", folder="base", model=task.model, group="base")
    tuned = [
        Subject(name=name, folder=f"{name}-s0", model=models.get(name, preference), preference=preference)
        for name, preference in PREFERENCES.items()
    ]
    return [base, *tuned]


@pytest.fixture(scope="module")
def followers(tmp_path_factory: pytest.TempPathFactory) -> tuple[Follow, list[Subject]]:
    task = Follow("mock/uniform", tmp_path_factory.mktemp("lu") / "lu2025-quick", (0,), quick=True)
    every = subjects(task)
    assert applications.ask(task, every, REASONING) == (0, {})
    return task, every


def verdicts(task: StudyTask, every: Sequence[Subject]) -> dict[str, str]:
    return {claim.sentence: claim.verdict for claim in applications.claims(task, every)}


def test_agents_that_follow_their_preference_are_found_to(followers: tuple[Follow, list[Subject]]) -> None:
    told = verdicts(*followers)
    # it replies to any price as likely, which is above competition
    assert told.pop("economicus moved toward its preference, in markets") != "no"
    assert told == {
        "Agents aligned to different preferences reach distinct outcomes in moral dilemmas": "yes",
        "economicus moved toward its preference, in dilemmas": "yes",
        "moralis moved toward its preference, in dilemmas": "yes",
        "The untrained model sacrifices the passenger": "no",
        "Agents aligned to different preferences reach distinct prices": "yes",
        "Agents aligned to different preferences have distinct pricing dynamics": "no",
        "Economicus is nearer to competition than moralis": "yes",
        "moralis moved toward its preference, in markets": "yes",
        "The untrained model gives surplus away": "no",
    }


def test_every_section_stands_with_theory_beside(
    followers: tuple[Follow, list[Subject]], tmp_path: Path
) -> None:
    found = applications.sections(*followers)
    every = {section.name: section for section in found if isinstance(section, Section)}
    assert list(every) == [
        "claims", "cars", "cars_numbers", "cars_ratings", "market_pairs", "market_triples", "market_prices",
        "market_words", "claim_cells",
    ]  # fmt: skip
    shown = {(row["aboard"], row["agent"], row.get("asked")): row for row in every["cars"].rows}
    for name, preference in PREFERENCES.items():
        for how in ("aloud", "bare"):
            for aboard in ("self", "family"):
                row = shown[aboard, name, how]
                theory = shown[aboard, f"theory: {preference}", None]
                for asked in ("judging", "buying", "regulating"):
                    assert float(str(row[asked]).split(" ")[0]) == pytest.approx(theory[asked], abs=0.02)
                assert row["legal mass"] == 1
    assert ("self", "untrained", "bare") in shown
    assert ("self", "untrained", "aloud") not in shown  # it does not think aloud
    rated = {(row["agent"], row.get("how"), row["asked"]): row for row in every["cars_ratings"].rows}
    assert rated["moralis", "aloud", "buying"]["self, 10 saved"] > 95
    assert rated["theory: moralis(kappa=1)", None, "buying"]["self, 10 saved"] == pytest.approx(100)
    assert rated["economicus", "bare", "buying"]["self, 10 saved"] < 15
    assert rated["theory: economicus", None, "judging"]["self, 10 saved"] == pytest.approx(50)
    assert "legal mass" in rated["untrained", "bare", "judging"]
    pairs = {(row["firm"], row["with"]): row for row in every["market_pairs"].rows}
    assert len(pairs) == 6
    assert pairs["moralis", "moralis"]["theory"] == "1.97, 1.97"
    assert pairs["untrained", "moralis"]["theory"] is None
    assert len(every["market_triples"].rows) == 10
    write(tmp_path, title="t", summary=[], sections=list(every.values()), facts={})


def test_a_second_call_loads_no_model(followers: tuple[Follow, list[Subject]]) -> None:
    task, every = followers
    before = type(task).loads
    assert applications.ask(task, every, REASONING) == (0, {})
    assert type(task).loads == before


def test_what_looks_at_nothing_shows_nothing(tmp_path: Path) -> None:
    task = Follow("mock/uniform", tmp_path / "run", (0,), quick=True)
    every = subjects(task, economicus="mock/uniform", moralis="mock/uniform")
    applications.ask(task, every, REASONING)
    assert set(verdicts(task, every).values()) == {"no"}


def test_answers_rarely_legal_decide_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Follow, "legal", 0.2)
    task = Follow("mock/uniform", tmp_path / "run", (0,), quick=True)
    every = subjects(task)
    applications.ask(task, every, REASONING)
    told = {claim.sentence: claim for claim in applications.claims(task, every)}
    distinct = told["Agents aligned to different preferences reach distinct outcomes in moral dilemmas"]
    assert distinct.verdict == "undecided"
    assert distinct.legal == []
    assert len(distinct.cells) == 8


@pytest.mark.parametrize(
    ("values", "direction", "verdict"),
    [
        ((0.5, 0.6, 0.4), "above", "yes"),
        ((0.5, 0.6, 0.4), "either", "yes"),
        ((-0.5, -0.6, -0.4), "either", "yes"),
        ((-0.5, -0.6, -0.4), "above", "no"),
        ((0.01, 0.0, -0.01), "either", "no"),
        ((MARGIN / 2, MARGIN / 2), "above", "no"),
        ((0.9, -0.3, 0.4), "either", "undecided"),
        ((0.9,), "above", "undecided"),
        ((), "either", "undecided"),
    ],
)
def test_the_verdict_is_a_rule(values: tuple[float, ...], direction: Any, verdict: str) -> None:
    cells = tuple(Cell(str(i), value, 1.0) for i, value in enumerate(values))
    assert Claim("s", "abstract", "f", cells, direction).verdict == verdict


@pytest.mark.parametrize("spec", [markets.GAME, markets.THREE])
def test_theory_of_a_market_rises_from_competition_to_the_cartel(spec: str) -> None:
    here = MenuMarket.of(spec)
    n = here.market.firms
    step = here.menu[1] - here.menu[0]
    lowest = [
        here.theory([preference] * n)[0].mean()
        for preference in ("economicus", "moralis(kappa=0.5)", "moralis(kappa=1)")
    ]
    exact = [here.market.moralis(kappa) for kappa in (0.0, 0.5, 1.0)]
    assert np.abs(np.array(lowest) - exact).max() <= step
    assert lowest == sorted(lowest)
    (mixed, *_) = here.theory(["economicus", *["moralis(kappa=1)"] * (n - 1)])
    assert mixed[0] < mixed[1]
    assert here.theory([None, *["economicus"] * (n - 1)]) == []


def test_one_order_of_the_others_is_a_whole_policy() -> None:
    here = MenuMarket.of(markets.THREE_QUICK)
    asked = markets.states(here.game)
    assert len(asked) == 18 < len(here.game.states) == 27
    agent = LogitAgent(find("preferences", "economicus"), 1.0)
    every = questions(Mock(uniform), {here.spec: asked}, [find("frames", markets.FRAME)], most=2)
    records = [replace(q.record, choice=agent([q.record.decision])[0]) for q in every]
    policy = here.policy(records)
    assert policy is not None
    assert len(policy(here.game.remembered(1))) == 27
    assert here.policy(records[2:]) is None


def test_every_pair_of_types_meets_once_and_two_models_at_a_time() -> None:
    folders = ["base", "economicus-s0", "moralis-s0"]
    groups = list(talks._groups(folders, quick=False))
    played = [market.firms for _, group in groups for market in group]
    assert len(played) == len(set(played)) == 6 + 3
    assert all(len(pair) <= 2 for pair, _ in groups)
    assert {len(market) for market in played} == {2, 3}


@pytest.mark.parametrize("whole", [True, False])
def test_a_market_that_did_not_reach_its_end_decides_no_claim(tmp_path: Path, whole: bool) -> None:
    task = Follow("mock/uniform", tmp_path / "run", (0,), quick=True, periods=3)
    every = subjects(task)
    stops: dict[str, Any] = {
        "error": "firm 1 gave no price in 3 tries",
        "tries": [1, 3],
        "heard": [True, False],
    }
    goes = {"prices": [1.9, 1.9], "tries": [1, 1], "heard": [True, True]}
    with RunFolder(task.place(talks.FOLDER), {"kind": "free"}) as run:
        for step in range(3):
            played = goes if whole or step < 2 else stops
            run.log({"phase": "moralis-s0 v moralis-s0", "step": step, **played}, talks.LOG)
        for step in range(2):  # interrupted
            run.log({"phase": "base v base", "step": step, **goes}, talks.LOG)
    assert list(talks.price_cells(task, every, "moralis-s0")) == (["in words, two firms"] if whole else [])
    assert talks.price_cells(task, every, "base") == {}
    found = talks.section(task, every)
    assert isinstance(found, Section)
    shown = {str(row["firms"]): (row["periods"], row["prices"], row["stopped"]) for row in found.rows}
    assert shown["untrained, untrained"] == (2, "1.90, 1.90", None)
    assert shown["moralis, moralis"] == (
        (3, "1.90, 1.90", None) if whole else (2, "1.90, 1.90", stops["error"])
    )


def test_agents_trained_in_the_domain_are_read_from_the_folder_beside(tmp_path: Path) -> None:
    task = Follow("mock/uniform", tmp_path / "lu2025-quick", (0,), quick=True)
    beside = Follow("mock/uniform", tmp_path / "av_dilemma-quick", (0,), quick=True)
    assert domain_agents(task, "av_dilemma", cars.DOMAIN_FOLDERS) == []
    with beside.measuring("economicus-s0", "mock/uniform") as run:
        beside.examined(run, "economicus", lambda model: cars.exam(model, quick=True))
        run.note("training.json", {"rows": 1})
    (agent,) = domain_agents(task, "av_dilemma", cars.DOMAIN_FOLDERS)
    assert isinstance(agent, AppliedAgent)
    assert agent.preference == "economicus"
    other = Follow("mock", tmp_path / "lu2025-quick", (0,), quick=True)
    assert domain_agents(other, "av_dilemma", cars.DOMAIN_FOLDERS) == []
