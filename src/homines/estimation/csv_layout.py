"""Rows of a tidy CSV laid out by decision, option and the other's action, as arrays."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from homines.core.types import MOST_CHOSEN, Array, Decision, Integers, frozen
from homines.estimation import tidy_csv
from homines.estimation.columns import Columns, DecisionBlock, Decisions

CHOSEN, PROBABILITY = "chosen", "probability"
"""Columns of what was chosen: how often, and with what probability; a file has one of them."""
KINDNESS = {"1": 1, "0": 0, "-1": -1, "": 0}
UNKNOWN_KINDNESS = 2
"""Code of a kindness that is none of these."""


class CsvLayout:
    """The rows of a table laid out by decision of a subject (`who`), option and the other's action."""

    def __init__(self, table: tidy_csv.Table, who: Integers, others: Sequence[str]) -> None:
        self.table, self.who = table, who
        self.column = PROBABILITY if PROBABILITY in table else CHOSEN
        self.many = int(who.max()) + 1
        self.option, self.a, self.options = _places(table, who, "option")
        self.their, self.j, self.theirs = _places(table, who, "theirs")
        bare = table.codes("theirs")[1].texts("theirs") if "theirs" in table else [""]
        alone = np.array([text == "" for text in bare])[self.their]
        self.theirs[who[alone]] = np.where(self.theirs[who[alone]] == 1, 0, self.theirs[who[alone]])
        self.paid = np.stack([table.numbers(name) for name in ("own", *others)], axis=-1)
        self.chosen = table.numbers(self.column)
        self.belief, self.same = (self._optional(name) for name in ("belief", "same"))
        self.kind = self._kind()
        self.game, self.games = self._codes("game")

    @cached_property
    def exact(self) -> bool:
        """Whether the choices are probabilities: those of a column `probability`, and all of a column
        `chosen` with a fraction in it. What a 1 or a 0 is, the column says and not its decision alone."""
        known = self.chosen[~np.isnan(self.chosen)]
        return self.column == PROBABILITY or bool((known != np.round(known)).any())

    def _optional(self, name: str) -> Array:
        return self.table.numbers(name) if name in self.table else np.full(len(self.who), np.nan)

    def _codes(self, name: str) -> tuple[Integers, list[str]]:
        if name not in self.table:
            return np.zeros(len(self.who), dtype=np.int64), [""]
        codes, unlike = self.table.codes(name)
        return codes, unlike.texts(name)

    def _kind(self) -> Integers:
        codes, texts = self._codes("kindness")
        return np.array([KINDNESS.get(text.strip(), UNKNOWN_KINDNESS) for text in texts])[codes]

    def _empty(self, name: str) -> NDArray[np.bool_]:
        codes, texts = self._codes(name)
        return np.array([text == "" for text in texts])[codes]

    def odd(self) -> Iterator[Integers]:
        """The rows of each decision of a subject that may break a rule, in order of appearance."""
        odd_rows = np.isnan(self.paid).any(-1) | ~(self.chosen >= 0) | (self.kind == UNKNOWN_KINDNESS)
        for name, values, low in (("belief", self.belief, 0.0), ("same", self.same, -math.inf)):
            odd_rows |= ~self._empty(name) & ~(values >= low)
        odd_decisions = np.zeros(self.many, dtype=np.bool_)
        odd_decisions[self.who[odd_rows]] = True
        width = np.maximum(self.theirs, 1)
        start = np.cumsum(self.options * width) - self.options * width
        cell = start[self.who] + self.a * width[self.who] + self.j
        times = np.bincount(cell, minlength=int((self.options * width).sum()))
        odd_decisions |= (np.minimum.reduceat(times, start) < 1) | (np.maximum.reduceat(times, start) > 1)
        odd_decisions |= self.options < 2
        for values in (self.game, self.kind):
            first = np.empty(self.many, dtype=values.dtype)
            first[self.who[::-1]] = values[::-1]
            odd_decisions[self.who[first[self.who] != values]] = True
        for shape in self._shapes(~odd_decisions):
            odd_decisions[shape.at[shape.odd()]] = True
        by_decision = np.argsort(self.who, kind="stable")
        ends = np.cumsum(np.bincount(self.who))
        for i in np.flatnonzero(odd_decisions):
            yield by_decision[ends[i - 1] if i else 0 : ends[i]]

    def _shapes(self, members: NDArray[np.bool_]) -> Iterator[SizeClass]:
        """Decisions grouped by their number of options and of the other's actions."""
        shapes = np.unique(np.stack([self.options[members], self.theirs[members]]), axis=1).T
        for mine, theirs in shapes:
            at = np.flatnonzero(members & (self.options == mine) & (self.theirs == theirs))
            place = np.full(self.many, -1)
            place[at] = np.arange(len(at))
            rows = place[self.who] >= 0
            yield SizeClass.of(self, at, place[self.who[rows]], rows, (int(mine), int(theirs)))

    def columns(self) -> Columns:
        """The whole table as observations."""
        names = self._codes("option")[1], self._codes("theirs")[1]
        shapes = self._shapes(np.ones(self.many, dtype=np.bool_))
        pairs = [(shape, shape.unlike()) for shape in shapes]
        leaders_at = np.concatenate([shape.at[leaders] for shape, (leaders, _) in pairs])
        rank = np.empty(len(leaders_at), dtype=np.int64)
        rank[np.argsort(leaders_at)] = np.arange(len(leaders_at))
        at, n = np.empty(self.many, dtype=np.int64), np.empty(self.many)
        logp = np.full((self.many, int(self.options.max())), -np.inf)
        game_of = np.empty(len(leaders_at), dtype=np.int64)
        blocks: list[DecisionBlock] = []
        for shape, (leaders, code) in pairs:
            places, rank = rank[: len(leaders)], rank[len(leaders) :]
            at[shape.at] = places[code]
            game_of[places] = shape.game[leaders]
            logp[shape.at, : shape.chosen.shape[1]], n[shape.at] = shape.choices()
            blocks += shape.blocks(leaders, places, names)
        firsts = np.empty(self.many, dtype=np.int64)
        firsts[self.who[::-1]] = np.arange(len(self.who))[::-1]
        subject, unlike_subjects = self.table.codes("subject")
        return Columns(
            Decisions(blocks),
            game_of,
            tuple(self.games),
            at,
            logp,
            n,
            subject[firsts],
            tuple(unlike_subjects.texts("subject")),
            np.ones(self.many),
        )


