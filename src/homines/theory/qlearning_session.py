"""The loop of a session of Q-learning firms, compiled by numba (extra [markets]).

Random numbers are those of `numpy.random.RandomState(seed).random_sample()` (MT19937), in the same order,
made 312 at a time in a sixth of the time of numba's np.random.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

WORDS = 624
LOT = WORDS // 2


@njit(cache=True, nogil=True)
def seed_words(seed: int) -> Any:
    """The state of MT19937 for a 32-bit seed, uint32 [word]: init_genrand of Matsumoto & Nishimura (1998)."""
    words = np.empty(WORDS, np.uint32)
    words[0] = word = np.uint32(seed)
    for i in range(1, WORDS):
        word = np.uint32(np.uint32(1812433253) * (word ^ (word >> np.uint32(30))) + np.uint32(i))
        words[i] = word
    return words


@njit(cache=True, nogil=True)
def twist(one: Any, next_one: Any, far: Any) -> Any:
    mixed = (one & np.uint32(0x80000000)) | (next_one & np.uint32(0x7FFFFFFF))
    return far ^ (mixed >> np.uint32(1)) ^ ((mixed & np.uint32(1)) * np.uint32(0x9908B0DF))


@njit(cache=True, nogil=True)
def temper(word: Any) -> Any:
    word ^= word >> np.uint32(11)
    word ^= (word << np.uint32(7)) & np.uint32(0x9D2C5680)
    word ^= (word << np.uint32(15)) & np.uint32(0xEFC60000)
    return word ^ (word >> np.uint32(18))


@njit(cache=True, nogil=True)
def refill(words: Any, draws: Any) -> None:
    """Advance the state and write the next 312 numbers in [0, 1) to `draws`, 53 bits each."""
    for i in range(227):
        words[i] = twist(words[i], words[i + 1], words[i + 397])
    for i in range(227, 623):
        words[i] = twist(words[i], words[i + 1], words[i - 227])
    words[623] = twist(words[623], words[0], words[396])
    for i in range(LOT):
        high, low = temper(words[2 * i]) >> np.uint32(5), temper(words[2 * i + 1]) >> np.uint32(6)
        draws[i] = (high * 67108864.0 + low) / 9007199254740992.0


@njit(cache=True, nogil=True)
def session(
    flat: Any, start: Any, learning: tuple[float, float, float, int, int], seed: int
) -> tuple[Any, int, int, bool]:
    """One session: (strategy [firm, state], state, periods, settled).

    flat      profits [firm, state]; start: Q_0 [firm, price]
    learning  the fields of a Learning, in their order
    Each period every firm in turn draws once to explore or not, and once more for a price where it does.

    bound[k, s] is at most the value of the best price and at least the value of every other: the others are
    compared again only where the best price falls below it.
    """
    alpha, beta, delta, stable, most = learning
    firms, states = flat.shape
    m = start.shape[1]
    words, spare = seed_words(seed), 2 * firms
    draws = np.empty(spare + LOT)
    q = np.empty((firms, states, m))
    best = np.empty((firms, states), dtype=np.int64)
    bound = np.empty((firms, states))
    for k in range(firms):
        top = 0
        for a in range(m):
            if start[k, a] > start[k, top]:
                top = a
        for s in range(states):  # loops: assignments of slices would take two seconds more to compile
            best[k, s], bound[k, s] = top, start[k, top]
            for a in range(m):
                q[k, s, a] = start[k, a]
    refill(words, draws[spare:])
    state, drawn = int(draws[spare] * states), spare + 1
    chosen = np.zeros(firms, dtype=np.int64)
    calm = 0
    explore = 1.0
    fade = np.exp(-beta)
    for t in range(most):
        nxt = 0
        if drawn > LOT:  # each period draws at most `spare` numbers
            for i in range(spare):
                draws[i] = draws[LOT + i]
            refill(words, draws[spare:])
            drawn -= LOT
        for k in range(firms):
            if draws[drawn] < explore:
                chosen[k] = int(draws[drawn + 1] * m)
                drawn += 2
            else:
                chosen[k] = best[k, state]
                drawn += 1
            nxt = nxt * m + chosen[k]
        explore *= fade
        calm += 1
        for k in range(firms):
            a, top = chosen[k], best[k, state]
            value = (1 - alpha) * q[k, state, a] + alpha * (flat[k, nxt] + delta * q[k, nxt, best[k, nxt]])
            q[k, state, a] = value
            if a == top:
                if value < bound[k, state]:  # what was best may be so no longer
                    first, second = value, -np.inf
                    for other in range(m):
                        rival = q[k, state, other]
                        if rival > first:
                            first, second, top = rival, first, other
                        elif other != top and rival > second:
                            second = rival
                    bound[k, state] = second
                    if top != a:
                        best[k, state], calm = top, 0
            elif value > q[k, state, top]:
                bound[k, state], best[k, state], calm = q[k, state, top], a, 0
            elif value > bound[k, state]:
                bound[k, state] = value
        state = nxt
        if calm >= stable:
            return best, state, t + 1, True
    return best, state, most, False
