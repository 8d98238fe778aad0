"""Answers of a local network as they are read: prompts planned together, each handed out after its pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import torch

from homines.core.types import HominesError, Prompt
from homines.inference.logits import read_passes
from homines.inference.reasoning import Reasoned, check_room, stream_reasoned
from homines.inference.tokens import Encoded

Reading: TypeAlias = torch.Tensor | Reasoned | Exception
"""Log-probabilities of a prompt's labels, its reasons where it has a cue, or its failure."""


def stream_readings(
    model: Any, prompts: Sequence[Prompt], stop: Callable[[], bool]
) -> Iterator[list[tuple[Prompt, Reading]]]:
    """Readings of these prompts. No token is read twice where the network can hold keys (`logits.holds`).

    Where a pass fails, each prompt that is left is read alone, thus a bad prompt costs only its own answer.
    Where `stop` is true, nothing more is read.
    """
    model.net.eval()
    waiting = {prompt.key: prompt for prompt in prompts}
    try:
        for part in _readings(model, list(waiting.values())):
            for prompt, _ in part:
                del waiting[prompt.key]
            yield part
            if stop():
                return
    except MemoryError:
        raise
    except Exception:
        for prompt in waiting.values():
            if stop():
                return
            yield [(prompt, _alone(model, prompt))]


def _readings(model: Any, prompts: Sequence[Prompt]) -> Iterator[list[tuple[Prompt, Reading]]]:
    items = _encoded(model, prompts)
    yield [(p, item) for p, item in zip(prompts, items, strict=True) if not isinstance(item, Encoded)]
    good = [(p, item) for p, item in zip(prompts, items, strict=True) if isinstance(item, Encoded)]
    silent = [prompt for prompt, _ in good if not prompt.cue]
    spoken = [prompt for prompt, _ in good if prompt.cue]
    encoded = [item for prompt, item in good if not prompt.cue]
    passes = read_passes(model.net, encoded, share=model.share, hold=model.hold, budget=model.budget)
    while True:
        with torch.no_grad():
            part = next(passes, None)
        if part is None:
            break
        yield [(silent[i], logp) for i, logp in part]
    for ended in stream_reasoned(model, spoken, model.reasoning) if spoken else ():
        yield [(spoken[i], reasoned) for i, reasoned in ended]


def _encoded(model: Any, prompts: Sequence[Prompt]) -> list[Encoded | Exception]:
    """The tokens of each prompt, or why it cannot be read."""
    try:
        items: list[Encoded] = model.encode(prompts)
        for prompt, item in zip(prompts, items, strict=True):
            if prompt.cue:
                check_room(model, len(item.prompt), model.reasoning)
    except HominesError as failure:
        if len(prompts) == 1:
            return [failure]
        return [item for prompt in prompts for item in _encoded(model, [prompt])]
    return [*items]


def _alone(model: Any, prompt: Prompt) -> Reading:
    try:
        return next(reading for part in _readings(model, [prompt]) for _, reading in part)
    except MemoryError:
        raise
    except Exception as failure:
        return failure
