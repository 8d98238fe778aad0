"""One call of a model through inspect-ai, and what comes of it. What fails is told without keys.

Calls are asynchronous and run on one event loop of this process, in a thread of its own: connections and
limits of concurrency belong to a loop, and a caller in a loop (a notebook) could not start another there.
"""

from __future__ import annotations

import asyncio
import os
import re
import threading
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent import futures
from concurrent.futures import Future
from functools import cache
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from homines.core import HominesError, Interrupted
from homines.impossible import UNLIKELY, number, position
from homines.models._meter import BYTES, METER, listen
from homines.toplogprobs import Step, Walk

T = TypeVar("T")
LONGEST_TOLD = 400
"""Characters of what a provider said that an error repeats."""
POLL = 0.1
"""Seconds between two looks at whether to stop."""
LONGEST_PAUSE = 30.0
"""Seconds before asking again for an answer that could not be parsed."""
UNSUPPORTED = (400, 422)
"""Statuses of a request with an option that the provider does not have."""
GARBLED = ("APIResponseValidationError",)
"""Names of exceptions of providers' clients for that."""
LIKE_A_SECRET = (
    re.compile(r"(\bBearer\s+)(?!\[)[^\s'\",;)]+"),
    re.compile(r"(://[^/\s:@]*:)[^\s@/]+(?=@)"),
    re.compile(r"(\bsk-)[\w-]{8,}"),
)
"""Keys by their looks: after Bearer, in an address, after sk-."""
SECRET = ("KEY", "TOKEN", "SECRET", "PASSWORD", "CREDENTIAL")
"""Parts of names of environment variables whose values are never shown."""


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


class CallFailed(HominesError):  # noqa: N818
    """A call that failed for good, its retries included.

    status   of HTTP, where it came to that
    """

    def __init__(self, model: str, failure: BaseException) -> None:
        if (last := getattr(failure, "last_attempt", None)) is not None:  # of its retries
            failure = last.exception() or failure
        self.status = status(failure)
        said = getattr(failure, "provider_message", None) or str(failure) or type(failure).__name__
        super().__init__(hidden(f"{model}: {said}")[:LONGEST_TOLD])  # cut last: half a key is no key to find

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


def status(failure: BaseException | None) -> int | None:
    """HTTP status of a failure or of what caused it."""
    while failure is not None:
        for name in ("status_code", "code"):
            if isinstance(status := getattr(failure, name, None), int):
                return status
        failure = failure.__cause__
    return None


def _garbled(failure: BaseException) -> bool:
    """Whether a reply came that is no answer in the provider's form: not JSON, or other JSON."""
    told = type(failure).__name__
    return isinstance(failure, ValueError | TypeError | AttributeError | KeyError) or told in GARBLED


def hidden(text: str) -> str:
    """The text without values of the environment that may be secrets."""
    for name, value in os.environ.items():
        if len(value) >= 6 and any(part in name.upper() for part in SECRET):
            text = text.replace(value, f"[{name}]")
    for looks in LIKE_A_SECRET:
        text = looks.sub(r"\1[hidden]", text)
    return text


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
        return get_model(name, memoize=False)
    except Exception as failure:
        from rich.text import Text

        told = " ".join(Text.from_markup(str(getattr(failure, "message", failure))).plain.split())
        if "not recognized" in told:
            told = f"inspect-ai knows no provider {provider!r}; `homines list models` names those it does"
        raise HominesError(f"cannot use {name}: {hidden(told.removeprefix('ERROR: '))}") from None


async def call(
    model: Any,
    messages: Sequence[tuple[str, str]],
    *,
    seed: int = 0,
    temperature: float = 1.0,
    tokens: int = 16,
    many: int = 1,
    top: int = 0,
    connections: int = 0,
    seconds: int = 0,
    retries: int = 0,
    used: Counter[str] | None = None,
) -> Any:
    """The ModelOutput of one call: `many` answers, `top` likeliest tokens at each position.

    seconds   that one try may take; 0: as long as the provider's client waits
    retries   after a failure that may pass; an answer that cannot be parsed is one
    used      counts calls, input and output tokens

    Raises CallFailed where it fails for good, HominesError where the prompt does not fit the context or no
    answer comes, OverBudget, before the call, where the budget (METER) leaves no room for it.
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
        max_retries=retries,
        max_connections=connections or None,
        attempt_timeout=seconds or None,
    )
    listen()
    used = Counter() if used is None else used
    given = sum(len(text.encode()) for _, text in messages) // BYTES + 8 * len(messages)
    held = await METER.room(given, tokens * many)
    try:
        turns = [kinds[role](content=text) for role, text in messages]
        output = await _answered(model, turns, config, retries, lambda: METER.lost(given, tokens * many))
        METER.add(output.usage, used)
    except (HominesError, Interrupted):
        raise
    except Exception as failure:
        raise CallFailed(str(model), failure) from None  # the request it tells of may hold what is secret
    finally:
        METER.end(given, tokens * many, held)
    if output.empty:
        raise HominesError(f"{model} sent no answer{f': {hidden(output.error)}' if output.error else ''}")
    if output.stop_reason == "model_length":
        raise HominesError(
            f"a prompt does not fit the context of {model} ({hidden(output.completion)[:200]}); shorten the "
            "frame or choose a model with a longer context"
        )
    return output


async def _answered(model: Any, turns: list[Any], config: Any, retries: int, lost: Callable[[], None]) -> Any:
    """inspect-ai's answer. It makes calls again that fail in a way that may pass; half an answer, or one
    that is no JSON, is for it a failure for good, and is asked for again here. lost: called for each of
    these, which may have to be paid for."""
    for attempt in range(retries + 1):
        try:
            return await model.generate(turns, config=config, cache=False)
        except Exception as failure:
            if attempt == retries or not _garbled(failure):
                raise
            pause = min(2.0**attempt, LONGEST_PAUSE)
            lost()
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
            # a drawn token that is not among the likeliest may be told as -9999: "very unlikely"
            position([*likely, *(t for t in (drawn,) if t[2] > UNLIKELY or t[:2] in [x[:2] for x in likely])])
        once = dict.fromkeys((token, logp, text) for text, token, logp in likely)
        return Step(drawn[1], drawn[2], tuple((token, logp) for token, logp, _ in once))

    content = choice.logprobs.content if choice.logprobs is not None else []
    steps = [step(said) for said in content]
    return Walk(tuple(steps), choice.message.text, ended(choice))
