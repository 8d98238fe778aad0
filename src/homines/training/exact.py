"""Exact reinforcement learning: `rl` sets up the run, exact_trainer.py computes its loss.

The expected reward over the model's exact label distribution (objective.py) is differentiated; nothing is
sampled but, where the states are too many, the states. A second learner is a second LoRA adapter on the
same weights, learning at the same time.
"""

from __future__ import annotations

from collections.abc import Sequence
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
from homines.training.checkpoints import whole_checkpoint
from homines.training.everyday_text import EverydayText
from homines.training.objective import Objective, objective
from homines.training.prompt_sets import EverySet, PromptSets
from homines.training.rollout import Rollout
from homines.training.settings import Settings
from homines.training.stopping import StopRule
from homines.training.trainer import (
    RIVAL,
    Guard,
    Trained,
    save,
    silence,
    trainable,
)


def rl(
    model: HuggingFace,
    source: EverySet | Rollout,
    settings: Settings,
    folder: Path,
    *,
    rival: PromptSets | None = None,
    goal: Objective = objective,
    follow: Follow = QUIET,
) -> Trained:
    """Train `model` (its network changes in place) and save the result under `folder`.

    rival                the prompt sets of a second learner, from its own seat
    goal                 gives the loss
    folder/checkpoints   resumed from where there is a whole one; the caller removes them
    folder/adapter       (or folder/model; and folder/rival) the result, written aside and renamed
    folder/last_good     the adapter before a step that would have broken it (HominesError says so); of two
                         learners also last_good/rival
    follow               its `step` is called with one row of figures a step; a resumed step comes again,
                         the same
    """
    from transformers.trainer_utils import set_seed

    from homines.training.exact_trainer import ExactSteps, ExactTrainer, Learners, Reference, exact_arguments

    if processes.process_count() > 1 and (rival is not None or isinstance(source, Rollout)):
        raise HominesError(
            f"two learners and --sample train in one process, not in {processes.process_count()}; start it "
            "without accelerate launch"
        )
    checkpoints = inside(folder, "checkpoints")
    set_seed(settings.seed)
    net = trainable(model, settings, rival is not None)
    order = _sequence(1 if isinstance(source, Rollout) else len(source.sets), source.steps, settings)
    reference = Reference(model, net, settings)
    if (settings.rank == 0 or distributed.divides_weights()) and not isinstance(source, Rollout):
        for part, sets, _ in source.divide(order):
            reference.score(part, sets)  # of divided weights all processes read at the same time
    total = sum(source.steps)
    guard = Guard(model, net, settings, folder, total)
    texts = EverydayText(model, net, settings.text_kl)
    learners = Learners(source, rival, settings, goal, reference, texts, guard, share=model.share)
    rule = StopRule.of(settings, source, rival)
    callback = ExactSteps(learners, folder, follow, total, rule)
    trainer = ExactTrainer(
        learners,
        model=net,
        args=exact_arguments(
            folder, total, settings, cpu=model.net.device.type == "cpu", pair=rival is not None
        ),
        train_dataset=order,
        data_collator=lambda items: {"sets": torch.tensor(items)},
        callbacks=[callback],
    )
    silence(trainer)
    start = whole_checkpoint(checkpoints, rollout=isinstance(source, Rollout))
    if start is not None and isinstance(source, Rollout):
        source.restore(strict_json.loads(read(start, "walk.json")))
    training = trainer.train(resume_from_checkpoint=start)
    callback.check(trainer.state.global_step)
    final = folder / ("adapter" if settings.rank else "model")
    if processes.is_first():
        save(net, model.tokenizer, model.name, final)
    if rival is not None:
        save(net, model.tokenizer, model.name, folder / "rival", RIVAL)
    second = None if rival is None else folder / "rival"
    reached = None if rule is None else callback.reached
    return Trained(final, float(training.metrics["train_runtime"]), callback.last, second, reached)


def _sequence(count: int, steps: Sequence[int], settings: Settings) -> list[int]:
    """The order of the sets: shuffled rounds over all of them, fixed by the seed."""
    rng = np.random.default_rng(settings.seed)
    need = sum(steps) * settings.sets * settings.accumulation
    rounds = [rng.permutation(count) for _ in range(-(-need // count))]
    return [int(i) for i in np.concatenate(rounds)[:need]]
