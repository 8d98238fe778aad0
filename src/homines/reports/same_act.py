"""Whether an agent does the same act in other words: how far rates move with labels, frames and orders."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import ceil
from typing import ClassVar, Literal

import numpy as np
from scipy.stats import norm

from homines.core.capabilities import labels_of
from homines.core.registry import head
from homines.core.types import Frame, Record
from homines.elicitation.metrics import group_by, instability, order_effect, rarely_legal
from homines.elicitation.questions import situation, state
from homines.elicitation.rewordings import EXCHANGED, Rewording, change
from homines.reports.measures import numeric_actions
from homines.reports.run_view import MOST_ACTIONS, ROW_KINDS, RunView, find_or_none

Outcome = Literal["passed", "failed", "not asked", "not read"]
"""not read: asked, but the answers are too few or too rarely legal to tell."""
TOLERANCE = 0.25
"""Most that a rate may move with the words, the labels or the order of the options: half of what lies between
even odds and certainty. What moves by more can be a clear tendency in one wording and none in another."""
LEVEL = 0.05
"""A shift of counted answers fails where it differs from 0 at this level, corrected for their number; it
passes where an interval of this level reaches at most TOLERANCE to each side of it."""


@dataclass(frozen=True)
class Shift:
    """The rate of one act in two frames that differ by `change`.

    act         'C after C'
    a, b        the frames; p_a, p_b: the rate there, mean over the same decisions
    labels      those of frame a
    error       standard error of p_b - p_a; 0 for exact answers
    """

    game: str
    act: str
    change: Rewording
    a: str
    b: str
    labels: tuple[str, ...]
    p_a: float
    p_b: float
    error: float

    @property
    def size(self) -> float:
        return abs(self.p_b - self.p_a)

    @property
    def by_word(self) -> bool:
        """Whether the rate of the label is steadier than that of the act."""
        return self.change == EXCHANGED and abs(1 - self.p_b - self.p_a) < self.size


@dataclass(frozen=True)
class OrderEffect:
    """P(action | shown first) - P(action | shown last) in a game and frame. error: its standard error, 0 for
    exact answers."""

    game: str
    frame: str
    effect: float
    error: float

    @property
    def size(self) -> float:
        return abs(self.effect)


@dataclass(frozen=True)
class SameAct:
    """Whether the rate of an act stays where words, labels and the order of the options change.

    rows         shifts between frames that both have a legal mass of LEGAL_MASS, the largest first
    orders       order effects, the largest first
    instability  the largest over games of the mean over decisions of the spread of P(first action) over these
                 frames; None for one frame
    chance       how much of it chance gives at most, at LEVEL; 0 for exact answers
    frames       how many were asked; games: how many, and `once` how many of them in one frame
    answers      the fewest that were counted at a question; None: every answer is exact
    """

    rows: tuple[Shift, ...]
    orders: tuple[OrderEffect, ...]
    instability: float | None
    chance: float
    frames: int
    games: int
    once: int
    answers: float | None
    name: ClassVar[str] = "the same act in other words"
    threshold: ClassVar[float] = TOLERANCE

    @property
    def exact(self) -> bool:
        return self.answers is None

    @property
    def figure(self) -> float | None:
        """The largest of the shifts, the order effects and the instability, where that is not chance."""
        sizes = [row.size for row in self.effects]
        spread = self.instability if (self.exact or self.unstable) and self.instability else 0.0
        return max([*sizes, spread]) if sizes else None

    @property
    def effects(self) -> list[Shift | OrderEffect]:
        return [*self.rows, *self.orders]

    @property
    def outcome(self) -> Outcome:
        if self.failures or self.unstable:
            return "failed"
        if not self.rows:
            return "not read" if self.frames > 1 else "not asked"
        if (self.instability or 0.0) > self.threshold:
            return "not read"
        return "not read" if any(row.error > self._limit(row) for row in self.effects) else "passed"

    @property
    def failures(self) -> list[Shift | OrderEffect]:
        """Shifts and order effects above the threshold that chance does not explain, the largest first."""
        failed = [row for row in self.effects if row.size > self.threshold and row.error < self._limit(row)]
        return sorted(failed, key=_size)

    @property
    def enough(self) -> int | None:
        """About how many answers a question would tell an outcome from chance; None where it is told."""
        if self.answers is None or self.outcome != "not read" or not self.rows:
            return None
        return ceil(self.answers * max(row.error / self._limit(row) for row in self.effects) ** 2)

    def _limit(self, row: Shift | OrderEffect) -> float:
        """The standard error up to which a row is read: that at which a row above the threshold differs from
        0, and at which any other would be seen if it were the threshold larger."""
        if row.size > self.threshold:
            return row.size / float(norm.ppf(1 - LEVEL / 2 / len(self.effects)))
        return self.threshold / float(norm.ppf(1 - LEVEL / 2))

    @property
    def unstable(self) -> bool:
        """Whether the instability passes the threshold by more than chance gives."""
        return (self.instability or 0.0) - self.chance > self.threshold

    @property
    def word(self) -> Shift | None:
        """The largest failure in which a label is chosen, whatever it stands for."""
        return next((row for row in self.failures if isinstance(row, Shift) and row.by_word), None)


def _size(row: Shift | OrderEffect) -> float:
    """For sorting: the largest first; of those that a reader cannot tell apart, the one that is listed first,
    from the words of the training."""
    return -round(row.size, 2)


# --- from records ---


def by_game(view: RunView, records: Sequence[Record]) -> dict[str, list[Record]]:
    """Records by their game; where games are drawn, one decision each, by their kind of game."""
    many = view.run.config.get("kind") in ROW_KINDS
    out: dict[str, list[Record]] = {}
    for r in records:
        out.setdefault(head(r.game) if many else r.game, []).append(r)
    return out


@dataclass(frozen=True)
class _Cell:
    """One decision in one frame, averaged over orders: the rate of its act, and the rate's variance."""

    act: str
    p: float
    variance: float


