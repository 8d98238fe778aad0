"""What the pages of all studies share: agents, findings, intervals over seeds, and the writing of a page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, TypeAlias, TypeVar

import numpy as np

from homines.core.catalogue import remarks
from homines.core.format import TableRow, count, join
from homines.core.rates import describe, mean_interval, sample_of
from homines.core.run_folder import RunFolder
from homines.core.types import Record
from homines.elicitation.metrics import answered_records, is_sampled
from homines.reports.page import Section, write
from homines.reports.run_view import read
from homines.reports.verdict import verdicts
from homines.reports.verdict_text import EXPLANATION, verdict_row
from homines.studies.omissions import Omission, by_need
from homines.studies.task import StudyResult, StudyTask

EXPLAINED = (
    "Explained: how far the family comes on the way from random choice to the observed shares. Explainable: "
    "how far it would come, on average, if it were true; 1 for exact choices."
)


@dataclass(frozen=True, eq=False, kw_only=True)
class Agent:
    """A model of a study with the run folder of its answers.

    group   the part of the study it belongs to; "base" is the study's model as it is, "also" one beside it
    seed    the seed of its training; None for a model that the study did not train
    """

    name: str
    run: RunFolder
    group: str = ""
    seed: int | None = None

    @property
    def records(self) -> list[Record]:
        return self.run.records

    @property
    def failed(self) -> int:
        """The number of questions without an answer."""
        return sum(record.choice is None for record in self.records)

    @property
    def capability(self) -> Mapping[str, Any] | None:
        """Its scores on everyday questions; None where they were not asked."""
        return next(iter((self.run.noted("sideeffects.json") or {}).values()), None)

    @cached_property
    def sampled(self) -> bool:
        """Whether its bare answers are counted or bounded samples, and no exact probabilities."""
        return any(is_sampled(r) for r in self.records if r.asks != "aloud")


A = TypeVar("A", bound=Agent)
F = TypeVar("F", bound="Findings[Any]")
AS_IT_IS = ("base", "also")
"""Groups of models that are measured as they are."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Findings(Generic[A]):
    """What a study found: its model as it is, the models beside it, and the agents it trained.

    agents   every agent that was asked, the study's model first
    unread   the error of each model that could not be asked, by its MODEL string
    """

    task: StudyTask
    agents: Sequence[A]
    unread: Mapping[str, str] = field(default_factory=dict[str, str])

    def answers(self, agent: A) -> bool:
        """Whether the answers of an agent suffice for the sections of the page."""
        return bool(answered_records(agent.records))

    @cached_property
    def able(self) -> list[A]:
        """Agents with answers enough; the others are in no section."""
        return [agent for agent in self.agents if self.answers(agent)]

    @property
    def base(self) -> A | None:
        """The study's model as it is; None where its answers do not suffice."""
        return next((agent for agent in self.able if agent.group == "base"), None)

    @property
    def others(self) -> list[A]:
        """Every other agent with answers enough."""
        return [agent for agent in self.able if agent.group != "base"]

    def by_name(self, *groups: str) -> dict[str, list[A]]:
        """Agents of these groups, or of all but the base, by name; a name holds one agent a seed."""
        agents: dict[str, list[A]] = {}
        for agent in self.able:
            if agent.group in groups or (not groups and agent.group != "base"):
                agents.setdefault(agent.name, []).append(agent)
        return agents

    def with_base(self, *groups: str) -> dict[str, list[A]]:
        """The same after the models that are measured as they are."""
        return {**self.by_name(*AS_IT_IS), **self.by_name(*groups)}

    def lacks_training(self, section: str) -> Omission:
        """The omission of a section on agents that were not trained."""
        return Omission(section, "the full form" if self.task.trainable else "training")

    @property
    def sampled_note(self) -> tuple[str, ...]:
        """A paragraph for a section of figures that are computed from rates; none where all are exact."""
        names = [agent.name for agent in self.able if agent.group in AS_IT_IS and agent.sampled]
        if not names:
            return ()
        return (f"Of {join(names)} these are computed from sampled rates; no interval here covers that.",)


# --- numbers over seeds ----------------------------------------------------------------------------


def mean(values: Iterable[float]) -> float:
    """The mean; a single value as it is, with its sample."""
    every = list(values)
    return every[0] if len(every) == 1 else float(np.mean(every))


def confidence_interval(values: Sequence[float]) -> tuple[float | None, float | None]:
    """95% interval of the mean, mean -+ t sd / sqrt(n), Student's t. Of a single value that of its sample;
    (None, None) where it has none."""
    if len(values) < 2:
        sample = sample_of(values[0]) if values else None
        return (None, None) if sample is None else (sample.lower, sample.upper)
    return mean_interval(values)


def interval_row(values: Sequence[float], *, unit: bool = False) -> TableRow:
    """Mean and 95% interval as cells of a chart's row; `unit` cuts the interval to [0, 1]."""
    low, high = confidence_interval(values)
    if unit and low is not None and high is not None:
        low, high = max(0.0, low), min(1.0, high)
    return {"value": float(mean(values)), "low": low, "high": high}


