"""Revealed preference: examples worked by hand, and laws of GARP and CCEI."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from homines.core.types import HominesError
from homines.theory.revealed_preference import (
    Purchases,
    closure,
    critical_cost_efficiency,
    garp,
    violations,
)

WORKED = [
    # costs by hand: at p1 x1 5, x2 4; at p2 x2 5, x1 4: each strictly revealed to the other
    ("the textbook's breach of the weak axiom", [[1, 2], [2, 1]], [[1, 2], [2, 1]], False, 4 / 5),
    # at p1 5 and 5.. of x2: what was bought where it is dear is what is dear: no relation at all
    ("the same bundles the other way round", [[1, 2], [2, 1]], [[2, 1], [1, 2]], True, 1.0),
    # each strictly over the next (1 of 2), none of two: a circle of three that WARP does not see
    (
        "a circle of three",
        [[2, 1, 3], [3, 2, 1], [1, 3, 2]],
        [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        False,
        1 / 2,
    ),
    # a circle of equalities alone: indifference, which GARP allows and SARP does not (Varian 1982)
    (
        "a circle of ties",
        [[1, 1, 2], [2, 1, 1], [1, 2, 1]],
        [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        True,
        1.0,
    ),
    # x2 costs at p1 just what x1 does, and x1 is cheaper at p2: broken, and by a tie alone
    ("a breach by a tie", [[1, 1], [1, 2]], [[2, 1], [1, 2]], False, 1.0),
]


@pytest.mark.parametrize(("prices", "bundles", "holds", "index"), [w[1:] for w in WORKED], ids=lambda x: "")
def test_examples_worked_by_hand(
    prices: list[list[float]], bundles: list[list[float]], holds: bool, index: float
) -> None:
    bought = Purchases(np.array(prices, float), np.array(bundles, float))
    assert garp(bought) is holds
    assert critical_cost_efficiency(bought) == pytest.approx(index)


def grids(least: float, most: float) -> st.SearchStrategy[np.ndarray]:
    return arrays(float, (6, 3), elements=st.integers(int(least), int(most)).map(float))


@settings(max_examples=60)
@given(prices=grids(1, 9), bundles=grids(1, 9))
def test_the_index_is_where_garp_begins_to_hold(prices: np.ndarray, bundles: np.ndarray) -> None:
    bought = Purchases(prices, bundles)
    e = critical_cost_efficiency(bought)
    assert 0 < e <= 1
    if garp(bought):
        assert e == 1
    shares = bought.shares

    def holds(at: float) -> bool:
        return not (closure(shares <= at) & (shares < at).T).any()

    assert holds(e * (1 - 1e-6))
    assert e == 1 or not holds(e * (1 + 1e-6))
    if e == 1 and not garp(bought):  # then it is a tie that breaks it
        assert (np.abs(shares - 1) < 1e-9).sum() > len(shares)


@settings(max_examples=40)
@given(prices=grids(1, 9), weights=arrays(float, 3, elements=st.floats(0.1, 1)), rho=st.floats(-3, 0.9))
def test_whoever_maximises_one_utility_passes(prices: np.ndarray, weights: np.ndarray, rho: float) -> None:
    elastic = 1 / (1 - rho)
    demand = (weights / prices) ** elastic  # of a CES utility, up to income
    demand *= 10 / (prices * demand).sum(1, keepdims=True)
    bought = Purchases(prices, demand)
    assert critical_cost_efficiency(bought) > 1 - 1e-7


@settings(max_examples=40)
@given(prices=grids(1, 9), bundles=grids(1, 9), seed=st.integers(0, 99))
def test_order_and_units_do_not_matter(prices: np.ndarray, bundles: np.ndarray, seed: int) -> None:
    rng = np.random.default_rng(seed)
    order, units = rng.permutation(6), np.array([2.0, 0.5, 4.0])
    one = Purchases(prices, bundles)
    two = Purchases(prices[order] / units, bundles[order] * units)
    assert garp(one) is garp(two)
    assert critical_cost_efficiency(one) == pytest.approx(critical_cost_efficiency(two))


def test_violations_name_their_pairs() -> None:
    bought = Purchases(np.array([[1, 2], [2, 1], [1, 1]]), np.array([[1, 2], [2, 1], [9, 9]]))
    assert np.argwhere(violations(bought.shares)).tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize(
    ("prices", "bundles", "match"),
    [
        ([[1, 0]], [[1, 1]], "a price is 0; every price must be a number above 0"),
        ([[1, -2]], [[1, 1]], "a price is -2"),
        ([[1, np.nan]], [[1, 1]], "a price is nan"),
        ([[1, 1]], [[0, 0]], "bundle 1 holds nothing"),
        ([[1, 1]], [[-1, 2]], "no number of at least 0"),
        ([[1, 1]], [[1, 1, 1]], r"must both be \[time, good\]"),
        ([], [], r"must both be \[time, good\]"),
    ],
)
def test_what_reveals_nothing_is_refused(
    prices: list[list[float]], bundles: list[list[float]], match: str
) -> None:
    with pytest.raises(HominesError, match=match):
        Purchases(np.array(prices, float), np.array(bundles, float))
