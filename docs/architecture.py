"""Write the list of files in docs/architecture.md: of every file the first sentence of its docstring.

python docs/architecture.py
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

import homines

ROOT = Path(homines.__file__).parent
PAGE = ROOT.parents[1] / "docs" / "architecture.md"
HEADING = "## Every file\n"
ORDER = (
    "",
    *("games", "preferences", "frames", "opponents", "models", "studies"),
    *("core", "theory", "inference", "elicitation", "estimation", "datasets", "design"),
    *("reports", "training"),
    *("atlases", "transfers", "populations", "certificates", "valuations", "people"),
    *("cli", "view", "serving", "evals", "sweeps"),
)
"""Folders as README lists them."""
DATA = {
    "__init__.pyi": "The names of the package for editors and type checkers, generated",
    "models/LICENSE-2.0": "The text of the Apache License 2.0, laid beside pulled weights",
    "training/plain_prompts.txt": "Everyday requests, mixed among rows with the untrained answers",
    "elicitation/capability.tsv": "Everyday questions, the right answer first",
    "elicitation/scenarios.tsv": "Everyday dilemmas in six groups at three stakes, with controls",
    "elicitation/outcomes.tsv": "Outcomes of five kinds to choose between",
    "elicitation/conditions.toml": "Conditions: what stands before a question, an entry each",
    "certificates/schema.json": "The schema of a certificate, by which its reader checks it",
    "estimation/published.toml": "The numbers of published.py",
    "reports/templates/model_card.md": "The text of a model card",
    "reports/templates/page.css": "Looks of all pages",
    "reports/templates/page.html": "Parts of all pages: policy, style, scripts",
    "reports/templates/page.js": "The script that draws the charts of a page",
    "reports/templates/asked.html": "What was asked, a part of the page of one run",
    "reports/templates/answers_in_words.html": "Answers in words on a page, illegal ones verbatim",
    "reports/templates/page_parts.html": "Tables and charts of all pages",
    "reports/templates/report_page.html": "The page of one run",
    "reports/templates/study_page.html": "The page of a study or of several runs",
    "reports/templates/verdict.html": "The verdict on an agent",
    "view/base.html": "Parts of all local pages",
    "view/list.html": "The runs",
    "view/play.html": "The choice of what to play",
    "view/run.html": "One run",
    "view/sitting.html": "A question, or the end of a sitting",
    "view/trouble.html": "The page of an error",
    "view/view.css": "Looks of the local pages, after page.css",
    "view/view.js": "The script by which the list follows what is typed, and a page its run",
}
"""Files that have no docstring."""


def first_sentence(path: Path) -> str:
    """The first sentence of a module's docstring, without its full stop."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    paragraph = " ".join(text.split("\n\n")[0].split())
    sentence = re.match(r".*?\.(?=\s|$)", paragraph)
    return (sentence[0] if sentence else paragraph).rstrip(".:")


def table(files: list[tuple[str, str]]) -> str:
    """Rows of a Markdown table, a file each."""
    return "\n".join(["| file | |", "|---|---|", *(f"| {name} | {what} |" for name, what in files), ""])


def listing() -> str:
    """The part of the page after HEADING."""
    files: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    heads: dict[str, str] = {}
    for path in sorted(ROOT.rglob("*.*")):
        name = path.relative_to(ROOT).as_posix()
        folder, _, rest = name.partition("/") if "/" in name else ("", "", name)
        if "__pycache__" in name or name == "py.typed":
            continue
        if rest == "__init__.py" and folder:
            heads[folder] = first_sentence(path)
        elif path.suffix == ".py":
            sentence = first_sentence(path)
            if path.name != "__init__.py" or (sentence and folder != "studies"):
                files[folder].append((rest, sentence))
        else:
            files[folder].append((rest, DATA[name]))
    assert set(files) == set(ORDER), set(files) ^ set(ORDER)
    parts = [f"\n{table(files[''])}"]
    parts += [f"\n### {folder}/\n\n{heads[folder]}.\n\n{table(files[folder])}" for folder in ORDER[1:]]
    return "".join(parts)


def main() -> None:
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(page.partition(HEADING)[0] + HEADING + listing(), encoding="utf-8")


if __name__ == "__main__":
    main()
