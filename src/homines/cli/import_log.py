"""Command line of `homines import`: a log of Inspect becomes a run folder (evals/)."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from homines.cli.options import AsJson, Out
from homines.core.run_folder import RunFolder, default_folder
from homines.core.types import HominesError
from homines.elicitation.answers_in_words import answers_in_words
from homines.elicitation.metrics import choices, summary


def import_log(
    log: Annotated[Path, typer.Argument(help="Log of a homines task, as LOG.eval or LOG.json.")],
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Import a log and print what it holds."""
    carry_out_import(log, out, as_json)


def carry_out_import(log: Path, out: Path | None, as_json: bool) -> None:
    """Import a log into a run folder, without records that it has. Exits with 1 where questions failed."""
    if find_spec("inspect_ai") is None:
        raise HominesError("logs of Inspect need inspect-ai, which is missing: pip install 'homines[api]'")
    from homines.evals.logs import read_run
    from homines.reports.console import print_measurement
    from homines.reports.run_page import write

    source = read_run(log)
    config = source.config
    folder = out or default_folder(
        f"import-{config['inspect']['task'].rpartition('/')[2]}-{config['model']}", config
    )
    with RunFolder(folder, config) as run:
        stored = run.done
        new = [r for r in source.records if r.key not in stored or (stored[r.key].error and not r.error)]
        run.add(new)
        records = run.records
    page = write(folder)
    failed = sum(r.error is not None for r in records)
    if as_json:
        fields: dict[str, Any] = {"folder": str(folder), "report": str(page), "added": len(new)}
        words = answers_in_words(records)
        fields |= {"questions": len(records), "words": asdict(words) if words else None}
        print(json.dumps({**fields, "failed": failed, "absent": source.absent, "rows": summary(records)}))
    else:
        print_measurement(choices(records))
        print(f"\n{len(new)} records added, {len(records)} in all, {failed} failed")
        if source.absent:
            print(f"{source.absent} questions of the task are not in the log: it had a limit, or was stopped")
        print(f"report    {page}\nnext      homines fit {folder} --family inequity")
    sys.exit(1 if failed else 0)
