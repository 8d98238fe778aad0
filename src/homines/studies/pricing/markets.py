"""Sections on markets of agents with each other and with strategies, computed from the exact chain."""

from __future__ import annotations

import numpy as np

from homines.core.format import TableRow
from homines.opponents import opponent
from homines.reports import charts as draw
from homines.reports.page import Section
from homines.studies.omissions import Omission
from homines.studies.pricing.agents import MarketFindings
from homines.theory.conduct import RARE, Conduct, describe_classes, impulse_response

PERIODS_SHOWN = 12
"""Periods of the chart after a price cut."""


def _conduct_row(conduct: Conduct) -> TableRow:
    """Long-run prices and profits of both firms, and the gain of the market."""
    return {
        "price": float(conduct.prices[0]),
        "its price": float(conduct.prices[1]),
        "profit": float(conduct.profits[0]),
        "its profit": float(conduct.profits[1]),
        "profit gain": conduct.gain,
        "customers' gain": conduct.surplus,
    }


def replies(findings: MarketFindings) -> Section | Omission:
    """Each agent's price after the other's last price."""
    rows: list[TableRow] = []
    for agent in findings.able:
        p = np.array([c.p @ findings.menu for c in agent.policy(findings.game.remembered(0))])
        for b, price in enumerate(findings.menu):
            states = [s for s, (_, other) in enumerate(findings.game.states) if other == b]
            rows.append({"series": agent.name, "step": float(price), "value": float(p[states].mean())})
    title = "Who follows whom"
    if not rows:
        return Omission(title, "answers")
    chart = draw.curves(
        [{"panel": "", **row} for row in rows],
        "Mean price by the other's last price, own last prices averaged",
        across="the other's last price",
        up="price",
    )
    table = [
        {
            "agent": r["series"],
            "other's last price": r["step"],
            "price": r["value"],
            "legal mass": findings.legal_mass[r["series"]],
        }
        for r in rows
    ]
    return Section("replies", title, findings.sampled_note, table, chart)


def every_pair(findings: MarketFindings) -> Section | Omission:
    """Every agent with every other."""
    rows = [
        {"firm": one, "with": two}
        | _conduct_row(conduct)
        | {
            "welfare": conduct.welfare,
            "legal mass": min(findings.legal_mass[one], findings.legal_mass[two]),
        }
        for (one, two), conduct in findings.pairs.items()
    ]
    title, chart = "Every pair of types", None
    if not rows:
        return Omission(title, "answers")
    if len(findings.able) > 1:
        cells = [
            {"row": r["firm"], "column": r["with"], "value": r["profit"], "text": f"{r['profit']:.1f}"}
            for r in rows
        ]
        chart = draw.heat(cells, "Profit a period of the firm in the row", across="with", down="firm")
    return Section(
        "pairs",
        title,
        (
            "Profit, the customers' gain and both together, of every pair, in the long run of their chain.",
            *findings.sampled_note,
        ),
        rows,
        chart,
    )


def rivals(findings: MarketFindings) -> Section | Omission | None:
    """Every agent with every strategy."""
    rows = [
        {"agent": one, "rival": spec} | _conduct_row(conduct) | {"legal mass": findings.legal_mass[one]}
        for (one, spec), conduct in findings.with_rivals.items()
    ]
    title = "Against strategies"
    if not findings.rivals:
        return None
    if not rows:
        return Omission(title, "answers")
    text = (
        "`nash` charges the price of competition whatever happens, `undercut` goes a step below the last "
        "price it saw, and `qlearner` learned the market by Q-learning against its like and keeps what it "
        "settled on."
    )
    return Section("rivals", title, (text, *findings.sampled_note), rows)


def deviations(findings: MarketFindings) -> Section | Omission:
    """Expected prices after one firm's price cut of one period."""
    rows: list[TableRow] = []
    table: list[TableRow] = []
    title = "What follows a price cut"
    if not findings.able:
        return Omission(title, "answers")
    markets = {agent.name: findings.pairs[agent.name, agent.name] for agent in findings.able}
    if "qlearner" in findings.rivals:
        markets["qlearner"] = findings.conduct(opponent("qlearner"), opponent("qlearner"))
    for name, conduct in markets.items():
        response = impulse_response(conduct, findings.game, periods=PERIODS_SHOWN)
        for k, who in enumerate(("who cuts", "the other")):
            rows += [
                {"panel": name, "series": who, "step": t, "value": float(row[k])}
                for t, row in enumerate(response.prices)
            ]
        change = float(response.prices[2][1] / response.prices[0][1] - 1)
        table.append(
            {
                "agents": name,
                "a cut pays": response.pays,
                "the other's price two periods later": f"{change:+.1%}",
                "legal mass": findings.legal_mass.get(name),
            }
        )
    chart = draw.curves(
        rows, "Expected prices when one firm charges its best price for a period", across="period", up="price"
    )
    text = (
        "In period 1 one firm charges its best price of a single period against what the other will do, "
        "then both go on as ever. Where the other's price falls and comes back, a cut is punished. What it "
        "pays is discounted at .95, in profit of one period.",
        *findings.sampled_note,
    )
    return Section("deviations", title, text, table, chart)


def ends(findings: MarketFindings) -> Section | Omission:
    """Recurrent classes of states, with the probability of each."""
    title = "Where play ends"
    if not findings.able:
        return Omission(title, "answers")
    rows: list[TableRow] = []
    markets = {
        **{pair: findings.pairs[pair] for pair in findings.pairs if pair[0] == pair[1]},
        **findings.with_rivals,
    }
    for (one, two), conduct in markets.items():
        rows += [
            {
                "firm": one,
                "with": two,
                "weight": recurrent["weight"],
                "states": recurrent["states"],
                "comes round every": recurrent["period"],
                "price": recurrent["prices"][0],
                "its price": recurrent["prices"][1],
            }
            for recurrent in describe_classes(conduct, findings.game)
        ]
    text = (
        f"Classes of states that play never leaves once prices less likely than {RARE:g} are left out, with "
        "the probability of ending there from a first state drawn at random. With them all states of a "
        "model are one class: a network gives every price some probability.",
        *findings.sampled_note,
    )
    return Section("ends", title, text, rows)
