"""Pulling a model of the catalogue: seconds of each stage, and the memory of converting and of loading it.

    python bench/pull.py qwen-0.5b [--cache FOLDER] [--compare]

Fetches into FOLDER (default: a new one, removed afterwards), converts, and loads the result in a process of
its own. Memory is the process's anonymous pages (mapped files are not in it), sampled every 20 ms.
--compare reads the file by transformers as well and compares every tensor bit for bit; keep its GGUF file in
FOLDER for that.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from threading import Thread
from typing import Any

from homines.core.catalogue import NAMES, find
from homines.core.progress import Follow


def anonymous() -> float:
    """GB of anonymous pages of this process."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("RssAnon:")[1].split()[0]) / 1e6


def say(text: str) -> None:
    print(text, file=sys.stderr)


class Peak(Thread):
    """The most anonymous memory so far."""

    gigabytes = 0.0

    def run(self) -> None:
        while True:
            self.gigabytes = max(self.gigabytes, anonymous())
            time.sleep(0.02)


def pull(name: str) -> dict[str, float]:
    """Seconds of each stage, from its beginning to the next one's, and the peak of all."""
    from homines.models import catalogue

    begun: list[tuple[str, float]] = []

    def begin(stage: str, total: int) -> Any:
        begun.append((stage.partition(" ")[0], time.monotonic()))
        return lambda done: None

    peak = Peak(daemon=True)
    peak.start()
    start = time.monotonic()
    catalogue.pull(
        name, again=True, follow=Follow(say=lambda text: print(text, file=sys.stderr), begin=begin)
    )
    ends = [*(t for _, t in begun[1:]), time.monotonic()]
    stages = {stage: round(end - t, 1) for (stage, t), end in zip(begun, ends, strict=True)}
    return {"before": round(begun[0][1] - start, 1), **stages, "peak GB": round(peak.gigabytes, 2)}


def load(name: str) -> dict[str, float]:
    """Seconds and anonymous memory of loading, of which the first is without the check of the hash."""
    from homines.models import catalogue
    from homines.models.hf import load as load_folder

    peak = Peak(daemon=True)
    peak.start()
    start, before = time.monotonic(), anonymous()
    model = load_folder(str(catalogue.cache_folder() / name), (), device="cpu", dtype="float32", name=name)
    seconds = time.monotonic() - start
    held = sum(p.numel() * p.element_size() for p in model.net.parameters()) / 1e9
    start = time.monotonic()
    catalogue.pull(name)
    return {
        "weights GB": round(held, 2),
        "seconds": round(seconds, 1),
        "hash seconds": round(time.monotonic() - start, 1),
        "anonymous GB before": round(before, 2),
        "anonymous GB": round(anonymous(), 2),
        "peak GB": round(peak.gigabytes, 2),
    }


def compare(name: str) -> dict[str, Any]:
    """Whether every tensor is the one that transformers reads from the file."""
    import torch
    from safetensors import safe_open
    from transformers import AutoModelForCausalLM

    from homines.models.catalogue import cache_folder

    model = find(name)
    assert model is not None
    theirs: Any = AutoModelForCausalLM.from_pretrained(
        cache_folder(), gguf_file=model.file, dtype=torch.float32
    )
    expected = theirs.state_dict()
    with safe_open(cache_folder() / name / "model.safetensors", "pt") as ours:
        names = set(ours.keys())
        equal = sum(torch.equal(ours.get_tensor(key), expected[key]) for key in names)
    left = sorted(key for key in set(expected) - names if key != "lm_head.weight")
    return {"tensors": len(names), "equal": equal, "left out": left}


STEPS = {"pull": pull, "load": load, "compare": compare}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--compare", action="store_true")
    parser.add_argument("--step", choices=STEPS)
    given = parser.parse_args()
    if given.step:
        print(json.dumps(STEPS[given.step](given.name)))
        return
    with tempfile.TemporaryDirectory() as new:
        place = {**os.environ, "HOMINES_CACHE": str(given.cache or new)}
        for step in ("pull", "load", *(["compare"] if given.compare else [])):
            done = subprocess.run(
                [sys.executable, __file__, given.name, "--step", step],
                env=place,
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            )
            print(f"{step:8} {done.stdout.splitlines()[-1]}", flush=True)


if __name__ == "__main__":
    main()
