"""Agents of the study pricing as policies, and the markets they make."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from homines.core.registry import find, head
from homines.core.types import Array, Choice, Policy, Record
from homines.elicitation.metrics import answered_records, mass
from homines.elicitation.policies import RecordedPolicy
from homines.games.pricing import shop
from homines.opponents import opponent
from homines.opponents.nash import NoPureEquilibrium, equilibria
from homines.studies.kit import Agent, Findings
from homines.studies.pricing.talk import Rules
from homines.theory.choice import quantal_response
from homines.theory.conduct import Conduct, conduct
from homines.theory.game_forms import Repeated

FRAME = "market()"
WORDS = "sentences()"
"""The frame of the training and of all figures, and a second frame for some of the questions."""
PRECISION = 5.0
"""Precision, per unit of profit, of the logit equilibrium that is distilled; its prices are within a cent of
theory."""
MARKET = shop()


@dataclass(frozen=True, eq=False, kw_only=True)
class PricingAgent(Agent):
    """A model and the preference it was trained for; a model as it is has none."""

    preference: str | None = None

    def answers(self, frame: str) -> list[Record]:
        """Records in a kind of frame, whatever its arguments."""
        return [r for r in self.run.records if head(r.frame) == head(frame)]

    @cached_property
    def policy(self) -> RecordedPolicy:
        """Its answers as a policy in either seat."""
        return RecordedPolicy.of(self.answers(FRAME), symmetric=True)

    @cached_property
    def legal_mass(self) -> float:
        """Mean legal mass of its answers in the frame of the market."""
        return mass(self.answers(FRAME)) or 0.0


@dataclass(frozen=True, eq=False, kw_only=True)
class MarketFindings(Findings[PricingAgent]):
    """Agents, strategies, and the markets between them. An agent has an answer in every state.

    rivals   specs of strategies
    rules    of the markets in words
    silent   models that write no text
    """

    game: Repeated
    rivals: tuple[str, ...]
    rules: Rules
    silent: tuple[str, ...] = ()

    def answers(self, agent: PricingAgent) -> bool:
        return answers_everywhere(agent, self.game)

    @cached_property
    def menu(self) -> Array:
        """Prices by action."""
        return np.array([float(name) for name in self.game.stage.actions[0]])

    @cached_property
    def legal_mass(self) -> dict[str, float]:
        """Legal mass by agent; strategies have none."""
        return {agent.name: agent.legal_mass for agent in self.able}

    @cached_property
    def pairs(self) -> dict[tuple[str, str], Conduct]:
        """Every agent in a market with every other, and with itself."""
        return {
            (one.name, two.name): self.conduct(one.policy, two.policy)
            for one in self.able
            for two in self.able
        }

    @cached_property
    def with_rivals(self) -> dict[tuple[str, str], Conduct]:
        """Every agent in a market with every strategy."""
        return {
            (one.name, spec): self.conduct(one.policy, opponent(spec))
            for one in self.able
            for spec in self.rivals
        }

    def conduct(self, one: Policy, two: Policy) -> Conduct:
        """The long run of two firms in one market."""
        return conduct(MARKET, self.game, [one, two])


def answers_everywhere(agent: PricingAgent, game: Repeated) -> bool:
    """Whether every state has a legal answer in both orders; one order alone would be unbalanced."""
    records = agent.answers(FRAME)
    return len(answered_records(records)) == len(records) >= len(game.states)


def theory_prices(findings: MarketFindings, spec: str) -> list[float]:
    """Prices of the symmetric pure equilibria of one period between two firms of this preference.

    Empty where there is none, which the page writes as "none".
    """
    utility = find("preferences", spec)(findings.game.stage.seat(0))
    try:
        pairs = equilibria(np.stack([utility, utility.T]))
    except NoPureEquilibrium:
        return []
    return [float(findings.menu[a]) for a, b in pairs if a == b]


def logit_price(game: Repeated, spec: str) -> Choice:
    """Distribution of the price in the logit equilibrium of one period between two firms of a preference."""
    d, preference = game.stage.seat(0), find("preferences", spec)
    return quantal_response((d, d), (preference, preference), precision=PRECISION)[0]
