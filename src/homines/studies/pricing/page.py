"""The page of the study pricing: agents as their folders tell them, their markets, one function a section.

Nothing is asked or trained here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from homines.core.registry import find
from homines.core.run_folder import RunFolder
from homines.core.types import LEGAL_MASS, Array, Choice, HominesError, Policy, Record
from homines.elicitation.metrics import answered_records, average_by_decision, mass
from homines.elicitation.policies import RecordedPolicy
from homines.games.pricing import shop
from homines.opponents import opponent
from homines.opponents.nash import equilibria
from homines.reports import charts as draw
from homines.reports.page import Section, write
from homines.studies.pricing.talk import LOG, Rules, Shop, outcome
from homines.theory.choice import quantal_response
from homines.theory.conduct import RARE, Conduct, conduct, describe_classes, impulse_response
from homines.theory.game_forms import Repeated
from homines.theory.qlearning import Learning, learn
from homines.training.study import StudyTask

Row = dict[str, Any]
FRAME = "market()"
WORDS = "sentences()"
PRECISION = 5.0
"""Of the logit equilibrium that is distilled, per unit of profit; its prices are within a cent of theory."""
SESSIONS, SESSIONS_QUICK = 100, 4
PERIODS_SHOWN = 12
MARKET = shop()


@dataclass(frozen=True, eq=False)
class Asked:
    """One agent as its folder tells it. preference None: nothing was trained."""

    name: str
    run: RunFolder
    preference: str | None

    def asked(self, frame: str) -> list[Record]:
        return [r for r in self.run.records if r.frame.startswith(frame.partition("(")[0])]

    @cached_property
    def policy(self) -> RecordedPolicy:
        return RecordedPolicy.of(self.asked(FRAME), symmetric=True)

    @cached_property
    def legal(self) -> float:
        """Mean legal mass of its answers in the market's words."""
        return mass(self.asked(FRAME)) or 0.0


@dataclass(frozen=True, eq=False)
class Findings:
    """Every agent that answered everywhere, the untrained model first; the strategies it meets."""

    task: StudyTask
    game: Repeated
    agents: tuple[Asked, ...]
    mute: tuple[str, ...]
    rivals: tuple[str, ...]
    how: Rules

    @cached_property
    def menu(self) -> Array:
        return np.array([float(name) for name in self.game.stage.actions[0]])

    @cached_property
    def legal(self) -> dict[str, float]:
        """Legal mass by agent; strategies have none."""
        return {agent.name: agent.legal for agent in self.agents}

    @cached_property
    def pairs(self) -> dict[tuple[str, str], Conduct]:
        """Every agent in a market with every other, and with itself."""
        return {
            (one.name, two.name): self.met(one.policy, two.policy)
            for one in self.agents
            for two in self.agents
        }

    @cached_property
    def against(self) -> dict[tuple[str, str], Conduct]:
        """Every agent in a market with every strategy."""
        return {
            (one.name, spec): self.met(one.policy, opponent(spec))
            for one in self.agents
            for spec in self.rivals
        }

    def met(self, one: Policy, two: Policy) -> Conduct:
        return conduct(MARKET, self.game, [one, two])


def page(task: StudyTask, agents: Sequence[Asked], game: str, rivals: Sequence[str], how: Rules) -> Path:
    """Read every folder, write the study's page."""
    made = find("games", game)
    able = [agent for agent in agents if _answers(agent, made)]
    mute = tuple(agent.name for agent in agents if agent not in able)
    found = Findings(task, made, tuple(able), mute, tuple(rivals), how)
    return write(
        task.folder,
        title=f"Prices: {task.model}",
        summary=summary(found),
        sections=[s for part in PARTS if (s := part(found)) is not None],
        facts={
            "game": game,
            "frame": FRAME,
            "seconds": round(task.seconds),
            "agents": {a.name: {"config": a.run.config, "provenance": a.run.provenance} for a in agents},
        },
        command=task.command,
    )


def _answers(agent: Asked, game: Repeated) -> bool:
    """Whether every state has a legal answer in either order; one order alone would be unbalanced."""
    asked = agent.asked(FRAME)
    return len(answered_records(asked)) == len(asked) >= len(game.states)


