"""Adapters, the guard that stops a broken training, and saving, for the same three trainers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from homines.core.paths import sync_folder, sync_tree, write_whole_folder
from homines.core.types import HominesError
from homines.inference import processes
from homines.inference.dtypes import four_bits
from homines.inference.memory import TRAINED, check_memory
from homines.models.hf import HuggingFace
from homines.training import distributed
from homines.training.checkpoints import saving, whole_checkpoint
from homines.training.objective import Outcome
from homines.training.settings import Settings

ADAM_EPSILON = 1e-20
"""A model that almost never answers legally has tiny gradients (they scale with the legal mass); below
this, float32 cannot hold their squares."""
LONGEST_STEP = 1.0
"""Norm to which a learner's gradient is clipped."""
MINE, RIVAL = "default", "rival"
"""Names of the two learners' adapters in the network."""


@dataclass(frozen=True)
class Trained:
    """The result of a training."""

    folder: Path
    """A PEFT adapter, or a whole model where all weights were trained."""
    seconds: float
    """Time in training steps alone, of this call (less than the whole where it was resumed)."""
    last: dict[str, Any]
    rival: Path | None = None
    """The second learner's adapter."""
    reached: bool | None = None
    """Whether a target ended it (stopping.py); None where none was set."""
    products: str | None = None
    """Number type of the matrix products, where it is not that of the weights."""


def phase_at(steps: Sequence[int], step: int) -> tuple[int, int]:
    """(phase, steps of it done) before optimiser step `step` (0 is the first).

    >>> phase_at((20, 10), 25)
    (1, 5)
    """
    for i, count in enumerate(steps):
        if step < count:
            return i, step
        step -= count
    return len(steps) - 1, steps[-1]


def check_device(place: torch.device) -> None:
    """Raise HominesError where the network is on another GPU than transformers' Trainer takes here."""
    due = torch.device(processes.own("cuda"))
    if place.type == "cuda" and (place.index or 0) != (due.index or 0):
        raise HominesError(
            f"this process trains on GPU {due.index or 0} of those in sight, not on {place}; give --device "
            "cuda and choose the GPUs with CUDA_VISIBLE_DEVICES"
        )


def passes_of_process(settings: Settings) -> tuple[int, int]:
    """(sets a pass, passes a step) of each process, so that all of them make the step of one."""
    if settings.accumulation % processes.process_count() == 0:
        return settings.sets, settings.accumulation // processes.process_count()
    return distributed.share(settings.sets, "sets"), settings.accumulation


