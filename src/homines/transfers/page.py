"""The page of a transfer: verdict first, then changes, rates, stakes, controls, and what was asked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from homines.core.catalogue import remarks
from homines.core.format import TableRow, count, number
from homines.core.types import LEGAL_MASS
from homines.elicitation.scenarios import questions
from homines.models.mock import Mock, uniform
from homines.reports import charts
from homines.reports.page import Section, write
from homines.reports.tables import mark_weak
from homines.transfers.asking import Transfer
from homines.transfers.plan import KIND
from homines.transfers.rates import Kind, change, parts, rate
from homines.transfers.verdict import OF_WHAT, RULE, ends, headlines

WEAK = f"Grey with a dagger: given a legal answer, which has a probability below {LEGAL_MASS:g}."
MOST_FAILED = 20
"""Most scenarios without an answer that the page names."""


def rate_rows(found: Transfer) -> list[TableRow]:
    """A row an agent and part: its rate, the interval over scenarios, legal mass and order effect."""
    rows: list[TableRow] = []
    for part in parts(found.scenarios):
        for agent in found.agents:
            r = rate(agent, part)
            rows.append(
                {
                    "part": part.title,
                    "kind": part.kind,
                    "agent": agent.name,
                    "trained": agent.trained,
                    "P(implied)": mark_weak(r.value, r.mass),
                    "lower": r.low,
                    "upper": r.high,
                    "scenarios": r.scenarios,
                    "asked": r.asked,
                    "legal mass": r.mass,
                    "order effect": r.order_effect,
                }
            )
    return rows


def change_rows(found: Transfer) -> list[TableRow]:
    """A row an agent and part: its change against the first agent, paired over scenarios."""
    rows: list[TableRow] = []
    for part in parts(found.scenarios):
        for agent in found.others:
            if (c := change(found.first, agent, part)) is None:
                continue
            rows.append(
                {
                    "part": part.title,
                    "kind": part.kind,
                    "agent": agent.name,
                    "before": c.before,
                    "after": c.after,
                    "change": mark_weak(c.value, c.mass),
                    "lower": c.low,
                    "upper": c.high,
                    "scenarios": c.scenarios,
                    "legal mass": c.mass,
                    "finding": c.outcome,
                }
            )
    return rows


def brief_rates(found: Transfer) -> list[dict[str, str]]:
    """Rates as the terminal shows them: an interval in brackets, no stakes."""
    return [
        {
            "part": row["part"],
            "agent": row["agent"],
            "P(implied)": number(row["P(implied)"]) + ends(row["lower"], row["upper"]),
            "legal mass": number(row["legal mass"]),
            "order effect": number(row["order effect"]),
            "scenarios": f"{row['scenarios']} of {row['asked']}",
        }
        for row in rate_rows(found)
        if row["kind"] != "stakes"
    ]


def brief_changes(found: Transfer) -> list[dict[str, str]]:
    """Changes as the terminal shows them, no stakes."""
    return [
        {
            "part": row["part"],
            "agent": row["agent"],
            "P(implied)": f"{number(row['before'])} → {number(row['after'])}",
            "change": number(row["change"]) + ends(row["lower"], row["upper"]),
            "finding": row["finding"],
        }
        for row in change_rows(found)
        if row["kind"] != "stakes"
    ]


def marks(rows: Sequence[TableRow], value: str) -> list[TableRow]:
    """Rows as marks of the chart of intervals: a group a line, an agent a series."""
    return [
        {
            "panel": "",
            "group": row["part"],
            "series": row["agent"],
            "value": row[value],
            "low": row["lower"],
            "high": row["upper"],
            "weak": row[value] is None or (row["legal mass"] is not None and row["legal mass"] < LEGAL_MASS),
        }
        for row in rows
        if row["kind"] != "stakes" and row[value] is not None
    ]


def of_kinds(rows: Sequence[TableRow], *kinds: Kind) -> list[TableRow]:
    """The rows of these kinds of parts, without the column that says so."""
    return [{k: x for k, x in row.items() if k != "kind"} for row in rows if row["kind"] in kinds]


def sections(found: Transfer) -> list[Section]:
    """The parts of the page that have something to show."""
    rates, changes = rate_rows(found), change_rows(found)
    chance = {len(s.options) for s in found.scenarios.scenarios}
    guess = f" A coin would give {1 / max(chance):.2f}." if len(chance) == 1 else ""
    first = found.first.name
    out: list[Section] = []
    if changes:
        shown = [{k: x for k, x in row.items() if k != "kind"} for row in changes]
        caption = f"Change of P(implied) against {first}, in 95% intervals over scenarios"
        chart = charts.intervals(drawn, caption) if (drawn := marks(changes, "change")) else None
        text = (f"Every agent against {first}, scenario by scenario.", RULE, OF_WHAT)
        out.append(Section("changes", "What changed", text, shown, chart, WEAK))
    caption = "P(implied) by group, in 95% intervals over scenarios"
    drawn = [] if changes else marks(rates, "P(implied)")
    chart = charts.intervals(drawn, caption) if drawn else None
    text = (
        f"The probability of {found.scenarios.implied}, given a legal answer: the mean of two orders, so "
        f"that a liking for the first option cancels; the order effect says how large it is.{guess}",
        *(() if changes else (OF_WHAT,)),
    )
    out.append(Section("rates", "What each agent does", text, of_kinds(rates, "all", "group"), chart, WEAK))
    if by_stakes := of_kinds(rates, "stakes"):
        about = "How the same reads by what is at stake."
        out.append(Section("stakes", "By stakes", (about,), by_stakes, note=WEAK))
    if controls := of_kinds(rates, "control"):
        about = (
            "Scenarios in which the usual act of their group is not the implied one; no group counts them. "
            "An agent that learned the act does it here as well; one that learned what implies it does not."
        )
        out.append(Section("controls", "Controls", (about,), controls, note=WEAK))
    return [*out, agents_section(found), asked_section(found)]


def agents_section(found: Transfer) -> Section:
    """Which models these are."""
    rows = [
        {
            "agent": a.name,
            "model": a.model,
            "trained": a.trained or "not known",
            "questions": len(a.records),
            "failed": a.failed,
        }
        for a in found.agents
    ]
    text = "What an adapter was trained for and on is read from the run folder in which it lies."
    return Section("agents", "The agents", (text,), rows)


def asked_section(found: Transfer) -> Section:
    """What was asked: the first scenario verbatim, and what was left out."""
    every = found.scenarios
    prompt = questions(Mock(uniform), every)[0].prompt
    told = [
        f"{count(len(every.scenarios), 'scenario')} of {every.file} (form {every.form}), each in two orders."
    ]
    told += [f"Left out: {count(n, 'line')}, {reason}." for reason, n in every.left_out.items()]
    for a in found.agents:
        missing = [s.id for s in every.scenarios if s.id not in a.p]
        if missing:
            shown = ", ".join(missing[:MOST_FAILED]) + (" ..." if len(missing) > MOST_FAILED else "")
            told.append(
                f"{a.name} has no legal answer in both orders to {count(len(missing), 'scenario')}: {shown}."
            )
    return Section("asked", "What was asked", (*told, "The first question, verbatim:", prompt.text))


def write_transfer(found: Transfer, command: str = "") -> Path:
    """Write the page of a transfer into its folder, with charts and tables; the page's path."""
    facts: dict[str, Any] = {
        "scenarios": {
            "file": found.scenarios.file,
            "sha256": found.scenarios.sha256,
            "form": found.scenarios.form,
        },
        "models": {a.name: a.model for a in found.agents},
        "run folders": {a.name: str(run.folder) for a, run in zip(found.agents, found.runs, strict=True)},
        "provenance": {a.name: run.provenance for a, run in zip(found.agents, found.runs, strict=True)},
    }
    return write(
        found.folder,
        title=f"Outside the games: {found.scenarios.name}",
        summary=[*headlines(found), *remarks(a.model for a in found.agents)],
        sections=sections(found),
        facts=facts,
        command=command,
        kind=KIND,
    )
