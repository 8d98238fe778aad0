"""The market of Calvano et al. (2020), to six digits, and laws of any market."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from homines.core.types import HominesError
from homines.theory.market import Market

TABLE = {
    2: (1.4729267, 1.9249809, 0.2229267, 0.3374905),
    3: (1.3701627, 2.0000000, 0.1201627, 0.2500000),
    4: (1.3314607, 2.0544112, 0.0814607, 0.2011028),
}
MORALIS = {0: 1.4729, 0.1: 1.5137, 0.25: 1.5829, 0.5: 1.7106, 0.75: 1.8293, 1: 1.9250}


def firms(n: int, **changes: float) -> Market:
    return Market((2.0,) * n, (1.0,) * n, **changes)


@pytest.mark.parametrize("n", TABLE)
def test_nash_and_monopoly_to_six_digits(n: int) -> None:
    market = firms(n)
    nash, top, at_nash, at_top = TABLE[n]
    assert market.nash() == pytest.approx(np.full(n, nash), abs=5e-8)
    assert market.monopoly() == pytest.approx(np.full(n, top), abs=5e-8)
    assert market.profits(market.nash()) == pytest.approx(np.full(n, at_nash), abs=5e-8)
    assert market.profits(market.monopoly()) == pytest.approx(np.full(n, at_top), abs=5e-8)
    assert market.gain(market.profits(market.nash())) == pytest.approx(0)
    assert market.gain(market.profits(market.monopoly())) == pytest.approx(1)


def test_shares_menu_single_monopolist_and_best_reply() -> None:
    market = firms(2)
    assert market.shares(market.nash()) == pytest.approx(0.4713768, abs=5e-8)
    assert market.shares(market.monopoly()) == pytest.approx(0.3648621, abs=5e-8)
    menu = market.menus()[0]
    assert (menu[0], menu[-1]) == (pytest.approx(1.42772, abs=5e-6), pytest.approx(1.97019, abs=5e-6))
    assert np.diff(menu) == pytest.approx(0.0387475, abs=5e-8)
    assert firms(1).monopoly() == pytest.approx(1.801985, abs=5e-7)
    assert firms(1).nash() == pytest.approx(1.801985, abs=5e-7)
    assert firms(1).profits(firms(1).monopoly()) == pytest.approx(0.551985, abs=5e-7)
    reply = market.best_reply(0, market.monopoly())
    assert reply == pytest.approx(1.661695, abs=5e-7)
    assert market.profits([reply, market.monopoly()[1]])[0] == pytest.approx(0.411695, abs=5e-7)


@pytest.mark.parametrize(("scale", "nash", "top"), [(3.2, 4.713365, 6.159939), (10, 14.729267, 19.249809)])
def test_prices_scale(scale: float, nash: float, top: float) -> None:
    market = firms(2, scale=scale, size=100)
    assert market.nash()[0] == pytest.approx(nash, abs=6e-7)
    assert market.monopoly()[0] == pytest.approx(top, abs=6e-7)


@pytest.mark.parametrize(("kappa", "price"), MORALIS.items())
def test_homo_moralis_prices_between_nash_and_the_cartel(kappa: float, price: float) -> None:
    assert firms(2).moralis(kappa) == pytest.approx(price, abs=6e-5)


def test_grid_equilibria() -> None:
    """Both at the second-lowest price, and both at the third-lowest, and no others."""
    market = firms(2)
    own = market.table(market.menus())[0]
    best = own >= own.max(0) - 1e-12
    pure = [(i, j) for i in range(15) for j in range(15) if best[i, j] and best[j, i]]
    assert pure == [(1, 1), (2, 2)]
    gains = [float(market.gain(market.profits(market.menus()[0, [i, j]]))) for i, j in pure]
    assert gains == pytest.approx([-0.0238, 0.1166], abs=5e-5)


SHARES = {0.875: 0.545, 0.75: 0.588, 0.625: 0.627, 0.5: 0.662, 0.25: 0.722}
"""Nash market share of firm 2 by its cost, that of firm 1 being 1: Calvano et al. (2020), table 4."""


@pytest.mark.parametrize(("cost", "share"), SHARES.items())
def test_firms_of_unequal_costs_have_the_published_shares_and_menus_of_their_own(
    cost: float, share: float
) -> None:
    """Each firm's menu goes from a tenth below its own Nash price to a tenth above its own cartel price."""
    market = Market(cost=(1.0, cost))
    sold = market.shares(market.nash())
    assert sold[1] / sold.sum() == pytest.approx(share, abs=5e-4)
    for menu, nash, top in zip(market.menus(), market.nash(), market.monopoly(), strict=True):
        assert (menu[0], menu[-1]) == pytest.approx((nash - (top - nash) / 10, top + (top - nash) / 10))
    table = market.table(market.menus())
    assert table[:2, 2, 12] == pytest.approx(market.profits(market.menus()[[0, 1], [2, 12]]))


quality = st.floats(1, 3)
cost = st.floats(0, 2)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(quality, cost), min_size=1, max_size=4), st.floats(0.1, 1), st.floats(0.5, 20))
def test_nobody_gains_by_another_price_and_the_cartel_has_the_most(
    kinds: list[tuple[float, float]], mu: float, scale: float
) -> None:
    market = Market(tuple(a for a, _ in kinds), tuple(c for _, c in kinds), mu=mu, scale=scale, size=3)
    nash = market.nash()
    at_nash = market.profits(nash)
    for i in range(market.firms):
        assert market.best_reply(i, nash) == pytest.approx(nash[i], rel=1e-8)
        for factor in (0.97, 1.03):
            other = nash.copy()
            other[i] *= factor
            assert market.profits(other)[i] <= at_nash[i] + 1e-12
    top = market.monopoly()
    assert (top >= nash - 1e-9).all()
    assert market.profits(top).sum() >= at_nash.sum() - 1e-12
    found = minimize(lambda p: -market.profits(p).sum(), top, method="Nelder-Mead", options={"xatol": 1e-9})
    assert -found.fun <= market.profits(top).sum() * (1 + 1e-9)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0.5, 4), min_size=2, max_size=2), st.floats(0.01, 0.2))
def test_consumers_lose_what_they_buy_times_a_price_rise(prices: list[float], rise: float) -> None:
    """The derivative of their surplus in a price is minus the quantity (Roy's identity)."""
    market = firms(2, scale=2, size=7)
    at = np.array(prices)
    for i in range(2):
        step = np.zeros(2)
        step[i] = 1e-6
        slope = (market.consumers(at + step) - market.consumers(at - step)) / 2e-6
        assert slope == pytest.approx(-market.quantities(at)[i], rel=1e-5, abs=1e-8)
    assert market.consumers(at + rise) < market.consumers(at)


def test_markets_that_make_no_sense_are_refused() -> None:
    with pytest.raises(HominesError, match="cost must be a number of at least 0, got -1"):
        Market(cost=(1.0, -1.0))
    with pytest.raises(HominesError, match="3 costs for 2 firms"):
        Market(cost=(1.0, 1.0, 1.0))
    with pytest.raises(HominesError, match="mu is 0; it must be above 0"):
        Market(mu=0.0)
    with pytest.raises(HominesError, match="these firms differ"):
        Market(cost=(1.0, 0.9)).moralis(0.5)
    with pytest.raises(HominesError, match="nothing to gain by colluding"):
        firms(1).gain([0.5])
