"""Homo moralis: own payoff, and own payoff if everyone did the same."""

from __future__ import annotations

from dataclasses import dataclass

from homines.core.checks import number
from homines.core.types import Array, Decision, NeedsVeil
from homines.theory.utility_terms import OWN, SAME, Term, weigh


@dataclass(frozen=True)
class Moralis:
    """u(x, y) = (1 - kappa) * pi(x, y) + kappa * pi(x, x).

    kappa in [0, 1], the degree of universalisability: 0 is homo economicus, 1 homo kantiensis.
    Needs a symmetric game, or any two-player game behind `veil()`.
    Alger & Weibull (2013), Econometrica 81: 2269.
    """

    kappa: float = 0.5

    def __post_init__(self) -> None:
        number("kappa", self.kappa, 0, 1)

    def __call__(self, d: Decision) -> Array:
        return weigh(self.terms(d), d)

    def terms(self, d: Decision) -> tuple[Term, ...]:
        return Term(OWN, 1 - self.kappa, d.payoffs[0]), Term(SAME, self.kappa, universalised(d))


def universalised(d: Decision) -> Array:
    """pi(x, x): my payoff if everyone in my place did as I do.

    Shape [mine, 1, ..., chance], to be broadcast against an utility [mine, other1, ..., chance].
    """
    if d.same is None:
        raise NeedsVeil(
            f"universalising the decision between {', '.join(d.actions)} needs a symmetric game "
            "(`same` is None): put the game behind veil(), where each role is equally likely"
        )
    return d.same.reshape(len(d.actions), *(1 for _ in d.theirs), *d.same.shape[1:])
