"""The types of numbers that weights are held in, four bits among them (extra [4bit]: bitsandbytes)."""

from __future__ import annotations

import logging
from importlib.util import find_spec
from typing import Any

import torch

from homines.core.types import HominesError

# PEFT imports it wherever it is installed; it then says, once a process, that a faster kernel is missing
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
NF4 = "nf4"
"""Four bits a weight of the linear layers (Dettmers et al. 2023); embeddings and arithmetic as `computes`."""
BYTES = 0.52
"""Of a weight in four bits, its share of the (twice quantised) scales with it."""


def pick_dtype(dtype: str | None, device: str) -> torch.dtype | str:
    """float32 on a CPU or MPS; on CUDA the type the weights were saved in; or what is asked for."""
    if dtype is None:
        return "auto" if device.startswith("cuda") else torch.float32
    if dtype == NF4:
        if find_spec("bitsandbytes") is None:
            raise HominesError("nf4 needs bitsandbytes, which is missing: pip install 'homines[4bit]'")
        return NF4
    if dtype not in DTYPES:
        raise HominesError(f"no dtype {dtype!r}; there are {', '.join([*DTYPES, NF4])}")
    return DTYPES[dtype]


def computes(device: str) -> torch.dtype:
    """The type that weights in four bits are read in."""
    return torch.bfloat16 if device.startswith("cuda") else torch.float32


def loading(kind: torch.dtype | str, device: str) -> dict[str, Any]:
    """What from_pretrained is told of the type."""
    if kind != NF4:
        return {"dtype": kind}
    from transformers import BitsAndBytesConfig

    made = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=computes(device),
    )
    return {"dtype": computes(device), "quantization_config": made, "device_map": {"": device}}


def held(net: Any) -> str:
    """The type a network's weights are held in, as it is recorded."""
    return NF4 if four_bits(net) else str(net.dtype).removeprefix("torch.")


def four_bits(net: Any) -> bool:
    """Whether these weights are in four bits: fixed, so adapters are neither merged into them nor all weights
    trained."""
    return bool(getattr(net, "is_loaded_in_4bit", False))
