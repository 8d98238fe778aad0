"""Random coefficients beside biogeme and xlogit: the same choices, the same model, the same run.

    python bench/random_coefficients.py

200 simulated subjects choose 20 times between two divisions of money; alpha, beta and ln precision differ.
Then the same with one precision for all, which is the model that xlogit has (a common scale). biogeme and
xlogit are asked for here only (pip install biogeme xlogit). Writes bench/random_coefficients.json.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from homines.core.types import Choice, Decision, frozen
from homines.estimation.columns import Observation
from homines.estimation.family import family
from homines.estimation.random_coefficients import random_coefficients

HERE = Path(__file__).parent
SUBJECTS, TIMES = 200, 20
MEAN = np.array([0.2, 0.4, np.log(0.08)])
SPREADS = {"all differ": np.array([0.25, 0.3, 0.5]), "one precision": np.array([0.25, 0.3, 0.0])}
PEER_DRAWS = {"one precision": (500, 5000), "all differ": (500,)}


def simulate(sd: np.ndarray) -> tuple[list[Observation], np.ndarray, np.ndarray, np.ndarray]:
    """(observations, columns [subject * time, option, column], first option chosen, subject)."""
    rng = np.random.default_rng(0)
    paid = rng.integers(10, 100, (TIMES, 2, 2)).astype(float)
    menus = [Decision(("X", "Y"), frozen(p)) for p in paid]
    columns = np.stack([family("inequity").columns(d) for d in menus])
    observations: list[Observation] = []
    first: list[bool] = []
    for i in range(SUBJECTS):
        *theta, log_precision = rng.normal(MEAN, sd)
        v = columns @ (np.exp(log_precision) * np.r_[1.0, theta])
        chosen = rng.random(TIMES) < 1 / (1 + np.exp(v[:, 1] - v[:, 0]))
        observations += [
            Observation(d, Choice.at([float(c), float(not c)], n=1), f"s{i}")
            for d, c in zip(menus, chosen, strict=True)
        ]
        first += list(chosen)
    return (
        observations,
        np.tile(columns, (SUBJECTS, 1, 1)),
        np.array(first),
        np.repeat(np.arange(SUBJECTS), TIMES),
    )


def timed(work: Callable[[], tuple[list[float], float]]) -> dict[str, Any]:
    start = time.perf_counter()
    numbers, height = work()
    return {"numbers": [round(float(x), 4) for x in numbers], "ln L": round(height, 2)} | {
        "seconds": round(time.perf_counter() - start, 1)
    }


def ours(observations: list[Observation]) -> tuple[list[float], float]:
    e = random_coefficients(observations, "inequity")
    print("   s.e.", e.se.ravel().round(3), "simulation", e.simulation.ravel().round(3))
    return [*map(float, e.mean), *map(float, e.sd)], e.loglik


def biogeme(x: np.ndarray, first: np.ndarray, who: np.ndarray, draws: int) -> tuple[list[float], float]:
    import pandas as pd
    from biogeme.biogeme import BIOGEME  # pyright: ignore[reportMissingImports]
    from biogeme.database import Database  # pyright: ignore[reportMissingImports]
    from biogeme.expressions import (  # pyright: ignore[reportMissingImports]
        Beta,
        Draws,
        MonteCarlo,
        PanelLikelihoodTrajectory,
        Variable,
        exp,
        log,
    )
    from biogeme.models import logit  # pyright: ignore[reportMissingImports]

    gap = x[:, 0] - x[:, 1]
    data = Database(
        "menus",
        pd.DataFrame({"who": who, "choice": 2 - first, "own": gap[:, 0], "a": gap[:, 1], "b": gap[:, 2]}),
    )
    data.panel("who")

    def normal(name: str, mean: float) -> Any:
        return Beta(name, mean, None, None, 0) + Beta(f"sd_{name}", 0.3, None, None, 0) * Draws(
            f"z_{name}", "NORMAL_HALTON2" if name == "alpha" else f"NORMAL_HALTON{3 if name == 'beta' else 5}"
        )

    alpha, beta, log_precision = normal("alpha", 0.1), normal("beta", 0.3), normal("ln", -2.5)
    v = exp(log_precision) * (Variable("own") + alpha * Variable("a") + beta * Variable("b"))
    each = logit({1: v, 2: 0}, None, Variable("choice"))
    model = BIOGEME(
        data,
        log(MonteCarlo(PanelLikelihoodTrajectory(each))),
        number_of_draws=draws,
        generate_html=False,
        generate_yaml=False,
        save_iterations=False,
    )
    model.model_name = "menus"
    result = model.estimate()
    values = result.get_beta_values()
    names = ("alpha", "beta", "ln", "sd_alpha", "sd_beta", "sd_ln")
    numbers = [values[n] if not n.startswith("sd") else abs(values[n]) for n in names]
    return numbers, float(result.final_log_likelihood)


def xlogit(x: np.ndarray, first: np.ndarray, who: np.ndarray, draws: int) -> tuple[list[float], float]:
    from xlogit import MixedLogit  # pyright: ignore[reportMissingImports]

    rows = x.reshape(-1, x.shape[-1])
    n = len(first)
    model = MixedLogit()
    # its scaled utility is scale * (-price + x . b): a price is what is lost
    model.fit(
        rows[:, 1:], np.where(np.tile([1, 2], n) == np.repeat(2 - first, 2), 1, 0), ["alpha", "beta"],
        alts=np.tile([1, 2], n), ids=np.repeat(np.arange(n), 2), panels=np.repeat(who, 2),
        randvars={"alpha": "n", "beta": "n"}, scale_factor=-rows[:, 0], n_draws=draws, verbose=0,
        init_coeff=np.array([0.1, 0.3, 0.3, 0.3, 0.05]),
    )  # fmt: skip
    alpha, beta, sd_alpha, sd_beta, scale = model.coeff_
    return [alpha, beta, float(np.log(scale)), abs(sd_alpha), abs(sd_beta), 0.0], float(model.loglikelihood)


def main() -> None:
    rows: dict[str, Any] = {}

    def note(name: str, work: Callable[[], tuple[list[float], float]]) -> None:
        rows[name] = timed(work)
        print(f"{name:<40} {rows[name]}", flush=True)

    os.chdir(tempfile.mkdtemp())  # peers write files where they stand
    for name, peer in (("one precision", xlogit), ("all differ", biogeme)):
        observations, *arrays = simulate(SPREADS[name])
        note(f"{name}, homines (500 draws)", partial(ours, observations))
        for draws in PEER_DRAWS[name]:
            try:
                note(f"{name}, {peer.__name__} ({draws} draws)", partial(peer, *arrays, draws))
            except ImportError as missing:
                print(f"{missing}: pip install {peer.__name__}")
        (HERE / "random_coefficients.json").write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