def by_frame(records: Sequence[Record]) -> dict[str, list[Record]]:
    """Records by the spec of their frame."""
    return {spec: group for (spec,), group in group_by(records, "frame").items()}


def same_act(view: RunView, records: Sequence[Record]) -> SameAct:
    """The check of one agent's answers: every pair of its frames, game by game."""
    words = {spec: find_or_none("frames", spec) for spec in by_frame(records)}
    shifts: list[Shift] = []
    orders: list[OrderEffect] = []
    spreads: list[tuple[float, float]] = []
    games, once = by_game(view, records), 0
    for game, inside in games.items():
        for group in group_by(inside, "asks").values():
            frames = by_frame(group).items()
            legal = {spec: answers for spec, answers in frames if not rarely_legal(answers)}
            cells = {frame: _cells(answers) for frame, answers in legal.items()}
            for a, b in combinations(sorted(cells, key=lambda spec: spec not in view.training), 2):
                names = view.short.get(a, a), view.short.get(b, b)
                where = (_change(words[a], words[b]), *names, labels_of(words[a]) if words[a] else ())
                shifts += _shifts(game, where, (cells[a], cells[b]))
            for spec, answers in legal.items():
                if (effect := order_effect(answers)) is not None:
                    frame = view.short.get(spec, spec)
                    orders.append(OrderEffect(game, frame, effect, _order_error(answers)))
            if (spread := instability([r for answers in legal.values() for r in answers])) is not None:
                spreads.append((spread, _chance_of_spread(cells.values())))
        once += len(by_frame(inside)) < 2
    return SameAct(
        tuple(sorted(shifts, key=_size)),
        tuple(sorted(orders, key=_size)),
        *max(spreads, key=lambda pair: pair[0] - pair[1], default=(None, 0.0)),
        len(words),
        len(games),
        once,
        min((r.choice.n for r in records if r.choice is not None and r.choice.n is not None), default=None),
    )


def _change(a: Frame | None, b: Frame | None) -> Rewording:
    """What differs between two frames; of one that is not known here, such as a log's, the frame."""
    return "another frame" if a is None or b is None else change(a, b)


