"""Options of a model behind an API, what its provider supports, and the outcome of one question."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from homines.core.checks import count
from homines.core.types import Choice, HominesError

READINGS = ("auto", "logprobs", "samples")


@dataclass(frozen=True)
class ApiOptions:
    """Options of a model behind an API.

    read         logprobs; samples; auto: the first where the provider gives them, else the second
    samples      answers per prompt that are counted (samples)
    walks        answers per prompt with log-probabilities (logprobs); as many again, up to three times, while
                 more than 1% of probability is unknown
    seed         of the sampling, where the provider takes one
    tokens       of an answer, at most; 0: enough for every label, or 256 for an answer in words. Models that
                 reason first need more
    connections  calls at once; 0: inspect-ai adapts the number to the provider
    retries      of a call whose failure may be temporary
    seconds      of one try of a call, at most
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
    """A choice and what to record with it."""

    choice: Choice
    notes: dict[str, Any]


class Failure(NamedTuple):
    """The exception of a failed call and what to record with it."""

    failure: Exception
    notes: dict[str, Any]


class ProviderFeatures(NamedTuple):
    """What a provider supports, by a trial call.

    top      likeliest tokens at each position that it sends with their log-probabilities; 0: none
    many     several answers come from one call
    served   the model's name as the provider has it
    """

    top: int
    many: bool
    served: str
