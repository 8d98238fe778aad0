"""Conduct of firms: the exact chain of their pricing, its long run, and its response to a price cut.

A model's answers in every state of one past round are its whole policy. Two policies make a Markov chain;
its long run, profit gain, cycles and impulse response are computed here, not sampled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from homines.core.types import Array, Decision, HominesError, Policy, frozen
from homines.theory.chain import Chain, RecurrentClass, chain, recurrent_classes
from homines.theory.choice import expected_utility
from homines.theory.game_forms import Repeated
from homines.theory.market import Market

LastRound = tuple[int, ...]
"""The last round as one player sees it: own action first, the others' in their order."""


def last_round(d: Decision) -> LastRound:
    """The last round as this decision's player sees it; empty at the start."""
    if not d.history:
        return ()
    stage = [0 if a is None else a for a in d.history[-1]]
    return (stage[d.player], *(a for k, a in enumerate(stage) if k != d.player))


@dataclass(frozen=True, eq=False)
class Conduct:
    """The long run of firms that price against each other.

    share     of time in each state [state]; `classes`: those in which play can end, the likeliest first
    prices    mean price [firm]; `spread`: standard deviation over time [firm]
    profits   mean of a period [firm]; `gain`: (mean profit - Nash) / (cartel - Nash), the profit gain Delta
    surplus   of the customers in a period; `welfare`: surplus plus all profits
    """

    chain: Chain
    share: Array
    classes: tuple[RecurrentClass, ...]
    prices: Array
    spread: Array
    profits: Array
    gain: float
    surplus: float

    @property
    def welfare(self) -> float:
        return self.surplus + float(self.profits.sum())


def conduct(
    market: Market, game: Repeated, policies: Sequence[Policy], start: Sequence[float] | None = None
) -> Conduct:
    """The long run of a pricing game between policies of one past round.

    market   the demand behind the game, for Delta and the surplus (`games.pricing.shop`)
    start    a distribution over first states; None: all equally likely. The long run depends on it where
             play can end in several classes of states
    """
    play = chain(game, policies)
    classes = tuple(play.recurrent(start))
    share = play.long_run(start)
    paid = last_prices(game)
    mean = share @ paid
    spread = np.sqrt(np.maximum(0.0, share @ (paid - mean) ** 2))
    profits = market.profits(paid)
    return Conduct(
        play,
        share,
        classes,
        frozen(mean),
        frozen(spread),
        frozen(share @ profits),
        float(share @ market.gain(profits)),
        float(share @ market.consumers(paid)),
    )


def last_prices(game: Repeated) -> Array:
    """Prices of the last round, [state, firm]: the names of the game's actions, as numbers."""
    try:
        menu = [[float(name) for name in names] for names in game.stage.actions]
    except ValueError as failure:
        raise HominesError(
            f"actions {game.stage.actions[0]} are no prices ({failure}); give a game of pricing"
        ) from failure
    return np.array([[menu[k][a] for k, a in enumerate(state)] for state in game.states])


@dataclass(frozen=True, eq=False)
class ImpulseResponse:
    """Play after one firm, for one period, charges its best price against the others' expected play.

    prices   expected [period, firm]; period 0 is the long run before, 1 the deviation
    pays     discounted profit of the deviator less its profit without deviation; in profit of one period
    """

    prices: Array
    pays: float


def impulse_response(
    conduct: Conduct, game: Repeated, deviator: int = 0, *, periods: int = 20, delta: float = 0.95
) -> ImpulseResponse:
    """Impulse response: forced to the static best reply for one period, then back to its own strategy.

    The mean over the states of the long run. In each state the deviator replies to the others' distribution
    there, before it knows their prices. delta: discount factor a period.
    """
    play, paid = conduct.chain, last_prices(game)
    n = game.stage.table.shape[1:]
    other = [k for k in range(len(n)) if k != deviator]
    forced = np.zeros_like(play.transition)
    for s, d in enumerate(play.decisions[deviator]):
        worth = expected_utility(d.payoffs[0], [play.choices[k][s].p for k in other])
        joint: Array = np.ones(1)
        for k in range(len(n)):
            own = np.eye(n[k])[int(worth.argmax())] if k == deviator else play.choices[k][s].p
            joint = np.outer(joint, own).ravel()
        forced[s] = joint
    path = [conduct.share, conduct.share @ forced]
    while len(path) <= periods:
        path.append(path[-1] @ play.transition)
    profit = game.stage.table[deviator].ravel()
    after = play.worth(profit, delta)
    pays = float((path[1] - conduct.share @ play.transition) @ after)
    return ImpulseResponse(frozen([w @ paid for w in path]), pays)


RARE = 1e-3
"""Prices less likely than this are left out of the classes in which play ends."""


def describe_classes(conduct: Conduct, game: Repeated) -> list[dict[str, Any]]:
    """Every class in which play can end: its weight, number of states, period and mean prices.

    Prices less likely than RARE are taken out of the chain first: a network gives every price some
    probability, all states would be one class, and no cycle would appear. All first states are equally
    likely.
    """
    paid, joint = last_prices(game), np.ones((len(conduct.share), 1))
    for own in conduct.chain.choices:
        p = np.array([choice.p for choice in own])
        p = np.where(p < RARE, 0.0, p)
        joint = (joint[:, :, None] * (p / p.sum(1, keepdims=True))[:, None, :]).reshape(len(joint), -1)
    return [
        {
            "weight": recurrent.weight,
            "states": len(recurrent.states),
            "period": recurrent.period,
            "prices": (recurrent.share @ paid[recurrent.states]).tolist(),
        }
        for recurrent in recurrent_classes(joint, np.full(len(joint), 1 / len(joint)))
    ]
