"""Markets of agents that were tuned on games: the menu of prices, every pair and triple of types, and theory
beside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np

from homines.core.capabilities import Reasons
from homines.core.format import TableRow
from homines.core.registry import arguments, find, head
from homines.core.types import Array, Decision, Model, Record
from homines.elicitation.metrics import average_by_decision, mass
from homines.elicitation.policies import RecordedPolicy
from homines.elicitation.questions import Question, questions
from homines.games.pricing import shop
from homines.opponents.nash import NoPureEquilibrium, equilibria
from homines.reports import charts as draw
from homines.reports.page import Section
from homines.studies.kit import mean
from homines.studies.lu2025.claims import Cell
from homines.studies.lu2025.curriculum import THINK
from homines.studies.lu2025.subjects import ALOUD, BARE, AppliedAgent, domain_agents
from homines.studies.omissions import Omission
from homines.studies.pricing.study import GAME, GAME_QUICK
from homines.studies.task import StudyTask
from homines.theory.conduct import Conduct, conduct, last_round
from homines.theory.game_forms import Repeated
from homines.theory.market import Market

FOLDER = "markets"
THREE, THREE_QUICK = (
    "pricing(firms=3, points=5, customers=True)",
    "pricing(firms=3, points=3, customers=True)",
)
FRAME = "market()"
DOMAIN_FOLDERS = {
    "economicus-distilled-s0": "economicus",
    "moralis-distilled-s0": "moralis(kappa=1)",
    "economicus-s0": "economicus",
    "moralis-s0": "moralis(kappa=1)",
    "economicus-short-s0": "economicus",
}
"""Agents of the study pricing, by folder: the distilled ones before those of reinforcement learning."""
RISING, FALLING = "menu rising", "menu falling"


# --- what is asked ---------------------------------------------------------------------------------


def games(*, quick: bool) -> tuple[str, str]:
    """Specs of the markets of two and of three firms."""
    return (GAME_QUICK, THREE_QUICK) if quick else (GAME, THREE)


def exam(model: Model, *, quick: bool = False) -> list[Question]:
    """Every state of one past period, the menu rising and falling; the states of equal prices of two firms
    also aloud where the model thinks aloud. Of three firms the others are alike: one order of them is asked.
    """
    out: list[Question] = []
    two, three = games(quick=quick)
    for spec in (two, three):
        out += questions(model, {spec: states(find("games", spec))}, [find("frames", FRAME)], most=2)
    if isinstance(model, Reasons):
        equal = tuple(d for d in states(find("games", two)) if len(set(d.history[0])) == 1)
        out += questions(model, {two: equal}, [find("frames", "market(asks=aloud)")], most=2)
    return out


def states(game: Repeated) -> tuple[Decision, ...]:
    """What the first firm faces after every past period, the others' prices in rising order."""
    return tuple(d for d in game.remembered(0) if (other := last_round(d)[1:]) == tuple(sorted(other)))


def _place(d: Decision) -> tuple[int, ...]:
    """The last period as a firm sees it: its own price, and those of the others, which are alike."""
    own, *others = last_round(d)
    return own, *sorted(others)


