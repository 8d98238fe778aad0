"""Q-learning firms of Calvano et al. (2020): 1000 sessions of their baseline, and what follows a price cut.

    python bench/pricing.py [--sessions N] [--others N] [--peers N]

Compiled by numba (extra [markets]). --others: so many sessions each of other markets (three firms, unequal
costs, impatient firms) beside what was published of them. --peers: five rounds of so many sessions on one
core, ours and in turn a C program of the same loop and random numbers (qlearning.c, gcc -O3 -march=native),
whose sessions must be equal to ours; and plain Python on a short stretch. 0 leaves a part out; its last
figures stay. Writes bench/pricing.json.
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
from statistics import median
from typing import Any

import numpy as np

from homines.core.types import Array
from homines.theory.market import Market
from homines.theory.qlearning import Learning, Sessions, initial_values, learn
from homines.theory.qlearning_session import session

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
ROUNDS = 5
C_PROGRAMS = {"c": (), "c_scanning": ("-DSCAN",)}
"""Builds of qlearning.c: our loop, and one that compares all prices after every greedy choice."""


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--sessions", type=int, default=1000)
    ask.add_argument("--others", type=int, default=0)
    ask.add_argument("--peers", type=int, default=20)
    given = ask.parse_args()
    path = HERE / "pricing.json"
    out: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    if given.sessions:
        out |= baseline(given.sessions)
    if given.peers:
        market = Market()
        out["peers"] = peers(compiled(market.table(market.menus())[:2]), given.peers)
    if given.others:
        out["others"] = {name: gains_of(*market, given.others) for name, market in OTHERS.items()}
    print(json.dumps(out, indent=1))
    path.write_text(json.dumps(out, indent=1) + "\n")


def compiled(table: Array) -> Array:
    """This table, once numba has compiled the session."""
    learn(table, Learning(stable=10, most=1000), 1)
    return table


def baseline(sessions: int) -> dict[str, Any]:
    """The published baseline: profit gain, time to settle, and what follows a price cut."""
    market = Market()
    menu = market.menus()[0]
    table = compiled(market.table(market.menus())[:2])
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
    """Periods a second on one core: ours and the C programs, one after the other in every round; then plain
    Python. Raises AssertionError where a C program's sessions are not ours."""
    flat, start = np.ascontiguousarray(table.reshape(2, -1)), initial_values(table, 0.95)
    rounds: list[dict[str, float]] = []
    load = round(os.getloadavg()[0], 1)
    with tempfile.TemporaryDirectory() as folder:
        programs = compile_c(Path(folder)) if shutil.which("gcc") else {}
        for seed in range(ROUNDS):
            begin = time.perf_counter()
            done = learn(table, Learning(), sessions, seed=seed, threads=1)
            rounds.append({"numba": time.perf_counter() - begin})
            for name, program in programs.items():
                begin = time.perf_counter()
                lines = run_c(program, flat, start, sessions, seed)
                rounds[-1][name] = time.perf_counter() - begin
                for i, line in enumerate(lines):
                    ours = [done.state[i], done.periods[i], *done.strategy[i].ravel()]
                    assert line.split() == list(map(str, ours)), f"{name}: session {i} of seed {seed}"
            rounds[-1]["periods"] = float(done.periods.sum())
    periods = 20_000
    begin = time.perf_counter()
    session.py_func(flat, start, (0.15, 4e-6, 0.95, 100_000, periods), 1)
    plain = periods / (time.perf_counter() - begin)
    rate = {name: median(r["periods"] / r[name] for r in rounds) for name in ("numba", *programs)}
    return {
        "rounds": ROUNDS,
        "sessions_equal_in_all": ROUNDS * sessions if programs else 0,
        "load_average_before": load,
        "periods_per_second": rate | {"python": plain},
        "time_of_numba_over": {name: median(r["numba"] / r[name] for r in rounds) for name in programs},
    }


def compile_c(folder: Path) -> dict[str, Path]:
    """The C programs by name. Products and sums are rounded one by one, as numba's are."""
    flags = ["-O3", "-march=native", "-ffp-contract=off"]
    for name, options in C_PROGRAMS.items():
        source = str(HERE / "qlearning.c")
        subprocess.run(["gcc", *flags, *options, source, "-o", str(folder / name), "-lm"], check=True)
    return {name: folder / name for name in C_PROGRAMS}


def run_c(program: Path, flat: Array, start: Array, sessions: int, seed: int) -> list[str]:
    """Its line of every session that `learn` has for this seed."""
    seeds = np.random.SeedSequence(seed).generate_state(sessions, np.uint32)
    numbers = " ".join(repr(float(x)) for x in [*flat.ravel(), *start.ravel()])
    return subprocess.run(
        [program, *map(str, seeds)], input=numbers, capture_output=True, text=True, check=True
    ).stdout.splitlines()


if __name__ == "__main__":
    main()
