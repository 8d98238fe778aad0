"""The set of optimal policies of a repeated game against an opponent, exactly, and the prior's member of it.

    Q(s, a) = U(s, a) + gamma sum_b q(b|s) V(t(s, a, b)),    V(s) = max_a Q(s, a)

U(s, a) is the expected utility of an action in state s, q the others' play, t the state that follows. With
gamma = 0 (myopic) Q is U. A stationary policy is optimal from every state if and only if it plays, in every
state, only actions with Q(s, a) = V(s): the set is a product over states. An action is required where it is
the only best one of its state, forbidden where it is not best, and indifferent where others are as good.

A training under a KL to the policy before it (the prior) ends, as its weight goes to 0, at one member: the
member nearest to the prior. The sum of KL(p(.|s) || prior(.|s)) over states is least at

    p(a|s) = prior(a|s) / sum_{a' best in s} prior(a'|s)    for a best in s, else 0
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from homines.core.types import Array, Choice, Decision, History, HominesError, Policy, Preference, frozen
from homines.theory.chain import chain
from homines.theory.choice import expected_utility
from homines.theory.game_forms import Repeated

Rule: TypeAlias = Literal["required", "indifferent", "forbidden"]
TOLERANCE = 1e-9
"""Difference of two values, relative to the range of all, below which they are equal."""
FLOOR = -60.0
"""Least log-probability of a prior: exp(-60) is far below what a training can bring back."""


@dataclass(frozen=True, eq=False)
class Optimum:
    """The set of optimal policies of one player.

    states   histories of the rounds remembered, in the order of `Repeated.pasts`
    actions  names of the player's actions
    values   Q(s, a), shape [state, action]
    best     whether an action is optimal in a state, shape [state, action]
    """

    states: tuple[History, ...]
    actions: tuple[str, ...]
    values: Array
    best: NDArray[np.bool_]

    def rules(self, state: int) -> tuple[Rule, ...]:
        """Whether each action is required, indifferent or forbidden in a state, by its index."""
        here = self.best[state]
        tied: Rule = "required" if here.sum() == 1 else "indifferent"
        return tuple(tied if optimal else "forbidden" for optimal in here)

    @property
    def members(self) -> int:
        """The number of optimal policies that mix nowhere."""
        return int(np.prod(self.best.sum(1, dtype=np.int64)))

    def forbidden_mass(self, choices: Sequence[Choice]) -> Array:
        """Probability of forbidden actions in every state, shape [state]; 0 everywhere: a member of the set.
        choices: one a state, in their order."""
        if len(choices) != len(self.states):
            raise HominesError(f"{len(choices)} choices for {len(self.states)} states; give one for each")
        p = np.array([choice.p for choice in choices])
        return frozen(np.where(self.best, 0.0, p).sum(1))

    def nearest(self, prior: Sequence[Choice]) -> list[Choice]:
        """The member that a training under a KL to this prior has as its optimum, as the KL's weight goes to
        0."""
        return [
            Choice.of(np.where(best, np.maximum(before.logp, FLOOR), -np.inf))
            for best, before in zip(self.best, prior, strict=True)
        ]


def optimum(
    game: Repeated,
    preference: Preference,
    other: Policy,
    *,
    gamma: float = 0.0,
    memory: int = 1,
) -> Optimum:
    """The optimal policies of player 0 of a two-player game, against an opponent of at most this memory.

    gamma   discount factor of the return, in [0, 1); 0: the myopic return

    Raises HominesError as `chain` does, and for gamma outside of [0, 1).
    """
    if len(game.stage.actions) != 2:
        raise HominesError(
            f"optimal policies are of games of two players; this game has {len(game.stage.actions)}"
        )
    if not 0 <= gamma < 1:
        raise HominesError(f"gamma {gamma} must lie in [0, 1)")
    ds = game.remembered(0, memory)
    replies = [c.p for c in chain(game, [_any, other], memory=memory).choices[1]]
    worth = np.array(
        [expected_utility(preference(d), [q], d.chance) for d, q in zip(ds, replies, strict=True)]
    )
    onward = _transitions(game, np.array(replies), memory)
    values = _solve(worth, onward, gamma)
    slack = TOLERANCE * max(1.0, float(np.ptp(values)))
    best = values >= values.max(1, keepdims=True) - slack
    return Optimum(game.pasts(memory), ds[0].actions, frozen(values), best)


def regularised(prior: Choice, utilities: Array, precision: float) -> Choice:
    """The maximum of sum_a p(a) U(a) - KL(p || prior) / precision:  p(a) ~ prior(a) exp(precision U(a)).

    Precision is the inverse of the KL's weight, in 1/utility.
    """
    return Choice.of(np.maximum(prior.logp, FLOOR) + precision * utilities)


def _any(ds: Sequence[Decision]) -> list[Choice]:
    """A policy of which nothing is read."""
    return [Choice.at([1.0] * len(d.actions)) for d in ds]


def _transitions(game: Repeated, replies: Array, memory: int) -> Array:
    """Probability of the next state, shape [state, action, state]."""
    states = game.pasts(memory)
    index = {past: i for i, past in enumerate(states)}
    mine, theirs = (range(len(names)) for names in game.stage.actions)
    out = np.zeros((len(states), len(mine), len(states)))
    for (s, past), a, b in product(enumerate(states), mine, theirs):
        out[s, a, index[*past[1:], (a, b)]] += replies[s, b]
    return out


def _solve(worth: Array, onward: Array, gamma: float) -> Array:
    """Q(s, a) by policy iteration (Howard 1960), each policy's value from its linear equations."""
    rows = np.arange(len(worth))
    policy = worth.argmax(1)
    values = worth
    for _ in range(worth.size + 1):  # a policy never comes again; far fewer are tried
        matrix = np.eye(len(worth)) - gamma * onward[rows, policy]
        values = worth + gamma * onward @ np.linalg.solve(matrix, worth[rows, policy])
        slack = TOLERANCE * max(1.0, float(np.ptp(values)))
        better = values.max(1) > values[rows, policy] + slack
        if not better.any():
            break
        policy = np.where(better, values.argmax(1), policy)
    return values
