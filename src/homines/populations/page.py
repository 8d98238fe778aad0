"""The page of a population: verdict, payoffs, invasion, rest points, basins, takeovers, welfare, theorem."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from homines.core.catalogue import remarks
from homines.core.format import TableRow, count, number
from homines.core.run_folder import provenance, write_json
from homines.core.strict_json import simplify
from homines.core.types import LEGAL_MASS
from homines.populations.asking import Population
from homines.populations.findings import (
    advantage_curves,
    basin_rows,
    degrees,
    fixation_rows,
    invasion_rows,
    path_rows,
    payoff_rows,
    resident_rows,
    rest_rows,
    theorem_table,
    time_rows,
    welfare_rows,
)
from homines.populations.plan import KIND
from homines.populations.verdict import COMPUTED, THEOREM, headlines, weak_note
from homines.reports import charts
from homines.reports.page import Section, write
from homines.reports.tables import mark_weak

SCHEMA = 1
"""Of population.json."""
RESULT = "population.json"
MOST_PANELS = 6
"""Residents of the chart of advantages, at most."""


def marked(rows: Sequence[TableRow], *columns: str) -> list[TableRow]:
    """The rows, these columns grey where the legal mass is low."""
    return [
        {key: mark_weak(x, row["legal mass"]) if key in columns else x for key, x in row.items()}
        for row in rows
    ]


def _is_weak(row: TableRow) -> bool:
    return row["legal mass"] is not None and row["legal mass"] < LEGAL_MASS


def sections(found: Population) -> list[Section]:
    """The parts of the page."""
    return [
        Section("two_statements", "What is a theorem, and what is computed", (THEOREM, COMPUTED)),
        _payoffs(found),
        _invasion(found),
        _residents(found),
        _rest_points(found),
        _basins(found),
        _takeovers(found),
        _time(found),
        Section(
            "welfare",
            "Welfare",
            (
                "What an agent gets a round, on average over the population; of the best: of the most that "
                "two can get.",
            ),
            welfare_rows(found),
        ),
        *_theorem(found),
        _agents(found),
        *_asked(found),
    ]


def _payoffs(found: Population) -> Section:
    rows = payoff_rows(found)
    weak = [m.weak for m in found.members]
    cells = [
        {
            "row": one,
            "column": two,
            "value": float(found.matrix[i, j]),
            "text": number(float(found.matrix[i, j])),
            "weak": weak[i] or weak[j],
        }
        for i, one in enumerate(found.names)
        for j, two in enumerate(found.names)
    ]
    game = found.plan.form
    long_run = getattr(game, "rounds", 1) is None
    how = "in the long run" if long_run else "on average over the announced rounds"
    once = not hasattr(game, "stage")
    slips = (
        f" Every agent makes {number(found.plan.lapse)} of its choices at random." if found.plan.lapse else ""
    )
    text = (
        f"Points a round of the row where it meets the column in {found.plan.game}, "
        f"{'played once' if once else how}, computed from the choice probabilities and not played out. "
        f"{'' if once else 'Play begins with nothing past. '}{slips}".strip(),
    )
    chart = charts.heat(cells, "Points a round, row against column", across="against")
    return Section("payoffs", "What each gets from each", text, rows, chart, weak_note())


def _invasion(found: Population) -> Section:
    rows = marked(invasion_rows(found), "advantage")
    chart = None
    if len(found.members) <= MOST_PANELS:
        caption = "Advantage of a rare mutant, in points a round, by assortment: above 0 it invades"
        chart = charts.curves(advantage_curves(found), caption, across="assortment", up="advantage")
    text = (
        "What a rare mutant gets among residents, less what they get: sigma a(mutant, mutant) + (1 - "
        "sigma) a(mutant, resident) - a(resident, resident). It is a line in sigma; where it crosses 0 is "
        "given exactly. Where it is 0, what decides is whether it grows as mutants do.",
    )
    return Section("invasion", "Who invades whom", text, rows, chart, weak_note())


def _residents(found: Population) -> Section:
    text = (
        "Stable: every other agent here is repelled when rare. Neutral: none invades, and one gets exactly "
        "the same. Stable against mixtures of the others is told by the rest points.",
    )
    return Section("residents", "Who withstands the others", text, resident_rows(found), note=weak_note())


def _rest_points(found: Population) -> Section:
    text = (
        "Every mixture at which the replicator dynamics rests, from linear equations, with the largest "
        "real part of its eigenvalues: stable below 0, unstable above, neutral where it is 0 and the "
        "linear part does not tell. Turns: the population circles around it. One of many: it lies on a "
        "line or plane of rest points.",
    )
    return Section("rest_points", "Where the population rests", text, rest_rows(found))


def _basins(found: Population) -> Section:
    chart = charts.curves(
        path_rows(found),
        "Shares over time from equal shares",
        across="time, 1 / range of payoffs",
        up="share",
    )
    text = (
        "The share of starting points, mixtures of all agents, from which the population ends at each "
        "stable point. Of two agents it is exact; of more, evenly spaced mixtures are followed: a count on "
        "that lattice, with no interval, since nothing is drawn.",
    )
    return Section("basins", "Where the population goes", text, basin_rows(found), chart)


def _takeovers(found: Population) -> Section:
    rows = marked(fixation_rows(found), "takes over")
    several = len(found.plan.sigma) > 1
    by = {(row["sigma"], row["resident"], row["mutant"]): row for row in rows}
    cells: list[TableRow] = []
    for sigma in found.plan.sigma:
        for resident in found.names:
            for mutant in found.names:
                row = by.get((sigma, resident, mutant), {"times chance": None, "legal mass": None})
                cell = {"row": resident + (f", sigma {sigma:g}" if several else ""), "column": mutant}
                value = row["times chance"]
                text = "" if value is None else number(value)
                cells.append(cell | {"value": value, "text": text, "weak": _is_weak(row)})
    plan = found.plan
    text = (
        f"How likely one mutant among {plan.size - 1} residents takes over, exactly, in a Moran process: an "
        f"agent is copied in proportion to exp({plan.selection:g} x its payoff) and replaces one at random. "
        f"Times chance: against 1/{plan.size}, which a mutant that is alike has; above 1 selection favours "
        "it.",
    )
    chart = charts.heat(
        cells, "Fixation probability, in multiples of chance", across="mutant", down="resident"
    )
    return Section("takeovers", "A finite population: who takes over", text, rows, chart, weak_note())


def _time(found: Population) -> Section:
    rows = time_rows(found)
    marks = [
        {
            "panel": f"assortment {row['sigma']:g}",
            "group": row["agent"],
            "series": "",
            "value": row["share of time"],
            "weak": _is_weak(row),
        }
        for row in rows
    ]
    text = (
        "Where a mutation comes only once the one before has taken over or is gone, the population is "
        "nearly always of one kind. This is the share of time it is of each, exactly; every other kind is "
        "equally likely to come up. It is a limit: where two kinds live on together it holds for mutations "
        "that are very rare indeed.",
    )
    chart = charts.intervals(marks, "Share of time that all are of one kind")
    shown = marked(rows, "share of time")
    return Section("time", "A finite population: the long run", text, shown, chart, weak_note())


def _theorem(found: Population) -> list[Section]:
    """The theorem in this game's stage: homo moralis of every kappa among homo moralis, in equilibrium."""
    out: list[Section] = []
    for k, sigma in enumerate(found.plan.sigma):
        table = theorem_table(found, sigma)
        if table is None:
            return []
        cells = [
            {
                "row": f"{resident:g}",
                "column": f"{mutant:g}",
                "value": float(table[i, j]),
                "text": number(float(table[i, j])),
            }
            for i, resident in enumerate(degrees(sigma))
            for j, mutant in enumerate(degrees(sigma))
        ]
        rows = [
            {"resident kappa": cell["row"], "mutant kappa": cell["column"], "advantage": cell["value"]}
            for cell in cells
        ]
        text = (
            "Theory alone, no agent of this page: homo moralis of one kappa, rare among homo moralis of "
            "another, both in equilibrium of one round in which an act may be mixed, at assortment "
            f"{sigma:g}. In the row kappa = {sigma:g} nobody has an advantage, which is the theorem; "
            "elsewhere in a row above 0 the resident is invaded. A dash: that type is as glad of either "
            "act, and the theorem says nothing of it.",
        )
        caption = f"Advantage of a rare kappa among residents of another, assortment {sigma:g}"
        chart = charts.heat(cells, caption, across="kappa of the mutant", down="kappa of the residents")
        title = f"The theorem in this game, assortment {sigma:g}"
        out.append(Section(f"theorem_{k + 1}", title, text, rows, chart))
    return out


