"""The memory that a model needs, estimated from the headers of its files before anything is loaded."""

from __future__ import annotations

import json
import math
import struct
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import psutil
import torch

from homines.core import strict_json
from homines.core.types import HominesError
from homines.inference.dtypes import BYTES, DTYPES, compute_dtype

GIB = 2**30
LARGE = GIB
"""Bytes of weights from which on a message says so before they are loaded."""
EMBEDDINGS = ("embed", "wte", "wpe", "lm_head")
"""Parts of the names of tensors that keep their type where linear layers are in four bits."""
TRAINED = 4
"""Copies of the weights in a training of all of them: weights, gradient, Adam's two averages."""
CHECKED_FROM = 2**24
"""Bytes of a pass from which on the free memory is checked."""
LONGEST = 100_000_000
"""Bytes of a safetensors header, at most; the limit of its library."""
LEAST = 16
"""Tokens of a pass, at the least: smaller passes save little memory."""
CGROUPS = Path("/sys/fs/cgroup")


def count_numbers(files: Iterable[Path], named: Sequence[str] = ("",)) -> int:
    """How many numbers these safetensors files hold in tensors whose names contain a part of `named`. Raises
    HominesError for another file."""
    return sum(math.prod(shape) for name, _, shape in shapes(files) if any(part in name for part in named))


def shapes(files: Iterable[Path]) -> list[tuple[str, str, tuple[int, ...]]]:
    """(name, type, shape) of every tensor in these safetensors files, by their headers (8 bytes of length,
    then JSON). Raises HominesError for another file."""
    return [tensor for path in files for tensor in _header(path)]


def _header(path: Path) -> list[tuple[str, str, tuple[int, ...]]]:
    try:
        with open(path, "rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > min(path.stat().st_size, LONGEST):
                raise ValueError("its header is longer than the file, or than any")
            header: dict[str, Any] = strict_json.loads(file.read(length))
        header.pop("__metadata__", None)
        entries = [(name, tensor["dtype"], tuple(tensor["shape"])) for name, tensor in header.items()]
        for name, kind, shape in entries:
            if not isinstance(kind, str) or not all(type(extent) is int and extent >= 0 for extent in shape):
                raise ValueError(f"{name[:200]!r} has no shape and type")
            if math.prod(shape) > 8 * path.stat().st_size:
                raise ValueError(f"{name[:200]!r} is larger than the file")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, struct.error) as failure:
        raise HominesError(f"{path} is no whole safetensors file ({failure}); fetch it again") from failure
    return entries


def saved_dtype(files: Sequence[Path]) -> torch.dtype:
    """The type in which transformers loads these weights with dtype "auto": that of config.json in their
    folder, else that of most of their numbers; float32 where it is none of DTYPES."""
    try:
        config = json.loads((files[0].parent / "config.json").read_text())
        named = config.get("dtype") or config.get("torch_dtype")
    except (OSError, ValueError, AttributeError, RecursionError):
        named = None
    if isinstance(named, str) and named in DTYPES:
        return DTYPES[named]
    counts: Counter[str] = Counter()
    for _, kind, shape in shapes(files):
        counts[kind] += math.prod(shape)
    most = counts.most_common(1)[0][0] if counts else "F32"
    return {"BF16": torch.bfloat16, "F16": torch.float16}.get(most, torch.float32)


def free_bytes(place: torch.device | str) -> int:
    """Bytes free on a device now. On a GPU they include what PyTorch keeps for reuse. Elsewhere they are the
    machine's, within the limits of this process's cgroups."""
    place = torch.device(place)
    if place.type == "cuda":
        cached = torch.cuda.memory_reserved(place) - torch.cuda.memory_allocated(place)
        return int(torch.cuda.mem_get_info(place)[0]) + cached
    known, limit = int(psutil.virtual_memory().available), _of_cgroups()
    return known if limit is None else min(known, limit)


def _of_cgroups(root: Path = CGROUPS, own: Path = Path("/proc/self/cgroup")) -> int | None:
    """Bytes left under the tightest memory limit of this process's cgroup and its parents (versions 1 and 2);
    None without a limit."""
    try:
        lines = [line.split(":", 2) for line in own.read_text().splitlines()]
    except OSError:
        lines = []
    # in a container the named group may lie outside of the mount, thus the mount itself counts as well
    groups = {root, root / "memory"}
    for _, kinds, group in (line for line in lines if len(line) == 3):
        base = root / "memory" if "memory" in kinds.split(",") else root if not kinds else None
        if base is not None:
            here = base / group.strip("/")
            groups.update({here, *(above for above in here.parents if above.is_relative_to(base))})
    known = [left for group in groups if (left := _left(group)) is not None]
    return min(known, default=None)


