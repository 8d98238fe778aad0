"""Sections of a page of several runs that only some studies fill: who a car saves, what firms charge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from homines import figures_study as draw
from homines.beside_agent import Agent, columns
from homines.core.format import finite
from homines.core.registry import find
from homines.core.types import LEGAL_MASS, HominesError, Record
from homines.elicitation.metrics import answered, averaged, by, mass, order_effect
from homines.elicitation.policies import Read
from homines.estimation.amce import EFFECTS, Amce, of_choices
from homines.estimation.published import DILEMMAS
from homines.games.dilemma import Dilemma
from homines.games.pricing import shop
from homines.pages import Section, Weak
from homines.theory.conduct import conduct

Row = dict[str, Any]
PEOPLE = "all people"
MARKET = "pricing"
"""The game whose long run is told; its frame is 'market'."""


def of_dilemma(game: str) -> bool:
    return game.partition("(")[0] == "dilemma"


def dilemmas(there: Sequence[Agent]) -> Section | None:
    """Average marginal component effects of agents that were asked the moral machine's scenarios."""
    rows: list[Row] = []
    dots: list[Row] = []
    for a in there:
        if not (own := [r for r in a.records if of_dilemma(r.game)]):
            continue
        try:
            found = effects(own)
        except HominesError as why:
            return Section("dilemmas", "Who a car saves", (f"Effects cannot be told here: {why}.",))
        legal = mass(own) or 0.0
        beside = {"legal mass": legal, "order effect": order_effect(own)}
        for e, value, (low, high) in zip(EFFECTS, found.nine, found.interval(), strict=False):
            told = {"value": float(value), "low": float(low), "high": float(high)}
            shown = {key: Weak(x) if legal < LEGAL_MASS else x for key, x in told.items()}
            rows.append({"agent": a.name, "effect": e.name, **shown, **beside})
            dots.append({"panel": e.name, "group": "", "series": a.name, **told})
    if not rows:
        return None
    for e, value in zip(EFFECTS, DILEMMAS[PEOPLE], strict=True):
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
    """Effects over the scenarios of which no asking failed."""
    chosen: list[tuple[Dilemma, float]] = []
    for (game,), group in by(records, "game").items():
        if len(answered(group)) == len(group):
            chosen += [(find("games", game), float(c.p[0])) for _, c in averaged(group)]
    return of_choices(chosen)


def prices(there: Sequence[Agent]) -> Section | None:
    """What firms of one kind charge among themselves in the long run."""
    rows: list[Row] = []
    for a in there:
        for game in dict.fromkeys(r.game for r in a.records if r.game.partition("(")[0] == MARKET):
            own = [r for r in a.records if r.game == game and r.frame.startswith("market")]
            row: Row = {"agent": a.name, "game": game, "trained to": a.aim}
            try:
                made = find("games", game)
                policy = Read.of(own, symmetric=True)
                held = conduct(shop(), made, [policy, policy])
            except (HominesError, ValueError) as why:
                rows.append(row | {"why": str(why)})
                continue
            legal = mass(own)
            told = {
                "price": float(held.prices.mean()),
                "profit gain": held.gain,
                "customers' gain": held.surplus,
                "welfare": held.welfare,
            }
            weak = legal is not None and legal < LEGAL_MASS
            rows.append(row | {k: Weak(x) if weak else x for k, x in told.items()} | {"legal mass": legal})
    if not rows:
        return None
    dots = [
        {"panel": "price", "group": name, "series": "", "value": float(np.mean(some))}
        for name, held in columns(there).items()
        if (
            some := [
                x
                for row in rows
                if row["agent"] in {a.name for a in held} and (x := finite(row.get("price"))) is not None
            ]
        )
    ]
    text = (
        "Every agent in a market with its like, in the long run of the chain of its answers. Profit gain: "
        "0 is competition (Nash), 1 a cartel. Pairs of agents, price cuts and markets in words are on the "
        "page of the study itself.",
    )
    chart = draw.intervals(dots, "Long-run price among its like, by agent") if dots else None
    return Section("prices", "What firms charge", text, rows, chart, "† and grey: little legal mass.")
