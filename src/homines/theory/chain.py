"""Three ways to play a game: sampled (`play`), its exact tree (`value`), its exact Markov chain (`chain`)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from homines.core.capabilities import memory_of
from homines.core.checks import count
from homines.core.types import (
    Array,
    Choice,
    Decision,
    Game,
    History,
    HominesError,
    Integers,
    NotDefined,
    Policy,
    Preference,
    frozen,
)
from homines.theory.choice import expected_utility
from homines.theory.count_form import CountForm
from homines.theory.crowd import Crowd, total
from homines.theory.game_forms import Repeated, append_stage, check_states


@dataclass(frozen=True, eq=False)
class Move:
    """One decision taken in play."""

    decision: Decision
    choice: Choice
    action: int


def play(
    game: Game, policies: Mapping[int, Policy], rng: np.random.Generator, *, rounds: int | None = None
) -> tuple[Move, ...]:
    """One play of the game, sampled; at most `rounds` stages (needed where no end is announced)."""
    if rounds is None:
        _check_end(game, "say how many rounds to play (rounds=...)")
    history: History = ()
    moves: list[Move] = []
    while (due := game.due(history)) and (rounds is None or len(history) < rounds):
        acts: dict[int, int] = {}
        for k, d in due.items():
            choice = _choice(policies, k, d)
            acts[k] = int(rng.choice(len(d.actions), p=choice.p))
            moves.append(Move(d, choice, acts[k]))
        history = append_stage(history, acts, len(policies))
    return tuple(moves)


def value(game: Game, policies: Mapping[int, Policy], history: History = ()) -> Array:
    """Exact expected payoff of every player, shape [player], by summing over the game tree."""
    _check_end(game, "give it rounds, or use chain() for what a round pays")
    due = game.due(history)
    if not due:
        return game.payoffs(history)
    ps = [_choice(policies, k, d).p for k, d in due.items()]
    total = np.zeros(len(policies))
    for joint in product(*(range(len(p)) for p in ps)):
        weight = float(np.prod([p[a] for p, a in zip(ps, joint, strict=True)]))
        if weight > 0:
            after = append_stage(history, dict(zip(due, joint, strict=True)), len(policies))
            total = total + weight * value(game, policies, after)
    return frozen(total)


def _check_end(game: Game, remedy: str) -> None:
    if isinstance(game, Repeated) and game.rounds is None:
        raise HominesError(f"this game announces no end; {remedy}")


def _choice(policies: Mapping[int, Policy], player: int, d: Decision) -> Choice:
    if player not in policies:
        raise HominesError(f"player {player} is to move and has no policy; give one for every player")
    return policies[player]([d])[0]


@dataclass(frozen=True, eq=False)
class Chain:
    """A repeated game between policies of bounded memory: a Markov chain over the last rounds.

    states       histories of the last m rounds, oldest first, each round indexed by player; for
                 memory one ((0, 1),) and so on; `Repeated.pasts` has their order
    decisions    decisions[k][s]: what player k faces in state s
    choices      choices[k][s]: the answer
    transition   P[s, t] = prod_k choices[k][s].p[j_k] where t is s less its oldest round and with
                 round j appended, else 0; shape [state, state]
    payoffs      expected payoff of the next round, shape [seat, state]

    In a game told by counts there are two, player 0 and the others together: choices[1][s] is the
    distribution of how many of them play the second action, and decisions are those of player 0 alone. Seats
    after the first are those of the others who play the first action, then of the rest. Where the others are
    of several kinds, a round of a state is (a, j_1, ..., j_g) (`theory.crowd`).
    """

    states: tuple[History, ...]
    decisions: tuple[tuple[Decision, ...], ...]
    choices: tuple[tuple[Choice, ...], ...]
    transition: Array
    payoffs: Array

    def start(self, weights: Sequence[float] | None = None) -> Array:
        """A distribution over first states; None: every state equally likely."""
        n = len(self.states)
        if weights is None:
            return np.full(n, 1 / n)
        w = np.asarray(weights, dtype=np.float64)
        if w.shape != (n,) or not (w >= 0).all() or not np.isclose(w.sum(), 1):
            raise HominesError(
                f"start {w.tolist()} is no distribution over the {n} states: "
                "give each a number of at least 0, summing to 1"
            )
        return w

    def long_run(self, start: Sequence[float] | None = None) -> Array:
        """Share of time spent in each state in the long run, shape [state].

        The limit of averages (Cesaro), which exists for cycling and for reducible chains too, where
        it depends on the start. Computed by state reduction (Grassmann, Taksar & Heyman 1985) in
        logarithms: without subtraction or underflow, probabilities of 1e-300 do no harm.
        """
        return long_run(self.transition, self.start(start))

    def recurrent(self, start: Sequence[float] | None = None) -> list[RecurrentClass]:
        """Every class of states in which play can end, with its probability from this start."""
        return recurrent_classes(self.transition, self.start(start))

    def discounted(self, gamma: float, start: Sequence[float] | None = None) -> Array:
        """(1 - gamma) * start (I - gamma P)^-1: discounted share of time, shape [state], sums to 1."""
        return frozen((1 - gamma) * np.linalg.solve(self._discount_matrix(gamma).T, self.start(start)))

    def average(self, rounds: int, start: Sequence[float] | None = None) -> Array:
        """Share of time in each state over the first rounds: the mean of start P^t, t < rounds; [state]."""
        count("rounds", rounds)
        weight = self.start(start)
        total = np.zeros(len(weight))
        for _ in range(rounds):
            total = total + weight
            weight = weight @ self.transition
        return frozen(total / rounds)

    def worth(self, utility: Array, gamma: float) -> Array:
        """V = (I - gamma P)^-1 r: discounted return from each state, for r of shape [state]."""
        return frozen(np.linalg.solve(self._discount_matrix(gamma), utility))

    def _discount_matrix(self, gamma: float) -> Array:
        """I - gamma P."""
        if not 0 <= gamma < 1:
            raise HominesError(f"gamma {gamma} must lie in [0, 1); for 1 use long_run")
        return np.eye(len(self.states)) - gamma * self.transition

    def utility(self, preference: Preference, player: int = 0) -> Array:
        """Expected utility of the next round in each state, by the preference, shape [state]."""
        expected = zip(self.choices[player], self._action_utilities(preference, player), strict=True)
        return frozen([float(choice.p @ eu) for choice, eu in expected])

    def regret(self, preference: Preference, weights: Array, player: int = 0) -> float:
        """Mean over states, by weight, of the best action's expected utility less the policy's own.

        The others play as in the chain; the best action is best for one round. At least 0, in utility.
        """
        top = np.array([eu.max() for eu in self._action_utilities(preference, player)])
        return float(weights @ (top - self.utility(preference, player)))

    def _action_utilities(self, preference: Preference, player: int) -> list[Array]:
        """Expected utility of each own action, state by state, against the others' play."""
        others = [k for k in range(len(self.choices)) if k != player]
        return [
            expected_utility(preference(d), [self.choices[k][s].p for k in others], d.chance)
            for s, d in enumerate(self.decisions[player])
        ]

    def action_types(self, weights: Array, player: int = 0) -> dict[str, float]:
        """Share of each (own action | other's action in the last round), such as 'C|D', under state
        weights.

        Two players, or a game told by counts: 'C|3' is C after 3 of the others cooperated. Shares sum to one
        over all types.
        """
        if len(self.choices) != 2:
            raise HominesError(f"action types compare two players; this chain has {len(self.choices)}")
        first = self.decisions[player][0]
        own, other = first.actions, first.theirs[0]
        out = {f"{a}|{o}": 0.0 for o in other for a in own}
        for s, d in enumerate(self.decisions[player]):
            (last,) = (b for k, b in enumerate(d.history[-1]) if k != player and b is not None)
            for a, p in zip(own, self.choices[player][s].p, strict=True):
                out[f"{a}|{other[last]}"] += float(weights[s] * p)
        return out


