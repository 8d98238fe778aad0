"""The Lu study: what agents are trained and examined on, its page, and the short form as a user runs it."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from homines.cli.study import StudyOptions
from homines.core.registry import find, head
from homines.core.run_folder import RunFolder
from homines.core.types import Choice, Decision, HominesError, Prompt, Record, frozen
from homines.datasets.best_answers import ImpliedAnswers, implied_answers
from homines.datasets.folder import read
from homines.datasets.generator import generate
from homines.datasets.measured_games import payoff_keys
from homines.datasets.reasons import Style, reason
from homines.elicitation.asking import measure
from homines.elicitation.questions import Question
from homines.elicitation.scene import CUE
from homines.reports import page as pages
from homines.studies.lu2025 import cars, persistence
from homines.studies.lu2025 import page as page_module
from homines.studies.lu2025 import study as study_module
from homines.studies.lu2025.agents import canonical_specs, observations
from homines.studies.lu2025.curriculum import (
    DOSE_GAMES,
    GROUPS,
    KINDS,
    SILENT,
    STAGES,
    THINK,
    UTILITIES,
    AgentKind,
    DoseKind,
    TaughtKind,
    agent_kinds,
    kinds_of,
    recipe,
)
from homines.studies.lu2025.exam import (
    DECISIONS,
    LEFT_OUT_LABELS,
    Cell,
    Condition,
    cells_of,
    drawn_rows,
    exam_questions,
    exam_specs,
    note_scores,
    score_cell,
)
from homines.studies.lu2025.folders import End, trained_agents
from homines.studies.lu2025.page import page
from homines.studies.lu2025.scores import pooled
from homines.studies.lu2025.study import questions_as_it_is, questions_of, recipe_of
from homines.studies.omissions import by_need
from homines.studies.task import StudyTask
from homines.training.persistence_plan import KAPPA_GAMES
from tests.helpers.running import rows, study
from tests.helpers.tiny import willing

PARTS = ("goals", "matrix", "conditions", "exam", "amounts", "pairs", "effects")
END = TaughtKind("homo moralis", "", (0,), quick=False)


class Pupil:
    """Gives the implied answers of these cells, wrong ones in kinds of `weak`, and a coin's elsewhere.

    silent   whether it never gives a bare answer
    """

    def __init__(self, cells: Sequence[Cell], weak: Sequence[str] = (), *, silent: bool = False) -> None:
        self.name, self.provenance, self.reasoning = "pupil", {"revision": "1"}, None
        self.known: dict[str, tuple[int, float, str]] = {}
        for cell in cells:
            for question, row in zip(exam_questions(self, [cell]), cell.rows, strict=True):
                mass = 0.001 if silent and cell.condition == "bare" else 1.0
                answer = (row.answer + (cell.kind in weak)) % len(row.prompt.labels)
                self.known[question.prompt.key] = answer, mass, row.completion

    def score(self, prompts: Sequence[Prompt]) -> list[Choice]:
        return [self._choice(prompt) for prompt in prompts]

    def _choice(self, prompt: Prompt) -> Choice:
        known = self.known.get(prompt.key)
        p = np.full(len(prompt.labels), 1e-9)
        if known is None:
            return Choice.at(p)
        p[known[0]] = 1.0
        return Choice.at(p, known[1])

    def notes(self, prompt: Prompt) -> Mapping[str, Any]:
        """Its reasons, which are those of the row."""
        known = self.known.get(prompt.key)
        return {"reasons": [known[2]]} if known and prompt.cue else {}


def examined(folder: Path, **weak: Sequence[str]) -> StudyTask:
    """A study in short whose agents were not trained; weak: kinds of games by an agent's folder."""
    task = StudyTask("smollm2", folder, (0,), quick=True, study="lu2025")
    with task.measuring("base", "smollm2") as run:
        model = Pupil(cells_of(None, quick=True, untrained=True), KINDS)
        measure(model, questions_as_it_is(task, "smollm2", model), run)
        note_scores(run, model, cells_of(None, quick=True, untrained=True))
    for kind in study_module.kinds(task):
        name = kind.folder(0)
        with task.measuring(name, "smollm2") as run:
            cells = cells_of(kind, quick=True)
            model = Pupil(cells, weak.get(kind.slug.replace("-", "_"), ()), silent=kind.stage == "full")
            model.name = f"smollm2+{name}"
            measure(model, questions_of(task, kind, model), run)
            note_scores(run, model, cells)
            run.note("training.json", {"result": "adapter"})
    return task


def table(folder: Path, name: str) -> list[dict[str, str]]:
    with open(folder / "tables" / f"{name}.csv", newline="") as file:
        return list(csv.DictReader(file))


