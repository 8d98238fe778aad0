"""Forms of games: normal, repeated, sequential, and any two-player game behind the veil of ignorance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import ArrayLike

from homines.core.checks import count, number
from homines.core.types import Array, Decision, Game, History, HominesError, frozen
from homines.theory.count_form import CountForm

MOST_PLANS = 4096
MOST_STATES = 1024


@dataclass(frozen=True, eq=False)
class NormalForm:
    """Everyone chooses once, at the same time.

    table[k, a_0, a_1, ...] is what player k gets; shape [seat, a_0, a_1, ...]. Seats after the players' are
    bystanders, who are paid and do nothing, such as the customers of a market.
    symmetric   no player's place differs from another's; checked. Decisions then have `same`, the payoff if
                everyone does the same
    rules       for each player, the payoffs in words (`Decision.rule`), where there are too many to list
    shares      for each player, the distribution over its actions that others are told; empty: none is
    """

    actions: tuple[tuple[str, ...], ...]
    table: Array
    symmetric: bool = False
    rules: tuple[str, ...] = ()
    shares: tuple[Array, ...] = ()

    def __post_init__(self) -> None:
        players, want = len(self.actions), tuple(map(len, self.actions))
        if self.table.shape[1:] != want or len(self.table) < players:
            raise HominesError(
                f"a table of shape {self.table.shape} does not fit actions {self.actions}; "
                f"it must be [seat, a_0, a_1, ...] = {(players, *want)}, or with more seats for bystanders"
            )
        if not np.isfinite(self.table).all():
            raise HominesError(
                f"table {str(self.table.tolist())[:200]} holds a value that is not finite; every payoff must "
                "be a number"
            )
        if self.symmetric and not is_symmetric(self.actions, self.table):
            raise HominesError(
                "this table is not symmetric: exchanging players changes payoffs; "
                "drop symmetric=True, or put the game behind veil()"
            )

    @classmethod
    def two(cls, actions: Sequence[str], mine: ArrayLike, other: ArrayLike | None = None) -> NormalForm:
        """Two players with the same action names, from [row, column] payoffs.

        `other` left out: the symmetric game with other = mine transposed. A table that happens to
        be symmetric is recognised as such.
        """
        m = np.asarray(mine, dtype=np.float64)
        if m.ndim != 2:
            raise HominesError(f"payoffs of shape {m.shape} are no matrix; give [row, column]")
        o = m.T if other is None else np.asarray(other, dtype=np.float64)
        if m.shape != o.shape:
            raise HominesError(f"payoffs of shapes {m.shape} and {o.shape}; they must be the same")
        names = (tuple(actions),) * 2
        table = frozen([m, o])
        return cls(names, table, table.shape[1] == table.shape[2] and is_symmetric(names, table))

    def due(self, history: History) -> Mapping[int, Decision]:
        return {} if history else {k: self.seat(k) for k in range(len(self.actions))}

    def payoffs(self, history: History) -> Array:
        return self.table[(slice(None), *stage_index(history[-1]))]

    def seat(self, k: int, history: History = (), others: tuple[Array, ...] | None = None) -> Decision:
        """The game seen from seat k: own payoff first, own action first."""
        n = len(self.actions)
        seats = (k, *(j for j in range(n) if j != k))
        table = self.table[[*seats, *range(n, len(self.table))]].transpose(0, *(1 + j for j in seats))
        if others is None and self.shares:
            others = tuple(self.shares[j] for j in seats[1:])
        same = None
        if self.symmetric:
            same = frozen([table[(0,) + (a,) * n] for a in range(table.shape[1])])
        return Decision(
            self.actions[k],
            frozen(table),
            tuple(self.actions[j] for j in seats[1:]),
            same,
            others,
            history=history,
            player=k,
            rule=self.rules[k] if self.rules else "",
        )


def is_symmetric(actions: tuple[tuple[str, ...], ...], table: Array) -> bool:
    """Every exchange of two players leaves the game as it was (and action names are the same)."""
    if len(set(actions)) > 1:
        return False
    n, bystanders = len(actions), range(len(actions), len(table))
    # exchanging neighbours generates every permutation
    swaps = [(*range(i), i + 1, i, *range(i + 2, n)) for i in range(n - 1)]
    return all(np.allclose(table, table[[*p, *bystanders]].transpose(0, *(1 + j for j in p))) for p in swaps)


def stage_index(stage: tuple[int | None, ...]) -> tuple[int, ...]:
    """A stage as indices of a payoff table. Raises HominesError where a player did not move."""
    if None in stage:
        raise HominesError(f"stage {stage} lacks a player's action; in this game everyone moves")
    return tuple(a for a in stage if a is not None)


def check_states(each: int, memory: int, remedy: str) -> None:
    """Raise HominesError where `memory` rounds of so many states each are more than MOST_STATES."""
    count("memory", memory)
    # beyond 64 rounds the number itself would be too long to compute or to print
    many = each ** min(memory, 64)
    if many > MOST_STATES:
        number = f"{each}^{memory}" + (f" = {many}" if memory <= 64 else "")
        raise HominesError(
            f"memory {memory} makes {number} states, more than {MOST_STATES}; "
            f"use {remedy}, or train on sampled on-policy states (--sample 8)"
        )


@dataclass(frozen=True, eq=False)
class Repeated:
    """A normal form, or a game told by counts, played again and again; payoffs add up.

    rounds   None: no end announced
    """

    stage: NormalForm | CountForm
    rounds: int | None = None

    def __post_init__(self) -> None:
        if self.rounds is not None:
            count("rounds", self.rounds)

    def due(self, history: History) -> Mapping[int, Decision]:
        if self.rounds is not None and len(history) >= self.rounds:
            return {}
        return {k: self.seat(k, history) for k in range(len(self.stage.actions))}

    def payoffs(self, history: History) -> Array:
        total = np.zeros(len(self.stage.table))
        for stage in history:
            total = total + self.stage.payoffs((stage,))
        return frozen(total)

    def seat(self, k: int, history: History = ()) -> Decision:
        return replace(self.stage.seat(k, history), rounds=self.rounds)

    def remember(self, k: int, past: History) -> Decision:
        """Player k's decision after these rounds, each one of `states`."""
        stage = self.stage
        d = stage.remember(past) if isinstance(stage, CountForm) else stage.seat(k, past)
        return replace(d, rounds=self.rounds)

    @property
    def state_shape(self) -> tuple[int, ...]:
        """How many values each entry of a state has: each player's actions; my actions and the counts."""
        return self.stage.table.shape[1:]

    @property
    def states(self) -> tuple[tuple[int, ...], ...]:
        """What a decision can hold of the last round, in table order: the memory-one states. Every joint
        action; in a game told by counts, my action and how many others played the second."""
        return tuple(product(*map(range, self.state_shape)))

    def pasts(self, memory: int = 1) -> tuple[History, ...]:
        """Every history of `memory` rounds, oldest round first: the states of that memory.

        With n states of one round, the history of rounds s_1, ..., s_m (as indices into `states`) has the
        index sum_i s_i n^(m-i). Raises HominesError for more than MOST_STATES.
        """
        fewer = "fewer players, " if isinstance(self.stage, CountForm) else ""
        check_states(len(self.states), memory, f"{fewer}a smaller memory")
        return tuple(product(self.states, repeat=memory))

    def remembered(self, k: int = 0, memory: int = 1) -> tuple[Decision, ...]:
        """Player k's decision in every state of `memory` past rounds, in the order of `pasts`."""
        return tuple(self.remember(k, past) for past in self.pasts(memory))

    def memory_one(self, k: int = 0) -> tuple[Decision, ...]:
        """Player k's decision in every memory-one state."""
        return self.remembered(k)


