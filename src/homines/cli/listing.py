"""Command line of `homines list`; the names come from core/plugins.py."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from homines.cli.options import AsJson
from homines.core.catalogue import CATALOGUE
from homines.core.plugins import Entry, describe
from homines.core.types import HominesError

FOLDERS = ("games", "preferences", "frames", "opponents", "models", "studies")


def list_entries(folder: str) -> tuple[Entry, ...]:
    """Everything in a folder. Of models: the catalogue's, with their size and licence, before the others."""
    if folder != "models":
        return describe(folder)
    own = [Entry(model.name, "", model.summary) for model in CATALOGUE]
    return (*own, *(entry for entry in describe(folder) if entry.name != "catalogue"))


def list_names(
    folder: Annotated[str | None, typer.Argument(help=f"One of {', '.join(FOLDERS)}; default: all.")] = None,
    as_json: AsJson = False,
) -> None:
    """Print the names in one of the folders, or in all, with their parameters."""
    if folder and folder not in FOLDERS:
        raise HominesError(f"no folder called {folder!r}; there are {', '.join(sorted(FOLDERS))}")
    by_folder = {name: list_entries(name) for name in ([folder] if folder else FOLDERS)}
    if as_json:
        print(
            json.dumps({name: [entry._asdict() for entry in entries] for name, entries in by_folder.items()})
        )
        return
    for name, entries in by_folder.items():
        print(name)
        width = max(len(entry.name + entry.signature) for entry in entries)
        for entry in entries:
            print(f"  {entry.name + entry.signature:<{min(width, 60)}}  {entry.summary}")
