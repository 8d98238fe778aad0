"""Which agents of the study tennant2025 are trained in its folder, and where lies what was asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from homines.core.paths import inside
from homines.core.run_folder import RunFolder
from homines.studies.task import StudyTask
from homines.studies.tennant2025.kinds import Part, RewardKind, all_kinds
from homines.training.lifecycle import finished_training

ASKED: tuple[Part, ...] = ("prompted", "probes", "ordinal")
"""Parts that ask and train nothing."""
RIVAL = "rival"
"""The folder of exams of second learners."""


class Trained(NamedTuple):
    """A trained agent: its kind and seed."""

    kind: RewardKind
    seed: int

    @property
    def folder(self) -> str:
        return self.kind.folder(self.seed)


def trained_agents(task: StudyTask) -> list[Trained]:
    """Every agent of this study that has been trained in its folder, by this call or another."""
    every = [Trained(kind, seed) for kind in all_kinds(task) for seed in kind.seeds] if task.trainable else []
    return [x for x in every if inside(task.place(x.folder), "training.json").exists()]


def planned_probed(task: StudyTask, part: Part = "probes") -> list[Trained]:
    """First seeds of the core that are trained here, or are by this call: those that a part asks too. The
    ordinal games, which are many, ask Game+De alone."""
    if not task.trainable:
        return []
    here = not task.only or "core" in task.only
    there = {x.folder for x in trained_agents(task)}
    core = [kind for kind in all_kinds(task) if kind.group == "core"]
    first = [Trained(k, task.seeds[0]) for k in core if part != "ordinal" or k.name == "Game+De"]
    return [x for x in first if here or x.folder in there]


def part_folder(part: Part, folder: str) -> str:
    """The folder of what a part asks the agent of a folder."""
    return f"{part}/{folder}"


def asked_parts(task: StudyTask, folder: str) -> Mapping[str, RunFolder]:
    """Run folders of what the asking parts asked an agent, by part; those that are there."""
    places = {part: task.place(part_folder(part, folder)) for part in ASKED}
    return {part: RunFolder(p) for part, p in places.items() if inside(p, "config.json").exists()}


def spec_of(task: StudyTask, folder: str) -> str | None:
    """The MODEL string of a trained agent; None where its training is not done."""
    done = finished_training(task.place(folder))
    return None if done is None else f"{task.model}+{done.folder}"


def rival_spec(task: StudyTask, folder: str) -> str | None:
    """The MODEL string of the second learner of a training; None where there is none."""
    done = finished_training(task.place(folder))
    return None if done is None or done.rival is None else f"{task.model}+{done.rival}"
