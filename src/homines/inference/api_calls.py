"""One call of a model through inspect-ai, and what comes of it. What fails is told without keys.

Calls are asynchronous and run on one event loop of this process, in a thread of its own: connections and
limits of concurrency belong to a loop, and a caller in a loop (a notebook) could not start another there.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent import futures
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cache
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from homines.core.redaction import redact
from homines.core.types import HominesError, Interrupted
from homines.inference.api_budget import METER, Size
from homines.inference.http import client
from homines.inference.impossible import UNLIKELY, UNSPELT, Impossible, number, position
from homines.inference.top_logprobs import Step, Walk

T = TypeVar("T")
LONGEST_TOLD = 400
"""Characters of what a provider said that an error repeats."""
POLL = 0.1
"""Seconds between two looks at whether to stop."""
FIRST_PAUSE = 3.0
LONGEST_PAUSE = 120.0
"""Seconds before asking again, at first and at most: a server that starts again takes minutes."""
LONGEST_ASKED = 120.0
"""Seconds before asking again, at most, where a server says how long to wait."""
UNSUPPORTED = (400, 422)
"""Statuses of a request with an option that the provider does not have."""
GARBLED = ("APIResponseValidationError",)
"""Names of exceptions of providers' clients for that."""
UNSENT = ("ConnectError", "ConnectTimeout", "PoolTimeout", "UnsupportedProtocol")
"""Names of exceptions of clients for a request that never came to a server."""


@cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="homines-calls", daemon=True).start()
    return loop


def start(work: Coroutine[Any, Any, T]) -> Future[T]:
    """Run this on the loop of calls."""
    return asyncio.run_coroutine_threadsafe(work, _loop())


def arriving(done: SimpleQueue[T | None], stop: Callable[[], bool]) -> Iterator[list[T]]:
    """What has come into a queue since the last time, until None comes, or `stop` says so."""
    some: list[T] = []
    while not stop():
        try:
            one = done.get_nowait() if some else done.get(timeout=POLL)
        except Empty:
            if some:
                yield some
                some = []
            continue
        if one is None:
            break
        some.append(one)
    if some:
        yield some


def wait(work: Coroutine[Any, Any, T], stop: Callable[[], bool] = lambda: False) -> T:
    """What this comes to, run on the loop of calls; Ctrl-C cancels it. Raises Interrupted where `stop` says
    so."""
    future = start(work)
    try:
        while not stop():
            if futures.wait([future], timeout=POLL).done:
                return future.result()
        raise Interrupted("stopped")
    except BaseException:
        future.cancel()
        raise


@dataclass(frozen=True)
class Manner:
    """How calls are made.

    connections  at once; 0: as many as the provider bears
    seconds      that one try may take; 0: as long as the provider's client waits
    retries      after a failure that may pass; an answer that cannot be parsed is one
    """

    connections: int = 0
    seconds: int = 0
    retries: int = 0


class CallFailed(HominesError):  # noqa: N818
    """A call that failed for good, its retries included.

    status   of HTTP, where it came to that
    """

    def __init__(self, model: str, failure: BaseException) -> None:
        causes = list(_causes(failure))
        self.status = status(failure)
        own = next((one for one in causes if isinstance(one, HominesError)), None)
        last = own or causes[0]
        said = getattr(last, "provider_message", None) or str(last) or type(last).__name__
        super().__init__(redact(f"{model}: {said}")[:LONGEST_TOLD])  # cut last: half a key is no key to find

    @property
    def remedy(self) -> str:
        if self.status in (401, 403):
            return (
                "the key was refused: set the provider's key in the environment, as its page of docs has it"
            )
        if self.status == 404:
            return "is the model's name right, and the address (..._BASE_URL)?"
        if self.status is None:
            return "does the server run, and is its address (..._BASE_URL) right?"
        return "the provider refuses even a short question; see what it says"


def _causes(failure: BaseException | None) -> Iterator[BaseException]:
    """A failure and what caused it; of one of a try's last the failure itself."""
    while failure is not None:
        last: Any = getattr(failure, "last_attempt", None)  # of tenacity, which inspect-ai uses
        one: BaseException = (last.exception() if last is not None else None) or failure
        yield one
        failure = one.__cause__