# --- what was answered -----------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class MenuMarket:
    """A market of firms that choose from a menu of prices.

    spec   of its game; `game`, `market`: the game and the demand behind it
    """

    spec: str
    game: Repeated
    market: Market

    @classmethod
    def of(cls, spec: str) -> MenuMarket:
        return cls(spec, find("games", spec), shop(arguments("games", spec)[1].get("firms", 2)))

    @property
    def menu(self) -> Array:
        """Prices by action."""
        return np.array([float(name) for name in self.game.stage.actions[0]])

    def answers(self, agent: AppliedAgent, how: str = BARE, order: str = "") -> list[Record]:
        """An agent's answers here.

        order   "menu rising" or "menu falling"; empty: both
        """
        rising = tuple(range(len(self.menu)))
        return [
            r
            for r in agent.records
            if r.game == self.spec
            and head(r.frame) == head(FRAME)
            and (r.asks == "aloud") == (how == ALOUD)
            and order in ("", RISING if r.order[0] == rising else FALLING)
        ]

    def policy(self, records: Sequence[Record]) -> RecordedPolicy | None:
        """These answers as a policy in every seat; None where a state has no answer."""
        answers = {_place(d): choice for d, choice in average_by_decision(records)}
        if {_place(d) for d in states(self.game)} - answers.keys():
            return None
        return RecordedPolicy(answers, 1, _place)

    def conduct(self, agents: Sequence[AppliedAgent], order: str = "") -> Conduct | None:
        """The long run of these firms in one market; None where one of them lacks an answer."""
        policies = [self.policy(self.answers(agent, order=order)) for agent in agents]
        if any(policy is None for policy in policies):
            return None
        return conduct(self.market, self.game, [policy for policy in policies if policy is not None])

    def index(self, price: float) -> float:
        """A price on the way from competition (0) to the cartel (1)."""
        low, high = float(self.market.nash()[0]), float(self.market.monopoly()[0])
        return (price - low) / (high - low)

    def theory(self, preferences: Sequence[str | None]) -> list[Array]:
        """Prices [firm] of the pure equilibria of one period between firms of these preferences, by the sum
        of utilities; none where a firm has no preference, or there is no such equilibrium."""
        shape = [len(self.menu)] * self.market.firms
        utilities: list[Array] = []
        for k, preference in enumerate(preferences):
            if preference is None:
                return []
            utility = find("preferences", preference)(self.game.stage.seat(k))
            utilities.append(np.moveaxis(np.broadcast_to(utility, shape), 0, k))
        try:
            return [self.menu[list(at)] for at in equilibria(np.stack(utilities))]
        except NoPureEquilibrium:
            return []

    def follows(self, records: Sequence[Record]) -> float | None:
        """How far an agent's price follows the others': the slope of its expected price on their mean last
        price, over all states alike; None without an answer."""
        pairs = [(d, c) for d, c in average_by_decision(records) if d.history]
        if not pairs:
            return None
        others = np.array([self.menu[list(last_round(d)[1:])].mean() for d, _ in pairs])
        own = np.array([c.p @ self.menu for _, c in pairs])
        return float(np.cov(own, others, bias=True)[0, 1] / others.var())


# --- sections --------------------------------------------------------------------------------------


def pairs(task: StudyTask, agents: Sequence[AppliedAgent]) -> Section | Omission:
    """Two firms, every pair of types, in the long run of their chain."""
    here = MenuMarket.of(games(quick=task.quick)[0])
    rows: list[TableRow] = []
    cells: list[TableRow] = []
    trained = domain_agents(task, "pricing", DOMAIN_FOLDERS)
    firms = [*combinations_with_replacement(agents, 2), *((agent, agent) for agent in trained)]
    for one, two in firms:
        if (long_run := here.conduct((one, two))) is None:
            continue
        legal = min(_mass(here.answers(one)), _mass(here.answers(two)))
        theory = here.theory([one.preference, two.preference])
        row: TableRow = {"firm": one.name, "with": two.name, "price": float(long_run.prices[0])}
        row |= {"its price": float(long_run.prices[1]), "profit gain": long_run.gain}
        row |= {"customers' gain": long_run.surplus, "theory": write_prices(theory)}
        row |= {"theory, profit gain": _gain(here, theory), "legal mass": legal}
        rows.append(row)
        for a, b in dict.fromkeys([(one.name, two.name), (two.name, one.name)]):
            text = f"{long_run.gain:.2f}"
            cells.append({"row": a, "column": b, "value": long_run.gain, "text": text, "weak": legal < 0.5})
    title = "Markets on a menu, every pair of types"
    if not rows:
        return Omission(title, "answers")
    return Section(
        "market_pairs",
        title,
        (
            f"Two firms with {len(here.menu)} prices each. Every state of one past period was asked for the "
            "bare answer, the menu rising and falling; the long run is that of the chain, computed. The "
            "agents were tuned on games alone and saw no market. Profit gain: 0 is competition (Nash), 1 a "
            "cartel. Theory: prices of the pure equilibria of one period between the preferences that the "
            "agents were tuned to.",
            _beside(task, trained),
        ),
        rows,
        draw.heat(cells, "Profit gain of every pair of types", across="with", down="firm"),
    )


def triples(task: StudyTask, agents: Sequence[AppliedAgent]) -> Section | None:
    """Three firms, every choice of three types."""
    here = MenuMarket.of(games(quick=task.quick)[1])
    rows: list[TableRow] = []
    for firms in combinations_with_replacement(agents, 3):
        if (long_run := here.conduct(firms)) is None:
            continue
        theory = here.theory([firm.preference for firm in firms])
        rows.append(
            {
                "firms": ", ".join(firm.name for firm in firms),
                "prices": ", ".join(f"{price:.2f}" for price in long_run.prices),
                "profit gain": long_run.gain,
                "customers' gain": long_run.surplus,
                "theory": write_prices(theory),
                "theory, profit gain": _gain(here, theory),
                "legal mass": min(_mass(here.answers(firm)) for firm in firms),
            }
        )
    text = f"The same with three firms and {len(here.menu)} prices each."
    return Section("market_triples", "Three firms", (text,), rows) if rows else None


