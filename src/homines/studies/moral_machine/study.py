"""Moral dilemmas of autonomous vehicles: Awad et al. (2018) on any model, balanced, beside people.

Scenarios of our own in that design; every one asked in both option orders and with two label sets; exact
probabilities; the estimator of `homines amce`; null policies beside every model. Nothing is trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from homines.core.registry import find
from homines.core.types import Model, digest
from homines.elicitation.questions import Question, battery, questions
from homines.estimation.amce import EFFECTS
from homines.estimation.published import countries
from homines.games.dilemma import DIMENSIONS, Dilemma, dilemma, spec
from homines.studies.moral_machine.page import page
from homines.studies.task import StudyResult, StudyTask

OPTIONS = ("also", "humans")
SEEDS = 1
"""Sets of scenarios, unless said otherwise."""
DRAWS, DRAWS_QUICK = 100, 8
"""Scenarios of each kind in a set; two of them exchange the groups, and pairs, an even number of them, take
turns with the label sets."""
WORDS = (("A,B", "Y,X"), ("B,A", "X,Y"))
"""Label sets, by pair of scenarios in turn. Each label stands for staying as often as for swerving: a liking
for a label is no liking for inaction."""


def models(task: StudyTask) -> tuple[str, ...]:
    """The study's model and the other models, each once."""
    return tuple(dict.fromkeys((task.model, *task.also)))


def answer_folder(task: StudyTask, model: str) -> Path:
    """The folder of a model's answers."""
    words = "".join(c if c.isalnum() or c in "-_." else "-" for c in model)
    return task.place(f"{words[-40:]}-{digest(model)[:6]}")


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
    """What would be asked, a line a model; nothing is trained."""
    n = len(scenarios(task))
    return [f"{model}: {n} scenarios, {4 * n} questions" for model in models(task)]


def run(task: StudyTask) -> StudyResult:
    """Ask what is missing of every model, then write the report."""
    if task.humans is not None:  # a file that is none costs no finished work
        countries(task.humans, [e.label for e in EFFECTS])
    dilemmas, failed = scenarios(task), 0
    for model in models(task):
        with task.timed():
            failed += measure_model(task, model, dilemmas)
    return StudyResult(
        page(task, {model: answer_folder(task, model) for model in models(task)}, dilemmas), failed
    )


def measure_model(task: StudyTask, model: str, dilemmas: Sequence[Dilemma]) -> int:
    """Ask one model, in a folder of its own; the number of failed questions."""
    frames = [f"table(labels='{labels}', goal='')" for words in WORDS for labels in words]
    with task.measuring(
        answer_folder(task, model).name, model, seeds=task.seeds, quick=task.quick, frames=frames
    ) as run:
        return task.examined(run, model, lambda m: scenario_questions(m, dilemmas))
