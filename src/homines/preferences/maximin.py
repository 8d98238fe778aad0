"""Maximin: the payoff of whoever gets least."""

from __future__ import annotations

from dataclasses import dataclass

from homines.core.types import Array, Decision
from homines.theory.utility_terms import LEAST, Term, weigh


@dataclass(frozen=True)
class Maximin:
    """u = min over everyone's payoff, mine included. Rawls (1971), A Theory of Justice."""

    def __call__(self, d: Decision) -> Array:
        return weigh(self.terms(d), d)

    def terms(self, d: Decision) -> tuple[Term, ...]:
        return (Term(LEAST, 1.0, d.payoffs.min(0)),)
