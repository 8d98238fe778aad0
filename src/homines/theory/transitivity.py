"""Transitivity of choice probabilities: triples in a circle, and stochastic transitivity.

For P(i, j) >= 1/2 and P(j, k) >= 1/2:

    weak       P(i, k) >= 1/2
    moderate   P(i, k) >= min(P(i, j), P(j, k))
    strong     P(i, k) >= max(P(i, j), P(j, k)); every scale u with P(i, j) = F(u_i - u_j) has it

A triple breaks weak transitivity if and only if its majorities form a circle. Block & Marschak (1960);
Tversky (1969), "Intransitivity of preferences", Psychological Review 76.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from homines.core.types import Array

EVEN = 1e-9
"""Distance from 1/2 under which a pair is even."""
CIRCLES_BY_CHANCE = 0.25
"""Share of circles where every majority is a coin's."""


@dataclass(frozen=True)
class Transitivity:
    """Triples of which every pair was asked.

    triples   without an even pair; even: with one, in none of the counts below
    weak, moderate, strong   how many triples break each; weak: circles
    circle    one of them, most preferred first (i over j over k over i); None without one
    """

    triples: int
    even: int
    weak: int
    moderate: int
    strong: int
    circle: tuple[int, int, int] | None

    def share(self, name: str) -> float | None:
        """The share of triples that break weak, moderate or strong transitivity; None without a triple."""
        return getattr(self, name) / self.triples if self.triples else None


def transitivity(p: Array) -> Transitivity:
    """Count what every triple breaks. p[i, j]: P(i over j), nan where the pair was not asked."""
    n = len(p)
    i, j, k = (x.ravel() for x in np.meshgrid(*[np.arange(n)] * 3, indexing="ij"))
    ordered = (i < j) & (j < k)
    i, j, k = i[ordered], j[ordered], k[ordered]
    legs = np.stack([p[i, j], p[j, k], p[k, i]], axis=1)  # around the triple
    asked = np.isfinite(legs).all(1)
    legs, vertices = legs[asked], np.stack([i, j, k], axis=1)[asked]
    even = (np.abs(legs - 0.5) < EVEN).any(1)
    legs, vertices = legs[~even], vertices[~even]
    forward = (legs > 0.5).sum(1)
    circles = (forward == 0) | (forward == 3)
    # around a triple without a circle two legs go one way and the third, from top to bottom, the other
    strength = np.maximum(legs, 1 - legs)
    alone = np.argmin(np.where((forward == 2)[:, None], legs, 1 - legs), axis=1) if len(legs) else forward
    long = strength[np.arange(len(legs)), alone]
    short = np.sort(np.where(np.arange(3) == alone[:, None], np.nan, strength), axis=1)[:, :2]
    moderate = circles | (long < short[:, 0] - EVEN)
    strong = circles | (long < short[:, 1] - EVEN)
    found = None
    if circles.any():
        at = int(np.flatnonzero(circles)[0])
        a, b, c = (int(x) for x in vertices[at])
        found = (a, b, c) if forward[at] == 3 else (a, c, b)
    return Transitivity(
        len(legs), int(even.sum()), int(circles.sum()), int(moderate.sum()), int(strong.sum()), found
    )
