"""The trainer of sampled reinforcement learning: TRL's GRPO or RLOO with a reward read off completions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import LogitsProcessor

from homines.core.progress import Follow
from homines.core.types import Array, Prompt
from homines.inference.answer_reader import ILLEGAL, LEGAL, OPEN, Reading, read
from homines.inference.sampled_answers import excerpt
from homines.training.settings import PROMPTS_OF_PASS, Settings
from homines.training.steps import StepCallback, Unattended, arguments
from homines.training.trainer import Guard, Saving

trl: Any = import_module("trl")

MOST_TEXTS = 3
"""Different illegal completions that a row of the curve keeps."""


@dataclass(eq=False)
class Reward:
    """The rewards of completions, and a count of how they read. TRL calls it once a step.

    worth   u(s, a) by set, state and action
    ends    tokens that end a turn
    opened  whether the chat template itself opens the block of thinking
    """

    tokenizer: Any
    prompts: Sequence[Sequence[Prompt]]
    worth: Array
    illegal: float
    ends: frozenset[int]
    opened: bool = False
    readings: list[tuple[int, Reading, float]] = field(default_factory=list[tuple[int, Reading, float]])
    """Of the completions since the last row: (state, reading, reward)."""
    illegal_texts: Counter[str] = field(default_factory=Counter[str])
    """The illegal ones among them."""
    __name__ = "preference"

    def __call__(
        self, completion_ids: Sequence[Sequence[int]], at: Sequence[Sequence[int]], **_: Any
    ) -> list[float]:
        """Rewards of completions (token ids); `at`: the set and state each was asked in."""
        out: list[float] = []
        for ids, (i, s) in zip(completion_ids, at, strict=True):
            finished = bool(ids) and ids[-1] in self.ends
            # Special tokens stay: one in mid-answer makes it another answer than the label.
            text = self.tokenizer.decode(list(ids[:-1] if finished else ids), skip_special_tokens=False)
            labels = self.prompts[i][s].labels
            reading = read(OPEN + text if self.opened else text, labels, finished=finished)
            if reading.label is None:
                self.illegal_texts[excerpt(text)] += 1
            out.append(self.illegal if reading.label is None else float(self.worth[i, s, reading.label]))
            self.readings.append((s, reading, out[-1]))
        return out

    def row(self, states: Sequence[str]) -> dict[str, Any]:
        """Figures of the completions since the last row: shares and counts."""
        read_as = Counter(reading.how for _, reading, _ in self.readings)
        legal = sum(read_as[how] for how in LEGAL)
        p: dict[str, list[float]] = {}
        for s, name in enumerate(states):
            chosen = [r.label for state, r, _ in self.readings if state == s and r.label is not None]
            if chosen:
                p[name] = (np.bincount(chosen, minlength=self.worth.shape[-1]) / len(chosen)).tolist()
        return {
            "reward": float(np.mean([worth for _, _, worth in self.readings])),
            "mass": legal / len(self.readings),
            "p": p,
            "legal": legal,
            **{how: read_as[how] for how in (*LEGAL, *ILLEGAL)},
            "illegal": dict(self.illegal_texts.most_common(MOST_TEXTS)),
            "completions": len(self.readings),
        }

    def clear(self) -> None:
        """Begin the next row."""
        self.readings.clear()
        self.illegal_texts.clear()


class DelayedGuard(Guard):
    """The exact road's guard, for a trainer that reports a step's loss and KL only after the step."""

    candidate: dict[str, torch.Tensor]
    """The adapter before the step that is under way; it becomes `good` once that step's figures are sound."""

    def before_step(self, step: int) -> None:
        sound = dict(self.good)
        super().before_step(step)
        self.candidate, self.good = self.good, sound

    def after_step(self, logs: dict[str, Any], step: int) -> None:
        """Raise HominesError where step `step` (from 0) has broken figures or leaves broken weights."""
        loss, kl = float(logs["loss"]), float(logs.get("kl") or 0.0)
        if not np.isfinite(loss):
            raise self.broken(f"the loss is {loss}", step)
        if not kl <= self.settings.kl_limit:
            raise self.broken(f"the KL to the model before is {kl:.1f} nats, over --kl-limit", step)
        self.good = self.candidate
        if not all(bool(torch.isfinite(p).all()) for p in self.net.parameters() if p.requires_grad):
            raise self.broken("it would leave weights that are not finite", step)


class FiniteOdds(LogitsProcessor):
    """Stops a generation before it draws from logits that are no distribution."""

    def __init__(self, guard: Guard) -> None:
        self.guard = guard
        self.step = 0
        """The step under way."""

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        if not bool(torch.isfinite(scores.amax(-1)).all()):
            raise self.guard.broken("the odds of the next token are not finite", self.step)
        return scores


class SampledSteps(StepCallback):
    """Rows of a sampled training: the figures of a step's own completions."""

    def __init__(
        self, reward: Reward, states: Sequence[str], guard: DelayedGuard, follow: Follow, total: int
    ) -> None:
        super().__init__(follow, total)
        self.reward, self.states, self.guard = reward, states, guard
        self.odds = FiniteOdds(guard)

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.odds.step = state.global_step

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.guard.before_step(state.global_step)

    def row(self, step: int, logs: dict[str, Any], state: Any) -> dict[str, Any] | None:
        if not self.reward.readings:
            return None
        self.guard.after_step(logs, step - 1)
        row = {
            "step": step,
            "schedule": 0,
            **self.reward.row(self.states),
            "loss": float(logs["loss"]),
            "kl": float(logs.get("kl") or 0.0) if self.guard.settings.kl else None,
            "grad_norm": float(logs.get("grad_norm", float("nan"))),
            "tokens": int(state.num_input_tokens_seen),
        }
        self.reward.clear()
        return row


class GRPO(Unattended, Saving, trl.GRPOTrainer):
    """Group-relative policy optimisation, token by token."""


class RLOO(Unattended, Saving, trl.RLOOTrainer):
    """REINFORCE with a leave-one-out baseline, completion by completion."""


TRAINERS: Mapping[str, tuple[Any, Any]] = {"grpo": (GRPO, trl.GRPOConfig), "rloo": (RLOO, trl.RLOOConfig)}
"""By the name of the road: the trainer, and the class of its arguments."""


def sampled_arguments(kind: Any, folder: Path, total: int, settings: Settings, *, cpu: bool) -> Any:
    """Arguments of a sampled training of `total` steps; kind: their class."""
    return arguments(
        kind,
        folder,
        total,
        settings,
        cpu=cpu,
        per_device_train_batch_size=PROMPTS_OF_PASS * settings.generations,
        gradient_accumulation_steps=settings.accumulation,
        num_generations=settings.generations,
        max_completion_length=settings.completion,
        temperature=settings.temperature,
        beta=settings.kl,
        learning_rate=settings.lr,
        lr_scheduler_type="constant",
        max_grad_norm=1.0,
        logging_nan_inf_filter=False,
        bf16=False,  # in the type of its weights, as the exact road
        activation_checkpointing=not cpu,  # memory is short on accelerators only
    )