# --- how long reasons are --------------------------------------------------------------------------


def tokens(text: str) -> int:
    """At least the tokens of a text in plain words: a token a word, a sign, a digit, and the space before a
    number (as Qwen2.5 and SmolLM2 have them)."""
    return len(re.findall(r"\d|[^\W\d_]+|[^\w\s]", text)) + len(re.findall(r" \d", text))


@cache
def implied(preference: str, game: str) -> Mapping[str, ImpliedAnswers]:
    """What a preference implies at the decisions of a game, by their keys."""
    form = find("games", game)
    every = implied_answers(find("preferences", preference), getattr(form, "stage", form))
    return {each.decision.key: each for each in every}


def implied_reasons(preference: str, question: Question, *, margin: bool) -> list[str]:
    """What a preference would say to a question, in each wording; cue included."""
    record, u = question.record, find("preferences", preference)
    here = implied(preference, record.game)[record.decision.key]
    said = (here, record.labels, record.order, here.answers[0])
    return [f"{reason(u, *said, Style(way, margin=margin))} {CUE}" for way in range(5)]


def test_every_question_aloud_leaves_room_for_the_reasons_that_were_taught() -> None:
    """Of the ends and of every dose; agents without a group are asked less. Not prices (markets.exam)."""
    task, model = StudyTask("smollm2", Path("nowhere"), (0,), study="lu2025"), Pupil([])
    most = study_module.reasoning(task).most
    for kind in agent_kinds((0,), quick=False):
        if kind.stage != "left_out":
            dose = isinstance(kind, DoseKind)
            asked = questions_of(task, kind, model) + ([] if dose else cars.exam(model))
            aloud = [q for q in asked if q.record.asks == "aloud"]
            texts = [text for q in aloud for text in implied_reasons(kind.preference, q, margin=dose)]
            assert max(map(tokens, texts)) <= most, max(texts, key=tokens)


@pytest.mark.parametrize(
    "kind", [TaughtKind("homo economicus", "", (0,), quick=False), DoseKind(0.25, (0,), quick=False)]
)
def test_no_row_is_longer_than_what_an_agent_may_say(kind: AgentKind) -> None:
    rows = generate(kind.recipe(0))[0]
    assert max(tokens(row.stem) for row in rows) <= THINK
    assert max(tokens(row.stem) for row in rows) > THINK / 2


# --- what is trained and asked ---------------------------------------------------------------------


def test_every_group_is_left_out_once_of_each_utility_and_nothing_else_is() -> None:
    kinds = [kind for kind in agent_kinds((0, 1, 2), quick=False) if isinstance(kind, TaughtKind)]
    assert {(k.name, k.left_out) for k in kinds} == {(u, g) for u in UTILITIES for g in ("", *GROUPS)}
    for kind in kinds:
        assert set(kind.games) == set(kinds_of(kind.name)) - set(GROUPS.get(kind.left_out, ()))
        assert kind.seeds == (0,)
    doses = [kind for kind in agent_kinds((0, 1, 2), quick=False) if isinstance(kind, DoseKind)]
    assert [kind.kappa for kind in doses] == [0, 0.25, 0.5, 0.75, 1]
    assert all(kind.seeds == (0, 1, 2) and kind.recipe(0).targets == "logit" for kind in doses)


@pytest.fixture(scope="module")
def asked_keys() -> set[str]:
    """The payoffs of every decision that any agent is asked."""
    task = StudyTask("smollm2", Path(), (0,), study="lu2025")
    persist = persistence.plan_of(task, END, "smollm2", 1).games
    specs = {*exam_specs(), *canonical_specs(), *KAPPA_GAMES, *persist}
    return {key for spec in specs for key in payoff_keys(find("games", spec))}


@pytest.mark.parametrize("kind", agent_kinds((0,), quick=False), ids=lambda kind: kind.slug)
def test_no_training_has_a_game_label_or_frame_of_the_exam(kind: AgentKind, asked_keys: set[str]) -> None:
    train, _, _ = generate(recipe_of(kind, kind.seeds[0]))
    trained = set(kind.games if isinstance(kind, TaughtKind) else DOSE_GAMES)
    assert {head(row.game) for row in train} == trained
    games = {row.game for row in train}
    assert asked_keys.isdisjoint(key for spec in games for key in payoff_keys(find("games", spec)))
    assert not {label for row in train for label in row.prompt.labels} & LEFT_OUT_LABELS
    assert not any(row.frame.startswith("story") for row in train)
    assert {bool(row.prompt.cue) for row in train} == ({True, False} if kind.stage != "doses" else {True})


