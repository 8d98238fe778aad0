"""Social preferences with reciprocity."""

from __future__ import annotations

from dataclasses import dataclass

from homines.core.checks import number
from homines.core.types import Array, Decision
from homines.preferences.inequity import gaps
from homines.theory.utility_terms import AHEAD, BEHIND, OWN, Term, weigh


@dataclass(frozen=True)
class Bfs:
    """u = (1 - L) * own + L * other, with L = alpha * s + beta * r + gamma * q + delta * v;
    s = 1 where own < other, r = 1 where own > other, q = 1 after a kind act of the other's, v = 1 after an
    unkind one.

    Kindness is `Decision.kindness`. Averaged over the others where there are several.
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
        return weigh(self.terms(d), d)

    def terms(self, d: Decision) -> tuple[Term, ...]:
        behind, ahead = gaps(d)
        kind = self.gamma * (d.kindness > 0) + self.delta * (d.kindness < 0)
        return (
            Term(OWN, 1.0, d.payoffs[0]),
            Term(BEHIND, self.alpha + kind, behind),
            Term(AHEAD, -(self.beta + kind), ahead),
        )
