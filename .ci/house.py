"""Files and lines by folder, circles, long files and functions, names imported past their home; exit 1 past a
limit (docs/decisions.md)."""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from statistics import median

LINES, LENGTH, PARAMETERS = 400, 80, 7
"""At most: lines of a file, lines of a function, parameters of a function."""
EXCUSED = {
    "games/pricing.py:pricing": "a game's parameters are its signature",
    "evals/tasks.py:measure": "options of an Inspect task, which Inspect reads from the signature",
}
Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(tree: ast.Module) -> Iterator[Function]:
    """Every function of a file, methods and inner ones among them."""
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def parameters(function: Function) -> int:
    """How many parameters a caller gives; `self` and `cls` are none."""
    a = function.args
    names = [p.arg for p in (*a.posonlyargs, *a.args, *a.kwonlyargs)]
    return len(names) - (names[:1] in (["self"], ["cls"]))


def own_imports(tree: ast.Module, modules: set[str]) -> Iterator[tuple[str, str]]:
    """(module, name) of what a file imports from this package."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "homines":
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield (whole, "") if whole in modules else (node.module or "", alias.name)


def syntax(folder: Path) -> dict[Path, ast.Module]:
    """The syntax tree of every file under a folder."""
    return {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(folder.rglob("*.py"))}


def bound(tree: ast.Module) -> set[str]:
    """Names that a file binds by importing them from this package."""
    nodes = (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))
    ours = (node for node in nodes if (node.module or "").partition(".")[0] == "homines")
    return {alias.asname or alias.name for node in ours for alias in node.names}


def from_elsewhere(
    trees: dict[Path, ast.Module], names: dict[Path, str], others: Sequence[Path]
) -> Iterator[str]:
    """Imports of a name from a module that only imports it itself, in the package and in other folders.

    names   modules by path; an __init__.py may pass names on
    """
    foreign = {names[path]: bound(tree) for path, tree in trees.items() if path.name != "__init__.py"}
    modules = set(names.values())
    for path, tree in (*trees.items(), *(pair for folder in others for pair in syntax(folder).items())):
        for module, name in own_imports(tree, modules):
            if name in foreign.get(module, ()):
                yield f"{path.as_posix()}: {name} from {module}"


def main(root: Path, others: Sequence[Path]) -> int:
    trees = syntax(root)
    names = {
        path: ".".join(("homines", *path.relative_to(root).with_suffix("").parts)).removesuffix(".__init__")
        for path in trees
    }
    modules = set(names.values())
    lines = {path.relative_to(root).as_posix(): len(path.read_text("utf-8").splitlines()) for path in trees}
    folders: defaultdict[str, list[int]] = defaultdict(list)
    for file, count in lines.items():
        folders[file.rpartition("/")[0].partition("/")[0] or "."].append(count)
    for folder, counts in sorted(folders.items()):
        print(f"{folder:12} {len(counts):4} files {sum(counts):6} lines")
    largest = max(lines, key=lines.__getitem__)
    print(f"{'all':12} {len(lines):4} files {sum(lines.values()):6} lines")
    print(f"median {median(lines.values()):g} lines a file; the largest, {largest}, {lines[largest]}")

    sizes: dict[str, tuple[int, int]] = {}
    underscored: list[str] = []
    graph: dict[str, set[str]] = {}
    for path, tree in trees.items():
        file = path.relative_to(root).as_posix()
        for f in functions(tree):
            sizes[f"{file}:{f.name}"] = ((f.end_lineno or 0) - f.lineno + 1, parameters(f))
        imports = list(own_imports(tree, modules))
        underscored += [f"{file}: {name}" for _, name in imports if name[:1] == "_" and name[:2] != "__"]
        graph[names[path]] = {module for module, _ in imports if module in modules} - {names[path]}
    for what, i in (("longest function", 0), ("most parameters", 1)):
        worst = max((k for k in sizes if k not in EXCUSED), key=lambda name: sizes[name][i])
        print(f"{what}: {sizes[worst][i]}, {worst}")
    try:
        TopologicalSorter(graph).prepare()
        circle: list[str] = []
    except CycleError as found:
        circle = found.args[1]
    print(f"circles: {' -> '.join(circle) if circle else 0}")
    print(f"underscored names imported across files: {', '.join(underscored) or 0}")

    elsewhere = list(from_elsewhere(trees, names, others))
    print(f"names imported from elsewhere than their home: {', '.join(elsewhere) or 0}")

    broken = [f"{file} has {n} lines, over {LINES}" for file, n in lines.items() if n > LINES]
    for name, (length, number) in sizes.items():
        if length > LENGTH and name not in EXCUSED:
            broken.append(f"{name} has {length} lines, over {LENGTH}")
        if number > PARAMETERS and name not in EXCUSED:
            broken.append(f"{name} has {number} parameters, over {PARAMETERS}")
    for sentence in broken:
        print(sentence)
    return int(bool(broken or circle or underscored or elsewhere))


if __name__ == "__main__":
    root = Path(sys.argv[1] if len(sys.argv) > 1 else "src/homines")
    sys.exit(main(root, [Path("tests"), Path("bench")]))
