"""Scoring beside one busy neighbour: threads that spin while they wait, that spin shortly, and that do not.

    python bench/threads.py

Prints seconds for the 16 training prompts on SmolLM2-135M, quiet and with one core kept busy.
"""

from __future__ import annotations

import os
import subprocess
import sys

SCORE = """
import time
from homines.frames.table import Table
from homines.games.ipd import ipd
from homines.models import load
from homines.elicitation.orders import orders
model = load("smollm2", device="cpu")
prompts = [Table("action1,action2")(d, o) for d in ipd().memory_one() for o in orders(2, 2)]
model.score(prompts)
start = time.monotonic()
for _ in range(3):
    model.score(prompts)
print(f"{(time.monotonic() - start) / 3:.2f}")
"""


WAYS = {
    "spinning": {"OMP_WAIT_POLICY": "ACTIVE"},
    "asleep": {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"},
    "a short spin (ours)": {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "10000"},
}


def seconds(way: str) -> str:
    env = {k: v for k, v in os.environ.items() if k != "GOMP_SPINCOUNT"} | WAYS[way]
    done = subprocess.run([sys.executable, "-c", SCORE], env=env, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def main() -> None:
    for busy in (False, True):
        burner = subprocess.Popen([sys.executable, "-c", "while True: pass"]) if busy else None
        try:
            for way in WAYS:
                print("busy" if busy else "idle", way, seconds(way), "s", flush=True)
        finally:
            if burner is not None:
                burner.kill()


if __name__ == "__main__":
    main()
