"""On a CUDA GPU: reading beside lm-evaluation-harness, exact RL, and FlexAttention beside a dense mask.

    python bench/gpu.py [--limit SECONDS] [--out bench/gpu.json]
    python bench/gpu.py --tiny --device cpu

A network of Gemma-2-2B's shape with random weights (speed does not depend on them), bfloat16, logits float32.
Each of five parts is a process of its own and ends after --limit seconds (150). The result is written after
every part; a part that failed is there with its error. --tiny tries the script on a network of no size, where
FlexAttention is plain PyTorch, and writes nothing. Needs the extra [bench], and smollm2 in its cache.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import rl
import score
import torch
from torch.nn.functional import linear

from homines.core.progress import Follow
from homines.inference.logits import Forest
from homines.inference.processes import quiet
from homines.models import catalogue
from homines.models.hf import HuggingFace
from homines.training import exact

GEMMA_2_2B: dict[str, Any] = {
    "hidden_size": 2304,
    "intermediate_size": 9216,
    "num_hidden_layers": 26,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 256,
    "vocab_size": 256_000,
}
TINY = GEMMA_2_2B | {"hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 2, "head_dim": 16}


class Float32Head(torch.nn.Module):
    """The output layer in float32: bfloat16 would round a logit of 20 by up to .06."""

    def __init__(self, weight: torch.Tensor) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(weight.detach().float(), requires_grad=False)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return linear(hidden.float(), self.weight)


def network(shape: dict[str, Any], device: str) -> Any:
    """Random weights: bfloat16 on a GPU, else float32."""
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(0)
    dtype = torch.bfloat16 if device.startswith("cuda") else torch.float32
    with torch.device(device):
        net = AutoModelForCausalLM.from_config(AutoConfig.for_model("gemma2", **shape), dtype=dtype).eval()
        net.lm_head = Float32Head(net.lm_head.weight)
    return net


def student(net: Any) -> HuggingFace:
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(str(catalogue.pull()))
    return HuggingFace(net, tokenizer, name="gemma-2-2b's shape", provenance={"revision": "random"})


def reading(net: Any, prompts: int) -> dict[str, Any]:
    """Decisions a second, as in bench/score.py."""
    model = student(net)
    battery = score.battery(model, prompts)
    return {**score.compare(model, battery), "profile": score.peak(model, battery)}


def training(net: Any, steps: int) -> dict[str, Any]:
    """Seconds of exact steps, as in bench/rl.py; the first, which warms up, apart."""
    model = student(net)
    ends = [time.perf_counter()]
    with tempfile.TemporaryDirectory() as folder:
        follow = Follow(step=lambda row: ends.append(time.perf_counter()))
        exact.rl(model, rl.teach(model, steps), rl.SETTINGS, Path(folder), follow=follow)
    first, *others = [after - before for before, after in pairwise(ends)]
    return {"first_step_seconds": first, "step_seconds": median(others), "steps": steps}


def forest_of(tokens: int, vocabulary: int) -> Forest:
    """Random tokens in the shape of a battery: all prompts share 128, eight at a time 64 more, 24 are own."""
    numbers = torch.Generator().manual_seed(0)

    def draw(n: int) -> list[int]:
        return torch.randint(vocabulary, (n,), generator=numbers).tolist()

    forest = Forest()
    root = forest.add(-1, draw(128))[-1]
    while len(forest.tokens) < tokens:
        group = forest.add(root, draw(64))[-1]
        for _ in range(8):
            forest.add(group, draw(24))
    return forest


def attention(net: Any, tokens: int) -> dict[str, Any]:
    """One pass over a forest, with a dense mask (`eager`, all that transformers has for this network) and by
    FlexAttention with a mask of blocks: seconds to make the mask, of the first pass and of the next three
    (median); GB at the peak, weights included; the largest difference of log-probabilities."""
    from torch.nn.attention.flex_attention import create_block_mask

    place, forest = net.device, forest_of(tokens, net.config.vocab_size)
    ids, depths = torch.tensor([forest.tokens[:tokens], forest.depths[:tokens]], device=place)[:, None]
    at = torch.arange(0, tokens, tokens // 64, device=place)

    def dense() -> Any:
        mask = torch.zeros(tokens, tokens, dtype=net.dtype)
        return mask.masked_fill_(~forest.sees(0, tokens), torch.finfo(net.dtype).min)[None, None].to(place)

    def blocks() -> Any:
        sees = forest.sees(0, tokens).to(place)
        return create_block_mask(lambda b, h, i, j: sees[i, j], None, None, tokens, tokens, device=place)

    @torch.no_grad()
    def read(mask: Any) -> torch.Tensor:
        out = net(ids, mask, depths, logits_to_keep=at, use_cache=False)
        return out.logits[0].log_softmax(-1)

    out: dict[str, Any] = {}
    logp: list[torch.Tensor] = []
    for kernel, make in {"eager": dense, "flex_attention": blocks}.items():
        net.set_attn_implementation(kernel)
        if place.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        making, mask = score.timed(make, str(place))
        passes = [score.timed(lambda mask=mask: read(mask), str(place)) for _ in range(4)]
        logp.append(passes[0][1])
        seconds = [took for took, _ in passes]
        out[kernel] = {"mask_seconds": making, "first_seconds": seconds[0], "seconds": median(seconds[1:])}
        out[kernel] |= peak_memory(place.type)
    return out | {"largest_difference": float((logp[0] - logp[1]).abs().max())}


def peak_memory(kind: str) -> dict[str, float]:
    return {"peak_gb": torch.cuda.max_memory_allocated() / 1e9} if kind == "cuda" else {}


def part(name: str, device: str, tiny: bool) -> dict[str, Any]:
    """`reading`, `training` or `attention`, with its number after a hyphen."""
    if device == "cpu":
        torch.compiler.set_stance("force_eager")  # FlexAttention as plain PyTorch, nothing to compile
    kind, _, number = name.partition("-")
    work = {"reading": reading, "training": training, "attention": attention}[kind]
    out = work(network(TINY if tiny else GEMMA_2_2B, device), int(number))
    return out if kind == "attention" else out | peak_memory(device)


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    ask.add_argument("--tiny", action="store_true")
    ask.add_argument("--limit", type=float, default=150, help="seconds of a part")
    ask.add_argument("--part", help="one part alone, in this process, such as attention-512")
    ask.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    given = ask.parse_args()
    quiet()
    if given.device == "cuda" and not torch.cuda.is_available():
        print("no CUDA GPU on this machine: nothing was measured; bench/score.py reads on processors")
        return
    if given.part:
        print(json.dumps(part(given.part, given.device, given.tiny)))
        return
    device = torch.cuda.get_device_name() if given.device == "cuda" else given.device
    out: dict[str, Any] = {"device": device, "date": time.strftime("%Y-%m-%d"), "torch": torch.__version__}
    whole = ("reading-480", "training-6", "attention-512", "attention-2048", "attention-8192")
    for name in ("reading-4", "training-2", "attention-256") if given.tiny else whole:
        command = [sys.executable, __file__, "--part", name, "--device", given.device]
        try:
            done = subprocess.run(
                [*command, *["--tiny"] * given.tiny], capture_output=True, text=True, timeout=given.limit
            )
            lines = (done.stdout if done.returncode == 0 else done.stderr).splitlines()
            out[name] = {"error": lines[-5:]} if done.returncode else json.loads(lines[-1])
        except subprocess.TimeoutExpired:
            out[name] = {"error": f"not done after {given.limit:g} s"}
        print(name, json.dumps(out[name], indent=1), flush=True)
        if not given.tiny:
            given.out.write_text(json.dumps(out, indent=1) + "\n")


if __name__ == "__main__":
    main()
