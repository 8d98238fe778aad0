"""From a model's output to a choice. The one place where Inspect's outputs are read."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from inspect_ai.model import ModelOutput

from homines import toplogprobs
from homines.answers import counted, read, strict
from homines.core.types import Choice, Prompt
from homines.models._calls import ended, tells, walk

WRAPPED = "wrapped"
"""Why a completion is no answer, beside those of `homines.answers`: a label stands in it, but not alone."""
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
    if not prompt.cue and all(map(tells, output.choices)):
        known = toplogprobs.read([walk(c, prompt.labels) for c in output.choices], prompt.labels)
        return Heard(known.choice, LOGPROBS, {}, known.truncation)
    told = [in_words(output, i, prompt) for i in range(len(output.choices))]
    choice = counted([t if isinstance(t, int) else None for t in told], len(prompt.labels))
    return Heard(choice, SAMPLES, dict(Counter(t for t in told if isinstance(t, str))))


def in_words(output: ModelOutput, i: int, prompt: Prompt) -> int | str:
    """Index of the label that a completion is, to the letter, as in `homines measure` (where the prompt has a
    cue: that what follows it is); or why it is none."""
    said = output.choices[i]
    _, found, after = said.message.text.partition(prompt.cue) if prompt.cue else ("", "", said.message.text)
    finished = ended(said)
    if finished and (found or not prompt.cue) and (answer := strict(after, prompt.labels)) is not None:
        return answer
    why = read(said.message.text, prompt.labels, finished=finished)
    return WRAPPED if isinstance(why, int) else why
