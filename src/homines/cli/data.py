"""Command line of `homines data`; the work is in datasets/."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from homines.cli.options import AsJson
from homines.core.registry import TrustedPath
from homines.core.run_folder import default_folder
from homines.datasets.recipe import Recipe


def data(
    recipe: Recipe,
    out: Annotated[
        Path | None, typer.Option(help="Data folder, for `tune` and `finetune`; default: one in runs/.")
    ] = None,
    no_reasons: Annotated[
        bool, typer.Option("--no-reasons", help="The answer alone in every row, as --asks bare.")
    ] = False,
    show: Annotated[int, typer.Option(help="Print the first rows in full, as many as this.", min=0)] = 0,
    as_json: AsJson = False,
) -> None:
    """Write the data folder of a recipe and print its counts."""
    from homines.datasets.folder import read, write

    recipe = replace(recipe, asks=("bare",)) if no_reasons else recipe
    folder = out or default_folder(f"data-{recipe.preference}", recipe.__dict__)
    counts: dict[str, Any] = write(recipe, folder)
    rows = read(TrustedPath(folder))[1][:show] if show else []
    if as_json:
        shown = {"rows": [row.messages() | row.facts() for row in rows]} if show else {}
        print(json.dumps({"folder": str(folder), **counts, **shown}))
        return
    for i, row in enumerate(rows, 1):
        target = ", ".join(f"{name} {p:.3g}" for name, p in zip(row.prompt.labels, row.target, strict=True))
        print(f"--- row {i}: {row.game}, {row.asks}\n{row.prompt.text}\n--- answer\n{row.completion}")
        print(f"--- logit choice at precision {row.precision:.3g}: {target}\n")
    for name, total in counts.items():
        text = ", ".join(f"{k} {v}" for k, v in total.items()) if isinstance(total, dict) else total
        print(f"{name:<9} {text or 'nothing'}")
    print(f"folder    {folder}")
