"""Preferences from economics: Lu, Dhanda, Chen & Hansen (2025), on any model, and beyond.

A model is measured in canonical games and its preferences are estimated; utility-implied reasons and answers
are generated for homo economicus (kappa = 0), homo moralis (kappa = 1) and doses between; the model is
fine-tuned on them; then it is measured and estimated again, on games it never saw.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import cache, partial
from typing import Any, TypeAlias

import numpy as np

from homines.core.capabilities import Reasons
from homines.core.registry import find
from homines.core.run_folder import RunFolder
from homines.core.types import Decision, Model, Record
from homines.datasets import folder as data_folder
from homines.datasets.generator import generate
from homines.datasets.recipe import Recipe, drawer
from homines.datasets.row import Row
from homines.elicitation.questions import Question, battery, questions
from homines.estimation.published import AMOUNTS, PAIRS
from homines.inference.reasoning import ReasoningOptions
from homines.studies.lu2025.agents import DRAWN_SEED, ENDS, KAPPAS, DoseKind, kappa_games, stated_games
from homines.studies.lu2025.page import page
from homines.studies.task import AgentExam, StudyResult, StudyTask
from homines.training.exam import examine, exams_of
from homines.training.lifecycle import Tuning, train_once
from homines.training.settings import SupervisedSettings, TuningPlan
from homines.training.student import load_student, load_trained

OPTIONS = ("also",)
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
    return [
        f"{kind.name}: {len(kind.seeds)} seeds, {kind.rows[0]} rows" for kind in kinds(task) if task.trainable
    ]


def exams(task: StudyTask) -> list[AgentExam]:
    """The questions of every agent: of models as they are, and of tuned ones."""
    tests = cache(lambda kind, seed: generate(kind.recipe(seed))[1])

    def as_it_is(model: Model) -> list[Question]:
        rows = {kind.slug: tests(kind, seed) for kind, seed in first_ends(task)}
        return row_questions(model, rows) + exam(model, "choice", quick=task.quick)

    def tuned(kind: DoseKind, seed: int, model: Model) -> list[Question]:
        return row_questions(model, {"after": tests(kind, seed)}) + tuned_exam(task, kind, seed, model)

    out = [AgentExam(name, model, as_it_is) for name, model in task.models.items()]
    return out + [
        AgentExam(kind.folder(seed), task.model, partial(tuned, kind, seed))
        for kind, seed in task.trainings(kinds(task))
    ]


def row_questions(model: Model, rows: Mapping[str, Sequence[Row]]) -> list[Question]:
    """Test rows as questions, aloud and bare."""
    return [q for _, group in exams_of(model, rows, rewordings=False).values() for q in group]


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
    draw = drawer(game)
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

    Beliefs are asked for the bare answer of every agent; of one that was taught to think aloud the legal mass
    says how far it gives one.
    """
    protocols = {spec: battery(find("games", spec)) for spec in PROTOCOLS[:: 6 if quick else 1]}
    pairs = {spec: battery(find("games", spec)) for spec, _ in PAIRS.values()}
    divided = random_games("split")
    kind = {spec: tuple(d for d in ds if d.player == 1) for spec, ds in random_games("reciprocity").items()}
    divisions = {**pairs, **divided, **kind}
    every = balanced_questions(model, protocols, asks)
    every += balanced_questions(model, protocols, "belief")
    every += balanced_questions(model, dict(list(divisions.items())[:: 7 if quick else 1]), asks)
    amounts = {b.game: battery(find("games", b.game)) for b in AMOUNTS[: 1 if quick else None]}
    every += questions(model, amounts, [find("frames", "table(goal='')")], most=2)
    return every + doses(model, "choice", quick=quick)


# --- carrying it out ---------------------------------------------------------------------------


def run(task: StudyTask) -> StudyResult:
    """Generate, tune and measure what is missing, then write the report."""
    agents = kinds(task)
    for kind, seed in {*first_ends(task), *task.trainings(agents)}:
        data_folder.write(kind.recipe(seed), task.place(f"data/{kind.folder(seed)}"))
    asked = task.ask_models(partial(open_as_it_is, task), partial(ask_as_it_is, task))
    trainings = task.trainings(agents, asked)
    for kind, seed in trainings:
        with task.timed():
            tune_agent(task, kind, seed)
    return page(task, trainings, asked.unread)


def first_ends(task: StudyTask) -> list[tuple[DoseKind, int]]:
    """The two ends with the first seed, whose test rows a model is asked as it is."""
    return [(kind, task.seeds[0]) for kind in kinds(task) if kind.wide]


@contextmanager
def open_run(task: StudyTask, name: str, plan: TuningPlan, recipe: Recipe) -> Iterator[RunFolder]:
    settings = plan.config(recipe, command=task.command)
    with RunFolder(task.place(name), settings) as run:
        yield run


def open_as_it_is(task: StudyTask, name: str, model: str) -> AbstractContextManager[RunFolder]:
    """The run folder of a model as it is; that of the model to be tuned has the plan of the first tuning."""
    kind, seed = first_ends(task)[0]
    if task.trainable and model == task.model:
        return open_run(task, name, tuning(task, kind, seed), kind.recipe(seed))
    return task.measuring(name, model, quick=task.quick, data={"apart": kind.recipe(seed).apart})


def ask_as_it_is(task: StudyTask, run: RunFolder, spec: str) -> int:
    """Ask a model as it is the canonical games and the test rows of both ends; the number of failed
    questions."""
    if run.noted("examined.json"):
        return 0
    plan, model = tuning(task, *first_ends(task)[0]), task.load(spec)
    if isinstance(model, Reasons):
        model.reasoning = plan.reasoning
    rows = {kind.slug: tuning(task, kind, seed).rows()[2] for kind, seed in first_ends(task)}
    also = exam(model, "choice", quick=task.quick)
    return note_examined(run, examine(plan, model, run, rows, task.follow, also))


def note_examined(run: RunFolder, records: Sequence[Record]) -> int:
    """Note that a model was asked everything, where no question failed; the number that did."""
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
        also = tuned_exam(task, kind, seed, model)
        return note_examined(run, examine(plan, model, run, {"after": training.test}, task.follow, also))


def tuned_exam(task: StudyTask, kind: DoseKind, seed: int, model: Model) -> list[Question]:
    """The questions to a tuned agent beside its test rows."""
    out: list[Question] = []
    if kind.wide and seed == task.seeds[0]:
        out += exam(model, "aloud", quick=task.quick)
    if not kind.direct:
        out += doses(model, "aloud", quick=task.quick)
    return out
