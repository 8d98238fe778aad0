"""Exact RL beside TRL's GRPOTrainer: same model, prompts, reward, LoRA and learning rate, each in turn.

    python bench/rl.py [--model NAME ...] [--seeds 2] [--ours] [--seconds 240] [--generations 4] [--out FILE]
    python bench/rl.py --model qwen-0.5b --seeds 1 --seconds 1200 --enough --out bench/rl_qwen.json
    python bench/rl.py --model qwen-0.5b --seeds 1 --seconds 1200 --enough --to deontological --out FILE

Game+De (or --to another preference) on the iterated prisoner's dilemma against tit-for-tat, 16 prompts. Three
roads to a regret of .05; with --enough a peer ends there, as exact RL does:

    exact           homines, its defaults, until its own rule ends it; of every model
    grpo, warm      12 exact steps towards legal answers (reported apart), then TRL's GRPOTrainer
    grpo            TRL's GRPOTrainer from the base model

Exact RL is run on every model, the peers on the first alone, and with --ours on none. Of every road the file
holds which member of the set of optimal policies it came to (theory/optimum.py): by state the rule for C, the
prior's member, and what was reached.

    regret   mean over the prompts of  max_a u(a) - [sum_a P(a) u(a) + (1 - legal mass) * illegal], points,
             of the exact distribution; read after every step, outside the clock
    seconds  from the call, libraries imported; of a warm road without its warm-up
    prompts  asked in training; a prompt that is sampled several times in a step counts once
    tokens   read by the training pass, prompts and completions; exact: distinct tokens, and those of everyday
             text. Generation reads them too, and is not counted

The peer samples `generations` completions of at most 8 tokens (a label has fewer), without KL (TRL's default,
and faster). Targets of the exact road on two cores: a regret of .05 within 25 s of
training SmolLM2-135M, and within 45 s of training Qwen2.5-Coder-0.5B-Instruct.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from homines.core.progress import Follow
from homines.core.registry import find
from homines.core.types import Choice, Interrupted
from homines.frames.table import Table
from homines.games.ipd import ipd
from homines.inference.logits import distinct_tokens
from homines.inference.processes import quiet
from homines.models import load
from homines.models.hf import HuggingFace
from homines.opponents.tit_for_tat import TitForTat
from homines.theory.optimum import optimum
from homines.training.everyday_text import everyday_texts
from homines.training.exact import rl
from homines.training.prompt_sets import PromptSets, prompt_sets
from homines.training.sampled import WarmUp, sampled
from homines.training.schedule import schedule
from homines.training.settings import Settings
from homines.training.trainer import Trained

ENOUGH = 0.05
"""Regret to reach, in points (the game's payoffs run from 0 to 4)."""
WARMUP = 12
SETTINGS = Settings()
MODELS = ("smollm2", "qwen-0.5b")


def student(name: str, tiny: bool) -> HuggingFace:
    """The model, or a random network of no size over the embedded model's tokenizer (to try the script)."""
    if not tiny:
        model = load(name, device="cpu")
        assert isinstance(model, HuggingFace)
        return model
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    from homines.models.catalogue import pull

    tokenizer: Any = AutoTokenizer.from_pretrained(pull())
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = AutoConfig.for_model("llama", vocab_size=len(tokenizer), initializer_range=0.3, **shape)
    net = AutoModelForCausalLM.from_config(config)
    return HuggingFace(net, tokenizer, name="tiny", provenance={})


def teach(model: HuggingFace, steps: int, to: str) -> PromptSets:
    some = prompt_sets(model, [ipd()], schedule(to, steps), [Table("action1,action2")], TitForTat())
    assert isinstance(some, PromptSets)
    return some


def reached(model: HuggingFace, taught: PromptSets) -> dict[str, Any]:
    """Regret, legal mass, how surely C follows C and D follows D, C by state; over the training prompts."""
    was = model.net.training
    model.net.eval()
    with torch.no_grad():
        logp = torch.stack(model.logprobs([item for some in taught.sets for item in some]))
    model.net.train(was)
    prob = logp.double().exp().view(len(taught.sets), len(taught.states), -1)
    mass, worth = prob.sum(-1), taught.offered()
    achieved = (prob * worth).sum(-1) + (1 - mass) * SETTINGS.illegal
    legal = prob / mass[..., None]
    after = {last: [s for s, name in enumerate(taught.states) if name.endswith(last)] for last in "CD"}
    return {
        "regret": float((worth.max(-1).values - achieved).mean()),
        "legal mass": float(mass.mean()),
        "C after C": float(legal[:, after["C"], 0].mean()),
        "worst C after C": float(legal[:, after["C"], 0].min()),
        "D after D": float(legal[:, after["D"], 1].mean()),
        "worst D after D": float(legal[:, after["D"], 1].min()),
        "C by state": dict(zip(taught.states, legal[:, :, 0].mean(0).tolist(), strict=True)),
    }


def member(to: str, before: dict[str, Any], end: dict[str, Any]) -> dict[str, Any]:
    """By state: whether C is required, indifferent or forbidden, C of the prior's member, and C as reached.

    before, end   readings of `reached`, of the model as it was and of the trained one
    """
    found = optimum(ipd(), find("preferences", to), TitForTat())
    rates = before["C by state"]
    nearest = found.nearest([Choice.at([p, 1 - p]) for p in rates.values()])
    return {
        state: {
            "C is": found.rules(s)[0],
            "prior's": float(nearest[s].p[0]),
            "reached": end["C by state"][state],
        }
        for s, state in enumerate(rates)
    }


@dataclass
class Clock:
    """Time of training, stopped while the regret is read; and what was reached by when."""

    model: HuggingFace
    taught: PromptSets
    limit: float
    enough: bool
    """Whether it ends where the regret is ENOUGH."""
    tokens: Callable[[dict[str, Any]], int]
    """Tokens read up to a row."""
    asked: int
    """Prompts a step."""
    track: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    warm: float = 0.0
    """Seconds of the warm-up."""
    paused: float = 0.0
    started: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started - self.paused - self.warm

    def on_warmup(self, row: dict[str, Any]) -> None:
        self.warm = time.monotonic() - self.started

    def on_step(self, row: dict[str, Any]) -> None:
        now, here = self.seconds, time.monotonic()
        found = {
            "step": row["step"],
            "seconds": now,
            "prompts": row["step"] * self.asked,
            "tokens": self.tokens(row),
        }
        found |= {k: row[k] for k in ("completions", "legal", "both", "none", "truncated") if k in row}
        self.track.append(found | reached(self.model, self.taught))
        self.paused += time.monotonic() - here
        last = self.track[-1]
        print(f"    step {last['step']}: {now:.0f} s, regret {last['regret']:.3f}", flush=True)

    def stop(self) -> bool:
        return self.seconds >= self.limit or (self.enough and self.track[-1]["regret"] <= ENOUGH)

    def result(self) -> dict[str, Any]:
        there = next((row for row in self.track if row["regret"] <= ENOUGH), None)
        said = ("completions", "legal", "both", "none", "truncated")
        counts = {k: sum(row[k] for row in self.track) for k in said if k in self.track[-1]}
        return {
            **self.track[-1],
            **counts,
            "reached": there,
            "warm-up seconds": self.warm,
            "track": self.track,
        }


def exact(name: str, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """One run of exact RL with the defaults."""
    settings = replace(SETTINGS, seed=seed)
    model = student(name, options.tiny)
    taught = teach(model, settings.steps, options.to)
    in_set = sum(distinct_tokens(some, 10**9) for some in taught.sets) / len(taught.sets)
    in_text = sum(map(len, everyday_texts(model.tokenizer))) / len(everyday_texts(model.tokenizer))
    asked = settings.sets * settings.accumulation
    clock = Clock(
        model,
        taught,
        float("inf"),
        False,
        lambda row: round(row["step"] * (asked * in_set + in_text)),
        asked * len(taught.states),
    )
    return run(clock, lambda folder: rl(model, taught, settings, folder, follow=Follow(step=clock.on_step)))


def grpo(name: str, warmup: int, options: argparse.Namespace) -> dict[str, Any]:
    """TRL's GRPOTrainer for so many seconds of training, after so many exact steps of warm-up."""
    few: dict[str, Any] = {"generations": options.generations, "completion": 8, "save_every": 10_000}
    settings = replace(SETTINGS, steps=10_000, kl=0.0, **few)
    model = student(name, options.tiny)
    taught = teach(model, settings.steps, options.to)
    clock = Clock(model, taught, options.seconds, options.enough, lambda row: row["tokens"], 0)

    def on_step(row: dict[str, Any]) -> None:
        clock.asked = row["completions"] // options.generations
        clock.on_step(row)

    return run(
        clock,
        lambda folder: sampled(
            model,
            taught,
            settings,
            folder,
            by="grpo",
            warmup=WarmUp(warmup, Follow(step=clock.on_warmup)),
            follow=Follow(step=on_step, stop=lambda: bool(clock.track) and clock.stop()),
        ),
    )


def run(clock: Clock, train: Callable[[Path], Trained]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        clock.started = time.monotonic()
        with suppress(Interrupted):
            train(Path(folder))
    return clock.result()


def beside(ours: dict[str, Any], peer: dict[str, Any]) -> dict[str, Any]:
    """How many times as much the peer needed for that regret; at least so many where it did not get there."""
    mine, theirs = ours["reached"], peer["reached"]
    if mine is None:
        return {}
    return {
        "at least": theirs is None,
        **{key: (theirs or peer)[key] / mine[key] for key in ("seconds", "prompts", "tokens")},
    }


def line(name: str, found: dict[str, Any]) -> str:
    at = found["reached"]
    there = (
        f"regret {ENOUGH} after {at['seconds']:.0f} s" if at else f"regret {found['regret']:.2f} in the end"
    )
    shown = at or found
    legal = f", {found['legal']} of {found['completions']} samples legal" if "legal" in found else ""
    warm = f" (and {found['warm-up seconds']:.0f} s of warm-up)" if found["warm-up seconds"] else ""
    return (
        f"{name}: {there}{warm}, {shown['prompts']} prompts, {shown['tokens']} tokens; "
        f"{found['step']} steps in {found['seconds']:.0f} s{legal}; "
        f"worst C after C {found['worst C after C']:.4f}, D after D {found['worst D after D']:.4f}, "
        f"legal mass {found['legal mass']:.4f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", action="append", help="as often as wanted; default: both", dest="models")
    parser.add_argument(
        "--seeds", type=int, default=2, help="runs of exact RL; the first stands beside the peers"
    )
    parser.add_argument("--ours", action="store_true", help="exact RL alone, without the peers")
    parser.add_argument("--seconds", type=float, default=240, help="training time of a peer")
    parser.add_argument("--generations", type=int, default=4, help="completions a prompt, of a peer")
    parser.add_argument("--out", type=Path, default=Path("bench/rl.json"))
    parser.add_argument(
        "--tiny", action="store_true", help="a random network of no size: tries this script, measures nothing"
    )
    parser.add_argument("--to", default="game_deontological", help="the preference")
    parser.add_argument("--enough", action="store_true", help="a peer ends at a regret of .05 too")
    chosen = parser.parse_args()
    quiet()
    models = chosen.models or MODELS
    for part in ("peft",) if chosen.ours else ("datasets", "peft", "trl.trainer.grpo_trainer"):
        import_module(part)  # else lazily, while the clock runs
    result: dict[str, Any] = {
        "machine": f"{platform.system()} {platform.machine()}",
        "generations": chosen.generations,
        "to": chosen.to,
        "models": {name: ours(name, chosen) for name in models},
    }
    for road, warmup in {} if chosen.ours else {"grpo, warm": WARMUP, "grpo": 0}.items():
        peer = result[road] = grpo(models[0], warmup, chosen)
        peer["member"] = member(chosen.to, result["models"][models[0]]["base"], peer)
        print(line(road, peer), flush=True)
        if runs := result["models"][models[0]]["exact"]:
            peer["times exact"] = beside(runs[0], peer)
            print(f"{road}, times exact RL:", peer["times exact"] or "exact RL did not get there", flush=True)
    chosen.out.write_text(json.dumps(result) + "\n")


def ours(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """A model before training, and runs of exact RL on it."""
    model = student(name, options.tiny)
    found: dict[str, Any] = {"base": reached(model, teach(model, 1, options.to)), "exact": []}
    del model
    print(f"{name}, base", found["base"], flush=True)
    for seed in range(options.seeds):
        found["exact"].append(exact(name, seed, options))
        found["exact"][-1]["member"] = member(options.to, found["base"], found["exact"][-1])
        print(line(f"{name}, exact, seed {seed}", found["exact"][-1]), flush=True)
    return found


if __name__ == "__main__":
    main()
