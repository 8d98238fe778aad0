"""Questions as Inspect's samples, and samples as records again.

A sample's metadata: `game`, `kind` (games shown together), `situation`, `decision` and `cluster` (what its
error depends within) are for grouping; `homines` is all that a record needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from inspect_ai.dataset import Sample

from homines.core.record_json import record_from_json, record_to_json
from homines.core.strict_json import simplify
from homines.core.types import Choice, HominesError, Prompt, Record, digest
from homines.elicitation.questions import Question, situation
from homines.inference.api_calls import chat_messages
from homines.inference.sampled_answers import pool_notes
from homines.theory.choice import pool_choices

KEY = "homines"
LONGEST_TEXT = 100_000
"""Characters of a spec, a name or a label in a log."""


def samples(
    questions: Sequence[Question], kind: Callable[[Record], str] = lambda record: record.game
) -> list[Sample]:
    """A sample for each question, each once. kind: under which name it is shown with its like."""
    once = {q.record.key: q for q in (without_model(q) for q in questions)}
    many = len({q.record.game for q in questions}) > 1
    return [_sample(key, q, kind(q.record), many) for key, q in once.items()]


def without_model(question: Question) -> Question:
    """The question without a model: the log names the model that answers."""
    record = question.record
    origin = {"revision": None, "prompt": question.prompt.key}
    return Question(replace(record, model="", provenance=origin), question.prompt)


def _sample(key: str, question: Question, kind: str, many: bool) -> Sample:
    record, prompt = question.record, question.prompt
    decision = digest([record.game, record.decision.to_json()])
    return Sample(
        input=chat_messages(prompt.messages),
        choices=list(prompt.labels),
        id=key,
        metadata={
            "game": record.game,
            "kind": kind,
            "situation": situation(record.decision),
            "decision": decision,
            "cluster": record.game if many else decision,
            KEY: question_json(record, prompt),
        },
    )


def question_json(record: Record, prompt: Prompt) -> dict[str, Any]:
    """A record as metadata, and the cue after which its answer comes."""
    return simplify({**record_to_json(record), "cue": prompt.cue})


def sample_prompt(metadata: Mapping[str, Any]) -> Prompt:
    """The labels and cue that a sample's answer is read by."""
    raw = metadata[KEY]
    return Prompt((), tuple(raw["labels"]), raw["cue"])


def answer_json(choice: Choice) -> dict[str, Any]:
    """A choice as metadata of a score."""
    return simplify({"logp": choice.logp.tolist(), "mass": choice.mass, "n": choice.n})


def record_of(raw: Mapping[str, Any], answer: Mapping[str, Any] | None) -> Record:
    """The record of a sample: its metadata under KEY, and the answer of its score."""
    return record_from_json({**raw, "choice": answer, "error": None})


def check_record(record: Record) -> Record:
    """The record. Raises HominesError where one part has the wrong type or the answer is no distribution."""
    n, c = len(record.labels), record.choice
    texts = [record.game, record.frame, record.model, *record.labels, *record.decision.actions]
    long = [t for t in texts if not isinstance(t, str) or len(t) > LONGEST_TEXT]  # pyright: ignore[reportUnnecessaryIsInstance]
    if long:
        raise HominesError(f"{str(long[0])[:40]!r} must be a text of up to {LONGEST_TEXT:,} characters")
    if n != len(record.decision.actions) or len(set(record.labels)) < n:
        raise HominesError(f"{n} labels must tell {len(record.decision.actions)} actions, each its own")
    if any(sorted(place) != list(range(n)) for place in record.order):
        raise HominesError(f"order {str(record.order)[:40]} must name each of {n} actions once")
    if record.error is not None and not isinstance(record.error, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise HominesError(f"error {str(record.error)[:40]!r} must be a text")
    if c is not None and not c.fits(record.decision):
        raise HominesError(f"answer {str(answer_json(c))[:120]} must be a distribution over {n} labels")
    record_to_json(record)  # its decision, as it will be written
    return record


def pool_repetitions(records: Iterable[Record]) -> list[Record]:
    """One record for each question: repetitions (epochs) are pooled. It is a failed one where all failed."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(record.key, []).append(record)
    out: list[Record] = []
    for group in groups.values():
        answered = [r for r in group if r.choice is not None]
        choice = pool_choices([r.choice for r in answered if r.choice is not None]) if answered else None
        if not answered:
            out.append(group[-1])
            continue
        notes = dict(answered[-1].provenance)
        if "read" in notes:
            notes |= pool_notes(r.provenance for r in answered)
        out.append(replace(answered[-1], choice=choice, provenance=notes))
    return out
