"""Which agents of the study lu2025 are trained in its folder, and what the applications ask of them."""

from __future__ import annotations

from collections.abc import Container
from typing import NamedTuple

from homines.core.paths import inside
from homines.studies.lu2025.curriculum import AgentKind, TaughtKind, agent_kinds
from homines.studies.lu2025.subjects import Subject, models_as_they_are, tuned
from homines.studies.task import StudyTask


class End(NamedTuple):
    """One of the two ends, trained on every kind of game, with its MODEL string."""

    kind: TaughtKind
    seed: int
    model: str


def trained_agents(task: StudyTask) -> list[tuple[AgentKind, int]]:
    """Every agent of this study that has been trained in its folder, by this call or another."""
    every = agent_kinds(task.seeds, quick=task.quick)
    there = [(kind, seed) for kind in every for seed in kind.seeds]
    return [(k, seed) for k, seed in there if inside(task.place(k.folder(seed)), "training.json").exists()]


def ends(task: StudyTask) -> list[End]:
    """The two ends that have been trained here."""
    return [
        End(kind, seed, subject.model)
        for kind, seed in trained_agents(task)
        if isinstance(kind, TaughtKind) and kind.stage == "full"
        for subject in _tuned(task, kind, seed)
    ]


def planned_ends(task: StudyTask) -> list[tuple[TaughtKind, int]]:
    """The two ends with the seeds that have been trained here, or are by this call."""
    trained, here = trained_agents(task), not task.only or "full" in task.only
    every = agent_kinds(task.seeds, quick=task.quick) if task.trainable else []
    return [
        (kind, seed)
        for kind in every
        for seed in kind.seeds
        if isinstance(kind, TaughtKind) and kind.stage == "full" and (here or (kind, seed) in trained)
    ]


def planned_subjects(task: StudyTask) -> list[Subject]:
    """Whom the applications will ask: the ends by the model that they are trained from."""
    return models_as_they_are(task) + [
        Subject(name=kind.name, folder=kind.folder(seed), model=task.model, preference=kind.preference)
        for kind, seed in planned_ends(task)
    ]


def subjects(task: StudyTask, unread: Container[str] = ()) -> list[Subject]:
    """Whom the applications ask: models as they are, but for those that could not be asked, and the ends."""
    every = [subject for subject in models_as_they_are(task) if subject.model not in unread]
    return every + [subject for end in ends(task) for subject in _tuned(task, end.kind, end.seed)]


def _tuned(task: StudyTask, kind: TaughtKind, seed: int) -> list[Subject]:
    return tuned(task, kind.name, kind.folder(seed), kind.preference)
