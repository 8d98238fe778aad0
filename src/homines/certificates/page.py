"""The page of a certificate: what changed, the verdict, every value, what was asked, what it cost."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from homines.atlases.page import check_text, mass_text, shown_text
from homines.atlases.section import Cell
from homines.certificates.certificate import Certificate, cell_of
from homines.certificates.comparison import Comparison
from homines.certificates.issue import Issue
from homines.certificates.plan import FILE, KIND
from homines.certificates.sections import SECTIONS
from homines.core.catalogue import remarks
from homines.core.format import TableRow, clean, count, number
from homines.core.types import LEGAL_MASS
from homines.reports import charts
from homines.reports.asked import text_of, wordings
from homines.reports.page import Section, write
from homines.reports.tables import mark_weak

WEAK = f"Grey with a dagger: given a legal answer, which has a probability below {LEGAL_MASS:g}."
STAND_IN = "This model is a stand-in without weights: its certificate says how a certificate looks, no more."
LIMITS = (
    "It says what this model answered to these questions, in these words, on this day; it is no promise of "
    "what it does elsewhere. A preference is estimated of the games asked. The hash shows whether the file "
    "is as it was written, and not by whom."
)


def write_page(issue: Issue, comparison: Comparison | None = None, command: str = "") -> Path:
    """Write report.html, its charts and its tables beside the certificate; its path."""
    c = issue.certificate
    summary = [comparison.headline] if comparison else []
    summary += [f"{c.model}: {c.headline}", *([STAND_IN] if c.kind == "mock" else [])]
    summary += [*remarks(filter(None, (c.model, c.facts["model"]["base"]))), LIMITS]
    parts = [*([changes(comparison)] if comparison else []), *values(c)]
    return write(
        issue.folder,
        title=f"Certificate of {clean(c.model, 120)}",
        summary=summary,
        sections=[*parts, asked(issue), verbatim(issue), cost(c), meanings(c)],
        facts=identity(c),
        command=command,
        kind=KIND,
    )


def identity(c: Certificate) -> dict[str, Any]:
    """What identifies a certificate: model, software, hashes."""
    named = ("issued", "quick", "model", "software", "records_sha256", "sha256")
    return {"file": FILE, "schema": c.facts["schema"], **{name: c.facts[name] for name in named}}


def value_lines(c: Certificate) -> list[dict[str, str]]:
    """Every value as the terminal shows it, with the reason where there is none."""
    return [
        {"value": name, "": check_text(cell) if section == "checks" else value_text(cell) + _worth(cell)}
        for name, section, cell in _sections(c)
    ]


def _worth(cell: Cell) -> str:
    """' (legal mass .80, instability .22)': what a value rests on."""
    worth = {"legal mass": cell.mass, "instability": cell.instability}
    told = [f"{name} {number(x)}" for name, x in worth.items() if x is not None and cell.value is not None]
    return f"  ({', '.join(told)})" if told else ""


def value_text(cell: Cell) -> str:
    """'.85 [.80, .90]', 'not identified, because the choices are separated ...'."""
    if cell.value is not None or not cell.reason:
        return shown_text(cell)
    if cell.outcome != "not identified":
        return f"{cell.outcome}: {cell.reason}"
    return f"{cell.outcome}, because {cell.reason[:1].lower()}{cell.reason[1:]}"


def change_lines(comparison: Comparison) -> list[dict[str, str]]:
    """What changed, then what cannot be compared; what is the same is counted in the headline."""
    return [
        {
            "value": d.name,
            "finding": d.finding,
            "before": d.before,
            "after": d.after,
            "intervals": "" if d.intervals is None else number(d.intervals, 1),
            "why": d.reason,
        }
        for finding in ("changed", "not comparable")
        for d in comparison.of(finding)
    ]


def changes(comparison: Comparison) -> Section:
    """Every value beside that of the earlier certificate."""
    rows = [
        {
            "value": d.name,
            "finding": d.finding,
            "before": d.before,
            "after": d.after,
            "change": d.change,
            "intervals": d.intervals,
            "why": d.reason,
        }
        for finding in ("changed", "not comparable", "same")
        for d in comparison.of(finding)
    ]
    text = (
        f"Against the certificate {comparison.against} of {clean(comparison.model, 120)}.",
        "Exact values changed where they differ by more than the tolerance; their interval is of other "
        "games, and its half widths say how large the change is. Counted values changed where they differ "
        "by more than two samples of one model do in 95% of comparisons, all values together.",
    )
    return Section("changes", "What changed", text, rows)


def values(c: Certificate) -> list[Section]:
    """The checks, then a section of values at a time, with a chart of those of one unit."""
    checks = [
        {"check": name, "outcome": check_text(cell)} for name, at, cell in _sections(c) if at == "checks"
    ]
    out = [Section("checks", "Three checks", (c.headline,), checks)]
    for section in SECTIONS:
        rows = [row for row in c.values if row["section"] == section.name]
        cells = [cell_of(row) for row in rows]
        units = {row["name"]: row["unit"] for row in rows}
        drawn = [cell for cell in cells if cell.value is not None and units[cell.column] != "of 60"]
        drawn = [cell for cell in drawn if units[cell.column] != "1 and more"]
        caption = f"{section.title}, in 95% intervals where there are any"
        chart = charts.intervals([_mark(cell) for cell in drawn], caption) if len(drawn) > 1 else None
        lines = [_line(cell) for cell in cells]
        out.append(Section(section.name, section.title, (), lines, chart, WEAK))
    return out


def _sections(c: Certificate) -> list[tuple[str, str, Cell]]:
    return [(row["name"], row["section"], cell_of(row)) for row in c.values]


def _line(cell: Cell) -> TableRow:
    return {
        "value": cell.column,
        "found": mark_weak(cell.value, cell.mass),
        "lower": cell.lower,
        "upper": cell.upper,
        "n": cell.n,
        "legal mass": mass_text(cell.mass),
        "instability": cell.instability,
        "why": cell.reason if cell.value is not None else value_text(cell),
    }


def _mark(cell: Cell) -> TableRow:
    return {
        "panel": "",
        "group": cell.column,
        "series": "",
        "value": cell.value,
        "low": cell.lower,
        "high": cell.upper,
        "weak": cell.mass is not None and cell.mass < LEGAL_MASS,
    }


def asked(issue: Issue) -> Section:
    """How much was asked, and one question of each section verbatim."""
    titles = {section.name: section.title for section in SECTIONS}
    facts: Mapping[str, TableRow] = issue.certificate.facts["asked"]
    rows = [
        {
            "section": titles.get(name, name),
            "questions": part["questions"],
            "failed": part["failed"],
            "hash of the questions": part["sha256"][:16],
            "error": part.get("error", ""),
        }
        for name, part in facts.items()
    ]
    about = (
        "Every question stands in prompts.jsonl of its run folder under the hash that the records of the "
        "certificate have; the next table has the first one of each section."
    )
    return Section("asked", "What was asked", (about,), rows)


def verbatim(issue: Issue) -> Section:
    """The first question of each section as it was asked, with its likeliest answers."""
    titles = {section.name: section.title for section in SECTIONS}
    rows = [
        {"section": titles[name], "question": text_of(wording)}
        for name, run in issue.runs.items()
        for wording in wordings(run.records, run.prompts)[:1]
    ]
    return Section("verbatim", "One question of each section, verbatim", (), rows)


def cost(c: Certificate) -> Section:
    """Questions, tokens, seconds, and calls where they are counted."""
    rows = [
        {"what": name, "number": None if x is None else f"{x:,.10g}"} for name, x in c.facts["cost"].items()
    ]
    failed = f"{count(c.failed, 'question')} failed; the same command asks them again."
    return Section("cost", "Cost", (failed,) if c.failed else (), rows)


def meanings(c: Certificate) -> Section:
    """What every value is, and what its interval is of."""
    rows = [
        {"value": r["name"], "unit": r["unit"], "what it is": r["meaning"], "interval": r["interval"]}
        for r in c.values
    ]
    return Section("meanings", "The values", (), rows)
