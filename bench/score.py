"""Decisions a second: homines, lm-evaluation-harness's loglikelihood, and generate-and-parse, in one run.

    python bench/score.py [MODEL ...] [--prompts 144] [--peers 36]
    python bench/score.py --memory

The same weights in memory, the same prompts (the Tennant battery), one after the other, rounds in turn. A
decision is one prompt answered: for homines and lm-eval the log-probability of every whole label, for
generate-and-parse one sampled answer. The two peers have the network as transformers loads it, and every n-th
prompt: their time is in proportion to the prompts, of which they share nothing.

--memory: instead, peak memory and seconds of batteries of 1 and 100 times as many prompts, on a random
network with SmolLM2's vocabulary. Writes bench/score.json. Needs the extra [bench].
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from homines.core.types import Prompt
from homines.inference.products import use_onednn
from homines.inference.tokens import encode, render, terminator
from homines.models import load
from homines.models.hf import HuggingFace
from homines.studies.tennant2025.exam import core_exam

HERE = Path(__file__).parent
ROUNDS = 2
PEERS, SMALL = 36, 1.4e8
"""Prompts of the two peers for a model of so many weights; larger ones get fewer, 8 at least."""
BATCH = 16


def battery(model: HuggingFace, most: int | None) -> list[Prompt]:
    """The exam of the study tennant2025, in the order of the study."""
    return [question.prompt for question in core_exam(model, wide=True)][:most]


def ours(model: HuggingFace, prompts: Sequence[Prompt]) -> list[np.ndarray]:
    """Log-probability of every whole label."""
    with torch.no_grad():
        return [logp.cpu().numpy() for logp in model.logprobs(model.encode(prompts))]


class Harness:
    """lm-evaluation-harness on the same network: each label, its terminator behind it, as a continuation."""

    def __init__(self, model: HuggingFace) -> None:
        from lm_eval.models.huggingface import HFLM

        logging.getLogger("lm_eval").setLevel(logging.ERROR)
        self.lm: Any = HFLM(pretrained=model.net, tokenizer=model.tokenizer, batch_size=BATCH)
        self.tokenizer = model.tokenizer

    def __call__(self, prompts: Sequence[Prompt]) -> list[np.ndarray]:
        # by tokens: given text, it moves the blanks that end a prompt over to the answer, which adds their
        # probability to every label's
        asked = [
            ((str(i), str(label)), list(item.prompt), list(label))
            for i, item in enumerate(encode(self.tokenizer, prompts))
            for label in item.labels
        ]
        said = iter(self.lm._loglikelihood_tokens(asked, disable_tqdm=True))
        return [np.array([next(said)[0] for _ in prompt.labels]) for prompt in prompts]


def sampled(model: HuggingFace, prompts: Sequence[Prompt]) -> float:
    """One answer a prompt, sampled at temperature 1 and parsed strictly; the share that is a label."""
    tokenizer, legal = model.tokenizer, 0
    tokenizer.padding_side = "left"
    for i in range(0, len(prompts), BATCH):
        some = prompts[i : i + BATCH]
        asked = tokenizer(
            [render(tokenizer, p) for p in some], return_tensors="pt", padding=True, add_special_tokens=False
        ).to(model.net.device)
        with torch.no_grad():
            out = model.net.generate(
                **asked,
                max_new_tokens=8,
                do_sample=True,
                temperature=1.0,
                top_k=0,
                eos_token_id=terminator(tokenizer),
                pad_token_id=terminator(tokenizer),
            )
        said = tokenizer.batch_decode(out[:, asked.input_ids.shape[1] :], skip_special_tokens=True)
        legal += sum(words.strip() in p.labels for words, p in zip(said, some, strict=True))
    return legal / len(prompts)


def timed(work: Callable[[], Any], device: str) -> tuple[float, Any]:
    gc.collect()
    start = time.perf_counter()
    out = work()
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    return time.perf_counter() - start, out


def compare(
    model: HuggingFace, prompts: Sequence[Prompt], rounds: int = ROUNDS, peers: int | None = None
) -> dict[str, Any]:
    """Decisions a second of each, the best of some rounds in turn; and how far log-probabilities differ.

    peers  how many of the prompts lm-evaluation-harness and generate-and-parse answer; None: all
    """
    harness, device = Harness(model), str(model.net.device)
    every = range(0, len(prompts), max(1, len(prompts) // (peers or len(prompts))))
    some = [prompts[i] for i in every]
    ways: dict[str, tuple[int, Callable[[], Any]]] = {
        "homines": (len(prompts), lambda: ours(model, prompts)),
        "lm-eval": (len(some), lambda: harness(some)),
        "generate-and-parse": (len(some), lambda: sampled(model, some)),
    }
    ours(model, prompts[:BATCH]), harness(some[:2])
    took: dict[str, list[float]] = {way: [] for way in ways}
    said: dict[str, Any] = {}
    for _ in range(rounds):
        for way, (_, work) in ways.items():
            use_onednn(model.net, use=way == "homines")
            seconds, said[way] = timed(work, device)
            took[way].append(seconds)
    use_onednn(model.net)
    rate = {way: count / min(took[way]) for way, (count, _) in ways.items()}
    apart = [float(np.abs(said["homines"][i] - b).max()) for i, b in zip(every, said["lm-eval"], strict=True)]
    encoded = encode(model.tokenizer, prompts)
    return {
        "prompts": {way: count for way, (count, _) in ways.items()},
        "tokens": sum(len(e.prompt) * len(e.labels) + sum(map(len, e.labels)) for e in encoded),
        "tokens_read": model.tokens(prompts),
        "seconds": {way: [round(s, 3) for s in seconds] for way, seconds in took.items()},
        "decisions_per_second": rate,
        "times_lm_eval": rate["homines"] / rate["lm-eval"],
        "times_generate": rate["homines"] / rate["generate-and-parse"],
        "largest_difference": max(apart),
        "share_of_samples_legal": said["generate-and-parse"],
    }


def peak(model: HuggingFace, prompts: Sequence[Prompt]) -> dict[str, Any]:
    """Where the time of scoring goes: matrix products at this machine's own best rate, against all of it."""
    net = model.net
    layer = torch.nn.Linear(2048, 2048, bias=False, dtype=net.dtype, device=net.device)
    x = torch.randn(2048, 2048, dtype=net.dtype, device=net.device)
    rates: dict[str, float] = {}
    with torch.no_grad():
        for products in ("pytorch", "homines"):
            use_onednn(layer, use=products == "homines")
            best = min(timed(lambda: layer(x), str(net.device))[0] for _ in range(6))
            rates[products] = 2 * 2048**3 / best
    embedding = net.get_input_embeddings().weight.numel()
    whole = sum(p.numel() for p in net.parameters())
    tied = net.get_output_embeddings().weight is net.get_input_embeddings().weight
    body = whole - (1 if tied else 2) * embedding
    kept = sum(1 + sum(len(label) - 1 for label in e.labels) for e in encode(model.tokenizer, prompts))
    work = 2 * body * model.tokens(prompts) + 2 * embedding * kept
    seconds, _ = timed(lambda: ours(model, prompts), str(net.device))
    return {
        "flop_per_second_of_a_product": rates,
        "flop_of_the_products": work,
        "share_of_the_limit": work / rates["homines"] / seconds,
        "share_of_the_output_layer": 2 * embedding * kept / work,
        "seconds": seconds,
    }