@pytest.mark.parametrize("condition", DECISIONS)
def test_no_condition_of_the_exam_has_a_game_that_trainings_may_have(condition: Condition) -> None:
    for quick in (True, False):
        cells = [cell for cell in cells_of(None, quick=quick) if cell.condition == condition]
        assert {cell.utility for cell in cells} == set(UTILITIES)
        assert {row.game for cell in cells for row in cell.rows} <= set(exam_specs())


def test_the_exam_has_every_kind_in_every_condition() -> None:
    amounts = {*GROUPS["menus"], "dictator", "public_goods"}
    for name in UTILITIES:
        for condition, most in DECISIONS.items():
            here = drawn_rows(name, condition, most)
            there = set(kinds_of(name)) - (amounts if condition == "other labels" else set())
            assert set(here) == there
            assert {len(group) for group in here.values()} == {most}
            for row in (row for group in here.values() for row in group):
                assert row.frame.startswith("story") == (condition == "other frame")
                assert condition != "other labels" or LEFT_OUT_LABELS.issuperset(row.prompt.labels)


def test_a_utility_is_silent_where_it_implies_nothing() -> None:
    for name, kinds in SILENT.items():
        for kind in kinds:
            with pytest.raises(HominesError, match="gave 0 of 1 rows"):
                generate(replace(recipe(UTILITIES[name], (kind,)), train=1, test=0, stakes=("9",)))


def test_an_agent_without_a_group_is_examined_on_that_group_and_controlled_on_the_rest() -> None:
    cells = cells_of(TaughtKind("homo economicus", "sequential", (0,), quick=False), quick=False)
    left_out = {(c.kind, c.condition) for c in cells if c.trained is False}
    assert {kind for kind, _ in left_out} == set(GROUPS["sequential"])
    assert {condition for _, condition in left_out} == set(DECISIONS)
    control = [c for c in cells if c.trained]
    assert {c.condition for c in control} == {"aloud"}
    assert {c.kind for c in control} == set(KINDS) - set(GROUPS["sequential"])
    assert all(len(c.rows) <= 4 for c in control)


def test_only_one_part_is_planned_where_one_is_named(tmp_path: Path) -> None:
    task = StudyTask("smollm2", tmp_path, (0, 1, 2), only=("full",), study="lu2025")
    assert {kind.stage for kind in study_module.kinds(task)} == {"full"}
    with pytest.raises(HominesError, match="lu2025 has no part 'half'; --only takes full, left_out, doses"):
        study_module.kinds(StudyTask("smollm2", tmp_path, (0,), only=("half",)))


def test_the_outline_counts_every_question_and_its_minutes_follow_the_form(tmp_path: Path) -> None:
    """Cars, markets and persistence of agents that are still to be trained are counted too."""
    full, quick = (StudyTask("smollm2", tmp_path, (0,), quick=q, study="lu2025") for q in (False, True))
    names = {exam.name for exam in study_module.exams(quick)}
    for agent in ("economicus-s0", "moralis-s0"):
        assert {agent, f"cars/{agent}", f"markets/{agent}", f"persistence-{agent}"} <= names

    def minutes(task: StudyTask) -> dict[str, int]:
        found = re.findall(
            r"^(.+?):? about (\d+) minutes", "\n".join(study_module.outline(task)), re.MULTILINE
        )
        return {what: int(number) for what, number in found}

    long, short = minutes(full), minutes(quick)
    assert long.keys() == short.keys()
    assert all(short[what] < long[what] for what in long)
    assert short["--only persistence"] < 5


@pytest.mark.parametrize("part", ["applications", "persistence"])
def test_a_part_without_agents_says_whose_it_needs(part: str, tmp_path: Path) -> None:
    task = StudyTask("smollm2", tmp_path, (0,), quick=True, only=(part,), study="lu2025")
    needs = f"--only {part}: needs the agents of --only full"
    assert needs in study_module.outline(task)
    assert needs not in study_module.outline(replace(task, only=(part, "full")))
    assert not any("-s0" in exam.name for exam in study_module.exams(task))


def test_the_help_names_every_part() -> None:
    (only,) = [field for field in fields(StudyOptions) if field.name == "only"]
    assert ", ".join(STAGES) in only.metadata["help"]


# --- scores and page -------------------------------------------------------------------------------