def format_mean(values: Sequence[float]) -> str:
    """'0.98 ± 0.01'; for a single value without the second part."""
    center = f"{round(mean(values), 2) + 0.0:.2f}"  # never -0.00
    if len(values) < 2:
        return center
    low, high = confidence_interval(values)
    return center if low is None or high is None else f"{center} ± {(high - low) / 2:.2f}"


def rate_cell(values: Sequence[float]) -> Any:
    """A rate over seeds as a cell: `format_mean`; a single sampled rate as it is, with its sample."""
    return values[0] if len(values) == 1 and sample_of(values[0]) else format_mean(values)


def rate_text(values: Sequence[float]) -> str:
    """A rate over seeds in a sentence: '0.98 ± 0.01'; a single sampled one '.85 [.80, .90], n 40'."""
    cell = rate_cell(values)
    return cell if isinstance(cell, str) else describe(cell)


def finite_or_none(x: float) -> float | None:
    """The number; None for NaN, which a table shows as an empty cell."""
    return None if np.isnan(x) else float(x)


# --- the page --------------------------------------------------------------------------------------


def models_as_they_are(
    task: StudyTask, unread: Mapping[str, str], models: Mapping[str, str] | None = None
) -> list[tuple[str, RunFolder, str]]:
    """(name, run folder, group) of each model that was asked as it is.

    models   MODEL strings by the name of their folder; None: those of the task
    """
    return [
        (task.name_of(model), RunFolder(task.place(folder)), "base" if model == task.model else "also")
        for folder, model in (task.models if models is None else models).items()
        if model not in unread
    ]


def task_facts(findings: Findings[Any], **more: Any) -> dict[str, Any]:
    """Settings and provenance at the end of a page, in this order. more: what this study alone states."""
    task = findings.task
    return {
        "model": task.model,
        "beside it": list(task.also),
        **more,
        "seeds": list(task.seeds),
        "quick": task.quick,
        "left out, for questions that failed": [
            agent.name if agent.seed is None else f"{agent.name}, seed {agent.seed}"
            for agent in findings.agents
            if agent.failed
        ],
        "minutes of work in all": round(task.seconds / 60, 1),
        "provenance": {a.name: a.run.provenance for a in findings.agents if a.seed is None},
    }


def verdict_section(findings: Findings[Any]) -> Section | None:
    """The verdict on every agent by all answers in its folder."""
    rows = [
        {"agent": agent.name, **({} if agent.seed is None else {"seed": agent.seed}), **verdict_row(v)}
        for agent in findings.agents
        for v in verdicts(read(agent.run))
    ]
    return Section("verdicts", "Verdicts", (EXPLANATION,), rows) if rows else None


def caveats(findings: Findings[Any]) -> list[str]:
    """What a reader has to know before any figure: answers that failed, are missing, or were sampled."""
    out = [f"{model} could not be asked: {error}" for model, error in findings.unread.items()]
    out += [
        f"{count(agent.failed, 'question')} to {agent.name} failed (their errors are in "
        f"{agent.run.folder / 'records.jsonl'}); the same command asks them again."
        for agent in findings.agents
        if agent.failed
    ]
    if mute := [agent.name for agent in findings.agents if agent not in findings.able]:
        out.append(
            f"No rate of {join(mute)} is shown: a rate here takes a legal answer to every question that it "
            "is of. The verdicts have the legal mass."
        )
    if sampled := [agent.name for agent in findings.able if agent.sampled]:
        out.append(
            f"Answers of {join(sampled)} are samples: a rate stands with its 95% interval and its number n "
            "of legal answers. What is computed from such rates (long runs, regret, estimates) is as "
            "uncertain as they are."
        )
    return out


Part: TypeAlias = "Section | Omission | Sequence[Section | Omission] | None"
"""What a part of a page gives."""


def _each(part: Part) -> Sequence[Section | Omission]:
    if part is None:
        return ()
    return (part,) if isinstance(part, Section | Omission) else part


def write_page(
    findings: F,
    parts: Iterable[Callable[[F], Part]],
    *,
    title: str,
    summary: Sequence[str],
    facts: Mapping[str, Any],
) -> StudyResult:
    """Write report.html in the study's folder: sections of each part that has something to show.

    What is left out, and what a reader has to know first, stands on its lead.
    """
    task = findings.task
    every = [x for part in (verdict_section, *parts) for x in _each(part(findings))]
    omissions = tuple(x for x in every if isinstance(x, Omission))
    left_out = [
        f"{sentence}: `{command}`" if command else f"{sentence}."
        for sentence, command in by_need(omissions, task)
    ]
    page = write(
        task.folder,
        title=f"{title}: {task.model}",
        summary=[*summary, *remarks((task.model, *task.also, *task.rivals)), *caveats(findings), *left_out],
        sections=[x for x in every if isinstance(x, Section)],
        facts=facts,
        command=task.command,
    )
    return StudyResult(page, sum(agent.failed for agent in findings.agents), omissions, findings.unread)
