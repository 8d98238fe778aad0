"""The table of an atlas: a cell a model and column, read from the rows, as a data file and for the page.

rows -> Entry(headline, cells) each -> atlas.csv, atlas.json
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from homines import __version__
from homines.atlases import checks
from homines.atlases.collection import SECTIONS, ModelRow, revisions, rows
from homines.atlases.section import Cell, Column, Section
from homines.atlases.states import SECTION as STATES
from homines.core.format import TableRow
from homines.core.paths import write_whole
from homines.core.redaction import redact
from homines.core.run_folder import RunFolder, write_json
from homines.core.types import HominesError
from homines.reports.tables import Table

NAME = "atlas"


@dataclass(frozen=True, eq=False)
class Entry:
    """A row as it was read.

    runs       its run folders that hold answers, by section
    headline   of its verdict
    cells      by column, in the order of `columns`
    """

    row: ModelRow
    runs: Mapping[str, RunFolder]
    headline: str
    cells: Mapping[str, Cell]


def columns() -> list[Column]:
    """Every column, the checks first."""
    return [*checks.COLUMNS, *(column for section in SECTIONS for column in section.columns)]


def entries(out: Path) -> list[Entry]:
    """Every row of an atlas, read from its run folders. Raises HominesError where there is none."""
    found = rows(out)
    if not found:
        raise HominesError(f"{out} holds no row of an atlas; add one with `homines atlas MODEL --out {out}`")
    runs: dict[str, dict[str, RunFolder]] = {row.model: {} for row in found}
    cells = {
        row.model: {c.column: c for section in SECTIONS for c in read_section(row, section, runs[row.model])}
        for row in found
    }
    return [_entry(row, runs[row.model], cells) for row in found]


def _entry(row: ModelRow, runs: Mapping[str, RunFolder], cells: Mapping[str, Mapping[str, Cell]]) -> Entry:
    own, base = cells[row.model], checks.Base(row.base, cells.get(row.base or ""))
    if STATES.name not in runs:
        reason = "not asked yet"
        lacking = {c.name: Cell(column=c.name, outcome="not asked", reason=reason) for c in checks.COLUMNS}
        return Entry(row, runs, "It was not asked.", {**lacking, **own})
    headline, made = checks.check(runs[STATES.name], own, base)
    return Entry(row, runs, headline, {**{c.column: c for c in made}, **own})


def read_section(row: ModelRow, section: Section, runs: dict[str, RunFolder]) -> list[Cell]:
    """The cells of a section, or the reason why it has none; its run folder is added to `runs`."""
    noted = row.section(section.name)
    if error := noted.get("error"):
        return [Cell(column=c.name, outcome="error", reason=str(error)) for c in section.columns]
    try:
        run = row.run(section)
        if run is None or not run.records:
            reason = "not among the questions of --quick" if row.quick and noted else "not asked yet"
            return [Cell(column=c.name, outcome="not asked", reason=reason) for c in section.columns]
        one = row.revision or next((x for other in runs.values() for x in revisions(other)), None)
        if others := [x for x in revisions(run) if one not in (None, x)]:
            reason = f"its answers are of revision {others[0]}, not {one}; the same command asks it anew"
            return [Cell(column=c.name, outcome="not asked", reason=reason) for c in section.columns]
        if not noted:
            reason = f"begun, {len(run.records)} questions asked; the same command goes on"
            return [Cell(column=c.name, outcome="not asked", reason=reason) for c in section.columns]
        runs[section.name] = run
        return section.read(run)
    except HominesError as failure:
        reason = redact(str(failure))[:400]
        return [Cell(column=c.name, outcome="error", reason=reason) for c in section.columns]


def tidy(found: Sequence[Entry]) -> Iterator[TableRow]:
    """A line a model and column, as in atlas.csv."""
    for entry in found:
        verdict = Cell(column="verdict", reason=entry.headline)
        for cell in (verdict, *entry.cells.values()):
            line = {key.replace("mass", "legal mass"): value for key, value in cell.to_json().items()}
            yield {"model": entry.row.model, **line}


def facts(found: Sequence[Entry]) -> list[TableRow]:
    """What was asked of each model, by which commands and versions."""
    return [_facts(entry) for entry in found]


def _facts(entry: Entry) -> TableRow:
    row, runs = entry.row, entry.runs
    provenance = next((run.provenance for run in runs.values()), {})
    parts = [row.section(s.name) for s in SECTIONS]
    return {
        "model": row.model,
        "base": row.base,
        "short form": row.quick,
        "questions": sum(len(run.records) for run in runs.values()),
        "failed": row.failed,
        "minutes": round(sum(p.get("seconds", 0.0) for p in parts) / 60, 1),
        "revision": ", ".join(dict.fromkeys(x for run in runs.values() for x in revisions(run))),
        "homines": provenance.get("homines"),
        "commit": provenance.get("commit"),
        "machine": provenance.get("machine"),
        "libraries": provenance.get("libraries"),
        "commands": row.commands,
    }


def write_data(out: Path, found: Sequence[Entry]) -> None:
    """Write atlas.csv, a line a model and column with numbers in full, and atlas.json, with what each column
    is and what was asked."""
    write_whole(out, f"{NAME}.csv", Table(tidy(found)).csv())
    whole: dict[str, Any] = {
        "homines": __version__,
        "columns": [asdict(column) for column in columns()],
        "models": facts(found),
        "cells": list(finite_lines(found)),
    }
    write_json(out, f"{NAME}.json", whole)


def finite_lines(found: Sequence[Entry]) -> Iterator[TableRow]:
    """The lines with infinite ends as words, which JSON has no number for."""
    for line in tidy(found):
        yield {key: str(x) if isinstance(x, float) and math.isinf(x) else x for key, x in line.items()}
