"""Exchange rates: true slopes come back, intervals cover, what is not identified has no rate."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homines.estimation.binary_response import probability
from homines.estimation.exchange_rates import Amount, Slopes, slopes
from homines.estimation.pair_design import all_pairs
from homines.estimation.utility_scale import Pairs

NUMBERS = (1.0, 5.0, 20.0, 100.0, 500.0)
AMOUNTS: list[Amount | None] = [("euros", x) for x in NUMBERS] + [("hours", x) for x in NUMBERS] + [None] * 3
NAMES = [f"o{k}" for k in range(len(AMOUNTS))]
EUROS, HOURS = (0.0, 0.5), (0.8, 0.4)


def utilities(euros: tuple[float, float] = EUROS, hours: tuple[float, float] = HOURS) -> np.ndarray:
    log = np.log(NUMBERS)
    return np.concatenate([euros[0] + euros[1] * log, hours[0] + hours[1] * log, [0.3, -0.4, 2.0]])


def told(u: np.ndarray) -> Slopes:
    i, j = np.array(all_pairs(len(u))).T
    found = slopes(Pairs(len(u), i, j, probability("logistic", u[i] - u[j])), AMOUNTS, NAMES)
    assert found is not None
    return found


@settings(max_examples=10)
@given(a=st.floats(-1, 1), b=st.floats(0.2, 0.8), c=st.floats(0.2, 0.8))
def test_slopes_and_rates_come_back(a: float, b: float, c: float) -> None:
    s = told(utilities((0.0, b), (a, c)))
    assert s.b == pytest.approx([b, c], abs=1e-6)
    assert s.a[1] - s.a[0] == pytest.approx(a, abs=1e-6)
    for amount in NUMBERS:
        true = np.exp((a + c * np.log(amount)) / b)
        r = s.rate("hours", amount, "euros")
        if r.value is None:
            assert true > 5000 * 0.99 or true < 0.1 * 1.01
        else:
            assert r.value == pytest.approx(true, rel=1e-4)
            back = s.rate("euros", r.value, "hours")
            assert back.value == pytest.approx(amount, rel=1e-4)


def test_a_unit_is_worth_itself() -> None:
    u = utilities() + 0.1 * np.random.default_rng(2).normal(size=13)
    r = told(u).rate("euros", 20.0, "euros")  # for sure, however wide the rates between units are
    assert (r.value, r.low, r.high) == (pytest.approx(20.0),) * 3


def test_intervals_over_outcomes_cover() -> None:
    rng = np.random.default_rng(0)
    truth = float(np.exp((0.8 + 0.4 * np.log(20)) / 0.5))
    inside: list[bool] = []
    for _ in range(60):
        u = utilities()
        u[:10] += 0.2 * rng.normal(size=10)  # an outcome is worth more or less than its number says
        r = told(u).rate("hours", 20.0, "euros")
        assert r.low is not None
        assert r.high is not None
        inside.append(r.low <= truth <= r.high)
    assert np.mean(inside) > 0.87  # .95 less three deviations of 60 trials


def test_what_has_no_slope_has_no_rate() -> None:
    rng = np.random.default_rng(1)
    u = utilities(euros=(0.0, 0.0))
    u[:5] += rng.normal(size=5)
    s = told(u)
    r = s.rate("hours", 20.0, "euros")
    assert (r.value, r.why) == (None, "the interval of the slope of euros holds 0")
    far = told(utilities(hours=(9.0, 0.4))).rate("hours", 20.0, "euros")
    assert (far.value, far.why) == (None, "more than any number of euros that was asked")


def test_two_numbers_are_no_unit() -> None:
    u = utilities()
    i, j = np.array(all_pairs(len(u))).T
    pairs = Pairs(len(u), i, j, probability("logistic", u[i] - u[j]))
    few: list[Amount | None] = [("euros", 1.0), ("euros", 2.0), ("euros", 2.0), *[None] * 10]
    assert slopes(pairs, few, NAMES) is None
    one = slopes(pairs, [*AMOUNTS[:5], *[None] * 8], NAMES)
    assert one is not None
    assert one.units == ("euros",)
    assert one.b == pytest.approx([EUROS[1]], abs=1e-6)