def summary(found: Findings) -> list[str]:
    """What is read first."""
    out: list[str] = []
    for agent in found.agents:
        held = found.pairs[agent.name, agent.name]
        share = f" Only {agent.legal:.2f} of its answers is a price of the menu at all."
        weak = "" if agent.legal >= LEGAL_MASS else share
        out.append(
            f"{agent.name}, in a market with its like, charges {held.prices.mean():.2f} in the long run: a "
            f"profit gain of {held.gain:.2f}, where 0 is competition (Nash) and 1 a cartel. Customers gain "
            f"{held.surplus:.1f}, all together {held.welfare:.1f} a period.{weak}"
        )
    if found.mute:
        out.append(
            f"Left out, as some state has no legal answer: {', '.join(found.mute)}. Run the command again "
            "where a call failed."
        )
    return out


# --- theory ------------------------------------------------------------------------------------


def theory_prices(found: Findings, spec: str) -> list[float]:
    """Symmetric pure equilibria of one period on the menu between two of this preference."""
    u = find("preferences", spec)(found.game.stage.seat(0))
    try:
        pairs = equilibria(np.stack([u, u.T]))
    except HominesError:
        return []
    return [float(found.menu[a]) for a, b in pairs if a == b]


def logit_price(game: Repeated, spec: str) -> Choice:
    """What either of two firms of one preference charges in the logit equilibrium of one period."""
    d, of = game.stage.seat(0), find("preferences", spec)
    return quantal_response((d, d), (of, of), precision=PRECISION)[0]


def theory(found: Findings) -> Section:
    """What the preferences themselves would charge."""
    rows: list[Row] = []
    for spec in ("economicus", *(f"moralis(kappa={k})" for k in (0.25, 0.5, 0.75, 1.0)), "utilitarian"):
        there = theory_prices(found, spec)
        row: Row = {"preference": spec, "price on the menu": ", ".join(f"{p:.2f}" for p in there) or "none"}
        if "moralis" in spec or spec == "economicus":
            kappa = 0.0 if spec == "economicus" else find("preferences", spec).kappa
            row["price, any number"] = MARKET.moralis(kappa)
        row["logit equilibrium"] = float(logit_price(found.game, spec).p @ found.menu)
        paid = [MARKET.profits([p, p]) for p in there[:1]]
        row |= {"profit": float(paid[0][0]) if paid else None}
        row |= {"customers' gain": float(MARKET.consumers([there[0]] * 2)) if there else None}
        rows.append(row)
    text = (
        "Two firms of one preference, one period: the prices from which neither would move. Universalising "
        "among firms raises prices: homo moralis asks what if both charged as I do, and customers are not "
        "among those it asks about. The utilitarian counts them, and prices as low as the menu allows.",
    )
    note = f"Logit equilibrium: its mean price at precision {PRECISION:g}, the target of distillation."
    return Section("theory", "What theory would charge", text, rows, note=note)


# --- what was found ----------------------------------------------------------------------------


def mean_price(found: Findings, records: Sequence[Record]) -> float | None:
    """Mean price over these decisions, orders averaged."""
    pairs = average_by_decision(records)
    return float(np.mean([c.p @ found.menu for _, c in pairs])) if pairs else None


def prices(found: Findings) -> Section:
    """Every agent with its like."""
    rows: list[Row] = []
    n = len(found.menu)
    for agent in found.agents:
        held = found.pairs[agent.name, agent.name]
        asked = agent.asked(FRAME)
        alike = [r for r in asked if len(set(r.decision.history[0])) == 1]
        up = [r for r in asked if r.order[0] == tuple(range(n))]
        down = [r for r in asked if r.order[0] == tuple(reversed(range(n)))]
        there = [] if agent.preference is None else theory_prices(found, agent.preference)
        orders = [mean_price(found, some) for some in (up, down)]
        words = [mean_price(found, some) for some in (alike, agent.asked(WORDS))]
        rows.append(
            {
                "agent": agent.name,
                "theory": ", ".join(f"{p:.2f}" for p in there) or None,
                "price": float(held.prices.mean()),
                "over time ±": float(held.spread.mean()),
                "profit gain": held.gain,
                "customers' gain": held.surplus,
                "welfare": held.welfare,
                "legal mass": agent.legal,
                "order of the menu": _less(orders),
                "other words": _less(words),
            }
        )
    return Section(
        "prices",
        "Prices among its like",
        (
            "Every state of one past period was asked once, in both orders of the menu; the long run is "
            "that of the chain, computed. Theory is the price on the menu from which neither of two such "
            "firms would move in a single period.",
        ),
        rows,
        note="The last two columns are how much the words move the price: the menu rising less falling, and "
        f"these words less others for the same {n} states.",
    )


