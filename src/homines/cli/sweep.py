"""Command line of `homines sweep`; the work is in sweeps/."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from homines.cli.options import AsJson, TrustModules, trusted
from homines.inference.processes import quiet
from homines.sweeps.options import SweepOptions

if TYPE_CHECKING:
    from homines.sweeps.cell import Outcome


def sweep(
    file: Annotated[Path, typer.Argument(help="TOML: models, preferences, opponents, seeds, studies.")],
    options: SweepOptions,
    store: Annotated[
        str, typer.Option(help="Folder or fsspec URL (s3://...) that all workers share.")
    ] = "runs/sweeps",
    trust_modules: TrustModules = False,
    dry_run: Annotated[bool, typer.Option(help="Print the cells and which are done, and stop.")] = False,
    as_json: AsJson = False,
) -> None:
    """Do the cells of a file."""
    quiet()
    carry_out_sweep(trusted(file, trust_modules), store, options, dry_run, as_json)


def carry_out_sweep(file: Path, store: str, options: SweepOptions, dry_run: bool, as_json: bool) -> None:
    """Do a sweep, or print how far it is; exits with 0, or 1 where cells failed."""
    from homines.reports.console import Bars, print_sweep, stopping
    from homines.sweeps.grid import read
    from homines.sweeps.store import SharedStore
    from homines.sweeps.sweep import rows
    from homines.sweeps.sweep import sweep as do

    grid, shared = read(file), SharedStore(store)
    start = time.monotonic()
    if dry_run:
        summary = rows(grid, shared)
    else:
        with Bars() as bars, stopping() as stop:
            advance = bars.begin("cells", len(grid.cells))

            def tell(finished: int, outcome: Outcome | None) -> None:
                advance(finished)
                if outcome is not None and outcome.error:
                    bars.say(f"{outcome.name}: {outcome.state}: {outcome.error}")

            command = f"homines sweep {file.name}"
            summary = do(grid, shared, options, command=command, tell=tell, say=bars.say, stop=stop)
    failed = sum(row["state"] == "failed" for row in summary)
    path = f"{shared.redacted_url}/{grid.name}/sweep.csv"
    seconds = time.monotonic() - start
    if as_json:
        fields = {
            "store": shared.redacted_url,
            "summary": None if dry_run else path,
            "failed": failed,
            "cells": summary,
            "seconds": seconds,
        }
        print(json.dumps(fields))
    else:
        print_sweep(summary, shared.redacted_url)
        if not dry_run:
            print(f"summary   {path}")
            print(f"where     {shared.redacted_url}/{grid.name}/cells.csv")
            print(f"time      {seconds:.0f} s")
    sys.exit(1 if failed and not dry_run else 0)