@dataclass(frozen=True, eq=False)
class Sequential:
    """Player 0 moves; player 1, having seen it, replies, unless the move ended the game.

    table[k, a, b] is what player k gets after move a and reply b. For a move in `ends` nobody
    replies and the payoffs are those of b = 0. Seats after the players' are bystanders, who are paid.
    """

    first: tuple[str, ...]
    second: tuple[str, ...]
    table: Array
    ends: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        want = (2, len(self.first), len(self.second))
        if (
            self.table.ndim != 3
            or self.table.shape[1:] != want[1:]
            or len(self.table) < 2
            or not np.isfinite(self.table).all()
        ):
            raise HominesError(
                f"table {self.table.tolist()} must hold finite numbers, shape [player, move, reply] = {want}"
                ", or with more seats for bystanders"
            )
        for a in self.ends:
            if np.ptp(self.table[:, a, :], axis=1).any():
                raise HominesError(
                    f"move {self.first[a]} ends the game, so its payoffs cannot depend on a reply; "
                    "write the same payoffs for every reply"
                )

    def due(self, history: History) -> Mapping[int, Decision]:
        if not history:
            return {0: Decision(self.first, self.table, (self.second,), reply=True)}
        move = history[0][0]
        if len(history) == 1 and move is not None and move not in self.ends:
            mine = frozen(self._replying[:, move, :])
            names = (self.first, self.second)
            reply = Decision(self.second, mine, history=history, player=1, names=names)
            return {1: replace(reply, kindness=self.kindness(move), forgone=self.forgone(move))}
        return {}

    @property
    def _replying(self) -> Array:
        """The table with player 1's payoffs first."""
        return self.table[[1, 0, *range(2, len(self.table))]]

    def forgone(self, move: int) -> tuple[tuple[str, Array], ...]:
        """Every other move, with the payoffs player 1 would have faced, its own first."""
        return tuple(
            (name, frozen(self._replying[:, a, : 1 if a in self.ends else None]))
            for a, name in enumerate(self.first)
            if a != move
        )

    def kindness(self, move: int) -> int:
        """1 where the worst payoff this move leaves player 1 exceeds the best of every other move, -1 where
        the best it leaves lies below the worst of every other move, else 0. After Bruhin, Fehr & Schunk
        (2019): their second movers gain, or lose, whatever they then choose."""
        theirs = self.table[1]
        rest = np.delete(theirs, move, axis=0)
        if not rest.size:
            return 0
        return int(theirs[move].min() > rest.max()) - int(theirs[move].max() < rest.min())

    def payoffs(self, history: History) -> Array:
        move, reply = history[0][0], history[1][1] if len(history) > 1 else 0
        return self.table[:, move, reply]


