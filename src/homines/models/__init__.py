"""Models by name: `smollm2`, `qwen-0.5b`, `hf/FOLDER-OR-HUB-ID`, `mock`; `+FOLDER-OR-HUB-ID` adds an adapter.

The part before the first "/" names the file of this folder that loads the rest; a name of the
catalogue is loaded by catalogue.py, and a provider of PROVIDERS is short for `inspect/PROVIDER`. A file of
this folder defines `load(rest, adapters, *, device, dtype, trust_remote_code) -> Model`.
"""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module

from homines.core.catalogue import NAMES
from homines.core.plugins import names
from homines.core.types import HominesError, Model


def check_kind(model: str) -> None:
    """Raises HominesError where no file of models/ loads this model; nothing is loaded."""
    if not known(model):
        load(model)  # raises an error that names all kinds


PROVIDERS = (
    *("openai", "anthropic", "google", "openai-api", "ollama", "openrouter", "together", "fireworks", "groq"),
    *("mistral", "grok", "deepseek", "perplexity", "azureai", "bedrock", "mockllm"),
)
"""Providers of inspect-ai that need no `inspect/` before them."""


UNTRAINED = ("mock", "vllm", "sglang", "llamacpp", "inspect", "decisions")
"""Kinds of models whose weights are out of reach."""


def refuse_placement(model: str, *, device: str | None, dtype: str | None) -> None:
    """HominesError where a device or dtype is set for a model on a server. model: its name and the reason."""
    for option, value in (("device", device), ("dtype", dtype)):
        if value is not None:
            raise HominesError(f"--{option} {value} bears on nothing for {model}; drop it")


def kinds() -> tuple[str, ...]:
    """What a model's name begins with, providers left out: the catalogue's names, and the files here."""
    return (*NAMES, *(name for name in names("models") if name != "catalogue"))


def known(spec: str) -> bool:
    """Whether a file of this folder loads this model; nothing is loaded."""
    kind = spec.partition("/")[0].partition("+")[0]
    return kind in kinds() or ("/" in spec and kind in PROVIDERS)


def behind(spec: str) -> bool:
    """Whether this model is behind an API, where calls cost."""
    return spec.partition("/")[0] in (*PROVIDERS, "inspect", "decisions") and "/" in spec


def trainable(spec: str) -> bool:
    """Whether the weights of this model are within reach, so that it can be trained; nothing is loaded."""
    return not behind(spec) and spec.partition("/")[0].partition("+")[0] not in UNTRAINED


def load(
    spec: str,
    *more: str,
    device: str | None = None,
    dtype: str | None = None,
    trust_remote_code: bool = False,
) -> Model:
    """Load a model by name. more: further adapters. device, dtype: None for the best here."""
    head, *adapters = spec.split("+")
    kind, _, rest = head.partition("/")
    if not known(spec):
        close = get_close_matches(kind.lower(), kinds(), n=2, cutoff=0.5)
        hint = f" (did you mean {' or '.join(close)}?)" if close else ""
        raise HominesError(
            f"no model called {spec!r}{hint}; there are {', '.join(kinds())}; behind an API "
            f"{', '.join(f'{name}/' for name in PROVIDERS)}, others as inspect/PROVIDER/NAME. "
            f"A local folder or hub id is hf/{head}; an adapter is added as MODEL+FOLDER-OR-HUB-ID"
        )
    if kind in PROVIDERS:
        kind, rest = "inspect", head
    if kind in NAMES:
        kind, rest = "catalogue", head
    module = import_module(f"homines.models.{kind}")
    model: Model = module.load(
        rest, (*adapters, *more), device=device, dtype=dtype, trust_remote_code=trust_remote_code
    )
    return model
