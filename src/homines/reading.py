"""What an answer in words says: one label to the letter, or why none. Nothing is guessed."""

from __future__ import annotations

import re
from collections.abc import Sequence

TRUNCATED, BOTH, NONE = "truncated", "both", "none"
"""Why a completion is no answer: it did not end; it names several labels; it is something else."""
OPEN, CLOSED = "<think>", "</think>"
WRAPPING = " \t\r\n\f\v\u00a0*\"'`\u201c\u201d\u2018\u2019\u00ab\u00bb"
"""What may stand around a label: white space, asterisks, quotes."""


def read(text: str, labels: Sequence[str], *, finished: bool) -> int | str:
    """Index of the label that this completion answers, or why it answers none. Nothing is guessed.

    A closed block of thinking at the beginning is dropped; where the rest has "Answer:", what follows its
    last occurrence is the answer, else all of it. But for what wraps it and one final period, the answer
    must be a label to the letter, and the rest must name no other.

    finished   whether the completion ended its turn

    >>> read("<think>X or Y?</think> Answer: **Y**.", ["X", "Y"], finished=True)
    1
    >>> [read(text, ["X", "Y"], finished=True) for text in ("X, no. Answer: Y", "x", "I say X")]
    ['both', 'none', 'none']
    """
    if not finished:
        return TRUNCATED
    said = text.lstrip()
    if said.startswith(OPEN):
        _, closed, said = said.partition(CLOSED)
        if not closed:
            return TRUNCATED
    *before, last = re.split("answer:", said, flags=re.IGNORECASE)
    longest = sorted(labels, key=len, reverse=True)
    words = re.compile("|".join(rf"(?<!\w){re.escape(label)}(?!\w)" for label in longest))
    named = {label for part in before for label in words.findall(part)}
    bare = last.strip(WRAPPING)
    for candidate in (last.strip(), bare, bare.removesuffix(".").strip(WRAPPING)):
        if candidate in labels:
            return BOTH if named - {candidate} else list(labels).index(candidate)
    return BOTH if len(named.union(words.findall(last))) > 1 else NONE
