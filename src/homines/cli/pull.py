"""Command line of `homines pull`; the work is in models/catalogue.py."""

from __future__ import annotations

import json
import time
from typing import Annotated

import typer

from homines.cli.options import AsJson
from homines.core.catalogue import NAMES
from homines.inference.processes import quiet


def pull(
    model: Annotated[str, typer.Argument(help=f"One of {', '.join(NAMES)}.")] = "smollm2",
    again: Annotated[bool, typer.Option(help="Make it anew, even if it is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Fetch a model of the catalogue into its folder and print where it is."""
    quiet()
    from homines.models.catalogue import pull as make
    from homines.reports.console import Bars

    start = time.monotonic()
    with Bars() as bars:
        folder = str(make(model, again=again, follow=bars.follow()))
    seconds = time.monotonic() - start
    print(json.dumps({"folder": folder}) if as_json else f"{model} is at {folder} ({seconds:.0f} s)")
