"""One training in several processes (`accelerate launch homines ...`): who tells, how a step is divided.

Each process holds the whole model and takes its share of every step; gradients are averaged (transformers'
Trainer, by accelerate), so that a step is the step that one process would make. The first process alone
measures, writes the run folder and speaks.
"""

from __future__ import annotations

import os
from typing import Any

from homines.core import HominesError


def size() -> int:
    """How many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def first() -> bool:
    """Whether this is the process that measures, writes and speaks."""
    return int(os.environ.get("RANK", "0")) == 0


def share(whole: int, name: str) -> int:
    """This process's part of what a step takes in all; HominesError where it cannot be divided evenly.

    >>> share(8, "batch")
    8
    """
    if whole % size():
        raise HominesError(
            f"{name} is {whole}, which {size()} processes cannot divide evenly; launch as many as divide it, "
            f"or change {name}"
        )
    return whole // size()


def gathered(mine: list[Any]) -> list[Any]:
    """The lists of all processes, one after the other, in each of them."""
    if size() == 1:
        return mine
    from torch import distributed

    every: list[Any] = [None] * size()
    distributed.all_gather_object(every, mine)
    return [item for some in every for item in some]
