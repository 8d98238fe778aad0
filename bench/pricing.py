"""Q-learning firms of Calvano et al. (2020): 1000 sessions of their baseline, and what follows a price cut.

    python bench/pricing.py [--sessions N] [--peer] [--others N]

Compiled by numba (extra [markets]). --peer also times plain Python, an element at a time, on a short
stretch of the same session, and a C program of the same loop where a compiler is found (gcc -O3). --others:
so many sessions each of other markets (three firms, unequal costs, impatient firms) beside what was published
of them; with --sessions 0 of those alone. Writes bench/pricing.json.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from homines.core.types import Array
from homines.theory.market import Market
from homines.theory.qlearning import Learning, Sessions, initial_values, learn, session

HERE = Path(__file__).parent
PERIODS = 15
OTHERS: dict[str, tuple[Market, Learning, float]] = {
    "three firms": (Market((2.0,) * 3, (1.0,) * 3), Learning(), 0.64),
    **{
        f"costs 1 and {cost:g}": (Market(cost=(1.0, cost)), Learning(), gain)
        for cost, gain in {0.875: 0.841, 0.75: 0.812, 0.625: 0.781, 0.5: 0.759, 0.25: 0.713}.items()
    },
    "delta .35": (Market(), Learning(delta=0.35), 0.16),
}
"""Markets, how their firms learn, and the published profit gain: Calvano et al. (2020), text and table 4, the
latter as a replication quotes it (Maestro-Titarenko/QLearning-Collusion)."""
C_SOURCE = r"""
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* xoshiro256+, as fast as a generator gets; the draws differ from numpy's, the work does not */
static unsigned long long s[4];
static inline unsigned long long rotl(unsigned long long x, int k) { return (x << k) | (x >> (64 - k)); }
static inline double draw(void) {
  unsigned long long r = s[0] + s[3], t = s[1] << 17;
  s[2] ^= s[0]; s[3] ^= s[1]; s[1] ^= s[2]; s[0] ^= s[3]; s[2] ^= t; s[3] = rotl(s[3], 45);
  return (r >> 11) * (1.0 / 9007199254740992.0);
}
enum { M = 15, S = 225 };
static double q[2][S][M], pay[2][S], q0[2][M];
static int best[2][S];
int main(int argc, char **argv) {
  int sessions = atoi(argv[1]);
  double alpha = .15, beta = 4e-6, delta = .95, periods = 0;
  for (int k = 0; k < 2; k++) for (int i = 0; i < S; i++) if (scanf("%lf", &pay[k][i]) != 1) return 1;
  for (int k = 0; k < 2; k++) for (int a = 0; a < M; a++) if (scanf("%lf", &q0[k][a]) != 1) return 1;
  for (int n = 0; n < sessions; n++) {
    for (int i = 0; i < 4; i++) s[i] = 0x9E3779B97F4A7C15ULL * (n * 4 + i + 1);
    for (int i = 0; i < 20; i++) draw();
    for (int k = 0; k < 2; k++) for (int t = 0; t < S; t++) {
      best[k][t] = 0;
      for (int a = 0; a < M; a++) { q[k][t][a] = q0[k][a]; if (q0[k][a] > q0[k][best[k][t]]) best[k][t] = a; }
    }
    int state = (int)(draw() * S), calm = 0; double explore = 1, fade = exp(-beta); long t = 0;
    for (; calm < 100000; t++) {
      int c[2], nxt = 0;
      for (int k = 0; k < 2; k++) {
        c[k] = draw() < explore ? (int)(draw() * M) : best[k][state];
        nxt = nxt * M + c[k];
      }
      explore *= fade;
      int same = 1;
      for (int k = 0; k < 2; k++) {
        int a = c[k], top = best[k][state];
        double v = (1 - alpha) * q[k][state][a] + alpha * (pay[k][nxt] + delta * q[k][nxt][best[k][nxt]]);
        q[k][state][a] = v;
        if (a == top) { for (int o = 0; o < M; o++) if (q[k][state][o] > q[k][state][top]) top = o; }
        else if (v > q[k][state][top]) top = a;
        if (top != best[k][state]) { best[k][state] = top; same = 0; }
      }
      calm = same ? calm + 1 : 0;
      state = nxt;
    }
    periods += t;
  }
  printf("%.0f\n", periods);
  return 0;
}
"""


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--sessions", type=int, default=1000)
    ask.add_argument("--peer", action="store_true")
    ask.add_argument("--others", type=int, default=0)
    given = ask.parse_args()
    path = HERE / "pricing.json"
    out: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    if given.sessions:
        out = baseline(given.sessions)
    if given.peer:
        market = Market()
        out["peers"] = peers(market.table(market.menus())[:2], min(given.sessions, 40))
    if given.others:
        out["others"] = {name: gains_of(*market, given.others) for name, market in OTHERS.items()}
    print(json.dumps(out, indent=1))
    path.write_text(json.dumps(out, indent=1) + "\n")


def baseline(sessions: int) -> dict[str, Any]:
    """The published baseline: profit gain, time to settle, and what follows a price cut."""
    market = Market()
    menu = market.menus()[0]
    table = market.table(market.menus())[:2]
    learn(table, Learning(stable=10, most=1000), 1)  # compile
    start = time.perf_counter()
    done = learn(table, Learning(), sessions, seed=0)
    seconds = time.perf_counter() - start
    gains = market.gain(done.profits)
    return {
        "sessions": sessions,
        "cores": os.cpu_count(),
        "seconds": seconds,
        "core_seconds_per_1000": seconds * min(os.cpu_count() or 1, sessions) * 1000 / sessions,
        "gain": float(gains.mean()),
        "gain_sd": float(gains.std(ddof=1)),
        "periods": float(done.periods.mean()),
        "periods_per_core_second": float(done.periods.sum() / seconds / (os.cpu_count() or 1)),
        **cuts(market, menu, table, done),
    }


def gains_of(market: Market, how: Learning, published: float, sessions: int) -> dict[str, Any]:
    """Profit gain in another market, every firm on its own menu, and each firm's mean profit over its profit
    at Nash."""
    done = learn(market.table(market.menus())[: market.firms], how, sessions, seed=0)
    gains = market.gain(done.profits)
    return {
        "published": published,
        "gain": round(float(gains.mean()), 3),
        "gain_sd": round(float(gains.std(ddof=1)), 3),
        "standard_errors_away": round(
            float((gains.mean() - published) / gains.std(ddof=1) * sessions**0.5), 1
        ),
        "profits_over_nash": (done.profits.mean(0) / market.profits(market.nash())).round(3).tolist(),
        "settled": float(done.settled.mean()),
        "periods": float(done.periods.mean()),
    }


def cuts(market: Market, menu: Array, table: Array, done: Sessions) -> dict[str, Any]:
    """The deviation test of the paper, on every session: each firm in turn is forced for one period to its
    best price against what the other then charges."""
    m, delta = len(menu), 0.95
    paths: list[Array] = []
    pays: list[bool] = []
    flat = table.reshape(2, -1)
    for i in range(len(done.state)):
        strategy, state = done.strategy[i], int(done.state[i])
        for _ in range(2 * m * m):  # onto the cycle
            state = int(strategy[0, state]) * m + int(strategy[1, state])
        for firm in (0, 1):
            steady = follow(strategy, state, m, 200)
            other = int(strategy[1 - firm, state])
            replies = table[firm, :, other] if firm == 0 else table[firm, other, :]
            forced = int(replies.argmax())
            first = forced * m + other if firm == 0 else other * m + forced
            bent = [first, *follow(strategy, first, m, 199)]
            worth = delta ** np.arange(200)
            pays.append(bool(worth @ (flat[firm, bent] - flat[firm, steady]) > 1e-12))
            both = np.array([[menu[s // m], menu[s % m]] for s in [state, *bent[:PERIODS]]])
            paths.append(both if firm == 0 else both[:, ::-1])
    mean = np.mean(paths, axis=0)
    return {
        "cuts_that_do_not_pay": 1 - float(np.mean(pays)),
        "path": mean.round(4).tolist(),
        "other_after_two_periods": float(mean[2, 1] / mean[0, 1] - 1),
    }


def follow(strategy: np.ndarray, state: int, m: int, periods: int) -> list[int]:
    """The states that greedy play comes to from this one."""
    out: list[int] = []
    for _ in range(periods):
        state = int(strategy[0, state]) * m + int(strategy[1, state])
        out.append(state)
    return out


def peers(table: Array, sessions: int) -> dict[str, Any]:
    """The same loop as plain Python, and in C, one core each, in this very run."""
    one = learn_one_core(table, sessions)
    flat, start = table.reshape(2, -1), initial_values(table, 0.95)
    most = 20_000
    begin = time.perf_counter()
    session(flat, start, (0.15, 4e-6, 0.95, 100_000, most), 1)
    plain = most / (time.perf_counter() - begin)
    out = {
        "numba_periods_per_second": one,
        "python_periods_per_second": plain,
        "faster_than_python": one / plain,
    }
    if shutil.which("gcc"):
        c = in_c(table, start, sessions)
        out |= {"c_periods_per_second": c, "time_of_numba_over_c": c / one}
    return out


def learn_one_core(table: Array, sessions: int) -> float:
    begin = time.perf_counter()
    done = learn(table, Learning(), sessions, seed=1, threads=1)
    return float(done.periods.sum() / (time.perf_counter() - begin))


def in_c(table: Array, start: Array, sessions: int) -> float:
    """Periods a second of the C program."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "q.c"
        source.write_text(C_SOURCE)
        program = str(Path(folder) / "q")
        subprocess.run(["gcc", "-O3", "-march=native", str(source), "-o", program, "-lm"], check=True)
        told = " ".join(repr(float(x)) for x in [*table.ravel(), *start.ravel()])
        begin = time.perf_counter()
        said = subprocess.run(
            [program, str(sessions)], input=told, capture_output=True, text=True, check=True
        )
        return float(said.stdout) / (time.perf_counter() - begin)


if __name__ == "__main__":
    main()
