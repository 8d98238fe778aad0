"""Plug-ins: the folder is the registry.

    games/trust.py  holds a function `trust`;  opponents/tit_for_tat.py  a class `TitForTat`

A file of one of these folders is a plug-in by its name alone; nothing is registered.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from homines.core.types import HominesError

ROOT = Path(__file__).parents[1]


class UnknownName(HominesError):  # noqa: N818 (a state of the spec, not a fault of the program)
    """No file of a folder has this name."""


class Entry(NamedTuple):
    """One line of `homines list`."""

    name: str
    signature: str
    summary: str


def names(folder: str) -> tuple[str, ...]:
    """The names of the plug-ins in a folder of the package, in alphabetical order.

    >>> "tit_for_tat" in names("opponents")
    True
    """
    parts = folder.split(".")
    files: list[str] = []
    if all(part.isidentifier() for part in parts):  # no path out of the package is looked into
        place = ROOT.joinpath(*parts)
        studies = {path.parent.name for path in place.glob("*/study.py")}  # a study is a folder
        files = sorted(studies or {path.stem for path in place.glob("*.py")})
    if not files:
        packages = sorted(path.parent.name for path in ROOT.glob("*/__init__.py"))
        raise HominesError(f"no folder called {folder!r}; there are {', '.join(packages)}")
    return tuple(name for name in files if not name.startswith("_"))


def factory(folder: str, name: str) -> Callable[..., Any]:
    """The function or class that <folder>/<name>.py holds, not yet called.

    Raises UnknownName where there is no such file.
    """
    known = names(folder)
    if name not in known:
        close = get_close_matches(name.lower(), known, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else "."
        raise UnknownName(
            f"no {singular(folder)} called {name!r}; there are {', '.join(known)}{hint} "
            f"Add {folder}/{name}.py, or type module:object"
        )
    module = load_module(f"homines.{folder}.{name}")
    for candidate in (name, class_name(name)):
        if callable(target := getattr(module, candidate, None)):
            return target
    raise HominesError(
        f"{folder}/{name}.py holds neither a function {name!r} nor a class {class_name(name)!r}; "
        "name what it offers so"
    )


def describe(folder: str) -> tuple[Entry, ...]:
    """Name, signature and first docstring line of everything in the folder.

    The files are parsed and not imported: no listing waits for a heavy import.
    """
    return tuple(_entry(folder, name) for name in names(folder))


def load_module(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise HominesError(
            f"cannot import {name}: {error}; install what is missing, or run where it can be found"
        ) from error


def _entry(folder: str, name: str) -> Entry:
    """The entry of a plug-in, from its source: parameters of the function, of `__init__`, or fields."""
    file = ROOT / folder / name
    file = file / "study.py" if file.is_dir() else file.with_suffix(".py")
    tree = ast.parse(file.read_text(encoding="utf-8"))
    definitions = {n.name: n for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    node = definitions.get(name) or definitions.get(class_name(name))
    text = (node and ast.get_docstring(node)) or ast.get_docstring(tree) or ""
    summary = text.partition("\n")[0]
    if node is None:
        return Entry(name, "", summary)
    return Entry(name, f"({', '.join(_parameters(node))})", summary)


def _parameters(node: ast.FunctionDef | ast.ClassDef) -> Iterator[str]:
    if isinstance(node, ast.ClassDef):
        for item in node.body:
            if isinstance(item, ast.FunctionDef) and item.name == "__init__":
                yield from _parameters(item)
                return
        for item in node.body:
            if isinstance(item, ast.AnnAssign) and "ClassVar" not in ast.unparse(item.annotation):
                yield _with_default(ast.unparse(item.target), item.value)
        return
    before = [*node.args.posonlyargs, *node.args.args]
    defaults = [None] * (len(before) - len(node.args.defaults)) + node.args.defaults
    named = zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
    for argument, default in [*zip(before, defaults, strict=True), *named]:
        if argument.arg != "self":
            yield _with_default(argument.arg, default)


def _with_default(name: str, default: ast.expr | None) -> str:
    if isinstance(default, ast.Call) and ast.unparse(default.func) == "field":
        default = next((k.value for k in default.keywords if k.arg == "default"), None)
    return name if default is None else f"{name}={ast.unparse(default)}"


def class_name(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def singular(folder: str) -> str:
    return f"{folder[:-3]}y" if folder.endswith("ies") else folder.removesuffix("s")


def plugin(folder: str, name: str) -> Callable[..., Any]:
    """The class or function of <folder>/<name>.py. The function's results get an attribute `spec`; records
    name games by it."""
    make = factory(folder, name)
    if inspect.isclass(make):
        return make

    @wraps(make)
    def make_with_spec(*values: Any, **keywords: Any) -> Any:
        instance = make(*values, **keywords)
        arguments = [*map(repr, values), *(f"{key}={value!r}" for key, value in keywords.items())]
        object.__setattr__(instance, "spec", f"{name}({', '.join(arguments)})" if arguments else name)
        return instance

    return make_with_spec


def export(package: str, *own: str) -> tuple[list[str], Callable[[str], Any]]:
    """Bind in a package, under the name of each of its files, what that file holds; returns the package's
    `__all__` and `__getattr__`.

    `homines.games.trust` is then the function, whatever is imported before or after: Python binds a submodule
    in its package once, when it is first imported, and every file is imported here before its name is bound.
    A file that cannot be imported is left out; `__getattr__` tries it again and raises the reason.

    own   names that the package defines itself
    """
    folder, attributes = package.rpartition(".")[2], vars(sys.modules[package])
    for name in names(folder):
        try:
            attributes[name] = plugin(folder, name)
        except Exception:
            attributes.pop(name, None)

    def get(name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        try:
            return plugin(folder, name)
        except HominesError as failure:
            raise AttributeError(str(failure)) from failure

    return [*names(folder), *own], get
