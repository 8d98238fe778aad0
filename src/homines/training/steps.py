"""Progress callback and arguments of the exact, sampled and supervised trainers."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from homines.core.progress import Follow
from homines.core.types import HominesError, Interrupted
from homines.inference import processes
from homines.training import distributed
from homines.training.settings import Settings, SupervisedSettings


class StepCallback(TrainerCallback):
    """Tells `follow` one row a step; a stop on request leaves a checkpoint.

    A subclass gives `row`. `last` is the newest row.
    """

    def __init__(self, follow: Follow, total: int) -> None:
        self.follow, self.total = follow, total
        self.stopped = False
        self.last: dict[str, Any] = {}

    def row(self, step: int, logs: dict[str, Any], state: Any) -> dict[str, Any] | None:
        """The figures of a step from what the trainer logged; None where there are none."""
        raise NotImplementedError

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        if not logs or "loss" not in logs:
            return
        row = self.row(state.global_step, logs, state)
        if row is None:
            return
        self.last = row
        if processes.is_first():
            self.follow.step(dict(row))

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if any(distributed.gather([self.follow.stop()])) and state.global_step < self.total:
            self.stopped = True
            control.should_save = True
            control.should_training_stop = True

    def check(self, step: int) -> None:
        """Raises Interrupted where the training was stopped."""
        if self.stopped:
            raise Interrupted(f"training stopped at step {step} of {self.total}")


class SupervisedSteps(StepCallback):
    """Rows of a supervised training; a loss that is not finite ends it."""

    def __init__(self, folder: Path, follow: Follow, total: int) -> None:
        super().__init__(follow, total)
        self.folder = folder

    def row(self, step: int, logs: dict[str, Any], state: Any) -> dict[str, Any]:
        loss = float(logs["loss"])
        if not math.isfinite(loss):
            raise HominesError(
                f"the loss is {loss} at step {step}; lower --lr. The last checkpoint is in "
                f"{self.folder / 'checkpoints'}"
            )
        return {
            "step": step,
            "loss": loss,
            "token_accuracy": logs["token_accuracy"],
            **({"text_kl": logs["text_kl"]} if "text_kl" in logs else {}),
            "grad_norm": float(logs.get("grad_norm", float("nan"))),
        }


def arguments(
    kind: Any, folder: Path, total: int, settings: Settings | SupervisedSettings, *, cpu: bool, **more: Any
) -> Any:
    """A trainer's arguments (`kind`, a class of TrainingArguments) with what all trainings share."""
    options = kind(
        output_dir=str(folder / "checkpoints"),
        max_steps=total,
        weight_decay=0.0,
        seed=settings.seed,
        logging_steps=1,
        save_steps=settings.save_every,
        save_total_limit=2,
        report_to=settings.report_to,
        disable_tqdm=True,
        use_cpu=cpu,
        dataloader_pin_memory=False,
        **more,
    )
    options._n_gpu = 1  # one pass is one sequence: nothing for DataParallel to scatter
    return options


class Unattended:
    """A trainer of TRL without its word home, and without a model card in every checkpoint."""

    def _send_telemetry(self) -> None:
        pass

    def create_model_card(self, *_: Any, **__: Any) -> None:
        pass
