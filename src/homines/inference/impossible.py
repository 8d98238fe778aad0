"""Log-probabilities that no model can have. A reply with one counts as no answer, and the reason is recorded.

Tolerances are wider than rounding and the noise of batches, and narrower than any filling value:

    ROUNDING   of one log-probability above 0
    TOTAL      of the probabilities of different tokens at one position above 1
    NOISE      between two readings of one position: batching changes a probability by hundredths
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from enum import Enum
from typing import Any

from homines.core.types import HominesError, Record

ROUNDING = 1e-6
TOTAL = 1e-3
NOISE = 0.25
UNLIKELY = -16.0
"""Log-probability of the likeliest token, at the least: no vocabulary has ten million tokens."""
UNSPELT = "\ufffd"
"""The spelling of a part of a character; many tokens share it."""


class Kind(Enum):
    """A defect of log-probabilities. Records hold the value; `sentence` is for people."""

    TEXT = "text", "a log-probability is a string"
    BOOLEAN = "boolean", "a log-probability is true or false"
    NULL = "null", "a log-probability is null or left out"
    OTHER = "other", "a log-probability is a list or an object"
    NAN = "nan", "a log-probability is not a number (NaN)"
    POSITIVE = "positive", "a log-probability is above 0, a probability above 1"
    FILLER = "filler", "the likeliest tokens of a position all have one filling value"
    TWICE = "twice", "a token stands twice at one position, with two values"
    SUM = "sum", "probabilities of different tokens or answers sum above 1"
    CONTRADICTION = "contradiction", "two readings of one position contradict each other"
    BOUNDS = "bounds", "a lower bound lies above its upper bound"

    sentence: str

    def __new__(cls, value: str, sentence: str) -> Kind:
        kind = object.__new__(cls)
        kind._value_ = value
        kind.sentence = sentence
        return kind


KINDS = frozenset(kind.value for kind in Kind)


class Impossible(HominesError):  # noqa: N818
    """Log-probabilities that cannot be right; the reply counts as no answer.

    kind       of the defect
    evidence   the value that shows it
    """

    def __init__(self, kind: Kind, evidence: object, server: str = "the server") -> None:
        self.kind = kind
        self.evidence = str(evidence)[:80]
        super().__init__(
            f"{server} gave impossible log-probabilities: {kind.sentence} ({self.evidence}), so this "
            "counts as no answer; ask the provider, or use sampled answers"
        )


def check_logp(value: Any) -> float:
    """A log-probability of a reply as a float. Raises Impossible for any other value."""
    if isinstance(value, float | int) and not isinstance(value, bool):
        if math.isnan(value):
            raise Impossible(Kind.NAN, value)
        if value > ROUNDING:
            raise Impossible(Kind.POSITIVE, value)
        return min(float(value), 0.0)
    kinds = {bool: Kind.BOOLEAN, str: Kind.TEXT, type(None): Kind.NULL}
    raise Impossible(kinds.get(type(value), Kind.OTHER), repr(value))


def check_position(likely: Sequence[tuple[str, Hashable, float]]) -> dict[Hashable, float]:
    """Log-probabilities of one position by token. Raises Impossible where no distribution has them.

    likely   (spelling, identity, log-probability) of each token of the reply. A token that occurs twice with
             one value counts once. Where the identity is the bytes, two tokens with one spelling (a few
             vocabularies have some) look like one token with two values, and are refused
    """
    logps: dict[Hashable, float] = {}
    for text, token, logp in likely:
        at = token if UNSPELT not in text else (token, len(logps))
        if at in logps and abs(logps[at] - logp) > TOTAL:
            raise Impossible(Kind.TWICE, f"{text!r}: {logps[at]:g} and {logp:g}")
        logps[at] = logp
    values = list(logps.values())
    if values and (max(values) < UNLIKELY or (len(values) > 1 and set(values) == {0.0})):
        raise Impossible(Kind.FILLER, max(values))
    check_total(math.exp(logp) for logp in values)
    return logps


def check_total(p: Iterable[float]) -> None:
    """Raises Impossible where probabilities of exclusive events sum above 1."""
    if (whole := math.fsum(p)) > 1 + TOTAL:
        raise Impossible(Kind.SUM, f"{whole:.6g}")


def check_agreement(one: Mapping[Any, float], two: Mapping[Any, float]) -> None:
    """Raises Impossible where two readings of one position, probabilities by token, contradict each other. A
    token that is missing from a reading has at most the probability that the listed tokens leave."""
    for reading, other in ((one, two), (two, one)):
        left = max(0.0, 1.0 - math.fsum(other.values()))
        for token, p in reading.items():
            bound = other.get(token, min(p, left))
            if abs(p - bound) > NOISE:
                raise Impossible(Kind.CONTRADICTION, f"{token!r}: {p:.3g} and {bound:.3g} at most")


def check_bounds(low: Iterable[float], high: Iterable[float]) -> None:
    """Raises Impossible where a lower bound lies above its upper bound, or a bound is NaN."""
    for a, b in zip(low, high, strict=True):
        if not a <= b + ROUNDING:
            raise Impossible(Kind.BOUNDS, f"{a:g} and {b:g}")


def check_reply(completion: Any) -> None:
    """Raises Impossible where a chat completion holds a log-probability that is no number. It must run before
    a client parses the reply: clients convert text and `true` to numbers."""
    for choice in _list_in(completion, "choices"):
        logprobs = choice.get("logprobs") if isinstance(choice, dict) else None
        for step in _list_in(logprobs, "content"):
            for token in (step, *_list_in(step, "top_logprobs")):
                check_logp(token.get("logprob") if isinstance(token, dict) else token)


def _list_in(value: Any, name: str) -> list[Any]:
    """The list of this name in a JSON object; empty where there is none."""
    items = value.get(name) if isinstance(value, dict) else None
    return items if isinstance(items, list) else []


def counts(records: Iterable[Record]) -> dict[str, dict[str, int]]:
    """By model and kind, how many records are impossible; models without any are left out. A file may hold a
    kind that is unknown; it is left out too."""
    by_model: dict[str, Counter[str]] = {}
    for record in records:
        kind = record.provenance.get("impossible")
        if isinstance(kind, str) and kind in KINDS:
            by_model.setdefault(record.model, Counter())[kind] += 1
    return {model: dict(kinds) for model, kinds in by_model.items()}


def sentences(by_model: Mapping[str, Mapping[str, int]]) -> list[str]:
    """A sentence for each model.

    >>> sentences({"openai/m": {"positive": 12, "twice": 3}})[0][:73]
    'the server of openai/m gave impossible log-probabilities: positive 12, tw'
    """
    return [
        f"the server of {model} gave impossible log-probabilities: "
        f"{', '.join(f'{kind} {n}' for kind, n in kinds.items())}; these answers count as none. Ask the "
        "provider, or use sampled answers: read=samples, samples=N"
        for model, kinds in by_model.items()
    ]


def caveats(by_model: Mapping[str, Mapping[str, int]]) -> list[str]:
    """A caveat for each model and kind.

    >>> caveats({"openai/m": {"nan": 2}})
    ['The server of openai/m gave 2 answers that count as none: a log-probability is not a number (NaN).']
    """
    return [
        f"The server of {model} gave {n} answer{'s that count' if n > 1 else ' that counts'} as none: "
        f"{Kind(kind).sentence}."
        for model, kinds in by_model.items()
        for kind, n in kinds.items()
    ]
