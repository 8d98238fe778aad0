"""The page of an atlas: verdicts first, then the table of all models, then a section of columns at a time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from homines.atlases import checks
from homines.atlases.collection import SECTIONS
from homines.atlases.section import Cell, Column
from homines.atlases.table import Entry, columns, entries, facts, write_data
from homines.core.catalogue import remarks
from homines.core.format import TableRow, count, number
from homines.core.types import LEGAL_MASS
from homines.reports import charts
from homines.reports.page import Section, write
from homines.reports.tables import mark_weak

WEAK = f"Grey with a dagger: given a legal answer, which has a probability below {LEGAL_MASS:g}."
ABOUT = (
    "Every model was asked the same questions, each in balanced orders and labels. Exact probabilities are "
    "read where a model gives them; else answers are counted, and rates have their interval and number. No "
    "rate says much where the legal mass is small or the instability large: read the verdict first.",
)


def write_atlas(out: Path, command: str = "") -> tuple[Path, list[Entry]]:
    """Write atlas.csv, atlas.json and the page of an atlas from its rows; (the page, the rows as read)."""
    found = entries(out)
    write_data(out, found)
    page = write(
        out,
        title="Atlas of models",
        summary=[*headlines(found), *remarks(models(found)), *ABOUT],
        sections=[verdicts(found), everything(found), *parts(found), effort(found), meanings()],
        facts={entry["model"]: entry for entry in facts(found)},
        command=command,
        kind="atlas",
    )
    return page, found


def models(found: Sequence[Entry]) -> list[str]:
    """Every model of the rows, and what each was made from."""
    return [name for entry in found for name in (entry.row.model, entry.row.base) if name]


def headlines(found: Sequence[Entry]) -> list[str]:
    """The verdict on every model, in a sentence each."""
    return [f"{entry.row.model}: {entry.headline}" for entry in found]


def verdicts(found: Sequence[Entry]) -> Section:
    """The three checks of every model."""
    rows = [
        {"model": entry.row.model, "verdict": entry.headline}
        | {column.name: check_text(entry.cells[column.name]) for column in checks.COLUMNS}
        | {"base": entry.row.base or "none"}
        for entry in found
    ]
    return Section("verdicts", "Verdicts", tuple(c.meaning for c in checks.COLUMNS), rows)


def check_text(cell: Cell) -> str:
    """'passed (.86)', 'not asked: its base smollm2 has no row here'."""
    figure = "" if cell.value is None else f" ({figure_text(cell.value)})"
    return f"{cell.outcome}{figure}" + (f": {cell.reason}" if cell.reason else "")


def figure_text(x: float) -> str:
    """'.03', '3e-03', '32.0', '40'."""
    if 0 < x < 0.005:
        return f"{x:.0e}"
    return number(x, 0 if x == round(x) and abs(x) > 1 else 2 if abs(x) < 10 else 1)


def mass_text(x: float | None) -> str | None:
    """'.95', '3e-03'; None without one."""
    return None if x is None else figure_text(x)


def everything(found: Sequence[Entry]) -> Section:
    """A model a line: the columns that are shown of all, with their interval where there is one."""
    shown = [column for column in columns() if column.shown and column not in checks.COLUMNS]
    rows = [
        {"model": entry.row.model}
        | {"legal mass by state": mass_text(_mean_mass(entry)), "instability": _instability(entry)}
        | {column.name: shown_text(entry.cells[column.name]) for column in shown}
        for entry in found
    ]
    note = (
        "In brackets 95% intervals, which the last table explains column by column; n: legal answers, where "
        f"they are counted; † where the legal mass is below {LEGAL_MASS:g}. A click on a heading sorts."
    )
    return Section("models", "All models", (), rows, note=note)


def _mean_mass(entry: Entry) -> float | None:
    masses = [c.mass for c in _by_state(entry) if c.mass is not None]
    return sum(masses) / len(masses) if masses else None


def _instability(entry: Entry) -> float | None:
    spreads = [c.instability for c in _by_state(entry) if c.instability is not None]
    return sum(spreads) / len(spreads) if spreads else None


def _by_state(entry: Entry) -> list[Cell]:
    return [entry.cells[column.name] for column in SECTIONS[0].columns]


def shown_text(cell: Cell) -> str:
    """'.85', '.85 [.80, .90], n 40', '.85†', 'not identified'."""
    if cell.value is None:
        return cell.outcome
    text = number(cell.value) if abs(cell.value) < 1 else figure_text(cell.value)
    text += "†" if cell.mass is not None and cell.mass < LEGAL_MASS else ""
    return text + interval_text(cell) + ("" if cell.n is None else f", n {cell.n:,}")


def interval_text(cell: Cell) -> str:
    """' [.80, .90]', ' [.20, ∞]'; empty without an interval."""
    if cell.lower is None or cell.upper is None:
        return ""
    ends = [number(x) if abs(x) < float("inf") else "∞" if x > 0 else "−∞" for x in (cell.lower, cell.upper)]
    return f" [{ends[0]}, {ends[1]}]"


def parts(found: Sequence[Entry]) -> list[Section]:
    """A section of columns at a time: dots in their intervals, a model a line, and the numbers."""
    out: list[Section] = []
    for section in SECTIONS:
        cells = [(entry, column, entry.cells[column.name]) for column in section.columns for entry in found]
        rows = [line(entry, cell) for entry, _, cell in cells]
        marks = [mark(entry, column, cell) for entry, column, cell in cells if cell.value is not None]
        caption = f"{section.title}, by model, in 95% intervals where there are any."
        alike = len({column.unit for column in section.columns}) == 1
        chart = charts.intervals(marks, caption, alike=alike) if marks else None
        about = tuple(dict.fromkeys(column.interval for column in section.columns))
        out.append(Section(section.name, section.title, about, rows, chart, WEAK))
    return out


def line(entry: Entry, cell: Cell) -> TableRow:
    """A cell with all that it rests on."""
    return {
        "column": cell.column,
        "model": entry.row.model,
        "value": mark_weak(cell.value, cell.mass),
        "lower": cell.lower,
        "upper": cell.upper,
        "n": cell.n,
        "legal mass": mass_text(cell.mass),
        "instability": cell.instability,
        **({"why": reason} if (reason := cell.reason or cell.outcome.removeprefix("read")) else {}),
    }


def mark(entry: Entry, column: Column, cell: Cell) -> TableRow:
    """A cell as a mark of a chart."""
    return {
        "panel": column.name,
        "group": entry.row.model,
        "series": "",
        "value": cell.value,
        "low": cell.lower,
        "high": cell.upper,
        "weak": cell.mass is not None and cell.mass < LEGAL_MASS,
    }


def effort(found: Sequence[Entry]) -> Section:
    """Questions, failures and minutes by model and section."""
    rows = [
        {
            "model": entry.row.model,
            "section": section.title,
            "questions": noted.get("questions"),
            "failed": noted.get("failed"),
            "minutes": noted["seconds"] / 60 if "seconds" in noted else None,
            "error": noted.get("error", ""),
        }
        for entry in found
        for section in SECTIONS
        if (noted := entry.row.section(section.name))
    ]
    failed = sum(entry.row.failed for entry in found)
    about = f"{count(failed, 'question')} failed; the same command asks them again." if failed else ""
    commands = [c for entry in found for c in entry.row.commands]
    text = [about] if about else []
    return Section("asked", "What was asked", (*text, *(f"`{c}`" for c in commands)), rows)


def meanings() -> Section:
    """What every column is, and what its interval is of."""
    rows = [
        {"column": c.name, "unit": c.unit, "what it is": c.meaning, "interval": c.interval} for c in columns()
    ]
    return Section("columns", "The columns", (), rows)
