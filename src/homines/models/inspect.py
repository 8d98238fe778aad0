"""`inspect/PROVIDER/NAME`, `openai/NAME`, `anthropic/NAME`, `ollama/NAME`, ...: by API, through inspect-ai.

Providers and limits of concurrency are the library's. Options stand after the name, as in
`openai/gpt-4o(read=samples, samples=50)`: the fields of ApiOptions. Keys come from the environment, as each
provider has it. A choice is read from log-probabilities where the provider tells them
(inference/top_logprobs.py), else from counted answers (inference/sampled_answers.py). Both are sampled at
temperature 1, where probabilities are the model's own.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from importlib.metadata import version
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np

from homines.core.redaction import redact
from homines.core.registry import settings
from homines.core.types import Choice, HominesError, Interrupted, Prompt, digest, frozen
from homines.inference.api_budget import METER
from homines.inference.api_calls import (
    UNSUPPORTED,
    CallFailed,
    Manner,
    arriving,
    call,
    connect,
    ended,
    start,
    tells,
    wait,
    walk,
)
from homines.inference.api_options import Answer, ApiOptions, Failure, ProviderFeatures
from homines.inference.impossible import Impossible
from homines.inference.reasoning import Reasoned, ReasoningOptions
from homines.inference.sampled_answers import counted, strict
from homines.inference.top_logprobs import Walk, read
from homines.models import PROVIDERS

TOPS = (20, 5, 0)
"""Tokens with log-probabilities that are asked for at each position: the most that providers give; where one
refuses so many, fewer; none."""
KNOWN = 0.01
"""Truncation under which no more walks are taken."""
SHORTEST = 16
"""Tokens of an answer, at the least: some providers take no smaller limit."""
MOST = 4
"""Times `walks` that are taken at most."""
AHEAD = 64
"""Prompts under way at once, at most; how many calls are is for inspect-ai to say."""
TRIES = 2
"""Times that the first call is made again, at most: a server that is not there is told of soon."""
BYTES_A_TOKEN = 4
"""Of English text, about; for what a dry run reckons."""
MOST_SAID = 5
"""Different illegal answers that a record keeps."""


class Inspect:
    """A model of inspect-ai behind the `Model` protocol."""

    def __init__(self, model: Any, how: ApiOptions, *, name: str) -> None:
        self.model = model
        self.how = how
        self.name = name
        self.reasoning = ReasoningOptions()
        self.features: ProviderFeatures | None = None
        self.provenance: dict[str, Any] = {"revision": None, "inspect_ai": version("inspect-ai")}
        self._beside: dict[str, dict[str, Any]] = {}
        self._trying = asyncio.Lock()

    # --- the Model protocol: may be called inside a running event loop as well ------------------

    def ready(self, stop: Callable[[], bool] = lambda: False) -> None:
        """One short call: whether the model answers at all, and what its provider tells.

        Raises HominesError where the key or the model is refused, where nothing answers, and where
        log-probabilities are asked for (read=logprobs) and none come.
        """
        wait(self._trial(), stop)

    def score(self, prompts: Sequence[Prompt]) -> list[Choice]:
        """Choices; the first failure is raised once all calls are back."""
        out: list[Choice] = []
        for answer in self.answers(prompts):
            if isinstance(answer, Exception):
                raise answer
            out.append(answer)
        return out

    def answers(self, prompts: Sequence[Prompt]) -> list[Choice | Exception]:
        """Choices; a failed call's exception in its place. Raises as `ready` does."""
        heard = {prompt.key: answer for some in self.stream(prompts) for prompt, answer in some}
        return [heard[prompt.key] for prompt in prompts]

    def stream(
        self, prompts: Sequence[Prompt], stop: Callable[[], bool] = lambda: False
    ) -> Iterator[list[tuple[Prompt, Choice | Exception]]]:
        """Choices as they come, all calls at once, so that a slow one keeps no other waiting; a failed call's
        exception in its place. A prompt that stands there twice is asked once. Where `stop` says so, calls
        under way are given up. Raises as `ready` does."""
        self.ready()
        self._beside = {}
        done: SimpleQueue[tuple[Prompt, Answer | Failure] | None] = SimpleQueue()
        once = {prompt.key: prompt for prompt in prompts}
        under_way = start(self._streamed(list(once.values()), done.put))
        try:
            for some in arriving(done, stop):
                self._beside |= {prompt.key: one.beside for prompt, one in some}
                yield [
                    (prompt, one.choice if isinstance(one, Answer) else one.failure) for prompt, one in some
                ]
        finally:
            under_way.cancel()

    def estimate_cost(self, prompts: Sequence[Prompt]) -> dict[str, tuple[float, float]]:
        """What asking these would take, from and to; nothing is called.

        calls    from log-probabilities in one call each to as many calls as answers
        input    tokens, by the length of the texts at BYTES_A_TOKEN, in all these calls
        output   tokens: two an answer to as many as are allowed
        dollars  where there is a price
        """
        how, aloud = self.how, self.reasoning
        few, many = (how.walks, MOST * how.walks) if how.read != "samples" else (how.samples, how.samples)
        if how.read == "auto":
            many = max(many, how.samples)
        low: Counter[str] = Counter(calls=len(prompts))
        high: Counter[str] = Counter()
        for prompt in prompts:
            given = sum(len(text.encode()) for _, text in prompt.messages) / BYTES_A_TOKEN
            answers = (aloud.traces, aloud.traces) if prompt.cue else (few, many)
            most = aloud.most if prompt.cue else self._enough(prompt)
            low.update(input=round(given), output=2 * answers[0])
            high.update(calls=answers[1], input=round(given * answers[1]), output=most * answers[1])
        out: dict[str, tuple[float, float]] = {name: (low[name], high[name]) for name in low}
        if price := METER.budget.price:
            out["dollars"] = (price.of(low["input"], low["output"]), price.of(high["input"], high["output"]))
        return out

    def keep(self, folder: Path, records: Sequence[Mapping[str, Any]]) -> AbstractContextManager[None]:
        """Have what calls take stand in this run folder while the block runs, and what earlier commands took
        there count in the budget. records: what calls of its records used."""
        return METER.keep(folder, list(records))

    def usage(self) -> dict[str, float]:
        """What calls of this process used so far, in all."""
        return METER.told()

    def notes(self, prompt: Prompt) -> dict[str, Any]:
        """What to record beside the answer just given: how it was read, bounds, what was used."""
        return self._beside.get(prompt.key, {})

    def write(self, prompts: Sequence[Prompt], how: ReasoningOptions) -> list[str | Exception]:
        """What it writes after each prompt, all at once; empty where it had not ended its turn within
        `how.most` tokens; a failed call's exception in its place. Raises Interrupted where a budget is
        spent."""
        self.ready()
        said = wait(self._all([self._written(prompt, how) for prompt in prompts]))
        if spent := [one for one in said if isinstance(one, Interrupted)]:
            raise spent[0]
        return said

    def close(self) -> None:
        """Close its connections; the end of the process does so too."""
        wait(self.model.api.aclose())

    # --- for callers who are asynchronous themselves: inspect-ai's tasks -------------------------

    async def answer(self, prompt: Prompt, used: Counter[str] | None = None) -> Answer:
        """The answer to one prompt; `used` counts its calls and tokens, where it fails too. Raises
        HominesError where a call fails for good, Impossible where its log-probabilities cannot be."""
        features = await self._trial()
        used = Counter() if used is None else used
        if prompt.cue:
            choice, beside = await self._heard(prompt, used)
        elif features.top:
            choice, beside = await self._walked(prompt, features, used)
        else:
            choice, beside = await self._counted(prompt, used)
        return Answer(choice, beside | {"used": dict(used), "served": features.served})

    async def _streamed(
        self, prompts: Sequence[Prompt], tell: Callable[[tuple[Prompt, Answer | Failure] | None], None]
    ) -> None:
        """Tell of every answer as it comes; of None at the end."""
        room = asyncio.Semaphore(AHEAD)

        async def one(prompt: Prompt) -> None:
            used: Counter[str] = Counter()
            try:
                tell((prompt, await self.answer(prompt, used)))
            except Exception as failure:
                tell((prompt, Failure(failure, {"used": dict(used)} if used else {})))
            finally:
                room.release()

        try:
            async with asyncio.TaskGroup() as group:
                for prompt in prompts:
                    await room.acquire()
                    group.create_task(one(prompt))
        finally:
            tell(None)

    async def _all(self, calls: Sequence[Awaitable[Any]]) -> list[Any]:
        """All at once; an exception in the place of one that failed."""
        return await asyncio.gather(*calls, return_exceptions=True)

    # --- readings -------------------------------------------------------------------------------

    async def _walked(self, prompt: Prompt, features: ProviderFeatures, used: Counter[str]) -> Answer:
        """From log-probabilities; more walks while much is not known."""
        walks: list[Walk] = []
        while True:
            n = self.how.walks if features.many else 1
            try:
                drawn = await self._draw(prompt, n, used, drawn=len(walks), top=features.top)
            except (CallFailed, Interrupted):  # Impossible is none of these: it is told
                if not walks:
                    raise
                break  # what is there counts; `truncation` says how much it tells
            if not all(map(tells, drawn)):
                return await self._counted(prompt, used)
            walks += [walk(choice, prompt.labels) for choice in drawn]
            known = read(walks, prompt.labels).truncation <= KNOWN
            if known or len(walks) >= MOST * self.how.walks:
                break
        told = read(walks, prompt.labels)
        bounds = [[float(a), float(b)] for a, b in zip(told.low, told.high, strict=True)]
        return Answer(told.choice, {"truncation": told.truncation, "bounds": bounds, "walks": len(walks)})

    async def _counted(self, prompt: Prompt, used: Counter[str]) -> Answer:
        """From answers that are a label to the letter."""
        drawn = await self._draw(prompt, self.how.samples, used)
        read_as = [strict(one.message.text, prompt.labels) if ended(one) else None for one in drawn]
        other = Counter(one.message.text[:60] for one, a in zip(drawn, read_as, strict=True) if a is None)
        beside = {"counted": True, "illegal": dict(other.most_common(MOST_SAID))}
        return Answer(counted(read_as, len(prompt.labels)), beside)

    async def _heard(self, prompt: Prompt, used: Counter[str]) -> Answer:
        """Of a prompt with a cue: reasons and answer in one text, the answer read after the cue."""
        how = self.reasoning
        drawn = await self._draw(prompt, how.traces, used, how=how)
        reasons: list[str | None] = []
        p = np.zeros((len(drawn), len(prompt.labels)))
        for row, one in zip(p, drawn, strict=True):
            before, found, after = one.message.text.partition(prompt.cue)
            reasons.append(before + prompt.cue if found else None)
            if found and ended(one) and (a := strict(after, prompt.labels)) is not None:
                row[a] = 1.0
        counts = tuple(int(row.argmax()) if row.any() else -1 for row in p)
        heard = Reasoned(tuple(reasons), frozen(p), counts, used["output"])
        return Answer(heard.choice, heard.notes())

    async def _written(self, prompt: Prompt, how: ReasoningOptions) -> str:
        (one,) = await self._draw(prompt, 1, Counter(), how=how)
        return redact(one.message.text) if ended(one) else ""

    def _manner(self, retries: int) -> Manner:
        return Manner(self.how.connections, self.how.seconds, retries)

    def _enough(self, prompt: Prompt) -> int:
        """Tokens of an answer, at most. What is cut is longer than every label, with some white space."""
        return self.how.tokens or max(SHORTEST, 4 + max(len(label.encode()) for label in prompt.labels))

    async def _draw(
        self,
        prompt: Prompt,
        n: int,
        used: Counter[str],
        *,
        drawn: int = 0,
        top: int = 0,
        how: ReasoningOptions | None = None,
    ) -> list[Any]:
        """n sampled answers (inspect-ai's ChatCompletionChoice), in one call where the provider can.

        drawn   how many there are already, so that no seed comes twice
        how     of reasons and free texts; None: an answer, at temperature 1
        """
        enough = self._enough(prompt)
        first = self.how.seed if how is None else how.seed

        async def some(k: int, many: int) -> list[Any]:
            output = await call(
                self.model,
                prompt.messages,
                seed=int(digest([prompt.key, first, drawn + k]), 16) % 2**31,
                temperature=1.0 if how is None else how.temperature,
                tokens=enough if how is None else how.most,
                many=many,
                top=top,
                how=self._manner(self.how.retries),
                used=used,
            )
            return list(output.choices)

        got = (await some(0, n))[:n] if n > 1 and (await self._trial()).many else []
        failed: list[BaseException] = []
        for one in await self._all([some(k, 1) for k in range(len(got), n)]):
            if isinstance(one, BaseException):
                failed.append(one)
            else:
                got += one[:1]
        if failed and not got:
            raise failed[0]
        return got  # fewer where some failed: what was paid for counts, and how many there are is recorded

    # --- what the provider tells ----------------------------------------------------------------

    async def _trial(self) -> ProviderFeatures:
        """Ask once for log-probabilities and two answers; for less where the provider refuses that."""
        async with self._trying:
            self.features = self.features or await self._tried()
            return self.features

    async def _tried(self) -> ProviderFeatures:
        tops = (0,) if self.how.read == "samples" else TOPS
        refusals: list[CallFailed] = []
        for top, many in ((top, many) for top in tops for many in (2, 1)):
            try:
                output = await call(
                    self.model,
                    [("user", "Say yes.")],
                    many=many,
                    top=top,
                    how=self._manner(min(self.how.retries, TRIES)),
                )
            except Impossible as failure:
                raise Impossible(failure.kind, failure.found, f"the server of {self.name}") from None
            except CallFailed as refusal:
                refusals.append(refusal)
                if refusal.status not in UNSUPPORTED:
                    break
                continue
            steps = [s for c in output.choices if c.logprobs is not None for s in c.logprobs.content]
            told = max((len(step.top_logprobs or ()) for step in steps), default=0) if top else 0
            if self.how.read == "logprobs" and not told:
                raise HominesError(
                    f"{self.name} gives no log-probabilities, which read=logprobs asks for; use read=samples "
                    "(or auto), or a model whose provider gives them"
                )
            self.provenance["reading"] = f"{told} likeliest tokens" if told else "samples"
            return ProviderFeatures(told, len(output.choices) > 1, output.model)
        raise HominesError(f"{refusals[-1]}; {refusals[-1].remedy}")


def load(
    rest: str,
    adapters: tuple[str, ...],
    *,
    device: str | None = None,
    dtype: str | None = None,
    trust_remote_code: bool = False,
) -> Inspect:
    """Connect to PROVIDER/NAME(options); nothing is called yet.

    Raises HominesError where inspect-ai or the provider's own package is missing (naming the pip command),
    the provider is not known, a key is not set, or an option is not one of `ApiOptions`.
    """
    name, bracket, options = rest.partition("(")
    how: ApiOptions = settings(ApiOptions, bracket + options)
    provider = name.partition("/")[0]
    if adapters:
        raise HominesError(
            f"a model behind an API takes no adapter, got {adapters[0]!r}; a server of vLLM does"
        )
    for option, value in (("device", device), ("dtype", dtype)):
        if value is not None:
            raise HominesError(
                f"--{option} {value} bears on nothing for {name}, which runs elsewhere; drop it"
            )
    full = rest if provider in PROVIDERS else f"inspect/{rest}"
    return Inspect(connect(name), how, name=full)