def chain(game: Repeated, policies: Sequence[Policy], *, memory: int = 1) -> Chain:
    """The exact chain of a repeated game between policies that look at most `memory` rounds back.

    Raises NotDefined for a policy that states a longer memory (`memory_of`): in shorter histories it would be
    another policy. A policy that looks further back without stating it is given histories of `memory`
    rounds. At most game_forms.MOST_STATES states.

    In a game told by counts, equal policies of the others are one kind, and remember one round.
    """
    players = len(game.stage.actions)
    if len(policies) != players:
        raise HominesError(f"{len(policies)} policies for a game of {players} players; give one for each")
    if isinstance(game.stage, CountForm):
        return _count_chain(Crowd.of(game, policies[1:]), policies[0], memory)
    states = game.pasts(memory)
    for k, policy in enumerate(policies):
        _check_memory(policy, k, memory)
    decisions = tuple(game.remembered(k, memory) for k in range(players))
    choices = tuple(tuple(policy(ds)) for policy, ds in zip(policies, decisions, strict=True))
    joint = _joint([_shares(own) for own in choices])
    stage = game.stage.table.reshape(-1, joint.shape[1])
    return Chain(states, decisions, choices, _transition(joint), frozen(stage @ joint.T))


def _count_chain(crowd: Crowd, policy: Policy, memory: int) -> Chain:
    """The chain of a game told by counts: player 0 and the others by kind."""
    _check_memory(policy, 0, memory)
    game, rounds = crowd.game, crowd.states()
    check_states(len(rounds), memory, "fewer players, a smaller memory")
    states = tuple(product(rounds, repeat=memory))
    seen = [tuple((a, sum(others)) for a, *others in state) for state in states]
    decisions = tuple(game.remember(0, past) for past in seen)
    own = tuple(policy(decisions))
    counts = [np.tile(p, (len(states) // len(rounds), 1)) for p in crowd.counts(rounds)]  # by the last round
    others = total(counts)
    joint = _joint([_shares(own), others])
    stage = game.stage.table.reshape(-1, joint.shape[1])
    transition = _transition(_joint([_shares(own), *counts]))
    choices = (own, tuple(map(Choice.at, others)))
    return Chain(states, (decisions,), choices, transition, frozen(stage @ joint.T))


def _check_memory(policy: Policy, k: int, memory: int) -> None:
    """Raise NotDefined where player k's policy looks back further than the chain."""
    if (far := memory_of(policy)) > memory:
        remedy = "" if math.isinf(far) else f"give memory={far:g}, or "
        raise NotDefined(
            f"player {k}'s policy has a memory of {far:g} rounds, this chain of {memory}; {remedy}use "
            "play(), which samples and shows the whole past"
        )


def _shares(choices: Sequence[Choice]) -> Array:
    """[state, action]"""
    return np.array([choice.p for choice in choices])


def _joint(players: Sequence[Array]) -> Array:
    """The product of independent choices, each [state, action]; shape [state, joint action]."""
    joint = np.ones((len(players[0]), 1))
    for p in players:
        joint = (joint[:, :, None] * p[:, None, :]).reshape(len(joint), -1)
    return joint


def _transition(joint: Array) -> Array:
    """P[s, t], [state, state], from the next round of each state, [state, round]."""
    count, n = joint.shape
    s: Integers = np.arange(len(joint))[:, None]
    transition = np.zeros((count, count))
    transition[s, s * n % count + np.arange(n)] = joint  # the oldest round is the leading digit
    return frozen(transition)


@dataclass(frozen=True, eq=False)
class RecurrentClass:
    """A set of states that a chain never leaves after entering it.

    states   indices of the states; `share`: of time in each of them, shape as `states`
    weight   probability that play ends in this class
    period   rounds after which the same states return: 1 where play settles, n in a cycle of n
    """

    states: NDArray[np.int64]
    share: Array
    weight: float
    period: int


def long_run(transition: Array, start: Array) -> Array:
    """Cesaro limit of start P^t, shape [state]. Every row of `transition` sums to one."""
    out = np.zeros(len(transition))
    for recurrent in recurrent_classes(transition, start):
        out[recurrent.states] = recurrent.weight * recurrent.share
    return frozen(out / out.sum())


def recurrent_classes(transition: Array, start: Array) -> list[RecurrentClass]:
    """Every recurrent class, the likeliest first; a class that this start never reaches has weight 0."""
    reach = np.eye(len(transition), dtype=np.bool_) | (transition > 0)
    for _ in range(len(transition).bit_length()):
        paths = reach.astype(np.float32)  # many times faster than a product of booleans
        reach = paths @ paths > 0
    returns = ~np.any(reach & ~reach.T, axis=1)  # wherever it leads, there is a way back
    with np.errstate(divide="ignore"):
        logs = np.log(transition)
    first_entry = _absorption_probabilities(logs, start, returns)
    member_sets = sorted({tuple(np.flatnonzero(reach[s]).tolist()) for s in np.flatnonzero(returns)})
    classes = [
        RecurrentClass(
            np.array(members),
            frozen(stationary_distribution(logs[np.ix_(members, members)])),
            float(first_entry[[*members]].sum()),
            _period(transition[np.ix_(members, members)] > 0),
        )
        for members in member_sets
    ]
    return sorted(classes, key=lambda recurrent: -recurrent.weight)


def _period(leads: NDArray[np.bool_]) -> int:
    """The period of an irreducible chain: the greatest common divisor of the lengths of all returns."""
    depth = np.full(len(leads), -1)
    depth[0], front, divisor = 0, [0], 0
    while front:
        ahead: list[int] = []
        for s in front:
            for t in np.flatnonzero(leads[s]):
                if depth[t] < 0:
                    depth[t] = depth[s] + 1
                    ahead.append(int(t))
                else:
                    divisor = math.gcd(divisor, int(depth[s] + 1 - depth[t]))
        front = ahead
    return divisor


def _absorption_probabilities(logs: Array, start: Array, recurrent: NDArray[np.bool_]) -> Array:
    """Probability that each recurrent state is entered first, [state]; eliminates transient states in turn.

    logs   log-probabilities of the transitions, shape [state, state]
    """
    p, w = logs.copy(), start.astype(np.float64).copy()
    remaining = np.ones(len(p), dtype=np.bool_)
    for k in np.flatnonzero(~recurrent):
        remaining[k] = False
        into, out = (np.flatnonzero(remaining & (x > -np.inf)) for x in (p[:, k], p[k]))  # most are no way
        onward = p[k, out] - np.logaddexp.reduce(p[k, out])
        w[out] += w[k] * np.exp(onward)
        among = np.ix_(into, out)
        p[among] = np.logaddexp(p[among], np.add.outer(p[into, k], onward))
        w[k] = 0.0
    return w


def stationary_distribution(logs: Array) -> Array:
    """Stationary distribution of an irreducible chain (Grassmann, Taksar & Heyman 1985), shape [state].

    logs   log-probabilities, or log-rates, of the transitions, [state, state]; the diagonal bears on nothing
    """
    p, n = logs.copy(), len(logs)
    for k in range(n - 1, 0, -1):
        p[:k, k] -= np.logaddexp.reduce(p[k, :k])
        p[:k, :k] = np.logaddexp(p[:k, :k], np.add.outer(p[:k, k], p[k, :k]))
    weight = np.zeros(n)
    for k in range(1, n):
        weight[k] = np.logaddexp.reduce(weight[:k] + p[:k, k])
    return np.exp(weight - np.logaddexp.reduce(weight))
