"""From a model's output to a choice. The one place where Inspect's outputs are read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from inspect_ai.model import ModelOutput

from homines import toplogprobs
from homines.answers import read
from homines.core import Choice, Prompt
from homines.models._calls import walk

CUT = ("max_tokens", "model_length")
LOGPROBS, SAMPLES = "log-probabilities", "samples"


@dataclass(frozen=True, eq=False)
class Heard:
    """A choice and how it was read.

    by          LOGPROBS (`homines.toplogprobs`) or SAMPLES (answers in words, counted)
    why         reasons of those that were no answer, counted; `homines.answers` names them
    truncation  how much probability is not known, where log-probabilities were read
    """

    choice: Choice
    by: str
    why: dict[str, int]
    truncation: float | None = None


def hear(output: ModelOutput, prompt: Prompt) -> Heard:
    """The choice of one output: by its completions' log-probabilities where they have them, else by counting
    them (as many as `--num-choices` asked for)."""
    if not prompt.cue and all(c.logprobs is not None and c.logprobs.content for c in output.choices):
        known = toplogprobs.read([walk(c, prompt.labels) for c in output.choices], prompt.labels)
        return Heard(known.choice, LOGPROBS, {}, known.truncation)
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
