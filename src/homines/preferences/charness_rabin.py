"""Social-welfare, competitive and difference-averse preferences in one line."""

from __future__ import annotations

from dataclasses import dataclass

from homines.core.checks import number
from homines.core.types import Array, Decision
from homines.preferences.inequity import Inequity
from homines.theory.utility_terms import Term, weigh


@dataclass(frozen=True)
class CharnessRabin:
    """u = (1 - w) * own + w * other, with w = rho where own > other and sigma where own < other.

    rho     weight on the other when I am ahead
    sigma   weight on the other when I am behind
    Averaged over the others where there are several. It is inequity aversion with
    alpha = -sigma, beta = rho, written as a weight. Reciprocity (theta) is left out.
    Charness & Rabin (2002), QJE 117: 817.
    """

    rho: float
    sigma: float

    def __post_init__(self) -> None:
        number("rho", self.rho)
        number("sigma", self.sigma)

    def __call__(self, d: Decision) -> Array:
        return weigh(self.terms(d), d)

    def terms(self, d: Decision) -> tuple[Term, ...]:
        return Inequity(alpha=-self.sigma, beta=self.rho).terms(d)
