"""Optional abilities of models, policies and frames (Streams, Metered, Reasons, ...), a protocol each.

A caller asks `isinstance(model, Streams)`; nothing has to inherit from these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, cast, runtime_checkable

from homines.core.catalogue import NAMES
from homines.core.types import ASKS, Asks, Choice, HominesError, Policy, Prompt

# --- models --------------------------------------------------------------------------------------


@runtime_checkable
class ChecksAccess(Protocol):
    """A model that checks, before the first question, whether every call would fail."""

    def ready(self, stop: Callable[[], bool] = ..., /) -> None:
        """Raise HominesError where no call can succeed. Where `stop` returns true, retries end."""
        ...


@runtime_checkable
class ReturnsFailures(Protocol):
    """A model that returns the failure of one prompt in the place of its answer."""

    def answers(self, prompts: Sequence[Prompt], /) -> list[Choice | Exception]: ...


@runtime_checkable
class Streams(Protocol):
    """A model that yields answers in the order in which they arrive."""

    def stream(
        self, prompts: Sequence[Prompt], stop: Callable[[], bool], /
    ) -> Iterator[list[tuple[Prompt, Choice | Exception]]]: ...


@runtime_checkable
class Batches(Protocol):
    """A model that states how many questions it answers between two writes to the run folder."""

    batch: int


@runtime_checkable
class Annotates(Protocol):
    """A model with notes on its answers beyond their probabilities, such as the reasons before an answer."""

    def notes(self, prompt: Prompt, /) -> dict[str, Any]:
        """Notes on the latest answer to this prompt, for the provenance of its record."""
        ...


@runtime_checkable
class Metered(Protocol):
    """A model whose calls are counted."""

    def usage(self) -> Mapping[str, float]:
        """Calls, tokens and dollars of this process until now."""
        ...


@runtime_checkable
class KeepsAccounts(Protocol):
    """A model whose calls are written to an account in the run folder."""

    def keep(self, folder: Path, records: Sequence[Mapping[str, Any]], /) -> AbstractContextManager[None]:
        """Write calls to the account of this folder inside the block. records: usage of its records."""
        ...


@runtime_checkable
class EstimatesCost(Protocol):
    """A model that estimates what questions will cost without asking them."""

    def estimate_cost(self, prompts: Sequence[Prompt], /) -> Mapping[str, tuple[float, float]]:
        """Lower and upper bound of calls, input and output tokens, and of dollars where there is a price."""
        ...


@runtime_checkable
class CountsTokens(Protocol):
    """A model that counts the tokens it would read, without running."""

    def tokens(self, prompts: Sequence[Prompt], /) -> int: ...


@runtime_checkable
class Reasons(Protocol):
    """A model that can reason before it answers, as its `reasoning` (a ReasoningOptions) says."""

    name: str
    reasoning: Any


@runtime_checkable
class StatesFeatures(Protocol):
    """A model that states which probabilities its provider returns.

    features   a ProviderFeatures; None before the first call
    """

    features: Any


@runtime_checkable
class Writes(Protocol):
    """A model that writes free text. options: a ReasoningOptions."""

    def write(self, prompts: Sequence[Prompt], options: Any, /) -> Sequence[str | Exception]: ...


@runtime_checkable
class Continues(Protocol):
    """A model that can continue a turn of its own of which the beginning is written (`Prompt.begins`)."""

    continues: bool


def check_begun(model: object, prompts: Iterable[Prompt], name: str = "") -> None:
    """Raise HominesError where a prompt begins the answer and the model cannot continue it.

    name   of the model in the error; empty: its own
    """
    begun = next((prompt.begins for prompt in prompts if prompt.begins), "")
    if begun and not (isinstance(model, Continues) and model.continues):
        name = name or getattr(model, "name", type(model).__name__)
        raise HominesError(
            f"{name} cannot continue an answer that begins {begun!r}: its messages end with the user's turn. "
            f"{', '.join(NAMES)}, hf/..., vllm/..., sglang/... and llamacpp/... can; use one of these, or "
            "leave begins out of the frame"
        )


# --- policies ------------------------------------------------------------------------------------


@runtime_checkable
class Remembers(Protocol):
    """A policy or frame that looks at `memory` past rounds; math.inf: at all of them."""

    @property
    def memory(self) -> float: ...


@runtime_checkable
class Seeded(Protocol):
    """A policy that draws random numbers, and returns itself with another seed."""

    def seeded(self, seed: int, /) -> Policy: ...


def memory_of(policy_or_frame: object) -> float:
    """How many past rounds a policy or frame looks at: its `memory`; 1 where it states none."""
    return policy_or_frame.memory if isinstance(policy_or_frame, Remembers) else 1


# --- frames --------------------------------------------------------------------------------------


@runtime_checkable
class Labelled(Protocol):
    """A frame that replaces the names of actions by labels; empty: it keeps the names."""

    @property
    def labels(self) -> tuple[str, ...] | str: ...


@runtime_checkable
class AsksFor(Protocol):
    """A frame that can ask for something other than a choice."""

    @property
    def asks(self) -> str: ...


@runtime_checkable
class LaidOut(Protocol):
    """A frame that lists outcomes in one of several layouts."""

    @property
    def layout(self) -> str: ...


@runtime_checkable
class StatesGoal(Protocol):
    """A frame that can say what to aim at; empty: it says nothing."""

    @property
    def goal(self) -> str: ...


@runtime_checkable
class Begins(Protocol):
    """A frame that can begin the model's answer; empty: the model begins it."""

    @property
    def begins(self) -> str: ...


@runtime_checkable
class StatesUnit(Protocol):
    """A frame that can say what payoffs are told in, as '$' or 'coins'; empty: its own words."""

    @property
    def unit(self) -> str: ...


def variant(frame: object, **settings: Any) -> Any:
    """The same frame, a dataclass, with other settings."""
    return replace(cast("Any", frame), **settings)


def check_asks(value: Any) -> Asks:
    """The value, where it is one of ASKS. Raises HominesError where it is none."""
    for asks in ASKS:
        if value == asks:
            return asks
    raise HominesError(f"a frame asks for no {str(value)[:80]!r}; there are {', '.join(ASKS)}")


def asks_of(frame: object) -> Asks:
    """What a frame asks for: its `asks`; a choice for a frame without that attribute."""
    return check_asks(frame.asks) if isinstance(frame, AsksFor) else "choice"


def goal_of(frame: object) -> str:
    """The sentence that says what to aim at; empty where a frame states no goal."""
    return frame.goal if isinstance(frame, StatesGoal) else ""


def unit_of(frame: object) -> str:
    """What a frame tells payoffs in; empty where it has words of its own."""
    return frame.unit if isinstance(frame, StatesUnit) else ""


def begins_of(frame: object) -> str:
    """The words with which a frame begins the answer; empty where it begins none."""
    return frame.begins if isinstance(frame, Begins) else ""


def labels_of(frame: object) -> tuple[str, ...]:
    """The labels of a frame; empty for a frame that takes none or keeps the actions' own names."""
    if not isinstance(frame, Labelled):
        return ()
    labels = frame.labels
    return tuple(filter(None, labels.split(","))) if isinstance(labels, str) else tuple(labels)
