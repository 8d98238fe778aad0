"""Command line of `homines import`: a log of Inspect (evals/) or a CSV of play becomes a run folder."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from homines.cli.options import AsJson, Out
from homines.core.format import clean, count
from homines.core.run_folder import RunFolder, default_folder
from homines.core.types import HominesError, Record
from homines.elicitation.answers_in_words import answers_in_words
from homines.elicitation.metrics import choices, summary
from homines.elicitation.questions import retell

MOST_AGENTS = 8
"""Agents whose rates are printed; of more, the page has them."""
MOST_WRITTEN = 5
"""Illegal answers that are named."""


def import_log(
    log: Annotated[
        Path, typer.Argument(help="Log of Inspect, LOG.eval or LOG.json; or a CSV of play, PLAY.csv.")
    ],
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Import a log and print what it holds."""
    if log.suffix.lower() == ".csv":
        carry_out_play_import(log, out, as_json)
    else:
        carry_out_import(log, out, as_json)


def carry_out_import(log: Path, out: Path | None, as_json: bool) -> None:
    """Import a log of Inspect into a run folder, without records that it has. Exits with 1 where questions
    failed."""
    if find_spec("inspect_ai") is None:
        raise HominesError("logs of Inspect need inspect-ai, which is missing: pip install 'homines[api]'")
    from homines.evals.logs import read_run

    source = read_run(log)
    config = source.config
    folder = out or default_folder(
        f"import-{config['inspect']['task'].rpartition('/')[2]}-{config['model']}", config
    )
    absent = f"{source.absent} questions of the task are not in the log: it had a limit, or was stopped"
    notes = [absent] if source.absent else []
    finish(folder, config, source.records, notes, {"absent": source.absent}, as_json)


def carry_out_play_import(path: Path, out: Path | None, as_json: bool) -> None:
    """Import a CSV of play into a run folder. Illegal answers are counted and are no failures."""
    from homines.estimation.play_csv import read_play
    from homines.reports.console import command

    log = read_play(path)
    folder = out or default_folder(f"import-{path.stem}", log.config)
    illegal, unplaced = log.illegal.total(), log.unplaced.total()
    notes = [f"{count(log.choices, 'choice')}, {illegal} of them illegal{written(log.illegal)}"]
    if unplaced:
        notes.append(
            f"{count(unplaced, 'choice')} left out, for the acts before are not known{written(log.unplaced)}"
        )
    if log.unread:
        notes.append(f"columns not read: {clean(', '.join(log.unread))}; who chose is the column agent")
    fields = {"choices": log.choices, "illegal": dict(log.illegal), "unplaced": dict(log.unplaced)}
    fields |= {"unread": log.unread}
    finish(folder, {**log.config, "command": command()}, log.records, notes, fields, as_json)


def written(texts: Counter[str]) -> str:
    """': nothing 3, 'maybe' 2' of the most frequent texts; empty where there is none."""
    named = [f"{repr(text) if text else 'nothing'} {n}" for text, n in texts.most_common(MOST_WRITTEN)]
    more = ", ..." if len(texts) > MOST_WRITTEN else ""
    return f": {', '.join(named)}{more}" if named else ""


def finish(
    folder: Path,
    config: Mapping[str, Any],
    found: Sequence[Record],
    notes: Sequence[str],
    fields: Mapping[str, Any],
    as_json: bool,
) -> None:
    """Store the records that the folder lacks, write its page, and print both. notes, fields: what else to
    say, in words and as JSON. Exits with 1 where questions failed."""
    from homines.reports.console import print_measurement, print_verdicts
    from homines.reports.run_page import write
    from homines.reports.suggestions import fit_command

    with RunFolder(folder, config) as run:
        stored = run.done
        new = [r for r in found if r.key not in stored or (stored[r.key].error and not r.error)]
        run.keep(prompt for record in new if (prompt := retell(record)) is not None)
        run.add(new)
        records = run.records
    page = write(folder)
    failed = sum(r.error is not None for r in records)
    if as_json:
        words = answers_in_words(records)
        head = {"folder": str(folder), "report": str(page), "added": len(new), "questions": len(records)}
        head |= {"failed": failed, "words": asdict(words) if words else None}
        print(json.dumps({**head, **fields, "rows": summary(records)}))
    else:
        print_verdicts(folder)
        if (agents := len({r.model for r in records})) <= MOST_AGENTS:
            print_measurement(choices(records), advice=config["kind"] != "import")
        else:
            print(f"{agents} agents; the page has their rates")
        print(f"\n{len(new)} records added, {len(records)} in all, {failed} failed")
        for note in notes:
            print(note)
        print(f"report    {page}")
        if command := fit_command(folder):
            print(f"next      {command}")
    sys.exit(1 if failed else 0)
