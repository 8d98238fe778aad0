"""Observations as arrays, for fits and for CSV files of any size."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import overload

import numpy as np

from homines.core.types import Array, Choice, Decision, HominesError, Integers, frozen
from homines.estimation.family import STACKED_FROM, Family
from homines.estimation.likelihood import Design
from homines.theory.choice import Belief

Value = Callable[[Array], Array]
"""A function of payoffs, such as their value under risk aversion."""


@dataclass(frozen=True, eq=False)
class Observation:
    """One decision and the choice in it.

    choice   exact probabilities (n None), or shares of sampled answers: those that are legal are choices
    subject  the person or model that chose; game: the decision's game. Errors are clustered by either
    answers  where the choice is known by the answer it gives only: the answer of every action; then `choice`
             is between answers. Empty: every action is an answer of its own
    part     the same answer as part of a plan: an observation of the decision between plans
    """

    decision: Decision
    choice: Choice
    subject: str = ""
    game: str = ""
    answers: tuple[int, ...] = ()
    part: Observation | None = None

    @property
    def counts(self) -> Array:
        """Choices of every action [mine]; probabilities where exact."""
        legal = self.choice.legal
        return self.choice.p * (1 if legal is None else legal)


def read_for(observations: Sequence[Observation], *families: Family) -> Sequence[Observation]:
    """The observations as these families value them.

    An answer at a point of a sequential game is a choice there, by its expected utility. A family that
    universalises values plans, behind the veil of ignorance, and an answer is part of a plan for it; what is
    compared with it must be read alike.
    """
    if isinstance(observations, Columns):
        return observations
    at_point = next((o for o in observations if o.part is not None), None)
    if at_point is None or not any(of.needs_veil(at_point.decision) for of in families):
        return observations
    return [o.part or o for o in observations]


@dataclass(frozen=True, eq=False)
class DecisionBlock:
    """Decisions that differ in payoffs only.

    like      one of them
    payoffs   [decision, seat, mine, other, ...]
    same      [decision, mine], or None where `like` has none
    places    [decision]: their indices among all decisions
    """

    like: Decision
    payoffs: Array
    same: Array | None
    places: Integers

    def one(self, i: int) -> Decision:
        """The i-th of them."""
        same = None if self.same is None else self.same[i]
        return replace(self.like, payoffs=self.payoffs[i], same=same)

    def only(self, i: int) -> DecisionBlock:
        """The i-th alone."""
        return replace(
            self,
            payoffs=self.payoffs[i : i + 1],
            same=None if self.same is None else self.same[i : i + 1],
            places=self.places[i : i + 1],
        )

    def columns(self, of: Family, belief: Belief, value: Value | None = None) -> Array:
        """`Family.columns` of each, [decision, mine, column]."""
        paid, same = (x if x is None or value is None else value(x) for x in (self.payoffs, self.same))
        block = replace(self, payoffs=paid, same=same)
        if len(self.places) >= STACKED_FROM and self.like.chance is None and of.outcome_by_outcome(belief):
            return of.stacked(self.like, block.payoffs, block.same, belief)
        return np.stack([of.columns(block.one(i), belief) for i in range(len(self.places))])


class Decisions(Sequence[Decision]):
    """Many decisions as blocks of arrays; a Decision object is built at the first access to it.

    answers   by decision, the answer of every action, where choices are known by their answers only
    """

    def __init__(
        self, blocks: Iterable[DecisionBlock], answers: Mapping[int, tuple[int, ...]] | None = None
    ) -> None:
        self.answers = dict(answers or {})
        self.blocks = list(blocks)
        size = sum(len(b.places) for b in self.blocks)
        self._at = np.empty((size, 2), dtype=np.int64)
        for k, b in enumerate(self.blocks):
            self._at[b.places] = np.stack([np.full(len(b.places), k), np.arange(len(b.places))], axis=-1)
        self._cache: dict[int, Decision] = {}

    def __len__(self) -> int:
        return len(self._at)

    @overload
    def __getitem__(self, index: int) -> Decision: ...
    @overload
    def __getitem__(self, index: slice) -> list[Decision]: ...
    def __getitem__(self, index: int | slice) -> Decision | list[Decision]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        place = range(len(self))[index]
        if place not in self._cache:
            block, i = self._at[place]
            self._cache[place] = self.blocks[block].one(int(i))
        return self._cache[place]

    def design(self, of: Family, belief: Belief, value: Value | None = None) -> Design:
        """The family's columns of every decision."""
        most = max(len(b.like.actions) for b in self.blocks)
        x = np.zeros((len(self), most, 1 + len(of.free)))
        legal = np.zeros((len(self), most), dtype=np.bool_)
        for b in self.blocks:
            mine = len(b.like.actions)
            x[b.places, :mine] = b.columns(of, belief, value)
            legal[b.places, :mine] = True
        if not self.answers:
            return Design(x, legal)
        answer = np.tile(np.arange(most), (len(self), 1))
        for i, row in self.answers.items():
            answer[i, : len(row)] = row
        return Design(x, legal, answer)

    @property
    def largest(self) -> Array:
        """The largest payoff of each, whatever its sign, [decision]."""
        return self._map_payoffs(lambda paid: np.abs(paid).max(axis=tuple(range(1, paid.ndim))))

    @property
    def least(self) -> float:
        """The least payoff of all."""
        return min(float(b.payoffs.min()) for b in self.blocks)

    def _map_payoffs(self, of: Value) -> Array:
        out = np.empty(len(self))
        for b in self.blocks:
            out[b.places] = of(b.payoffs)
        return out