def status(failure: BaseException | None) -> int | None:
    """HTTP status of a failure or of what caused it."""
    for one in _causes(failure):
        for name in ("status_code", "code"):
            if isinstance(status := getattr(one, name, None), int):
                return status
    return None


def _unsent(failure: BaseException) -> bool:
    """Whether the server refused the request, or never got it: it then costs nothing. Of a reply that cannot
    be read (200), and where a gateway gave up (5xx), the answer may have been made."""
    code = status(failure)
    refused = code is not None and 400 <= code < 500
    return refused or any(type(one).__name__ in UNSENT for one in _causes(failure))


def _passes(failure: BaseException) -> bool:
    """Whether a failure may pass: one that inspect-ai would ask again for, or a reply that is no answer in
    the provider's form (not JSON, or other JSON)."""
    from tenacity import RetryError

    if any(isinstance(one, HominesError) for one in _causes(failure)):
        return False
    garbled = isinstance(failure, ValueError | TypeError | AttributeError | KeyError)
    return isinstance(failure, RetryError) or garbled or type(failure).__name__ in GARBLED


def _pause(model: Any, failure: BaseException, attempt: int) -> float:
    """Seconds before a call is made again: as many as the server says, else growing and drawn, so that calls
    that failed together are not made again together."""
    last = next(iter(_causes(failure)))
    asked = getattr(model.api.should_retry(last), "retry_after", None)
    if isinstance(asked, float | int) and asked > 0:
        return min(float(asked), LONGEST_ASKED)
    return min(FIRST_PAUSE * 2.0**attempt, LONGEST_PAUSE) * random.uniform(0.5, 1.5)


def connect(name: str) -> Any:
    """inspect-ai's model PROVIDER/NAME. Raises HominesError where something is missing, before any call."""
    try:
        from inspect_ai.model import get_model
    except ImportError as failure:
        raise HominesError(
            f"{name} needs inspect-ai, which is missing: pip install 'homines[api]'"
        ) from failure
    provider, slash, rest = name.partition("/")
    if not slash or not rest:
        raise HominesError(f"{name!r} names no model; write PROVIDER/NAME, as openai/gpt-4o")
    try:
        return _bounded(get_model(name, memoize=False))
    except Exception as failure:
        from rich.text import Text

        told = " ".join(Text.from_markup(str(getattr(failure, "message", failure))).plain.split())
        if "not recognized" in told:
            told = f"inspect-ai knows no provider {provider!r}; `homines list models` names those it does"
        raise HominesError(f"cannot use {name}: {redact(told.removeprefix('ERROR: '))}") from None


def _bounded(model: Any) -> Any:
    """The model with a client of ours, whose replies are bounded and which makes no call again by itself,
    where its provider's package takes one (OpenAI's, and those made of it). Of others a reply is bounded in
    time alone (`seconds`), and what their package asks for again by itself stands in no budget."""
    api = model.api
    if hasattr(api, "http_client") and isinstance(getattr(api, "model_args", None), dict):
        api.http_client = client()
        api.model_args = {**api.model_args, "max_retries": 0}
        api.initialize()
    return model


async def call(
    model: Any,
    messages: Sequence[tuple[str, str]],
    *,
    seed: int = 0,
    temperature: float = 1.0,
    tokens: int = 16,
    many: int = 1,
    top: int = 0,
    how: Manner = Manner(),
    used: Counter[str] | None = None,
) -> Any:
    """The ModelOutput of one call: `many` answers, `top` likeliest tokens at each position.

    used   counts calls, input and output tokens

    Raises CallFailed where it fails for good, Impossible where its log-probabilities are no numbers,
    HominesError where the prompt does not fit the context or no answer comes, OverBudget, before a call or
    before it is made again, where the budget (METER) leaves no room for it.
    """
    from inspect_ai.model import ChatMessageAssistant, ChatMessageSystem, ChatMessageUser, GenerateConfig

    kinds = {"system": ChatMessageSystem, "user": ChatMessageUser, "assistant": ChatMessageAssistant}
    config = GenerateConfig(
        temperature=temperature,
        seed=seed,
        max_tokens=tokens,
        num_choices=many if many > 1 else None,
        logprobs=True if top else None,
        top_logprobs=top or None,
        max_retries=0,  # made again here: each time asks the budget first
        max_connections=how.connections or None,
        attempt_timeout=how.seconds or None,
    )
    turns = [kinds[role](content=text) for role, text in messages]
    size = Size.of([text for _, text in messages], tokens * many)
    output = await _answered(model, turns, config, size, how.retries, Counter() if used is None else used)
    if output.empty:
        raise HominesError(f"{model} sent no answer{f': {redact(output.error)}' if output.error else ''}")
    if output.stop_reason == "model_length":
        raise HominesError(
            f"a prompt does not fit the context of {model} ({redact(output.completion)[:200]}); shorten the "
            "frame or choose a model with a longer context"
        )
    return output


