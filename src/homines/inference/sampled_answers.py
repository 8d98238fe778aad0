"""Sampled texts counted into a choice with its sample size, and the intervals of sampled rates.

A choice that is counted from texts (answer_reader.py) has the same type as an exact one, with `n`:

    mass = legal / n        p[a] = (answers that choose label a) / legal

A text that chooses no label is illegal and lowers the mass; it is kept, and nothing is guessed.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import numpy as np

from homines.core.format import clean
from homines.core.redaction import redact
from homines.core.types import MOST_CHOSEN, Choice, HominesError
from homines.inference.answer_reader import ILLEGAL, LEGAL, Reading

MOST_ILLEGAL = 5
"""Different illegal texts that a record keeps, the most frequent ones."""
HEAD, TAIL = 80, 80
"""Characters of an illegal text that are kept from its beginning and from its end."""


def count_answers(answers: Sequence[int | None], labels: int) -> Choice:
    """The choice that these answers make (indices of labels; None: illegal). Raises HominesError without
    answers.

    >>> choice = count_answers([0, 0, 1, None], 2)
    >>> choice.p.round(3).tolist(), choice.mass, choice.n
    ([0.667, 0.333], 0.75, 4)
    """
    if not answers:
        raise HominesError("no answers to count; sample one at least")
    legal = [a for a in answers if a is not None]
    if not legal:
        return Choice(Choice.of(np.zeros(labels)).logp, 0.0, len(answers))
    return Choice.at(np.bincount(legal, minlength=labels), len(legal) / len(answers), len(answers))


def reading_notes(texts: Sequence[str], readings: Sequence[Reading]) -> dict[str, Any]:
    """What a record keeps of its answers: how many were read how, and the most frequent illegal texts.

    >>> reading_notes(["Y.", "?"], [Reading(1, "stripped"), Reading(None, "none")])
    {'read': {'stripped': 1, 'none': 1}, 'illegal': {'?': 1}}
    """
    how = Counter(reading.how for reading in readings)
    said = zip(texts, readings, strict=True)
    illegal = Counter(excerpt(text) for text, reading in said if reading.label is None)
    return {
        "read": {name: how[name] for name in (*LEGAL, *ILLEGAL) if how[name]},
        "illegal": dict(illegal.most_common(MOST_ILLEGAL)),
    }


def sound_notes(notes: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """The `reading_notes` among a record's notes; a stranger's file may hold anything, which is left out."""
    out: dict[str, dict[str, int]] = {}
    for name in ("read", "illegal"):
        raw = notes.get(name)
        counts = cast("Mapping[Any, Any]", raw).items() if isinstance(raw, Mapping) else ()
        out[name] = {
            k: n for k, n in counts if isinstance(k, str) and type(n) is int and 0 < n <= MOST_CHOSEN
        }
    out["read"] = {name: n for name in (*LEGAL, *ILLEGAL) if (n := out["read"].get(name))}
    return out


def pool_notes(notes: Iterable[Mapping[str, Any]], most: int = MOST_ILLEGAL) -> dict[str, dict[str, int]]:
    """The notes of several answers as one. most: different illegal texts."""
    read: Counter[str] = Counter()
    illegal: Counter[str] = Counter()
    for each in map(sound_notes, notes):
        read.update(each["read"])
        illegal.update(each["illegal"])
    return {
        "read": {name: read[name] for name in (*LEGAL, *ILLEGAL) if read[name]},
        "illegal": dict(illegal.most_common(most)),
    }


def excerpt(text: str) -> str:
    """A text from a model as a record keeps it: without secrets, and the middle of a long one left out."""
    safe = clean(redact(text.strip()), sys.maxsize)
    return safe if len(safe) <= HEAD + TAIL else f"{safe[:HEAD]} \u2026 {safe[-TAIL:]}"


def rate_interval(rate: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """Clopper-Pearson interval of a rate from n answers; it covers at least as often as `level` says.

        Beta(k, n - k + 1) to Beta(k + 1, n - k), k = rate * n

    n   may be an effective number of draws, and no whole one (Korn & Graubard 1998, "Confidence intervals for
        proportions with small expected number of positive counts estimated from survey data", Survey
        Methodology 24); without draws the interval is [0, 1]

    >>> [round(x, 3) for x in rate_interval(0.9, 10)]
    [0.555, 0.997]
    """
    from scipy.stats import beta  # takes about 0.5 s, which `homines --help` must not

    k, tail = min(max(rate, 0.0), 1.0) * n, (1 - level) / 2
    low = 0.0 if k == 0 else float(beta.ppf(tail, k, n - k + 1))
    high = 1.0 if k >= n else float(beta.ppf(1 - tail, k + 1, n - k))
    return low, high