def _less(pair: Sequence[float | None]) -> float | None:
    one, two = pair
    return None if one is None or two is None else one - two


def replies(found: Findings) -> Section:
    """Each agent's price after the other's last price."""
    rows: list[Row] = []
    for agent in found.agents:
        p = np.array([c.p @ found.menu for c in agent.policy(found.game.remembered(0))])
        for b, price in enumerate(found.menu):
            seen = [s for s, (_, other) in enumerate(found.game.states) if other == b]
            rows.append({"series": agent.name, "step": float(price), "value": float(p[seen].mean())})
    chart = draw.curves(
        [{"panel": "", **row} for row in rows],
        "Mean price by the other's last price, own last prices averaged",
        across="the other's last price",
        up="price",
    )
    held = [
        {
            "agent": r["series"],
            "other's last price": r["step"],
            "price": r["value"],
            "legal mass": found.legal[r["series"]],
        }
        for r in rows
    ]
    return Section("replies", "Who follows whom", (), held, chart)


def every_pair(found: Findings) -> Section:
    """Every agent with every other."""
    rows = [
        {
            "firm": one,
            "with": two,
            "price": float(held.prices[0]),
            "its price": float(held.prices[1]),
            "profit": float(held.profits[0]),
            "its profit": float(held.profits[1]),
            "profit gain": held.gain,
            "customers' gain": held.surplus,
            "welfare": held.welfare,
            "legal mass": min(found.legal[one], found.legal[two]),
        }
        for (one, two), held in found.pairs.items()
    ]
    chart = None
    if len(found.agents) > 1:
        cells = [
            {"row": r["firm"], "column": r["with"], "value": r["profit"], "text": f"{r['profit']:.1f}"}
            for r in rows
        ]
        chart = draw.heat(cells, "Profit a period of the firm in the row", across="with", down="firm")
    return Section(
        "pairs",
        "Every pair of types",
        ("Profit, the customers' gain and both together, of every pair, in the long run of their chain.",),
        rows,
        chart,
    )


def rivals(found: Findings) -> Section | None:
    """Every agent with every strategy."""
    rows = [
        {
            "agent": one,
            "rival": spec,
            "price": float(held.prices[0]),
            "its price": float(held.prices[1]),
            "profit": float(held.profits[0]),
            "its profit": float(held.profits[1]),
            "profit gain": held.gain,
            "customers' gain": held.surplus,
            "legal mass": found.legal[one],
        }
        for (one, spec), held in found.against.items()
    ]
    if not rows:
        return None
    text = (
        "`nash` charges the price of competition whatever happens, `undercut` goes a step below the last "
        "price it saw, and `qlearner` learned the market by Q-learning against its like and keeps what it "
        "settled on.",
    )
    return Section("rivals", "Against strategies", text, rows)


def deviations(found: Findings) -> Section:
    """One period's price cut, and what follows."""
    rows: list[Row] = []
    paid: list[Row] = []
    games = {agent.name: found.pairs[agent.name, agent.name] for agent in found.agents}
    if "qlearner" in found.rivals:
        games["qlearner"] = found.met(opponent("qlearner"), opponent("qlearner"))
    for name, held in games.items():
        after = impulse_response(held, found.game, periods=PERIODS_SHOWN)
        for k, who in enumerate(("who cuts", "the other")):
            rows += [
                {"panel": name, "series": who, "step": t, "value": float(row[k])}
                for t, row in enumerate(after.prices)
            ]
        fell = float(after.prices[2][1] / after.prices[0][1] - 1)
        paid.append(
            {
                "agents": name,
                "a cut pays": after.pays,
                "the other's price two periods later": f"{fell:+.1%}",
                "legal mass": found.legal.get(name),
            }
        )
    chart = draw.curves(
        rows, "Expected prices when one firm charges its best price for a period", across="period", up="price"
    )
    text = (
        "In period 1 one firm charges its best price of a single period against what the other will do, "
        "then both go on as ever. Where the other's price falls and comes back, a cut is punished. What it "
        "pays is discounted at .95, in profit of one period.",
    )
    return Section("deviations", "What follows a price cut", text, paid, chart)