def test_a_share_stands_beside_chance_and_the_other_utility() -> None:
    cells = cells_of(END, quick=False)
    (cell,) = [c for c in cells if c.kind == "symmetric" and c.condition == "aloud"]
    model = Pupil([cell])
    records = measure(model, exam_questions(model, [cell]))
    scores = score_cell(cell, records)
    assert scores["share"] == pytest.approx(1)
    assert scores["chance"] == 0.5
    assert 0 <= scores["other utility"] < 1  # the two utilities differ somewhere
    assert scores["faults"] == {"none": len(cell.rows)}  # the reasons of the rows themselves
    other = Pupil([cell], ["symmetric"])
    wrong = score_cell(cell, measure(other, exam_questions(other, [cell])))
    assert wrong["share"] == pytest.approx(0, abs=1e-6)


def test_cells_are_pooled_by_decisions() -> None:
    def cell(share: float | None, n: int, mute: int, mass: float, game: str = "") -> dict[str, Any]:
        scores = {"share": share, "rows": n, "mute": mute, "failed": 0, "mass": mass, "right": 1.0}
        by_game = {} if share is None else {game: (n, share * n)}
        return {**scores, "chance": 0.5, "other utility": 0.25, "by_game": by_game}

    both = pooled([cell(1.0, 3, 0, 1.0, "a"), cell(0.5, 1, 0, 0.5, "b"), cell(None, 4, 4, 0.0)])
    assert both is not None
    assert both.share is not None
    assert both.share == pytest.approx(3.5 / 4)
    assert both.mass == pytest.approx(3.5 / 8)
    assert both.share.sample.n == 4
    shares = [1.0, 0.5, 1.0, 1.0, 0.5, 1.0]
    many, one = (pooled(cell(x, 1, 0, 1.0, game * i) for i, x in enumerate(shares)) for game in ("a", ""))
    assert many is not None
    assert one is not None
    assert many.share is not None
    assert one.share is not None
    assert one.share.sample.lower < many.share.sample.lower  # decisions of one game tell less
    assert pooled([]) is None


def test_the_page_says_which_goals_are_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "images", lambda *args: None)
    task = examined(tmp_path, moralis_without_divisions=GROUPS["divisions"])
    result = page(task, trained_agents(task), {})
    goals = {(row["goal"], row["agent"]): row for row in table(tmp_path, "goals")}
    trained = goals["kinds of games trained on, aloud", "homo moralis"]
    assert float(trained["measured"]) == pytest.approx(1)
    assert trained["outcome"] == "reached"
    assert float(trained["untrained"]) == pytest.approx(0, abs=1e-6)
    assert float(trained["measured lower"]) < 1 <= float(trained["measured upper"])
    assert goals["kinds of games left out, aloud", "homo moralis"]["outcome"] == "not reached"
    assert goals["kinds of games left out, aloud", "homo economicus"]["outcome"] == "not asked"
    bare = goals["kinds trained on, the bare answer", "homo moralis"]
    assert float(bare["measured"]) == pytest.approx(1)
    assert bare["outcome"] == "not reached"  # hardly ever given
    text = result.page.read_text()
    assert "Kinds of games left out, aloud (goal 0.9): homo moralis" in text
    assert re.search(r"of untrained: aloud [^;]*legal mass [^;]* by homo", text)
    plans = table(tmp_path, "plans")
    assert plans
    assert all(0 < float(row["homo moralis, legal mass"]) <= 1 for row in plans)
    cells = {(row["kind"], row["utility"]): row for row in table(tmp_path, "matrix")}
    assert float(cells["split", "homo moralis"]["trained"]) == pytest.approx(1)
    assert float(cells["split", "homo moralis"]["left out"]) == pytest.approx(0, abs=1e-6)
    assert cells["spd", "homo moralis"]["left out"] == ""
    assert {row["agent"] for row in table(tmp_path, "faults")} >= {
        "homo moralis",
        "homo moralis without divisions",
    }


def test_parts_that_other_calls_carried_out_stand_on_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "images", lambda *args: None)
    task = examined(tmp_path)
    everyone: list[tuple[AgentKind, int]] = trained_agents(task)
    assert {kind.stage for kind, _ in everyone} == {"full", "left_out", "doses"}
    (tmp_path / "kappa-0.5-s0" / "training.json").unlink()
    assert {kind.stage for kind, _ in trained_agents(task)} == {"full", "left_out"}


def left_out(task: StudyTask) -> dict[str, str]:
    """What the page leaves out: sentences with their commands."""
    return dict(by_need(page(task, trained_agents(task), {}).omissions, task))