def _places(table: tidy_csv.Table, who: Integers, name: str) -> tuple[Integers, Integers, Integers]:
    """(code of the cell [row], its index within the decision [row], number of different cells [decision])."""
    many = int(who.max()) + 1
    if name not in table:
        none = np.zeros(len(who), dtype=np.int64)
        return none, none, np.ones(many, dtype=np.int64)
    codes, _ = table.codes(name)
    pairs, unlike = tidy_csv.table_of({"who": who, "code": codes}).codes("who", "code")
    first = np.empty(len(unlike), dtype=np.int64)
    first[pairs[::-1]] = who[::-1]
    counts = np.bincount(first, minlength=many)
    order = np.argsort(first, kind="stable")
    place = np.empty(len(first), dtype=np.int64)
    place[order] = np.arange(len(first)) - np.repeat(np.cumsum(counts) - counts, counts)
    return codes, place[pairs], counts


@dataclass(frozen=True, eq=False)
class SizeClass:
    """Decisions with equal numbers of options and of the other's actions.

    at      [decision] its index among all
    option  [decision, mine] codes of names; their: [decision, other]
    paid    [decision, seat, mine, other] or [decision, seat, mine]; belief: [decision, mine, other]
    """

    at: Integers
    option: Integers
    their: Integers
    game: Integers
    kind: Integers
    paid: Array
    belief: Array
    same: Array
    chosen: Array
    consistent: NDArray[np.bool_]
    """Whether all rows of an option agree in `chosen` and `same`, [decision]."""
    exact: bool

    @classmethod
    def of(
        cls, layout: CsvLayout, at: Integers, i: Integers, rows: NDArray[np.bool_], size: tuple[int, int]
    ) -> SizeClass:
        """The decisions with these indices. i [row]: the index of a row's decision among them."""
        (mine, theirs), n = size, len(at)
        a, j = layout.a[rows], layout.j[rows]
        option, their = np.zeros((n, mine), np.int64), np.zeros((n, theirs), np.int64)
        option[i, a] = layout.option[rows]
        paid = np.full((n, layout.paid.shape[1], mine, max(theirs, 1)), np.nan)
        paid[i, :, a, j] = layout.paid[rows]
        belief, same, chosen = (
            np.full((n, mine, theirs), np.nan),
            np.full((n, mine), np.nan),
            np.zeros((n, mine)),
        )
        same[i, a], chosen[i, a] = layout.same[rows], layout.chosen[rows]
        agree = (chosen[i, a] == layout.chosen[rows]) & (
            (same[i, a] == layout.same[rows]) | (np.isnan(same[i, a]) & np.isnan(layout.same[rows]))
        )
        consistent = np.ones(n, dtype=np.bool_)
        consistent[i[~agree]] = False
        if theirs:
            their[i, j] = layout.their[rows]
            belief[i, a, j] = layout.belief[rows]
        game, kind = np.zeros(n, np.int64), np.zeros(n, np.int64)
        game[i], kind[i] = layout.game[rows], layout.kind[rows]
        paid = paid if theirs else paid[..., 0]
        same = same + 0.0
        return cls(at, option, their, game, kind, paid + 0.0, belief, same, chosen, consistent, layout.exact)

    def odd(self) -> NDArray[np.bool_]:
        """Whether a decision may break a rule of probabilities, counts or beliefs, [decision]."""
        total = self.chosen.sum(-1)
        broken = ~self.consistent | (total > MOST_CHOSEN) | (total <= 0)
        broken |= self.exact & (np.abs(total - 1) > 1e-6)
        missing = np.isnan(self.same)
        broken |= missing.any(-1) & ~missing.all(-1)
        if self.belief.shape[-1]:
            stated = ~np.isnan(self.belief).all((-1, -2))
            sums_to_one = np.isclose(self.belief.sum(-1), 1, atol=1e-6).all(-1)
            broken |= stated & ~sums_to_one
        return broken

    def choices(self) -> tuple[Array, Array]:
        """(logp [decision, mine], n [decision]) as `Columns` has them; n inf where they are probabilities."""
        with np.errstate(divide="ignore"):
            z = np.log(self.chosen)
        z = z - z.max(-1, keepdims=True)
        logp = z - np.log(np.exp(z).sum(-1, keepdims=True))
        return logp, np.full(len(z), np.inf) if self.exact else self.chosen.sum(-1)

    def _alike(self) -> Array:
        """Everything in the decisions except payoffs as numbers, [decision, number]."""
        parts: list[NDArray[Any]] = [self.option, self.their, self.game[:, None], self.kind[:, None]]
        parts.append(self.belief.reshape(len(self.at), -1))
        parts.append(np.isnan(self.same[:, :1]))
        return np.concatenate(parts, axis=-1, dtype=np.float64)

    def unlike(self) -> tuple[Integers, Integers]:
        """(index of the first of each group of equal decisions, in order; the group of each [decision])."""
        paid = self.paid.reshape(len(self.at), -1)
        return _first_rows(np.concatenate([self._alike(), paid, self.same], axis=-1))

    def blocks(
        self, leaders: Integers, places: Integers, names: tuple[list[str], list[str]]
    ) -> Iterator[DecisionBlock]:
        """The decisions `leaders` in blocks that differ in payoffs only. places: their indices among all."""
        examples, code = _first_rows(self._alike()[leaders])
        order = np.split(np.argsort(code, kind="stable"), np.cumsum(np.bincount(code))[:-1])
        for i, members in zip(examples, order, strict=True):
            at = leaders[members]
            has_same = not np.isnan(self.same[leaders[i]]).any()
            like = self._decision(int(leaders[i]), names)
            yield DecisionBlock(like, self.paid[at], self.same[at] if has_same else None, places[members])

    def _decision(self, i: int, names: tuple[list[str], list[str]]) -> Decision:
        """The i-th decision; its rows break no rule."""
        theirs = tuple(names[1][code] for code in self.their[i])
        belief, same = self.belief[i], self.same[i]
        stated = None if not theirs or np.isnan(belief).all() else belief / belief.sum(-1)[:, None]
        return Decision(
            tuple(names[0][code] for code in self.option[i]),
            self.paid[i],
            (theirs,) if theirs else (),
            None if np.isnan(same).any() else same,
            None if stated is None else (frozen(stated),),
            reply=stated is not None,
            kindness=int(self.kind[i]),
        )


def _first_rows(numbers: Array) -> tuple[Integers, Integers]:
    """(index of the first of each group of equal rows, in order; the group of each row)."""
    bits = np.ascontiguousarray(numbers + 0.0).view(np.int64)
    code, unlike = tidy_csv.table_of({str(k): column for k, column in enumerate(bits.T)}).codes(
        *map(str, range(bits.shape[1]))
    )
    first = np.empty(len(unlike), dtype=np.int64)
    first[code[::-1]] = np.arange(len(code))[::-1]
    return first, code
