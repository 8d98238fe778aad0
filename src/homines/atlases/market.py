"""Market: the price that a firm charges among its like, in the long run of an exact chain."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from homines.atlases.section import Cell, Column, Section, sampled, unanswered
from homines.core.registry import find
from homines.core.run_folder import RunFolder
from homines.core.types import Model, Record
from homines.elicitation.metrics import average_by_decision, group_by
from homines.elicitation.questions import Question
from homines.studies.pricing.agents import FRAME, MARKET, PricingAgent, answers_everywhere
from homines.studies.pricing.study import GAME, exam
from homines.theory.conduct import conduct

NASH, MONOPOLY = float(MARKET.nash()[0]), float(MARKET.monopoly()[0])
EXACT = (
    "No interval: computed from the probabilities of all prices in all 225 states. Of sampled answers each "
    "state's share is taken as it is, and the error of that is not known."
)
PRICE = Column(
    "price",
    "money",
    f"Mean price in the long run of two such firms in the duopoly of Calvano et al. (2020): {NASH:.2f} in "
    f"the Nash equilibrium, {MONOPOLY:.2f} in a cartel; the menu has 15 prices around these.",
    EXACT,
)
GAIN = Column(
    "profit gain",
    "0 Nash, 1 cartel",
    "(mean profit - Nash profit) / (cartel profit - Nash profit), in the same long run.",
    EXACT,
    shown=False,
)
COLUMNS = (PRICE, GAIN)


def ask(model: Model, quick: bool) -> list[Question]:
    """Every last period in two orders, and equal prices in other words; nothing in the short form."""
    return [] if quick else exam(model, GAME)


def read(run: RunFolder) -> list[Cell]:
    """Price and profit gain, given a legal answer to every question."""
    agent, game = PricingAgent(name="", run=run), find("games", GAME)
    if not answers_everywhere(agent, game):
        return unanswered(COLUMNS, run.records)
    found = conduct(MARKET, game, [agent.policy, agent.policy])
    spread, n = spread_of_prices(run.records), sampled(agent.answers(FRAME))
    return [
        Cell(column=column.name, value=float(value), n=n, mass=agent.legal_mass, instability=spread)
        for column, value in zip(COLUMNS, (found.prices.mean(), found.gain), strict=True)
    ]


def spread_of_prices(records: Sequence[Record]) -> float | None:
    """Mean over states of the spread (max - min) over frames of the mean price, as a share of the menu's
    range: the instability of a menu of numbers. None where no state was asked in two frames."""
    prices: dict[str, list[float]] = {}
    for group in group_by(records, "frame").values():
        for d, choice in average_by_decision(group):
            menu = np.array([float(name) for name in d.actions])
            prices.setdefault(d.key, []).append(float(choice.p @ menu) / float(np.ptp(menu)))
    spreads = [max(means) - min(means) for means in prices.values() if len(means) > 1]
    return float(np.mean(spreads)) if spreads else None


SECTION = Section("market", "What it charges", COLUMNS, ask, read)
