"""Exact reinforcement learning on transformers' Trainer: the only file that knows it.

The expected reward over the model's exact label distribution (objective.py) is differentiated; nothing is
sampled but, where the states are too many, the states. A second learner is a second LoRA adapter on the
same weights, learning at the same time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch

from homines.core import strict_json
from homines.core.paths import inside, read, write_whole
from homines.core.progress import QUIET, Follow
from homines.core.types import HominesError, Interrupted
from homines.inference import processes
from homines.inference.logits import Encoded, label_logprobs
from homines.models.hf import HuggingFace
from homines.training import distributed
from homines.training.objective import Outcome, Settings, objective
from homines.training.prompt_sets import Batch, PromptSets
from homines.training.rollout import Rollout
from homines.training.trainer import (
    ADAM_EPSILON,
    LONGEST_STEP,
    MINE,
    RIVAL,
    Saving,
    Trained,
    _Guard,
    _speak_as,
    passes_of_process,
    phase_at,
    save,
    silence,
    trainable,
    whole_checkpoint,
)


def rl(
    model: HuggingFace,
    taught: PromptSets | Rollout,
    settings: Settings,
    folder: Path,
    *,
    rival: PromptSets | None = None,
    goal: Callable[..., Outcome] = objective,
    follow: Follow = QUIET,
) -> Trained:
    """Train `model` (its network changes in place) and save the result under `folder`.

    rival                the second learner's lesson, from its own seat
    goal                 what is minimised, as `objective` is called
    folder/checkpoints   resumed from where there is a whole one; the caller removes them
    folder/adapter       (or folder/model; and folder/rival) the result, written aside and renamed
    folder/last_good     the adapter before a step that would have broken it (HominesError says so); of two
                         learners also last_good/rival
    follow               its `step` is called with one row of figures a step; a resumed step comes again,
                         the same
    """
    from transformers import Trainer, TrainerCallback, TrainingArguments
    from transformers.trainer_utils import set_seed

    if processes.process_count() > 1 and (rival is not None or isinstance(taught, Rollout)):
        raise HominesError(
            f"two learners and --sample train in one process, not in {processes.process_count()}; start it "
            "without accelerate launch"
        )
    final = folder / ("adapter" if settings.rank else "model")
    checkpoints = inside(folder, "checkpoints")
    set_seed(settings.seed)
    net = trainable(model, settings, rival is not None)
    order = _sequence(len(taught.sets) if isinstance(taught, PromptSets) else 1, taught.steps, settings)
    before = _Reference(model, net, settings)
    if (settings.rank == 0 or distributed.divides_weights()) and isinstance(taught, PromptSets):
        before.ask(taught, order)  # of divided weights all processes read at the same time
    seen: list[Seen] = []
    beside: list[Seen] = []
    last: dict[str, Any] = {}
    total = sum(taught.steps)
    guard = _Guard(model, net, settings, folder, total)

    class ExactTrainer(Saving, Trainer):
        """Trainer whose loss is the exact objective over the sets of the batch."""

        def create_optimizer(self, *args: Any, **kwargs: Any) -> Any:
            if rival is not None:
                _speak_as(net, MINE)  # a checkpoint may just have been loaded
            return super().create_optimizer(*args, **kwargs)

        def compute_loss(self, model: Any, inputs: Any, *_: Any, **__: Any) -> torch.Tensor:
            chosen, step = inputs["sets"].tolist(), self.state.global_step
            batch = taught.batch(chosen)
            logp = _score(model, batch.encoded, shared)
            other: tuple[PromptSets, Batch, torch.Tensor] | None = None
            if rival is not None:
                _speak_as(net, RIVAL)
                theirs = rival.batch(chosen)
                other = rival, theirs, _score(model, theirs.encoded, shared)
                _speak_as(net, MINE)
            mine = self.learner(taught, chosen, batch, logp, step, other[2] if other else None)
            loss, second = mine.loss, None
            if other:
                second = self.learner(other[0], chosen, other[1], other[2], step, logp)
                loss = loss + second.loss
            for name, out in ((MINE, mine), (RIVAL, second)):
                if out is not None:
                    guard.check(out, step, name)
            seen.append((mine, taught.states))
            if second and other:
                beside.append((second, other[0].states))
            taught.learned(mine.legal)
            return loss

        def learner(
            self,
            some: PromptSets | Rollout,
            chosen: list[int],
            batch: Batch,
            logp: torch.Tensor,
            step: int,
            other: Any,
        ) -> Outcome:
            phase, done = phase_at(some.steps, step)
            replies = batch.met(logp, other)
            known = before(some, chosen, batch)
            kl = settings.kl_at(done, last=phase == len(some.steps) - 1)
            return goal(settings, logp, batch.utility[phase], replies, some.follows, known, kl)

    class Tell(TrainerCallback):
        """One row a step; a stop on request leaves a checkpoint."""

        stopped = False

        def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            guard.before_step(state.global_step)

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            if seen and logs and "loss" in logs:
                passes = distributed.gather(seen)
                last.update(_row(state.global_step, passes, beside, taught, logs))
                if processes.is_first():
                    follow.step(dict(last))
                seen.clear()
                beside.clear()

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if (place := taught.at()) is not None:
                write_whole(
                    folder, f"checkpoints/checkpoint-{state.global_step}/walk.json", json.dumps(place)
                )

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if any(distributed.gather([follow.stop()])) and state.global_step < total:
                self.stopped = True
                control.should_save = True
                control.should_training_stop = True

    shared = model.share
    tell = Tell()
    sets, accumulation = passes_of_process(settings)
    arguments = TrainingArguments(
        output_dir=str(checkpoints),
        max_steps=total,
        per_device_train_batch_size=sets,
        gradient_accumulation_steps=accumulation,
        ddp_find_unused_parameters=False,
        ddp_timeout=distributed.LONGEST_WAIT,
        learning_rate=settings.lr,
        lr_scheduler_type="constant",
        adam_epsilon=ADAM_EPSILON,
        weight_decay=0.0,
        max_grad_norm=0.0 if rival else LONGEST_STEP,  # two learners: each by itself, by the guard
        seed=settings.seed,
        train_sampling_strategy="sequential",
        logging_steps=1,
        save_steps=settings.save_every,
        save_total_limit=2,
        report_to=settings.report_to,
        remove_unused_columns=False,
        disable_tqdm=True,
        use_cpu=model.net.device.type == "cpu",
        dataloader_pin_memory=False,
    )
    arguments._n_gpu = 1  # one pass is one sequence: nothing for DataParallel to scatter
    trainer = ExactTrainer(
        model=net,
        args=arguments,
        train_dataset=order,  # pyright: ignore[reportArgumentType]
        data_collator=lambda items: {"sets": torch.tensor(items)},
        callbacks=[tell],
    )
    silence(trainer)
    start = whole_checkpoint(checkpoints, walking=isinstance(taught, Rollout))
    if start is not None and isinstance(taught, Rollout):
        taught.back_to(strict_json.loads(read(start, "walk.json")))
    result = trainer.train(resume_from_checkpoint=start)
    if tell.stopped:
        raise Interrupted(f"training stopped at step {trainer.state.global_step} of {total}")
    if processes.is_first():
        save(net, model.tokenizer, model.name, final)
    second = None
    if rival is not None:
        second = folder / "rival"
        save(net, model.tokenizer, model.name, second, RIVAL)
    return Trained(final, float(result.metrics["train_runtime"]), last, second)


def _score(net: Any, sets: Sequence[Sequence[Encoded]], share: bool) -> torch.Tensor:
    """Label log-probabilities, shape [set, state, action], of all sets in one pass."""
    flat = [item for some in sets for item in some]
    whole = sum(len(item.prompt) + sum(map(len, item.labels)) for item in flat)
    logp = label_logprobs(net, flat, share=share, budget=whole)
    return torch.stack(logp).view(len(sets), len(sets[0]), -1)


class _Reference:
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
                    out = _score(self.net, sets, self.model.share)
                _speak_as(self.net, MINE)
            else:
                out = _score(self.net, sets, self.model.share)
        self.net.train(training)
        return out


def _sequence(count: int, steps: Sequence[int], settings: Settings) -> list[int]:
    """Which set comes when: shuffled rounds over all of them, fixed by the seed, so that a resumed
    run sees what it would have seen."""
    rng = np.random.default_rng(settings.seed)
    need = sum(steps) * settings.sets * settings.accumulation
    rounds = [rng.permutation(count) for _ in range(-(-need // count))]
    return [int(i) for i in np.concatenate(rounds)[:need]]


Seen: TypeAlias = tuple[Outcome, tuple[str, ...]]
"""What one pass showed of a learner, and the states asked, as they are called from its seat."""


def _row(
    step: int,
    seen: Sequence[Seen],
    beside: Sequence[Seen],
    taught: PromptSets | Rollout,
    logs: dict[str, Any],
) -> dict[str, Any]:
    row = {
        "step": step,
        "schedule": phase_at(taught.steps, step - 1)[0],
        **_figures(seen),
        "grad_norm": float(logs.get("grad_norm", float("nan"))),
    }
    if beside:
        row["rival"] = _figures(beside)
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
