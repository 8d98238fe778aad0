"""Estimation on the choices of Bruhin, Fehr & Schunk (2019): homines beside statsmodels, one run.

    python bench/fit.py

Needs ../shared/data/bfs2019_session1.csv beside the checkout, and statsmodels (pip install 'homines[bench]').
Writes bench/fit.json.
"""

from __future__ import annotations

import csv
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from homines.estimation.family import family
from homines.estimation.fit import check_design, fit
from homines.estimation.mixture import mixture
from homines.estimation.observations_csv import read_csv
from homines.estimation.problem import problem, to_parameters

HERE = Path(__file__).parent
DATA = HERE.parents[1] / "shared" / "data"
REPEATS = 5


def tidy(path: Path) -> None:
    """The published file as the tidy CSV of homines."""
    dropped = set((DATA / "bfs2019_dropped_subjects.csv").read_text().split())
    with open(DATA / "bfs2019_session1.csv", newline="") as there, open(path, "w", newline="") as here:
        out = csv.writer(here)
        out.writerow(["subject", "game", "decision", "option", "own", "other", "chosen", "kindness"])
        for row in csv.DictReader(there):
            if row["sid"] not in dropped:
                kind = int(row["q"]) - int(row["v"])
                for option, chosen in (("x", int(row["choice_x"])), ("y", 1 - int(row["choice_x"]))):
                    paid = row[f"self_{option}"], row[f"other_{option}"]
                    out.writerow([row["sid"], row["gid"], row["gid"], option, *paid, chosen, kind])


def best(work: Callable[[], Any], repeats: int = REPEATS) -> tuple[float, Any]:
    """Least seconds of some repeats, and the last result."""
    seconds: list[float] = []
    result = None
    for _ in range(repeats):
        start = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - start)
    return min(seconds), result


def main() -> None:
    if not (DATA / "bfs2019_session1.csv").exists():
        sys.exit(f"the public choices are not at {DATA}; nothing to measure")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bfs.csv"
        tidy(path)
        reading, observations = best(lambda: read_csv(path), 1)
    whole, e = best(lambda: fit(observations, "bfs"))
    of = family("bfs")

    def point() -> np.ndarray:
        p = problem(observations, of)
        check_design(p)
        theta, precision = to_parameters(p.peak()[0].g)
        return np.r_[theta, precision]

    bare, values = best(point)
    types, m = best(lambda: mixture(observations, "bfs", 3), 1)
    rows: dict[str, Any] = {
        "choices": len(observations),
        "reading the CSV, s": reading,
        "aggregate with intervals, s": whole,
        "aggregate, values alone, s": bare,
        "mixture K=3, 20 starts, s": types,
        "ln L": [e.loglik, m.loglik],
    }
    try:
        from statsmodels.discrete.discrete_model import Logit
    except ImportError:
        print("statsmodels is missing: pip install 'homines[bench]'")
    else:
        p = problem(observations, of)
        x = (p.design.x[:, 0] - p.design.x[:, 1])[p.at]
        y = p.rows[:, 0]

        def peer() -> Any:
            cluster = {"groups": p.group}
            return Logit(y, x).fit(disp=0, method="newton", cov_type="cluster", cov_kwds=cluster)

        seconds, other = best(peer)
        theta, precision = to_parameters(other.params)
        rows |= {
            "statsmodels Logit on differences, s": seconds,
            "largest difference of the values": float(np.abs(np.r_[theta, precision] - values).max()),
        }
    for name, value in rows.items():
        print(f"{name:<40} {value}")
    (HERE / "fit.json").write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
