"""Memory-one strategies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from homines.core.checks import number
from homines.core.types import Choice, Decision, HominesError


@dataclass(frozen=True)
class MemoryOne:
    """Probability of playing the first action, C, given my last move and the other's.

    start            where one of us has not moved yet
    cc, cd, dc, dd   after (my last, the other's last)
    Tit for tat is (1, 1, 0, 1, 0); win-stay lose-shift (1, 1, 0, 0, 1), Nowak & Sigmund (1993),
    Nature 364: 56.
    """

    memory: ClassVar[int] = 1

    start: float
    cc: float
    cd: float
    dc: float
    dd: float

    def __post_init__(self) -> None:
        for name in ("start", "cc", "cd", "dc", "dd"):
            number(name, getattr(self, name), 0, 1)

    def __call__(self, ds: Sequence[Decision]) -> list[Choice]:
        return [first_with(self._probability(d)) for d in ds]

    def _probability(self, d: Decision) -> float:
        mine, other = last_moves(d)
        if mine is None or other is None:
            return self.start
        return ((self.cc, self.cd), (self.dc, self.dd))[mine][other]


def last_moves(d: Decision) -> tuple[int | None, int | None]:
    """My last action and the other's, as indices; None for who has not moved yet."""
    check_pair([d])

    def last(k: int) -> int | None:
        return next((stage[k] for stage in reversed(d.history) if stage[k] is not None), None)

    return last(d.player), last(1 - d.player)


def first_with(p: float) -> Choice:
    """The first of two actions with probability p."""
    return Choice.at([p, 1 - p])


def certain(index: int) -> Choice:
    """One of two actions for sure."""
    return first_with(1.0 - index)


def check_pair(ds: Sequence[Decision]) -> None:
    """Two players, two actions each, C (where one is called so) listed first."""
    for d in ds:
        sizes = [len(d.actions), *map(len, d.theirs)]
        if len(d.payoffs) != 2 or set(sizes) != {2}:
            raise HominesError(
                f"a decision of {len(d.payoffs)} players with {sizes} actions; this opponent plays "
                "games of two players with two actions each"
            )
        if any(names[1] == "C" for names in (d.actions, *d.theirs)):
            raise HominesError(
                f"actions {d.actions} put C second; this opponent takes the first action for "
                "cooperation: list C first"
            )
