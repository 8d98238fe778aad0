"""Ask a model questions, in batches or as a stream; a failed call becomes a record with its error."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import numpy as np

from homines.core.capabilities import (
    Annotates,
    Batches,
    ChecksAccess,
    KeepsAccounts,
    Metered,
    ReturnsFailures,
    Streams,
)
from homines.core.plausible import possible_counts
from homines.core.progress import Stop, never
from homines.core.redaction import redact, redacted
from homines.core.run_folder import RunFolder
from homines.core.types import Choice, HominesError, Interrupted, Model, Prompt, Record
from homines.elicitation.questions import Question
from homines.inference.impossible import Impossible

BATCH = 16
"""Questions between two writes, for a model that states no batch."""
CALLS = "calls.json"
"""File of a run with the use of its calls: calls, tokens, retries, dollars where there is a price."""
Progress = Callable[[int, int], None]
"""Called with (answered, in all) after every batch."""


def measure(
    model: Model,
    questions: Sequence[Question],
    run: RunFolder | None = None,
    *,
    batch: int | None = None,
    progress: Progress | None = None,
    stop: Stop = never,
) -> list[Record]:
    """Answer every question that the run has no answer to; all records in question order.

    batch   questions between two writes; None: the model's own `batch`, else 16. A model that streams its
            answers (`Streams`) writes every answer as it arrives
    stop    called between batches; True ends the work

    A failed call becomes a record with its error. A model that checks its access first (`ChecksAccess`)
    raises HominesError before the first question, for example for a refused key. Raises Interrupted where
    `stop` returns true or a budget is spent; all answers until then are recorded. Raises HominesError where
    the run holds answers of this model to other questions: its weights, a game or the words have changed.
    """
    by_key = dict(run.done) if run is not None else {}
    prompts = {q.record.key: q.prompt for q in questions}
    unanswered = list({q.record.key: q.record for q in questions}.values())
    if run is not None:
        unanswered = run.missing(unanswered)
        if stale := sum(r.model == model.name and key not in prompts for key, r in by_key.items()):
            raise HominesError(
                f"{run.folder} holds {stale} answers of {model.name} to other questions than these: the "
                "model's weights, a game or a frame has changed since; use another --out"
            )
        if unanswered:  # for those who follow the run
            every = possible_counts((run.noted("asked.json") or {}).get("all"))
            latest = {"model": model.name, "questions": len(prompts)}
            run.note("asked.json", latest | {"all": every | {model.name: len(prompts)}})
    done = len(prompts) - len(unanswered)
    if progress is not None:
        progress(done, len(prompts))
    if not unanswered:
        return [by_key[key] for key in prompts]
    before = _usage(model)
    open_questions = [Question(record, prompts[record.key]) for record in unanswered]
    batch = batch or (model.batch if isinstance(model, Batches) else BATCH)
    try:
        with _account(model, run):
            if isinstance(model, ChecksAccess):
                model.ready(stop)
            batches = (
                _streamed(model, open_questions, stop)
                if isinstance(model, Streams)
                else _batched(model, open_questions, batch, stop)
            )
            for records in batches:
                if run is not None:
                    run.keep(prompts[r.key] for r in records)
                    run.add(records)
                by_key.update((r.key, r) for r in records)
                done += len(records)
                if progress is not None:
                    progress(done, len(prompts))
    except Interrupted as why:
        raise Interrupted(f"{why} after {done} of {len(prompts)} questions") from None
    finally:
        if run is not None and isinstance(model, Metered):
            total: Counter[str] = Counter(spent(run))
            total.update(_usage(model))
            total.subtract(before)
            run.note(CALLS, total)
    return [by_key[key] for key in prompts]


def spent(run: RunFolder) -> dict[str, Any]:
    """The use of a run's calls so far, from the counts in its file."""
    return possible_counts(run.noted(CALLS))


def _usage(model: Model) -> Counter[str]:
    """The use of a model's calls in this process so far; empty for a model that does not count them."""
    usage: Counter[str] = Counter()
    if isinstance(model, Metered):
        usage.update(model.usage())  # type: ignore[arg-type]
    return usage


