"""Where chains end, and what pricing policies come to together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose

from homines.core.registry import find
from homines.core.types import Choice, Decision, HominesError, Record
from homines.elicitation.policies import RecordedPolicy
from homines.games.ipd import ipd
from homines.games.pricing import pricing, shop
from homines.opponents import opponent
from homines.opponents.nash import equilibria
from homines.theory.chain import recurrent_classes
from homines.theory.choice import LogitAgent
from homines.theory.conduct import conduct, describe_classes, impulse_response, last_prices
from homines.theory.game_forms import NormalForm, Repeated, is_symmetric

GAME, MARKET = pricing(points=6), shop()
LIGHT = settings(max_examples=25, deadline=None)
weights = arrays(np.float64, (5, 5), elements=st.sampled_from([0.0, 0.0, 1.0, 2.0]))


def chained(raw: np.ndarray) -> np.ndarray:
    """Rows of probabilities; a state without a way out stays."""
    p = raw + np.diag((raw.sum(1) == 0).astype(float))
    return p / p.sum(1, keepdims=True)


@LIGHT
@given(weights)
def test_every_end_has_its_weight_and_share(raw: np.ndarray) -> None:
    p, start = chained(raw), np.full(5, 0.2)
    ends = recurrent_classes(p, start)
    assert sum(end.weight for end in ends) == pytest.approx(1)
    assert [end.weight for end in ends] == sorted((end.weight for end in ends), reverse=True)
    late = start @ np.linalg.matrix_power(p, 2000)
    for end in ends:
        assert end.share.sum() == pytest.approx(1)
        assert_allclose(end.share @ p[np.ix_(end.states, end.states)], end.share, atol=1e-9)
        assert late[end.states].sum() == pytest.approx(end.weight)  # nothing leaves it
        step = np.linalg.matrix_power(p[np.ix_(end.states, end.states)] > 0, end.period * 60) > 0
        assert step.any(1).all()
        assert (np.diag(step)).all()  # after many whole periods every state can come again


def test_a_cycle_and_two_ends_by_hand() -> None:
    turn = np.array([[0, 1, 0, 0], [0, 0, 1, 0], [1, 0, 0, 0], [0.25, 0, 0, 0.75]])
    (cycle,) = recurrent_classes(turn, np.array([0, 0, 0, 1.0]))
    assert (cycle.period, cycle.weight) == (3, pytest.approx(1))
    fork = np.array([[1, 0, 0], [0.3, 0, 0.7], [0, 0, 1]])
    assert [end.weight for end in recurrent_classes(fork, np.array([0, 1.0, 0]))] == pytest.approx([0.7, 0.3])
    assert [end.period for end in recurrent_classes(fork, np.full(3, 1 / 3))] == [1, 1]


def fixed(action: int) -> LogitAgent:
    """An agent to whom one action is worth most."""

    def wants(d: Decision) -> np.ndarray:
        return np.broadcast_to(
            (np.arange(len(d.actions)) == action)[:, None] * 1.0, d.payoffs.shape[1:]
        ).astype(float)

    return LogitAgent(wants, np.inf)


@LIGHT
@given(st.integers(0, 5), st.integers(0, 5))
def test_constant_prices_earn_what_the_market_pays(a: int, b: int) -> None:
    held = conduct(MARKET, GAME, [fixed(a), fixed(b)])
    menu = [float(name) for name in GAME.stage.actions[0]]
    assert_allclose(held.prices, [menu[a], menu[b]])
    assert_allclose(held.spread, 0, atol=1e-7)
    assert_allclose(held.profits, MARKET.profits([menu[a], menu[b]]))
    assert held.gain == pytest.approx(float(MARKET.gain(held.profits)))
    assert held.welfare == pytest.approx(held.profits.sum() + MARKET.consumers([menu[a], menu[b]]))
    assert describe_classes(held, GAME) == [
        {"weight": pytest.approx(1), "states": 1, "period": 1, "prices": pytest.approx([menu[a], menu[b]])}
    ]
    after = impulse_response(held, GAME, periods=4)
    paid = GAME.stage.table[0]
    assert after.pays == pytest.approx(paid[:, b].max() - paid[a, b])  # nobody answers, so all is regained
    assert_allclose(after.prices[[0, 2, 3, 4]], held.prices[None].repeat(4, 0))
    assert after.prices[1][1] == pytest.approx(menu[b])


@LIGHT
@given(st.floats(0.01, 2), st.floats(0.01, 2))
def test_exchanging_the_firms_exchanges_what_they_come_to(one: float, two: float) -> None:
    first, second = (LogitAgent(find("preferences", "economicus"), x) for x in (one, two))
    here, there = conduct(MARKET, GAME, [first, second]), conduct(MARKET, GAME, [second, first])
    assert_allclose(here.prices, there.prices[::-1])
    assert_allclose(here.profits, there.profits[::-1])
    assert here.gain == pytest.approx(there.gain)
    assert_allclose(impulse_response(here, GAME, 0).prices, impulse_response(there, GAME, 1).prices[:, ::-1])


def test_a_model_is_the_same_policy_in_either_seat() -> None:
    rng = np.random.default_rng(0)
    asked = [
        Record(d, "market()", ((0,),), d.actions, "m", choice=Choice.of(rng.normal(size=6)))
        for d in GAME.remembered(0)
    ]
    read = RecordedPolicy.of(asked, symmetric=True)
    held = conduct(MARKET, GAME, [read, read])
    assert_allclose(held.prices[0], held.prices[1])
    a, b = GAME.seat(0, ((2, 4),)), GAME.seat(1, ((4, 2),))
    assert_allclose(read([a])[0].p, read([b])[0].p)
    mute = [*asked[1:], replace(asked[0], choice=None, error="failed")]
    with pytest.raises(HominesError, match=r"no answer after prices 1\.43, 1\.43"):
        RecordedPolicy.of(mute, symmetric=True)(GAME.remembered(0))


def test_a_cycle_is_seen_though_every_price_has_some_probability() -> None:
    """Two firms that repeat each other's last price, but for one time in a billion."""
    n = len(GAME.stage.actions[0])

    def copies(ds: Sequence[Decision]) -> list[Choice]:
        return [Choice.at(np.eye(n)[d.history[-1][1 - d.player] or 0] + 1e-10) for d in ds]

    held = conduct(MARKET, GAME, [copies, copies])
    assert len(held.classes) == 1
    found = describe_classes(held, GAME)
    assert len(found) == n + n * (n - 1) // 2
    assert sorted({some["period"] for some in found}) == [1, 2]
    assert sum(some["weight"] for some in found) == pytest.approx(1)


