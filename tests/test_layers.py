"""Imports point inward: the order of the layers is the architecture, and every file has its place."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import homines

ROOT = Path(homines.__file__).parent

LAYERS = (
    ("__init__",),
    ("core",),
    ("paths", "strict", "scratch"),
    ("check", "plausible", "secrets", "choice", "forms", "speak", "lookup", "offered", "market", "qlearning"),
    ("games", "preferences", "frames", "opponents"),
    ("play", "store", "shared"),
    ("claims",),
    (
        "answers",
        "impossible",
        "toplogprobs",
        "measure",
        "schedule",
        "general",
        "likelihood",
        "family",
        "estimate",
        "bounds",
        "compare",
        "mixture",
        "plans",
        "observed",
        "portrait",
        "survey",
        "reasons",
        "data",
        "benchmarks",
        "conduct",
        "amce",
        "baselines",
        "regret",
    ),
    ("logits", "aloud", "models", "sideeffects", "objective", "free_pricing", "parallel"),
    ("lesson",),
    ("train", "sampled", "supervised"),
    (
        "align",
        "tuning",
        "finetune",
        "figures",
        "figures_study",
        "figures_radar",
        "evidence",
        "asked",
        "pages",
        "report",
        "beside",
        "beside_agent",
        "beside_change",
        "beside_parts",
        "beside_studies",
        "card",
        "sitting",
        "afterwards",
    ),
    ("study",),
    ("studies",),
    ("terminal",),
    ("commands", "fitting", "dilemmas", "evals", "playing", "view", "serving"),
    ("measured", "api"),
    ("cells",),
    ("engines", "grid"),
    ("sweep",),
    ("sweeping",),
    ("cli",),
)
"""A file or folder imports from its own layer and those above it in this list, and nothing else."""

RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}
PURE = {name for layer in LAYERS[:6] for name in layer}
NETWORK = {"torch", "transformers", "peft", "accelerate", "trl", "gguf"}
DRAWING = {"altair", "vl_convert", "jinja2", "typer", "rich"}
FILES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py"))


def place(module: str) -> str:
    """The part of a module's name that has a rank: 'homines.games.ipd' is in games."""
    return [*module.split("."), "__init__"][1]


def imported(file: str) -> Iterator[str]:
    """Full names of all that a file imports, wherever in it."""
    for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} imports from '.'; write homines"
            here = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from here if node.module == "homines" else [str(node.module)]


def own(file: str) -> list[str]:
    """Modules of this package that a file imports; 'homines' for a name of the package itself."""
    there = {"homines." + f.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for f in FILES}
    names = [name for name in imported(file) if name.partition(".")[0] == "homines"]
    return [name if name in there else name.rpartition(".")[0] or name for name in names]


def test_every_file_has_a_rank_and_every_rank_a_file() -> None:
    assert {file.removesuffix(".py").partition("/")[0] for file in FILES} == set(RANK)


@pytest.mark.parametrize("file", FILES)
def test_imports_point_inward(file: str) -> None:
    rank = RANK[file.removesuffix(".py").partition("/")[0]]
    outward = [name for name in own(file) if RANK[place(name)] > rank]
    assert not outward, f"{file} imports {outward}, which stand further out in LAYERS"


def test_within_a_layer_imports_do_not_go_in_circles() -> None:
    graph = {
        "homines." + f.removesuffix(".py").removesuffix("/__init__").replace("/", "."): own(f) for f in FILES
    }
    order = list(TopologicalSorter(graph).static_order())
    assert len(order) >= len(FILES)


@pytest.mark.parametrize("file", [f for f in FILES if f.removesuffix(".py").partition("/")[0] in PURE])
def test_the_core_needs_no_network_library_and_draws_nothing(file: str) -> None:
    assert not {name.partition(".")[0] for name in imported(file)} & (NETWORK | DRAWING)


@pytest.mark.parametrize("file", ["report.py", "terminal.py"])
def test_a_report_needs_no_network_library(file: str) -> None:
    reached, queue = {file}, [file]
    for here in queue:
        for name in own(here):
            path = name.replace(".", "/").removeprefix("homines").removeprefix("/")
            there = next(f for f in (f"{path}.py", f"{path}/__init__.py", "__init__.py") if f in FILES)
            queue += [there] if there not in reached else []
            reached.add(there)
    assert "measure.py" in reached
    assert not {name.partition(".")[0] for f in reached for name in imported(f)} & NETWORK


def test_the_reader_of_imports_sees_them_all() -> None:
    """Were it blind, the laws above would hold of anything."""
    assert {"homines.core", "homines.forms", "homines.choice"} <= set(own("play.py"))
    assert {"homines.lookup", "homines.preferences.deontological"} <= set(
        own("preferences/deontological.py")
    ) | set(own("preferences/game_deontological.py"))
    assert "torch" in {name.partition(".")[0] for name in imported("logits.py")}
    assert "homines.objective" in own("cli.py")  # inside a function
    assert [place(name) for name in ("homines", "homines.core", "homines.games.ipd")] == [
        "__init__",
        "core",
        "games",
    ]