def _account(model: Model, run: RunFolder | None) -> AbstractContextManager[None]:
    """Write the calls of a model that costs to an account in the run folder inside the block."""
    if run is None or not isinstance(model, KeepsAccounts):
        return nullcontext()
    return model.keep(run.folder, [r.provenance.get("used", {}) for r in run.records])


def _batched(model: Model, questions: Sequence[Question], batch: int, stop: Stop) -> Iterator[list[Record]]:
    """Records of answers, a batch at a time. Raises Interrupted after a batch where `stop` returns true."""
    for i in range(0, len(questions), batch):
        if stop():
            raise Interrupted("stopped")
        part = questions[i : i + batch]
        yield _answer(model, [q.record for q in part], [q.prompt for q in part])


def _streamed(model: Streams, questions: Sequence[Question], stop: Stop) -> Iterator[list[Record]]:
    """Records of answers as they arrive. Raises Interrupted where `stop` returns true, or where the budget
    left no room for a call; in both cases after the calls under way."""
    of: dict[str, list[Question]] = {}
    for q in questions:
        of.setdefault(q.prompt.key, []).append(q)
    interruption: Interrupted | None = None
    remaining = len(questions)
    for arrivals in model.stream([q.prompt for q in questions], stop):
        records: list[Record] = []
        for prompt, answer in arrivals:
            if isinstance(answer, Interrupted):
                interruption = answer
            else:
                records += [_record_of_answer(model, q.record, prompt, answer) for q in of[prompt.key]]
        remaining -= len(records)
        if records:
            yield records
    if remaining:
        raise interruption or Interrupted("stopped")


def _answer(model: Model, records: Sequence[Record], prompts: Sequence[Prompt]) -> list[Record]:
    """Score a batch; where that fails, each prompt alone: one bad prompt costs only its own answer. A model
    that returns failures in place of answers (`ReturnsFailures`) is asked once."""
    if isinstance(model, ReturnsFailures):
        return [
            _record_of_answer(model, record, prompt, answer)
            for record, prompt, answer in zip(records, prompts, model.answers(prompts), strict=True)
        ]
    try:
        answers = zip(records, prompts, model.score(prompts), strict=True)
        return [
            _annotate(model, replace(r, choice=_check_choice(r, choice)), prompt)
            for r, prompt, choice in answers
        ]
    except MemoryError:
        raise
    except Exception as failure:
        if len(records) == 1:
            return [_failure_record(records[0], failure)]
        return [
            answer
            for record, prompt in zip(records, prompts, strict=True)
            for answer in _answer(model, [record], [prompt])
        ]


def _record_of_answer(model: object, record: Record, prompt: Prompt, answer: Choice | Exception) -> Record:
    if isinstance(answer, Exception):
        return _annotate(model, _failure_record(record, answer), prompt)
    try:
        return _annotate(model, replace(record, choice=_check_choice(record, answer)), prompt)
    except HominesError as failure:
        return _failure_record(record, failure)


def _failure_record(record: Record, failure: Exception) -> Record:
    about = {"impossible": failure.kind.value} if isinstance(failure, Impossible) else {}
    error = redact(f"{type(failure).__name__}: {failure}")
    return replace(record, error=error, provenance={**record.provenance, **about})


def _annotate(model: object, record: Record, prompt: Prompt) -> Record:
    """The record with the model's notes on its answer, such as its reasons, in the provenance."""
    notes: dict[str, Any] = redacted(model.notes(prompt)) if isinstance(model, Annotates) else {}
    return replace(record, provenance={**record.provenance, **notes}) if notes else record


def _check_choice(record: Record, choice: Choice) -> Choice:
    """The choice, where it is a distribution over the record's labels."""
    p, mass = choice.p, choice.mass
    if p.shape != (len(record.labels),) or not np.isclose(p.sum(), 1) or not 0 <= mass <= 1:
        raise HominesError(
            f"the model gave probabilities {p.tolist()} and legal mass {mass} for the labels "
            f"{record.labels}; they must be one for each, sum to 1, and have a mass in [0, 1]"
        )
    return choice
