"""Imports point inward: the order of the layers is the architecture, and every file has its place."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import homines

ROOT = Path(homines.__file__).parent

ORDER = (
    "core < theory < games < preferences < opponents "
    "< inference < elicitation < frames < models < estimation "
    "< datasets < design < reports < training < studies < atlases < transfers < populations < certificates "
    "< valuations < people < results, loaded, calls, api_plans, api, namespace "
    "< sweeps < evals < view < serving < cli"
)
"""A folder imports from itself and from those before it, and nothing else."""

RANK = {name: rank for rank, layer in enumerate(ORDER.split(" < ")) for name in layer.split(", ")}
RANK["__init__"] = -1
PURE = {name for name, rank in RANK.items() if rank < RANK["inference"]}
NETWORK = {"torch", "transformers", "peft", "accelerate", "trl", "gguf"}
DRAWING = {"altair", "vl_convert", "jinja2", "typer", "rich"}
FILES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py"))
BY_STRING = {"import_module", "load_module", "__import__"}
"""Functions that import the module they are given the name of; load_module is that of core/plugins.py."""
OUTWARD = {
    ("__init__.py", "homines.namespace"): "names of the package are looked up when they are used",
}
"""Imports by string that may point outward, each with its reason: (file, module)."""
OPEN = {
    (
        "core/plugins.py",
        "f'homines.{folder}.{name}'",
    ): "a folder of plug-ins and a file of it, as a spec names",
    ("core/plugins.py", "name"): "load_module itself, on the names that its callers give",
    ("core/registry.py", "module"): "module:object as a person typed it (tests/borders/test_specs.py)",
    ("namespace.py", "f'homines.{name}'"): "one of the four folders of plug-ins in FOLDERS",
}
"""Imports by string whose place in ORDER the source does not tell, each with its reason: (file, argument)."""


def part(file: str) -> str:
    """The folder of a file, or its own name where it lies in none."""
    return file.removesuffix(".py").partition("/")[0]


def module_name(file: str) -> str:
    """The full name of a file's module: 'homines.games' of games/__init__.py."""
    return "homines." + file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def place(module: str) -> str:
    """The part of a module's name that has a rank: 'homines.games.ipd' is in games."""
    return [*module.split("."), "__init__"][1]


def by_string(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """(argument, module) of every import by string: 'homines.games' of f"homines.games.{name}", '' where the
    argument begins with no folder of ours and no whole name."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        function = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if function not in BY_STRING:
            continue
        given = node.args[0] if node.args else node.keywords[0].value
        module = ""
        if isinstance(given, ast.Constant):
            module = str(given.value)
        elif isinstance(given, ast.JoinedStr) and isinstance(given.values[0], ast.Constant):
            head = str(given.values[0].value).rpartition(".")[0]  # whole parts of the name
            module = head if "." in head else ""
        yield ast.unparse(given), module


def imported(file: str) -> Iterator[str]:
    """Full names of all that a file imports, wherever in it, by string as well but for OUTWARD."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    yield from (module for _, module in by_string(tree) if module and (file, module) not in OUTWARD)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} imports from '.'; write homines"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own(file: str) -> list[str]:
    """Modules of this package that a file imports; 'homines' for a name of the package itself."""
    there = {module_name(f) for f in FILES}
    names = [name for name in imported(file) if name.partition(".")[0] == "homines"]
    modules = [name if name in there else name.rpartition(".")[0] or name for name in names]
    return [name for name in modules if name != module_name(file)]  # a folder that imports its own files


def test_every_file_has_a_rank_and_every_rank_a_file() -> None:
    assert {part(file) for file in FILES} == set(RANK)


@pytest.mark.parametrize("file", FILES)
def test_imports_point_inward(file: str) -> None:
    rank = RANK[part(file)]
    outward = [name for name in own(file) if RANK[place(name)] > rank]
    assert not outward, f"{file} imports {outward}, which stand further out in ORDER"


def test_every_import_by_string_is_read_or_excepted() -> None:
    trees = {file: ast.parse((ROOT / file).read_text(encoding="utf-8")) for file in FILES}
    imports = {(file, *each) for file, tree in trees.items() for each in by_string(tree)}
    assert {(file, argument) for file, argument, module in imports if not module} == set(OPEN)
    outward = {
        (file, module)
        for file, _, module in imports
        if module.partition(".")[0] == "homines" and RANK[place(module)] > RANK[part(file)]
    }
    assert outward == set(OUTWARD)
    for file, tree in trees.items():  # under another name the reader would not know them
        aliases = [a for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for a in node.names]
        assert not [a.name for a in aliases if a.name in BY_STRING and a.asname], file


def test_within_a_layer_imports_do_not_go_in_circles() -> None:
    graph = {module_name(f): own(f) for f in FILES}
    order = list(TopologicalSorter(graph).static_order())
    assert len(order) >= len(FILES)


@pytest.mark.parametrize("file", [f for f in FILES if part(f) in PURE])
def test_the_core_needs_no_network_library_and_draws_nothing(file: str) -> None:
    assert not {name.partition(".")[0] for name in imported(file)} & (NETWORK | DRAWING)


@pytest.mark.parametrize("file", ["reports/run_page.py", "reports/console.py"])
def test_a_report_needs_no_network_library(file: str) -> None:
    reached, queue = {file}, [file]
    for here in queue:
        for name in own(here):
            path = name.replace(".", "/").removeprefix("homines").removeprefix("/")
            there = next(f for f in (f"{path}.py", f"{path}/__init__.py", "__init__.py") if f in FILES)
            queue += [there] if there not in reached else []
            reached.add(there)
    assert "elicitation/metrics.py" in reached
    assert not {name.partition(".")[0] for f in reached for name in imported(f)} & NETWORK


def test_the_reader_of_imports_sees_them_all() -> None:
    """Were it blind, the laws above would hold of anything."""
    assert {"homines.core.types", "homines.theory.game_forms", "homines.theory.choice"} <= set(
        own("theory/chain.py")
    )
    assert {"homines.core.registry", "homines.preferences.deontological"} <= set(
        own("preferences/deontological.py")
    ) | set(own("preferences/game_deontological.py"))
    assert "torch" in {name.partition(".")[0] for name in imported("inference/logits.py")}
    assert "homines.sweeps.sweep" in own("cli/sweep.py")  # inside a function
    assert "homines.games" in own("datasets/recipe.py")  # by string
    assert "axelrod" in imported("opponents/axelrod.py")
    source = """
import_module("homines.view.app"); importlib.import_module(f"homines.view.{x}")
load_module(name=f"homines.{x}")
import_module(f"homines.sweeps.en{x}.y"); __import__("torch"); import_module(name)
"""
    assert [module for _, module in by_string(ast.parse(source))] == [
        "homines.view.app",
        "homines.view",
        "",
        "homines.sweeps",
        "torch",
        "",
    ]
    assert [place(name) for name in ("homines", "homines.core.types", "homines.games.ipd")] == [
        "__init__",
        "core",
        "games",
    ]
