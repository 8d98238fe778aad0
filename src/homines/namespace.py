"""The package as a person types it: `hm.measure(...)`, `hm.moralis(kappa=0.5)`, `hm.games.trust(5)`.

Verbs are those of api.py; everything else is read off the folders, so a new file is offered as it stands.
`python -m homines.namespace` prints what type checkers and editors are told (__init__.pyi).
"""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import Any

import homines
from homines.core.plugins import factory, names, plugin

FOLDERS = ("frames", "games", "opponents", "preferences")
"""Attributes of the package, each with what its files hold."""


def top(name: str) -> Any:
    """What `homines.NAME` is, where no module is called so: a verb, a folder or a preference."""
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
    """All that `homines.` completes to."""
    return sorted((*homines.__all__, *FOLDERS, *names("preferences")))


def stub() -> str:
    """The text of __init__.pyi. A name is bound anew, as a stub hands on no import under another name."""
    made = {(folder, name): factory(folder, name) for folder in FOLDERS for name in names(folder)}
    lines = [
        '"""What the package offers, for editors: printed by `python -m homines.namespace`."""',
        "",
        *(f"from homines.api import {verb} as {verb}" for verb in homines.__all__),
        *(f"from homines.{f}.{n} import {make.__name__} as _{f}_{n}" for (f, n), make in made.items()),
        "",
        "__version__: str",
        "__all__: list[str]",
        "",
        *(f"{name} = _preferences_{name}" for name in names("preferences")),
    ]
    for folder in FOLDERS:
        lines += ["", f"class {folder}:"]
        for name in names(folder):
            held = f"_{folder}_{name}"
            lines.append(
                f"    {name} = {held if inspect.isclass(made[folder, name]) else f'staticmethod({held})'}"
            )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(stub(), end="")
