"""A grid of cells, each done once, whichever engine does them.

STORE/NAME/sweep.csv   a row a cell: its place in the grid, state and results; the same bytes whichever
                       engine did them, and however often something died
STORE/NAME/cells.csv   what may differ: where each cell lies, when and where it was done, its error
STORE/NAME/before-*/   both tables of a file of that name whose cells are not all in this grid
"""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from importlib import import_module
from typing import Any
from uuid import uuid4

from homines.core.progress import Stop, never
from homines.core.redaction import redact
from homines.core.spreadsheet import unquote as read_back
from homines.core.types import HominesError, Interrupted, digest
from homines.reports.tables import Table
from homines.sweeps.cell import Job, Outcome, SourceTree
from homines.sweeps.claims import is_free
from homines.sweeps.grid import Grid
from homines.sweeps.options import SweepOptions
from homines.sweeps.store import FAILED, Mark, SharedStore

Row = dict[str, Any]
POLL = 2.0
"""Seconds between two looks at cells that another sweep does."""


def sweep(
    grid: Grid,
    store: SharedStore,
    options: SweepOptions | None = None,
    *,
    command: str = "",
    tell: Callable[[int, Outcome | None], None] = lambda finished, outcome: None,
    say: Callable[[str], None] = lambda text: None,
    stop: Stop = never,
) -> list[Row]:
    """Do the cells that are not done in the store, write the summary, and return its rows (`rows`).

    tell    called with (cells that came to an end, the last outcome), first with those that are done already
    say     called where an older summary is put aside

    Raises Interrupted where `stop` says so, with the summary written; HominesError, before any work, where
    the store or the cluster cannot be used.
    """
    options = options or SweepOptions()
    if store.private and options.engine != "here":
        raise HominesError(
            f"the store {store.redacted_url} lives in this process alone, which no worker of --engine "
            f"{options.engine} sees; give a folder or another URL"
        )
    if grid.gpus and options.engine != "ray":
        raise HominesError(
            f"[worker] gpus is {grid.gpus:g}, which bears on nothing beside --engine {options.engine}: only "
            "a Ray cluster gives GPUs to cells; drop it, or use --engine ray"
        )
    store.check()
    done = store.marks(cell.name for cell in grid.cells)
    home = SourceTree.here()
    owner = uuid4().hex
    jobs = [Job(cell, store.url, home, command, owner) for cell in grid.cells if cell.name not in done]
    finished = len(done)
    tell(finished, None)
    waiting: list[Job] = []
    while jobs:
        engine = import_module(f"homines.sweeps.engines.{options.engine}").run
        placed = partial(engine, workers=options.workers, address=options.address)
        busy: set[str] = set()
        for outcome in placed(jobs, threads=grid.threads, gpus=grid.gpus, stop=stop):
            if outcome.state == "busy":
                busy.add(outcome.name)
                continue
            if outcome.state == "lost":
                error = redact(outcome.error or "")
                store.lose(outcome.name, {"cell": outcome.name, "error": error, **home._asdict()})
            finished += outcome.state != "stopped"
            tell(finished, outcome)
        if busy:
            say(f"another sweep is doing {len(busy)} of these cells; waiting for them")
        waiting += [job for job in jobs if job.cell.name in busy]
        jobs = _ready(waiting, store, stop)
        waiting = [job for job in waiting if job not in jobs]
    summary = rows(grid, store)
    for error in store.broken.values():
        say(error)
    if (older := write_summary(grid, store, summary)) is not None:
        place = store.redacted_url
        say(f"{place}/{grid.name} held the summary of other cells; it is now in {place}/{older}")
    if stop() and any(row["state"] == "missing" for row in summary):
        finished = sum(row["state"] == "done" for row in summary)
        raise Interrupted(f"stopped after {finished} of {len(summary)} cells")
    return summary


def _ready(jobs: list[Job], store: SharedStore, stop: Callable[[], bool]) -> list[Job]:
    """Wait until some of these cells are done or free, and return those; none where `stop` says so."""
    while jobs and not stop():
        done = store.marks(job.cell.name for job in jobs)
        if ready := [job for job in jobs if job.cell.name in done or is_free(store, job.cell.name)]:
            return ready
        time.sleep(POLL)
    return []


def rows(grid: Grid, store: SharedStore) -> list[Row]:
    """A row a cell, in the grid's order: its place in the grid, its state (done, failed, missing), its folder
    and its results."""
    cells = [cell.name for cell in grid.cells]
    done, failed = store.marks(cells), store.marks(cells, FAILED)
    return [_row(cell.columns, cell.name, done.get(cell.name), failed.get(cell.name)) for cell in grid.cells]


def _row(columns: Mapping[str, Any], name: str, done: Mark | None, failed: Mark | None) -> Row:
    mark = done or failed or {}
    # marks that earlier versions left say it in the error alone
    interrupted = mark.get("interrupted", str(mark.get("error", "")).startswith("interrupted"))
    state = "done" if done else "failed" if failed and not interrupted else "missing"
    folder = f"cells/{name}/{mark['attempt']}" if mark.get("attempt") else ""
    return {
        **columns,
        "cell": name,
        "state": state,
        "folder": folder,
        "page": f"{folder}/report.html" if done else "",
        "seconds": mark.get("seconds"),
        "machine": mark.get("machine", ""),
        "error": mark.get("error", ""),
        "results": mark.get("results", {}) if done else {},
    }


PLACES = ("cell", "state", "folder", "page", "seconds", "machine", "error")
"""Columns of cells.csv."""


def write_summary(grid: Grid, store: SharedStore, summary: Iterable[Row]) -> str | None:
    """Write the two tables; the folder where older ones went, None where there were none.

    Tables are put aside where they hold cells that are not in this grid: another file of this name made them,
    or this one before it was changed. A grid that only grew replaces its own.
    """
    summary = list(summary)
    older = _put_aside(grid, store)
    results = [
        {k: v for k, v in row.items() if k not in (*PLACES, "results")}
        | {"cell": row["cell"], "state": row["state"]}
        | row["results"]
        for row in summary
    ]
    store.write(f"{grid.name}/sweep.csv", Table(results).csv())
    store.write(f"{grid.name}/cells.csv", Table({k: row[k] for k in PLACES} for row in summary).csv())
    return older


def _put_aside(grid: Grid, store: SharedStore) -> str | None:
    """Copy the tables that are there into a folder of their own, unless all their cells are in this grid."""
    tables = {name: store.read(f"{grid.name}/{name}") for name in ("sweep.csv", "cells.csv")}
    places = csv.DictReader(io.StringIO(tables["cells.csv"] or ""))
    cells = [read_back(str(row.get("cell"))) for row in places]
    if set(cells) <= {cell.name for cell in grid.cells}:
        return None
    older = f"{grid.name}/before-{digest(cells)[:6]}"
    for name, text in tables.items():
        store.write(f"{older}/{name}", text or "")
    return older
