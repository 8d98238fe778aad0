"""Asking a question in Inspect, and the choice that its output makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from inspect_ai.model import ChatMessage, GenerateConfig, Model, ModelOutput, get_model
from inspect_ai.solver import Generate, Solver, TaskState, solver

from homines.core.types import Choice, Prompt
from homines.inference.api_answers import has_logprobs, read_logprobs, read_texts
from homines.inference.api_calls import UNSUPPORTED, status
from homines.models.inspect import TOPS

LOGPROBS, SAMPLES = "log-probabilities", "samples"


@dataclass(frozen=True, eq=False)
class OutputReading:
    """A choice and how it was read.

    by          LOGPROBS (inference/top_logprobs.py) or SAMPLES (texts, counted)
    truncation  legal probability that is unknown, where log-probabilities were read
    notes       how texts were read, and the illegal ones (`sampled_answers.reading_notes`)
    """

    choice: Choice
    by: str
    truncation: float | None = None
    notes: dict[str, Any] = field(default_factory=dict[str, Any])


def read_output(output: ModelOutput, prompt: Prompt) -> OutputReading:
    """The choice of one output: from log-probabilities where all its completions have them, else by counting
    these (`--num-choices` says how many there are)."""
    answers = output.choices
    if not prompt.cue and all(map(has_logprobs, answers)):
        reading = read_logprobs(answers, prompt.labels)
        return OutputReading(reading.choice, LOGPROBS, reading.truncation)
    texts = read_texts(answers, prompt)
    return OutputReading(texts.choice, SAMPLES, notes=texts.notes)


@solver
def ask(logprobs: bool = True, seed: int | None = None) -> Solver:
    """Ask each question once.

    logprobs   request log-probabilities too; where a service refuses so many, fewer or none are requested
               from then on
    seed       of the first epoch; each further epoch has the next seed, since one seed makes all answers
               equal
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
    """The model's output, with log-probabilities where the service sends them. Raises where there is no
    output.

    most   by model, the most likeliest tokens that its service accepted to send, updated here; None: no
           log-probabilities are requested
    """
    tops = (0,) if most is None else [top for top in TOPS if top <= most.get(str(model), TOPS[0])]
    for top in tops:
        request = config.model_copy(update={"logprobs": True, "top_logprobs": top}) if top else config
        try:
            output = check_output(await model.generate(list(messages), config=request))
        except Exception as failure:
            if not top or status(failure) not in UNSUPPORTED:
                raise
            continue
        if most is not None:
            most[str(model)] = top
        return output
    raise AssertionError("the last try returns or raises")


def check_output(output: ModelOutput) -> ModelOutput:
    """The output. Raises RuntimeError where it is an error of the provider, or has no completion."""
    if output.error:
        raise RuntimeError(output.error)
    if not output.choices:
        raise RuntimeError("the provider gave no completion")
    return output
