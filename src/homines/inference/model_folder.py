"""A model's folder and an adapter's, read before a library builds what their settings say."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from homines.core import strict_json
from homines.core.paths import PathError, relative
from homines.core.types import HominesError
from homines.inference.memory import numbers, shapes

INDEX = "model.safetensors.index.json"
WEIGHTS = "model.safetensors"
MOST = 2**26
"""Bytes of a settings file."""
REPEATED = re.compile(r"(n|num)_(\w+_)?(layer|block|expert|label)s?|(\w+_)?depth")
"""Settings that say how often something is built."""
KERNELS = ("attn_implementation", "_attn_implementation", "experts_implementation")
"""Settings in which a name with "/" is code on the Hub."""
MODULE = re.compile(r"\^?[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*")
"""A module's name, which is a pattern that matches itself in linear time."""
UNUSED = (
    *("megatron_config", "layer_replication", "layers_pattern", "auto_mapping", "loftq_config"),
    *("corda_config", "eva_config", "lora_ga_config", "arrow_config", "kasa_config"),
    *("monteclora_config", "velora_config", "use_bdlora"),
)
"""Settings of PEFT that import modules, read other files, match patterns or build more than is saved."""


def config(path: Path) -> dict[str, Any]:
    """A config.json. Raises HominesError where it is none, or names code of the Hub for its attention."""
    settings = _object(path, json.loads)  # Infinity, which some models need, is no number of strict JSON
    for key, value in _settings(settings):
        if key in KERNELS and "/" in str(value):
            raise HominesError(
                f"{path}: {key} is {str(value)[:200]!r}, code on the Hub, which is not loaded; write sdpa or "
                "eager in its place"
            )
    return settings


def weights(folder: Path) -> list[Path]:
    """The safetensors files that hold a model's weights; none where some are missing.

    Raises HominesError where the index is none or names a file of another folder.
    """
    if not (folder / INDEX).exists():
        return [path] if (path := folder / WEIGHTS).is_file() else []
    named = _object(folder / INDEX, strict_json.loads).get("weight_map")
    if not isinstance(named, dict) or not named or not all(isinstance(x, str) for x in named.values()):
        raise HominesError(
            f"{folder / INDEX} has no weight_map from tensors to files; save the model again by "
            "model.save_pretrained"
        )
    try:  # links are followed, for the Hub's cache holds nothing else
        files = [folder.joinpath(*relative(name)) for name in sorted(set(named.values()))]
    except PathError as failure:
        raise HominesError(f"{folder / INDEX}: {failure}") from failure
    return files if all(file.is_file() for file in files) else []


def repeats(settings: Mapping[str, Any], files: Sequence[Path], where: str) -> None:
    """Raises HominesError where the settings build something more often than the files hold tensors."""
    held = [shape for _, _, shape in shapes(files) if 0 not in shape]
    most = max([len(held), *(shape[0] for shape in held if len(shape) > 2)])
    for key, value in _settings(settings):
        if REPEATED.fullmatch(key) and isinstance(value, int | float) and value > most:
            raise HominesError(
                f"{where}: config.json says {key} {value:.4g}, and the weights hold {len(held)} tensors; "
                "fetch the config.json that belongs to these weights"
            )


def count_weights(rest: str, files: Sequence[Path]) -> int:
    """How many weights the network has that a model's settings describe, which is built without memory.

    Raises HominesError where these are far more than the files hold, and other errors as transformers does.
    """
    from transformers import AutoConfig, AutoModelForCausalLM

    settings: Any = AutoConfig.from_pretrained(rest)
    with torch.device("meta"):
        net: Any = AutoModelForCausalLM.from_config(settings)
    count, held = sum(p.numel() for p in net.parameters()), numbers(files)
    if getattr(settings, "quantization_config", None) is not None:  # several weights to a number
        return held
    if count > 2 * held:
        raise HominesError(
            f"{rest}: config.json describes {count:.3g} weights, and its files hold {held:.3g}; fetch the "
            "config.json that belongs to these weights"
        )
    return max(count, held)


def look_at_adapter(folder: Path) -> None:
    """Raises HominesError where an adapter is no LoRA of plain names, finite and no larger than its file."""
    path, file = folder / "adapter_config.json", folder / "adapter_model.safetensors"
    settings = _object(path, strict_json.loads)
    for key, (sound, rule) in RULES.items():
        if not sound(settings.get(key)):
            raise _refusal(path, key, settings.get(key), rule)
    for key in UNUSED:
        if settings.get(key):
            raise _refusal(path, key, settings[key], "left out, for it is not needed to load an adapter")
    widest = max((max(shape, default=0) for _, _, shape in shapes([file])), default=0)
    for rank in (settings.get("r"), *(settings.get("rank_pattern") or {}).values()):
        if not isinstance(rank, int) or not 0 < rank <= widest:
            raise _refusal(path, "rank", rank, f"a whole number from 1 to {widest}, as its tensors are")
    _finite(file)


def _finite(file: Path) -> None:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118 - it is no mapping
                if not bool(tensors.get_tensor(name).float().isfinite().all()):
                    raise HominesError(
                        f"{file}: {name[:200]!r} holds NaN or infinity, which no adapter has; train it again"
                    )
    except (SafetensorError, OSError) as failure:
        raise HominesError(f"{file} is no whole safetensors file ({failure}); fetch it again") from failure


def _plain(value: Any) -> bool:
    return value is None or (
        isinstance(value, list) and all(isinstance(x, str) and bool(MODULE.fullmatch(x)) for x in value)
    )


def _pattern(value: Any) -> bool:
    return value is None or (isinstance(value, dict) and _plain(list(value)))


RULES: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "peft_type": (lambda x: x == "LORA", "LORA, the only kind that is loaded"),
    "target_modules": (
        lambda x: x == "all-linear" or _plain(x),
        'a list of names of modules, "all-linear" or null',
    ),
    "exclude_modules": (_plain, "a list of names of modules or null"),
    "modules_to_save": (_plain, "a list of names of modules or null"),
    "target_parameters": (_plain, "a list of names of parameters or null"),
    "rank_pattern": (_pattern, "ranks by names of modules"),
    "alpha_pattern": (_pattern, "numbers by names of modules"),
}
"""What PEFT matches as patterns or builds from, and what it may be."""


def _refusal(path: Path, key: str, value: Any, rule: str) -> HominesError:
    return HominesError(f"{path}: {key} is {str(value)[:200]!r}, and it must be {rule}")


def _object(path: Path, loads: Callable[[bytes], Any]) -> dict[str, Any]:
    """The JSON object of a file. Raises HominesError where it is none."""
    try:
        if not path.is_file() or path.stat().st_size > MOST:
            raise ValueError(f"it is no file, or one of more than {MOST >> 20} MiB")
        value = loads(path.read_bytes())
        if not isinstance(value, dict):
            raise ValueError("it is no JSON object")
    except (OSError, ValueError, RecursionError) as failure:
        raise HominesError(f"{path} cannot be read ({failure}); fetch it again") from failure
    return value


def _settings(value: Any) -> Iterator[tuple[str, Any]]:
    """Every (key, value) of settings, of those within them too."""
    left: list[Any] = [value]
    while left:
        some = left.pop()
        for key, held in some.items() if isinstance(some, dict) else enumerate(some):
            yield str(key), held
            if isinstance(held, dict | list):
                left.append(held)
