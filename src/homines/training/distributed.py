"""One training in several processes (`accelerate launch homines ...`): how steps and weights are divided.

Each process takes its share of every step, and gradients are averaged (transformers' Trainer, by accelerate):
thus a step is the step that one process would make. Each holds the whole model; with accelerate's --use_fsdp
only a part of the weights that stay as they are, layer by layer. The first process alone measures, writes the
run folder and speaks.
"""

from __future__ import annotations

import os
from datetime import timedelta
from functools import cache
from typing import Any

from homines.core.types import HominesError
from homines.inference.processes import process_count

LONGEST_WAIT = 24 * 3600
"""Seconds that processes wait for the first one, which measures before it trains."""


def share(whole: int, name: str) -> int:
    """This process's part of what a step takes in all; HominesError where it cannot be divided evenly.

    >>> share(8, "batch")
    8
    """
    if whole % process_count():
        raise HominesError(
            f"{name} is {whole}, which {process_count()} processes cannot divide evenly; launch as many as "
            f"divide it, or change {name}"
        )
    return whole // process_count()


def gather(mine: list[Any]) -> list[Any]:
    """The lists of all processes, one after the other, in each of them."""
    if process_count() == 1:
        return mine
    from torch import distributed

    every: list[Any] = [None] * process_count()
    distributed.all_gather_object(every, mine)
    return [item for items in every for item in items]


@cache
def divides_weights() -> bool:
    """Whether fixed weights are divided over the processes, as `accelerate launch --use_fsdp` asks.

    To be asked before a model is loaded: the wish is taken out of the environment, since accelerate would
    divide the adapters too, and transformers would give all processes but one empty weights.
    """
    wished = os.environ.pop("ACCELERATE_USE_FSDP", "").lower() in ("1", "true")
    return wished and process_count() > 1


def divide(net: Any) -> None:
    """Leave each process its part of every layer's weights (torch's fully_shard), before adapters are put on.

    A layer is made whole for the time it is read. Adapters stay whole in every process, and so do the
    embeddings and the norm after the last layer.
    """
    from accelerate import PartialState
    from torch.distributed.fsdp import fully_shard

    # the processes must have met; how long they wait is fixed here, not by the Trainer
    PartialState(cpu=net.device.type == "cpu", timeout=timedelta(seconds=LONGEST_WAIT))
    for layer in blocks(net):
        fully_shard(layer, reshard_after_forward=True)  # each is a root, which would stay whole


def blocks(net: Any) -> Any:
    """The decoder's layers: its longest list of modules that lies in no other such list (as experts do)."""
    from torch.nn import ModuleList

    decoder = net.get_decoder()
    lists = {name: module for name, module in decoder.named_modules() if isinstance(module, ModuleList)}
    outer = [
        layers for name, layers in lists.items() if not any(name.startswith(f"{other}.") for other in lists)
    ]
    if not any(map(len, outer)):
        raise HominesError(
            f"no list of layers in {type(decoder).__name__}, so its weights cannot be divided; train it "
            "without --use_fsdp"
        )
    return max(outer, key=len)


def sharing(net: Any) -> None:
    """Of a network with adapters on divided weights: only the adapters are the same in all processes."""
    net._ddp_params_and_buffers_to_ignore = [
        name for name, p in net.named_parameters() if not p.requires_grad
    ]


def describe_processes() -> dict[str, Any]:
    """What to record of a training in several processes; nothing of one alone."""
    if process_count() == 1:
        return {}
    from torch import distributed

    backend = distributed.get_backend() if distributed.is_initialized() else None
    return {"processes": process_count(), "backend": backend, "divided": divides_weights()}
