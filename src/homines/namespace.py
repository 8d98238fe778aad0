"""The package as a person types it: `hm.measure(...)`, `hm.moralis(kappa=0.5)`, `hm.games.trust(5)`.

Verbs are those of api.py; everything else is read off the folders: a new file appears without registration.
`python -m homines.namespace` prints the stub for type checkers and editors (__init__.pyi).
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from typing import Any

import homines
from homines.core.plugins import factory, names, plugin

FOLDERS = ("frames", "games", "opponents", "preferences")
"""Attributes of the package, one for each folder of plug-ins."""


def top(name: str) -> Any:
    """The object `homines.NAME` where NAME is no module: a verb, a folder or a preference."""
    if name in homines.__all__:
        return getattr(import_module("homines.api"), name)
    if name in FOLDERS:
        return import_module(f"homines.{name}")
    if name in names("preferences"):
        return plugin("preferences", name)
    raise AttributeError(
        f"module 'homines' has no attribute {name!r}; it has {', '.join(everything())}, and its files by "
        f"`from homines.{name} import ...`"
    )


def everything() -> list[str]:
    """All names after `homines.`, for completion."""
    return sorted((*homines.__all__, *FOLDERS, *names("preferences")))


def stub() -> str:
    """The text of __init__.pyi. It assigns imported names anew: a stub does not export renamed imports."""
    factories = {(folder, name): factory(folder, name) for folder in FOLDERS for name in names(folder)}
    api = import_module("homines.api")
    calls = [call for verb in homines.__all__ if hasattr(call := getattr(api, verb), "__wrapped__")]
    imported = [verb for verb in homines.__all__ if getattr(api, verb) not in calls]
    lines = [
        '"""What the package offers, for editors: printed by `python -m homines.namespace`."""',
        "",
        *_annotation_imports(calls),
        *(f"from homines.api import {verb} as {verb}" for verb in imported),
        *(f"from homines.{f}.{n} import {make.__name__} as _{f}_{n}" for (f, n), make in factories.items()),
        "",
        "__version__: str",
        "__all__: list[str]",
        "",
        *(line for call in calls for line in _definition(call)),
        *(f"{name} = _preferences_{name}" for name in names("preferences")),
    ]
    for folder in FOLDERS:
        lines += ["", f"class {folder}:"]
        for name in names(folder):
            alias = f"_{folder}_{name}"
            member = alias if inspect.isclass(factories[folder, name]) else f"staticmethod({alias})"
            lines.append(f"    {name} = {member}")
    return "\n".join(lines) + "\n"


def _definition(call: Callable[..., Any]) -> Iterator[str]:
    """A function with every option in its signature, and its docstring, as a stub writes it."""
    signature = inspect.signature(call)
    yield f"def {call.__name__}("
    keywords = False
    for name, p in signature.parameters.items():
        if p.kind is p.KEYWORD_ONLY and not keywords:
            keywords = True
            yield "    *,"
        if p.kind is p.VAR_POSITIONAL:  # what follows is a keyword without a star of its own
            keywords, name = True, f"*{name}"
        yield f"    {name}: {p.annotation}{'' if p.default is p.empty else f' = {p.default!r}'},"
    yield f") -> {signature.return_annotation}:"
    yield f'    """{call.__doc__}"""'
    yield ""


def _annotation_imports(calls: Iterable[Callable[..., Any]]) -> Iterator[str]:
    """An import of the types in these functions' annotations from each of their modules."""
    told: set[str] = set()
    for module in ("homines.api", "homines.api_plans"):
        here: set[str] = set()
        for call in (c for c in calls if c.__module__ == module):
            signature = inspect.signature(call)
            types = [
                signature.return_annotation,
                *(p.annotation for p in signature.parameters.values()),
            ]
            here |= set(re.findall(r"\b[A-Z]\w+", " ".join(types))) - {"None"}
        if new := sorted(here - told):
            yield f"from {module} import {', '.join(new)}"
        told |= here


if __name__ == "__main__":
    print(stub(), end="")