def memory(times: int) -> dict[str, float]:
    """Peak memory and time of so many times the battery, numbers in the payoffs all different."""
    sys.path.insert(0, str(HERE.parent))
    from transformers import AutoTokenizer

    from homines.core.registry import find
    from homines.elicitation.asking import measure
    from homines.elicitation.questions import battery, questions
    from homines.games.symmetric import symmetric
    from homines.models import catalogue
    from tests.helpers.tiny import tiny

    tokenizer: Any = AutoTokenizer.from_pretrained(str(catalogue.pull()))
    model = HuggingFace(tiny("llama"), tokenizer, name="tiny", provenance={"revision": "random"})
    games = {
        f"symmetric({i})": battery(symmetric(reward=3 + i, sucker=0, temptation=4 + i, punishment=1))
        for i in range(4 * times)
    }
    asked = questions(model, games, [find("frames", "table(labels='action1,action2')")])
    start = time.perf_counter()
    measure(model, asked)
    seconds = time.perf_counter() - start
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    read = model.tokens([q.prompt for q in asked])  # last: all prompts at once
    return {"prompts": len(asked), "tokens_read": read, "seconds": seconds, "peak_mb": peak_mb}


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("models", nargs="*", metavar="MODEL")
    ask.add_argument("--prompts", type=int, default=144)
    ask.add_argument("--peers", type=int)
    ask.add_argument("--rounds", type=int, default=ROUNDS)
    ask.add_argument("--memory", action="store_true")
    ask.add_argument("--times", type=int)
    given = ask.parse_args()
    if given.times:
        print(json.dumps(memory(given.times)))
        return
    if given.memory:
        for times in (1, 100):
            done = subprocess.run(
                [sys.executable, __file__, "--times", str(times)], capture_output=True, text=True, check=True
            )
            keep(f"battery x {times}", json.loads(done.stdout.splitlines()[-1]))
        return
    for name in given.models or ["smollm2"]:
        model = load(name, device="cpu")
        assert isinstance(model, HuggingFace)
        size = sum(p.numel() for p in model.net.parameters())
        peers = given.peers or max(8, round(PEERS * SMALL / size))
        prompts = battery(model, given.prompts)
        found = compare(model, prompts, given.rounds, peers) | {"profile": peak(model, prompts)}
        keep(Path(name).name, found)
        del model


def keep(name: str, found: dict[str, Any]) -> None:
    """Print a part's figures, and write them beside those of the others."""
    print(name, json.dumps(found, indent=1), flush=True)
    path = HERE / "score.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(known | {name: found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
