"""Preferences from economics: Lu, Dhanda, Chen & Hansen (2025), on any model, and beyond.

A model is measured in canonical games and its preferences are estimated; utility-implied reasons and answers
are generated for homo economicus (kappa = 0), homo moralis (kappa = 1) and doses between; the model is
fine-tuned on them; then it is measured and estimated again, on games it never saw.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any, TypeAlias

import numpy as np

from homines.core.registry import find
from homines.core.run_folder import RunFolder
from homines.core.types import Decision
from homines.elicitation.questions import Question, battery, questions
from homines.estimation.family import family
from homines.estimation.published import AMOUNTS, PAIRS
from homines.inference.reasoning import ReasoningOptions
from homines.studies.lu2025.page import page
from homines.training import data, data_folder
from homines.training.data import Recipe
from homines.training.exam import TuningPlan, examine
from homines.training.lifecycle import Tuning, train_once
from homines.training.student import load_student, load_trained
from homines.training.study import StudyResult, StudyTask
from homines.training.supervised import SupervisedSettings

KAPPAS = (0.0, 0.25, 0.5, 0.75, 1.0)
ENDS = (0.0, 1.0)
"""Homo economicus and homo moralis: asked everything; the doses between what their kappa is fitted to."""
SEEDS = 1
"""Trainings of each kind, unless said otherwise."""
ROWS, TESTS = 320, 64
WORDS = ("A,B", "X,Y")
WORDS_ASKED = ("X,Y", "Y,X")
PROTOCOLS = tuple(f"{game}({k})" for game in ("spd", "trust", "ultimatum") for k in range(1, 7))
DRAWN, DRAWN_SEED = 12, 2025
"""Divisions of money, and as many after a kind or unkind act, drawn with a seed of their own."""
TRIED = 4000
"""Symmetric games drawn to find those that tell doses of kappa apart."""
THINK, THINK_QUICK = 256, 64
"""Tokens of reasons at most; the untrained model seldom ends before them."""

Games: TypeAlias = Mapping[str, tuple[Decision, ...]]
"""Decisions by the spec of their game."""


@dataclass(frozen=True)
class Kind:
    """One agent: the dose of kappa it is tuned to; `direct`: on the bare answers, without reasons."""

    kappa: float
    seeds: tuple[int, ...]
    quick: bool
    direct: bool = False

    @property
    def name(self) -> str:
        name = {0.0: "homo economicus", 1.0: "homo moralis"}.get(self.kappa, f"kappa = {self.kappa:g}")
        return f"{name}, no reasons" if self.direct else name

    @property
    def slug(self) -> str:
        return f"kappa-{self.kappa:g}{'-direct' if self.direct else ''}"

    @property
    def wide(self) -> bool:
        """Asked everything: the two ends, thinking aloud."""
        return self.kappa in ENDS and not self.direct

    def folder(self, seed: int) -> str:
        return f"{self.slug}-s{seed}"

    @property
    def rows(self) -> tuple[int, int]:
        """To train on, and to test on."""
        return (24, 6) if self.quick else (ROWS, TESTS)

    def recipe(self, seed: int) -> Recipe:
        train, test = self.rows
        return Recipe(
            f"moralis(kappa={self.kappa!r})",
            train=train,
            test=test,
            words=WORDS,
            reasons=not self.direct,
            seed=seed,
            apart=tuple(telling()),
        )


def kinds(task: StudyTask) -> list[Kind]:
    """Every kind of agent; only the ends have every seed."""
    first = task.seeds[:1]
    if task.quick:
        return [Kind(k, task.seeds, True) for k in ENDS]
    there = [Kind(k, task.seeds if k in ENDS else first, False) for k in KAPPAS]
    return there + [Kind(k, first, False, direct=True) for k in ENDS]


def outline(task: StudyTask) -> list[str]:
    """What would be trained, a line a kind of agent."""
    return [f"{kind.name}: {len(kind.seeds)} seeds, {kind.rows[0]} rows" for kind in kinds(task)]


def tuning(task: StudyTask, kind: Kind, seed: int) -> TuningPlan:
    """The fine-tuning of one agent."""
    folder = task.place(f"data/{kind.folder(seed)}")
    return TuningPlan(
        task.model,
        str(folder),
        SupervisedSettings("sft", seed=seed),
        ReasoningOptions(most=THINK_QUICK if task.quick else THINK),
        side_effects=kind.wide and seed == task.seeds[0],
        device=task.device,
        dtype=task.dtype,
    )


# --- what is asked -----------------------------------------------------------------------------


def table(words: str, **fields: str) -> Any:
    """The frame of this study: payoffs as a table, no word on what to aim at."""
    return replace(find("frames", f"table(labels='{words}', goal='')"), **fields)


def drawn(game: str) -> dict[str, tuple[Decision, ...]]:
    """Games drawn with a seed of their own, by spec."""
    rng = np.random.default_rng(DRAWN_SEED)
    draw = data.drawer(game)
    assert draw is not None
    specs = [draw(rng) for _ in range(DRAWN)]
    return {spec: battery(find("games", spec)) for spec in specs}


@cache
def telling() -> dict[str, float]:
    """Symmetric games that tell doses of kappa apart: spec, and the kappa at which both actions are worth the
    same. One game for every such kappa inside (0, 1) that payoffs of 1 to 9 can make, but for the doses; a
    higher kappa speaks for the first action and for the second in turn, so that neither alone fits any kappa
    well."""
    rng = np.random.default_rng(DRAWN_SEED)
    draw, of = data.drawer("symmetric"), family("moralis")
    assert draw is not None
    found: tuple[dict[float, str], dict[float, str]] = {}, {}
    for spec in (draw(rng) for _ in range(TRIED)):
        base, slope = np.diff(of.columns(find("games", spec).stage.due(())[0]), axis=0)[0]
        even = round(float(-base / slope), 9) if slope else 0.0
        if 0 < even < 1 and even not in KAPPAS:
            found[bool(slope > 0)].setdefault(even, spec)
    both = sorted(found[0].keys() & found[1].keys())
    return {found[i % 2][even]: even for i, even in enumerate(both)}


def once(model: Any, games: Games, asks: str) -> list[Question]:
    """Decisions between two actions, each asked twice: so that every action has either label and either place
    as often."""
    out: list[Question] = []
    for turn, words in enumerate(WORDS_ASKED):
        every = questions(model, games, [table(words, asks=asks)], most=2)
        out += [q for q in every if q.record.order[0][0] == turn]
    return out


def doses(model: Any, asks: str, *, quick: bool = False) -> list[Question]:
    """The games that tell kappa; in the short form every fifth, an odd step, so that they still alternate."""
    games = {spec: battery(find("games", spec).stage) for spec in list(telling())[:: 5 if quick else 1]}
    return once(model, games, asks)


def exam(model: Any, asks: str, *, quick: bool = False) -> list[Question]:
    """The canonical games: the protocols by the strategy method, pairs and divisions, asked for the bare
    answer or aloud; and amounts and the games that tell kappa for the bare answer. Beliefs are asked where
    answers are bare: an agent that was taught to think aloud gives no other answer."""
    protocols = {spec: battery(find("games", spec)) for spec in PROTOCOLS[:: 6 if quick else 1]}
    pairs = {spec: battery(find("games", spec)) for spec, _ in PAIRS.values()}
    divided = drawn("split")
    kind = {spec: tuple(d for d in ds if d.player == 1) for spec, ds in drawn("reciprocity").items()}
    every = {**pairs, **divided, **kind}
    asked = once(model, protocols, asks)
    if asks == "choice":
        asked += once(model, protocols, "belief")
    asked += once(model, dict(list(every.items())[:: 7 if quick else 1]), asks)
    amounts = {b.game: battery(find("games", b.game)) for b in AMOUNTS[: 1 if quick else None]}
    asked += questions(model, amounts, [find("frames", "table(goal='')")], most=2)
    return asked + doses(model, "choice", quick=quick)


# --- carrying it out ---------------------------------------------------------------------------


def run(task: StudyTask) -> StudyResult:
    """Generate, tune and measure what is missing, then write the report."""
    failed = 0
    there = kinds(task)
    for seed in task.seeds:
        for kind in there:
            if seed in kind.seeds:
                data_folder.write(kind.recipe(seed), task.place(f"data/{kind.folder(seed)}"))
    with task.timed():
        failed += untrained(task, there)
    for seed in task.seeds:
        for kind in there:
            if seed in kind.seeds:
                with task.timed():
                    failed += trained(task, kind, seed)
    return StudyResult(page(task, there), failed)


@contextmanager
def held(task: StudyTask, name: str, plan: TuningPlan, recipe: Recipe) -> Iterator[RunFolder]:
    settings = plan.config(recipe, command=task.command)
    with RunFolder(task.place(name), settings) as run:
        yield run


def untrained(task: StudyTask, there: Sequence[Kind]) -> int:
    """The model as it is: canonical games, and the test rows of both ends (first seed)."""
    first = tuning(task, there[0], task.seeds[0])
    with held(task, "base", first, there[0].recipe(task.seeds[0])) as run:
        if run.noted("examined.json"):
            return 0
        model = load_student(first)
        rows = {kind.slug: tuning(task, kind, task.seeds[0]).rows()[2] for kind in there if kind.wide}
        also = exam(model, "choice", quick=task.quick)
        records = examine(first, model, run, rows, task.follow, also)
        failed = sum(r.choice is None for r in records)
        if not failed:
            run.note("examined.json", {"exam": True})
        return failed


def trained(task: StudyTask, kind: Kind, seed: int) -> int:
    """One agent: tuned, asked its test rows; the two ends also the canonical games."""
    plan = tuning(task, kind, seed)
    name = kind.folder(seed)
    with held(task, name, plan, kind.recipe(seed)) as run:
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
