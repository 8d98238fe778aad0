"""Supervised fine-tuning on a data folder: reasons and answers (sft), or the exact logit choice (distill).

    sft      -mean over completion tokens of log P(token | prompt, tokens before), end of turn included
             (TRL's SFTTrainer; the prompt is not trained on)
    distill  -mean over rows of sum_a target(a) log P(label a | prompt), whole labels, end of turn included:
             the cross-entropy to the logit choice, exact; least where the model is the theory and legal

Both keep a LoRA adapter (or all weights, rank 0), resume from checkpoints, and leave the network trained in
place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

from homines.core.progress import QUIET, Follow
from homines.core.types import HominesError
from homines.datasets.row import Row
from homines.inference import processes
from homines.inference.tokens import encode, terminator
from homines.models.hf import HuggingFace
from homines.training.checkpoints import whole_checkpoint
from homines.training.exact import rl
from homines.training.objective import Outcome, Signals
from homines.training.prompt_sets import PromptSets
from homines.training.settings import Settings, SupervisedSettings
from homines.training.trainer import Trained, save, silence, trainable


def train_supervised(
    model: HuggingFace,
    rows: Sequence[Row],
    settings: SupervisedSettings,
    folder: Path,
    *,
    follow: Follow = QUIET,
) -> Trained:
    """Train `model` on these rows and save folder/adapter (or folder/model).

    folder/checkpoints is resumed from where there is a whole one; the caller removes it. Raises HominesError
    where a row does not fit the context, where its answer cannot end in this tokenizer, and in several
    processes where the rows fill no whole batches (sft).
    """
    if not rows:
        raise HominesError("the data hold no rows to train on; generate some with `homines data`")
    road = sft if settings.by == "sft" else distill
    return road(model, rows, settings, folder, follow)


def completions(model: HuggingFace, rows: Sequence[Row]) -> list[tuple[list[int], int]]:
    """Token ids of each row, end of turn included, and how many of them are the prompt's."""
    end = terminator(model.tokenizer)
    out: list[tuple[list[int], int]] = []
    for row, item in zip(rows, encode(model.tokenizer, [row.prompt for row in rows]), strict=True):
        gap = "" if model.tokenizer.chat_template and not row.prompt.begins else " "
        answer = model.tokenizer(gap + row.completion, add_special_tokens=False).input_ids
        ids = [*item.prompt, *answer, end]
        if len(ids) > model.window:
            raise HominesError(
                f"a row of {len(ids)} tokens does not fit this model's context of {model.window}; use "
                "--no-reasons or a shorter frame"
            )
        if end in answer:
            raise HominesError(
                f"the answer {row.completion[-40:]!r} holds this tokenizer's end of turn, so it could never "
                "end; choose other labels (--labels)"
            )
        out.append((ids, len(item.prompt)))
    return out


def sft(
    model: HuggingFace, rows: Sequence[Row], settings: SupervisedSettings, folder: Path, follow: Follow
) -> Trained:
    """Completion-only cross-entropy on what each row says, by TRL's SFTTrainer."""
    for package in ("trl", "datasets"):
        if find_spec(package) is None:
            raise HominesError(f"sft needs {package}, which is missing: pip install 'homines[sft]'")
    from datasets import Dataset, disable_progress_bars
    from transformers.trainer_utils import set_seed

    from homines.training.steps import SupervisedSteps
    from homines.training.supervised_trainer import CompletionTrainer, completion_arguments

    disable_progress_bars()
    _check_batches(len(rows), settings.batch)
    tokens = completions(model, rows)
    total = settings.steps(len(rows))
    set_seed(settings.seed)
    net = trainable(model, Settings(rank=settings.rank, seed=settings.seed))
    order = np.random.default_rng(settings.seed).permutation(len(rows))
    examples = [
        {"input_ids": ids, "completion_mask": [0] * start + [1] * (len(ids) - start)}
        for ids, start in (tokens[i] for i in order)
    ]
    cpu = model.net.device.type == "cpu"
    callback = SupervisedSteps(folder, follow, total)
    trainer: Any = CompletionTrainer(
        model=net,
        args=completion_arguments(folder, total, settings, cpu=cpu),
        train_dataset=Dataset.from_list(examples),
        processing_class=model.tokenizer,
        callbacks=[callback],
    )
    trainer.own_loss = cpu
    silence(trainer)
    training = trainer.train(resume_from_checkpoint=whole_checkpoint(folder / "checkpoints"))
    callback.check(trainer.state.global_step)
    final = folder / ("adapter" if settings.rank else "model")
    if processes.is_first():
        save(net, model.tokenizer, model.name, final)
    return Trained(final, float(training.metrics["train_runtime"]), callback.last)


def _check_batches(rows: int, batch: int) -> None:
    """Raise HominesError where several processes would get a batch that is not whole: accelerate would fill
    it with rows seen before."""
    if processes.process_count() > 1 and (over := rows % batch):
        raise HominesError(
            f"{rows} rows are no whole batches of {batch}, which sft in {processes.process_count()} "
            f"processes needs; choose --batch so that it divides them, leave out {over} of them, or train in "
            "one process"
        )


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
