"""A market of firms that set prices: logit demand, Nash equilibrium, cartel, and homo moralis between them.

    q_i = B exp((a_i - p_i / s) / mu) / (sum_j exp((a_j - p_j / s) / mu) + exp(a_0 / mu))
    profit_i = (p_i - s c_i) q_i        consumers' surplus = B s mu ln(sum_j exp(...) + exp(a_0 / mu))

Calvano, Calzolari, Denicolo & Pastorello (2020), American Economic Review 110: 3267, where s = B = 1; Fish,
Gonczarowski & Shorrer (2024) add the units s of prices and B of quantities. Consumers' surplus is in units of
price times quantity, up to a constant (the outside good's own surplus is left in).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import cast

import numpy as np
from numpy.typing import ArrayLike

from homines.core.checks import count, number
from homines.core.types import Array, HominesError, frozen

HIGHEST = 200.0
"""Largest markup in the search, in units of mu: beyond it demand is 0 in float64."""


@dataclass(frozen=True)
class Market:
    """Firms with logit demand.

    quality, cost   a_i and c_i [firm]; `outside`: a_0
    mu              how differentiated the goods are
    size, scale     B and s: units of quantity and of price
    """

    quality: tuple[float, ...] = (2.0, 2.0)
    cost: tuple[float, ...] = (1.0, 1.0)
    outside: float = 0.0
    mu: float = 0.25
    size: float = 1.0
    scale: float = 1.0

    def __post_init__(self) -> None:
        count("firms", len(self.quality), 1)
        if len(self.cost) != len(self.quality):
            raise HominesError(f"{len(self.cost)} costs for {len(self.quality)} firms; give one a firm")
        for value in self.quality:
            number("quality", value)
        for value in self.cost:
            number("cost", value, 0)
        number("outside", self.outside)
        for name in ("mu", "size", "scale"):
            number(name, getattr(self, name), 0)
            if getattr(self, name) == 0:
                raise HominesError(f"{name} is 0; it must be above 0")

    @property
    def firms(self) -> int:
        return len(self.quality)

    @property
    def symmetric(self) -> bool:
        """No firm differs from another."""
        return len(set(self.quality)) == 1 == len(set(self.cost))

    @property
    def _of_one_customer(self) -> Market:
        """This market at size 1: size moves no price."""
        return replace(self, quality=tuple(self.quality), cost=tuple(self.cost), size=1.0)

    # --- what prices lead to; prices [..., firm] -------------------------------------------------

    def _utility(self, prices: ArrayLike) -> Array:
        """Of every good over mu, the outside good last [..., firm + 1]."""
        p = np.asarray(prices, dtype=np.float64) / self.scale
        inside = (np.array(self.quality) - p) / self.mu
        return np.concatenate([inside, np.full((*p.shape[:-1], 1), self.outside / self.mu)], axis=-1)

    def shares(self, prices: ArrayLike) -> Array:
        """Market shares [..., firm]; the remaining customers buy the outside good."""
        v = self._utility(prices)
        return np.exp(v - np.logaddexp.reduce(v, axis=-1, keepdims=True))[..., :-1]

    def quantities(self, prices: ArrayLike) -> Array:
        """[..., firm]"""
        return self.size * self.shares(prices)

    def profits(self, prices: ArrayLike) -> Array:
        """[..., firm]"""
        p = np.asarray(prices, dtype=np.float64)
        return (p - self.scale * np.array(self.cost)) * self.quantities(p)

    def consumers(self, prices: ArrayLike) -> Array:
        """Consumers' surplus [...]."""
        return self.size * self.scale * self.mu * np.logaddexp.reduce(self._utility(prices), axis=-1)

    # --- prices that solve something ---------------------------------------------------------------

    def best_reply(self, firm: int, prices: ArrayLike) -> float:
        """The firm's static best price against the others' prices (its own entry is not read).

        p = s (c + mu / (1 - share(p))); unique, because profit has one peak.
        """
        p = np.array(prices, dtype=np.float64)

        def gap(markup: float) -> float:
            p[firm] = self.scale * (self.cost[firm] + markup)
            return markup - self.mu / (1 - float(self.shares(p)[firm]))

        return self.scale * (self.cost[firm] + self._root(gap))

    def nash(self) -> Array:
        """Prices of the static Nash equilibrium [firm]; under logit demand it is unique."""
        return _nash(self._of_one_customer)

    def search_nash(self) -> Array:
        """The same, searched anew.

        With w_i = share_i, the markup is mu / (1 - w_i). All shares depend on one number,
        D = sum_j exp(v_j) + exp(a_0 / mu): an outer search finds D, an inner one each share.
        """

        def share(firm: int, log_d: float) -> float:
            base = (self.quality[firm] - self.cost[firm]) / self.mu - log_d

            def gap(w: float) -> float:
                return float(np.log(w)) - (base - 1 / (1 - w))

            return _find_root(gap, 1e-300, 1 - 1e-12)

        def excess(log_d: float) -> float:
            shares = sum(share(i, log_d) for i in range(self.firms))
            return shares + float(np.exp(self.outside / self.mu - log_d)) - 1

        low = self.outside / self.mu
        top = [(a - c) / self.mu for a, c in zip(self.quality, self.cost, strict=True)]
        high = float(np.logaddexp.reduce([low, *top])) + 1e-9
        log_d = _find_root(excess, low + 1e-12, high)
        w = np.array([share(i, log_d) for i in range(self.firms)])
        return frozen(self.scale * (np.array(self.cost) + self.mu / (1 - w)))

    def monopoly(self) -> Array:
        """Prices that maximise the sum of profits [firm]: one markup for all, mu / share of the outside."""
        return _monopoly(self._of_one_customer)

    def search_monopoly(self) -> Array:
        """The same, searched anew."""

        def gap(markup: float) -> float:
            return markup - self.mu / (1 - float(self.shares(self._prices_at_markup(markup)).sum()))

        return frozen(self._prices_at_markup(self._root(gap)))

    def moralis(self, kappa: float) -> float:
        """The symmetric price where every firm is homo moralis of degree kappa, universalising among firms.

        Own price p solves d/dp [(1 - kappa) pi(p, q) + kappa pi(p, p)] = 0 at q = p: the markup is
        mu / (1 - share - kappa (n - 1) share), Nash at kappa = 0 and the cartel's at 1.
        """
        number("kappa", kappa, 0, 1)
        if not self.symmetric:
            raise HominesError(
                "these firms differ, and homo moralis asks what if all did as I do; give all firms the same "
                "quality and cost"
            )

        def gap(markup: float) -> float:
            share = float(self.shares(self._prices_at_markup(markup))[0])
            return markup - self.mu / (1 - share * (1 + kappa * (self.firms - 1)))

        return float(self._prices_at_markup(self._root(gap))[0])

    def gain(self, profits: ArrayLike) -> Array:
        """Profit gain Delta = (mean profit - Nash) / (monopoly - Nash), profits [..., firm]."""
        at_nash = float(self.profits(self.nash()).mean())
        at_top = float(self.profits(self.monopoly()).mean())
        if not at_top > at_nash:
            raise HominesError("with one firm there is nothing to gain by colluding: Nash is the monopoly")
        return (np.asarray(profits, dtype=np.float64).mean(-1) - at_nash) / (at_top - at_nash)

    # --- prices as menus -----------------------------------------------------------------------------

    def menus(self, points: int = 15, xi: float = 0.1) -> Array:
        """Prices of every firm [firm, price], equally spaced on [pN - xi (pM - pN), pM + xi (pM - pN)].

        pN is its own price in the Nash equilibrium, pM its own in the cartel.
        """
        count("points", points, 2)
        number("xi", xi, 0)
        low, high = self.nash(), self.monopoly()
        room = xi * (high - low)
        return frozen(np.linspace(low - room, high + room, points, axis=-1))

    def table(self, prices: ArrayLike) -> Array:
        """Profits of every combination of prices [firm, price], and consumers' surplus last:
        [firm + 1, price_0, price_1, ...]."""
        grid = np.stack(np.meshgrid(*np.asarray(prices, dtype=np.float64), indexing="ij"), axis=-1)
        return frozen([*np.moveaxis(self.profits(grid), -1, 0), self.consumers(grid)])

    def _prices_at_markup(self, markup: float) -> Array:
        return self.scale * (np.array(self.cost) + markup)

    def _root(self, gap: Callable[[float], float]) -> float:
        return _find_root(gap, 0.0, HIGHEST * self.mu + max(map(abs, self.quality)))


@lru_cache(maxsize=1024)
def _nash(market: Market) -> Array:
    return market.search_nash()


@lru_cache(maxsize=1024)
def _monopoly(market: Market) -> Array:
    return market.search_monopoly()


def _find_root(f: Callable[[float], float], low: float, high: float) -> float:
    """The price in [low, high] at which f is 0. Raises HominesError where float64 finds none."""
    from scipy.optimize import brentq  # slow to import, and every game of the package is imported at once

    try:
        return cast("float", brentq(f, low, high, xtol=1e-15))
    except ValueError as failure:
        raise HominesError(
            "this market has no price that float64 can find: costs, qualities and mu are too far apart; "
            "bring them nearer to each other, or make mu larger"
        ) from failure
