"""From a model's output to a choice. The one place where Inspect's outputs are read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from inspect_ai.model import ModelOutput

from homines.core import Choice, Prompt
from homines.reading import read

CUT = ("max_tokens", "model_length")
FIRST, SAMPLES = "first token", "samples"


@dataclass(frozen=True, eq=False)
class Heard:
    """A choice and how it was read.

    by     FIRST (log-probabilities of the first token) or SAMPLES (answers in words, counted)
    why    reasons of those that were no answer, counted; `homines.reading` names them
    """

    choice: Choice
    by: str
    why: dict[str, int]


def hear(output: ModelOutput, prompt: Prompt) -> Heard:
    """The choice of one output: by the first token's log-probabilities where they are enough, else by
    counting its completions (as many as `--num-choices` asked for)."""
    if not prompt.cue and (p := first_token(output, prompt.labels)) is not None:
        return Heard(Choice.at(p, min(1.0, sum(p))), FIRST, {})
    told = [in_words(output, i, prompt.labels) for i in range(len(output.choices))]
    counts = np.bincount([t for t in told if isinstance(t, int)], minlength=len(prompt.labels))
    n, legal = len(told), int(counts.sum())
    why = dict(Counter(t for t in told if isinstance(t, str)))
    if not legal:
        return Heard(Choice.of(np.zeros(len(prompt.labels)), 0.0, n), SAMPLES, why)
    return Heard(Choice.at(counts, legal / n, n), SAMPLES, why)


def in_words(output: ModelOutput, i: int, labels: Sequence[str]) -> int | str:
    """Index of the label that a completion says, or why it says none."""
    said = output.choices[i]
    return read(said.message.text, labels, finished=said.stop_reason not in CUT)


def first_token(output: ModelOutput, labels: Sequence[str]) -> list[float] | None:
    """Probability of each label, [label], from the listed tokens that the answer could begin with.

    Enough are they where every label is wholly one of them, and none of them begins another label too; else
    None. What may follow the token is not seen, so each is an upper bound of the whole answer's.
    """
    if not output.choices or output.choices[0].logprobs is None:
        return None
    content = output.choices[0].logprobs.content
    listed = content[0].top_logprobs if content else None
    p = [0.0] * len(labels)
    for token in listed or ():
        word = token.token.strip()
        begun = [i for i, label in enumerate(labels) if word and label.startswith(word)]
        if len(begun) == 1 and labels[begun[0]] == word:
            p[begun[0]] += float(np.exp(token.logprob))
        elif begun:
            return None
    return p if all(p) else None
