"""The trainer of supervised fine-tuning: weighted cross-entropy on what the lessons of a batch say."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
from transformers import Trainer, TrainingArguments

from homines.inference import processes
from homines.inference.logits import logits_at
from homines.training import distributed
from homines.training.everyday_text import EverydayText
from homines.training.lessons import Lesson, collate
from homines.training.settings import SupervisedSettings
from homines.training.steps import arguments
from homines.training.trainer import Saving


class CompletionTrainer(Saving, Trainer):
    """Trainer whose items are the lessons of a step (in several processes: of this process's part of it).

    texts     what the training must not change
    weight    of the lessons of a step, on average: every token of the rows counts alike, in whichever step
    products  the number type of matrix products; None: that of the weights
    figures   of the last step: the loss by the weight of this step alone, the share of that weight that lies
              on the likeliest token, and the KL
    """

    def __init__(
        self,
        batches: Sequence[Sequence[Lesson]],
        texts: EverydayText,
        *,
        weight: float,
        pad: str,
        products: torch.dtype | None,
        **more: Any,
    ) -> None:
        def first(items: list[Sequence[Lesson]]) -> dict[str, Any]:
            return collate(items[0], torch.float32 if products else dtype, pad=pad)

        dtype = next(p.dtype for p in more["model"].parameters() if p.is_floating_point())
        super().__init__(train_dataset=batches, data_collator=first, **more)
        self.texts, self.products, self.weight = texts, products, weight
        self.figures: dict[str, float] = {}

    def compute_loss(self, model: Any, inputs: Any, *_: Any, **__: Any) -> torch.Tensor:
        with casting(model, self.products):
            total, weight, right = weighted_loss(model, inputs)
            change = self.texts.kl(model, self.state.global_step) if self.texts.weight else None
        sums = distributed.gather([(weight, right, float(total.detach()))])
        weight, right, said = (sum(each) for each in zip(*sums, strict=True))
        self.figures = {"loss": said / weight, "token_accuracy": right / weight}
        # gradients will be averaged over the processes, and the weight is that of all
        loss = total * (processes.process_count() / self.weight)
        if change is None:
            return loss
        self.figures["text_kl"] = float(change.detach())
        self.figures["loss"] += self.texts.weight * self.figures["text_kl"]
        return loss + self.texts.weight * change

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        super().log({**logs, **self.figures} if "loss" in logs else logs, start_time)


def casting(net: Any, products: torch.dtype | None) -> AbstractContextManager[Any]:
    """Matrix products in this number type; weights, gradients and sums stay as they are."""
    kind = next(net.parameters()).device.type
    return torch.autocast(kind, dtype=products, enabled=products is not None)


def weighted_loss(net: Any, batch: dict[str, Any]) -> tuple[torch.Tensor, float, float]:
    """(sum of -weight log P(token), sum of weights, of the weights of likeliest tokens) of a batch as
    `collate` makes it. Only columns that some row needs get logits."""
    logits = logits_at(net, batch["columns"], **batch["inputs"], use_cache=False)
    logits = logits[batch["rows"], batch["at"]].float()
    weights, tokens = batch["weights"], batch["tokens"]
    total = (weights * torch.nn.functional.cross_entropy(logits, tokens, reduction="none")).sum()
    right = float(weights[logits.detach().argmax(-1) == tokens].sum())
    return total, float(weights.sum()), right


def completion_arguments(folder: Path, total: int, settings: SupervisedSettings, *, cpu: bool) -> Any:
    """Arguments of a supervised training of `total` steps."""
    return arguments(
        TrainingArguments,
        folder,
        total,
        settings,
        cpu=cpu,
        per_device_train_batch_size=1,  # an item is a whole step
        ddp_find_unused_parameters=False,
        ddp_timeout=distributed.LONGEST_WAIT,
        learning_rate=settings.rate,
        lr_scheduler_type="cosine",
        warmup_steps=min(5, total // 4),
        max_grad_norm=1.0,
        train_sampling_strategy="sequential",
        remove_unused_columns=False,
        logging_nan_inf_filter=False,
        activation_checkpointing=not cpu,
        activation_checkpointing_kwargs={"use_reentrant": False},
    )
