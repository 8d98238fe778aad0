"""The figure and the tables of docs/atlas.md and docs/which_model.md, from the data file docs/atlas.json.

    python docs/atlas.py               writes docs/atlas.svg and the tables from docs/atlas.json
    python docs/atlas.py runs/atlas    takes the data file of that atlas first

A table stands between `<!-- atlas: NAME -->` and `<!-- end -->`.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import vl_convert

from homines.atlases.page import check_text, shown_text
from homines.atlases.section import Cell
from homines.core.format import number
from homines.core.types import LEGAL_MASS
from homines.reports import charts
from homines.reports.page import spec
from homines.reports.tables import Table

DOCS = Path(__file__).parent
DATA = DOCS / "atlas.json"
PAGES = ("atlas.md", "which_model.md")
CHECKS = ("answers legally", "the same act in other words", "nothing else lost")
STATES = ("C after CC", "C after CD", "C after DC", "C after DD")
FIGURE = (*STATES, "follows payoffs", "follows its own payoff", "saves: humans over pets")
FIGURE += ("saves: more characters", "alpha", "beta", "kappa")
Cells = Mapping[str, Cell]
Row = dict[str, Any]


def read(path: Path = DATA) -> tuple[dict[str, Any], dict[str, dict[str, Cell]]]:
    """The data file, and its cells by model and column."""
    data = json.loads(path.read_text(encoding="utf-8"))
    names = [f.name for f in fields(Cell)]
    models: dict[str, dict[str, Cell]] = {}
    for line in data["cells"]:
        values = {name: line["legal mass" if name == "mass" else name] for name in names}
        ends = {end: None if values[end] is None else float(values[end]) for end in ("lower", "upper")}
        models.setdefault(line["model"], {})[line["column"]] = Cell(**values | ends)
    return data, models


# --- tables ----------------------------------------------------------------------------------------


def verdicts(models: Mapping[str, Cells]) -> list[Row]:
    return [
        {"model": name, "verdict": cells["verdict"].reason} | {c: check_text(cells[c]) for c in CHECKS}
        for name, cells in models.items()
    ]


def states(models: Mapping[str, Cells]) -> list[Row]:
    return [
        {"model": name}
        | {"legal mass": mean([cells[c].mass for c in STATES])}
        | {"instability": mean([cells[c].instability for c in STATES])}
        | {c: shown_text(cells[c]) for c in STATES}
        for name, cells in models.items()
    ]


def mean(values: Sequence[float | None]) -> str:
    known = [x for x in values if x is not None]
    if not known:
        return "–"
    x = sum(known) / len(known)
    return number(x) if x >= 0.005 else f"{x:.0e}"


def shown(names: Sequence[str]) -> Any:
    """A table of these columns, each with its interval."""
    return lambda models: [
        {"model": name} | {c.removeprefix("saves: "): shown_text(cells[c]) for c in names if c in cells}
        for name, cells in models.items()
    ]


def why(models: Mapping[str, Cells]) -> list[Row]:
    """Why an estimate has no value, or none of its own."""
    return [
        {"model": name, "estimate": c, "why": cells[c].reason}
        for name, cells in models.items()
        for c in ("alpha", "beta", "kappa")
        if cells[c].reason
    ]


def columns(data: Mapping[str, Any]) -> list[Row]:
    return [
        {"column": c["name"], "unit": c["unit"], "what it is": c["meaning"], "interval": c["interval"]}
        for c in data["columns"]
    ]


def asked(data: Mapping[str, Any]) -> list[Row]:
    return [
        {
            "model": m["model"],
            "questions": f"{m['questions']:,}",
            "failed": m["failed"],
            "minutes": f"{m['minutes']:.1f}",
            "command": "<br>".join(f"`{command}`" for command in m["commands"]),
        }
        for m in data["models"]
    ]


def tables(data: Mapping[str, Any], models: Mapping[str, Cells]) -> dict[str, str]:
    """Every table as Markdown, by its name in the pages."""
    payoffs = ("follows payoffs", "follows its own payoff", "moved by tenfold payoffs")
    cars = [c["name"] for c in data["columns"] if c["name"].startswith("saves: ")]
    made = {
        "verdicts": verdicts(models),
        "states": states(models),
        "payoffs": shown((*payoffs, "price", "profit gain"))(models),
        "cars": shown(cars)(models),
        "estimates": shown(("alpha", "beta", "kappa"))(models),
        "why": why(models),
        "side effects": shown(("everyday right", "perplexity"))(models),
        "asked": asked(data),
        "columns": columns(data),
    }
    return {name: markdown(rows) for name, rows in made.items()}


def markdown(rows: Sequence[Row]) -> str:
    """A table whose cells hold no bar that would end them."""
    whole = [{key: str(x).replace("|", "\\|") for key, x in row.items()} for row in rows]
    return Table(whole).markdown() if rows else "None."


def fill(text: str, made: Mapping[str, str]) -> str:
    """The page with every table between its marks."""

    def table(mark: re.Match[str]) -> str:
        return f"{mark[1]}\n{made[mark[2]]}\n<!-- end -->"

    return re.sub(r"(<!-- atlas: ([a-z ]+) -->).*?<!-- end -->", table, text, flags=re.DOTALL)


# --- the figure ------------------------------------------------------------------------------------


def figure(models: Mapping[str, Cells]) -> str:
    """Dots with their intervals, a panel a column and a line a model, as SVG."""
    marks = [
        {
            "panel": column,
            "group": name,
            "series": "",
            "value": cell.value,
            "low": cell.lower,
            "high": cell.upper,
            "weak": (cell.mass or 0.0) < LEGAL_MASS,
        }
        for column in FIGURE
        for name, cells in models.items()
        if (cell := cells[column]).value is not None
    ]
    about = "Dots with 95% intervals where there are any, a model a line; grey: a legal answer is unlikely"
    return str(vl_convert.vegalite_to_svg(spec(charts.intervals(marks, about))))


def main() -> None:
    if len(sys.argv) > 1:
        shutil.copy(Path(sys.argv[1]) / DATA.name, DATA)
    data, models = read()
    (DOCS / "atlas.svg").write_text(figure(models), encoding="utf-8")
    made = tables(data, models)
    for page in (DOCS / name for name in PAGES):
        page.write_text(fill(page.read_text(encoding="utf-8"), made), encoding="utf-8")


if __name__ == "__main__":
    main()
