"""Homo economicus: own payoff and nothing else."""

from __future__ import annotations

from dataclasses import dataclass

from homines.core.types import Array, Decision
from homines.theory.utility_terms import OWN, Term, weigh


@dataclass(frozen=True)
class Economicus:
    """u = own."""

    def __call__(self, d: Decision) -> Array:
        return weigh(self.terms(d), d)

    def terms(self, d: Decision) -> tuple[Term, ...]:
        return (Term(OWN, 1.0, d.payoffs[0]),)
