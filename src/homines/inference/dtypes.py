"""The number types of weights, four bits among them (extra [4bit]: bitsandbytes)."""

from __future__ import annotations

import logging
from importlib.util import find_spec
from typing import Any

import torch

from homines.core.types import HominesError

# PEFT imports bitsandbytes where it is installed, and bitsandbytes logs that a faster kernel is missing
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
NF4 = "nf4"
"""Four bits per weight of the linear layers (Dettmers et al. 2023); embeddings and arithmetic: `computes`."""
BYTES = 0.52
"""Bytes of a weight in four bits, with its share of the (twice quantised) scales."""


def pick_dtype(dtype: str | None, device: str) -> torch.dtype | str:
    """The requested type; None: float32 on a CPU or MPS, the type in which the weights were saved on CUDA."""
    if dtype is None:
        return "auto" if device.startswith("cuda") else torch.float32
    if dtype == NF4:
        if find_spec("bitsandbytes") is None:
            raise HominesError("nf4 needs bitsandbytes, which is missing: pip install 'homines[4bit]'")
        return NF4
    if dtype not in DTYPES:
        raise HominesError(f"no dtype {dtype!r}; there are {', '.join([*DTYPES, NF4])}")
    return DTYPES[dtype]


def compute_dtype(device: str) -> torch.dtype:
    """The type of arithmetic with weights in four bits."""
    return torch.bfloat16 if device.startswith("cuda") else torch.float32


def loading_arguments(kind: torch.dtype | str, device: str) -> dict[str, Any]:
    """Arguments of from_pretrained for this type."""
    if kind != NF4:
        return {"dtype": kind}
    from transformers import BitsAndBytesConfig

    four_bit = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=compute_dtype(device),
    )
    return {"dtype": compute_dtype(device), "quantization_config": four_bit, "device_map": {"": device}}


def weight_dtype(net: Any) -> str:
    """The type of a network's weights, as records name it."""
    return NF4 if four_bits(net) else str(net.dtype).removeprefix("torch.")


def four_bits(net: Any) -> bool:
    """Whether these weights are in four bits: no adapter is merged into them, and they are not trained."""
    return bool(getattr(net, "is_loaded_in_4bit", False))
