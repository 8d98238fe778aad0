"""The memory that a model takes, reckoned from the headers of its files before anything is loaded."""

from __future__ import annotations

import json
import math
import os
import struct
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

from homines.core import strict_json
from homines.core.types import HominesError
from homines.inference.dtypes import BYTES, DTYPES, computes

GIB = 2**30
SAID = GIB
"""Bytes of weights from which on loading them is told."""
EMBEDDINGS = ("embed", "wte", "wpe", "lm_head")
"""What the tensors are called that stay as they are where linear layers are in four bits."""
TRAINED = 4
"""Copies of the weights where all are trained: themselves, the gradient, Adam's two averages."""
ASKED = 2**24
"""Bytes of a pass from which it is asked whether they are there."""
LONGEST = 100_000_000
"""Bytes of a safetensors header, as its library has it."""
LEAST = 16
"""Tokens below which reading fewer at once saves nothing worth having."""
CGROUPS = Path("/sys/fs/cgroup")


def numbers(files: Iterable[Path], named: Sequence[str] = ("",)) -> int:
    """How many numbers these safetensors files hold, by their headers (8 bytes of length, then JSON with
    the shape of every tensor), in tensors whose names hold one of these. Raises HominesError where one is no
    such file."""
    return sum(count for name, _, count in tensors(files) if any(some in name for some in named))


def tensors(files: Iterable[Path]) -> list[tuple[str, str, int]]:
    """(name, type, count of numbers) of every tensor in these safetensors files, by their headers."""
    return [(name, kind, math.prod(shape)) for name, kind, shape in shapes(files)]


def shapes(files: Iterable[Path]) -> list[tuple[str, str, tuple[int, ...]]]:
    """(name, type, shape) of every tensor in these safetensors files, by their headers. Raises HominesError
    where one is no such file."""
    return [tensor for path in files for tensor in _header(path)]


def _header(path: Path) -> list[tuple[str, str, tuple[int, ...]]]:
    try:
        with open(path, "rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > min(path.stat().st_size, LONGEST):
                raise ValueError("its header is longer than the file, or than any")
            header: dict[str, Any] = strict_json.loads(file.read(length))
        header.pop("__metadata__", None)
        found = [(name, tensor["dtype"], tuple(tensor["shape"])) for name, tensor in header.items()]
        for name, kind, shape in found:
            if not isinstance(kind, str) or not all(type(extent) is int and extent >= 0 for extent in shape):
                raise ValueError(f"{name[:200]!r} has no shape and type")
            if math.prod(shape) > 8 * path.stat().st_size:
                raise ValueError(f"{name[:200]!r} is larger than the file")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, struct.error) as failure:
        raise HominesError(f"{path} is no whole safetensors file ({failure}); fetch it again") from failure
    return found


def saved(files: Sequence[Path]) -> torch.dtype:
    """The type that transformers loads these weights in where it is told "auto": the one that config.json
    beside them names, else the one that most of their numbers have; float32 where it is another than these
    three."""
    try:
        config = json.loads((files[0].parent / "config.json").read_text())
        named = config.get("dtype") or config.get("torch_dtype")
    except (OSError, ValueError, AttributeError, RecursionError):
        named = None
    if isinstance(named, str) and named in DTYPES:
        return DTYPES[named]
    counts: Counter[str] = Counter()
    for _, kind, count in tensors(files):
        counts[kind] += count
    most = counts.most_common(1)[0][0] if counts else "F32"
    return {"BF16": torch.bfloat16, "F16": torch.float16}.get(most, torch.float32)


def free(place: torch.device | str) -> int | None:
    """Bytes free on a device now, of its own (what PyTorch keeps for reuse among them) or of the machine's
    memory within this process's cgroups; None where nothing tells."""
    place = torch.device(place)
    if place.type == "cuda":
        kept = torch.cuda.memory_reserved(place) - torch.cuda.memory_allocated(place)
        return int(torch.cuda.mem_get_info(place)[0]) + kept
    known = [some for some in (_of_machine(), _of_cgroups()) if some is not None]
    return min(known, default=None)


