"""Q-learning firms: the compiled loop is the plain one; what it comes to is what was published."""

from __future__ import annotations

import numpy as np
import pytest

from homines.core.types import HominesError
from homines.theory.market import Market
from homines.theory.qlearning import Learning, greedy_cycle, initial_values, learn

pytest.importorskip("numba")
from homines.theory.qlearning_session import LOT, refill, seed_words, session

CALVANO = Market()
TABLE = CALVANO.table(CALVANO.menus())[:2]
SHORT = Learning(alpha=0.2, beta=2e-3, delta=0.9, stable=300, most=3000)


def by_the_book(table: np.ndarray, how: Learning, seed: int) -> tuple[np.ndarray, int, int]:
    """The same firms written down from the paper, with dictionaries: (strategy, state, periods)."""
    rng = np.random.RandomState(seed)
    n, m = table.ndim - 1, table.shape[1]
    states = list(np.ndindex(*(m,) * n))
    q = {
        (k, s, a): float(table[k].take(a, axis=k).mean()) / (1 - how.delta)
        for k in range(n)
        for s in states
        for a in range(m)
    }

    def greedy(k: int, s: tuple[int, ...], before: int | None) -> int:
        values = [q[k, s, a] for a in range(m)]
        if before is not None and values[before] == max(values):
            return before
        return int(np.argmax(values))

    best = {(k, s): greedy(k, s, None) for k in range(n) for s in states}
    s = states[int(rng.random_sample() * len(states))]
    calm = t = 0
    while t < how.most and calm < how.stable:
        epsilon = np.exp(-how.beta) ** t
        prices = [
            int(rng.random_sample() * m) if rng.random_sample() < epsilon else best[k, s] for k in range(n)
        ]
        new = tuple(prices)
        changed = False
        for k in range(n):
            target = table[(k, *new)] + how.delta * q[k, new, best[k, new]]
            q[k, s, new[k]] = (1 - how.alpha) * q[k, s, new[k]] + how.alpha * target
            top = greedy(k, s, best[k, s])
            changed |= top != best[k, s]
            best[k, s] = top
        calm = 0 if changed else calm + 1
        s, t = new, t + 1
    strategy = np.array([[best[k, s] for s in states] for k in range(n)])
    return strategy, states.index(s), t


@pytest.mark.parametrize("firms", [1, 2, 3])
def test_the_compiled_loop_is_the_one_in_the_paper(firms: int) -> None:
    market = Market((2.0,) * firms, (1.0,) * firms)
    prices = np.linspace(1.3, 2.0, 4)
    table = market.table([prices] * firms)[:firms]
    found = learn(table, SHORT, 3, seed=5)
    seeds = np.random.SeedSequence(5).generate_state(3, np.uint32)
    for i in range(3):
        strategy, state, periods = by_the_book(np.asarray(table), SHORT, int(seeds[i]))
        assert found.periods[i] == periods
        assert found.state[i] == state
        assert (found.strategy[i] == strategy).all()


def test_compiled_and_plain_python_agree_to_the_bit() -> None:
    flat, start = TABLE.reshape(2, -1), initial_values(TABLE, SHORT.delta)
    learning = SHORT.alpha, SHORT.beta, SHORT.delta, SHORT.stable, SHORT.most
    flat = np.ascontiguousarray(flat)
    plain = session.py_func(flat, start, learning, 7)
    fast = session(flat, start, learning, 7)
    assert (plain[0] == fast[0]).all()
    assert plain[1:] == fast[1:]


def test_the_random_numbers_are_numpys() -> None:
    words, draws = seed_words(2**32 - 5), np.empty(3 * LOT)
    for i in range(3):
        refill(words, draws[i * LOT : (i + 1) * LOT])
    assert (draws == np.random.RandomState(2**32 - 5).random_sample(3 * LOT)).all()


def test_a_seed_gives_the_sessions_it_always_gave() -> None:
    """Three whole sessions of the published market, recorded with version 0.1.0."""
    found = learn(TABLE, Learning(), 3, seed=11)
    assert found.periods.tolist() == [1614987, 1856154, 1678205]
    assert found.state.tolist() == [177, 176, 145]
    assert [int(s.sum()) for s in found.strategy] == [1957, 1831, 1970]


def test_thirty_sessions_collude_as_published() -> None:
    """Delta .849, sd .112 over 1000 sessions: the mean of 30 lies within 4 standard errors."""
    found = learn(TABLE, Learning(), 30)
    gains = CALVANO.gain(found.profits)
    assert found.settled.all()
    assert abs(gains.mean() - 0.849) < 4 * 0.112 / 30**0.5
    assert 1.2e6 < found.periods.mean() < 2.4e6


def test_a_session_is_the_same_again_whatever_the_threads() -> None:
    one, two = learn(TABLE, SHORT, 4, threads=1), learn(TABLE, SHORT, 4, threads=3)
    assert (one.strategy == two.strategy).all()
    assert (one.profits == two.profits).all()


def test_a_limit_cycle_by_hand() -> None:
    strategy = np.array([[1, 1, 0, 0], [0, 1, 1, 0]])  # 0 -> 2 -> 1 -> 3 -> 0
    profits, length = greedy_cycle(strategy, 0, np.array([[1.0, 2, 3, 4], [4.0, 3, 2, 1]]), 2)
    assert length == 4
    assert profits == pytest.approx([2.5, 2.5])


def test_what_is_no_market_is_refused() -> None:
    with pytest.raises(HominesError, match=r"shape \(3, 4, 4\) is no market"):
        learn(np.zeros((3, 4, 4)), Learning(), 1)
    with pytest.raises(HominesError, match="delta is 1; a discount factor must be below 1"):
        Learning(delta=1)
