"""The trainer of exact reinforcement learning: the objective over the sets of a batch, on transformers."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from transformers import Trainer

from homines.core.paths import write_whole
from homines.core.progress import Follow
from homines.inference.logits import Encoded, label_logprobs
from homines.models.hf import HuggingFace
from homines.training import distributed
from homines.training.objective import Outcome, Settings
from homines.training.prompt_sets import Batch, PromptSets
from homines.training.rollout import Rollout
from homines.training.steps import StepCallback
from homines.training.trainer import MINE, RIVAL, Guard, Saving, phase_at, speak_as

Seen: TypeAlias = tuple[Outcome, tuple[str, ...]]
"""What one pass showed of a learner, and the states asked, as they are called from its seat."""


def score_sets(net: Any, sets: Sequence[Sequence[Encoded]], share: bool) -> torch.Tensor:
    """Label log-probabilities, shape [set, state, action], of all sets in one pass."""
    flat = [item for some in sets for item in some]
    whole = sum(len(item.prompt) + sum(map(len, item.labels)) for item in flat)
    logp = label_logprobs(net, flat, share=share, budget=whole)
    return torch.stack(logp).view(len(sets), len(sets[0]), -1)


class Reference:
    """Label log-probabilities of the network without its adapters, [set, state, action]; each set once."""

    def __init__(self, model: HuggingFace, net: Any, settings: Settings) -> None:
        self.model, self.net, self.wanted, self.lora = model, net, settings.kl > 0, settings.rank > 0
        self.known: dict[tuple[int, int], torch.Tensor] = {}

    def __call__(
        self, taught: PromptSets | Rollout, chosen: Sequence[int], batch: Batch
    ) -> torch.Tensor | None:
        if not self.wanted:
            return None
        if isinstance(taught, Rollout):
            return self._score(batch.encoded)
        if missing := [i for i in dict.fromkeys(chosen) if (id(taught), i) not in self.known]:
            self.ask(taught, missing)
        return torch.stack([self.known[id(taught), i] for i in chosen])

    def ask(self, taught: PromptSets, sets: Sequence[int]) -> None:
        for i in dict.fromkeys(sets) if self.wanted else ():
            self.known[id(taught), i] = self._score([taught.sets[i]])[0]

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
    """The learner, and the rival where there is one: what they learn, and what their passes showed.

    source, rival   what each is trained on
    goal            what is minimised, as `objective` is called
    share           whether prompts that begin alike are read once
    seen            outcomes of the passes since the last row; `rival_seen`: the rival's
    """

    source: PromptSets | Rollout
    rival: PromptSets | None
    settings: Settings
    goal: Callable[..., Outcome]
    reference: Reference
    guard: Guard
    share: bool
    seen: list[Seen] = field(default_factory=list[Any])
    rival_seen: list[Seen] = field(default_factory=list[Any])

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
            self.rival_seen.append((other, self.rival.states))
        self.seen.append((own, self.source.states))
        self.source.learned(own.legal)
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
        replies = batch.met(logp, other)
        before = self.reference(source, sets, batch)
        kl = self.settings.kl_at(done, last=phase == len(source.steps) - 1)
        return self.goal(self.settings, logp, batch.utility[phase], replies, source.follows, before, kl)


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


class Steps(StepCallback):
    """Rows of both learners; checkpoints hold the place of walkers."""

    def __init__(self, learners: Learners, folder: Path, follow: Follow, total: int) -> None:
        super().__init__(follow, total)
        self.learners, self.folder = learners, folder

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.learners.guard.before_step(state.global_step)

    def row(self, step: int, logs: dict[str, Any], state: Any) -> dict[str, Any] | None:
        learners = self.learners
        if not learners.seen:
            return None
        passes = distributed.gather(learners.seen)
        row = _row(step, passes, learners.rival_seen, learners.source.steps, logs)
        learners.seen.clear()
        learners.rival_seen.clear()
        return row

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if (place := self.learners.source.at()) is not None:
            checkpoint = f"checkpoints/checkpoint-{state.global_step}"
            write_whole(self.folder, f"{checkpoint}/walk.json", json.dumps(place))


def _row(
    step: int, seen: Sequence[Seen], rival: Sequence[Seen], steps: Sequence[int], logs: dict[str, Any]
) -> dict[str, Any]:
    row = {
        "step": step,
        "schedule": phase_at(steps, step - 1)[0],
        **_figures(seen),
        "grad_norm": float(logs.get("grad_norm", float("nan"))),
    }
    if rival:
        row["rival"] = _figures(rival)
    return row


def _figures(passes: Sequence[Seen]) -> dict[str, Any]:
    seen = [out for out, _ in passes]
    met: dict[str, list[Any]] = {}
    for out, states in passes:
        for name, p in zip(states, out.p, strict=True):
            met.setdefault(name, []).append(p)
    return {
        "loss": float(np.mean([float(out.loss.detach()) for out in seen])),
        "reward": float(np.mean([out.reward for out in seen])),
        "mass": float(np.mean([out.mass for out in seen])),
        "kl": float(np.mean([out.kl for out in seen])),
        "p": {name: np.mean(some, axis=0).tolist() for name, some in met.items()},
    }