def _of_machine() -> int | None:
    """Bytes that the machine can give."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return None


def _of_cgroups(root: Path = CGROUPS, own: Path = Path("/proc/self/cgroup")) -> int | None:
    """Bytes left under the tightest memory limit of this process's cgroup and those above it (versions 1 and
    2); None where there is no limit."""
    try:
        lines = [line.split(":", 2) for line in own.read_text().splitlines()]
    except OSError:
        lines = []
    # in a container the group named may lie outside what is mounted: the mount itself is asked as well
    groups = {root, root / "memory"}
    for _, kinds, group in (line for line in lines if len(line) == 3):
        base = root / "memory" if "memory" in kinds.split(",") else root if not kinds else None
        if base is not None:
            here = base / group.strip("/")
            groups.update({here, *(above for above in here.parents if above.is_relative_to(base))})
    known = [some for group in groups if (some := _left(group)) is not None]
    return min(known, default=None)


def _left(group: Path) -> int | None:
    """Bytes left in one cgroup, files that the kernel merely keeps in memory counted as free."""
    for most, now, kept in (
        ("memory.max", "memory.current", ("inactive_file", "active_file")),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", ("total_inactive_file", "total_active_file")),
    ):
        try:
            left = int((group / most).read_text()) - int((group / now).read_text())
        except (OSError, ValueError):  # no such file; no limit is "max"
            continue
        try:
            stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
            left += sum(int(stat.get(name, 0)) for name in kept)
        except (OSError, ValueError):
            pass
        return max(0, left)
    return None


def room(
    name: str,
    count: int,
    dtype: torch.dtype | str,
    place: torch.device | str,
    copies: int = 1,
    whole: int = 0,
) -> None:
    """Say what so many numbers take, where it is much; HominesError where they do not fit.

    dtype    of the weights; a name: in four bits
    copies   of each number: 1 to measure, TRAINED where all weights are trained
    whole    how many of them stay as they are where the rest is in four bits
    """
    if isinstance(dtype, torch.dtype):
        need = count * dtype.itemsize * copies
    else:
        need = round((count - whole) * BYTES + whole * computes(str(place)).itemsize)
    there, kind = free(place), str(dtype).removeprefix("torch.")
    what = f"{name} takes about {size(need)} ({count / 1e9:.2g} billion weights in {kind}"
    what += f", {copies} times as all are trained)" if copies > 1 else ")"
    if there is not None and need > there:
        smaller = "--rank 64 (an adapter), " if copies > 1 else ""
        half = f"--dtype bfloat16 ({size(need // 2)}), " if dtype == torch.float32 else ""
        raise HominesError(
            f"{what}, and {size(there)} are free on {place}; use {smaller}{half}a smaller model or another "
            "--device"
        )
    if need >= SAID:
        print(f"{what}; {size(there) if there is not None else 'an unknown amount'} free", file=sys.stderr)


def reading(net: Any, new: int, seen: int, kept: int) -> int:
    """Bytes that one pass of a network takes beside its weights, reckoned from its shape: the attention mask,
    the scores where they are all held at once, keys and values, activations, logits.

    new   tokens that are read; seen: those they may look at, themselves among them; kept: logits wanted
    """
    shape = getattr(net, "module", net).config.get_text_config()  # of several processes each wraps it
    item = next(p for p in net.parameters() if p.is_floating_point()).dtype.itemsize
    heads, hidden = shape.num_attention_heads, shape.hidden_size
    wide = getattr(shape, "intermediate_size", None) or 4 * hidden
    each = getattr(shape, "head_dim", None) or hidden // heads
    held = 2 * (getattr(shape, "num_key_value_heads", None) or heads) * each * shape.num_hidden_layers
    mask = new * seen * (1 + 2 * item)
    scores = 2 * new * seen * heads * item if getattr(shape, "_attn_implementation", "") == "eager" else 0
    return (
        mask
        + scores
        + seen * held * item
        + new * (8 * hidden + 3 * wide) * item
        + 8 * kept * shape.vocab_size
    )


def piece(net: Any, new: int, seen: int, kept: int, *, whole: bool = False) -> int:
    """How many of these tokens may be read at once on the memory that is free now: all, or a half as often as
    need be. Raises HominesError where even LEAST are too many, or all are and no fewer will do (`whole`)."""
    place = next(net.parameters()).device
    need = reading(net, new, seen, kept)
    there = free(place) if need >= ASKED else None
    some = new
    while there is not None and need > there:
        if whole or some <= LEAST:
            raise HominesError(
                f"reading {seen} tokens takes about {size(need)} beside the weights, and {size(there)} are "
                f"free on {place}; shorten the prompt, or use --dtype bfloat16, a smaller model or another "
                "--device"
            )
        some = -(-some // 2)
        need = reading(net, some, seen, kept)
    return some


def size(count: int) -> str:
    """Bytes in words.

    >>> size(3 * 2**30)
    '3.0 GiB'
    """
    return f"{count / GIB:.1f} GiB" if count >= GIB / 10 else f"{count / 2**20:.0f} MiB"