def test_games_without_prices_are_refused() -> None:
    with pytest.raises(HominesError, match="are no prices"):
        last_prices(ipd())


# --- the game, and rivals that reckon ------------------------------------------------------------


def test_bystanders_are_paid_and_change_nothing_else() -> None:
    plain, seen = pricing(points=4), pricing(points=4, customers=True)
    assert plain.stage.symmetric
    assert seen.stage.symmetric
    for k in (0, 1):
        one, two = plain.seat(k, ((1, 2),)), seen.seat(k, ((1, 2),))
        assert_allclose(two.payoffs[:2], one.payoffs)
        assert two.same is not None
        assert_allclose(two.same, [two.payoffs[0, a, a] for a in range(4)])
        welfare = find("preferences", "utilitarian")(two)
        assert_allclose(welfare, two.payoffs.sum(0))
    assert_allclose(seen.payoffs(((1, 2), (0, 0))), seen.stage.table[:, 1, 2] + seen.stage.table[:, 0, 0])
    text = find("frames", "market")(pricing(customers=True).seat(0, ((1, 2),)), (tuple(range(15)),)).text
    assert text == find("frames", "market")(pricing().seat(0, ((1, 2),)), (tuple(range(15)),)).text
    assert not is_symmetric(
        (("a", "b"),) * 2, np.array([[[1.0, 2], [3, 4]], [[1, 2], [3, 4]], [[0, 0], [0, 0]]])
    )


