"""Values of lotteries and of payments at a later time.

u(x) = (x^(1 - r) - 1) / (1 - r), ln x at r = 1      constant relative risk aversion, x > 0 (Pratt 1964)
V    = w(p) u(high) + (1 - w(p)) u(low)              rank-dependent, high >= low (Quiggin 1982)
w(p) = p^g / (p^g + (1 - p)^g)^(1 / g)               tversky-kahneman (1992)
w(p) = exp(-(-ln p)^g)                               prelec (1998)
V    = x at once, x beta delta^t after t years       quasi-hyperbolic (Phelps & Pollak 1968; Laibson 1997)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from homines.core.checks import number
from homines.core.types import Array, HominesError

Weighting = Literal["none", "tversky-kahneman", "prelec"]
WEIGHTINGS: tuple[Weighting, ...] = ("none", "tversky-kahneman", "prelec")
LOG = 1e-6
"""Distance of r from 1 within which utility is taken as the logarithm."""


@dataclass(frozen=True)
class Lottery:
    """`high` with probability p, else `low`; the same for sure where p is 1.

    Raises HominesError for amounts that are not above 0 (their utility has no bound from r = 1 on).
    """

    high: float
    low: float
    p: float

    def __post_init__(self) -> None:
        number("the probability of a lottery", self.p, 0, 1)
        for x in (self.high, self.low):
            number("an amount of a lottery", x, 0)
            if x == 0:
                raise HominesError("an amount of a lottery is 0; give one above 0, as 1")
        if self.low > self.high:
            raise HominesError(
                f"low {self.low:g} is above high {self.high:g}; exchange them, and p with 1 - p"
            )


@dataclass(frozen=True)
class Payment:
    """An amount after a time in years; 0: now."""

    amount: float
    years: float

    def __post_init__(self) -> None:
        number("an amount of a payment", self.amount, 0)
        number("a delay in years", self.years, 0)
        if self.amount == 0:
            raise HominesError("a payment is 0; give an amount above 0")


def crra(x: Array, r: float) -> Array:
    """Utility of amounts, 0 at 1."""
    if abs(r - 1) < LOG:
        return np.log(x)
    return np.expm1((1 - r) * np.log(x)) / (1 - r)


def weight(p: Array, g: float, form: Weighting) -> Array:
    """The decision weight of the better outcome; p itself at g = 1."""
    if form == "none":
        return p
    if form == "prelec":
        with np.errstate(divide="ignore"):
            return np.exp(-((-np.log(p)) ** g))
    raised, rest = p**g, (1 - p) ** g
    return raised / (raised + rest) ** (1 / g)


def lottery_values(
    high: Array, low: Array, p: Array, r: float, g: float = 1.0, form: Weighting = "none"
) -> Array:
    """V of lotteries, in units of u."""
    w = weight(p, g, form)
    return w * crra(high, r) + (1 - w) * crra(low, r)


def log_payment_values(amount: Array, years: Array, beta: float, delta: float) -> Array:
    """ln V of payments; delta is the factor of a year."""
    return np.log(amount) + np.where(years > 0, np.log(beta), 0.0) + years * np.log(delta)
