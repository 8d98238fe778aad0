"""Tables of a valuation: outcomes, kinds, fit, exchange rates, budgets, parameters."""

from __future__ import annotations

import numpy as np

from homines.core.format import TableRow
from homines.estimation.utility_scale import Fit
from homines.reports.tables import mark_weak
from homines.valuations.money import BudgetFinding, MoneyFinding
from homines.valuations.scale import ScaleFinding

LINK_NAMES = {"logistic": "Bradley-Terry", "normal": "Thurstone, case V"}


def outcome_rows(finding: ScaleFinding) -> list[TableRow]:
    """A row an outcome, the most valued first: utility with its interval over pairs, and how often it is
    chosen over those that it was asked beside."""
    if (scale := finding.scale) is None:
        return []
    chosen = np.nanmean(finding.pairs.matrix, axis=1)
    legal = finding.mass
    rows: list[TableRow] = []
    for k in np.argsort(-scale.u, kind="stable"):
        o = finding.found.plan.outcome_list.outcomes[k]
        ends = scale.interval(np.eye(len(scale.u))[k]) or (None, None)
        rows.append(
            {
                "outcome": o.text,
                "kind": o.kind,
                "utility": mark_weak(float(scale.u[k]), legal),
                "lower": ends[0],
                "upper": ends[1],
                "chosen": mark_weak(float(chosen[k]), legal),
                "legal mass": legal,
            }
        )
    return rows


def kind_rows(finding: ScaleFinding) -> list[TableRow]:
    """A row a kind: mean utility with its interval over outcomes."""
    return [
        {
            "kind": kind,
            "outcomes": many,
            "mean utility": mark_weak(value, finding.mass),
            "lower": None if ends is None else ends[0],
            "upper": None if ends is None else ends[1],
        }
        for kind, many, value, ends in sorted(finding.kinds, key=lambda row: -row[2])
    ]


def fit_rows(finding: ScaleFinding) -> list[TableRow]:
    """A row a link and set of pairs: how well the scale tells them."""
    outside = "drawn, outside the scale" if finding.drawn else "left out in turn (5 parts)"
    rows: list[TableRow] = []
    for link, scale in finding.scales.items():
        rows.append(_fit_row(LINK_NAMES[link], "in the scale", scale.fit(scale.pairs)))
        if (fit := finding.outside.get(link)) is not None:
            rows.append(_fit_row(LINK_NAMES[link], outside, fit))
    if (against := finding.against_all) is not None:
        scale, fit, correlation = against
        name = (
            f"{LINK_NAMES['logistic']} of {len(scale.pairs)} pairs (correlation {correlation:.3f} with all)"
        )
        rows.append(_fit_row(name, "all others", fit))
    return rows


def _fit_row(scale: str, pairs: str, fit: Fit) -> TableRow:
    return {
        "scale": scale,
        "pairs": pairs,
        "number": fit.pairs,
        "explained": fit.explained,
        "misfit (nats)": fit.misfit,
        "error of P": fit.error,
        "same likelier outcome": fit.agreement,
    }


def transitivity_rows(finding: ScaleFinding) -> list[TableRow]:
    """A row a kind of stochastic transitivity: how many triples break it."""
    t = finding.triples
    told = {"weak": "weak: triples in a circle", "moderate": "moderate", "strong": "strong"}
    return [
        {"transitivity": name, "triples": t.triples, "break it": getattr(t, key), "share": t.share(key)}
        for key, name in told.items()
        if t.triples
    ]


def slope_rows(finding: ScaleFinding) -> list[TableRow]:
    """A row a unit: its slope by the logarithm of the number."""
    if (s := finding.slopes) is None:
        return []
    rows: list[TableRow] = []
    for unit in s.units:
        value, ends = s.slope(unit)
        rows.append(
            {
                "unit": unit,
                "numbers": ", ".join(f"{x:g}" for x in sorted(s.numbers[unit])),
                "slope": mark_weak(value, finding.mass),
                "lower": None if ends is None else ends[0],
                "upper": None if ends is None else ends[1],
                "identified": s.identified(unit),
            }
        )
    return rows


def rate_rows(finding: ScaleFinding) -> list[TableRow]:
    """A row a pair of units: what the middle number of one is worth in the other, or why there is no rate."""
    if (s := finding.slopes) is None:
        return []
    rows: list[TableRow] = []
    for unit in s.units:
        for into in s.units:
            if unit != into:
                r = s.rate(unit, s.middle(unit), into)
                rows.append(
                    {
                        "worth of": f"{r.amount:g} {unit}",
                        "in": into,
                        "rate": mark_weak(r.value, finding.mass),
                        "lower": r.low,
                        "upper": r.high,
                        "why none": r.why,
                    }
                )
    return rows


def budget_rows(finding: BudgetFinding) -> list[TableRow]:
    """A row a budget: the likeliest point and its probability."""
    places, p = finding.answered
    rows: list[TableRow] = []
    for k, own in zip(places, p, strict=True):
        b = finding.found.plan.budget_list.budgets[k]
        top = int(own.argmax())
        rows.append(
            {
                "income": b.income,
                f"price of {b.goods[0]}": b.prices[0],
                f"price of {b.goods[1]}": b.prices[1],
                "likeliest": b.options[top],
                "its probability": mark_weak(float(own[top]), finding.mass),
                "share spent on the first": mark_weak(float(own @ np.linspace(0, 1, len(own))), finding.mass),
            }
        )
    return rows


def efficiency_rows(finding: BudgetFinding) -> list[TableRow]:
    """A row a chooser: GARP and the critical cost efficiency index."""
    rows: list[TableRow] = []
    if finding.efficiency is not None:
        rows.append(
            {
                "chooser": "its likeliest points",
                "CCEI": finding.efficiency,
                "share without a breach": float(not finding.broken),
            }
        )
    for name, values in (
        ("drawn by its probabilities", finding.drawn),
        ("every point equally likely", finding.random),
    ):
        if len(values):
            rows.append(
                {
                    "chooser": name,
                    "CCEI": float(values.mean()),
                    "share without a breach": float((values > 1 - 1e-9).mean()),
                }
            )
    return rows


def money_rows(findings: list[MoneyFinding]) -> list[TableRow]:
    """A row a family and parameter: estimate, interval over questions, or why there is none."""
    rows: list[TableRow] = []
    for f in findings:
        if f.fit is None:
            rows.append(
                {"asked": f.part, "family": f.family, "parameter": "", "estimate": None, "why none": f.why}
            )
            continue
        rows += [
            {
                "asked": f.part,
                "family": f.family,
                "parameter": p.name,
                "estimate": p.value if p.low is not None else None,
                "lower": p.low,
                "upper": p.high,
                "why none": p.why,
                "explained": f.fit.fit.explained,
                "misfit (nats)": f.fit.fit.misfit,
            }
            for p in f.fit.parameters
        ]
    return rows