def test_costs_may_differ_and_prices_are_what_is_written() -> None:
    game = pricing(points=5, costs=(1.0, 0.5))
    assert isinstance(game.stage, NormalForm)
    assert not game.stage.symmetric
    assert "costs you 0.5 a unit" in game.seat(1).rule
    one, two = ([float(name) for name in names] for names in game.stage.actions)
    market = shop(costs=(1.0, 0.5))
    assert_allclose(game.stage.table[:, 0, 3], market.profits([one[0], two[3]]), atol=0.005)
    seat = game.seat(1, ((0, 3),))
    text = find("frames", "market")(seat, (tuple(range(5)),)).text
    assert all(name in text for name in game.stage.actions[1])
    assert f"you chose {game.stage.actions[1][3]}" in text
    assert f"B chose {game.stage.actions[0][0]}" in text
    assert pricing(points=3, scale=10).stage.actions[0] == ("14.3", "17.0", "19.7")
    assert pricing(3, points=3).stage.table.shape == (3, 3, 3, 3)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("pricing(firms=1)", r"firms must be a whole number in \[2, 20\]"),
        ("pricing(costs=(1, -1))", "cost must be a number of at least 0"),
        ("pricing(costs=(1, 1, 1))", "3 costs for 2 firms"),
        ("pricing(points=500)", "not all different"),
        ("pricing(points=1)", r"points must be a whole number in \[2, 1000\]"),
        ("pricing(firms=6)", "make a table of"),
        ("pricing(mu=0)", "mu is 0"),
        ("pricing(costs=(1, 200))", "no price that float64 can find|menu begins"),
        ("pricing(mu=0.001)", "no price that float64 can find|not all different"),
        ("pricing(xi=20)", "the menu begins at a price of -"),
    ],
)
def test_markets_that_cannot_be(spec: str, message: str) -> None:
    with pytest.raises(HominesError, match=message):
        find("games", spec)


@LIGHT
@given(arrays(np.float64, (2, 3, 3), elements=st.integers(-5, 5).map(float)))
def test_from_an_equilibrium_nobody_moves(table: np.ndarray) -> None:
    stable = [
        (a, b)
        for a in range(3)
        for b in range(3)
        if table[0, a, b] >= table[0, :, b].max() and table[1, a, b] >= table[1, a].max()
    ]
    if not stable:
        with pytest.raises(HominesError, match="no pure Nash equilibrium"):
            equilibria(table)
        return
    found = equilibria(table)
    assert set(found) == set(stable)
    sums = [table[:, a, b].sum() for a, b in found]
    assert sums == sorted(sums)


def test_the_grid_has_the_published_equilibria() -> None:
    """Calvano et al.'s own menu: both at the second-lowest price, and both at the third-lowest."""
    market = shop(size=1)
    assert equilibria(market.table(market.menus())[:2]) == [(1, 1), (2, 2)]


def test_a_rival_undercuts_but_never_at_a_loss() -> None:
    game = pricing(points=6, costs=(1.6, 1.0))
    rival = opponent("undercut")
    menus = [[float(name) for name in names] for names in game.stage.actions]
    for k in (0, 1):
        menu = menus[k]
        for d in game.remembered(k):
            (answer,) = rival([d])
            price, theirs = menu[int(answer.p.argmax())], menus[1 - k][d.history[0][1 - k] or 0]
            assert price >= (1.6, 1.0)[k]
            below = [p for p in menu if p < theirs and p >= (1.6, 1.0)[k]]
            assert price == (max(below) if below else min(p for p in menu if p >= (1.6, 1.0)[k]))
    assert int(rival([game.seat(0)])[0].p.argmax()) == 5


def test_learned_prices_answer_a_cut_and_come_back() -> None:
    """Twelve sessions of Q-learning: a cut is answered by one, and both come back (Calvano et al. 2020)."""
    pytest.importorskip("numba")
    game = pricing()
    paths, pays, gains = [], [], []
    for seed in range(12):
        rival = opponent(f"qlearner(seed={seed})")
        held = conduct(MARKET, game, [rival, rival])
        after = impulse_response(held, game, periods=15)
        paths.append(after.prices)
        pays.append(after.pays)
        gains.append(held.gain)
    path = np.mean(paths, axis=0)
    assert path[1, 0] < path[0, 0] - 0.1
    assert path[2, 1] < path[0, 1] - 0.1
    assert path[15] == pytest.approx(path[0], abs=0.03)
    assert np.mean(np.array(pays) < 0) > 0.7
    assert 0.7 < np.mean(gains) < 0.95


def test_a_stage_with_a_bystander_is_checked() -> None:
    with pytest.raises(HominesError, match="or with more seats for bystanders"):
        Repeated(NormalForm((("a", "b"),) * 2, np.zeros((1, 2, 2))))
