"""Supervised fine-tuning on a data folder: reasons and answers (sft), or the exact logit choice (distill).

    sft      -mean over completion tokens of log P(token | prompt, tokens before), end of turn included; of
             data whose targets are logit choices, the answer's tokens are weighted by target(a), for every
             answer a: the expected loss of an answer drawn from the target, exact
    distill  -mean over rows of sum_a target(a) log P(label a | prompt), whole labels, end of turn included:
             the cross-entropy to the logit choice, exact; least where the model is the theory and legal

Both keep a LoRA adapter (or all weights, rank 0), resume from checkpoints, and leave the network trained in
place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from homines.core.progress import QUIET, Follow
from homines.core.types import HominesError
from homines.datasets.row import Row
from homines.inference import processes
from homines.inference.machine import bfloat16_pays
from homines.models.hf import HuggingFace
from homines.training import distributed
from homines.training.checkpoints import whole_checkpoint
from homines.training.everyday_text import EverydayText
from homines.training.exact import rl
from homines.training.lessons import lessons_of_rows, plan_batches
from homines.training.objective import Outcome, Signals
from homines.training.plain import plain_lessons
from homines.training.prompt_sets import PromptSets
from homines.training.settings import Settings, SupervisedSettings
from homines.training.trainer import Trained, save, silence, trainable


def train_supervised(
    model: HuggingFace,
    rows: Sequence[Row],
    settings: SupervisedSettings,
    folder: Path,
    *,
    soft: bool = False,
    follow: Follow = QUIET,
) -> Trained:
    """Train `model` on these rows and save folder/adapter (or folder/model).

    soft: sft, too, teaches the row's target and not its best answer. folder/checkpoints is resumed from where
    there is a whole one; the caller removes it. Raises HominesError where a row does not fit the context or
    its answer cannot end in this tokenizer.
    """
    if not rows:
        raise HominesError("the data hold no rows to train on; generate some with `homines data`")
    if settings.by == "sft":
        return sft(model, rows, settings, folder, follow, soft)
    return distill(model, rows, settings, folder, follow)


def sft(
    model: HuggingFace,
    rows: Sequence[Row],
    settings: SupervisedSettings,
    folder: Path,
    follow: Follow,
    soft: bool = False,
) -> Trained:
    """Weighted cross-entropy on what each row says, by transformers' Trainer."""
    from transformers.trainer_utils import set_seed

    from homines.training.steps import SupervisedSteps
    from homines.training.supervised_trainer import CompletionTrainer, casting, completion_arguments

    items = lessons_of_rows(model, rows, soft=soft)
    items += plain_lessons(model, settings.plain, folder, follow)
    total = settings.steps(len(items))
    size, parts = min(settings.batch, len(items)), processes.process_count()
    distributed.share(size, "batch")
    weights = [sum(weight for lesson in lessons for _, _, weight in lesson.said) for lessons in items]
    order = plan_batches([sum(map(len, lessons)) for lessons in items], size, total, settings.seed)
    batches = [[lesson for i in row[k::parts] for lesson in items[i]] for row in order for k in range(parts)]
    set_seed(settings.seed)
    net = trainable(model, Settings(rank=settings.rank, seed=settings.seed))
    products = product_type(settings.products, model)
    with casting(net, products):
        texts = EverydayText(model, net, settings.text_kl)
    callback = SupervisedSteps(folder, follow, total)
    trainer: Any = CompletionTrainer(
        batches,
        texts,
        weight=sum(weights[i] for row in order for i in row) / len(order),
        pad="left" if model.share else "right",
        products=products,
        model=net,
        args=completion_arguments(folder, total, settings, cpu=model.net.device.type == "cpu"),
        callbacks=[callback],
    )
    silence(trainer)
    training = trainer.train(resume_from_checkpoint=whole_checkpoint(folder / "checkpoints"))
    callback.check(trainer.state.global_step)
    final = folder / ("adapter" if settings.rank else "model")
    if processes.is_first():
        save(net, model.tokenizer, model.name, final)
    seconds = float(training.metrics["train_runtime"])
    return Trained(
        final, seconds, callback.last, products=str(products).removeprefix("torch.") if products else None
    )


def product_type(products: str, model: HuggingFace) -> torch.dtype | None:
    """The number type of matrix products in training; None: that of the weights, which is all that weights
    other than float32 have."""
    if next(p.dtype for p in model.net.parameters() if p.is_floating_point()) != torch.float32:
        return None
    auto = products == "auto" and bfloat16_pays(model.net.device.type)
    return torch.bfloat16 if auto or products == "bfloat16" else None


def distill(
    model: HuggingFace,
    rows: Sequence[Row],
    settings: SupervisedSettings,
    folder: Path,
    follow: Follow,
) -> Trained:
    """Exact cross-entropy to each row's logit choice, on the exact road's trainer."""
    sizes = {len(row.target) for row in rows}
    if len(sizes) > 1:
        raise HominesError(
            f"distillation takes decisions with as many options each; these have {sorted(sizes)}. Distil one "
            "kind of game at a time"
        )
    if any(row.prompt.cue for row in rows):
        raise HominesError(
            "distillation trains the answer itself, and these rows think aloud first; generate them with "
            "--no-reasons, or use --by sft"
        )
    shuffled = [rows[i] for i in np.random.default_rng(settings.seed).permutation(len(rows))]
    size = min(settings.batch, len(shuffled))
    turns = -(-len(shuffled) // size) * size  # the last batch is filled up with the first rows
    groups = [[shuffled[i % len(shuffled)] for i in range(at, at + size)] for at in range(0, turns, size)]
    encoded = [tuple(model.encode([row.prompt for row in group])) for group in groups]
    target = torch.tensor(np.array([[row.target for row in group] for group in groups]))
    sets = PromptSets(
        sets=tuple(encoded),
        prompts=tuple(tuple(row.prompt for row in group) for group in groups),
        utility=target[None, ..., None],
        replies=torch.ones(len(groups), size, 1, dtype=torch.float64),
        follows=None,
        actions=tuple(map(str, range(next(iter(sizes))))),
        states=tuple(f"row {i}" for i in range(size)),
        steps=(settings.steps(len(rows)),),
    )
    exact = Settings(
        kl=0.0,
        text_kl=0.0,
        until=0.0,
        lr=settings.rate,
        rank=settings.rank,
        seed=settings.seed,
        save_every=settings.save_every,
        report_to=settings.report_to,
    )

    def step(row: dict[str, Any]) -> None:
        follow.step({name: row[name] for name in ("step", "loss", "mass", "grad_norm") if name in row})

    return rl(model, sets, exact, folder, goal=cross_entropy, follow=replace(follow, step=step))


def cross_entropy(settings: Settings, signals: Signals) -> Outcome:
    """Cross-entropy to a target distribution over labels, `signals.utility` [set, state, action, 1].

    The log-probabilities are those of whole labels: illegal answers cost as well.
    """
    logp = signals.logp.cpu().double()
    target = signals.utility[..., 0]
    loss = -(target * logp).sum(-1).mean()
    mass = float(logp.detach().exp().sum(-1).mean())
    return Outcome(loss, -float(loss.detach()), mass, 0.0, logp.detach().log_softmax(-1).exp())
