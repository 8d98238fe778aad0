"""`inspect/PROVIDER/NAME`, `openai/NAME`, `anthropic/NAME`, `ollama/NAME`, ...: by API, through inspect-ai.

The library has the providers and the limits of concurrency. Options (the fields of ApiOptions) follow the
name, as in `openai/gpt-4o(read=samples, samples=50)`. Keys come from the environment variables of each
provider. A choice is read from log-probabilities where the provider sends them (inference/top_logprobs.py),
else from counted answers (inference/sampled_answers.py). Answers are sampled at temperature 1, where
frequencies estimate the model's own probabilities.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import AbstractContextManager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from homines.core.capabilities import check_begun
from homines.core.progress import Stop, never
from homines.core.redaction import redact
from homines.core.registry import settings
from homines.core.types import HominesError, Interrupted, Prompt, digest, frozen
from homines.inference.api_answers import ends_turn, has_logprobs, read_logprobs, read_texts
from homines.inference.api_budget import METER
from homines.inference.api_calls import (
    UNSUPPORTED,
    CallFailed,
    call,
    connect,
    wait,
)
from homines.inference.api_options import Answer, ApiOptions, ProviderFeatures
from homines.inference.api_stream import AnswerStream
from homines.inference.impossible import Impossible
from homines.inference.reasoning import Reasoned, ReasoningOptions
from homines.inference.top_logprobs import Reading
from homines.models import PROVIDERS, refuse_placement

TOPS = (20, 5, 0)
"""Numbers of likeliest tokens per position, in the order in which a provider is tried: the most that any
sends, then fewer, then none."""
KNOWN = 0.01
"""Truncation below which no further walks are sampled."""
SHORTEST = 16
"""Tokens of an answer, at the least: some providers refuse a smaller limit."""
IN_WORDS = 256
"""Tokens of an answer in words, at most: a sentence or some reasons; a cut answer is illegal."""
MOST = 4
"""Walks of a prompt, at most, as a multiple of `walks`."""
AHEAD = 64
"""Prompts under way at once, at most; inspect-ai limits the calls."""
TRIES = 2
"""Retries of the trial call, at most: a missing server is reported soon."""
BYTES_A_TOKEN = 4
"""Bytes of English text per token, about, for the estimate of a dry run."""


class Inspect(AnswerStream):
    """A model of inspect-ai behind the `Model` protocol."""

    def __init__(self, model: Any, options: ApiOptions, *, name: str) -> None:
        super().__init__(AHEAD)
        self.model = model
        self.options = options
        self.name = name
        self.reasoning = ReasoningOptions()
        self.features: ProviderFeatures | None = None
        self.provenance: dict[str, Any] = {"revision": None, "inspect_ai": version("inspect-ai")}
        self._trying = asyncio.Lock()

    # --- the Model protocol: may be called inside a running event loop as well ------------------

    def ready(self, stop: Stop = never) -> None:
        """One short call that shows whether the model answers and what its provider supports.

        Raises HominesError where the key or the model is refused, where no reply comes, and where
        read=logprobs is set and the reply has no log-probabilities.
        """
        wait(self._trial(), stop)

    def estimate_cost(self, prompts: Sequence[Prompt]) -> dict[str, tuple[float, float]]:
        """Lower and upper bound of what these prompts will use; nothing is called.

        calls    one for each prompt; one for each answer
        input    tokens of these calls, by the length of the texts and BYTES_A_TOKEN
        output   tokens: two an answer; as many as are allowed
        dollars  where there is a price
        """
        low: Counter[str] = Counter(calls=len(prompts))
        high: Counter[str] = Counter()
        for prompt in prompts:
            length = sum(len(text.encode()) for _, text in prompt.messages) / BYTES_A_TOKEN
            ways = self._draws(prompt)  # one is taken
            calls = max(n for _, n, _ in ways)
            low.update(input=round(length), output=2 * min(few for few, _, _ in ways))
            high.update(calls=calls, input=round(length * calls), output=max(n * most for _, n, most in ways))
        out: dict[str, tuple[float, float]] = {name: (low[name], high[name]) for name in low}
        if price := METER.budget.price:
            out["dollars"] = (price.of(low["input"], low["output"]), price.of(high["input"], high["output"]))
        return out

    def keep(self, folder: Path, records: Sequence[Mapping[str, Any]]) -> AbstractContextManager[None]:
        """Write the usage of calls to the book of this run folder while the block runs; usage of earlier
        commands in this folder counts in the budget. records: the usage of each of its records."""
        return METER.keep(folder, list(records))

    def usage(self) -> dict[str, float]:
        """The usage of all calls of this process until now."""
        return METER.usage()

    def write(self, prompts: Sequence[Prompt], how: ReasoningOptions) -> list[str | Exception]:
        """The text that the model writes after each prompt, all at once; empty where its turn did not end
        within `how.most` tokens; the exception of a failed call in the place of its text. Raises Interrupted
        where a budget is spent."""
        check_begun(self, prompts)
        self.ready()
        texts = wait(self._all([self._write(prompt, how) for prompt in prompts]))
        if spent := [text for text in texts if isinstance(text, Interrupted)]:
            raise spent[0]
        return texts

    def close(self) -> None:
        """Close the connections; the end of the process closes them too."""
        wait(self.model.api.aclose())

    # --- for callers who are asynchronous themselves: inspect-ai's tasks -------------------------

    async def answer(self, prompt: Prompt, used: Counter[str] | None = None) -> Answer:
        """The answer to one prompt. `used` counts its calls and tokens, after a failure as well. Raises
        HominesError where a call fails for good, Impossible for impossible log-probabilities."""
        features = await self._trial()
        used = Counter() if used is None else used
        if prompt.cue:
            choice, notes = await self._reason(prompt, used)
        elif features.top:
            choice, notes = await self._walk(prompt, features, used)
        else:
            choice, notes = await self._count(prompt, used)
        return Answer(choice, notes | {"used": dict(used), "served": features.served})

    async def _all(self, calls: Sequence[Awaitable[Any]]) -> list[Any]:
        """All at once; an exception in the place of one that failed."""
        return await asyncio.gather(*calls, return_exceptions=True)

    # --- readings -------------------------------------------------------------------------------

    async def _walk(self, prompt: Prompt, features: ProviderFeatures, used: Counter[str]) -> Answer:
        """From log-probabilities; more walks while much is unknown."""
        answers: list[Any] = []
        reading: Reading | None = None
        n = self.options.walks if features.many else 1
        while reading is None or (reading.truncation > KNOWN and len(answers) < MOST * self.options.walks):
            try:
                batch = await self._draw(prompt, n, used, drawn=len(answers), top=features.top)
            except (CallFailed, Interrupted):  # an Impossible is raised
                if reading is None:
                    raise
                break  # earlier answers count; their number and `truncation` are recorded
            if not all(map(has_logprobs, batch)):
                return await self._count(prompt, used)
            answers += batch
            reading = read_logprobs(answers, prompt.labels)
        bounds = [[float(a), float(b)] for a, b in zip(reading.low, reading.high, strict=True)]
        notes = {"truncation": reading.truncation, "bounds": bounds, "walks": len(answers)}
        return Answer(reading.choice, notes)

    async def _count(self, prompt: Prompt, used: Counter[str]) -> Answer:
        """From answers in words."""
        answers = read_texts(await self._draw(prompt, self.options.samples, used), prompt)
        return Answer(answers.choice, answers.notes)

    async def _reason(self, prompt: Prompt, used: Counter[str]) -> Answer:
        """Of a prompt with a cue: one text has the reasons and the answer, mostly after the cue."""
        reasoning = self.reasoning
        drawn = await self._draw(prompt, reasoning.traces, used, reasoning=reasoning)
        answers = read_texts(drawn, prompt)
        reasons: list[str | None] = []
        for answer, index in zip(drawn, answers.indices, strict=True):
            before, cue, _ = answer.message.text.partition(prompt.cue)
            reasons.append(before + cue if cue or index is not None else None)
        p = np.array([[float(i == a) for a in range(len(prompt.labels))] for i in answers.indices])
        counts = tuple(-1 if i is None else i for i in answers.indices)
        reasoned = Reasoned(tuple(reasons), frozen(p), counts, used["output"])
        return Answer(reasoned.choice, answers.notes | reasoned.notes())

    async def _write(self, prompt: Prompt, how: ReasoningOptions) -> str:
        (answer,) = await self._draw(prompt, 1, Counter(), reasoning=how)
        return redact(answer.message.text) if ends_turn(answer) else ""

    def _config(self, *, many: int = 1, top: int = 0, retries: int, **sampling: Any) -> Any:
        """inspect-ai's GenerateConfig for `many` answers with `top` likeliest tokens at each position."""
        from inspect_ai.model import GenerateConfig

        return GenerateConfig(
            num_choices=many if many > 1 else None,
            logprobs=True if top else None,
            top_logprobs=top or None,
            max_retries=retries,
            max_connections=self.options.connections or None,
            attempt_timeout=self.options.seconds or None,
            **sampling,
        )

    def _draws(self, prompt: Prompt) -> list[tuple[int, int, int]]:
        """(least answers, most answers, tokens of one at most) for each way in which a prompt may be read."""
        options, traces = self.options, self.reasoning.traces
        if prompt.cue:
            return [(traces, traces, self.reasoning.most)]
        walks = (options.walks, MOST * options.walks, self._enough(prompt, words=False))
        texts = (options.samples, options.samples, self._enough(prompt, words=True))
        return {"logprobs": [walks], "samples": [texts]}.get(options.read, [walks, texts])

    def _enough(self, prompt: Prompt, *, words: bool) -> int:
        """Tokens of an answer, at most: enough for every label with white space around it, or for words."""
        label = 4 + max(len(label.encode()) for label in prompt.labels)
        return self.options.tokens or max(SHORTEST, IN_WORDS if words else 0, label)

    async def _draw(
        self,
        prompt: Prompt,
        n: int,
        used: Counter[str],
        *,
        drawn: int = 0,
        top: int = 0,
        reasoning: ReasoningOptions | None = None,
    ) -> list[Any]:
        """n sampled answers (inspect-ai's ChatCompletionChoice), fewer where calls failed.

        drawn       how many there are already: every answer has a seed of its own
        reasoning   options of reasons and free texts; None: an answer, at temperature 1
        """
        seed = self.options.seed if reasoning is None else reasoning.seed

        async def sample(k: int, many: int) -> list[Any]:
            config = self._config(
                many=many,
                top=top,
                retries=self.options.retries,
                seed=int(digest([prompt.key, seed, drawn + k]), 16) % 2**31,
                temperature=1.0 if reasoning is None else reasoning.temperature,
                max_tokens=self._enough(prompt, words=not top) if reasoning is None else reasoning.most,
            )
            return list((await call(self.model, prompt.messages, config, used)).choices)

        answers = (await sample(0, n))[:n] if n > 1 and (await self._trial()).many else []
        failures: list[BaseException] = []
        for outcome in await self._all([sample(k, 1) for k in range(len(answers), n)]):
            if isinstance(outcome, BaseException):
                failures.append(outcome)
            else:
                answers += outcome[:1]
        if failures and not answers:
            raise failures[0]
        return answers  # those that were paid for count, and their number is recorded

    # --- what the provider supports --------------------------------------------------------------

    async def _trial(self) -> ProviderFeatures:
        """The features of the provider: a trial call is made once for each model."""
        async with self._trying:
            self.features = self.features or await self._tried()
            return self.features

    async def _tried(self) -> ProviderFeatures:
        """Request log-probabilities and two answers; fewer of them where the provider refuses."""
        tops = (0,) if self.options.read == "samples" else TOPS
        refusals: list[CallFailed] = []
        for top, many in ((top, many) for top in tops for many in (2, 1)):
            try:
                config = self._config(
                    many=many,
                    top=top,
                    retries=min(self.options.retries, TRIES),
                    seed=0,
                    temperature=1.0,
                    max_tokens=SHORTEST,
                )
                output = await call(self.model, [("user", "Say yes.")], config)
            except Impossible as failure:
                raise Impossible(failure.kind, failure.evidence, f"the server of {self.name}") from None
            except CallFailed as refusal:
                refusals.append(refusal)
                if refusal.status not in UNSUPPORTED:
                    break
                continue
            steps = [s for c in output.choices if c.logprobs is not None for s in c.logprobs.content]
            listed = max((len(step.top_logprobs or ()) for step in steps), default=0) if top else 0
            if self.options.read == "logprobs" and not listed:
                raise HominesError(
                    f"{self.name} gives no log-probabilities, which read=logprobs asks for; use read=samples "
                    "(or auto), or a model whose provider gives them"
                )
            self.provenance["reading"] = f"{listed} likeliest tokens" if listed else "samples"
            return ProviderFeatures(listed, len(output.choices) > 1, output.model)
        raise HominesError(f"{refusals[-1]}; {refusals[-1].remedy()}")


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
    name, bracket, arguments = rest.partition("(")
    options: ApiOptions = settings(ApiOptions, bracket + arguments)
    provider = name.partition("/")[0]
    if adapters:
        raise HominesError(
            f"a model behind an API takes no adapter, got {adapters[0]!r}; a server of vLLM does"
        )
    refuse_placement(f"{name}, which runs elsewhere", device=device, dtype=dtype)
    full = rest if provider in PROVIDERS else f"inspect/{rest}"
    return Inspect(connect(name), options, name=full)
