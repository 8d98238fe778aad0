"""From a model's output to a choice. The one place where Inspect's outputs are read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from inspect_ai.model import ChatMessage, GenerateConfig, Model, ModelOutput, get_model
from inspect_ai.solver import Generate, Solver, TaskState, solver

from homines.core.types import Choice, Prompt
from homines.inference import top_logprobs
from homines.inference.api_calls import UNSUPPORTED, ended, status, tells, walk
from homines.inference.sampled_answers import counted, read, strict
from homines.models.inspect import TOPS

WRAPPED = "wrapped"
"""Why a completion is no answer, beside those of sampled_answers.py: a label stands in it, but not alone."""
LOGPROBS, SAMPLES = "log-probabilities", "samples"


@dataclass(frozen=True, eq=False)
class Heard:
    """A choice and how it was read.

    by          LOGPROBS (`homines.inference.top_logprobs`) or SAMPLES (answers in words, counted)
    why         reasons of those that were no answer, counted; `homines.inference.sampled_answers` names them
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
        known = top_logprobs.read([walk(c, prompt.labels) for c in output.choices], prompt.labels)
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


@solver
def ask(logprobs: bool = True, seed: int | None = None) -> Solver:
    """Ask each question once.

    logprobs   ask for log-probabilities too; a service that refuses so many is asked for fewer, or for none,
               from then on
    seed       of the first epoch; each further one has the next, for with one seed all would say the same
    """
    most: dict[str, int] = {}

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        model = get_model()
        config = GenerateConfig(seed=None if seed is None else seed + state.epoch - 1)
        state.output = await call(model, state.messages, config, most if logprobs else None)
        if state.output.choices:
            state.messages.append(state.output.message)
        return state

    return solve


async def call(
    model: Model, messages: Sequence[ChatMessage], config: GenerateConfig, most: dict[str, int] | None
) -> ModelOutput:
    """The model's output, with log-probabilities where it gives them; raises where there is none.

    most   likeliest tokens that each model gives, as far as it refused more: added to here; None: none are
           asked for
    """
    tops = (0,) if most is None else [top for top in TOPS if top <= most.get(str(model), TOPS[0])]
    for top in tops:
        asked = config.model_copy(update={"logprobs": True, "top_logprobs": top}) if top else config
        try:
            output = whole(await model.generate(list(messages), config=asked))
        except Exception as failure:
            if not top or status(failure) not in UNSUPPORTED:
                raise
            continue
        if most is not None:
            most[str(model)] = top
        return output
    raise AssertionError("the last try returns or raises")


def whole(output: ModelOutput) -> ModelOutput:
    """The output; RuntimeError where it is an error of the provider's, which is no answer."""
    if output.error:
        raise RuntimeError(output.error)
    if not output.choices:
        raise RuntimeError("the provider gave no completion")
    return output
