"""Command line of `homines atlas`; the work is in atlases/."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from homines.atlases.options import AtlasOptions
from homines.cli.measure import BudgetOptions, describe_counts, limit
from homines.cli.options import AsJson
from homines.core.types import HominesError
from homines.inference.processes import quiet

if TYPE_CHECKING:
    from homines.atlases.table import Entry


def atlas(
    options: AtlasOptions,
    budget: BudgetOptions,
    dry_run: Annotated[bool, typer.Option(help="Print questions and tokens by section, and stop.")] = False,
    as_json: AsJson = False,
) -> None:
    """Add or complete a model's row, then write the table and the page of all rows."""
    from homines.atlases.collection import complete, plan
    from homines.atlases.page import write_atlas
    from homines.atlases.table import finite_lines
    from homines.reports.console import Bars, command, stopping

    quiet()
    if options.model is None:
        idle = {"--base": options.base, "--quick": options.quick, "--dry-run": dry_run}
        if given := [name for name, value in idle.items() if value]:
            raise HominesError(f"{given[0]} bears on the row of a model; name the MODEL, or drop it")
    else:
        limit(budget, [options.model])
        if dry_run:
            print_plan(dict(plan(options)), as_json)
            return
        with Bars() as bars, stopping() as stop:
            complete(options, command=command(), follow=bars.follow(stop))
    page, found = write_atlas(options.out, command())
    failed = sum(entry.row.failed for entry in found if entry.row.model == options.model)
    if as_json:
        cells = list(finite_lines(found))
        print(json.dumps({"folder": str(options.out), "report": str(page), "failed": failed, "cells": cells}))
    else:
        print_entries(found)
        print(f"\ntable     {options.out / 'atlas.csv'}\nreport    {page}")
    sys.exit(1 if failed else 0)


def print_entries(found: Sequence[Entry]) -> None:
    """The verdict on every model, then a column a line and a model a column."""
    from rich.console import Console

    from homines.atlases import checks
    from homines.atlases.page import check_text, models, shown_text
    from homines.atlases.table import columns
    from homines.reports.console import print_remarks
    from homines.reports.tables import Table

    console = Console(highlight=False)
    for entry in found:
        console.print(f"{entry.row.model}: {entry.headline}", markup=False, soft_wrap=True)
    print_remarks(console, models(found))
    lines: list[dict[str, str]] = []
    for column in columns():
        text = check_text if column in checks.COLUMNS else shown_text
        lines.append({"": column.name} | {entry.row.model: text(entry.cells[column.name]) for entry in found})
    title = (
        "95% intervals in brackets; n: legal answers, where they are counted; † a legal answer is unlikely"
    )
    console.print(Table(lines).console(title, left=("",)))


def print_plan(plan: dict[str, dict[str, Any]], as_json: bool) -> None:
    """Print questions and tokens, or calls and dollars, by section and in all."""
    if as_json:
        print(json.dumps(plan))
        return
    for name, counts in plan.items():
        print(f"{name:<12}{describe_counts(counts)}")
    totals: dict[str, Any] = {}
    for counts in plan.values():
        for key, value in counts.items():
            totals[key] = _sum(totals.get(key), value)
    print(f"{'in all':<12}{describe_counts(totals)}")


def _sum(a: Any, b: Any) -> Any:
    """Two counts, or two pairs of bounds, added."""
    if a is None or b is None:
        return b if a is None else a
    return tuple(x + y for x, y in zip(a, b, strict=True)) if isinstance(b, tuple) else a + b
