"""The trainer of supervised fine-tuning: TRL's SFTTrainer, with its loss on the answers' tokens alone."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch

from homines.inference import processes
from homines.training import distributed
from homines.training.settings import SupervisedSettings
from homines.training.steps import Unattended, arguments
from homines.training.trainer import Saving

trl: Any = import_module("trl")


class CompletionTrainer(Unattended, Saving, trl.SFTTrainer):
    """TRL's trainer; where `own_loss` is set, the loss is `completion_loss`, which is faster on a CPU."""

    own_loss = False

    def compute_loss(
        self,
        model: Any,
        inputs: Any,
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        # TRL's fused loss takes the prompt's tokens through the output layer as well; without its GPU
        # kernel that is 40% of a step
        if not self.own_loss or self.aux_loss_enabled or return_outputs:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        tokens = {k: v for k, v in inputs.items() if k != "labels"}
        loss, accuracy = completion_loss(model, tokens, inputs["labels"], num_items_in_batch)
        self._metrics["train"]["mean_token_accuracy"].append(float(np.mean(distributed.gather([accuracy]))))
        # tokens are those of all processes, and gradients will be averaged over these
        return loss * (processes.process_count() if num_items_in_batch is not None else 1)


def completion_loss(
    net: Any, inputs: dict[str, Any], labels: torch.Tensor, tokens: Any
) -> tuple[torch.Tensor, float]:
    """(mean cross-entropy over the tokens that are trained on, share of them that are likeliest).

    labels   [row, token], -100 where nothing is trained; only positions that some row needs get logits
    tokens   how many there are in the whole step; None: those of this batch
    """
    targets = labels[:, 1:]
    positions = (targets != -100).any(0).nonzero()[:, 0]
    logits = net(**inputs, use_cache=False, logits_to_keep=positions).logits
    targets = targets[:, positions]
    trained = targets != -100
    logits, targets = logits[trained].float(), targets[trained]
    total = torch.nn.functional.cross_entropy(logits, targets, reduction="sum")
    accuracy = float((logits.detach().argmax(-1) == targets).float().mean())
    return total / (tokens if tokens is not None else len(targets)), accuracy


def completion_arguments(folder: Path, total: int, settings: SupervisedSettings, *, cpu: bool) -> Any:
    """Arguments of a supervised training of `total` steps."""
    return arguments(
        trl.SFTConfig,
        folder,
        total,
        settings,
        cpu=cpu,
        per_device_train_batch_size=distributed.share(settings.batch, "batch"),
        ddp_find_unused_parameters=False,
        ddp_timeout=distributed.LONGEST_WAIT,
        learning_rate=settings.rate,
        lr_scheduler_type="cosine",
        warmup_steps=min(5, total // 4),
        max_grad_norm=1.0,
        max_length=None,
        completion_only_loss=True,
        packing=False,
        logging_nan_inf_filter=False,
        bf16=False,  # in the type of its weights, as the other roads
        activation_checkpointing=not cpu,
        dataset_num_proc=None,
    )
