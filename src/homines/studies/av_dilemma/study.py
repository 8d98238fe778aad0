"""What is right, what one would buy, what one would vote for: self-driving cars, on any model.

The self-versus-others design of Bonnefon, Shariff & Rahwan (2016): the same sacrifice is judged, bought and
made a rule, for 1 to 100 people saved, with the owner, one of the family too, or a stranger aboard. Agents
are taught the logit choice of homo economicus and of homo moralis on a few numbers, the acts called by their
names, and asked about other numbers, and in other words. A utilitarian is not taught: it never differs here
from homo moralis with kappa = 1.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from homines.core.format import count
from homines.core.registry import find
from homines.core.run_folder import RunFolder
from homines.core.types import Model
from homines.elicitation import capability
from homines.elicitation.questions import Question, questions
from homines.games.av import ABOARD, PERSPECTIVES
from homines.models.hf import HuggingFace
from homines.studies.av_dilemma.agents import (
    ACTS,
    COURSE,
    COURSE_QUICK,
    FRAME,
    LETTERS,
    PRECISION,
    PreferenceKind,
    spec,
)
from homines.studies.av_dilemma.page import page
from homines.studies.av_dilemma.theory import decision_at, place
from homines.studies.task import AgentExam, StudyResult, StudyTask

OPTIONS = ("also",)
SEEDS = 1
"""Trainings of each kind, unless said otherwise."""
AGENTS = {"homo economicus": "economicus", "homo moralis": "moralis(kappa=1)"}
SAVED = (1, 2, 5, 10, 20, 50, 100)
"""Numbers asked about; 5, 20 and 50 are taught nowhere."""
FEW = (2, 20)


def kinds(task: StudyTask) -> list[PreferenceKind]:
    """Every kind of agent; in the short form the first alone, on its rows once."""
    course = COURSE_QUICK if task.quick else COURSE
    named = [*AGENTS.items()][: 1 if task.quick else None]
    return [PreferenceKind(name, preference, task.seeds, course) for name, preference in named]


def outline(task: StudyTask) -> list[str]:
    """What would be trained, a line a kind of agent."""
    return [
        f"{kind.name}: {count(len(kind.seeds), 'seed')} of {kind.course.steps(len(kind.rows()))} steps on "
        f"{len(kind.rows())} rows"
        for kind in kinds(task)
        if task.trainable
    ]


def exams(task: StudyTask) -> list[AgentExam]:
    """The questions of every agent, the same for all."""
    ask = partial(exam, quick=task.quick)
    taught = [(kind.folder(seed), task.model) for kind, seed in task.trainings(kinds(task))]
    return [AgentExam(name, model, ask) for name, model in (*task.models.items(), *taught)]


def exam(model: Model, *, quick: bool = False) -> list[Question]:
    """Every situation, with the acts by their names in all four orders, and by other words in two."""
    numbers, aboard = (FEW, ABOARD[:1]) if quick else (SAVED, ABOARD)
    specs = [spec(question, saved, who) for question in PERSPECTIVES for who in aboard for saved in numbers]
    games = {name: (decision_at(place(name)),) for name in specs}
    every = questions(model, games, [find("frames", FRAME)])
    frames = [find("frames", f"sentences(labels='{words}')") for words in (ACTS, *LETTERS)]
    return every + questions(model, games, frames, most=2)


def run(task: StudyTask) -> StudyResult:
    """Train and measure what is missing, then write the report."""
    ask = partial(exam, quick=task.quick)

    def sides(run: RunFolder, model: Model) -> None:
        if isinstance(model, HuggingFace) and not task.quick:
            run.note("sideeffects.json", {model.name: capability.measure_capability(model)})

    asked = task.ask_models(
        partial(task.measuring, quick=task.quick),
        lambda run, model: task.examined(run, model, ask, beside=sides),
    )
    trainings = task.trainings(kinds(task), asked)
    for kind, seed in trainings:
        with task.timed():
            settings = {"preference": kind.preference, "precision": PRECISION, "quick": task.quick}
            course = replace(kind.course, seed=seed)
            task.distilled(kind.folder(seed), kind.rows(), course, ask, beside=sides, **settings)
    return page(task, trainings, asked.unread)
