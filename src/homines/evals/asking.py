"""The solver that asks a question once, and how a call is made that a provider may refuse in part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from inspect_ai.model import ChatMessage, GenerateConfig, Model, ModelOutput, get_model
from inspect_ai.solver import Generate, Solver, TaskState, solver

TOP = 20
"""Log-probabilities asked for: the most that services give."""
REFUSED = (400, 404, 422)
"""Status codes of a request that is refused as it is; all others pass, or are retried by Inspect."""


@solver
def ask(logprobs: bool = True, seed: int | None = None) -> Solver:
    """Ask each question once.

    logprobs   ask for log-probabilities too; a service that refuses them is asked without from then on
    seed       of the first epoch; each further one has the next, for with one seed all would say the same
    """
    without: set[str] = set()

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        model = get_model()
        config = GenerateConfig(seed=None if seed is None else seed + state.epoch - 1)
        state.output = await call(model, state.messages, config, without if logprobs else None)
        if state.output.choices:
            state.messages.append(state.output.message)
        return state

    return solve


async def call(
    model: Model, messages: Sequence[ChatMessage], config: GenerateConfig, without: set[str] | None
) -> ModelOutput:
    """The model's output, with log-probabilities where it gives them; raises where there is none.

    without   models that refused them, added to here; None: they are not asked for
    """
    wanted = config.model_copy(update={"logprobs": True, "top_logprobs": TOP})
    if without is not None and str(model) not in without:
        try:
            return whole(await model.generate(list(messages), config=wanted))
        except Exception as failure:
            if _status(failure) not in REFUSED:
                raise
        output = whole(await model.generate(list(messages), config=config))
        without.add(str(model))
        return output
    return whole(await model.generate(list(messages), config=config))


def whole(output: ModelOutput) -> ModelOutput:
    """The output; RuntimeError where it is an error of the provider's, which is no answer."""
    if output.error:
        raise RuntimeError(output.error)
    if not output.choices:
        raise RuntimeError("the provider gave no completion")
    return output


def _status(failure: BaseException) -> Any:
    return getattr(failure, "status_code", None) or getattr(failure, "code", None)
