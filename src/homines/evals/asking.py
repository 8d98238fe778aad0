"""The solver that asks a question once, and how a call is made that a provider may refuse in part."""

from __future__ import annotations

from collections.abc import Sequence

from inspect_ai.model import ChatMessage, GenerateConfig, Model, ModelOutput, get_model
from inspect_ai.solver import Generate, Solver, TaskState, solver

from homines.models._calls import UNSUPPORTED, status
from homines.models.inspect import TOPS


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
