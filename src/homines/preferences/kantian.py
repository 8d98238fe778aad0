"""Inequity aversion (alpha, beta) together with the weight kappa of homo moralis."""

from __future__ import annotations

from dataclasses import dataclass

from homines.core.checks import number
from homines.core.types import Array, Decision
from homines.preferences.inequity import gaps
from homines.preferences.moralis import universalised
from homines.theory.utility_terms import AHEAD, BEHIND, OWN, SAME, Term, weigh


@dataclass(frozen=True)
class Kantian:
    """u = (1 - kappa) pi(x, y) + kappa pi(x, x) - alpha behind(x, y) - beta ahead(x, y).

    behind(x, y) = max(0, other - own) and ahead(x, y) = max(0, own - other) when I play x and the
    other y, averaged over the others where there are several; kappa does not scale them.
    alpha   weight of behindness
    beta    weight of aheadness
    kappa   degree of universalisability, in [0, 1]
    Needs a symmetric game, or any two-player game behind `veil()`.
    van Leeuwen & Alger (2024), JPE Microeconomics 2: 665.
    """

    alpha: float
    beta: float
    kappa: float

    def __post_init__(self) -> None:
        number("alpha", self.alpha)
        number("beta", self.beta)
        number("kappa", self.kappa, 0, 1)

    def __call__(self, d: Decision) -> Array:
        return weigh(self.terms(d), d)

    def terms(self, d: Decision) -> tuple[Term, ...]:
        behind, ahead = gaps(d)
        return (
            Term(OWN, 1 - self.kappa, d.payoffs[0]),
            Term(SAME, self.kappa, universalised(d)),
            Term(BEHIND, -self.alpha, behind),
            Term(AHEAD, -self.beta, ahead),
        )