def group_decisions(
    ds: Sequence[Decision], answers: Mapping[int, tuple[int, ...]] | None = None
) -> Decisions:
    """These decisions in blocks of decisions that differ in payoffs only. answers: see `Decisions`."""
    groups: dict[object, list[int]] = {}
    for i, d in enumerate(ds):
        groups.setdefault(_key_without_payoffs(d) if d.chance is None else i, []).append(i)
    blocks = [
        DecisionBlock(
            ds[places[0]],
            np.stack([ds[i].payoffs for i in places]),
            None
            if ds[places[0]].same is None
            else np.stack([s for i in places if (s := ds[i].same) is not None]),
            np.array(places),
        )
        for places in groups.values()
    ]
    decisions = Decisions(blocks, answers)
    decisions._cache.update(enumerate(ds))
    return decisions


def _key_without_payoffs(d: Decision) -> object:
    """A key of everything in a decision except the values of its payoffs."""
    beliefs = None if d.others is None else tuple((b.shape, b.tobytes()) for b in d.others)
    forgone = tuple((name, paid.tobytes()) for name, paid in d.forgone)
    situation = d.reply, d.rounds, d.history, d.player, d.names, d.kindness, forgone, d.rule, d.does
    return d.actions, d.theirs, d.payoffs.shape, d.same is None, beliefs, situation


@dataclass(frozen=True, eq=False)
class Columns(Sequence[Observation]):
    """Observations in order.

    decisions  the different decisions; game_of [decision]: the index of each one's game in `games`
    at         [observation] the index of its decision
    logp       [observation, answer]; -inf where there is no such answer
    n          [observation] choices: legal answers of those sampled; inf where exact
    subject    [observation], an index in `subjects`
    mass       [observation]
    """

    decisions: Decisions
    game_of: Integers
    games: tuple[str, ...]
    at: Integers
    logp: Array
    n: Array
    subject: Integers
    subjects: tuple[str, ...]
    mass: Array = field(repr=False)

    @classmethod
    def of(cls, observations: Sequence[Observation]) -> Columns:
        """Arrays of these observations; equal decisions of one game are merged. Raises HominesError for a
        decision with one option."""
        if isinstance(observations, Columns):
            return observations
        keys: dict[tuple[int, str, tuple[int, ...]], int] = {}
        unique: dict[str, int] = {}
        decisions: list[Decision] = []
        games: dict[str, int] = {}
        game_of: list[int] = []
        answers: dict[int, tuple[int, ...]] = {}
        for o in observations:
            if len(o.decision.actions) < 2:
                raise HominesError(
                    f"the decision between {', '.join(o.decision.actions)} of game {o.game!r} has one "
                    "option; a choice needs two: leave it out"
                )
            if (id(o.decision), o.game, o.answers) not in keys:
                key = f"{o.game}\0{o.decision.key}\0{o.answers}"
                if key not in unique:
                    unique[key] = len(decisions)
                    if o.answers:
                        answers[len(decisions)] = o.answers
                    decisions.append(o.decision)
                    game_of.append(games.setdefault(o.game, len(games)))
                keys[id(o.decision), o.game, o.answers] = unique[key]
        subjects: dict[str, int] = {}
        most = max((len(d.actions) for d in decisions), default=0)
        logp = np.full((len(observations), most), -np.inf)
        for row, o in zip(logp, observations, strict=True):
            row[: len(o.choice.logp)] = o.choice.logp
        return cls(
            group_decisions(decisions, answers),
            np.array(game_of, dtype=np.int64),
            tuple(games),
            np.array([keys[id(o.decision), o.game, o.answers] for o in observations], dtype=np.int64),
            logp,
            np.array(
                [np.inf if (n := o.choice.legal) is None else n for o in observations], dtype=np.float64
            ),
            np.array([subjects.setdefault(o.subject, len(subjects)) for o in observations], dtype=np.int64),
            tuple(subjects),
            np.array([o.choice.mass for o in observations], dtype=np.float64),
        )

    @property
    def counts(self) -> Array:
        """Choices, [observation, action]; probabilities where exact."""
        return np.exp(self.logp) * np.where(np.isinf(self.n), 1.0, self.n)[:, None]

    def __len__(self) -> int:
        return len(self.at)

    def __iter__(self) -> Iterator[Observation]:
        return (self[i] for i in range(len(self)))

    @overload
    def __getitem__(self, index: int) -> Observation: ...
    @overload
    def __getitem__(self, index: slice) -> list[Observation]: ...
    def __getitem__(self, index: int | slice) -> Observation | list[Observation]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        i = range(len(self))[index]
        at = int(self.at[i])
        d, answers = self.decisions[at], self.decisions.answers.get(at, ())
        size = 1 + max(answers) if answers else len(d.actions)
        mass = float(self.mass[i])
        n = None if np.isinf(self.n[i]) else round(float(self.n[i]) / mass) if mass else 1
        choice = Choice(frozen(self.logp[i, :size]), mass, n)
        return Observation(d, choice, self.subjects[self.subject[i]], self.games[self.game_of[at]], answers)