def append_stage(history: History, actions: Mapping[int, int], players: int) -> History:
    """The history after the players that were due have acted."""
    return (*history, tuple(actions.get(k) for k in range(players)))


def nodes(game: Game, players: int = 2) -> Iterator[tuple[History, Mapping[int, Decision]]]:
    """Every point of decision of a finite game with the decisions due, parents first."""
    queue: list[History] = [()]
    for history in queue:
        due = game.due(history)
        if not due:
            continue
        yield history, due
        for joint in product(*(range(len(d.actions)) for d in due.values())):
            queue.append(append_stage(history, dict(zip(due, joint, strict=True)), players))
            if len(queue) > 100 * MOST_PLANS:
                raise HominesError("the game tree is too large to list; use fewer rounds or actions")


Plan = Mapping[tuple[int, History], int]
"""An action for every point of decision, in either role."""


@dataclass(frozen=True, eq=False)
class Veil:
    """A two-player game behind the veil of ignorance: each role equally likely, a full plan for both.

    It is symmetric for every game, and universalising is defined in it. The role is a draw of chance with an
    axis of its own: utility is averaged over roles, not the payoffs inside the utility. A plan's name lists
    its actions, player 0's points of decision first: in the sequential prisoner's dilemma, `CCD` moves C,
    replies C to C and D to D.
    """

    game: Game
    plans: tuple[Plan, ...]
    names: tuple[str, ...]
    table: Array
    """table[seat, my plan, other's plan, role]; role 0: I am player 0. A bystander is one in either role."""

    def seat(self, k: int = 0) -> Decision:
        n = np.arange(len(self.plans))
        same = frozen(self.table[0, n, n, :])
        return Decision(self.names, self.table, (self.names,), same, chance=frozen([0.5, 0.5]), player=k)

    def due(self, history: History) -> Mapping[int, Decision]:
        return {} if history else {0: self.seat(0), 1: self.seat(1)}

    def payoffs(self, history: History) -> Array:
        x, y = stage_index(history[0])
        return self.table[:, x, y, :].mean(-1)


def veil(game: Game) -> Veil:
    """Put a finite two-player game behind the veil of ignorance."""
    points = [(k, history, d) for history, due in nodes(game) for k, d in due.items()]
    if any(k > 1 for k, _, _ in points):
        raise HominesError("veil() takes two-player games; this one has more players")
    points.sort(key=lambda point: point[0])
    many = int(np.prod([len(d.actions) for _, _, d in points]))
    if many > MOST_PLANS:
        raise HominesError(
            f"{many} plans are more than {MOST_PLANS}; use fewer rounds, or measure node by node"
        )
    choices = list(product(*(range(len(d.actions)) for _, _, d in points)))
    plans = tuple({(k, h): a for (k, h, _), a in zip(points, c, strict=True)} for c in choices)
    joiner = "" if all(len(name) == 1 for _, _, d in points for name in d.actions) else "/"
    names = tuple(joiner.join(d.actions[a] for (_, _, d), a in zip(points, c, strict=True)) for c in choices)

    def outcome(zero: Plan, one: Plan) -> Array:
        history: History = ()
        while due := game.due(history):
            history = append_stage(history, {k: (zero, one)[k][k, history] for k in due}, 2)
        return game.payoffs(history)

    paid = np.array([[outcome(x, y) for y in plans] for x in plans])  # [x as 0, y as 1, player]
    seats = [(0, 1), (1, 0), *((k, k) for k in range(2, paid.shape[-1]))]  # as which I am player 0, and 1
    table = [np.stack([paid[:, :, i], paid[:, :, j].T], axis=-1) for i, j in seats]
    return Veil(game, plans, names, frozen(table))


def plan_probability(v: Veil, choices: Mapping[tuple[int, History], Array]) -> Array:
    """Probability of each plan from independent choices at every point, shape [plan].

    choices   choices[player, history]: the distribution at that point
    p(plan) = prod over points of choices[point][plan[point]]
    """
    return frozen([np.prod([choices[pt][a] for pt, a in plan.items()]) for plan in v.plans])


def protocol_payoffs(
    protocol: int, payoffs: tuple[float, ...], protocols: Sequence[tuple[float, float, float, float]]
) -> tuple[float, float, float, float]:
    """T, R, P, S: `payoffs` where they are given, else those of the protocol (1, 2, ...)."""
    count("protocol", protocol, 1, len(protocols))
    if not payoffs:
        return protocols[protocol - 1]
    if len(payoffs) != 4:
        raise HominesError(f"payoffs {payoffs} must be four numbers: T, R, P, S")
    for name, value in zip("TRPS", payoffs, strict=True):
        number(name, value)
    t, r, p, s = payoffs
    return t, r, p, s
