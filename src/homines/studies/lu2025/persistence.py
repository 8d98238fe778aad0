"""Whether the preferences of the two ends persist: `homines persist` on each of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from homines.core.paths import inside
from homines.core.run_folder import RunFolder
from homines.core.types import Model
from homines.elicitation.conditions import PLAIN, conditions
from homines.elicitation.questions import Question
from homines.reports.page import Section
from homines.reports.persistence_text import sections as sections_of
from homines.reports.run_view import read
from homines.studies.lu2025.curriculum import FRAMES, TaughtKind
from homines.studies.lu2025.folders import End
from homines.studies.task import AgentExam, StudyTask
from homines.training.persistence import persist
from homines.training.persistence_plan import KAPPA_GAMES, PersistencePlan

LABELS = ("A,B",)
TUNED_ROWS = 100
"""Rows of plain instructions after which the agents are asked once more."""


def plan_of(task: StudyTask, kind: TaughtKind, model: str, most: int) -> PersistencePlan:
    """What an agent is asked aloud, in the words of its training. most: tokens of reasons."""
    return PersistencePlan(
        model=model,
        to=kind.preference,
        games=KAPPA_GAMES[: 2 if task.quick else None],
        frames=FRAMES[:1],
        labels=LABELS,
        conditions=tuple(conditions())[: 1 if task.quick else None],
        tune=0 if task.quick else TUNED_ROWS,
        aloud=True,
        think=most,
        side_effects=not task.quick,
        device=task.device,
        dtype=task.dtype,
    )


def folder_of(kind: TaughtKind, seed: int) -> str:
    return f"persistence-{kind.folder(seed)}"


def exams(task: StudyTask, ends: Sequence[tuple[TaughtKind, int]], most: int) -> list[AgentExam]:
    """The questions to the two ends, those after plain instruction tuning too. most: tokens of reasons."""
    return [
        AgentExam(folder_of(kind, seed), task.model, partial(_every, plan_of(task, kind, task.model, most)))
        for kind, seed in ends
    ]


def _every(plan: PersistencePlan, model: Model) -> list[Question]:
    plain = plan.questions(model, (PLAIN,))
    return plan.questions(model, plan.names) + plain * (2 if plan.tune else 1)


def ask(task: StudyTask, ends: Sequence[End], most: int) -> int:
    """Ask the two ends under every condition; the number of failed questions. most: tokens of reasons."""
    failed = 0
    for kind, seed, model in ends:
        with task.timed():
            plan, folder = plan_of(task, kind, model, most), task.place(folder_of(kind, seed))
            records = persist(plan, folder, command=task.command, follow=task.follow)
            failed += sum(record.error is not None for record in records)
    return failed


def sections(task: StudyTask, ends: Sequence[End]) -> list[Section]:
    """What persists of each end that was asked."""
    out: list[Section] = []
    for kind, seed, _ in ends:
        if inside(task.place(folder_of(kind, seed)), "config.json").exists():
            name = kind.slug
            every = sections_of(read(RunFolder(task.place(folder_of(kind, seed)))))
            out += [replace(s, name=f"{s.name}_{name}", title=f"{s.title}: {kind.name}") for s in every]
    return out
