"""Linear altruism."""

from __future__ import annotations

from dataclasses import dataclass

from homines.core.checks import number
from homines.core.types import Array, Decision
from homines.theory.utility_terms import OTHERS, OWN, Term, weigh


@dataclass(frozen=True)
class Altruist:
    """u = own + weight * sum of the others' payoffs.

    weight 0 is homo economicus, 1 utilitarian, negative spiteful. Levine (1998), RED 1: 593,
    with the reciprocity term left out.
    """

    weight: float

    def __post_init__(self) -> None:
        number("weight", self.weight)

    def __call__(self, d: Decision) -> Array:
        return weigh(self.terms(d), d)

    def terms(self, d: Decision) -> tuple[Term, ...]:
        return Term(OWN, 1.0, d.payoffs[0]), Term(OTHERS, self.weight, d.payoffs[1:].sum(0))
