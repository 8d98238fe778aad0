"""Reading the answer after each reason against counting answers: the same reasons, one run.

    python bench/aloud.py MODEL DATA [--prompts 16] [--traces 8]
    python bench/aloud.py --speed [MODEL ...] [--prompts 64] [--tokens 64]

MODEL thinks aloud (a model tuned on DATA does) at temperature 1. Prints the standard error of P(first answer)
when the exact label distribution after each of K reasons is averaged, and when one answer drawn after each is
counted.

--speed: instead, tokens a second of that reading beside transformers' generate of the same prompts, in one
run: the network as transformers loads it, one batch padded on the left, stopped at the same cue, and no
answers read. Greedy, rounds in turn. Writes bench/aloud.json.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from homines.core.registry import find
from homines.datasets.folder import read
from homines.elicitation.questions import battery, questions
from homines.inference import reasoning
from homines.inference.products import use_onednn
from homines.inference.reasoning import ReasoningOptions, read_reasoned
from homines.models import load
from homines.models.hf import HuggingFace

HERE = Path(__file__).parent


FRAME = "table(labels='A,B', goal='highest score', asks=aloud)"
GAMES = ("ipd", "ish", "icn", "bos")


def speed(name: str, count: int, most: int, rounds: int) -> dict[str, Any]:
    """Tokens a second of one model, the best of some rounds in turn."""
    model = load(name, device="cpu")
    assert isinstance(model, HuggingFace)
    games = {game: battery(find("games", game)) for game in GAMES}
    asked = questions(model, games, [find("frames", FRAME)])
    prompts = [question.prompt for question in asked][:count]
    how = ReasoningOptions(most=most)
    seconds: dict[str, list[float]] = {"homines": [], "transformers": []}
    tokens = {"homines": 0, "transformers": 0}
    read_reasoned(model, prompts[:2], ReasoningOptions(most=2))
    ours, theirs = [], []
    for _ in range(rounds):
        use_onednn(model.net)
        start = time.perf_counter()
        ours = read_reasoned(model, prompts, how)
        seconds["homines"].append(time.perf_counter() - start)
        tokens["homines"] = sum(each.tokens for each in ours)
        use_onednn(model.net, use=False)
        start = time.perf_counter()
        theirs = reasoning._generate(model, prompts, how)
        seconds["transformers"].append(time.perf_counter() - start)
        tokens["transformers"] = sum(n for _, n in theirs)
    rate = {way: tokens[way] / min(took) for way, took in seconds.items()}
    return {
        "prompts": len(prompts),
        "tokens": tokens,
        "seconds": {way: [round(s, 2) for s in took] for way, took in seconds.items()},
        "tokens_per_second": rate,
        "times_transformers": rate["homines"] / rate["transformers"],
        "same_texts": float(np.mean([a.reasons[0] == b[0] for a, b in zip(ours, theirs, strict=True)])),
        "reached_an_answer": float(np.mean([a.reasons[0] is not None for a in ours])),
    }


def keep(found: dict[str, Any]) -> None:
    """Write these figures beside those of the other parts."""
    path = HERE / "aloud.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(known | found, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", metavar="MODEL")
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--prompts", type=int)
    parser.add_argument("--traces", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=1)
    asked = parser.parse_args()
    if asked.speed:
        for name in asked.names or ["smollm2"]:
            found = speed(name, asked.prompts or 64, asked.tokens, asked.rounds)
            print(name, json.dumps(found, indent=1))
            keep({f"speed {name}": found})
        return
    name, data = asked.names
    model = load(name)
    assert isinstance(model, HuggingFace)
    _, _, test = read(data)
    prompts = [row.prompt for row in test[: asked.prompts or 16]]
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
    keep(rows)


if __name__ == "__main__":
    main()
