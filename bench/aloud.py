"""Reading the answer after each reason against counting answers: the same reasons, one run.

    python bench/aloud.py MODEL DATA [--prompts 16] [--traces 8]

MODEL thinks aloud (a model tuned on DATA does) at temperature 1. Prints the standard error of P(first answer)
when the exact label distribution after each of K reasons is averaged, and when one answer drawn after each is
counted. Writes bench/aloud.json.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np

from homines.inference.reasoning import ReasoningOptions, read_reasoned
from homines.models import load
from homines.models.hf import HuggingFace
from homines.training.data_folder import read

HERE = Path(__file__).parent


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("data")
    parser.add_argument("--prompts", type=int, default=16)
    parser.add_argument("--traces", type=int, default=8)
    asked = parser.parse_args()
    model = load(asked.model)
    assert isinstance(model, HuggingFace)
    _, _, test = read(asked.data)
    prompts = [row.prompt for row in test[: asked.prompts]]
    start = time.perf_counter()
    heard = read_reasoned(model, prompts, ReasoningOptions(asked.traces, 1.0))
    seconds = time.perf_counter() - start
    read_exactly = [h.p[:, 0] for h in heard]
    counted = [np.array([a == 0 for a in h.counted], dtype=float) for h in heard]
    rows = {
        "prompts": len(prompts),
        "traces": asked.traces,
        "tokens": sum(h.tokens for h in heard),
        "seconds": seconds,
        "reasons that came to an answer": float(np.mean([r is not None for h in heard for r in h.reasons])),
        "standard error, exact": float(np.mean([x.std(ddof=1) for x in read_exactly]) / asked.traces**0.5),
        "standard error, counting": float(np.mean([x.std(ddof=1) for x in counted]) / asked.traces**0.5),
        "variance, counting over exact": float(
            np.sum([x.var(ddof=1) for x in counted])
            / max(1e-300, np.sum([x.var(ddof=1) for x in read_exactly]))
        ),
    }
    for name, value in rows.items():
        print(f"{name:<32} {value}")
    (HERE / "aloud.json").write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
