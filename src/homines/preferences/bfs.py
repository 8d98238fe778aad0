"""Social preferences with reciprocity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from homines.check import number
from homines.core import Array, Decision


@dataclass(frozen=True)
class Bfs:
    """u = (1 - L) * own + L * other, with L = alpha * s + beta * r + gamma * q + delta * v.

    s = 1 where own < other and r = 1 where own > other; q = 1 after a kind act of the other's and v = 1 after
    an unkind one (`Decision.kindness`). Averaged over the others where there are several.
    alpha   weight on the other when I am behind: of the opposite sign to Fehr & Schmidt's
    beta    weight on the other when I am ahead
    gamma   added after kindness: positive reciprocity
    delta   added after unkindness; negative: negative reciprocity
    Bruhin, Fehr & Schunk (2019), JEEA 17: 1025.
    """

    alpha: float
    beta: float
    gamma: float = 0.0
    delta: float = 0.0

    def __post_init__(self) -> None:
        for name in ("alpha", "beta", "gamma", "delta"):
            number(name, getattr(self, name))

    def __call__(self, d: Decision) -> Array:
        if len(d.payoffs) < 2:
            return d.payoffs[0]
        own, lead = d.payoffs[0], d.payoffs[0] - d.payoffs[1:]
        kind = self.gamma * (d.kindness > 0) + self.delta * (d.kindness < 0)
        weight = np.where(lead < 0, self.alpha, 0.0) + np.where(lead > 0, self.beta, 0.0) + kind
        return own - (weight * lead).mean(0)
