"""What the three trainers share: adapters, checkpoints, the guard against torn files."""

from __future__ import annotations

import errno
import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from transformers.trainer_pt_utils import safe_globals

from homines.core.paths import files, inside, open_file, sync_folder, sync_tree, write_whole_folder
from homines.core.progress import Say, ignore
from homines.core.types import HominesError
from homines.inference import processes
from homines.inference.dtypes import four_bits
from homines.inference.memory import TRAINED, check_memory
from homines.models.hf import HuggingFace
from homines.training import distributed
from homines.training.objective import Outcome, Settings

ADAM_EPSILON = 1e-20
"""A model that almost never answers legally has tiny gradients (they scale with the legal mass); below
this, float32 cannot hold their squares."""
LONGEST_STEP = 1.0
"""Norm to which a learner's gradient is clipped."""
TORN = "torn-"
"""Before the name of a checkpoint that could not be read."""
BLOCK = 2**20
TORCH_WRITER = re.compile(r"inline_container|PytorchStreamWriter")
"""In the RuntimeError of torch's writer of files; any other is no matter of the disk."""
MINE, RIVAL = "default", "rival"
"""Names of the two learners' adapters in the network."""


@dataclass(frozen=True)
class Trained:
    """Where the result lies and how the training went."""

    folder: Path
    """A PEFT adapter, or a whole model where all weights were trained."""
    seconds: float
    """Time in training steps alone, of this call (less than the whole where it was resumed)."""
    last: dict[str, Any]
    rival: Path | None = None
    """The second learner's adapter."""


def phase_at(steps: Sequence[int], step: int) -> tuple[int, float]:
    """(phase, share of it done) before optimiser step `step` (0 is the first).

    >>> phase_at((20, 10), 25)
    (1, 0.5)
    """
    for i, count in enumerate(steps):
        if step < count:
            return i, step / count
        step -= count
    return len(steps) - 1, 1.0


def check_device(place: torch.device) -> None:
    """HominesError where the network is on another GPU than transformers' Trainer takes in this process."""
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
        held = model.net
        # the weights are in memory already
        check_memory(model.name, held.num_parameters(), held.dtype, held.device, TRAINED - 1)
        for p in held.parameters():
            p.requires_grad_(True)
        return held
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
        """Before the gradient: HominesError where what was read says that the network is broken; of several
        processes in all of them, by the worst."""
        read = distributed.gather([(float(out.loss.detach()), out.kl, out.mass)])
        worst = next((loss for loss, _, _ in read if not np.isfinite(loss)), None)
        if worst is not None:
            raise self.broken(f"the loss is {worst}", step)
        kl, mass = max(kl for _, kl, _ in read), min(mass for _, _, mass in read)
        if kl > self.settings.kl_limit:
            raise self.broken(f"the KL to the model before is {kl:.1f} nats, over --kl-limit", step)
        best = self.best.get(learner, 0.0)
        if best > 0.5 and mass < best / 10:
            told = f"the legal mass fell from {best:.2f} to {mass:.3f}: the network is coming apart"
            raise self.broken(told, step)
        self.best[learner] = max(best, mass)

    def before_step(self, step: int) -> None:
        """Before the optimiser: no gradient that is not finite goes in; of two learners each is clipped."""
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
        kept, said = self.folder / "last_good", "nothing had been learned yet"
        if self.good and step:
            with torch.no_grad():
                for name, p in self.net.named_parameters():
                    p.copy_(self.good.get(name, p))
            if processes.is_first():
                save(self.net, self.model.tokenizer, self.model.name, kept)
            if RIVAL in self.net.peft_config:
                save(self.net, self.model.tokenizer, self.model.name, kept / RIVAL, RIVAL)
            said = f"the last good adapter is kept in {kept} (it loads as {self.model.name}+{kept})"
        elif (start := whole_checkpoint(self.folder / "checkpoints")) is not None:
            said = f"the last checkpoint is {start}"
        return HominesError(
            f"training stopped before step {step + 1} of {self.total}: {what}; {said}. Train with a lower "
            f"learning rate (now {self.settings.lr:g}) or in float32, in another folder"
        )


