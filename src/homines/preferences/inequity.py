"""Inequity aversion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from homines.core.checks import number
from homines.core.types import Array, Decision
from homines.theory.utility_terms import AHEAD, BEHIND, OWN, Term, weigh


@dataclass(frozen=True)
class Inequity:
    """u = own - alpha * mean_j max(0, other_j - own) - beta * mean_j max(0, own - other_j).

    alpha   weight of behindness, in utility per unit of payoff; negative: behindness pleases
    beta    weight of aheadness
    Means are over the other players. Fehr & Schmidt (1999), QJE 114: 817, who require
    0 <= beta < 1 and beta <= alpha; estimates do not, so neither does this.
    """

    alpha: float
    beta: float

    def __post_init__(self) -> None:
        number("alpha", self.alpha)
        number("beta", self.beta)

    def __call__(self, d: Decision) -> Array:
        return weigh(self.terms(d), d)

    def terms(self, d: Decision) -> tuple[Term, ...]:
        behind, ahead = gaps(d)
        return (
            Term(OWN, 1.0, d.payoffs[0]),
            Term(BEHIND, -self.alpha, behind),
            Term(AHEAD, -self.beta, ahead),
        )


def gaps(d: Decision) -> tuple[Array, Array]:
    """Behindness and aheadness, averaged over the others; each of shape d.payoffs.shape[1:]."""
    lead = d.payoffs[:1] - d.payoffs[1:]
    others = max(1, len(lead))  # alone, nobody is behind or ahead
    return np.maximum(-lead, 0).sum(0) / others, np.maximum(lead, 0).sum(0) / others
