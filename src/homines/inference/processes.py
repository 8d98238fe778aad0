"""Which of several processes this is (`accelerate launch homines ...`), and what each may print."""

from __future__ import annotations

import os
import warnings


def quiet() -> None:
    """Silence what the libraries say of themselves; our own warnings stay."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    for module in ("transformers", "peft", "torch", "accelerate"):
        warnings.filterwarnings("ignore", module=rf"{module}(\..*)?$")


def process_count() -> int:
    """How many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first() -> bool:
    """Whether this is the process that measures, writes and speaks."""
    return int(os.environ.get("RANK", "0")) == 0


def own(device: str) -> str:
    """The device that this process takes where `device` is asked for: of several its own GPU, by LOCAL_RANK
    modulo the GPUs in sight, as accelerate counts them.

    >>> own("cuda")
    'cuda'
    """
    if device != "cuda" or process_count() == 1:
        return device
    import torch

    return f"cuda:{int(os.environ.get('LOCAL_RANK', '0')) % max(1, torch.cuda.device_count())}"
