"""Command line of `homines demo`: an alignment of a small open model (cli/align.py)."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from homines.cli.align import carry_out, demo_plan
from homines.cli.options import Fields, Output, Values
from homines.core.catalogue import NAMES
from homines.core.run_folder import read_json
from homines.core.types import HominesError
from homines.inference.processes import quiet
from homines.training.settings import AlignmentPlan

FIRST, OTHER = "qwen-0.5b", "smollm2"
"""The demo's model, and the smaller one where the first cannot be fetched."""


def demo(
    placement: Annotated[Values, Fields(AlignmentPlan, "device dtype")],
    output: Annotated[Values, Fields(Output, "dry_run as_json")],
    out: Annotated[Path, typer.Option(help="Run folder.")] = Path("runs/demo"),
    model: Annotated[
        str | None,
        typer.Option(
            help=f"Another model; default: that of the run folder, else {FIRST}, or {OTHER} where it cannot "
            "be had."
        ),
    ] = None,
) -> None:
    """Carry out the plan of the demo."""
    quiet()
    carry_out(replace(demo_plan(model or model_of(out) or first_model()), **placement), out, "demo", **output)


def model_of(folder: Path) -> str | None:
    """The model of the catalogue with which the demo in this folder was begun; None where it was not, or with
    another, which a person names (a folder may come from anybody)."""
    model = read_json(folder, "config.json").get("model") if (folder / "config.json").exists() else None
    return model if model in NAMES else None


def first_model() -> str:
    """FIRST, fetched and converted where it is missing; OTHER, with the reason said, where that fails."""
    from homines.models.catalogue import pull
    from homines.reports.console import Bars

    try:
        with Bars() as bars:
            pull(FIRST, follow=bars.follow())
    except HominesError as failure:
        print(f"{failure}\nThe demo goes on with {OTHER}, its answer begun with 'Answer:'.", file=sys.stderr)
        return OTHER
    return FIRST
