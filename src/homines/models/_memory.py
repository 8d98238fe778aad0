"""The memory that a model takes, reckoned from the headers of its files before anything is loaded."""

from __future__ import annotations

import json
import math
import os
import struct
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch

from homines.core import HominesError
from homines.models._dtypes import BYTES, computes

GIB = 2**30
SAID = GIB
"""Bytes of weights from which on loading them is told."""
EMBEDDINGS = ("embed", "wte", "wpe", "lm_head")
"""What the tensors are called that stay as they are where linear layers are in four bits."""
TRAINED = 4
"""Copies of the weights where all are trained: themselves, the gradient, Adam's two averages."""


def numbers(files: Iterable[Path], named: Sequence[str] = ("",)) -> int:
    """How many numbers these safetensors files hold, by their headers (8 bytes of length, then JSON with
    the shape of every tensor), in tensors whose names hold one of these. Raises HominesError where one is no
    such file."""

    def counted(name: str) -> bool:
        return name != "__metadata__" and any(some in name for some in named)

    count = 0
    for path in files:
        try:
            with open(path, "rb") as file:
                (length,) = struct.unpack("<Q", file.read(8))
                if length > path.stat().st_size:
                    raise ValueError("its header is longer than the file")
                header = json.loads(file.read(length))
            count += sum(math.prod(t["shape"]) for name, t in header.items() if counted(name))
        except (OSError, ValueError, KeyError, TypeError, struct.error) as failure:
            raise HominesError(
                f"{path} is no whole safetensors file ({failure}); fetch it again"
            ) from failure
    return count


def free(place: torch.device | str) -> int | None:
    """Bytes free on a device now, of its own or of the machine's memory; None where nothing tells."""
    place = torch.device(place)
    if place.type == "cuda":
        return int(torch.cuda.mem_get_info(place)[0])
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


def size(count: int) -> str:
    """Bytes in words.

    >>> size(3 * 2**30)
    '3.0 GiB'
    """
    return f"{count / GIB:.1f} GiB" if count >= GIB / 10 else f"{count / 2**20:.0f} MiB"
