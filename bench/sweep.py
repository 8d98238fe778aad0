"""Two one-core workers of a sweep against one: the same cells, one run, one after the other.

    python bench/sweep.py [--cells 4] [--steps 6] [--model smollm2]

Every cell trains the model for so many exact steps on the iterated prisoner's dilemma, with a seed of its
own and one thread. Each of the two sweeps starts its processes, loads the model for each cell and writes
its pages: all that a user waits for. Prints the seconds of both and their ratio (target: 1.7), checks that
both made the same bytes, and writes bench/sweep.json.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

from homines.sweeps.grid import parse
from homines.sweeps.options import SweepOptions
from homines.sweeps.store import SharedStore
from homines.sweeps.sweep import sweep

HERE = Path(__file__).parent
TARGET = 1.7


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cells", type=int, default=4)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--model", default="smollm2")
    asked = parser.parse_args()
    grid = parse(
        {
            "models": [asked.model],
            "preferences": ["game_deontological"],
            "seeds": list(range(asked.cells)),
            "device": "cpu",
            "align": {"steps": asked.steps, "side_effects": False},
        },
        "bench",
    )
    load = os.getloadavg()[0]
    seconds: dict[int, float] = {}
    summary: dict[int, bytes] = {}
    with tempfile.TemporaryDirectory() as folder:
        for workers in (2, 1):
            store = SharedStore(f"{folder}/{workers}")
            start = time.perf_counter()
            found = sweep(grid, store, SweepOptions("local", workers=workers))
            seconds[workers] = time.perf_counter() - start
            assert {row["state"] for row in found} == {"done"}, found
            summary[workers] = (Path(store.root) / "bench" / "sweep.csv").read_bytes()
    row = {
        "model": asked.model,
        "cells": asked.cells,
        "steps": asked.steps,
        "cores": os.cpu_count(),
        "load average before": load,
        "seconds, one worker": seconds[1],
        "seconds, two workers": seconds[2],
        "ratio": seconds[1] / seconds[2],
        "target": TARGET,
        "same bytes": summary[1] == summary[2],
    }
    for name, value in row.items():
        print(f"{name:<22} {value}")
    (HERE / "sweep.json").write_text(json.dumps(row, indent=1) + "\n")


if __name__ == "__main__":
    main()
