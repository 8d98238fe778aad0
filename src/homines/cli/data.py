"""Command line of `homines data`; the work is in datasets/."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from homines.cli.options import AsJson
from homines.core.run_folder import default_folder
from homines.datasets.recipe import Recipe


def data(
    recipe: Recipe,
    out: Annotated[
        Path | None, typer.Option(help="Data folder, for `tune` and `finetune`; default: one in runs/.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write the data folder of a recipe and print its counts."""
    from homines.datasets.folder import write

    folder = out or default_folder(f"data-{recipe.preference}", recipe.__dict__)
    counts: dict[str, Any] = write(recipe, folder)
    if as_json:
        print(json.dumps({"folder": str(folder), **counts}))
        return
    for name, total in counts.items():
        text = ", ".join(f"{k} {v}" for k, v in total.items()) if isinstance(total, dict) else total
        print(f"{name:<9} {text or 'nothing'}")
    print(f"folder    {folder}")
