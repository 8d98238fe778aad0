"""Rank and number of processes under `accelerate launch homines ...`, and which of them may print."""

from __future__ import annotations

import os
import warnings


def quiet() -> None:
    """Silence warnings of the libraries; our own warnings stay."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    for module in ("transformers", "peft", "torch", "accelerate"):
        warnings.filterwarnings("ignore", module=rf"{module}(\..*)?$")


def process_count() -> int:
    """The number of processes that train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first() -> bool:
    """Whether this is the process that measures, writes and speaks."""
    return int(os.environ.get("RANK", "0")) == 0


def own(device: str) -> str:
    """The device of this process for a requested `device`. With several processes on cuda: the GPU of
    LOCAL_RANK modulo the number of visible GPUs, as in accelerate.

    >>> own("cuda")
    'cuda'
    """
    if device != "cuda" or process_count() == 1:
        return device
    import torch

    return f"cuda:{int(os.environ.get('LOCAL_RANK', '0')) % max(1, torch.cuda.device_count())}"
