"""Preferences from economics: Lu, Dhanda, Chen & Hansen (2025), on any model, and beyond.

A model is measured in canonical games and its preferences are estimated; utility-implied reasons and answers
are generated for homo economicus (kappa = 0), homo moralis (kappa = 1) and doses between; the model is
fine-tuned on them; then it is measured and estimated again, on games it never saw.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from homines.core.registry import find
from homines.core.run_folder import RunFolder
from homines.core.types import Decision
from homines.elicitation.questions import Question, battery, questions
from homines.estimation.published import AMOUNTS, PAIRS
from homines.inference.reasoning import ReasoningOptions
from homines.studies.lu2025.agents import DRAWN_SEED, ENDS, KAPPAS, DoseKind, kappa_games, stated_games
from homines.studies.lu2025.page import page
from homines.studies.task import StudyResult, StudyTask
from homines.training import data, data_folder
from homines.training.data import Recipe
from homines.training.exam import examine
from homines.training.lifecycle import Tuning, train_once
from homines.training.settings import SupervisedSettings, TuningPlan
from homines.training.student import load_student, load_trained

SEEDS = 1
"""Trainings of each kind, unless said otherwise."""
WORDS_ASKED = ("X,Y", "Y,X")
PROTOCOLS = tuple(f"{game}({k})" for game in ("spd", "trust", "ultimatum") for k in range(1, 7))
DRAWN = 12
"""The number of divisions of money, and of those after a kind or unkind act, that are drawn."""
THINK, THINK_QUICK = 256, 64
"""Tokens of reasons at most; the untrained model seldom ends before them."""

DecisionsByGame: TypeAlias = Mapping[str, tuple[Decision, ...]]
"""Decisions by the spec of their game."""


def kinds(task: StudyTask) -> list[DoseKind]:
    """Every kind of agent; only the ends have every seed."""
    first = task.seeds[:1]
    if task.quick:
        return [DoseKind(k, task.seeds, True) for k in ENDS]
    doses = [DoseKind(k, task.seeds if k in ENDS else first, False) for k in KAPPAS]
    return doses + [DoseKind(k, first, False, direct=True) for k in ENDS]


def outline(task: StudyTask) -> list[str]:
    """What would be trained, a line a kind of agent."""
    return [f"{kind.name}: {len(kind.seeds)} seeds, {kind.rows[0]} rows" for kind in kinds(task)]


def tuning(task: StudyTask, kind: DoseKind, seed: int) -> TuningPlan:
    """The fine-tuning of one agent."""
    folder = task.place(f"data/{kind.folder(seed)}")
    return TuningPlan(
        task.model,
        str(folder),
        SupervisedSettings("sft", seed=seed),
        ReasoningOptions(most=THINK_QUICK if task.quick else THINK),
        rewordings=False,
        side_effects=kind.wide and seed == task.seeds[0],
        device=task.device,
        dtype=task.dtype,
    )


# --- what is asked -----------------------------------------------------------------------------


def table(words: str, **fields: str) -> Any:
    """The frame of this study: payoffs as a table, no word on what to aim at."""
    return replace(find("frames", f"table(labels='{words}', goal='')"), **fields)


def random_games(game: str) -> dict[str, tuple[Decision, ...]]:
    """Games drawn with a seed of their own, by spec."""
    rng = np.random.default_rng(DRAWN_SEED)
    draw = data.drawer(game)
    assert draw is not None
    specs = [draw(rng) for _ in range(DRAWN)]
    return {spec: battery(find("games", spec)) for spec in specs}


def balanced_questions(model: Any, games: DecisionsByGame, asks: str) -> list[Question]:
    """Decisions between two actions, each asked twice: every action has either label and place once."""
    out: list[Question] = []
    for turn, words in enumerate(WORDS_ASKED):
        every = questions(model, games, [table(words, asks=asks)], most=2)
        out += [q for q in every if q.record.order[0][0] == turn]
    return out


def doses(model: Any, asks: str, *, quick: bool = False) -> list[Question]:
    """Questions in the games that tell doses of kappa, and in those that state beliefs. The short form has
    every fifth game: an odd step, as neighbours favour the two actions in turn."""
    step = 5 if quick else 1
    specs = (*list(kappa_games())[::step], *stated_games()[::step])
    games = {spec: battery(find("games", spec).stage) for spec in specs}
    return balanced_questions(model, games, asks)


def exam(model: Any, asks: str, *, quick: bool = False) -> list[Question]:
    """The canonical games: protocols by the strategy method, pairs and divisions as `asks` says ("choice" or
    "aloud"), and amounts and the games that tell kappa for the bare answer.

    Beliefs are asked for with bare answers only, for an agent that was taught to think aloud gives no others.
    """
    protocols = {spec: battery(find("games", spec)) for spec in PROTOCOLS[:: 6 if quick else 1]}
    pairs = {spec: battery(find("games", spec)) for spec, _ in PAIRS.values()}
    divided = random_games("split")
    kind = {spec: tuple(d for d in ds if d.player == 1) for spec, ds in random_games("reciprocity").items()}
    divisions = {**pairs, **divided, **kind}
    every = balanced_questions(model, protocols, asks)
    if asks == "choice":
        every += balanced_questions(model, protocols, "belief")
    every += balanced_questions(model, dict(list(divisions.items())[:: 7 if quick else 1]), asks)
    amounts = {b.game: battery(find("games", b.game)) for b in AMOUNTS[: 1 if quick else None]}
    every += questions(model, amounts, [find("frames", "table(goal='')")], most=2)
    return every + doses(model, "choice", quick=quick)


# --- carrying it out ---------------------------------------------------------------------------


def run(task: StudyTask) -> StudyResult:
    """Generate, tune and measure what is missing, then write the report."""
    failed = 0
    agents = kinds(task)
    for seed in task.seeds:
        for kind in agents:
            if seed in kind.seeds:
                data_folder.write(kind.recipe(seed), task.place(f"data/{kind.folder(seed)}"))
    with task.timed():
        failed += measure_untrained(task, agents)
    for seed in task.seeds:
        for kind in agents:
            if seed in kind.seeds:
                with task.timed():
                    failed += tune_agent(task, kind, seed)
    return StudyResult(page(task, agents), failed)


@contextmanager
def open_run(task: StudyTask, name: str, plan: TuningPlan, recipe: Recipe) -> Iterator[RunFolder]:
    settings = plan.config(recipe, command=task.command)
    with RunFolder(task.place(name), settings) as run:
        yield run


def measure_untrained(task: StudyTask, agents: Sequence[DoseKind]) -> int:
    """Ask the untrained model the canonical games and the test rows of both ends (first seed); the number of
    failed questions."""
    first = tuning(task, agents[0], task.seeds[0])
    with open_run(task, "base", first, agents[0].recipe(task.seeds[0])) as run:
        if run.noted("examined.json"):
            return 0
        model = load_student(first)
        rows = {kind.slug: tuning(task, kind, task.seeds[0]).rows()[2] for kind in agents if kind.wide}
        also = exam(model, "choice", quick=task.quick)
        records = examine(first, model, run, rows, task.follow, also)
        failed = sum(r.choice is None for r in records)
        if not failed:
            run.note("examined.json", {"exam": True})
        return failed


def tune_agent(task: StudyTask, kind: DoseKind, seed: int) -> int:
    """Tune one agent and ask it its test rows, the two ends also the canonical games; the number of failed
    questions."""
    plan = tuning(task, kind, seed)
    name = kind.folder(seed)
    with open_run(task, name, plan, kind.recipe(seed)) as run:
        if run.noted("examined.json"):
            return 0
        training = Tuning.of(plan)
        task.follow.say(name)
        model = load_trained(plan, train_once(training, partial(load_student, plan), run, task.follow))
        model.name = f"{task.model}+{name}"
        also: list[Question] = []
        if kind.wide and seed == task.seeds[0]:
            also += exam(model, "aloud", quick=task.quick)
        if not kind.direct:
            also += doses(model, "aloud", quick=task.quick)
        records = examine(plan, model, run, {"after": training.test}, task.follow, also)
        failed = sum(r.choice is None for r in records)
        if not failed:
            run.note("examined.json", {"exam": True})
        return failed