async def _answered(
    model: Any, turns: list[Any], config: Any, size: Size, retries: int, used: Counter[str]
) -> Any:
    """inspect-ai's answer, asked for again where a failure may pass. Every try has room in the budget before
    it is made; one that may have to be paid for counts at its most."""
    for attempt in range(retries + 1):
        hold = await METER.room(size)
        try:
            output = await model.generate(turns, config=config, cache=False)
        except BaseException as failure:
            (METER.free if _unsent(failure) else METER.lose)(hold)
            if not isinstance(failure, Exception) or isinstance(failure, Interrupted):
                raise
            if attempt == retries or not _passes(failure):
                found = next((one for one in _causes(failure) if isinstance(one, Impossible)), None)
                raise found or CallFailed(str(model), failure) from None  # its request may hold a secret
            pause = _pause(model, failure, attempt)
        else:
            METER.add(hold, output.usage, [choice.message.text for choice in output.choices], used)
            return output
        METER.used.update(again=1)
        METER.used["waited"] += round(pause)
        await asyncio.sleep(pause)
    raise AssertionError("the last attempt returns or raises")


def ended(choice: Any) -> bool:
    """Whether this answer (inspect-ai's ChatCompletionChoice) ended its turn by itself."""
    return choice.stop_reason == "stop"


def tells(choice: Any) -> bool:
    """Whether its log-probabilities are those of the answer itself: they are there (a router may have passed
    the call to a provider that gives none), and their tokens make its text (where thinking was cut out of it
    they do not)."""
    if choice.logprobs is None or not choice.logprobs.content:
        return False
    tokens = choice.logprobs.content
    raw = [bytes(t.bytes) if t.bytes is not None else t.token.encode() for t in tokens]
    text = choice.message.text.strip()
    return any(b"".join(raw[:n]).decode(errors="replace").strip() == text for n in (len(raw), len(raw) - 1))


def _beside(drawn: tuple[str, bytes, float], likely: Sequence[tuple[str, bytes, float]]) -> list[Any]:
    """The drawn token, where its own log-probability adds to what the list of the likeliest tells. One that
    is not among these may be told as -9999, for "very unlikely"; parts of characters are not told apart."""
    among = any(token[:2] == drawn[:2] for token in likely)
    told = UNSPELT not in drawn[0] if among else drawn[2] > UNLIKELY
    return [drawn] if told else []


def walk(choice: Any, labels: Sequence[str]) -> Walk:
    """This answer with its log-probabilities, for `toplogprobs.read`. Raises Impossible where one of its
    positions cannot be."""
    plain = all(label.isascii() for label in labels)

    def raw(token: Any) -> bytes:
        if token.bytes is not None:
            return bytes(token.bytes)
        if "\ufffd" in token.token and not plain:
            raise HominesError(
                f"the server tells no bytes of tokens, so labels {tuple(labels)} cannot be followed; use "
                "labels in ASCII, or read=samples"
            )
        return token.token.encode()

    def step(said: Any) -> Step:
        likely = [(t.token, raw(t), number(t.logprob)) for t in said.top_logprobs or ()]
        drawn = (said.token, raw(said), number(said.logprob))
        if likely:
            position([*likely, *_beside(drawn, likely)])
        once: dict[tuple[bytes, float | None], float] = {}
        for text, token, logp in likely:  # of nearly equal values the first; parts of characters stay apart
            once.setdefault((token, logp if UNSPELT in text else None), logp)
        return Step(drawn[1], drawn[2], tuple((token, logp) for (token, _), logp in once.items()))

    content = choice.logprobs.content if choice.logprobs is not None else []
    steps = [step(said) for said in content]
    return Walk(tuple(steps), choice.message.text, ended(choice))
