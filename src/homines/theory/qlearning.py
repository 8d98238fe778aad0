"""Q-learning firms of Calvano et al. (2020): the baseline for language models that set prices.

    Q(s, a) <- (1 - alpha) Q(s, a) + alpha (profit + delta max_a' Q(s', a'))
    epsilon_t = exp(-beta t)       Q_0(s, a) = mean over the rivals' prices of profit / (1 - delta)

The state is everyone's last price. A session ends when no firm's greedy strategy has changed for `stable`
periods. theory/qlearning_session.py is the loop, compiled by numba (extra [markets]).
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass
from functools import cache
from importlib.util import find_spec

import numpy as np

from homines.core.checks import count, number
from homines.core.types import Array, HominesError, frozen


@dataclass(frozen=True)
class Learning:
    """How a firm learns.

    alpha    learning rate; `beta`: decay of exploration a period; `delta`: discount factor
    stable   periods without a change of strategy after which a firm has settled; `most`: periods at most
    """

    alpha: float = 0.15
    beta: float = 4e-6
    delta: float = 0.95
    stable: int = 100_000
    most: int = 100_000_000

    def __post_init__(self) -> None:
        number("alpha", self.alpha, 0, 1)
        number("beta", self.beta, 0)
        number("delta", self.delta, 0)
        if not self.delta < 1:
            raise HominesError(f"delta is {self.delta}; a discount factor must be below 1")
        count("stable", self.stable)
        count("most", self.most)


@dataclass(frozen=True, eq=False)
class Sessions:
    """The ends of many sessions. A state is sum_k price_k * m^(n - 1 - k), of the last prices.

    strategy   greedy price of every firm in every state [session, firm, state]
    state      the last state of each session [session]
    periods    length of each session [session]; `settled`: whether its strategies settled [session]
    profits    mean of each firm over the limit cycle [session, firm]
    cycle      length of that cycle [session]
    """

    strategy: np.ndarray
    state: np.ndarray
    periods: np.ndarray
    settled: np.ndarray
    profits: Array
    cycle: np.ndarray


def learn(
    table: Array, learning: Learning, sessions: int, seed: int = 0, *, threads: int | None = None
) -> Sessions:
    """Independent sessions of firms that learn against each other.

    table     profits [firm, price_0, price_1, ...] (`Market.table(...)[:firms]`)
    learning  how every firm learns
    seed      session i draws from numpy's MT19937 seeded by (seed, i)
    Raises HominesError for a table of another shape, and where numba is missing.
    """
    count("sessions", sessions)
    firms = table.ndim - 1
    if firms < 1 or table.shape[0] != firms or len(set(table.shape[1:])) != 1:
        raise HominesError(
            f"a table of shape {table.shape} is no market: it must be [firm, price, price, ...], with as "
            "many prices for each firm"
        )
    flat = np.ascontiguousarray(table.reshape(firms, -1))
    start = initial_values(table, learning.delta)
    check_compiler()
    from homines.theory.qlearning_session import session

    seeds = np.random.SeedSequence(seed).generate_state(sessions, np.uint32)

    def one(i: int) -> tuple[np.ndarray, int, int, bool]:
        return session(flat, start, astuple(learning), int(seeds[i]))

    with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        outcomes = list(pool.map(one, range(sessions)))
    ends = [greedy_cycle(strategy, state, flat, table.shape[1]) for strategy, state, _, _ in outcomes]
    return Sessions(
        np.stack([strategy for strategy, _, _, _ in outcomes]),
        np.array([state for _, state, _, _ in outcomes]),
        np.array([periods for _, _, periods, _ in outcomes]),
        np.array([settled for _, _, _, settled in outcomes]),
        frozen([profits for profits, _ in ends]),
        np.array([length for _, length in ends]),
    )


def initial_values(table: Array, delta: float) -> Array:
    """Q_0 [firm, price]: the discounted profit of a price for ever, against rivals with random prices."""
    firms = table.ndim - 1
    means = [table[k].mean(axis=tuple(j for j in range(firms) if j != k)) for k in range(firms)]
    return np.ascontiguousarray(np.stack(means) / (1 - delta))


def greedy_cycle(strategy: np.ndarray, state: int, flat: Array, m: int) -> tuple[Array, int]:
    """(mean profits [firm], length) of the cycle in which greedy play from `state` ends."""
    first_visit: dict[int, int] = {}
    path: list[int] = []
    while state not in first_visit:
        first_visit[state] = len(path)
        nxt = 0
        for row in strategy:
            nxt = nxt * m + int(row[state])
        path.append(nxt)
        state = nxt
    cycle = path[first_visit[state] :]
    return flat[:, cycle].mean(-1), len(cycle)


@cache
def check_compiler() -> None:
    """Raise HominesError where numba is missing."""
    if find_spec("numba") is None:
        raise HominesError("Q-learning firms need numba, which is missing: pip install 'homines[markets]'")
