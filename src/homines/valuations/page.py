"""The page of a valuation: verdict, the scale and its fit, exchange rates, budgets, risk, patience."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

from homines.core.catalogue import remarks
from homines.core.format import count, number
from homines.core.types import LEGAL_MASS
from homines.elicitation.text_choices import pair_questions
from homines.models.mock import Mock, uniform
from homines.reports import charts
from homines.reports.page import Section, write
from homines.valuations.asking import Valuation, other_questions, text_pair
from homines.valuations.money import BudgetFinding, MoneyFinding, money_findings
from homines.valuations.plan import KIND
from homines.valuations.scale import ScaleFinding
from homines.valuations.tables import (
    budget_rows,
    efficiency_rows,
    fit_rows,
    kind_rows,
    money_rows,
    outcome_rows,
    rate_rows,
    slope_rows,
    transitivity_rows,
)
from homines.valuations.verdict import (
    OF_KINDS,
    OF_MONEY,
    OF_RATES,
    OF_UTILITIES,
    describe_budgets,
    describe_money,
    describe_scale,
)

WEAK = f"Grey with a dagger: given a legal answer, which has a probability below {LEGAL_MASS:g}."
MOST_MARKS = 30
"""Outcomes in the chart of a scale: half from each end of longer ones."""


class ValuesReport:
    """All that a valuation found, computed once."""

    def __init__(self, found: Valuation) -> None:
        self.found = found
        self.scale = ScaleFinding(found) if "outcomes" in found.plan.ask else None
        self.budgets = BudgetFinding(found) if "budgets" in found.plan.ask else None

    @cached_property
    def money(self) -> list[MoneyFinding]:
        return money_findings(self.found)

    @cached_property
    def headlines(self) -> list[str]:
        """The verdict, part by part."""
        return [
            *(describe_scale(self.scale) if self.scale else []),
            *(describe_budgets(self.budgets) if self.budgets else []),
            *describe_money(self.money),
        ]

    def to_json(self) -> dict[str, Any]:
        """Verdict and tables."""
        out: dict[str, Any] = {"verdict": self.headlines}
        if self.scale is not None:
            f = self.scale
            out |= {
                "outcome": f.outcome,
                "legal_mass": f.mass,
                "order_effect": f.order_effect,
                "instability": f.instability,
                "outcomes": outcome_rows(f),
                "kinds": kind_rows(f),
                "fit": fit_rows(f),
                "transitivity": transitivity_rows(f),
                "slopes": slope_rows(f),
                "rates": rate_rows(f),
            }
        if self.budgets is not None:
            out |= {"budgets": budget_rows(self.budgets), "efficiency": efficiency_rows(self.budgets)}
        if self.money:
            out["money"] = money_rows(self.money)
        return out


def sections(report: ValuesReport) -> list[Section]:
    """The parts of the page that have something to show."""
    out: list[Section] = []
    if report.scale is not None:
        out += _scale(report.scale)
    if report.budgets is not None and (rows := budget_rows(report.budgets)):
        text = (
            "GARP holds where one utility that rises in both goods can explain all choices (Afriat). The "
            "critical cost efficiency index (CCEI) is the largest share of every income by which choices "
            "can be compared without a breach: 1 where none must be given up. Below it the same of draws "
            "from the exact probabilities, and of a chooser to whom every point is equally likely: where "
            "that one does well, the budgets tell little.",
            "Ten points stand for a budget's line, so that a chooser with one utility may fall a "
            "little short of 1.",
        )
        out.append(
            Section("efficiency", "Is one utility behind its budgets?", text, efficiency_rows(report.budgets))
        )
        out.append(Section("budgets", "What it buys", (), rows, note=WEAK))
    if report.money:
        text = (
            "Probabilities of choices between a lottery and a sure amount, and between a sooner and "
            "a later payment.",
            OF_MONEY,
        )
        out.append(Section("money", "Risk and patience", text, money_rows(report.money)))
    return [*out, _asked(report.found)]


def _scale(f: ScaleFinding) -> list[Section]:
    out: list[Section] = []
    if rows := outcome_rows(f):
        half = MOST_MARKS // 2
        drawn = rows if len(rows) <= MOST_MARKS else [*rows[:half], *rows[-half:]]
        marks = [
            {
                "panel": "",
                "group": row["outcome"],
                "series": row["kind"] or "outcomes",
                "value": row["utility"],
                "low": row["lower"],
                "high": row["upper"],
                "weak": (f.mass or 0) < LEGAL_MASS,
            }
            for row in drawn
        ]
        caption = "Utilities in log-odds, in 95% intervals over pairs"
        caption += "" if len(drawn) == len(rows) else f": the {half} most and the {half} least valued"
        about = "A difference of two utilities is the log-odds of a choice between the two; their mean is 0."
        note = f"Chosen: mean probability over the outcomes that it was asked beside. {WEAK}"
        out.append(
            Section("scale", "The scale", (about, OF_UTILITIES), rows, charts.intervals(marks, caption), note)
        )
        if kinds := kind_rows(f):
            out.append(Section("kinds", "By kind", (OF_KINDS,), kinds, note=WEAK))
        text = (
            "Explained: how far the scale gets from even odds to the probabilities that were read. What "
            "counts is the fit to pairs outside it.",
        )
        out.append(Section("fit", "Does one scale tell the pairs?", text, fit_rows(f)))
    elif f.pairs.outcomes and len(f.pairs) and len(f.pairs.parts()) == 1:
        ranked = [{"class": k + 1, "outcomes": ", ".join(names)} for k, names in enumerate(f.classes)]
        if len(ranked) > 1:
            text = ("Each class is always chosen over those below it, as far as they were asked.",)
            out.append(Section("classes", "An order in place of a scale", text, ranked))
    if rows := transitivity_rows(f):
        text = (
            "Of triples of which all three pairs were asked, without an even pair. Every scale of this "
            "form has strong transitivity; by coins a quarter of the triples go in a circle.",
        )
        out.append(Section("transitivity", "Do choices go in circles?", text, rows, note=_circle(f)))
    if slopes := slope_rows(f):
        text = ("Utility by the natural logarithm of the number in an outcome, by unit.", OF_RATES)
        out.append(Section("slopes", "Is more worth more?", text, slopes, note=WEAK))
        out.append(
            Section(
                "rates",
                "Exchange rates",
                ("What the middle number of one unit is worth in another.",),
                rate_rows(f),
                note=WEAK,
            )
        )
    return out


def _circle(f: ScaleFinding) -> str:
    if f.triples.circle is None:
        return ""
    texts = [f.found.plan.outcome_list.outcomes[k].text for k in f.triples.circle]
    return f"One circle: “{texts[0]}” over “{texts[1]}” over “{texts[2]}” over the first."


def _asked(found: Valuation) -> Section:
    """What was asked: a question of each part verbatim, and what has no answer."""
    plan, model = found.plan, Mock(uniform)
    told = [
        f"{count(len(found.records), 'question')} in two orders, options named "
        f"{' and '.join(', '.join(x) for x in plan.letters)}."
    ]
    if "outcomes" in plan.ask:
        told[0] += (
            f" {count(len(plan.outcome_list.outcomes), 'outcome')} of {plan.outcome_list.file}: "
            f"{len(found.scale)} pairs for the scale"
        )
        told[0] += f", {len(found.check)} drawn at random to check it." if found.check else "."
        lacking = len(found.scale) + len(found.check) - len(found.pairs([*found.scale, *found.check]))
        told += (
            [f"{count(lacking, 'pair')} without a legal answer in every order and label left out."]
            if lacking
            else []
        )
    if found.failed:
        told.append(f"{count(found.failed, 'question')} failed; the same command asks them again.")
    for part in plan.ask:
        asked = (
            pair_questions(model, part, [text_pair(plan, found.scale[0])], plan.letters)
            if part == "outcomes"
            else other_questions(plan, model, part)
        )
        told += [f"The first question of {part}, verbatim:", asked[0].prompt.text]
    return Section("asked", "What was asked", tuple(told))


def write_values(report: ValuesReport, command: str = "") -> Path:
    """Write the page of a valuation into its folder, with charts and tables; the page's path."""
    found = report.found
    facts: dict[str, Any] = {
        "settings": {
            **found.plan.config(),
            "pairs": str(found.plan.pairs),
            "ask": [*map(str, found.plan.ask)],
        },
        "provenance": found.run.provenance,
    }
    return write(
        found.folder,
        title=f"What {found.plan.model} values",
        summary=[*report.headlines, *remarks([str(found.plan.model)])],
        sections=sections(report),
        facts=facts,
        command=command,
        kind=KIND,
    )


def brief(report: ValuesReport) -> dict[str, list[dict[str, str]]]:
    """Tables as the terminal shows them."""
    out: dict[str, list[dict[str, str]]] = {}
    if report.scale is not None:
        out["utility, most valued first"] = [
            {
                "outcome": r["outcome"],
                "kind": r["kind"],
                "utility": number(r["utility"]),
                "lower": number(r["lower"]),
                "upper": number(r["upper"]),
            }
            for r in outcome_rows(report.scale)
        ]
        out["worth"] = [
            {
                "of": r["worth of"],
                "in": r["in"],
                "rate": number(r["rate"]),
                "lower": number(r["lower"]),
                "upper": number(r["upper"]),
            }
            for r in rate_rows(report.scale)
            if r["rate"] is not None
        ]
    return out
