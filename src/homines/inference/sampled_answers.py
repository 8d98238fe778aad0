"""Sampled texts matched to labels, and counted into a choice with its sample size.

A choice that is counted from sampled answers has the same type as an exact one, with `n`:

    mass = legal / n        p[a] = (answers that are label a) / legal

A text that is no label is illegal and lowers the mass; nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from homines.core.types import Choice, HominesError

TRUNCATED, BOTH, NONE = "truncated", "both", "none"
"""Reasons why a completion is no answer: it was cut; it names several labels; it is another text."""
OPEN, CLOSED = "<think>", "</think>"
WRAPPING = " \t\r\n\f\v\u00a0*\"'`\u201c\u201d\u2018\u2019\u00ab\u00bb"
"""Characters that may surround a label: white space, asterisks, quotes."""


def strict(text: str, labels: Sequence[str]) -> int | None:
    """Index of the label that this text is, to the letter; None where it is no label.

    White space around it is ignored: servers add and drop it when they convert tokens to text.

    >>> [strict(text, ["X", "Y"]) for text in ("Y", " Y\\n", "Y.", "y", "")]
    [1, 1, None, None, None]
    """
    bare = text.strip()
    stripped = [label.strip() for label in labels]
    return stripped.index(bare) if stripped.count(bare) == 1 else None


def read(text: str, labels: Sequence[str], *, finished: bool) -> int | str:
    """Index of the label that this completion answers, or the reason why it answers none. Nothing is guessed.

    A closed block of thinking at the beginning is dropped. The answer is the text after the last "Answer:",
    else the whole text. Without WRAPPING and one final period, the answer must be a label to the letter, and
    the text before it must name no other label.

    finished   whether the completion ended its turn

    >>> read("<think>X or Y?</think> Answer: **Y**.", ["X", "Y"], finished=True)
    1
    >>> [read(text, ["X", "Y"], finished=True) for text in ("X, no. Answer: Y", "x", "I say X")]
    ['both', 'none', 'none']
    """
    if not finished:
        return TRUNCATED
    answer = text.lstrip()
    if answer.startswith(OPEN):
        _, closed, answer = answer.partition(CLOSED)
        if not closed:
            return TRUNCATED
    *before, last = re.split("answer:", answer, flags=re.IGNORECASE)
    longest = sorted(labels, key=len, reverse=True)
    words = re.compile("|".join(rf"(?<!\w){re.escape(label)}(?!\w)" for label in longest))
    named = {label for part in before for label in words.findall(part)}
    bare = last.strip(WRAPPING)
    for candidate in (last.strip(), bare, bare.removesuffix(".").strip(WRAPPING)):
        if candidate in labels:
            return BOTH if named - {candidate} else list(labels).index(candidate)
    return BOTH if len(named.union(words.findall(last))) > 1 else NONE


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


def jeffreys(k: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """Interval of a probability after k successes in n draws: Beta(k + 1/2, n - k + 1/2), equal tails.

    The lower end is 0 where k = 0, and the upper end is 1 where k = n; the interval then covers certain
    answers (Brown, Cai & DasGupta 2001, "Interval estimation for a binomial proportion", Statistical Science
    16).

    >>> [round(x, 3) for x in jeffreys(9, 10)]
    [0.619, 0.989]
    """
    from scipy.stats import beta  # takes about 0.5 s, which `homines --help` must not

    if not 0 <= k <= n:
        raise HominesError(f"{k} of {n} draws: the first must lie between 0 and the second")
    tail = (1 - level) / 2
    low = 0.0 if k == 0 else float(beta.ppf(tail, k + 0.5, n - k + 0.5))
    high = 1.0 if k == n else float(beta.ppf(1 - tail, k + 0.5, n - k + 0.5))
    return low, high