def whole_checkpoint(folder: Path, *, walking: bool = False, say: Say = ignore) -> str | None:
    """The newest checkpoint that can be read to its end; newer ones that cannot are put aside, each as
    torn-checkpoint-STEP.

    say   told once where one was put aside: what is lost, and from where the training goes on

    Raises PathError where a link stands in the folder, HominesError where the disk does not give a file now;
    then nothing is put aside.
    """
    if not inside(folder.parent, folder.name).exists():
        return None
    found = {int(p.name[11:]): p for p in folder.iterdir() if re.fullmatch("checkpoint-[0-9]{1,9}", p.name)}
    torn: dict[int, str] = {}
    start = None
    for step, path in sorted(found.items(), reverse=True):
        if not (why := _flaw(inside(folder, path.name), walking)):
            start = path
            break
        torn[step] = why
    for step in torn:
        _put_aside(found[step])
    if torn:
        say(_lost(torn, f"the checkpoint of step {start.name[11:]}" if start else "the start"))
    return None if start is None else str(start)


def _put_aside(path: Path) -> None:
    """Give a torn checkpoint another name, in the place of an earlier one of that name; the first process
    alone does."""
    if not processes.is_first():
        return
    aside = inside(path.parent, f"{TORN}{path.name}")
    with saving(path.parent):
        shutil.rmtree(aside, ignore_errors=True)
        path.rename(aside)


def _lost(torn: Mapping[int, str], where: str) -> str:
    step, why = max(torn.items())
    more = f", and neither can {len(torn) - 1} before it" if len(torn) > 1 else ""
    return (
        f"the checkpoint of step {step} cannot be read ({why}){more} (put aside as {TORN}checkpoint-{step}); "
        f"the training goes on from {where}"
    )


def _flaw(folder: Path, walking: bool) -> str:
    """What is wrong with a checkpoint; empty where all of it can be read. Nothing in it is run: pickles are
    read as weights only.

    Raises HominesError where the disk does not give a file now: that is no flaw.
    """
    needed = ("trainer_state.json", "optimizer.pt", "scheduler.pt", *(["walk.json"] if walking else []))
    try:
        there = [path.name for path in folder.iterdir()]
        if missing := [name for name in needed if name not in there]:
            return f"it lacks {missing[0]}"
        for path in files(folder):
            _read_through(path)
            if why := _tear(path):
                return why
    except FileNotFoundError as failure:  # another process has just put it aside
        return f"it lacks {Path(str(failure.filename)).name}"
    except OSError as failure:
        raise HominesError(
            f"cannot read the checkpoint {folder}: {failure.strerror or failure}. It may be whole, so it "
            "stays; run the same command again when the disk gives it (or remove that folder to do "
            "without it)"
        ) from failure
    return ""


def _read_through(path: Path) -> None:
    """Read a file to its end, so that what the disk says is not taken for what is wrong with the file."""
    with open_file(path.parent, path.name) as file:
        while file.read(BLOCK):
            pass


def _tear(path: Path) -> str:
    """What its library says of a file that is no whole one; empty of any other. Raises MemoryError, and
    OSError where the disk does not give it."""
    try:
        READERS.get(path.suffix, lambda path: None)(path)
    except MemoryError:
        raise
    except Exception as failure:  # each library has its own for what is torn
        if isinstance(failure, OSError) and failure.errno not in (None, errno.EINVAL):
            raise
        return f"{path.name} is torn ({type(failure).__name__})"
    return ""


def _weights_only(path: Path) -> None:
    with safe_globals():
        torch.load(path, map_location="meta", weights_only=True)


def _tensors(path: Path) -> None:
    with safe_open(path, framework="pt") as file:
        file.keys()


READERS: dict[str, Callable[[Path], Any]] = {
    ".json": lambda path: json.loads(path.read_bytes()),
    ".pt": _weights_only,
    ".pth": _weights_only,
    ".safetensors": _tensors,
}
"""By a file's ending. training_args.bin is a pickle that nobody reads, so it is not read here either."""


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
        told = json.loads(config.read_text())
        if isinstance(names := told.get("target_modules"), list):
            told["target_modules"] = sorted(names)  # a set in PEFT: its order differs from process to process
        config.write_text(json.dumps({**told, "base_model_name_or_path": base}, indent=2))
    else:
        tokenizer.save_pretrained(str(aside))


@contextmanager
def saving(folder: Path) -> Iterator[None]:
    """What libraries raise where a disk is full (each its own) as one error that says what to do."""
    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as failure:
        if isinstance(failure, RuntimeError) and not TORCH_WRITER.search(str(failure)):
            raise
        first = (str(failure).splitlines() or [type(failure).__name__])[0]
        said = getattr(failure, "strerror", None) or first[:200]
        raise HominesError(
            f"cannot write to {folder}: {said}. What was recorded before is safe; make room (or choose "
            "another --out) and run the same command again, it goes on from the last checkpoint"
        ) from failure


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
