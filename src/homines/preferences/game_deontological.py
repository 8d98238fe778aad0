"""Own payoff less a penalty for forbidden actions."""

from __future__ import annotations

from dataclasses import dataclass

from homines.core.checks import number
from homines.core.types import Array, Decision
from homines.preferences.deontological import forbidden, spec_of
from homines.theory.utility_terms import FORBIDDEN, OWN, Term, weigh


@dataclass(frozen=True)
class GameDeontological:
    """u = own - penalty where the rule forbids my action (penalty * degree, where it forbids by degrees).

    rule      a name from deontological.RULES, a Rule itself, or, where it is typed, 'module:object'
    penalty   at least 0, in utility
    Tennant et al. (2025), reward `Game+De`, xi = 3.
    """

    rule: str = "betrayal"
    penalty: float = 3.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "rule", spec_of(self.rule))
        number("penalty", self.penalty, 0)

    def __call__(self, d: Decision) -> Array:
        return weigh(self.terms(d), d)

    def terms(self, d: Decision) -> tuple[Term, ...]:
        return (
            Term(OWN, 1.0, d.payoffs[0]),
            Term(FORBIDDEN, -self.penalty, forbidden(self.rule, d)),
        )
