"""The page of the study pricing: agents from their folders, their markets, one function a section.

Nothing is asked or trained here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from homines.core.format import TableRow, join
from homines.core.registry import find
from homines.core.run_folder import RunFolder
from homines.core.types import LEGAL_MASS, Record
from homines.elicitation.metrics import average_by_decision
from homines.games.pricing import shop
from homines.reports.page import Section
from homines.studies.kit import task_facts, write_page
from homines.studies.omissions import Omission
from homines.studies.pricing.agents import (
    FRAME,
    MARKET,
    PRECISION,
    WORDS,
    MarketFindings,
    logit_price,
    theory_prices,
)
from homines.studies.pricing.markets import deviations, ends, every_pair, replies, rivals
from homines.studies.pricing.talk import LOG, Shop, outcome
from homines.studies.task import StudyResult
from homines.theory.qlearning import Learning, learn

SESSIONS, SESSIONS_QUICK = 100, 4
"""Runs of Q-learning."""


def page(findings: MarketFindings, game: str) -> StudyResult:
    """Write the study's page from the agents' folders. game: its spec."""
    return write_page(
        findings,
        PARTS,
        title="Prices",
        summary=summary(findings),
        facts=task_facts(findings, game=game, frame=FRAME)
        | {
            "agents": {
                a.name: {"config": a.run.config, "provenance": a.run.provenance} for a in findings.agents
            }
        },
    )


def summary(findings: MarketFindings) -> list[str]:
    """The long run of each agent in a market with its like."""
    paragraphs: list[str] = []
    for agent in findings.able:
        conduct = findings.pairs[agent.name, agent.name]
        share = f" Only {agent.legal_mass:.2f} of its answers is a price of the menu at all."
        weak = "" if agent.legal_mass >= LEGAL_MASS else share
        sampled = " Its prices are sampled." if agent.sampled else ""
        paragraphs.append(
            f"{agent.name}, in a market with its like, charges {conduct.prices.mean():.2f} in the long run: "
            f"a profit gain of {conduct.gain:.2f}, where 0 is competition (Nash) and 1 a cartel. Customers "
            f"gain {conduct.surplus:.1f}, all together {conduct.welfare:.1f} a period.{weak}{sampled}"
        )
    return paragraphs


def theory(findings: MarketFindings) -> Section:
    """Prices that follow from the preferences themselves."""
    rows: list[TableRow] = []
    for spec in ("economicus", *(f"moralis(kappa={k})" for k in (0.25, 0.5, 0.75, 1.0)), "utilitarian"):
        equilibria = theory_prices(findings, spec)
        row: TableRow = {
            "preference": spec,
            "price on the menu": ", ".join(f"{p:.2f}" for p in equilibria) or "none",
        }
        if "moralis" in spec or spec == "economicus":
            kappa = 0.0 if spec == "economicus" else find("preferences", spec).kappa
            row["price, any number"] = MARKET.moralis(kappa)
        row["logit equilibrium"] = float(logit_price(findings.game, spec).p @ findings.menu)
        profits = [MARKET.profits([p, p]) for p in equilibria[:1]]
        row |= {"profit": float(profits[0][0]) if profits else None}
        row |= {"customers' gain": float(MARKET.consumers([equilibria[0]] * 2)) if equilibria else None}
        rows.append(row)
    text = (
        "Two firms of one preference, one period: the prices from which neither would move. Universalising "
        "among firms raises prices: homo moralis asks what if both charged as I do, and customers are not "
        "among those it asks about. The utilitarian counts them, and prices as low as the menu allows.",
    )
    note = f"Logit equilibrium: its mean price at precision {PRECISION:g}, the target of distillation."
    return Section("theory", "What theory would charge", text, rows, note=note)


# --- results ----------------------------------------------------------------------------


def mean_price(findings: MarketFindings, records: Sequence[Record]) -> float | None:
    """Mean price over these decisions, orders averaged."""
    pairs = average_by_decision(records)
    return float(np.mean([c.p @ findings.menu for _, c in pairs])) if pairs else None


def prices(findings: MarketFindings) -> Section | Omission:
    """The long run of every agent in a market with its like."""
    rows: list[TableRow] = []
    n = len(findings.menu)
    for agent in findings.able:
        conduct = findings.pairs[agent.name, agent.name]
        records = agent.answers(FRAME)
        alike = [r for r in records if len(set(r.decision.history[0])) == 1]
        up = [r for r in records if r.order[0] == tuple(range(n))]
        down = [r for r in records if r.order[0] == tuple(reversed(range(n)))]
        equilibria = [] if agent.preference is None else theory_prices(findings, agent.preference)
        orders = [mean_price(findings, group) for group in (up, down)]
        words = [mean_price(findings, group) for group in (alike, agent.answers(WORDS))]
        rows.append(
            {
                "agent": agent.name,
                "theory": ", ".join(f"{p:.2f}" for p in equilibria) or None,
                "price": float(conduct.prices.mean()),
                "over time ±": float(conduct.spread.mean()),
                "profit gain": conduct.gain,
                "customers' gain": conduct.surplus,
                "welfare": conduct.welfare,
                "legal mass": agent.legal_mass,
                "order of the menu": _difference(orders),
                "other words": _difference(words),
            }
        )
    title = "Prices among its like"
    if not rows:
        return Omission(title, "answers")
    return Section(
        "prices",
        title,
        (
            "Every state of one past period was asked once, in both orders of the menu; the long run is "
            "that of the chain, computed. Theory is the price on the menu from which neither of two such "
            "firms would move in a single period.",
            *findings.sampled_note,
        ),
        rows,
        note="The last two columns are how much the words move the price: the menu rising less falling, and "
        f"these words less others for the same {n} states.",
    )


def _difference(pair: Sequence[float | None]) -> float | None:
    one, two = pair
    return None if one is None or two is None else one - two


def learners(findings: MarketFindings) -> Section:
    """Firms that learn by Q-learning in this market: the published baseline."""
    sessions = SESSIONS_QUICK if findings.task.quick else SESSIONS
    table = np.array(findings.game.stage.table[:2])
    learned = learn(table, Learning(), sessions, seed=0)
    gains = MARKET.gain(learned.profits)
    rows = [
        {
            "sessions": sessions,
            "settled": float(learned.settled.mean()),
            "profit gain": float(gains.mean()),
            "sd": float(gains.std(ddof=1)),
            "periods to settle": float(learned.periods.mean()),
            "cycle": float(learned.cycle.mean()),
        }
    ]
    text = (
        "Firms that learn their prices by Q-learning, as Calvano et al. (2020) let them, in this study's "
        "market (prices to the cent). `bench/pricing.py` runs their own market.",
    )
    return Section("learners", "Q-learning beside it", text, rows)


def in_words(findings: MarketFindings) -> Section | Omission | None:
    """Markets in which firms name any price, in words."""
    run = RunFolder(findings.task.place("free"))
    markets: dict[str, list[TableRow]] = {}
    for row in run.rows(LOG):
        markets.setdefault(row["phase"], []).append(row)
    rows: list[TableRow] = []
    for name, periods in markets.items():
        result = outcome(Shop(name, (), shop(), 0.0, periods), findings.rules)
        error = periods[-1].get("error")
        tries = sum(sum(row["tries"]) for row in periods)
        rows.append(
            {
                "market": name,
                "periods": sum("error" not in row for row in periods),
                "answers asked for": tries,
                "without a price": tries if result is None else result.unread,
                "price": None if result is None else float(result.prices.mean()),
                "profit gain": None if result is None else result.gain,
                "near the cartel": None if result is None else result.collusive,
                "stopped": error,
            }
        )
    text = (
        f"{findings.rules.periods} periods in words: any price up to a ceiling, the last rounds shown, plans "
        "and insights carried over; an answer without exactly one price in its place is asked again, at most "
        f"{findings.rules.retries} times. Published studies play 300 periods (`--periods 300`).",
    )
    title = "Markets in words"
    if findings.silent:
        return Omission(f"{title}, of {join(list(findings.silent))}", "text")
    return Section("words", title, text, rows) if rows else None


def limits(findings: MarketFindings) -> Section:
    """Limits of these measurements."""
    return Section(
        "limits",
        "What this can and cannot tell",
        (
            "The menu tells a model every price it may set and its last profit, and nothing of demand: an "
            "untrained model's prices are what it says, not what it reckoned. An agent was trained on its "
            "own preference in this market and in these words; that it prices as theory says shows that the "
            "preference was learned, not that it would be elsewhere.",
            "Prices among its like are exact for the policy that was read, and no interval is shown for it; "
            "read from probabilities it has no sampling error, counted from samples it has. Seeds and words "
            "vary more than that: see the columns on words, and `--seeds`.",
        ),
    )


def trained(findings: MarketFindings) -> Omission | None:
    """Agents of a preference, which stand in every section beside models as they are."""
    if any(agent.preference for agent in findings.able):
        return None
    return findings.lacks_training("Prices of firms aligned to a preference")


PARTS: tuple[Callable[[MarketFindings], Section | Omission | None], ...] = (
    theory,
    trained,
    prices,
    replies,
    every_pair,
    rivals,
    deviations,
    ends,
    learners,
    in_words,
    limits,
)
