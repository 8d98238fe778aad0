"""Homo moralis under assortment: equilibria of two types in a two-action game, and who invades whom.

Alger & Weibull (2013), Econometrica 81: 2269. Agents are matched in pairs, with assortment sigma, and know
their own type but not the other's. A resident type theta and a share epsilon of mutants tau play a Bayesian
Nash equilibrium

    x in argmax_x'  Pr(theta | theta) u_theta(x', x) + Pr(tau | theta) u_theta(x', y)
    y in argmax_y'  Pr(theta | tau) u_tau(y', x) + Pr(tau | tau) u_tau(y', y)

and what counts is what they earn in pi. **Theorem 1 there**: homo moralis with kappa = sigma is
evolutionarily stable against every type that does not behave as it does, where its best reply to each of its
own equilibria is unique; a type whose only equilibrium behaviour differs from it is unstable, where all types
are possible.

Here a strategy x is the probability of the first action, and u_kappa(x, y) = (1 - kappa) pi(x, y) + kappa
pi(x, x) with pi(x, y) = P + a x + b y + c x y, a = S - P, b = T - P, c = R - S - T + P. The marginal utility
of x against a mean m of the other's strategy is

    a + kappa b + (1 - kappa) c m + 2 kappa c x.

For c < 0 utility is concave in x, and all equilibria are closed-form. For c = 0 one action is dominant. For c
> 0 there can be several equilibria, of which nothing is said here (NotDefined).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from homines.core.checks import number
from homines.core.types import Array, HominesError, NotDefined, frozen
from homines.theory.game_forms import NormalForm

TOLERANCE = 1e-9


@dataclass(frozen=True)
class MixedGame:
    """pi(x, y) = base + a x + b y + c x y, x and y the probabilities of the first action."""

    base: float
    a: float
    b: float
    c: float

    @classmethod
    def of(cls, stage: NormalForm) -> MixedGame:
        """The mixed extension of a symmetric game with two actions.

        Raises HominesError for another game, NotDefined where c > 0.
        """
        if not stage.symmetric or stage.table.shape[1:] != (2, 2):
            raise HominesError("the closed form is of symmetric two-player games with two actions each")
        (r, s), (t, p) = stage.table[0]
        return cls(float(p), float(s - p), float(t - p), float(r - s - t + p))

    def __post_init__(self) -> None:
        if self.c > TOLERANCE * self._unit:
            raise NotDefined(
                "in this game an act is worth more the more the other does the same (R + P > S + T), so "
                "that a population of homo moralis can have several equilibria, and the closed form tells "
                "none"
            )

    @property
    def _unit(self) -> float:
        return max(abs(self.a), abs(self.b), abs(self.c)) or 1.0

    @property
    def _bilinear(self) -> float:
        """c, 0 where it is so but for rounding."""
        return self.c if self.c < -TOLERANCE * self._unit else 0.0

    def payoff(self, x: float, y: float) -> float:
        return self.base + self.a * x + self.b * y + self.c * x * y

    def utility(self, kappa: float, x: float, y: float) -> float:
        """(1 - kappa) pi(x, y) + kappa pi(x, x)."""
        return (1 - kappa) * self.payoff(x, y) + kappa * self.payoff(x, x)

    def alone(self, kappa: float) -> float:
        """The only x that homo moralis plays among its like. Raises NotDefined where every x is one."""
        number("kappa", kappa, 0, 1)
        return self._solve(self.a + kappa * self.b, (1 + kappa) * self._bilinear, kappa)

    def rare(self, kappa: float, resident: float, sigma: float) -> float:
        """What a rare mutant of this kappa plays among residents who play `resident`."""
        c = self._bilinear
        fixed = self.a + kappa * self.b + (1 - kappa) * c * (1 - sigma) * resident
        return self._solve(fixed, ((1 - kappa) * sigma + 2 * kappa) * c, kappa)

    def advantage(self, resident: float, mutant: float, sigma: float) -> float:
        """What a rare mutant earns by `mutant` less what residents earn by `resident`.

        sigma pi(y, y) + (1 - sigma) pi(y, x) - pi(x, x) = u_sigma(y, x) - u_sigma(x, x): a mutant earns less
        exactly where homo moralis with kappa = sigma would rather do as residents do. This is the theorem's
        core.
        """
        return self.utility(sigma, mutant, resident) - self.payoff(resident, resident)

    def invades(self, resident: float, mutant: float, sigma: float) -> float:
        """The advantage of a rare mutant of one kappa among residents of another, in equilibrium."""
        x = self.alone(resident)
        return self.advantage(x, self.rare(mutant, x, sigma), sigma)

    def _solve(self, fixed: float, slope: float, kappa: float) -> float:
        """The x in [0, 1] with fixed + slope x = 0, or the end to which the sign leads; slope <= 0."""
        edge = TOLERANCE * self._unit
        if slope < -edge:
            return float(np.clip(-fixed / slope, 0.0, 1.0))
        if abs(fixed) <= edge:
            raise NotDefined(f"homo moralis with kappa = {kappa:g} is as glad of either action in this game")
        return float(fixed > 0)

    def equilibria(
        self, kappas: tuple[float, float], sigma: float, epsilon: float
    ) -> list[tuple[float, float]]:
        """Every Bayesian Nash equilibrium (x, y) of residents of one kappa and a share epsilon of mutants.

        kappas   of residents and of mutants

        Each strategy is 0, 1 or inside, nine cases, of which each is a linear system. A case that holds on a
        continuum is left out: there the two kinds of mixture earn alike.
        """
        same = sigma + (1 - sigma) * np.array([1 - epsilon, epsilon])  # Pr(own kind | own kind)
        meets = np.array([[same[0], 1 - same[0]], [1 - same[1], same[1]]])
        k, c = np.asarray(kappas), self._bilinear
        fixed = self.a + k * self.b
        slopes = c * ((1 - k)[:, None] * meets + 2 * np.diag(k))  # marginal utility: fixed + slopes @ (x, y)
        edge = TOLERANCE * self._unit
        found: list[tuple[float, float]] = []
        for case in product((0.0, 1.0, None), repeat=2):
            z = np.array([0.0 if x is None else x for x in case])
            inner = [i for i, x in enumerate(case) if x is None]
            if inner:
                system = slopes[np.ix_(inner, inner)]
                if abs(np.linalg.det(system)) < TOLERANCE * self._unit ** len(inner):
                    continue
                z[inner] = np.linalg.solve(system, -(fixed + slopes @ z)[inner])
            marginal = fixed + slopes @ z
            best = [
                (x is None and 0 < z[i] < 1)
                or (x == 0 and marginal[i] <= edge)
                or (x == 1 and marginal[i] >= -edge)
                for i, x in enumerate(case)
            ]
            if all(best):
                found.append((float(z[0]), float(z[1])))
        return found

    def earnings(self, play: tuple[float, float], sigma: float, epsilon: float) -> tuple[float, float]:
        """What residents and mutants earn in pi where they play (x, y)."""
        x, y = play
        own, other = sigma + (1 - sigma) * (1 - epsilon), sigma + (1 - sigma) * epsilon
        return (
            own * self.payoff(x, x) + (1 - own) * self.payoff(x, y),
            other * self.payoff(y, y) + (1 - other) * self.payoff(y, x),
        )


def who_invades(game: MixedGame, kappas: Sequence[float], sigma: float) -> Array:
    """The advantage of a rare mutant, shape [resident, mutant]; nan where a type has no one equilibrium."""
    number("sigma", sigma, 0, 1)
    out = np.full((len(kappas), len(kappas)), np.nan)
    for i, resident in enumerate(kappas):
        for j, mutant in enumerate(kappas):
            try:
                out[i, j] = game.invades(resident, mutant, sigma)
            except NotDefined:
                continue
    return frozen(out)
