"""Laws of choice: logit and its limits, beliefs, quantal-response equilibrium, RL and SFT agree."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from homines.core.types import Array, Choice, HominesError, frozen
from homines.games.spd import spd
from homines.games.trust import trust
from homines.preferences.economicus import Economicus
from homines.preferences.moralis import Moralis
from homines.theory.choice import (
    LogitAgent,
    average_choice,
    best_response,
    expected_utility,
    logit,
    quantal_response,
    stated_beliefs,
    uniform_beliefs,
)
from homines.theory.game_forms import NormalForm, veil

quick = settings(max_examples=40, deadline=None)
money = st.integers(-1000, 1000).map(lambda cents: cents / 100)
utilities = st.lists(money, min_size=1, max_size=6).map(np.array)
precisions = st.integers(0, 300).map(lambda percent: percent / 100)
CD = ("C", "D")
PD = NormalForm.two(CD, [[3, 0], [4, 1]])


def distributions(n: int) -> st.SearchStrategy[Array]:
    parts = st.lists(st.integers(1, 9), min_size=n, max_size=n)
    return parts.map(lambda x: np.array(x) / sum(x))


@quick
@given(utilities, precisions, money)
def test_logit_odds_are_utility_differences(eu: Array, precision: float, by: float) -> None:
    choice = logit(eu, precision)
    assert_allclose(choice.p.sum(), 1)
    assert_allclose(choice.logp - choice.logp[0], precision * (eu - eu[0]), atol=1e-9)
    assert_allclose(logit(eu + by, precision).logp, choice.logp, atol=1e-9)
    assert choice.mass == 1
    assert choice.n is None


@quick
@given(utilities)
def test_logit_limits(eu: Array) -> None:
    assert_allclose(logit(eu, 0).p, 1 / len(eu))
    assert_allclose(logit(eu, np.inf).p, best_response(eu).p)
    # utilities differ by at least a cent, so this precision leaves the second best exp(-100)
    assert_allclose(logit(eu, 1e4).p, best_response(eu).p, atol=1e-9)


@quick
@given(utilities)
def test_best_shares_ties_equally(eu: Array) -> None:
    top = eu == eu.max()
    assert_allclose(best_response(eu).p, top / top.sum())
    nudged = eu + 1e-12 * np.arange(len(eu))
    assert_allclose(best_response(nudged).p, best_response(eu).p)


def test_best_does_not_take_a_real_difference_for_a_tie() -> None:
    assert_allclose(best_response(np.array([1.0, 1.0 - 1e-6])).p, [1, 0])
    assert_allclose(best_response(np.array([0.0, 1000.0, 1000.0 - 1e-3])).p, [0, 1, 0])


@pytest.mark.parametrize("bad", [-1.0, float("nan")])
def test_precision_is_at_least_zero(bad: float) -> None:
    with pytest.raises(HominesError, match=r"precision .* must be at least 0"):
        logit(np.zeros(2), bad)


@quick
@given(st.data())
def test_expected_utility_sums_over_everything_unknown(data: st.DataObject) -> None:
    """[mine, other1, other2, chance]; the first other replies to my action, the second does not."""
    u = np.array(data.draw(st.lists(money, min_size=24, max_size=24))).reshape(2, 3, 2, 2)
    reply = np.stack([data.draw(distributions(3)) for _ in range(2)])
    plain = data.draw(distributions(2))
    chance = data.draw(distributions(2))
    by_hand = np.zeros(2)
    for a, b, c, w in product(range(2), range(3), range(2), range(2)):
        by_hand[a] += reply[a, b] * plain[c] * chance[w] * u[a, b, c, w]
    assert_allclose(expected_utility(u, [reply, plain], chance), by_hand, atol=1e-9)
    swapped = u.swapaxes(1, 2)
    assert_allclose(expected_utility(swapped, [plain, reply], chance), by_hand, atol=1e-9)


@quick
@given(st.lists(money, min_size=6, max_size=6), distributions(3))
def test_a_reply_that_ignores_my_action_is_a_plain_belief(x: list[float], q: Array) -> None:
    u = np.reshape(x, (2, 3))
    assert_allclose(expected_utility(u, [np.stack([q, q])]), expected_utility(u, [q]), atol=1e-9)


def test_a_reply_is_conditional_on_my_move() -> None:
    game = trust(3)  # T, R, P, S = 80, 60, 30, 20
    d = game.due(())[0]
    gives_back = np.array([[1.0, 0.0], [0.5, 0.5]])
    keeps = np.array([[0.0, 1.0], [0.5, 0.5]])
    assert_allclose(expected_utility(Economicus()(d), [gives_back]), [60, 30])
    assert_allclose(expected_utility(Economicus()(d), [keeps]), [20, 30])


def test_told_is_what_the_decision_says_and_uniform_otherwise() -> None:
    others = (frozen([0.9, 0.1]),)
    assert_allclose(stated_beliefs(PD.seat(0, (), others))[0], others[0])
    assert_allclose(stated_beliefs(PD.seat(0))[0], [0.5, 0.5])
    assert_allclose(uniform_beliefs(PD.seat(0, (), others))[0], [0.5, 0.5])


def test_an_agent_is_a_preference_a_belief_and_a_precision() -> None:
    d = PD.seat(0, (), (frozen([0.75, 0.25]),))
    eu = np.array([0.5 * (0.75 * 3) + 0.5 * 3, 0.5 * (0.75 * 4 + 0.25) + 0.5])
    (choice,) = LogitAgent(Moralis(0.5), 2.0)([d])
    assert_allclose(choice.logp[0] - choice.logp[1], 2 * (eu[0] - eu[1]))
    v = veil(spd(3)).seat()
    (behind,) = LogitAgent(Economicus(), 0.1)([v])
    assert_allclose(np.log(behind.p / behind.p[0]), 0.1 * differences(v.payoffs[0].mean((1, 2))))


def differences(eu: Array) -> Array:
    return eu - eu[0]


@quick
@given(
    st.lists(money, min_size=4, max_size=4),
    st.lists(money, min_size=4, max_size=4),
    st.integers(0, 20).map(lambda x: x / 100),
)
def test_quantal_response_is_a_fixed_point(x: list[float], y: list[float], precision: float) -> None:
    game = NormalForm.two(CD, np.reshape(x, (2, 2)), np.reshape(y, (2, 2)))
    d = (game.seat(0), game.seat(1))
    p, q = quantal_response(d, (Economicus(), Economicus()), precision=precision)
    assert_allclose(p.p, logit(d[0].payoffs[0] @ q.p, precision).p, atol=1e-8)
    assert_allclose(q.p, logit(d[1].payoffs[0] @ p.p, precision).p, atol=1e-8)


def test_quantal_response_limits() -> None:
    seats = (PD.seat(0), PD.seat(1))
    selfish = (Economicus(), Economicus())
    for choice in quantal_response(seats, selfish, precision=0):
        assert_allclose(choice.p, [0.5, 0.5])
    for choice in quantal_response(seats, selfish, precision=30):
        assert_allclose(choice.p, [0, 1], atol=1e-9)
    # matching pennies: uniform whatever the precision
    pennies = NormalForm.two(CD, [[1, -1], [-1, 1]], [[-1, 1], [1, -1]])
    for choice in quantal_response((pennies.seat(0), pennies.seat(1)), selfish, precision=10):
        assert_allclose(choice.p, [0.5, 0.5], atol=1e-8)


def test_quantal_response_says_when_it_has_not_settled() -> None:
    hawk = NormalForm.two(CD, [[3, 0], [4, 1]], [[0, 5], [2, 1]])
    with pytest.raises(HominesError, match="no logit equilibrium at precision 1 within 3 steps"):
        quantal_response((hawk.seat(0), hawk.seat(1)), (Economicus(), Economicus()), precision=1, most=3)


@quick
@given(st.data())
def test_the_rl_objective_falls_short_by_the_divergence_from_the_sft_target(
    data: st.DataObject,
) -> None:
    """J(p) = p.u - KL(p||ref)/precision; J(target) - J(p) = KL(p||target)/precision >= 0.

    So the logit choice that SFT learns from is the one optimum of entropy-regularised RL.
    """
    n = data.draw(st.integers(2, 5))
    u = np.array(data.draw(st.lists(money, min_size=n, max_size=n)))
    precision = data.draw(st.integers(10, 200)) / 100
    p = data.draw(distributions(n))
    target = logit(u, precision).p

    def objective(p: Array) -> float:
        return float(p @ u - divergence(p, np.full(n, 1 / n)) / precision)

    assert_allclose(objective(target) - objective(p), divergence(p, target) / precision, atol=1e-8)
    assert divergence(p, target) >= -1e-12


def divergence(p: Array, q: Array) -> float:
    """KL(p||q); 0 log 0 = 0."""
    seen = p > 0
    return float((p[seen] * np.log(p[seen] / q[seen])).sum())


def test_policy_gradient_ends_at_the_sft_target() -> None:
    d = PD.seat(0)
    u, precision = expected_utility(Moralis(0.6)(d), uniform_beliefs(d)), 1.3
    (target,) = LogitAgent(Moralis(0.6), precision)([d])
    theta = np.zeros(2)
    for _ in range(500):
        now = Choice.of(theta)
        reward = u - (now.logp - np.log(0.5)) / precision
        theta = theta + now.p * (reward - now.p @ reward)
    assert_allclose(Choice.of(theta).p, target.p, atol=1e-8)
    assert abs(target.p[0] - 0.5) > 0.1


def test_mixed_averages_and_keeps_count() -> None:
    average = average_choice([Choice.at([1, 0], mass=0.5), Choice.at([0, 1], mass=1.0)])
    assert_allclose(average.p, [0.5, 0.5])
    assert (average.mass, average.n) == (0.75, None)
    assert average_choice([Choice.at([1, 3], n=3), Choice.at([1, 1], n=3)]).n == 6
    assert average_choice([Choice.at([1, 3], n=4), Choice.at([1, 1], n=2)]).n == 5  # 2^2 / (1/4 + 1/2) = 5.3
    assert average_choice([Choice.at([1, 3], n=4), Choice.at([1, 1])]).n is None