def test_a_part_that_was_not_asked_is_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "images", lambda *args: None)
    task = replace(examined(tmp_path), only=("full",))
    monkeypatch.setattr(page_module, "ends", lambda _: [End(END, 0, "smollm2+moralis-s0")])
    (cars,) = [pair for pair in left_out(task).items() if "Self-driving cars" in pair[0]]
    assert cars[0].endswith("which need a part of the study that was not asked: --only applications")
    command = f"homines study lu2025 --model smollm2 --only {{}} --seeds 1 --out {tmp_path} --quick"
    assert cars[1] == command.format("applications")
    (persisting,) = [pair for pair in left_out(task).items() if "Whether it persists" in pair[0]]
    assert persisting[0].endswith("not asked: --only persistence")
    assert persisting[1] == command.format("persistence")
    (tmp_path / "cars").mkdir()  # asked, and not answered
    (cars,) = [sentence for sentence in left_out(task) if "Self-driving cars" in sentence]
    assert cars.endswith("which needs legal answers to every question that it reads")


def test_persistence_without_agents_says_how_to_have_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "images", lambda *args: None)
    task = StudyTask("mock", tmp_path, (0,), quick=True, only=("persistence",), study="lu2025")
    result = study_module.run(task)
    commands = {o.section: o.command(task) for o in result.omissions}
    assert commands["Whether it persists"] == "homines persist mock"
    assert "--only doses" in commands["Dose and response"]
    assert "homines persist mock" in result.page.read_text()
    assert any("homines persist mock" in line for line in study_module.outline(task))
    here = replace(examined(tmp_path / "smollm2"), only=("persistence",))
    (ends,) = [pair for pair in left_out(here).items() if "Whether it persists" in pair[0]]
    assert ends[0].endswith("which needs the agents of --only full")
    assert "--only full --only persistence" in ends[1]


def test_an_agent_that_never_came_to_an_answer_has_no_observations() -> None:
    d = Decision(("C", "D"), frozen([[1, 0]]))
    mute = Record(d, "table(asks='aloud')", ((0, 1),), ("A", "B"), "m", choice=Choice.of([0.0, 0.0], 0.0))
    assert observations([mute]) == []
    assert observations([]) == []


# --- the short form, on a tiny network ---------------------------------------------------------------


@pytest.fixture(scope="module")
def net(tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tiny network as a user names it, with room for every prompt and its reasons."""
    folder = tmp_path_factory.mktemp("net")
    willing(tokenizer, "Answer:AB", max_position_embeddings=4096).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return f"hf/{folder}"


@pytest.fixture(scope="module")
def quick(net: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lu2025") / "run"
    assert "report.html" in study("lu2025", folder, "--model", net)
    return folder


@pytest.mark.system
def test_every_part_stands_on_the_page(quick: Path) -> None:
    text = (quick / "report.html").read_text()
    assert {p.stem for p in (quick / "tables").glob("*.csv")} >= set(PARTS)
    for title in ("What the training reached", "Kinds of games", "could not be known"):
        assert title in text


@pytest.mark.system
def test_both_ends_are_trained_examined_and_told_before_and_after(quick: Path) -> None:
    goals = rows(quick, "goals")
    assert {row["agent"] for row in goals} == set(UTILITIES)
    for row in goals:
        if row["legal mass"]:
            assert 0 <= float(row["legal mass"]) <= 1
            assert row["outcome"] in ("reached", "not reached")


@pytest.mark.system
def test_what_was_trained_on_is_not_what_was_asked(quick: Path) -> None:
    for folder in (quick / "data").iterdir():
        _, train, _ = read(folder)
        with RunFolder(quick / folder.name) as run:
            assert {r.decision.key for r in train}.isdisjoint(r.decision.key for r in run.records)


@pytest.mark.system
def test_people_stand_beside(quick: Path) -> None:
    first = rows(quick, "amounts")[0]
    assert first["game"] == "dictator, given"
    assert float(first["people"]) == 25.70
    for agent in ("untrained", *UTILITIES):
        assert 0 <= float(first[agent]) <= 100
        assert 0 < float(first[f"{agent}, mass"]) <= 1


@pytest.mark.system
def test_provenance_and_data_are_kept_with_the_result(quick: Path) -> None:
    with RunFolder(quick / "moralis-s0") as run:
        assert run.config["preference"] == "moralis(kappa=1)"
        assert run.config["course"]["by"] == "sft"
        assert (run.noted("training.json") or {})["rows"] > 0
        assert run.provenance


@pytest.mark.system
def test_a_rerun_asks_and_trains_nothing(net: str, quick: Path) -> None:
    before = {p: p.stat().st_size for p in quick.rglob("*.jsonl")}
    (quick / "report.html").unlink()
    told = study("lu2025", quick, "--json", "--model", net)
    assert Path(json.loads(told)["report"]).exists()
    assert {p: p.stat().st_size for p in quick.rglob("*.jsonl")} == before
