"""transformers' Trainer with the loss of objective.py over prompt sets: here rewards meet probabilities."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from transformers import Trainer, TrainingArguments

from homines.core.paths import write_whole
from homines.core.progress import Follow
from homines.inference.logits import label_logprobs
from homines.inference.tokens import Encoded
from homines.models.hf import HuggingFace
from homines.training import distributed
from homines.training.everyday_text import EverydayText
from homines.training.objective import Objective, Outcome, Signals
from homines.training.prompt_sets import Batch, EverySet, PromptSets
from homines.training.rollout import Rollout
from homines.training.settings import Settings
from homines.training.steps import StepCallback, arguments
from homines.training.stopping import StopRule
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


class Pass(NamedTuple):
    """The outcome of one pass of a learner, the names of its states as seen from its seat, and the sets."""

    outcome: Outcome
    states: tuple[str, ...]
    sets: list[int]


def score_sets(
    net: Any, sets: Sequence[Sequence[Encoded]], share: bool, budget: int | None = None
) -> torch.Tensor:
    """Label log-probabilities, shape [set, state, action], in passes of so many tokens; None: in one pass."""
    flat = [encoded for states in sets for encoded in states]
    whole = sum(len(encoded.prompt) + sum(map(len, encoded.labels)) for encoded in flat)
    logp = label_logprobs(net, flat, share=share, budget=whole if budget is None else budget)
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
        """Score these sets ahead of their use, what they have in common once."""
        chosen = [*dict.fromkeys(sets)] if self.wanted else []
        scores = self._score([source.sets[i] for i in chosen]) if chosen else ()
        self.known.update(((id(source), i), logp) for i, logp in zip(chosen, scores, strict=True))

    def _score(self, sets: Sequence[Sequence[Encoded]]) -> torch.Tensor:
        training = self.net.training
        self.net.eval()
        with torch.no_grad():
            if self.lora:
                with self.net.disable_adapter():
                    out = score_sets(self.net, sets, self.model.share, self.model.budget)
                speak_as(self.net, MINE)
            else:
                out = score_sets(self.net, sets, self.model.share, self.model.budget)
        self.net.train(training)
        return out


@dataclass(eq=False)
class Learners:
    """The learner, and the rival where there is one: what each is trained on, and the outcomes of passes.

    source, rival   what each is trained on
    goal            gives the loss
    texts           what the learners must not change
    share           whether prompts that begin alike are read once
    passes          outcomes of the passes since the last row; `rival_passes`: the rival's
    """

    source: EverySet | Rollout
    rival: PromptSets | None
    settings: Settings
    goal: Objective
    reference: Reference
    texts: EverydayText
    guard: Guard
    share: bool
    passes: list[Pass] = field(default_factory=list[Any])
    rival_passes: list[Pass] = field(default_factory=list[Any])

    def loss(self, net: Any, sets: list[int], step: int) -> torch.Tensor:
        """The objective of all learners over these sets; raises HominesError where training comes apart."""
        kept = self._text_kl(net, step)
        if self.rival is not None:
            return self._loss_of_pair(net, sets, step, self.rival, kept)
        loss = torch.zeros((), dtype=torch.float64)
        heard: dict[str, Outcome] = {}
        for part, local, chosen in self.source.divide(sets):
            batch = part.batch(local)
            logp = score_sets(net, batch.encoded, self.share)
            own = self._with_text(self._outcome(part, local, batch, logp, step, None), kept)
            loss = loss + own.loss * (len(chosen) / len(sets))
            heard[f"{MINE} {' '.join(part.states)}" if len(self.source.parts) > 1 else MINE] = own
            self.passes.append(Pass(own, part.states, chosen))
            part.advance(own.legal)
        self.guard.check_all(heard, step)
        return loss

    def _loss_of_pair(
        self, net: Any, sets: list[int], step: int, rival: PromptSets, kept: torch.Tensor | None
    ) -> torch.Tensor:
        """The sum of both learners' objectives: neither has a gradient in the other's adapter."""
        (source,) = self.source.parts
        batch = source.batch(sets)
        logp = score_sets(net, batch.encoded, self.share)
        speak_as(self.guard.net, RIVAL)
        rival_kept = self._text_kl(net, step)
        rival_batch = rival.batch(sets)
        rival_logp = score_sets(net, rival_batch.encoded, self.share)
        speak_as(self.guard.net, MINE)
        own = self._outcome(source, sets, batch, logp, step, rival_logp)
        other = self._outcome(rival, sets, rival_batch, rival_logp, step, logp)
        own, other = self._with_text(own, kept), self._with_text(other, rival_kept)
        self.guard.check(own, step)
        self.guard.check(other, step, RIVAL)
        self.passes.append(Pass(own, source.states, sets))
        self.rival_passes.append(Pass(other, rival.states, sets))
        return own.loss + other.loss

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
        kl = self.settings.kl_at(done, source.steps[phase], last=phase == len(source.steps) - 1)
        signals = Signals(logp, batch.utility[phase], replies, source.follows, before, kl)
        return self.goal(self.settings, signals)

    def _text_kl(self, net: Any, step: int) -> torch.Tensor | None:
        return self.texts.kl(net, step) if self.texts.weight else None

    def _with_text(self, outcome: Outcome, kept: torch.Tensor | None) -> Outcome:
        """The outcome with the KL on everyday text in its loss, weighed by the legal mass: an answer that is
        hardly ever given has a gradient so small that any other would drown it."""
        if kept is None:
            return outcome
        loss = outcome.loss + self.texts.weight * outcome.mass * kept.cpu().double()
        return replace(outcome, loss=loss, text_kl=float(kept.detach()))


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
    """Rows of both learners, and the end of the training by a rule; a checkpoint holds where the players of a
    rollout stand, and by the trainer's own log the regrets of all steps.

    reached    whether the rule has ended the training
    readings   of the newest step: each set and the highest regret of its prompts
    """

    def __init__(
        self, learners: Learners, folder: Path, follow: Follow, total: int, rule: StopRule | None
    ) -> None:
        super().__init__(follow, total)
        self.learners, self.folder, self.rule = learners, folder, rule
        self.reached = False
        self.readings: list[tuple[int, float]] = []

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **more: Any) -> None:
        super().on_log(args, state, control, logs, **more)
        if self.rule is None or self.last.get("step") != state.global_step:
            return
        state.log_history[-1]["readings"] = self.readings
        if self.rule.holds(reading for row in state.log_history for reading in row.get("readings", ())):
            self.reached, self.stopped = True, False
            control.should_training_stop = True
            control.should_save = False  # resumed from there, a training would go one step further

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.learners.guard.before_step(state.global_step)

    def row(self, step: int, logs: dict[str, Any], state: Any) -> dict[str, Any] | None:
        learners = self.learners
        if not learners.passes:
            return None
        passes = distributed.gather(learners.passes)
        self.readings = [
            reading
            for each in passes
            if each.outcome.highest is not None
            for reading in zip(each.sets, each.outcome.highest, strict=True)
        ]
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
    """Means over the passes, each with the weight of its sets; of each state's probabilities and legal mass,
    over the passes that asked it. `highest_regret` is the highest of all."""
    outcomes = [each.outcome for each in passes]
    weights = [len(each.sets) for each in passes]
    highest = [regret for outcome in outcomes for regret in outcome.highest or ()]
    by_state: dict[str, list[Any]] = {}
    legal: dict[str, list[float]] = {}
    for each in passes:
        for name, p in zip(each.states, each.outcome.p, strict=True):
            by_state.setdefault(name, []).append(p)
        masses = () if each.outcome.masses is None else each.outcome.masses.mean(0).tolist()
        for name, mass in zip(each.states, masses, strict=False):
            legal.setdefault(name, []).append(mass)
    return {
        "loss": float(np.average([float(outcome.loss.detach()) for outcome in outcomes], weights=weights)),
        **{
            name: float(np.average([getattr(outcome, name) for outcome in outcomes], weights=weights))
            for name in ("reward", "mass", "kl", "regret", "text_kl")
            if all(getattr(outcome, name) is not None for outcome in outcomes)
        },
        **({"highest_regret": float(np.max(highest))} if highest else {}),
        "p": {name: np.mean(ps, axis=0).tolist() for name, ps in by_state.items()},
        **({"masses": {name: float(np.mean(some)) for name, some in legal.items()}} if legal else {}),
    }
