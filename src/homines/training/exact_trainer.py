"""transformers' Trainer with the loss of objective.py over prompt sets: here rewards meet probabilities."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from transformers import Trainer, TrainingArguments

from homines.core.paths import write_whole
from homines.core.progress import Follow
from homines.inference.logits import label_logprobs
from homines.inference.tokens import Encoded
from homines.models.hf import HuggingFace
from homines.training import distributed
from homines.training.objective import Objective, Outcome, Signals
from homines.training.prompt_sets import Batch, PromptSets
from homines.training.rollout import Rollout
from homines.training.settings import Settings
from homines.training.steps import StepCallback, arguments
from homines.training.trainer import (
    ADAM_EPSILON,
    LONGEST_STEP,
    MINE,
    RIVAL,
    Guard,
    Saving,
    passes_of_process,
    phase_at,
    speak_as,
)

Pass: TypeAlias = tuple[Outcome, tuple[str, ...]]
"""The outcome of one pass of a learner, and the names of its states as seen from its seat."""


def score_sets(net: Any, sets: Sequence[Sequence[Encoded]], share: bool) -> torch.Tensor:
    """Label log-probabilities, shape [set, state, action], of all sets in one pass."""
    flat = [encoded for states in sets for encoded in states]
    whole = sum(len(encoded.prompt) + sum(map(len, encoded.labels)) for encoded in flat)
    logp = label_logprobs(net, flat, share=share, budget=whole)
    return torch.stack(logp).view(len(sets), len(sets[0]), -1)


class Reference:
    """Label log-probabilities of the network without its adapters, [set, state, action]; each set once."""

    def __init__(self, model: HuggingFace, net: Any, settings: Settings) -> None:
        self.model, self.net, self.wanted, self.lora = model, net, settings.kl > 0, settings.rank > 0
        self.known: dict[tuple[int, int], torch.Tensor] = {}

    def __call__(
        self, source: PromptSets | Rollout, chosen: Sequence[int], batch: Batch
    ) -> torch.Tensor | None:
        if not self.wanted:
            return None
        if isinstance(source, Rollout):
            return self._score(batch.encoded)
        if missing := [i for i in dict.fromkeys(chosen) if (id(source), i) not in self.known]:
            self.score(source, missing)
        return torch.stack([self.known[id(source), i] for i in chosen])

    def score(self, source: PromptSets, sets: Sequence[int]) -> None:
        """Score these sets ahead of their use."""
        for i in dict.fromkeys(sets) if self.wanted else ():
            self.known[id(source), i] = self._score([source.sets[i]])[0]

    def _score(self, sets: Sequence[Sequence[Encoded]]) -> torch.Tensor:
        training = self.net.training
        self.net.eval()
        with torch.no_grad():
            if self.lora:
                with self.net.disable_adapter():
                    out = score_sets(self.net, sets, self.model.share)
                speak_as(self.net, MINE)
            else:
                out = score_sets(self.net, sets, self.model.share)
        self.net.train(training)
        return out


@dataclass(eq=False)
class Learners:
    """The learner, and the rival where there is one: what each is trained on, and the outcomes of passes.

    source, rival   what each is trained on
    goal            gives the loss
    share           whether prompts that begin alike are read once
    passes          outcomes of the passes since the last row; `rival_passes`: the rival's
    """

    source: PromptSets | Rollout
    rival: PromptSets | None
    settings: Settings
    goal: Objective
    reference: Reference
    guard: Guard
    share: bool
    passes: list[Pass] = field(default_factory=list[Any])
    rival_passes: list[Pass] = field(default_factory=list[Any])

    def loss(self, net: Any, sets: list[int], step: int) -> torch.Tensor:
        """The objective of all learners over these sets; raises HominesError where training comes apart."""
        batch = self.source.batch(sets)
        logp = score_sets(net, batch.encoded, self.share)
        if self.rival is None:
            own = self._outcome(self.source, sets, batch, logp, step, None)
            loss = own.loss
            self.guard.check(own, step)
        else:
            speak_as(self.guard.net, RIVAL)
            rival_batch = self.rival.batch(sets)
            rival_logp = score_sets(net, rival_batch.encoded, self.share)
            speak_as(self.guard.net, MINE)
            own = self._outcome(self.source, sets, batch, logp, step, rival_logp)
            other = self._outcome(self.rival, sets, rival_batch, rival_logp, step, logp)
            loss = own.loss + other.loss
            self.guard.check(own, step)
            self.guard.check(other, step, RIVAL)
            self.rival_passes.append((other, self.rival.states))
        self.passes.append((own, self.source.states))
        self.source.advance(own.legal)
        return loss

    def _outcome(
        self,
        source: PromptSets | Rollout,
        sets: list[int],
        batch: Batch,
        logp: torch.Tensor,
        step: int,
        other: torch.Tensor | None,
    ) -> Outcome:
        phase, done = phase_at(source.steps, step)
        replies = batch.others_play(logp, other)
        before = self.reference(source, sets, batch)
        kl = self.settings.kl_at(done, last=phase == len(source.steps) - 1)
        signals = Signals(logp, batch.utility[phase], replies, source.follows, before, kl)
        return self.goal(self.settings, signals)


def exact_arguments(folder: Path, total: int, settings: Settings, *, cpu: bool, pair: bool) -> Any:
    """Arguments of an exact training of `total` steps; pair: of two learners."""
    sets, accumulation = passes_of_process(settings)
    return arguments(
        TrainingArguments,
        folder,
        total,
        settings,
        cpu=cpu,
        per_device_train_batch_size=sets,
        gradient_accumulation_steps=accumulation,
        ddp_find_unused_parameters=False,
        ddp_timeout=distributed.LONGEST_WAIT,
        learning_rate=settings.lr,
        lr_scheduler_type="constant",
        adam_epsilon=ADAM_EPSILON,
        max_grad_norm=0.0 if pair else LONGEST_STEP,  # two learners: each by itself, by the guard
        train_sampling_strategy="sequential",
        remove_unused_columns=False,
    )


class ExactTrainer(Saving, Trainer):
    """Trainer whose loss is the exact objective over the sets of the batch."""

    def __init__(self, learners: Learners, **more: Any) -> None:
        super().__init__(**more)
        self.learners = learners

    def create_optimizer(self, *args: Any, **kwargs: Any) -> Any:
        if self.learners.rival is not None:
            speak_as(self.learners.guard.net, MINE)  # a checkpoint may just have been loaded
        return super().create_optimizer(*args, **kwargs)

    def compute_loss(self, model: Any, inputs: Any, *_: Any, **__: Any) -> torch.Tensor:
        return self.learners.loss(model, inputs["sets"].tolist(), self.state.global_step)


class ExactSteps(StepCallback):
    """Rows of both learners; a checkpoint holds where the players of a rollout stand."""

    def __init__(self, learners: Learners, folder: Path, follow: Follow, total: int) -> None:
        super().__init__(follow, total)
        self.learners, self.folder = learners, folder

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.learners.guard.before_step(state.global_step)

    def row(self, step: int, logs: dict[str, Any], state: Any) -> dict[str, Any] | None:
        learners = self.learners
        if not learners.passes:
            return None
        passes = distributed.gather(learners.passes)
        row = _row(step, passes, learners.rival_passes, learners.source.steps, logs)
        learners.passes.clear()
        learners.rival_passes.clear()
        return row

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if (place := self.learners.source.position()) is not None:
            checkpoint = f"checkpoints/checkpoint-{state.global_step}"
            write_whole(self.folder, f"{checkpoint}/walk.json", json.dumps(place))


def _row(
    step: int, passes: Sequence[Pass], rival: Sequence[Pass], steps: Sequence[int], logs: dict[str, Any]
) -> dict[str, Any]:
    row = {
        "step": step,
        "schedule": phase_at(steps, step - 1)[0],
        **_figures(passes),
        "grad_norm": float(logs.get("grad_norm", float("nan"))),
    }
    if rival:
        row["rival"] = _figures(rival)
    return row


def _figures(passes: Sequence[Pass]) -> dict[str, Any]:
    """Means over the passes; of each state's probabilities, over the passes that asked it."""
    outcomes = [outcome for outcome, _ in passes]
    by_state: dict[str, list[Any]] = {}
    for outcome, states in passes:
        for name, p in zip(states, outcome.p, strict=True):
            by_state.setdefault(name, []).append(p)
    return {
        "loss": float(np.mean([float(outcome.loss.detach()) for outcome in outcomes])),
        "reward": float(np.mean([outcome.reward for outcome in outcomes])),
        "mass": float(np.mean([outcome.mass for outcome in outcomes])),
        "kl": float(np.mean([outcome.kl for outcome in outcomes])),
        "p": {name: np.mean(ps, axis=0).tolist() for name, ps in by_state.items()},
    }