def ends(found: Findings) -> Section:
    """Where play can end."""
    rows: list[Row] = []
    games = {**{pair: found.pairs[pair] for pair in found.pairs if pair[0] == pair[1]}, **found.against}
    for (one, two), held in games.items():
        rows += [
            {
                "firm": one,
                "with": two,
                "weight": some["weight"],
                "states": some["states"],
                "comes round every": some["period"],
                "price": some["prices"][0],
                "its price": some["prices"][1],
            }
            for some in describe_classes(held, found.game)
        ]
    text = (
        f"Classes of states that play never leaves once prices less likely than {RARE:g} are left out, with "
        "the probability of ending there from a first state drawn at random. With them all states of a "
        "model are one class: a network gives every price some probability.",
    )
    return Section("ends", "Where play ends", text, rows)


def learners(found: Findings) -> Section:
    """The published baseline in this market."""
    sessions = SESSIONS_QUICK if found.task.quick else SESSIONS
    table = np.array(found.game.stage.table[:2])
    done = learn(table, Learning(), sessions, seed=0)
    gains = MARKET.gain(done.profits)
    rows = [
        {
            "sessions": sessions,
            "settled": float(done.settled.mean()),
            "profit gain": float(gains.mean()),
            "sd": float(gains.std(ddof=1)),
            "periods to settle": float(done.periods.mean()),
            "cycle": float(done.cycle.mean()),
        }
    ]
    text = (
        "Firms that learn their prices by Q-learning, as Calvano et al. (2020) let them, in this study's "
        "market (prices to the cent). `bench/pricing.py` runs their own market.",
    )
    return Section("learners", "Q-learning beside it", text, rows)


def in_words(found: Findings) -> Section | None:
    """Markets in words."""
    run = RunFolder(found.task.place("free"))
    held: dict[str, list[Row]] = {}
    for row in run.rows(LOG):
        held.setdefault(row["phase"], []).append(row)
    rows: list[Row] = []
    for name, periods in held.items():
        made = outcome(Shop(name, (), 0.0, periods), shop(), found.how)  # pyright: ignore[reportArgumentType]
        stuck = periods[-1].get("error")
        asked = sum(sum(row["tries"]) for row in periods)
        rows.append(
            {
                "market": name,
                "periods": sum("error" not in row for row in periods),
                "answers asked for": asked,
                "without a price": asked if made is None else made.unread,
                "price": None if made is None else float(made.prices.mean()),
                "profit gain": None if made is None else made.gain,
                "near the cartel": None if made is None else made.collusive,
                "stopped": stuck,
            }
        )
    text = (
        f"{found.how.periods} periods in words: any price up to a ceiling, the last rounds shown, plans and "
        "insights carried over; an answer without exactly one price in its place is asked again, at most "
        f"{found.how.retries} times. Published studies play 300 periods (`--periods 300`).",
    )
    return Section("words", "Markets in words", text, rows) if rows else None


def limits(found: Findings) -> Section:
    """What a small model can and cannot tell."""
    return Section(
        "limits",
        "What this can and cannot tell",
        (
            "The menu tells a model every price it may set and its last profit, and nothing of demand: an "
            "untrained model's prices are what it says, not what it reckoned. An agent was trained on its "
            "own preference in this market and in these words; that it prices as theory says shows that the "
            "preference was learned, not that it would be elsewhere.",
            "Prices among its like are exact for the policy that was read; there is no sampling error, and "
            "no interval is shown for it. Seeds and words vary more than that: see the columns on words, "
            "and `--seeds`.",
        ),
    )


PARTS = (theory, prices, replies, every_pair, rivals, deviations, ends, learners, in_words, limits)
