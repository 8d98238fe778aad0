"""Checkpoints of a training: the newest that can be read to its end, and errors of a disk that is full."""

from __future__ import annotations

import errno
import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from transformers.trainer_pt_utils import safe_globals

from homines.core.paths import files, inside, open_file
from homines.core.progress import Say, ignore
from homines.core.types import HominesError
from homines.inference import processes

TORN = "torn-"
"""Before the name of a checkpoint that could not be read."""
BLOCK = 2**20
TORCH_WRITER = re.compile(r"inline_container|PytorchStreamWriter")
"""In the RuntimeError of torch's writer of files; any other is no matter of the disk."""


def whole_checkpoint(folder: Path, *, rollout: bool = False, say: Say = ignore) -> str | None:
    """The newest checkpoint that can be read to its end; newer ones that cannot are put aside, each as
    torn-checkpoint-STEP.

    say   called once where one was put aside, with what is lost and from where the training goes on

    Raises PathError where a link stands in the folder, HominesError where the disk does not give a file now;
    then nothing is put aside.
    """
    if not inside(folder.parent, folder.name).exists():
        return None
    checkpoints = {
        int(p.name[11:]): p for p in folder.iterdir() if re.fullmatch("checkpoint-[0-9]{1,9}", p.name)
    }
    torn: dict[int, str] = {}
    start = None
    for step, path in sorted(checkpoints.items(), reverse=True):
        if not (why := _flaw(inside(folder, path.name), rollout)):
            start = path
            break
        torn[step] = why
    for step in torn:
        _put_aside(checkpoints[step])
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


def _flaw(folder: Path, rollout: bool) -> str:
    """What is wrong with a checkpoint; empty where all of it can be read. Nothing in it is run: pickles are
    read as weights only.

    Raises HominesError where the disk does not give a file now: that is no flaw.
    """
    needed = ("trainer_state.json", "optimizer.pt", "scheduler.pt", *(["walk.json"] if rollout else []))
    try:
        present = [path.name for path in folder.iterdir()]
        if missing := [name for name in needed if name not in present]:
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
    """Read a file to its end: thus an error of the disk is not taken for a flaw of the file."""
    with open_file(path.parent, path.name) as file:
        while file.read(BLOCK):
            pass


def _tear(path: Path) -> str:
    """The flaw that a file's library finds in it; empty where there is none. Raises MemoryError, and OSError
    where the disk does not give the file."""
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


@contextmanager
def saving(folder: Path) -> Iterator[None]:
    """Turn the errors that libraries raise where a disk is full into one HominesError with a remedy."""
    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as failure:
        if isinstance(failure, RuntimeError) and not TORCH_WRITER.search(str(failure)):
            raise
        first = (str(failure).splitlines() or [type(failure).__name__])[0]
        why = getattr(failure, "strerror", None) or first[:200]
        raise HominesError(
            f"cannot write to {folder}: {why}. What was recorded before is safe; make room (or choose "
            "another --out) and run the same command again, it goes on from the last checkpoint"
        ) from failure