def trainable(model: HuggingFace, settings: Settings, pair: bool = False) -> Any:
    """The network as it is trained: with fresh LoRA adapters (one, or two for a pair), or all its weights."""
    check_device(model.net.device)
    if four_bits(model.net):
        if settings.rank == 0 or hasattr(model.net, "peft_config"):
            raise HominesError(
                "weights in four bits stay as they are: an adapter is trained on them (--rank 8 or more), "
                "not all weights, and no adapter on an adapter"
            )
        if model.net.device.type != "cuda":
            raise HominesError(
                f"four bits are trained on CUDA only: on {model.net.device} bitsandbytes has no gradient of "
                "its own for every product, and a wrong one would go unseen; use --dtype bfloat16"
            )
    if settings.rank == 0:
        if distributed.divides_weights():
            raise HominesError(
                "rank is 0 (all weights), and --use_fsdp divides only weights that stay as they are; train "
                "an adapter (--rank 8 or more)"
            )
        whole = model.net
        # the weights are in memory already
        check_memory(model.name, whole.num_parameters(), whole.dtype, whole.device, TRAINED - 1)
        for p in whole.parameters():
            p.requires_grad_(True)
        return whole
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=settings.rank,
        lora_alpha=max(1, settings.rank // 2),
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    if distributed.divides_weights():
        distributed.divide(model.net)
    net: Any = get_peft_model(model.net, config)
    if distributed.divides_weights():
        distributed.sharing(net)
    if pair:
        net.add_adapter(RIVAL, config)
        speak_as(net, MINE)
    return net


def speak_as(net: Any, name: str) -> None:
    """Answer as this learner; both stay trainable (PEFT freezes the one that is set aside: here, after
    `disable_adapter`, and when it has loaded a checkpoint)."""
    net.set_adapter(name)
    for key, p in net.named_parameters():
        if "lora_" in key:
            p.requires_grad_(True)


class Guard:
    """Stops a training that comes apart, before the step that would, and keeps what was good.

    It comes apart where a loss or gradient is not finite, where the KL of the answers passes `kl_limit`, and
    where the legal mass, once over a half, falls under a tenth of the best it was.
    """

    def __init__(self, model: HuggingFace, net: Any, settings: Settings, folder: Path, total: int) -> None:
        self.model, self.net, self.settings, self.folder, self.total = model, net, settings, folder, total
        self.good: dict[str, torch.Tensor] = {}
        """The adapters as they were when last asked and sound."""
        self.best: dict[str, float] = {}
        """Highest legal mass so far, by learner."""

    def check(self, out: Outcome, step: int, learner: str = MINE) -> None:
        """`check_all` of one outcome."""
        self.check_all({learner: out}, step)

    def check_all(self, heard: Mapping[str, Outcome], step: int) -> None:
        """Before the gradient: raise HominesError where an outcome shows that the network is broken; with
        several processes in all of them, by the worst outcome.

        heard   outcomes by learner, and by kind of game where there are several: a model may well give fewer
                legal answers in one than in another
        """
        read = distributed.gather([(who, float(o.loss.detach()), o.kl, o.mass) for who, o in heard.items()])
        worst = next((loss for _, loss, _, _ in read if not np.isfinite(loss)), None)
        if worst is not None:
            raise self.broken(f"the loss is {worst}", step)
        kl = max(kl for _, _, kl, _ in read)
        if kl > self.settings.kl_limit:
            raise self.broken(f"the KL to the model before is {kl:.1f} nats, over --kl-limit", step)
        for learner in dict.fromkeys(who for who, *_ in read):
            mass = min(mass for who, _, _, mass in read if who == learner)
            best = self.best.get(learner, 0.0)
            if best > 0.5 and mass < best / 10:
                fall = f"the legal mass fell from {best:.2f} to {mass:.3f}: the network is coming apart"
                raise self.broken(fall, step)
            self.best[learner] = max(best, mass)

    def before_step(self, step: int) -> None:
        """Before the optimiser: raise HominesError where a gradient is not finite; clip each of a pair."""
        trained = {name: p for name, p in self.net.named_parameters() if p.grad is not None}
        if self.settings.rank:
            self.good.update((name, p.detach().clone()) for name, p in trained.items())
        for p in trained.values():
            if not bool(torch.isfinite(p.grad).all()):
                raise self.broken("a gradient is not finite", step)
        if hasattr(self.net, "peft_config") and RIVAL in self.net.peft_config:
            for learner in (MINE, RIVAL):
                own = [p for name, p in trained.items() if f".{learner}." in name]
                torch.nn.utils.clip_grad_norm_(own, LONGEST_STEP)

    def broken(self, what: str, step: int) -> HominesError:
        """Save the last good adapter, and return the error to raise: what is broken at this step."""
        folder, rescue = self.folder / "last_good", "nothing had been learned yet"
        if self.good and step:
            with torch.no_grad():
                for name, p in self.net.named_parameters():
                    p.copy_(self.good.get(name, p))
            if processes.is_first():
                save(self.net, self.model.tokenizer, self.model.name, folder)
            if RIVAL in self.net.peft_config:
                save(self.net, self.model.tokenizer, self.model.name, folder / RIVAL, RIVAL)
            rescue = f"the last good adapter is kept in {folder} (it loads as {self.model.name}+{folder})"
        elif (start := whole_checkpoint(self.folder / "checkpoints")) is not None:
            rescue = f"the last checkpoint is {start}"
        return HominesError(
            f"training stopped before step {step + 1} of {self.total}: {what}; {rescue}. Train with a lower "
            f"learning rate (now {self.settings.lr:g}) or in float32, in another folder"
        )


def save(net: Any, tokenizer: Any, base: str, final: Path, adapter: str = MINE) -> None:
    """Write an adapter (or a whole model) into `final`, whole or not at all; `base`: the MODEL it is for."""
    with saving(final), write_whole_folder(final.parent, final.name) as aside:
        _save(net, tokenizer, base, aside, adapter)


def _save(net: Any, tokenizer: Any, base: str, aside: Path, adapter: str) -> None:
    if hasattr(net, "peft_config"):
        net.save_pretrained(str(aside), safe_serialization=True, selected_adapters=[adapter])
        if adapter != MINE:  # PEFT puts any other adapter one folder down
            for path in (aside / adapter).iterdir():
                path.rename(aside / path.name)
            (aside / adapter).rmdir()
    else:
        net.save_pretrained(str(aside), safe_serialization=True)
    if (config := aside / "adapter_config.json").exists():
        fields = json.loads(config.read_text())
        if isinstance(names := fields.get("target_modules"), list):
            fields["target_modules"] = sorted(
                names
            )  # a set in PEFT: its order differs from process to process
        config.write_text(json.dumps({**fields, "base_model_name_or_path": base}, indent=2))
    else:
        tokenizer.save_pretrained(str(aside))


class Saving:
    """A trainer whose checkpoints are on the disk once they are written."""

    args: Any
    state: Any

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)

    def _save_checkpoint(self, *args: Any, **more: Any) -> None:
        folder = Path(self.args.output_dir)
        with saving(folder):
            super()._save_checkpoint(*args, **more)  # pyright: ignore[reportAttributeAccessIssue]
            if processes.is_first():
                sync_tree(folder / f"checkpoint-{self.state.global_step}")
                sync_folder(folder)


def silence(trainer: Any) -> None:
    """Keep the trainer from printing its figures."""
    from transformers import PrinterCallback

    trainer.remove_callback(PrinterCallback)