def _agents(found: Population) -> Section:
    rows = [
        {
            "agent": m.name,
            "spec": m.spec,
            "kind": m.kind,
            "legal mass": m.mass,
            "questions": len(m.records) or None,
            "failed": sum(r.error is not None for r in m.records) if m.run is not None else None,
            "left out": m.missing or None,
        }
        for m in found.everyone
    ]
    precision = found.plan.precision
    how = "best replies" if precision is None else f"logit choices of precision {precision:g}"
    text = (
        "A model's answers in every situation, averaged over the orders of the options and over labels, "
        "are its policy; it was read and did not play. A strategy is a rule. A theory agent has the "
        f"preference and makes {how}, one round at a time, taking every act of the other to be equally "
        "likely unless the game tells otherwise.",
    )
    return Section("agents", "The agents", text, rows)


def _asked(found: Population) -> list[Section]:
    """The first prompt verbatim, where a model was asked."""
    member = next((m for m in found.everyone if m.run is not None and m.records), None)
    if member is None or member.run is None:
        return []
    key = str(member.records[0].provenance.get("prompt"))
    prompt = member.run.prompts([key]).get(key)
    told = f"{count(len(member.records), 'question')} to each model. The first, verbatim:"
    return [] if prompt is None else [Section("asked", "What models were asked", (told, prompt.text))]


