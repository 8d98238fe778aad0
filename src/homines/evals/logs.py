"""Logs of Inspect as records: what was asked, and the answer or the error that came instead.

A log may be a stranger's: it is read up to a size, its records are checked, and nothing in it names a file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any
from zipfile import ZipFile, is_zipfile

from inspect_ai.log import EvalLog, EvalSample, read_eval_log

from homines.core.format import clean
from homines.core.redaction import redact
from homines.core.strict_json import simplify
from homines.core.types import HominesError, Record
from homines.elicitation.metrics import choices, summary
from homines.evals.asking import SAMPLES, read_output
from homines.evals.samples import KEY, answer_json, check_record, pool_repetitions, record_of, sample_prompt
from homines.evals.scores import ANSWER
from homines.inference.sampled_answers import excerpt, sound_notes

PRIVATE = {"extra_headers", "extra_body"}
"""Of a generate config, what may hold a secret."""
LARGEST = 500_000_000
"""Bytes of a log, as it lies on the disk and unpacked."""
LONGEST_ERROR = 2000
"""Characters of an error that a record keeps."""
LONGEST_TOLD = 200
"""Characters of what a log or its reader says that an error repeats."""
WRONG = (KeyError, TypeError, ValueError, LookupError, ArithmeticError, AttributeError, RecursionError)
"""What a value of another kind comes to where a record's is expected."""


@dataclass(frozen=True, eq=False)
class ImportedRun:
    """A log as a run: its config, its records, and how many questions of its data set it does not hold."""

    config: dict[str, Any]
    records: list[Record]
    absent: int


def read_run(path: Path) -> ImportedRun:
    """Read a log. Raises HominesError where the file is no log of a homines task, is too large or empty, or
    holds what is no record or no answer."""
    if not path.is_file():
        raise HominesError(f"{path} is no file; give a log, as `inspect log list` names them")
    log = _log(path)
    if not log.samples:
        why = f": {_brief(log.error.message)}" if log.error else ""
        raise HominesError(f"{path} holds no samples (status {log.status}{why}); run the task again")
    about = {"inspect": log.eval.packages.get("inspect_ai"), "eval": log.eval.eval_id}
    answers = [
        replace(record, provenance={**record.provenance, **about})
        for sample in log.samples
        for record in _records(path, log, sample)
    ]
    ids = {str(sample.id) for sample in log.samples}
    absent = max(0, (log.eval.dataset.samples or 0) - len(ids))
    try:
        records = pool_repetitions(answers)
        summary(choices(records))  # a report computes the same, and must not fail on this run
        return ImportedRun(_config(log, records), records, absent)
    except WRONG as failure:
        raise HominesError(
            f"{path} holds records that cannot be put together ({_brief(repr(failure))}); was the log edited?"
        ) from failure


def _log(path: Path) -> EvalLog:
    """The log in a file. Raises HominesError where it is none, or is too large."""
    with open(path, "rb") as file:
        _check_size(path, file)
        try:
            return read_eval_log(file, resolve_attachments="core")
        except Exception as failure:  # whatever a broken file makes its readers raise
            raise HominesError(
                f"{path} cannot be read as a log of Inspect ({type(failure).__name__}: "
                f"{_brief(str(failure))}); give a whole one, .eval or .json"
            ) from failure


def _check_size(path: Path, file: IO[bytes]) -> None:
    """HominesError for a log that is too large. Sizes of a zip's members are as it tells them; the reader
    unpacks no more of a member than that."""
    size = path.stat().st_size
    if size <= LARGEST and is_zipfile(file):
        try:
            with ZipFile(file) as archive:
                size = sum(member.file_size for member in archive.infolist())
        except Exception:
            size = 0  # it is no log: the reader says why
    file.seek(0)
    if size > LARGEST:
        raise HominesError(
            f"{path} is {size / 1e6:,.0f} MB of log, unpacked, and at most {LARGEST / 1e6:,.0f} MB are read; "
            "run the task in parts (--limit) and import each"
        )


def _brief(text: str) -> str:
    """A stranger's words in an error: one line, without control characters, not long."""
    return clean(" ".join(text.split()), LONGEST_TOLD)


def _records(path: Path, log: EvalLog, sample: EvalSample) -> Iterator[Record]:
    raw = sample.metadata.get(KEY)
    if raw is None and sample.error is not None:
        return  # a game that failed before its first move
    if raw is None:
        raise HominesError(
            f"sample {_brief(str(sample.id))} of {path} has no metadata {KEY!r}, which a record is made of; "
            f"task {_brief(log.eval.task)} is none of homines' (`inspect eval homines/measure ...`)"
        )
    failed = (
        redact(sample.error.message)[:LONGEST_ERROR]
        if sample.error
        else f"stopped by a limit: {sample.limit.type}"
        if sample.limit
        else None
    )
    try:
        if isinstance(raw, list):
            for move in raw:
                error = move.get("error") or (None if move["choice"] else failed or "no answer is in the log")
                notes = _notes({"by": SAMPLES, **(move.get("notes") or {})})
                yield _record(move, move["model"], move["choice"], error, notes)
        else:
            try:
                answer, how = _answer(sample)
            except HominesError as refusal:  # the server's, of this question alone
                answer, how, failed = None, {}, str(refusal)[:LONGEST_ERROR]
            error = None if answer else failed or "no answer is in the log"
            yield _record(raw, log.eval.model, answer, error, how)
    except WRONG as failure:
        raise HominesError(
            f"the metadata {KEY!r} of sample {_brief(str(sample.id))} in {path} is no record "
            f"({_brief(repr(failure))}); was the log edited?"
        ) from failure


def _record(
    raw: Mapping[str, Any],
    model: str,
    answer: Mapping[str, Any] | None,
    error: str | None,
    how: Mapping[str, Any],
) -> Record:
    record = record_of(raw, answer)
    notes = {} if answer is None else how
    error = error if answer is None else None
    return check_record(replace(record, model=model, error=error, provenance={**record.provenance, **notes}))


def _answer(sample: EvalSample) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """The answer as it was scored, or else as it can be read; and how it was read.

    Texts of a log that does not say how they were read (an earlier version's) are read again.
    """
    scored: tuple[dict[str, Any], dict[str, Any]] | None = None
    for score in (sample.scores or {}).values():
        if score.metadata and ANSWER in score.metadata:
            scored = score.metadata[ANSWER], _notes(score.metadata)
            break
    current = scored is not None and (scored[1].get("by") != SAMPLES or "read" in scored[1])
    if scored and (current or sample.error or not sample.output.choices):
        return scored
    if sample.error or not sample.output.choices:
        return None, {}
    reading = read_output(sample.output, sample_prompt(sample.metadata))
    return answer_json(reading.choice), _notes({"by": reading.by, **reading.notes})


def _notes(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """How an answer was read; `counted` where texts were counted, for the interval."""
    known = {name: metadata[name] for name in ("by", "truncation") if metadata.get(name) is not None}
    if known.get("by") == SAMPLES:
        known["counted"] = True
        if "read" in metadata:
            notes = sound_notes(metadata)
            known |= notes | {"illegal": {excerpt(text): n for text, n in notes["illegal"].items()}}
    return known


def _config(log: EvalLog, records: list[Record]) -> dict[str, Any]:
    """What made the log, as the config of a run: nothing of when it is imported."""
    spec = log.eval
    generate = log.plan.config.model_dump(exclude_none=True, exclude=PRIVATE, mode="json")
    roles = {
        role: [m.model for m in (models if isinstance(models, list) else [models])]
        for role, models in (spec.model_roles or {}).items()
    }
    return simplify(
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
