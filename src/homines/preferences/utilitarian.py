"""Utilitarian: the sum of payoffs."""

from __future__ import annotations

from dataclasses import dataclass

from homines.core.types import Array, Decision
from homines.theory.utility_terms import TOTAL, Term, weigh


@dataclass(frozen=True)
class Utilitarian:
    """u = sum of everyone's payoff, mine included. Tennant et al. (2025), reward `Ut`."""

    def __call__(self, d: Decision) -> Array:
        return weigh(self.terms(d), d)

    def terms(self, d: Decision) -> tuple[Term, ...]:
        return (Term(TOTAL, 1.0, d.payoffs.sum(0)),)
