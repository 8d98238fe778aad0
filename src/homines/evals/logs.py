"""Logs of Inspect as records: what was asked, and the answer or the error that came instead."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from inspect_ai.log import EvalLog, EvalSample, read_eval_log

from homines.core import HominesError, Record
from homines.evals.answers import SAMPLES, hear
from homines.evals.samples import KEY, answer_json, asked_of, record_of, together
from homines.evals.scores import ANSWER
from homines.secrets import redact
from homines.store import plain

PRIVATE = {"extra_headers", "extra_body"}
"""Of a generate config, what may hold a secret."""


@dataclass(frozen=True, eq=False)
class Imported:
    """A log as a run: its config, its records, and how many questions of its data set it does not hold."""

    config: dict[str, Any]
    records: list[Record]
    absent: int


def imported(path: Path) -> Imported:
    """Read a log. Raises HominesError where it is none, is empty, or is not of a homines task."""
    if not path.is_file():
        raise HominesError(f"{path} is no file; give a log, as `inspect log list` names them")
    try:
        log = read_eval_log(path, resolve_attachments="core")
    except Exception as failure:
        raise HominesError(
            f"{path} cannot be read as a log of Inspect ({type(failure).__name__}: {failure})"
        ) from failure
    if not log.samples:
        why = f": {log.error.message}" if log.error else ""
        raise HominesError(f"{path} holds no samples (status {log.status}{why}); run the task again")
    about = {"inspect": log.eval.packages.get("inspect_ai"), "eval": log.eval.eval_id}
    found = [
        replace(record, provenance={**record.provenance, **about})
        for sample in log.samples
        for record in _records(path, log, sample)
    ]
    there = {str(sample.id) for sample in log.samples}
    absent = max(0, (log.eval.dataset.samples or 0) - len(there))
    records = together(found)
    return Imported(_config(log, records), records, absent)


def _records(path: Path, log: EvalLog, sample: EvalSample) -> Iterator[Record]:
    raw = sample.metadata.get(KEY)
    if raw is None and sample.error is not None:
        return  # a game that failed before its first move
    if raw is None:
        raise HominesError(
            f"sample {sample.id} of {path} has no metadata {KEY!r}, which a record is made of; task "
            f"{log.eval.task} is none of homines' (`inspect eval homines/measure ...`)"
        )
    failed = (
        redact(sample.error.message)
        if sample.error
        else f"stopped by a limit: {sample.limit.type}"
        if sample.limit
        else None
    )
    try:
        if isinstance(raw, list):
            for move in raw:
                error = move.get("error") or (None if move["choice"] else failed or "no answer is in the log")
                yield _record(move, move["model"], move["choice"], error, counted(SAMPLES))
        else:
            answer, told = _answer(sample)
            error = None if answer else failed or "no answer is in the log"
            yield _record(raw, log.eval.model, answer, error, told)
    except (KeyError, TypeError, ValueError) as failure:
        raise HominesError(
            f"the metadata {KEY!r} of sample {sample.id} in {path} is no record ({failure!r}); "
            "was the log edited?"
        ) from failure


def _record(
    raw: Mapping[str, Any],
    model: str,
    answer: Mapping[str, Any] | None,
    error: str | None,
    told: Mapping[str, Any],
) -> Record:
    record = record_of(raw, answer)
    more = {} if answer is None else told
    return replace(
        record, model=model, error=error if answer is None else None, provenance={**record.provenance, **more}
    )


def _answer(sample: EvalSample) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """The answer as it was scored, or else as it can be read; and how it was read."""
    for score in (sample.scores or {}).values():
        if score.metadata and ANSWER in score.metadata:
            told = {name: score.metadata.get(name) for name in ("by", "truncation")}
            known = {k: v for k, v in told.items() if v is not None}
            return score.metadata[ANSWER], known | counted(known.get("by"))
    if sample.error or not sample.output.choices:
        return None, {}
    heard = hear(sample.output, asked_of(sample.metadata))
    return answer_json(heard.choice), counted(heard.by)


def counted(by: str | None) -> dict[str, Any]:
    """How an answer was read; `counted` where answers in words were, for their intervals."""
    return {"by": by} | ({"counted": True} if by == SAMPLES else {}) if by else {}


def _config(log: EvalLog, records: list[Record]) -> dict[str, Any]:
    """What made the log, as the config of a run: nothing of when it is imported."""
    spec = log.eval
    generate = log.plan.config.model_dump(exclude_none=True, exclude=PRIVATE, mode="json")
    roles = {
        role: [m.model for m in (held if isinstance(held, list) else [held])]
        for role, held in (spec.model_roles or {}).items()
    }
    return plain(
        {
            "kind": "measure",
            "model": spec.model if not roles else ", ".join(dict.fromkeys(r.model for r in records)),
            "games": list(dict.fromkeys(r.game for r in records)),
            "frames": sorted({r.frame for r in records}),
            "dtype": None,
            "device": None,
            "seed": spec.task_args.get("seed", generate.get("seed")),
            "inspect": {
                "version": spec.packages.get("inspect_ai"),
                "task": spec.task,
                "task_version": spec.task_version,
                "task_args": spec.task_args,
                "eval": spec.eval_id,
                "created": str(spec.created),
                "epochs": spec.config.epochs,
                "roles": roles,
                "generate": generate,
                "provenance": (spec.metadata or {}).get(KEY),
            },
        }
    )
