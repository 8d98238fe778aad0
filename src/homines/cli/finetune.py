"""Command line of `homines finetune`; the work is in training/service.py."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from homines.cli.options import AsJson, Fields, Out, Values
from homines.core.progress import Follow
from homines.core.run_folder import default_folder
from homines.training.service import Order, service
from homines.training.service import finetune as carry_out


def finetune(
    order: Annotated[Values, Fields(Order, "model epochs suffix seed")],
    data: Annotated[Path, typer.Option(help="Data folder, as `homines data` makes it.")],
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Order the fine-tuning, follow it and print the name of the model that it makes."""
    from homines.reports.console import Bars, command, job_line, stopping

    model = order["model"]
    order_ = Order(**{**order, "model": service(model), "data": str(data)})
    folder = out or default_folder(f"finetune-{model}", asdict(order_))
    with Bars() as bars, stopping() as stop:
        name = carry_out(
            order_,
            folder,
            command=command(),
            follow=Follow(say=bars.say, step=lambda row: bars.say(job_line(row)), stop=stop),
        )
    print(json.dumps({"model": name, "folder": str(folder)}) if as_json else f"model     {name}")