def _chance_of_spread(frames: Iterable[Mapping[str, _Cell]]) -> float:
    """How far chance spreads counted answers over frames, mean over decisions: twice the bound that no cell
    passes at LEVEL."""
    cells: dict[str, list[float]] = {}
    for each in frames:
        for key, cell in each.items():
            cells.setdefault(key, []).append(np.sqrt(cell.variance))
    shared = [
        max(errors) * norm.ppf(1 - LEVEL / 2 / len(errors)) for errors in cells.values() if len(errors) > 1
    ]
    return 2 * float(np.mean(shared)) if shared else 0.0


def _shifts(
    game: str,
    where: tuple[Rewording, str, str, tuple[str, ...]],
    cells: tuple[Mapping[str, _Cell], Mapping[str, _Cell]],
) -> list[Shift]:
    """A shift for each act between two frames, over the decisions that both asked.

    where   its fields `change`, `a`, `b` and `labels`
    """
    shared: dict[str, list[tuple[_Cell, _Cell]]] = {}
    for key, cell in cells[0].items():
        if key in cells[1]:
            shared.setdefault(cell.act, []).append((cell, cells[1][key]))
    out: list[Shift] = []
    for act, pairs in shared.items():
        p_a, p_b = (float(np.mean([each[side].p for each in pairs])) for side in range(2))
        variance = sum(cell.variance for each in pairs for cell in each) / len(pairs) ** 2
        out.append(Shift(game, act, *where, p_a, p_b, float(np.sqrt(variance))))
    return out


def _cells(records: Sequence[Record]) -> dict[str, _Cell]:
    """Cells by game and decision. Decisions without any legal answer are left out."""
    groups: dict[str, list[Record]] = {}
    for r in records:
        if r.choice is not None and r.choice.mass > 0:
            groups.setdefault(f"{r.game} {r.decision.key}", []).append(r)
    out: dict[str, _Cell] = {}
    for key, group in groups.items():
        p = [_rate(r) for r in group]
        variance = sum(_variance(r) for r in group) / len(group) ** 2
        out[key] = _Cell(_act(group[0]), float(np.mean(p)), variance)
    return out


def _act(r: Record) -> str:
    """The act whose rate is compared: 'C after C', 'accept after a low offer', 'share'."""
    d = r.decision
    name = d.actions[0]
    if len(d.actions) > MOST_ACTIONS and numeric_actions(d) is not None:
        name = "mean answer"
    if (here := state(d)) is not None:
        return f"{name} after {here.split(',')[1]}"
    where = situation(d)
    return name if where == "first move" else f"{name}, {where}"


def _rate(r: Record) -> float:
    """P(first action); on a longer menu of numbers the mean answer, as a share of the menu's range."""
    assert r.choice is not None
    numbers = numeric_actions(r.decision) if len(r.decision.actions) > MOST_ACTIONS else None
    if numbers is None or max(numbers) == min(numbers):
        return float(r.choice.p[0])
    return (float(r.choice.p @ numbers) - min(numbers)) / (max(numbers) - min(numbers))


def _variance(r: Record) -> float:
    """Sampling variance of a counted rate; of an exact rate 0.

    q (1 - q) (n + 2) / n^2 with q = (n p + 1) / (n + 2): Agresti & Caffo (2000, American Statistician 54:
    280-288) add an answer to either action, which shrinks differences by n / (n + 2); here the error is
    widened instead, so that it belongs to the rate that is shown.
    """
    if r.choice is None or r.choice.n is None:
        return 0.0
    n = max(1.0, r.choice.n * r.choice.mass)
    q = (_rate(r) * n + 1) / (n + 2)
    return q * (1 - q) * (n + 2) / n**2


def _order_error(records: Sequence[Record]) -> float:
    """Standard error of the order effect: the mean over records of P(shown first) - P(shown last), each with
    the variance of twice a rate."""
    answered = [r for r in records if r.choice is not None and r.choice.mass > 0]
    return 2 * float(np.sqrt(sum(map(_variance, answered)))) / max(1, len(answered))
