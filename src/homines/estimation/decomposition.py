"""What moves a choice: the log-odds of two acts as a sum over payoffs, words, places and last acts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from math import log, prod
from typing import Any, TypeAlias

import numpy as np
from scipy.stats import t as student

from homines.core.capabilities import labels_of, variant
from homines.core.registry import find, spell
from homines.core.types import Array, HominesError, Record
from homines.elicitation.metrics import answered_records, choices, group_by, is_sampled, mass

FACTORS = ("payoffs", "vocabulary", "label", "place", "own last act", "other's last act", "older acts")
"""Axes of a design: the game; the pair of words; which of the two stands for the first act; the order of the
options; and what was done before."""
ACT = "act"
"""The mean over the whole design: what goes to one act whatever the rest."""
MOST_ODDS = log(1e9)
"""Log-odds are cut to this: no choice tells a probability below 1e-9 from 0, and 0 has no log-odds."""
CERTAIN = 0.999
"""An answer with this probability or more is called certain."""
FEWEST = 5
"""Games, or pairs of words, from which there is an interval."""
FEWEST_CELLS = 8
"""Cells from which there is a decomposition."""
LEVEL = 0.95

Names: TypeAlias = tuple[str, ...]
"""What a term joins: ('label',), ('label', 'place'), ...; () is the act itself."""
_Cell: TypeAlias = tuple[Any, ...]


@dataclass(frozen=True)
class Share:
    """The part of the mean square of log-odds (or of 2p - 1) that a term has.

    names      (('label', 'place'),), and several where the design cannot tell them apart
    value      in [0, 1]; None: not told apart, `reason` says from what
    low, high  interval of LEVEL, as `Decomposition.units` says of what; None where it has none
    """

    names: tuple[Names, ...]
    value: float | None
    low: float | None = None
    high: float | None = None
    reason: str = ""

    @property
    def name(self) -> str:
        """'label', 'label × place', 'act or payoffs'."""
        return " or ".join(" × ".join(parts) or ACT for parts in self.names)

    @property
    def order(self) -> int:
        """The number of parts: 0 of the act, 1 of a factor, more of an interaction."""
        return min(map(len, self.names))

    @property
    def rank(self) -> int:
        """The place of the first of its names among mains, as FACTORS has them."""
        return -1 if not self.names[0] else FACTORS.index(self.names[0][0])


@dataclass(frozen=True, eq=False)
class Decomposition:
    """The log-odds of the first act against the second over a design in which every level meets every other.

    With y the log-odds in a cell and S a set of factors, y = sum over S of e_S, where e_S averages over the
    factors outside S and deviates over those inside. The e_S are orthogonal in a crossed design, so that
    mean(y^2) = sum over S of mean(e_S^2): a share is one of these over the whole. The whole is taken about
    even odds, y = 0, and not about the mean of y: only so are shares the same whether odds are of an act, of
    a word or of a place, which differ by a sign in some cells.

    frame    the frame's spec without its labels
    actions  names of the two acts
    levels   the levels of each factor that the design has
    y        log-odds, an axis a factor of `levels`
    legal    mean legal mass of the cells
    left     answers that are left out, as the design without them is crossed; `dropped` names their levels
    """

    model: str
    frame: str
    actions: tuple[str, ...]
    levels: Mapping[str, tuple[Any, ...]]
    y: Array
    legal: float
    left: int = 0
    dropped: tuple[str, ...] = ()

    @property
    def certain(self) -> float:
        """The share of cells with a certain answer: there differences of log-odds change no choice."""
        return float(np.mean(np.abs(self.y) >= log(CERTAIN / (1 - CERTAIN))))

    @property
    def strength(self) -> float:
        """The root mean square of the log-odds, in nats."""
        return float(np.sqrt(np.mean(self.y**2)))

    @property
    def units(self) -> tuple[str, ...]:
        """What intervals are over: of 'payoffs' (games) and 'vocabulary' (pairs of words) those with FEWEST
        levels or more; others are taken as they are."""
        return tuple(f for f in FACTORS[:2] if len(self.levels.get(f, ())) >= FEWEST)

    @property
    def single(self) -> tuple[str, ...]:
        """Factors of one level: nothing tells their terms from those without them."""
        return tuple(f for f, levels in self.levels.items() if len(levels) == 1)

    @cached_property
    def odds(self) -> tuple[Share, ...]:
        """Shares of the log-odds, which add up to one; terms that are not told apart beside them."""
        return self._shares(self.y)

    @cached_property
    def chosen(self) -> tuple[Share, ...]:
        """The same of 2p - 1 = tanh(y/2), which is bounded: what moves the choice itself. It stays readable
        where answers are certain; but acts that add up in log-odds interact here."""
        return self._shares(np.tanh(self.y / 2))

    def _shares(self, y: Array) -> tuple[Share, ...]:
        """Mains by FACTORS, what is not told apart, interactions by size. Empty where y is 0 throughout."""
        values = self._values(y)
        if not values:
            return ()
        halves = self._halves(y, values)
        out: list[Share] = []
        for names, value in values.items():
            half = halves.get(names)
            ends = (None, None) if half is None else (max(0.0, value - half), min(1.0, value + half))
            out.append(Share(names, value, *ends))
        mains = sorted((s for s in out if s.order < 2), key=lambda s: s.rank)
        told = {s.names[0] for s in mains if len(s.names) == 1}
        untold = [
            Share((names,), None, reason=self._reason(names)) for names in self._untold() if names not in told
        ]
        rest = sorted((s for s in out if s.order > 1), key=lambda s: -(s.value or 0.0))
        return (*mains, *untold, *rest)

    def _untold(self) -> list[Names]:
        """Mains that stand in a group with others."""
        groups = {self._group(s) for s in self._sets()}
        grouped = {names for group in groups if len(group) > 1 for names in group}
        return [names for names in ((), *((f,) for f in FACTORS)) if names in grouped]

    def _reason(self, names: Names) -> str:
        """Why the design tells a main from nothing."""
        if names and names[0] in self.single:
            level = (
                "one way round" if names[0] == "label" else f"with {_level(self.levels[names[0]][0])} alone"
            )
            return f"asked {level}"
        return f"{' and '.join(self.single)} asked with one level"

    def _sets(self) -> list[frozenset[str]]:
        """Every set of factors that vary."""
        free = [f for f in self.levels if f not in self.single]
        return [frozenset(s) for k in range(len(free) + 1) for s in combinations(free, k)]

    def _group(self, s: frozenset[str]) -> tuple[Names, ...]:
        """Names of a set of factors and of those that the design cannot tell from it, of no more parts."""
        own = _names(s)
        every = dict.fromkeys(
            _names(s | set(more))
            for k in range(len(self.single) + 1)
            for more in combinations(self.single, k)
        )
        return tuple(n for n in every if len(n) <= max(1, len(own)))

    def _values(self, y: Array) -> dict[tuple[Names, ...], float]:
        """Shares by group of names. Empty where y is 0 throughout."""
        squares, total = _squares(y), float(np.mean(y**2))
        if total < 1e-18:
            return {}
        axes = list(self.levels)
        out: dict[tuple[Names, ...], float] = {}
        for s in self._sets():
            group = self._group(s)
            out[group] = out.get(group, 0.0) + float(squares[tuple(int(f in s) for f in axes)]) / total
        return out

    def _halves(self, y: Array, whole: Mapping[tuple[Names, ...], float]) -> dict[tuple[Names, ...], float]:
        """Half widths of intervals by the jackknife: t sqrt(sum over units of (n-1)/n sum_i (share without
        level i - their mean)^2), t of Student with the fewest levels less one. Empty without units."""
        variance = dict.fromkeys(whole, 0.0)
        for unit in self.units:
            axis, n = list(self.levels).index(unit), len(self.levels[unit])
            without = [self._values(np.delete(y, i, axis)) for i in range(n)]
            for group in whole:
                each = np.array([x.get(group, 0.0) for x in without])
                variance[group] += (n - 1) / n * float(np.sum((each - each.mean()) ** 2))
        if not self.units:
            return {}
        fewest = min(len(self.levels[unit]) for unit in self.units)
        factor = float(student.ppf((1 + LEVEL) / 2, fewest - 1))
        return {group: factor * v**0.5 for group, v in variance.items()}


def _names(s: frozenset[str]) -> Names:
    """The parts of a term, in the order of FACTORS. A word is one of a pair, and its effect may differ from
    pair to pair: with 'label' the vocabulary is no part of its own."""
    return tuple(f for f in FACTORS if f in s and not (f == "vocabulary" and "label" in s))


def _squares(y: Array) -> Array:
    """mean(e_S^2) for every set S of axes, an axis of length 2 each: 0 averaged over, 1 deviated.

    Each axis is turned into an orthonormal basis whose first vector is constant; the squares of all others
    are summed.
    """
    z = y
    for axis, n in enumerate(y.shape):
        z = np.moveaxis(np.tensordot(_basis(n), z, (1, axis)), 0, axis)
    z = z**2 / y.size
    for axis in range(y.ndim):
        parts = [z.take([0], axis), z.take(range(1, z.shape[axis]), axis).sum(axis, keepdims=True)]
        z = np.concatenate(parts, axis)
    return z


def _basis(n: int) -> Array:
    """An orthonormal basis of n dimensions, its vectors the rows, the first one constant (Helmert)."""
    rows = [np.full(n, n**-0.5)]
    for k in range(1, n):
        row = np.zeros(n)
        row[:k], row[k] = 1.0, -k
        rows.append(row / (k * (k + 1)) ** 0.5)
    return np.array(rows)


# --- from records ---------------------------------------------------------------------------------


def decompositions(records: Iterable[Record]) -> list[Decomposition]:
    """A decomposition for each model, frame (whatever its labels) and pair of acts.

    Read are exact answers to choices between two acts, given a legal answer; counted ones are left out, as
    their log-odds have an error of their own and no value where an act never came. Where the design is not
    crossed, the level of which most cells lack is left out, again and again, until it is. Of fewer than
    FEWEST_CELLS cells there is none.
    """
    exact = [r for r, _ in answered_records(choices(records)) if len(r.labels) == 2 and not is_sampled(r)]
    groups: dict[tuple[str, str, tuple[str, ...]], list[Record]] = {}
    for (model, frame), group in group_by(exact, "model", "frame").items():
        plain = _plain(frame)
        for r in group:
            groups.setdefault((model, plain, r.decision.actions), []).append(r)
    made = (_decomposition(*which, group) for which, group in groups.items())
    return [d for d in made if d is not None]


def _plain(spec: str) -> str:
    """The spec of a frame without its labels; the spec itself of a frame without labels or not known here."""
    try:
        frame = find("frames", spec)
        return spell(variant(frame, labels=())) if labels_of(frame) else spec
    except (HominesError, LookupError, TypeError, ValueError):
        return spec


def _decomposition(
    model: str, frame: str, actions: tuple[str, ...], records: Sequence[Record]
) -> Decomposition | None:
    cells: dict[_Cell, list[Record]] = {}
    for r in records:
        cells.setdefault(_cell(r), []).append(r)
    kept, dropped = _crossed(cells)
    levels = {
        f: tuple(sorted({cell[i] for cell in kept}, key=repr))
        for i, f in enumerate(FACTORS)
        if {cell[i] for cell in kept} != {None}
    }
    if len(kept) < FEWEST_CELLS:
        return None
    axes = [FACTORS.index(f) for f in levels]
    y = np.empty([len(x) for x in levels.values()])
    for cell in kept:
        where = tuple(levels[FACTORS[i]].index(cell[i]) for i in axes)
        y[where] = np.mean([_log_odds(r) for r in cells[cell]])
    inside = [r for cell in kept for r in cells[cell]]
    return Decomposition(
        model, frame, actions, levels, y, float(mass(inside) or 0.0), len(records) - len(inside), dropped
    )


def _cell(r: Record) -> _Cell:
    """The levels of a record, in the order of FACTORS; None where a factor has no meaning."""
    d = r.decision
    words = tuple(sorted(r.labels))
    last = d.history[-1] if d.history else ()
    mine = last[d.player] if d.player < len(last) else None
    others = tuple(a for k, a in enumerate(last) if k != d.player)
    return (
        r.game if not d.player else f"{r.game}, player {d.player}",
        words,
        r.labels[0] == words[0],
        r.order,
        mine,
        (others[0] if len(others) == 1 else others) if any(a is not None for a in others) else None,
        d.history[:-1] or None,
    )


def _log_odds(r: Record) -> float:
    assert r.choice is not None
    with np.errstate(invalid="ignore"):
        return float(np.clip(r.choice.logp[0] - r.choice.logp[1], -MOST_ODDS, MOST_ODDS))


def _crossed(cells: Iterable[_Cell]) -> tuple[list[_Cell], tuple[str, ...]]:
    """The cells of a design in which every level meets every other, and the levels that were left out."""
    kept, dropped = list(cells), list[str]()
    while kept:
        have = [Counter(cell[i] for cell in kept) for i in range(len(FACTORS))]
        full = prod(map(len, have))
        if full == len(kept):
            break
        lacks = [
            (1 - n * len(levels) / full, i, level)
            for i, levels in enumerate(have)
            for level, n in levels.items()
            if len(levels) > 1
        ]
        _, i, worst = max(lacks, key=lambda lack: lack[0])
        kept = [cell for cell in kept if cell[i] != worst]
        dropped.append(f"{FACTORS[i]} {_level(worst)}")
    return kept, tuple(dropped)


def _level(level: Any) -> str:
    """A level for a reader: 'ipd', 'X/Y', '...'."""
    if isinstance(level, tuple):
        return "/".join(map(str, level)) or "in no known order"
    return "none" if level is None else str(level)