def _left(group: Path) -> int | None:
    """Bytes left in one cgroup; the kernel's cache of files counts as free."""
    for most, now, caches in (
        ("memory.max", "memory.current", ("inactive_file", "active_file")),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", ("total_inactive_file", "total_active_file")),
    ):
        try:
            left = int((group / most).read_text()) - int((group / now).read_text())
        except (OSError, ValueError):  # no such file; no limit is "max"
            continue
        try:
            stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
            left += sum(int(stat.get(name, 0)) for name in caches)
        except (OSError, ValueError):
            pass
        return max(0, left)
    return None


def check_memory(
    name: str,
    count: int,
    dtype: torch.dtype | str,
    place: torch.device | str,
    copies: int = 1,
    whole: int = 0,
) -> None:
    """Print how many bytes `count` weights take, where that is LARGE. Raises HominesError where they do not
    fit.

    dtype    of the weights; a name: in four bits
    copies   of each weight: 1 to measure, TRAINED in a training of all weights
    whole    how many weights keep their type where the others are in four bits
    """
    if isinstance(dtype, torch.dtype):
        need = count * dtype.itemsize * copies
    else:
        need = round((count - whole) * BYTES + whole * compute_dtype(str(place)).itemsize)
    available, kind = free_bytes(place), str(dtype).removeprefix("torch.")
    sentence = f"{name} takes about {size(need)} ({count / 1e9:.2g} billion weights in {kind}"
    sentence += f", {copies} times as all are trained)" if copies > 1 else ")"
    if need > available:
        smaller = "--rank 64 (an adapter), " if copies > 1 else ""
        half = f"--dtype bfloat16 ({size(need // 2)}), " if dtype == torch.float32 else ""
        raise HominesError(
            f"{sentence}, and {size(available)} are free on {place}; use {smaller}{half}a smaller model or "
            "another --device"
        )
    if need >= LARGE:
        print(f"{sentence}; {size(available)} free", file=sys.stderr)


def pass_bytes(net: Any, new: int, context: int, outputs: int) -> int:
    """Bytes that one pass of a network needs beyond its weights, estimated from its shape: the attention
    mask, the scores where they are all in memory at once, keys and values, activations, logits.

    new      tokens to read
    context  tokens that these attend to, themselves among them
    outputs  positions whose logits are needed
    """
    shape = getattr(net, "module", net).config.get_text_config()  # distributed training wraps the network
    item = next(p for p in net.parameters() if p.is_floating_point()).dtype.itemsize
    heads, hidden = shape.num_attention_heads, shape.hidden_size
    wide = getattr(shape, "intermediate_size", None) or 4 * hidden
    mask = new * context * (1 + 2 * item)
    scores = 2 * new * context * heads * item if getattr(shape, "_attn_implementation", "") == "eager" else 0
    return (
        mask
        + scores
        + context * _key_bytes(net)
        + new * (8 * hidden + 3 * wide) * item
        + 8 * outputs * shape.vocab_size
    )


def _key_bytes(net: Any) -> int:
    """Bytes of the keys and values of one token in all layers."""
    shape = getattr(net, "module", net).config.get_text_config()
    item = next(p for p in net.parameters() if p.is_floating_point()).dtype.itemsize
    heads = shape.num_attention_heads
    each = getattr(shape, "head_dim", None) or shape.hidden_size // heads
    return 2 * (getattr(shape, "num_key_value_heads", None) or heads) * each * shape.num_hidden_layers * item


def slots_that_fit(net: Any, width: int, most: int) -> int:
    """How many texts of `width` tokens can have their keys and values in half of the memory that is free now:
    1 to `most`."""
    free = free_bytes(next(net.parameters()).device)
    return max(1, min(most, free // 2 // (width * _key_bytes(net))))


def pass_length(net: Any, new: int, context: int, outputs: int, *, whole: bool = False) -> int:
    """How many of these tokens fit into one pass with the memory that is free now: `new`, halved until they
    fit. Raises HominesError where LEAST tokens do not fit, or, with `whole`, where `new` do not."""
    place = next(net.parameters()).device
    need = pass_bytes(net, new, context, outputs)
    available = free_bytes(place) if need >= CHECKED_FROM else math.inf
    count = new
    while need > available:
        if whole or count <= LEAST:
            raise HominesError(
                f"reading {context} tokens takes about {size(need)} beside the weights, and "
                f"{size(available)} are free on {place}; shorten the prompt, or use --dtype bfloat16, a "
                "smaller model or another --device"
            )
        count = -(-count // 2)
        need = pass_bytes(net, count, context, outputs)
    return count


def size(count: float) -> str:
    """Bytes in words.

    >>> size(3e9)
    '3.0 GB'
    """
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.0f} MB"
