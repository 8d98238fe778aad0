"""The documentation site: python docs/build.py [FOLDER] (`make docs`; default build/). Warnings are errors.

    docs/*.md, bench/README.md, CONTRIBUTING.md, CHANGELOG.md, docstrings -> FOLDER/docs -> FOLDER/site

The reference is read from the source, not imported, and docstrings keep their own lines: they are written to
be read as they stand.
"""

from __future__ import annotations

import ast
import logging
import os
import shutil
import sys
from collections.abc import Iterator
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "homines"
FOLDERS = {
    "games": "What is decided. On the command line `--game NAME`, in Python `hm.games.NAME(...)`.",
    "preferences": "What is preferred. On the command line `--to NAME`, in Python `hm.NAME(...)`.",
    "frames": "Words for a decision. On the command line `--frame NAME`, in Python `hm.frames.NAME(...)`.",
    "opponents": "Who plays the other seats. On the command line `--opponent NAME`, in Python "
    "`hm.opponents.NAME(...)`.",
    "models": "What answers. On the command line and in Python by name.",
    "studies": "Whole experiments: `homines study NAME`.",
}
ELSEWHERE = {"(../bench/README.md)": "(bench.md)", "(bench/README.md)": "(bench.md)", "(docs/": "("}
"""Links that point elsewhere in the repository, and where they lead on the site."""
Defined = ast.FunctionDef | ast.ClassDef


def gather(pages: Path) -> None:
    """Everything the site is made of, in one folder."""
    shutil.rmtree(pages, ignore_errors=True)
    (pages / "reference").mkdir(parents=True)
    for path in (ROOT / "docs").iterdir():
        if path.suffix in (".md", ".svg", ".css", ".csv", ".json"):
            shutil.copy(path, pages)
    more = {
        "bench.md": "bench/README.md",
        "contributing.md": "CONTRIBUTING.md",
        "changelog.md": "CHANGELOG.md",
    }
    for name, path in more.items():
        shutil.copy(ROOT / path, pages / name)
    for path in pages.glob("*.md"):
        text = path.read_text(encoding="utf-8")
        for link, page in ELSEWHERE.items():
            text = text.replace(link, page)
        path.write_text(text, encoding="utf-8")
    for name, text in reference():
        (pages / "reference" / name).write_text(text, encoding="utf-8")


def reference() -> Iterator[tuple[str, str]]:
    """(file, Markdown) of every page of the reference."""
    verbs = [line for file in ("api", "api_plans") for line in _entry(SOURCE / f"{file}.py", "hm.")]
    verbs += _entry(SOURCE / "results.py", "")
    yield "python.md", "\n\n".join(["# Python", _doc(_docstring(SOURCE / "api.py")), *verbs])
    for folder, about in FOLDERS.items():
        files = sorted((SOURCE / folder).glob("*/study.py")) or [
            path for path in sorted((SOURCE / folder).glob("*.py")) if path.stem != "__init__"
        ]
        yield f"{folder}.md", "\n\n".join([f"# {folder.capitalize()}", about, *map(_thing, files)])
    files = [
        path
        for path in sorted(SOURCE.glob("*/*.py"))
        if path.parent.name not in FOLDERS and path.stem != "__init__"
    ]
    parts = [part for path in files for part in _module(path)]
    yield "modules.md", "\n\n".join(["# Modules", "Imports point inward; each file does one thing.", *parts])


def _thing(path: Path) -> str:
    """A file of a folder: what it offers, by its name."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    name = path.parent.name if path.name == "study.py" else path.stem
    camel = "".join(part.capitalize() for part in name.split("_"))
    held = [n for n in tree.body if isinstance(n, Defined) and n.name in (name, camel)]
    if not held:
        return f"## {name}\n\n{_doc(ast.get_docstring(tree) or '')}"
    told = _doc(ast.get_docstring(held[0]) or "")
    return f"## {name}\n\n{_code(name + _signature(held[0]))}\n\n{told}"


def _module(path: Path) -> Iterator[str]:
    yield f"## homines.{path.parent.name}.{path.stem}\n\n{_doc(_docstring(path))}"
    yield from _entry(path, "", deep=3)


def _entry(path: Path, before: str, deep: int = 2) -> Iterator[str]:
    """The public functions and classes of a file, classes with their public methods."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, Defined) and not node.name.startswith("_") and (told := ast.get_docstring(node)):
            small = before if isinstance(node, ast.FunctionDef) else ""
            heading = f"{'#' * deep} {small}{node.name}"
            yield f"{heading}\n\n{_code(f'{small}{node.name}{_signature(node)}')}\n\n{_doc(told)}"
            for inner in node.body if isinstance(node, ast.ClassDef) else ():
                said = ast.get_docstring(inner) if isinstance(inner, ast.FunctionDef) else None
                if isinstance(inner, ast.FunctionDef) and said and not inner.name.startswith("_"):
                    signature = "" if inner.decorator_list else _signature(inner)
                    yield f"{_code(f'{node.name}.{inner.name}{signature}')}\n\n{_doc(said)}"


def _signature(node: Defined) -> str:
    """As in the source, without `self`; of a dataclass its fields."""
    if isinstance(node, ast.FunctionDef):
        returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
        told = ast.unparse(node.args).removeprefix("self, ")
        return f"({'' if told == 'self' else told}){returns}"
    made = [n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"]
    if made:
        return _signature(made[0]).partition(" -> ")[0]
    fields = [n for n in node.body if isinstance(n, ast.AnnAssign)]
    told = [ast.unparse(n) for n in fields if "ClassVar" not in ast.unparse(n.annotation)]
    return f"({', '.join(told)})" if told else ""


def _docstring(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""


def _code(text: str) -> str:
    return f"```python\n{text}\n```"


def _doc(text: str) -> str:
    """A docstring as it is written; a blank line would end the HTML in Markdown."""
    lines = escape(text).replace("\n\n", "\n&#8203;\n")
    return f'<pre class="docstring">{lines}</pre>'


def build(folder: Path) -> Path:
    """Gather the pages and build the site; its folder. Exits with 1 where there is a warning."""
    os.environ.setdefault("NO_MKDOCS_2_WARNING", "1")  # Material's word on a version we do not use
    from mkdocs.commands.build import build as make
    from mkdocs.config import load_config

    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    gather(folder / "docs")
    config = load_config(
        str(ROOT / "mkdocs.yml"), docs_dir=str(folder / "docs"), site_dir=str(folder / "site"), strict=True
    )
    make(config)
    return folder / "site"


if __name__ == "__main__":
    print(build(Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build").resolve()) / "index.html")
