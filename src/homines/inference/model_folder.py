"""Checks of the folders of models and adapters, before a library builds what their settings describe."""

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
from homines.inference.memory import count_numbers, shapes

INDEX = "model.safetensors.index.json"
WEIGHTS = "model.safetensors"
MOST = 2**26
"""Bytes of a settings file."""
REPEATED = re.compile(r"(n|num)_(\w+_)?(layer|block|expert|label)s?|(\w+_)?depth")
"""Settings that state how many layers, experts or similar parts are built."""
KERNELS = ("attn_implementation", "_attn_implementation", "experts_implementation")
"""Settings in which a name with "/" loads code from the Hub."""
MODULE = re.compile(r"\^?[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*")
"""A module's name; as a regular expression it runs in linear time."""
UNUSED = (
    *("megatron_config", "layer_replication", "layers_pattern", "auto_mapping", "loftq_config"),
    *("corda_config", "eva_config", "lora_ga_config", "arrow_config", "kasa_config"),
    *("monteclora_config", "velora_config", "use_bdlora"),
)
"""Settings of PEFT that import modules, read other files, match patterns or build more than was saved."""


def read_config(path: Path) -> dict[str, Any]:
    """A config.json. Raises HominesError where it is no JSON object, or names code on the Hub."""
    settings = _object(path, json.loads)  # some models need Infinity, which strict JSON lacks
    for key, value in _settings(settings):
        if key in KERNELS and "/" in str(value):
            raise HominesError(
                f"{path}: {key} is {str(value)[:200]!r}, code on the Hub, which is not loaded; write sdpa or "
                "eager in its place"
            )
    return settings


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a model's weights; none where some are missing.

    Raises HominesError where the index is malformed or names a file in another folder.
    """
    if not (folder / INDEX).exists():
        return [path] if (path := folder / WEIGHTS).is_file() else []
    named = _object(folder / INDEX, strict_json.loads).get("weight_map")
    if not isinstance(named, dict) or not named or not all(isinstance(x, str) for x in named.values()):
        raise HominesError(
            f"{folder / INDEX} has no weight_map from tensors to files; save the model again by "
            "model.save_pretrained"
        )
    try:  # links are followed: the Hub's cache consists of links
        files = [folder.joinpath(*relative(name)) for name in sorted(set(named.values()))]
    except PathError as failure:
        raise HominesError(f"{folder / INDEX}: {failure}") from failure
    return files if all(file.is_file() for file in files) else []


def check_repeats(settings: Mapping[str, Any], files: Sequence[Path], where: str) -> None:
    """Raises HominesError where settings repeat a part (a layer, say) more often than there are tensors."""
    sizes = [shape for _, _, shape in shapes(files) if 0 not in shape]
    most = max([len(sizes), *(shape[0] for shape in sizes if len(shape) > 2)])
    for key, value in _settings(settings):
        if REPEATED.fullmatch(key) and isinstance(value, int | float) and value > most:
            raise HominesError(
                f"{where}: config.json says {key} {value:.4g}, and the weights hold {len(sizes)} tensors; "
                "fetch the config.json that belongs to these weights"
            )


def count_weights(rest: str, files: Sequence[Path]) -> int:
    """How many weights the network of these settings has; it is built on torch's device "meta", without
    memory.

    Raises HominesError where the files hold less than half as many, and any error of transformers.
    """
    from transformers import AutoConfig, AutoModelForCausalLM

    settings: Any = AutoConfig.from_pretrained(rest)
    with torch.device("meta"):
        net: Any = AutoModelForCausalLM.from_config(settings)
    count, stored = sum(p.numel() for p in net.parameters()), count_numbers(files)
    if getattr(settings, "quantization_config", None) is not None:  # several weights to a number
        return stored
    if count > 2 * stored:
        raise HominesError(
            f"{rest}: config.json describes {count:.3g} weights, and its files hold {stored:.3g}; fetch the "
            "config.json that belongs to these weights"
        )
    return max(count, stored)


def check_adapter(folder: Path) -> None:
    """Raises HominesError where an adapter is no LoRA with plain module names, is larger than its file, or
    holds NaN or infinity."""
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
"""Settings of PEFT that are patterns or sizes: a test of the value, and the rule in words."""


def _refusal(path: Path, key: str, value: Any, rule: str) -> HominesError:
    return HominesError(f"{path}: {key} is {str(value)[:200]!r}, and it must be {rule}")


def _object(path: Path, loads: Callable[[bytes], Any]) -> dict[str, Any]:
    """The JSON object of a file. Raises HominesError where the file holds none."""
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
    """Every (key, value) of nested settings, at all depths."""
    nodes: list[Any] = [value]
    while nodes:
        node = nodes.pop()
        for key, child in node.items() if isinstance(node, dict) else enumerate(node):
            yield str(key), child
            if isinstance(child, dict | list):
                nodes.append(child)
