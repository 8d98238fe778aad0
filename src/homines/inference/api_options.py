"""How a model behind an API is read, what its provider tells, and what one question comes to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from homines.core.checks import count
from homines.core.types import Choice, HominesError

READINGS = ("auto", "logprobs", "samples")


@dataclass(frozen=True)
class ApiOptions:
    """How choices are read from a model behind an API.

    read         logprobs; samples; auto: the first where the provider gives them, else the second
    samples      answers counted for a prompt (samples)
    walks        answers sampled for their log-probabilities (logprobs); again as many, three times at most,
                 while more than 1% of probability is not known
    seed         of the sampling, where the provider takes one
    tokens       of an answer, at most; 0: enough for every label. Models that reason first need more
    connections  calls at once; 0: as many as the provider bears, found by inspect-ai
    retries      of a call that failed in a way that may pass
    seconds      that one try of a call may take before it is made again
    """

    read: str = "auto"
    samples: int = 20
    walks: int = 4
    seed: int = 0
    tokens: int = 0
    connections: int = 0
    retries: int = 6
    seconds: int = 300

    def __post_init__(self) -> None:
        if self.read not in READINGS:
            raise HominesError(f"read is {self.read!r}; it must be one of {', '.join(READINGS)}")
        count("samples", self.samples)
        count("walks", self.walks)
        count("seconds", self.seconds)
        for name in ("seed", "tokens", "connections", "retries"):
            count(name, getattr(self, name), 0)


class Answer(NamedTuple):
    """A choice and what to record beside it."""

    choice: Choice
    beside: dict[str, Any]


class Failure(NamedTuple):
    """Why no answer came, and what to record beside it."""

    failure: Exception
    beside: dict[str, Any]


class ProviderFeatures(NamedTuple):
    """What a trial showed of a provider.

    top      likeliest tokens that it tells at each position with their log-probabilities; 0: none
    many     several answers come from one call
    served   the model's name as the provider has it
    """

    top: int
    many: bool
    served: str
