"""Exact reinforcement learning on transformers' Trainer (exact_trainer.py).

The expected reward over the model's exact label distribution (objective.py) is differentiated; nothing is
sampled but, where the states are too many, the states. A second learner is a second LoRA adapter on the
same weights, learning at the same time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from homines.core import strict_json
from homines.core.paths import inside, read
from homines.core.progress import QUIET, Follow
from homines.core.types import HominesError
from homines.inference import processes
from homines.models.hf import HuggingFace
from homines.training import distributed
from homines.training.objective import Outcome, Settings, objective
from homines.training.prompt_sets import PromptSets
from homines.training.rollout import Rollout
from homines.training.trainer import (
    ADAM_EPSILON,
    LONGEST_STEP,
    RIVAL,
    Guard,
    Trained,
    passes_of_process,
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
    from transformers import TrainingArguments
    from transformers.trainer_utils import set_seed

    from homines.training.exact_trainer import ExactTrainer, Learners, Reference, Steps
    from homines.training.steps import arguments

    if processes.process_count() > 1 and (rival is not None or isinstance(taught, Rollout)):
        raise HominesError(
            f"two learners and --sample train in one process, not in {processes.process_count()}; start it "
            "without accelerate launch"
        )
    checkpoints = inside(folder, "checkpoints")
    set_seed(settings.seed)
    net = trainable(model, settings, rival is not None)
    order = _sequence(len(taught.sets) if isinstance(taught, PromptSets) else 1, taught.steps, settings)
    reference = Reference(model, net, settings)
    if (settings.rank == 0 or distributed.divides_weights()) and isinstance(taught, PromptSets):
        reference.ask(taught, order)  # of divided weights all processes read at the same time
    total = sum(taught.steps)
    guard = Guard(model, net, settings, folder, total)
    learners = Learners(taught, rival, settings, goal, reference, guard, share=model.share)
    callback = Steps(learners, folder, follow, total)
    sets, accumulation = passes_of_process(settings)
    trainer = ExactTrainer(
        learners,
        model=net,
        args=arguments(
            TrainingArguments,
            folder,
            total,
            seed=settings.seed,
            save_every=settings.save_every,
            report_to=settings.report_to,
            cpu=model.net.device.type == "cpu",
            per_device_train_batch_size=sets,
            gradient_accumulation_steps=accumulation,
            ddp_find_unused_parameters=False,
            ddp_timeout=distributed.LONGEST_WAIT,
            learning_rate=settings.lr,
            lr_scheduler_type="constant",
            adam_epsilon=ADAM_EPSILON,
            max_grad_norm=0.0 if rival else LONGEST_STEP,  # two learners: each by itself, by the guard
            train_sampling_strategy="sequential",
            remove_unused_columns=False,
        ),
        train_dataset=order,
        data_collator=lambda items: {"sets": torch.tensor(items)},
        callbacks=[callback],
    )
    silence(trainer)
    start = whole_checkpoint(checkpoints, walking=isinstance(taught, Rollout))
    if start is not None and isinstance(taught, Rollout):
        taught.back_to(strict_json.loads(read(start, "walk.json")))
    result = trainer.train(resume_from_checkpoint=start)
    callback.check(trainer.state.global_step)
    final = folder / ("adapter" if settings.rank else "model")
    if processes.is_first():
        save(net, model.tokenizer, model.name, final)
    if rival is not None:
        save(net, model.tokenizer, model.name, folder / "rival", RIVAL)
    second = None if rival is None else folder / "rival"
    return Trained(final, float(result.metrics["train_runtime"]), callback.last, second)


def _sequence(count: int, steps: Sequence[int], settings: Settings) -> list[int]:
    """Which set comes when: shuffled rounds over all of them, fixed by the seed, so that a resumed
    run sees what it would have seen."""
    rng = np.random.default_rng(settings.seed)
    need = sum(steps) * settings.sets * settings.accumulation
    rounds = [rng.permutation(count) for _ in range(-(-need // count))]
    return [int(i) for i in np.concatenate(rounds)[:need]]
