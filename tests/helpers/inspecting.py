"""Inspect's mock model for the tests: any function from a prompt's text to an answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from inspect_ai import Task
from inspect_ai import eval as run
from inspect_ai.log import EvalLog
from inspect_ai.model import Model, ModelOutput, ModelUsage, get_model
from inspect_ai.model._model_output import Logprob, Logprobs, TopLogprob

from homines.core.types import Choice


def saying(answer: Callable[[str, Any], str | ModelOutput], name: str = "model") -> Model:
    """A model that answers so; answer is given the prompt's text and the call's config."""

    def outputs(messages: Any, tools: Any, choice: Any, config: Any) -> ModelOutput:
        said = answer("\n\n".join(m.text for m in messages), config)
        output = ModelOutput.from_content(name, said) if isinstance(said, str) else said
        output.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)  # else it needs a network
        return output

    return get_model(f"mockllm/{name}", custom_outputs=outputs, memoize=False)


def listing(labels: Sequence[str], choice: Choice) -> ModelOutput:
    """An answer of one token with log-probabilities, those of the choice and of another word; then its end.
    The likeliest label is drawn: a label that no draw went into is taken to end as those do."""
    p = dict(zip(labels, (choice.mass * choice.p).tolist(), strict=True)) | {"Hello": 1 - choice.mass}
    top = [TopLogprob(token=t, logprob=float(np.log(x))) for t, x in p.items() if x > 0]
    said = max(labels, key=lambda t: p[t])
    output = ModelOutput.from_content("model", said)
    end = TopLogprob(token="<|im_end|>", logprob=0.0)
    output.choices[0].logprobs = Logprobs(
        content=[
            Logprob(token=said, logprob=float(np.log(p[said])), top_logprobs=top),
            Logprob(token=end.token, logprob=end.logprob, top_logprobs=[end]),
        ]
    )
    return output


def ran(made: Task, folder: Path, **how: Any) -> EvalLog:
    """The log of a task that came to an end, kept in this folder."""
    (log,) = run(made, log_dir=str(folder), display="none", **how)
    assert log.status == "success", log.error
    return log


def numbers(log: EvalLog) -> Mapping[str, float]:
    """Every metric by its name; 'p mean' for one of a part of the score."""
    assert log.results is not None
    out: dict[str, float] = {}
    for score in log.results.scores:
        for metric in score.metrics.values():
            name = metric.name.rpartition("/")[2]
            out[f"{score.name} {name}" if score.name != score.scorer else name] = float(metric.value)
    return out
