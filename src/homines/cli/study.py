"""Command line of `homines study`; the work is in studies/."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from homines.cli.measure import BudgetOptions, count_questions, describe_counts, limit
from homines.cli.options import AsJson, Fields, Values
from homines.core.options import MODEL, option
from homines.core.plugins import names
from homines.core.types import HominesError, Model
from homines.elicitation.survey import Survey
from homines.inference.processes import quiet
from homines.models import check_kind
from homines.studies import check_more, default_folder
from homines.studies.omissions import by_need


@dataclass(frozen=True)
class StudyOptions:
    """On what a study is run, and how much of it; fields of StudyTask."""

    model: str = option("smollm2", MODEL)
    seeds: int | None = option(
        None,
        "Seeds, from 0: trainings of each kind, or sets of scenarios; default: the study's own.",
        low=1,
    )
    quick: bool = option(False, "The short form: minutes in place of hours.", "--quick")
    out: Path | None = option(None, "Folder; default: runs/NAME.")
    also: tuple[str, ...] = option((), "Measure this model beside it; repeat for more.")
    rivals: tuple[str, ...] = option(
        (), "Whom it meets in a market: a MODEL, qlearner, nash, undercut; repeat for more.", "--rival"
    )
    humans: Path | None = option(None, "What people did, by country: a CSV of Estimates, se, Label, Country.")
    periods: int | None = option(None, "Periods of a market in words; 300 as published.", low=1)
    only: tuple[str, ...] = option(
        (),
        "Part of lu2025 (full, left_out, doses, applications, persistence) or of tennant2025 (core, "
        "opponents, learners, unlearning, prompted, probes, ordinal, sensitivity, memory); repeat for "
        "more.",
    )

    @property
    def particular(self) -> Values:
        """What only some studies take (their OPTIONS)."""
        return {name: getattr(self, name) for name in ("also", "rivals", "humans", "periods", "only")}


def study(
    name: Annotated[
        str, typer.Argument(help="A folder of studies/; `homines list studies` tells which there are.")
    ],
    options: StudyOptions,
    budget: BudgetOptions,
    placement: Annotated[Values, Fields(Survey, "device dtype")],
    dry_run: Annotated[bool, typer.Option(help="Print what would be trained or asked, and stop.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run a study, or print what it would train."""
    quiet()
    limit(budget, [options.model, *options.also, *options.rivals])
    carry_out_study(name, options, placement, dry_run, as_json)


def carry_out_study(
    name: str, options: StudyOptions, placement: Values, dry_run: bool, as_json: bool
) -> None:
    """Run a study, or print what it would train; exits with 1 where some questions failed."""
    studies = names("studies")
    if name not in studies:
        raise HominesError(f"no study called {name!r}; there are {', '.join(studies)}")
    check_kind(options.model)
    from homines.reports.console import Bars, command, stopping
    from homines.studies.task import StudyTask

    folder = options.out or default_folder(name, options.quick)
    module = import_module(f"homines.studies.{name}.study")
    check_more(name, getattr(module, "OPTIONS", ()), options.particular)
    seeds = tuple(range(module.SEEDS if options.seeds is None else options.seeds))
    task = StudyTask(
        options.model,
        folder,
        seeds,
        options.quick,
        command=command(),
        study=name,
        **placement,
        **options.particular,
    )
    if dry_run:
        print_outline(module, task, as_json)
        return
    start = time.monotonic()
    with Bars() as bars, stopping() as stop:
        result = module.run(replace(task, follow=bars.follow(stop)))
    seconds = time.monotonic() - start
    if as_json:
        fields = {
            "folder": str(folder),
            "report": str(result.page),
            "failed": result.failed,
            "unread": dict(result.unread),
            "left_out": [omission.to_json(task) for omission in result.omissions],
            "seconds": seconds,
        }
        print(json.dumps(fields))
    else:
        for model, error in result.unread.items():
            print(f"not asked {model}: {error}")
        for sentence, remedy in by_need(result.omissions, task):
            print(f"{sentence}{':' if remedy else '.'}")
            if remedy:
                print(f"          {remedy}")
        print(f"report    {result.page}\ntables    {folder / 'tables'}\ntime      {seconds / 60:.1f} minutes")
    sys.exit(1 if result.failed or result.unread else 0)


def print_outline(module: Any, task: Any, as_json: bool) -> None:
    """Print what a study would train, and what it would ask of every agent: questions, and tokens or calls;
    exits with 1 where a model cannot be asked. Raises the error of the first model where none can be.

    A model is loaded to count its tokens, one at a time; agents that are trained from it have its tokenizer.
    """
    trainings, exams = module.outline(task), module.exams(task)
    counts, errors = dict[str, Values](), dict[str, HominesError]()
    models = list(dict.fromkeys(exam.model for exam in exams))
    for spec in models:
        try:
            counts |= count_exams(task.load(spec), [exam for exam in exams if exam.model == spec])
        except HominesError as failure:
            errors[spec] = failure
    if len(errors) == len(models):
        raise next(iter(errors.values()))
    rows = [{"agent": e.name, "model": e.model, **counts[e.name]} for e in exams if e.name in counts]
    unread = {spec: str(error) for spec, error in errors.items()}
    if as_json:
        print(json.dumps({"trainings": trainings, "asked": rows, "unread": unread}))
    else:
        if not task.trainable and hasattr(module, "kinds"):
            print(f"no training: the weights of {task.model} are out of reach")
        for line in trainings:
            print(line)
        for row in rows:
            print(f"{row['agent']}: {row['model']} is asked {describe_counts(row)}")
        print(f"in all {describe_counts({'questions': sum(row['questions'] for row in rows)})}")
        for spec, error in unread.items():
            print(f"not asked {spec}: {error}")
    if unread:
        sys.exit(1)


def count_exams(model: Model, exams: Sequence[Any]) -> dict[str, Values]:
    """Counts of the questions of every agent to this model, by the agent's name. exams: AgentExams."""
    return {e.name: count_questions(model, [q.prompt for q in e.exam(model)]) for e in exams}
