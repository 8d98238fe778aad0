"""Sections of a page of several runs that only some studies fill: who a car saves, what firms charge."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import signature

from homines.core.format import TableRow
from homines.core.registry import arguments, find, head
from homines.core.types import HominesError, Record
from homines.elicitation.metrics import answered_records, average_by_decision, group_by, mass, order_effect
from homines.elicitation.policies import RecordedPolicy
from homines.estimation.amce import ALL, Amce, effects_of
from homines.estimation.amce_rows import amce_of_choices
from homines.estimation.published import DILEMMAS
from homines.games.dilemma import Dilemma
from homines.games.pricing import shop
from homines.reports import charts as draw
from homines.reports.agents import Agent, column_means
from homines.reports.page import Section
from homines.reports.tables import mark_weak
from homines.theory.conduct import conduct
from homines.theory.market import Market

PEOPLE = "all people"
MARKET = "pricing"
"""The game with a long run; its frame is 'market'."""


def is_dilemma(game: str) -> bool:
    return head(game) == "dilemma"


def dilemmas(agents: Sequence[Agent]) -> Section | None:
    """Average marginal component effects of agents that were asked the moral machine's scenarios."""
    rows: list[TableRow] = []
    dots: list[TableRow] = []
    for a in agents:
        if not (own := [r for r in a.records if is_dilemma(r.game)]):
            continue
        try:
            amce = effects(own)
        except HominesError as why:
            return Section("dilemmas", "Who a car saves", (f"Effects cannot be told here: {why}.",))
        legal = mass(own) or 0.0
        reliability = {"legal mass": legal, "order effect": order_effect(own)}
        ends = amce.interval()
        for i in effects_of(DILEMMAS[PEOPLE]):
            e, (low, high) = ALL[i], ends[i]
            point = {"value": float(amce.values[i]), "low": float(low), "high": float(high)}
            cells = {key: mark_weak(x, legal) for key, x in point.items()}
            rows.append({"agent": a.name, "effect": e.name, **cells, **reliability})
            dots.append({"panel": e.name, "group": "", "series": a.name, **point})
    if not rows:
        return None
    people = DILEMMAS[PEOPLE]
    for e, value in zip([ALL[i] for i in effects_of(people)], people.values, strict=True):
        rows.append({"agent": PEOPLE, "effect": e.name, "value": float(value)})
        dots.append({"panel": e.name, "group": "", "series": PEOPLE, "value": float(value)})
    text = (
        "Probability of being saved at the first level less that at the second, averaged over all else "
        "in the scenario, with 95% intervals; 0: it does not matter. Over the scenarios that came to an "
        "answer in every order and wording. The page of the study says what such effects can tell.",
    )
    note = "† and grey: little legal mass. People: Awad et al. (2018), as used by Takemoto (2024)."
    chart = draw.intervals(dots, "Effects on being saved, by agent, beside all people")
    return Section("dilemmas", "Who a car saves", text, rows, chart, note)


def effects(records: Sequence[Record]) -> Amce:
    """Effects over the scenarios in which every question was answered."""
    choices: list[tuple[Dilemma, float]] = []
    for (game,), group in group_by(records, "game").items():
        if len(answered_records(group)) == len(group):
            choices += [(find("games", game), float(c.p[0])) for _, c in average_by_decision(group)]
    return amce_of_choices(choices)


def market_of(game: str) -> Market:
    """The market of a spec of `pricing`."""
    given = arguments("games", game)[1]
    return shop(**{name: given[name] for name in signature(shop).parameters if name in given})


def prices(agents: Sequence[Agent]) -> Section | None:
    """Long-run prices of each agent in a market with its like."""
    rows: list[TableRow] = []
    for a in agents:
        for game in dict.fromkeys(r.game for r in a.records if head(r.game) == MARKET):
            own = [r for r in a.records if r.game == game and head(r.frame) == "market"]
            row: TableRow = {"agent": a.name, "game": game, "trained to": a.aim}
            try:
                market = find("games", game)
                firms = market_of(game)
                policy = RecordedPolicy.of(own, symmetric=firms.symmetric)
                long_run = conduct(firms, market, [policy] * firms.firms)
            except (HominesError, ValueError) as why:
                rows.append(row | {"why": str(why)})
                continue
            legal = mass(own)
            figures = {
                "price": float(long_run.prices.mean()),
                "profit gain": long_run.gain,
                "customers' gain": long_run.surplus,
                "welfare": long_run.welfare,
            }
            cells = {key: mark_weak(x, legal) for key, x in figures.items()}
            rows.append(row | cells | {"legal mass": legal})
    if not rows:
        return None
    dots = [
        {"panel": "price", "group": name, "series": "", "value": price}
        for name, price in column_means(rows, "price", agents).items()
    ]
    text = (
        "Every agent in a market with its like, in the long run of the chain of its answers. Profit gain: "
        "0 is competition (Nash), 1 a cartel. Pairs of agents, price cuts and markets in words are on the "
        "page of the study itself.",
    )
    chart = draw.intervals(dots, "Long-run price among its like, by agent") if dots else None
    return Section("prices", "What firms charge", text, rows, chart, "† and grey: little legal mass.")
