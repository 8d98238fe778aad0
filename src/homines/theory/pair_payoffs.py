"""Exact payoffs a round of agents that meet in pairs: from their policies to a payoff matrix between them.

    a[i, j]   what i gets a round, on average, where it meets j

A game that is played once: a[i, j] = p_i A p_j. A repeated game is a Markov chain over the last m rounds
(`theory.chain`); it begins with nothing past, so the first rounds are the agents' own first moves, and a[i,
j] is the average over the announced rounds, or in the long run where no end is announced.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from homines.core.capabilities import memory_of
from homines.core.types import Array, Choice, Decision, History, HominesError, NotDefined, Policy, frozen
from homines.theory.chain import chain
from homines.theory.choice import lapsing
from homines.theory.game_forms import NormalForm, Repeated


def symmetric_stage(game: object) -> NormalForm:
    """The stage of a symmetric two-player game, repeated or played once. Raises HominesError for another."""
    stage = game.stage if isinstance(game, Repeated) else game
    if not isinstance(stage, NormalForm) or len(stage.actions) != 2:
        raise HominesError(
            "a population meets in pairs, in a game of two players who choose at the same time; this game "
            "is another: use one such as ipd, ish, icn or symmetric(reward=3, sucker=0, temptation=5, "
            "punishment=1)"
        )
    if not stage.symmetric:
        raise HominesError(
            "in this game the two players' places differ, and a population of one kind of places needs a "
            "game in which they do not: use a symmetric one, such as ipd, ish or icn"
        )
    return stage


@dataclass(frozen=True)
class Lapsing:
    """A policy a share `lapse` of whose choices is made at random, every action equally likely."""

    policy: Policy
    lapse: float

    @property
    def memory(self) -> float:
        return memory_of(self.policy)

    def __call__(self, ds: Sequence[Decision]) -> list[Choice]:
        return [lapsing(choice, self.lapse) for choice in self.policy(ds)]


def shared_memory(policies: Sequence[Policy]) -> int:
    """How many rounds the chain of these policies must remember: the longest memory, at least 1.

    Raises NotDefined for a policy that remembers all of the past.
    """
    longest = max(map(memory_of, policies))
    if np.isinf(longest):
        raise NotDefined(
            "a policy that remembers the whole past has no exact chain; give one of bounded memory, such as "
            "tit_for_tat or grim"
        )
    return max(1, int(longest))


def payoff_matrix(game: Repeated | NormalForm, policies: Sequence[Policy]) -> Array:
    """a[i, j], shape [agent, agent], in points a round. Raises HominesError for a game of another form."""
    symmetric_stage(game)
    n = len(policies)
    out = np.zeros((n, n))
    for i in range(n):
        for j in range(i, n):
            out[i, j], out[j, i] = pair_payoffs(game, (policies[i], policies[j]))
    return frozen(out)


def pair_payoffs(game: Repeated | NormalForm, pair: tuple[Policy, Policy]) -> tuple[float, float]:
    """What each of two agents gets a round, on average."""
    if isinstance(game, NormalForm):
        one, two = (policy([game.seat(k)])[0].p for k, policy in enumerate(pair))
        mine, theirs = (float(one @ game.table[k] @ two) for k in range(2))
        return mine, theirs
    memory = shared_memory(pair)
    start, first = opening(game, pair, memory)
    play = chain(game, pair, memory=memory)
    if game.rounds is None:
        mean = play.payoffs[:2] @ play.long_run(start.tolist())
    else:
        total = first[:, : game.rounds].sum(axis=1)
        if game.rounds > memory:
            rest = game.rounds - memory
            total = total + rest * (play.payoffs[:2] @ play.average(rest, start.tolist()))
        mean = total / game.rounds
    return float(mean[0]), float(mean[1])


def opening(game: Repeated, pair: tuple[Policy, Policy], memory: int) -> tuple[Array, Array]:
    """The first `memory` rounds, from nothing past: the distribution over `game.pasts(memory)`, shape
    [state], and each player's expected payoff in each of these rounds, shape [2, round]."""
    histories: list[History] = [()]
    weights = np.ones(1)
    rounds = list(product(*map(range, game.stage.table.shape[1:])))
    paid = np.zeros((2, memory))
    for t in range(memory):
        own = [
            np.array([c.p for c in policy([game.seat(k, past) for past in histories])])
            for k, policy in enumerate(pair)
        ]
        joint = (weights[:, None, None] * own[0][:, :, None] * own[1][:, None, :]).reshape(len(histories), -1)
        paid[:, t] = game.stage.table[:2].reshape(2, -1) @ joint.sum(axis=0)
        histories = [(*past, stage) for past in histories for stage in rounds]
        weights = joint.ravel()
    return frozen(weights / weights.sum()), frozen(paid)
