"""Factors in turn, so that none tells another: every row gets the combination used least so far.

Minimisation (Taves 1974; Pocock & Simon 1975). A full factorial of labels, places, frames, stakes and ways of
asking has more cells than a small data set has rows; this keeps all pairs of factors even in any number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np


class Turns:
    """Counts of every pair of levels so far. rng: decides between levels used equally often."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.together: Counter[tuple[Hashable, ...]] = Counter()

    def take(self, factors: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
        """A level of every factor, chosen one factor after another: the level that came least often with the
        first factor's, then least often with all those chosen. A level that is named twice comes twice as
        often."""
        row: dict[str, Any] = {}
        for factor, levels in factors.items():
            used = [
                tuple(n / levels.count(level) for n in self._used(row, factor, level)) for level in levels
            ]
            least = [level for level, n in zip(levels, used, strict=True) if n == min(used)]
            row[factor] = least[int(self.rng.integers(len(least)))]
        chosen = list(row.items())
        self.together.update((*a, *b) for i, b in enumerate(chosen) for a in chosen[:i])
        return row

    def _used(self, row: Mapping[str, Hashable], factor: str, level: Hashable) -> tuple[int, int]:
        """How often a level came with the first factor's level; with every level of the row, summed."""
        times = [self.together[chosen, other, factor, level] for chosen, other in row.items()]
        return (times[0] if times else 0), sum(times)
