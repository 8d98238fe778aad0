"""This machine: processor, memory, disk, devices, and the rate of a matrix product in each number type."""

from __future__ import annotations

import os
import platform
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import torch

from homines.inference.dtypes import DTYPES
from homines.inference.memory import free_bytes

BFLOAT16 = ("avx512_bf16", "amx_bf16", "bf16")
"""Instructions for products of bfloat16, as torch names them (x86, x86, Arm)."""
LARGEST = 1024
"""Rows of the matrices of a product, at most."""
SHORT = 0.01
"""Seconds of a product below which a larger one is tried."""


def describe_machine(cache: Path) -> dict[str, Any]:
    """Processor, cores, threads, memory and disk in bytes, devices. cache: a folder, which need not exist."""
    place = next(folder for folder in (cache, *cache.resolve().parents) if folder.exists())
    return {
        "processor": _processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "cores": usable_cores(),
        "threads": torch.get_num_threads(),
        "memory": psutil.virtual_memory().total,
        "memory_free": free_bytes("cpu"),
        "cache": str(cache),
        "disk_free": shutil.disk_usage(place).free,
        "devices": devices(),
    }


def usable_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def devices() -> list[dict[str, Any]]:
    """Accelerators, then the processor: --device, what it is, memory in bytes (None: the machine's)."""
    found: list[dict[str, Any]] = []
    for i in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        properties = torch.cuda.get_device_properties(i)
        found.append({"device": f"cuda:{i}", "title": properties.name, "memory": properties.total_memory})
    if torch.backends.mps.is_available():
        found.append({"device": "mps", "title": "Apple's GPU", "memory": None})
    return [*found, {"device": "cpu", "title": "", "memory": None}]


def product_rates(device: str, seconds: float = 0.25) -> list[dict[str, Any]]:
    """The rate of a product of square matrices, a row a number type: GFLOP/s of one thread (`thread`; a
    processor's only) and of all cores (`all`). None where this machine has no such product.

    seconds   of measurement for each figure; the fastest product counts, for others may use the cores
    """
    counts = (1, usable_cores()) if device == "cpu" else (0,)
    before = torch.get_num_threads()
    rows: list[dict[str, Any]] = []
    try:
        for name, kind in {**DTYPES, "int8": torch.int8}.items():
            rates: list[float | None] = []
            for count in counts:
                if count:
                    torch.set_num_threads(count)
                rates.append(_rate(kind, device, seconds))
            rows.append({"type": name, "thread": rates[0] if device == "cpu" else None, "all": rates[-1]})
    finally:
        torch.set_num_threads(before)
    return rows


def bfloat16_pays(device: str) -> bool:
    """Whether this machine has an instruction for products of bfloat16, which then are faster than float32's.

    By what the processor says and not by a measurement, so that the same machine always answers the same.
    """
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    instructions = getattr(torch.cpu, "get_capabilities", dict)() if device == "cpu" else {}
    return any(instructions.get(name) for name in BFLOAT16)


def _rate(kind: torch.dtype, device: str, seconds: float) -> float | None:
    """GFLOP/s of the fastest product of matrices that are large enough to keep the machine busy."""
    size = 128
    try:
        span = _fastest(_product(kind, device, size), device, 0.0)
        while size < LARGEST * (1 if device == "cpu" else 8) and span < SHORT:
            size *= 2
            span = _fastest(_product(kind, device, size), device, 0.0)
        span = min(span, _fastest(_product(kind, device, size), device, seconds))
    except RuntimeError:  # a type for which torch has no product here
        return None
    return 2 * size**3 / span / 1e9


def _product(kind: torch.dtype, device: str, size: int) -> Callable[[], Any]:
    a = torch.ones(size, size, dtype=kind, device=device)
    if kind == torch.int8:
        return lambda: torch._int_mm(a, a)  # pyright: ignore[reportPrivateImportUsage] - there is no public one
    return lambda: a @ a


def _fastest(product: Callable[[], Any], device: str, seconds: float) -> float:
    """Seconds of the fastest of several products, after one that counts for none."""
    product()
    spans: list[float] = []
    start = time.perf_counter()
    while not spans or time.perf_counter() - start < seconds:
        _wait(device)
        before = time.perf_counter()
        product()
        _wait(device)
        spans.append(time.perf_counter() - before)
    return min(spans)


def _wait(device: str) -> None:
    if device != "cpu":
        torch.accelerator.synchronize(device)


def _processor() -> str:
    """The processor's name, as Linux has it; elsewhere as Python has it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return next(filter(None, names), platform.processor() or platform.machine())
