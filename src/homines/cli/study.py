"""`homines study`."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from homines.core.plugins import names
from homines.core.types import HominesError
from homines.models import check_kind
from homines.reports.console import Bars, command, stopping
from homines.studies import check_more


def carry_out_study(
    name: str,
    model: str,
    seeds: int | None,
    quick: bool,
    out: Path | None,
    device: str | None,
    dtype: str | None,
    dry_run: bool,
    as_json: bool,
    more: Mapping[str, Any],
) -> None:
    """Run a study, or say what it would train. more: what only some studies take (their OPTIONS)."""
    there = names("studies")
    if name not in there:
        raise HominesError(f"no study called {name!r}; there are {', '.join(there)}")
    check_kind(model)
    from homines.training.study import StudyTask

    folder = out or Path("runs") / (f"{name}-quick" if quick else name)
    module = import_module(f"homines.studies.{name}.study")
    check_more(name, getattr(module, "OPTIONS", ()), more)
    many = tuple(range(module.SEEDS if seeds is None else seeds))
    task = StudyTask(model, folder, many, quick, device, dtype, command(), **more)
    if dry_run:
        lines = module.outline(task)
        print(json.dumps({"trainings": lines}) if as_json else "\n".join(lines))
        return
    start = time.monotonic()
    with Bars() as bars, stopping() as stop:
        page, failed = module.run(replace(task, follow=bars.follow(stop)))
    seconds = time.monotonic() - start
    if as_json:
        told = {"folder": str(folder), "report": str(page), "failed": failed, "seconds": seconds}
        print(json.dumps(told))
    else:
        print(f"report    {page}\ntables    {folder / 'tables'}\ntime      {seconds / 60:.1f} minutes")
    sys.exit(1 if failed else 0)