def facts(found: Population) -> dict[str, Any]:
    """Settings, versions and hashes behind the page."""
    runs = [m for m in found.everyone if m.run is not None]
    return {
        "settings": found.plan.settings,
        "run folders": {m.name: str(m.run.folder) for m in runs if m.run is not None},
        "provenance": {m.name: m.run.provenance for m in runs if m.run is not None} or provenance(),
    }


def to_json(found: Population) -> dict[str, Any]:
    """All figures of a population, as population.json and `--json` give them."""
    return simplify(
        {
            "schema": SCHEMA,
            "verdict": headlines(found),
            "theorem": THEOREM,
            "computed": COMPUTED,
            "payoffs": payoff_rows(found),
            "invasion": invasion_rows(found),
            "residents": resident_rows(found),
            "rest_points": rest_rows(found),
            "basins": basin_rows(found),
            "fixation": fixation_rows(found),
            "time": time_rows(found),
            "welfare": welfare_rows(found),
            "left_out": [m.missing for m in found.left_out],
            **facts(found),
        }
    )


def write_population(found: Population, command: str = "") -> Path:
    """Write the page, its charts and tables, and population.json into the folder; the page's path."""
    found.folder.mkdir(parents=True, exist_ok=True)
    write_json(found.folder, RESULT, to_json(found))
    return write(
        found.folder,
        title=f"A population in {found.plan.game}",
        summary=[*headlines(found), *remarks(m.spec for m in found.everyone)],
        sections=sections(found),
        facts=facts(found),
        command=command,
        kind=KIND,
    )
