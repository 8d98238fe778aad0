"""Log-probabilities that no model can have: what a server sent is then no measurement, and is told as such.

Tolerances are wider than what rounding and the noise of batches make, and narrower than any filler:

    ROUNDING   of one log-probability above 0
    TOTAL      of the probabilities of different tokens at one position above 1
    NOISE      between two readings of one position: servers that batch move a probability by hundredths
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
"""Of the likeliest token: one in ten million, where no vocabulary has as many tokens."""
UNSPELT = "\ufffd"
"""Stands for parts of a character; many tokens are written so."""


class Kind(Enum):
    """What is wrong with log-probabilities. The value stands in records, `sentence` is for people."""

    TEXT = "text"
    BOOLEAN = "boolean"
    NULL = "null"
    OTHER = "other"
    NAN = "nan"
    POSITIVE = "positive"
    FILLER = "filler"
    TWICE = "twice"
    SUM = "sum"
    CONTRADICTION = "contradiction"
    BOUNDS = "bounds"

    @property
    def sentence(self) -> str:
        return SENTENCES[self]


SENTENCES = {
    Kind.TEXT: "a log-probability is a string",
    Kind.BOOLEAN: "a log-probability is true or false",
    Kind.NULL: "a log-probability is null or left out",
    Kind.OTHER: "a log-probability is a list or an object",
    Kind.NAN: "a log-probability is not a number (NaN)",
    Kind.POSITIVE: "a log-probability is above 0, a probability above 1",
    Kind.FILLER: "the likeliest tokens of a position all have one filling value",
    Kind.TWICE: "a token stands twice at one position, with two values",
    Kind.SUM: "probabilities of different tokens or answers sum above 1",
    Kind.CONTRADICTION: "two readings of one position contradict each other",
    Kind.BOUNDS: "a lower bound lies above its upper bound",
}


KINDS = frozenset(kind.value for kind in Kind)


class Impossible(HominesError):  # noqa: N818
    """What a server told cannot be: it counts as no answer.

    kind    of the defect
    found   what was found
    """

    def __init__(self, kind: Kind, found: object, server: str = "the server") -> None:
        self.kind = kind
        self.found = str(found)[:80]
        super().__init__(
            f"{server} gave impossible log-probabilities: {kind.sentence} ({self.found}), so this "
            "counts as no answer; ask the provider, or use sampled answers"
        )


def number(value: Any) -> float:
    """A log-probability as a server tells it. Raises Impossible where it is none."""
    if isinstance(value, float | int) and not isinstance(value, bool):
        if math.isnan(value):
            raise Impossible(Kind.NAN, value)
        if value > ROUNDING:
            raise Impossible(Kind.POSITIVE, value)
        return min(float(value), 0.0)
    kinds = {bool: Kind.BOOLEAN, str: Kind.TEXT, type(None): Kind.NULL}
    raise Impossible(kinds.get(type(value), Kind.OTHER), repr(value))


def position(likely: Sequence[tuple[str, Hashable, float]]) -> dict[Hashable, float]:
    """Log-probabilities of one position by token. Raises Impossible where they cannot be those of one.

    likely   (as it is written, what it is, its log-probability) of every token that is told; a token that is
             told twice with one value counts once. Where what it is are its bytes, two tokens of one spelling
             (some vocabularies have a few) are one told twice, and refused: such servers tell no ids
    """
    told: dict[Hashable, float] = {}
    for text, token, logp in likely:
        at = token if UNSPELT not in text else (token, len(told))
        if at in told and abs(told[at] - logp) > TOTAL:
            raise Impossible(Kind.TWICE, f"{text!r}: {told[at]:g} and {logp:g}")
        told[at] = logp
    values = list(told.values())
    if values and (max(values) < UNLIKELY or (len(values) > 1 and set(values) == {0.0})):
        raise Impossible(Kind.FILLER, max(values))
    total(math.exp(logp) for logp in values)
    return told


def total(p: Iterable[float]) -> None:
    """Raises Impossible where probabilities of things of which one can happen sum above 1."""
    if (whole := math.fsum(p)) > 1 + TOTAL:
        raise Impossible(Kind.SUM, f"{whole:.6g}")


def agree(one: Mapping[Any, float], two: Mapping[Any, float]) -> None:
    """Raises Impossible where two readings of one position, probabilities by token, cannot both be true. A
    token that one of them does not tell has there no more than what that leaves."""
    for here, there in ((one, two), (two, one)):
        left = max(0.0, 1.0 - math.fsum(there.values()))
        for token, p in here.items():
            other = there.get(token, min(p, left))
            if abs(p - other) > NOISE:
                raise Impossible(Kind.CONTRADICTION, f"{token!r}: {p:.3g} and {other:.3g} at most")


def bounds(low: Iterable[float], high: Iterable[float]) -> None:
    """Raises Impossible where a lower bound lies above its upper one, or one of them is no number."""
    for a, b in zip(low, high, strict=True):
        if not a <= b + ROUNDING:
            raise Impossible(Kind.BOUNDS, f"{a:g} and {b:g}")


def reply(body: Any) -> None:
    """Raises Impossible where a chat completion holds a log-probability that is no number. Clients turn text
    and true into numbers, so it is looked at before they do."""
    for choice in _held(body, "choices"):
        logprobs = choice.get("logprobs") if isinstance(choice, dict) else None
        for step in _held(logprobs, "content"):
            for token in (step, *_held(step, "top_logprobs")):
                number(token.get("logprob") if isinstance(token, dict) else token)


def _held(value: Any, name: str) -> list[Any]:
    """A list in an object; empty where it is not there."""
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, list) else []


def counts(records: Iterable[Record]) -> dict[str, dict[str, int]]:
    """How many records of each model hold impossible log-probabilities, by kind; no model without any. What
    is no kind, which a file may hold, is left out."""
    found: dict[str, Counter[str]] = {}
    for record in records:
        kind = record.provenance.get("impossible")
        if isinstance(kind, str) and kind in KINDS:
            found.setdefault(record.model, Counter())[kind] += 1
    return {model: dict(kinds) for model, kinds in found.items()}


def sentences(found: Mapping[str, Mapping[str, int]]) -> list[str]:
    """A sentence for each model.

    >>> sentences({"openai/m": {"positive": 12, "twice": 3}})[0][:73]
    'the server of openai/m gave impossible log-probabilities: positive 12, tw'
    """
    return [
        f"the server of {model} gave impossible log-probabilities: "
        f"{', '.join(f'{kind} {n}' for kind, n in kinds.items())}; these answers count as none. Ask the "
        "provider, or use sampled answers: read=samples, samples=N"
        for model, kinds in found.items()
    ]


def caveats(found: Mapping[str, Mapping[str, int]]) -> list[str]:
    """A sentence for each model and kind.

    >>> caveats({"openai/m": {"nan": 2}})
    ['The server of openai/m gave 2 answers that count as none: a log-probability is not a number (NaN).']
    """
    return [
        f"The server of {model} gave {n} answer{'s that count' if n > 1 else ' that counts'} as none: "
        f"{Kind(kind).sentence}."
        for model, some in found.items()
        for kind, n in some.items()
    ]
