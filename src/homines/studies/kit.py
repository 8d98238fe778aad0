"""What the pages of all studies share: agents, findings, intervals over seeds, and the writing of a page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from scipy.stats import t as student

from homines.core.catalogue import remarks
from homines.core.format import TableRow
from homines.core.run_folder import RunFolder
from homines.core.types import HominesError, Record
from homines.reports.page import Section, write
from homines.reports.run_view import read
from homines.reports.verdict import verdicts
from homines.reports.verdict_text import EXPLANATION, verdict_row
from homines.studies.task import StudyTask

EXPLAINED = (
    "Explained: how far the family comes on the way from random choice to the observed shares. Explainable: "
    "how far it would come, on average, if it were true; 1 for exact choices."
)


@dataclass(frozen=True, eq=False, kw_only=True)
class Agent:
    """A model of a study with the run folder of its answers.

    group   the part of the study it belongs to; "base" is the untrained model
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


A = TypeVar("A", bound=Agent)
F = TypeVar("F")


@dataclass(frozen=True, eq=False, kw_only=True)
class Findings(Generic[A]):
    """The untrained model and every other agent."""

    base: A
    others: Sequence[A]

    def by_name(self, *groups: str) -> dict[str, list[A]]:
        """Agents of these groups, or of all, by name; a name holds one agent a seed."""
        agents: dict[str, list[A]] = {}
        for agent in self.others:
            if not groups or agent.group in groups:
                agents.setdefault(agent.name, []).append(agent)
        return agents

    def with_base(self, *groups: str) -> dict[str, list[A]]:
        """The same after the untrained model."""
        return {self.base.name: [self.base], **self.by_name(*groups)}


# --- numbers over seeds ----------------------------------------------------------------------------


def mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))


def confidence_interval(values: Sequence[float]) -> tuple[float | None, float | None]:
    """95% interval of the mean, mean -+ t sd / sqrt(n), Student's t; (None, None) below two values."""
    if len(values) < 2:
        return None, None
    half = float(student.ppf(0.975, len(values) - 1)) * float(np.std(values, ddof=1)) / len(values) ** 0.5
    return mean(values) - half, mean(values) + half


def interval_row(values: Sequence[float], *, unit: bool = False) -> TableRow:
    """Mean and 95% interval as cells of a chart's row; `unit` cuts the interval to [0, 1]."""
    low, high = confidence_interval(values)
    if unit and low is not None and high is not None:
        low, high = max(0.0, low), min(1.0, high)
    return {"value": mean(values), "low": low, "high": high}


def format_mean(values: Sequence[float]) -> str:
    """'0.98 ± 0.01'; without the second part for a single value."""
    low, high = confidence_interval(values)
    center = f"{round(mean(values), 2) + 0.0:.2f}"  # never -0.00
    return center if low is None or high is None else f"{center} ± {(high - low) / 2:.2f}"


def finite_or_none(x: float) -> float | None:
    """The number; None for NaN, which a table shows as an empty cell."""
    return None if np.isnan(x) else float(x)


# --- the page --------------------------------------------------------------------------------------


def check_answered(base: Agent) -> None:
    """Raise HominesError where the untrained model, which all others are compared with, lacks an answer."""
    if base.failed:
        raise HominesError(
            f"{base.failed} questions to the untrained model failed (their errors are in "
            f"{base.run.folder / 'records.jsonl'}); the same command asks them again"
        )


def task_facts(
    task: StudyTask, models: Mapping[str, Any], exclusions: Mapping[str, Any], provenance: Any
) -> dict[str, Any]:
    """Settings and provenance at the end of a page, in this order.

    models       what was asked
    exclusions   what is not on the page, with the reason in its key
    """
    return {
        **models,
        "seeds": list(task.seeds),
        "quick": task.quick,
        **exclusions,
        "minutes of work in all": round(task.seconds / 60, 1),
        "provenance": provenance,
    }


def verdict_section(findings: Any) -> Section | None:
    """The verdict on every agent by all answers in its folder; None for a study of other findings."""
    if not isinstance(findings, Findings):
        return None
    rows = [
        {"agent": agent.name, **({} if agent.seed is None else {"seed": agent.seed}), **verdict_row(v)}
        for agent in (findings.base, *findings.others)
        for v in verdicts(read(agent.run))
    ]
    return Section("verdicts", "Verdicts", (EXPLANATION,), rows) if rows else None


def write_page(
    task: StudyTask,
    findings: F,
    parts: Iterable[Callable[[F], Section | None]],
    *,
    title: str,
    summary: Sequence[str],
    facts: Mapping[str, Any],
) -> Path:
    """Write report.html in the study's folder: a section for each part that has something to show."""
    return write(
        task.folder,
        title=f"{title}: {task.model}",
        summary=[*summary, *remarks((task.model, *task.also, *task.rivals))],
        sections=[section for part in (*parts, verdict_section) if (section := part(findings)) is not None],
        facts=facts,
        command=task.command,
    )
