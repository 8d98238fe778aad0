"""Moral dilemmas of autonomous vehicles: Awad et al. (2018) on any model, balanced, beside people.

Scenarios of our own in that design; every one asked in both option orders and with two label sets; exact
probabilities; the estimator of `homines amce`; null policies beside every model. Nothing is trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from homines.core.registry import find
from homines.core.types import Model, digest
from homines.elicitation.questions import Question, battery, questions
from homines.estimation.amce import EFFECTS
from homines.estimation.published import countries
from homines.games.dilemma import DIMENSIONS, Dilemma, dilemma, spec
from homines.studies.moral_machine.page import page
from homines.studies.task import AgentExam, StudyResult, StudyTask

OPTIONS = ("also", "humans")
SEEDS = 1
"""Sets of scenarios, unless said otherwise."""
DRAWS, DRAWS_QUICK = 100, 8
"""Scenarios of each kind in a set; two of them exchange the groups, and pairs, an even number of them, take
turns with the label sets."""
WORDS = (("A,B", "Y,X"), ("B,A", "X,Y"))
"""Label sets, by pair of scenarios in turn. Each label stands for staying as often as for swerving: a liking
for a label is no liking for inaction."""


def folders(task: StudyTask) -> dict[str, str]:
    """MODEL strings by the name of the folder of their answers, the study's own first."""
    out: dict[str, str] = {}
    for model in task.models.values():
        words = "".join(c if c.isalnum() or c in "-_." else "-" for c in model)
        out[f"{words[-40:]}-{digest(model)[:6]}"] = model
    return out


def scenarios(task: StudyTask) -> list[Dilemma]:
    """Every scenario; each seed has a set of its own."""
    n = DRAWS_QUICK if task.quick else DRAWS
    draws = [seed * n + i for seed in task.seeds for i in range(n)]
    return [dilemma(kind, draw) for kind in DIMENSIONS for draw in draws]


def scenario_questions(model: Model, dilemmas: Sequence[Dilemma]) -> list[Question]:
    """Every scenario in both orders, with both label sets."""
    out: list[Question] = []
    for turn, words in enumerate(WORDS):
        frames = [find("frames", f"table(labels='{labels}', goal='')") for labels in words]
        games = {spec(d.kind, d.draw): battery(d) for d in dilemmas if d.draw // 2 % 2 == turn}
        out += questions(model, games, frames, most=2)
    return out


def outline(task: StudyTask) -> list[str]:
    """Nothing is trained."""
    return []


def exams(task: StudyTask) -> list[AgentExam]:
    """The questions of every model."""
    ask = partial(scenario_questions, dilemmas=scenarios(task))
    return [AgentExam(name, model, ask) for name, model in folders(task).items()]


def run(task: StudyTask) -> StudyResult:
    """Ask what is missing of every model, then write the report."""
    if task.humans is not None:  # a file that is none costs no finished work
        countries(task.humans, [e.label for e in EFFECTS])
    dilemmas = scenarios(task)
    ask = partial(scenario_questions, dilemmas=dilemmas)
    frames = [f"table(labels='{labels}', goal='')" for words in WORDS for labels in words]
    asked = task.ask_models(
        partial(task.measuring, seeds=task.seeds, quick=task.quick, frames=frames),
        lambda run, model: task.examined(run, model, ask),
        folders(task),
    )
    return page(task, folders(task), dilemmas, asked.unread)
