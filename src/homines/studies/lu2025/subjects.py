"""Models that the applications of the study lu2025 ask: agents tuned on games, models as they are, and agents
trained in an application."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from homines.core.registry import find, head
from homines.core.run_folder import RunFolder
from homines.elicitation.metrics import answered_records
from homines.studies import default_folder
from homines.studies.kit import Agent
from homines.studies.task import UNTRAINED, StudyTask
from homines.training.lifecycle import finished_training

BARE, ALOUD = "bare", "aloud"
"""How a question is asked: for the answer at once, or after reasons."""
DOMAIN = "domain"
"""The group of agents that another study trained in the application itself."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A model that the applications ask.

    name         on the page
    folder       the last part of its folders, cars/FOLDER and markets/FOLDER
    model        its MODEL string
    preference   that it was tuned to; None for a model as it is
    group        "base", "also" or "core"
    """

    name: str
    folder: str
    model: str
    preference: str | None = None
    group: str = "core"


def models_as_they_are(task: StudyTask) -> list[Subject]:
    """The study's model before any training, and those beside it."""
    return [
        Subject(
            name=task.name_of(model),
            folder=folder,
            model=model,
            group="base" if model == task.model else "also",
        )
        for folder, model in task.models.items()
    ]


def tuned(task: StudyTask, name: str, folder: str, preference: str) -> list[Subject]:
    """An agent that this study tuned, from its run folder; none where its training is not done."""
    done = finished_training(task.place(folder))
    if done is None:
        return []
    return [Subject(name=name, folder=folder, model=f"{task.model}+{done.folder}", preference=preference)]


@dataclass(frozen=True, eq=False, kw_only=True)
class AppliedAgent(Agent):
    """A subject with its answers in one application; its preference, None for a model as it is."""

    preference: str | None = None

    @property
    def kappa(self) -> float | None:
        """Its degree of universalisability; None without a preference that has one."""
        if self.preference is None:
            return None
        if head(self.preference) == "economicus":
            return 0.0
        return getattr(find("preferences", self.preference), "kappa", None)


def untrained(base: AppliedAgent) -> str:
    """The study's model as it is, as the subject of a sentence on untrained models. Of a model that is not
    trained here it is not known whether it was trained elsewhere: it stands by its name."""
    return "The untrained model" if base.name == UNTRAINED else base.name


def applied_agents(task: StudyTask, subjects: Sequence[Subject], application: str) -> list[AppliedAgent]:
    """The subjects with a legal answer in an application, which is the name of its folder."""
    out: list[AppliedAgent] = []
    for subject in subjects:
        folder = task.place(f"{application}/{subject.folder}")
        if (folder / "config.json").exists():
            run, preference = RunFolder(folder), subject.preference
            agent = AppliedAgent(name=subject.name, run=run, group=subject.group, preference=preference)
            out += [agent] if answered_records(agent.records) else []
    return out


def domain_agents(task: StudyTask, study: str, folders: dict[str, str]) -> list[AppliedAgent]:
    """Agents of this model that another study trained, from its folder beside this one's; none where it was
    not run.

    folders   preferences by the name of the agent's folder; the first of each preference counts
    """
    beside = task.folder.with_name(default_folder(study, task.quick).name)
    out: dict[str, AppliedAgent] = {}
    for folder, preference in folders.items():
        if preference in out or not (beside / folder / "training.json").exists():
            continue
        run = RunFolder(beside / folder)
        if run.config.get("model") == task.model and run.records:
            name = f"{head(preference)}, trained in {study}"
            out[preference] = AppliedAgent(name=name, run=run, group=DOMAIN, preference=preference)
    return list(out.values())
