"""Answers of a model behind an API as they arrive, all at once; a failure stands in its answer's place."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from queue import SimpleQueue
from typing import Any

from homines.core.capabilities import check_begun
from homines.core.progress import Stop, never
from homines.core.types import Choice, Prompt
from homines.inference.api_calls import arriving, raise_first, start
from homines.inference.api_options import Answer, Failure


class AnswerStream(ABC):
    """What a model behind an API needs for the `Model` protocol beside `ready` and `answer`. Its methods may
    be called inside a running event loop as well.

    ahead   prompts under way at once, at most
    """

    def __init__(self, ahead: int) -> None:
        self.ahead = ahead
        self._notes: dict[str, dict[str, Any]] = {}

    @abstractmethod
    def ready(self, stop: Stop = never) -> None:
        """Try whether the model answers, once. Raises HominesError where it does not."""

    @abstractmethod
    async def answer(self, prompt: Prompt, used: Counter[str] | None = None) -> Answer:
        """The answer to one prompt. `used` counts its calls and tokens, after a failure as well. Raises
        HominesError where a call fails for good."""

    def score(self, prompts: Sequence[Prompt]) -> list[Choice]:
        """Choices. Raises the first failure after all calls came to an end."""
        return raise_first(self.answers(prompts))

    def answers(self, prompts: Sequence[Prompt]) -> list[Choice | Exception]:
        """Choices; the exception of a failed call in the place of its choice. Raises as `ready` does."""
        by_key = {prompt.key: answer for batch in self.stream(prompts) for prompt, answer in batch}
        return [by_key[prompt.key] for prompt in prompts]

    def stream(
        self, prompts: Sequence[Prompt], stop: Stop = never
    ) -> Iterator[list[tuple[Prompt, Choice | Exception]]]:
        """Choices in the order in which they arrive, all calls at once, so that a slow call delays no other.

        The exception of a failed call stands in the place of its choice. A prompt that occurs twice is asked
        once. Where `stop` is true, calls under way are cancelled. Raises as `ready` does.
        """
        check_begun(self, prompts)
        self.ready()
        self._notes = {}
        done: SimpleQueue[tuple[Prompt, Answer | Failure] | None] = SimpleQueue()
        once = {prompt.key: prompt for prompt in prompts}
        under_way = start(self._put_answers(list(once.values()), done.put))
        try:
            for batch in arriving(done, stop):
                self._notes |= {prompt.key: outcome.notes for prompt, outcome in batch}
                yield [
                    (prompt, outcome.choice if isinstance(outcome, Answer) else outcome.failure)
                    for prompt, outcome in batch
                ]
        finally:
            under_way.cancel()

    def notes(self, prompt: Prompt) -> dict[str, Any]:
        """What to record with the latest answer to this prompt: how it was read, usage."""
        return self._notes.get(prompt.key, {})

    async def _put_answers(
        self, prompts: Sequence[Prompt], put: Callable[[tuple[Prompt, Answer | Failure] | None], None]
    ) -> None:
        """Put every answer as soon as it arrives, and None at the end."""
        room = asyncio.Semaphore(self.ahead)

        async def one(prompt: Prompt) -> None:
            used: Counter[str] = Counter()
            try:
                put((prompt, await self.answer(prompt, used)))
            except Exception as failure:
                put((prompt, Failure(failure, {"used": dict(used)} if used else {})))
            finally:
                room.release()

        try:
            async with asyncio.TaskGroup() as group:
                for prompt in prompts:
                    await room.acquire()
                    group.create_task(one(prompt))
        finally:
            put(None)
