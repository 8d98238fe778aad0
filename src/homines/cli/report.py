"""Command line of `homines report`; the work is in reports/."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from homines.cli.options import AsJson, TrustModules, trusted


def report(
    runs: Annotated[list[Path], typer.Argument(help="Run folders, or a study's with runs below it.")],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of a page on several runs; default: one in runs/ by their names."),
    ] = None,
    trust_modules: TrustModules = False,
    as_json: AsJson = False,
) -> None:
    """Write the page of one run or of several and print its path."""
    from homines.reports.run_page import reports  # with it comes altair

    page = str(reports([trusted(run, trust_modules) for run in runs], out))
    print(json.dumps({"report": page}) if as_json else page)
