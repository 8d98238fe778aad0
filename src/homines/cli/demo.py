"""Command line of `homines demo`: an alignment of the embedded model (cli/align.py)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from homines.cli.align import carry_out, demo_plan
from homines.cli.options import Fields, Output, Values
from homines.inference.processes import quiet
from homines.training.settings import AlignmentPlan


def demo(
    placement: Annotated[Values, Fields(AlignmentPlan, "device dtype")],
    output: Annotated[Values, Fields(Output, "dry_run as_json")],
    out: Annotated[Path, typer.Option(help="Run folder.")] = Path("runs/demo"),
) -> None:
    """Carry out the plan of the demo."""
    quiet()
    carry_out(replace(demo_plan(), **placement), out, "demo", **output)
