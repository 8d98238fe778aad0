"""Exact RL beside TRL's GRPOTrainer: same model, prompts, reward, learning rate, LoRA and time.

    python bench/rl.py [--seeds 5] [--no-peer] [--out bench/rl.json]

Target: C after C and D after D at least .99 on the 16 training prompts, within 60 s of training on two
cores. The peer trains for as long as the slowest of our seeds took.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from homines.commands import quiet
from homines.core import Prompt
from homines.frames.table import Table
from homines.games.ipd import ipd
from homines.measure import state
from homines.models import load
from homines.models.hf import HuggingFace
from homines.opponents.tit_for_tat import TitForTat
from homines.preferences.game_deontological import GameDeontological
from homines.speak import orders
from homines.train import Settings, lesson, rl

FRAME = Table("action1,action2")
STATES = ipd().memory_one()
ORDERS = orders(2, FRAME.places)
PROMPTS: list[tuple[str, Prompt]] = [(str(state(d)), FRAME(d, o)) for d in STATES for o in ORDERS]


def reached(model: HuggingFace) -> dict[str, float]:
    """C after C, D after D and legal mass over the 16 training prompts: mean and worst."""
    choices = model.score([prompt for _, prompt in PROMPTS])

    def rate(last: str, action: int) -> list[float]:
        return [float(c.p[action]) for (s, _), c in zip(PROMPTS, choices, strict=True) if s.endswith(last)]

    kind, fair = rate("C", 0), rate("D", 1)
    return {
        "C after C": mean(kind),
        "worst C after C": min(kind),
        "D after D": mean(fair),
        "worst D after D": min(fair),
        "legal mass": mean([c.mass for c in choices]),
    }


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def student() -> HuggingFace:
    model = load("smollm2", device="cpu")
    assert isinstance(model, HuggingFace)
    return model


def ours(seed: int) -> dict[str, Any]:
    """One run of exact RL with the defaults."""
    settings = replace(Settings(), seed=seed)
    model = student()
    with tempfile.TemporaryDirectory() as folder:
        taught = lesson(model, ipd(), GameDeontological(), [FRAME], TitForTat())
        trained = rl(model, taught, settings, Path(folder))
        after = load(f"smollm2+{trained.folder}", device="cpu")
        assert isinstance(after, HuggingFace)
        return {"seed": seed, "seconds": trained.seconds, "steps": settings.steps, **reached(after)}


def peer(seconds: float, seed: int = 0) -> dict[str, Any]:
    """TRL's GRPOTrainer on the same prompts and reward, stopped after `seconds` of training."""
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import TrainerCallback
    from trl import GRPOConfig, GRPOTrainer

    model, settings = student(), Settings()
    taught = lesson(model, ipd(), GameDeontological(), [FRAME], TitForTat())
    utility = {name: row.tolist() for name, row in zip(taught.states, taught.utility, strict=True)}
    rows = [
        {"prompt": [{"role": r, "content": t} for r, t in prompt.messages], "state": s}
        for s, prompt in PROMPTS
    ]
    legal = 0
    rewards_seen: list[float] = []

    def reward(completions: list[Any], state: list[str], **_: Any) -> list[float]:
        nonlocal legal
        out: list[float] = []
        for turn, s in zip(completions, state, strict=True):
            said = turn[0]["content"].strip()
            known = said in FRAME.labels
            legal += known
            out.append(utility[s][FRAME.labels.index(said)] if known else settings.illegal)
        rewards_seen.extend(out)
        return out

    class Clock(TrainerCallback):
        started = 0.0

        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self.started = time.monotonic()

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            control.should_training_stop = time.monotonic() - self.started >= seconds

    with tempfile.TemporaryDirectory() as folder:
        trainer = GRPOTrainer(
            model=model.net,
            processing_class=model.tokenizer,
            reward_funcs=[reward],
            args=GRPOConfig(
                output_dir=folder,
                per_device_train_batch_size=16,
                num_generations=4,
                max_completion_length=8,
                learning_rate=settings.lr,
                lr_scheduler_type="constant",
                beta=0.0,
                max_steps=10_000,
                seed=seed,
                save_strategy="no",
                report_to="none",
                disable_tqdm=True,
                use_cpu=True,
                bf16=False,
                logging_steps=1000,
            ),
            train_dataset=Dataset.from_list(rows),
            peft_config=LoraConfig(
                r=settings.rank,
                lora_alpha=settings.rank // 2,
                target_modules="all-linear",
                task_type="CAUSAL_LM",
            ),
            callbacks=[Clock()],
        )
        result = trainer.train()
        merged: Any = trainer.model.merge_and_unload()  # pyright: ignore[reportOptionalMemberAccess, reportCallIssue]
        after = HuggingFace(merged, model.tokenizer, name="grpo", provenance={})
        return {
            "seconds": float(result.metrics["train_runtime"]),
            "steps": trainer.state.global_step,
            "samples": len(rewards_seen),
            "legal samples": legal,
            **reached(after),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--peer", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--out", type=Path, default=Path("bench/rl.json"))
    chosen = parser.parse_args()
    quiet()
    result: dict[str, Any] = {"machine": f"{platform.system()} {platform.machine()}", "ours": []}
    result["base"] = reached(student())
    print("base", result["base"], flush=True)
    for seed in range(chosen.seeds):
        result["ours"].append(ours(seed))
        print("homines", result["ours"][-1], flush=True)
    if chosen.peer:
        result["grpo"] = peer(max(run["seconds"] for run in result["ours"]))
        print("TRL GRPO", result["grpo"], flush=True)
    chosen.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