def prices(task: StudyTask, agents: Sequence[AppliedAgent]) -> Section | None:
    """What each agent charges after equal prices, aloud and bare, and how it follows the others."""
    here = MenuMarket.of(games(quick=task.quick)[0])
    rows: list[TableRow] = []
    for agent in agents:
        for how in (ALOUD, BARE):
            if not (records := here.answers(agent, how)):
                continue
            equal = _equal(records)
            rows.append(
                {
                    "agent": agent.name,
                    "asked": how,
                    "price after equal prices": _mean_price(here, equal),
                    "menu rising less falling": _difference(here, equal),
                    "follows the other": here.follows(records) if how == BARE else None,
                    "theory, any price": _any_price(here, agent),
                    "legal mass": mass(equal),
                }
            )
    text = (
        "The states in which both firms charged the same were also asked aloud, but not as taught: to add up "
        f"own gains over {len(here.menu)} prices each takes far more than the {THINK} tokens that an agent "
        "may write. Go by the bare answer. "
        "Follows: the slope of its price on the other's last price, over all states; theory of one period "
        "has none. Theory, any price: of two firms of this kind that may charge any number.",
    )
    return Section("market_prices", "What they charge, aloud and bare", text, rows) if rows else None


def _equal(records: Sequence[Record]) -> list[Record]:
    return [r for r in records if r.decision.history and len(set(r.decision.history[0])) == 1]


def _mean_price(here: MenuMarket, records: Sequence[Record]) -> float | None:
    """Mean expected price over decisions; None without an answer."""
    every = [float(c.p @ here.menu) for _, c in average_by_decision(records)]
    return mean(every) if every else None


def _difference(here: MenuMarket, records: Sequence[Record]) -> float | None:
    """The mean price with the menu rising less that with the menu falling."""
    rising = tuple(range(len(here.menu)))
    one, two = (
        _mean_price(here, [r for r in records if (r.order[0] == rising) == up]) for up in (True, False)
    )
    return None if one is None or two is None else one - two


def _any_price(here: MenuMarket, agent: AppliedAgent) -> float | None:
    return None if agent.kappa is None else here.market.moralis(agent.kappa)


def _mass(records: Sequence[Record]) -> float:
    return float(mass(records) or 0.0)


def write_prices(theory: Sequence[Array]) -> str | None:
    """'1.47, 1.47 or 1.51, 1.51'; None without an equilibrium."""
    return " or ".join(", ".join(f"{price:.2f}" for price in at) for at in theory) or None


def _gain(here: MenuMarket, theory: Sequence[Array]) -> str | None:
    gains = [float(here.market.gain(here.market.profits(at))) for at in theory]
    return " or ".join(f"{gain:.2f}" for gain in gains) or None


def _beside(task: StudyTask, trained: Sequence[AppliedAgent]) -> str:
    if trained:
        return "Agents trained in this market (study pricing), each with its like, stand last: an upper line."
    return (
        "Agents trained in the market itself, an upper line, stand here once "
        f"`homines study pricing --model {task.model}` was run beside this study."
    )


# --- figures of the claims -------------------------------------------------------------------------


def price_cells(task: StudyTask, agent: AppliedAgent) -> dict[str, Cell]:
    """An agent's price among its like, from competition (0) to the cartel (1), by condition."""
    out: dict[str, Cell] = {}
    for spec, firms in zip(games(quick=task.quick), ("two", "three"), strict=True):
        here = MenuMarket.of(spec)
        for order in (RISING, FALLING):
            long_run = here.conduct([agent] * here.market.firms, order)
            if long_run is not None:
                value = here.index(float(long_run.prices.mean()))
                name = f"{firms} firms, {order}"
                out[name] = Cell(name, value, _mass(here.answers(agent, order=order)))
            aloud = here.answers(agent, ALOUD, order)
            if (price := _mean_price(here, aloud)) is not None:
                name = f"aloud after equal prices, {order}"
                out[name] = Cell(name, here.index(price), _mass(aloud))
    return out


def follow_cells(task: StudyTask, agent: AppliedAgent) -> dict[str, Cell]:
    """How far an agent's price follows the others', by condition."""
    out: dict[str, Cell] = {}
    for spec, firms in zip(games(quick=task.quick), ("two", "three"), strict=True):
        here = MenuMarket.of(spec)
        for order in (RISING, FALLING):
            records = here.answers(agent, order=order)
            if (slope := here.follows(records)) is not None:
                name = f"{firms} firms, {order}"
                out[name] = Cell(name, slope, _mass(records))
    return out
