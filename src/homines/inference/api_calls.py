"""One call of a model through inspect-ai: its tries, its budget, its failure (error texts hold no keys).

Calls are asynchronous. They run on one event loop of this process, in a thread of its own: connections and
limits of concurrency belong to a loop, and a caller inside a loop (a notebook) could not start another there.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent import futures
from concurrent.futures import Future
from functools import cache
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from homines.core.progress import Stop, never
from homines.core.redaction import redact
from homines.core.types import HominesError, Interrupted
from homines.inference.api_budget import METER, Size
from homines.inference.http import client
from homines.inference.impossible import Impossible

T = TypeVar("T")
LONGEST_MESSAGE = 400
"""Characters of a provider's message that an error repeats."""
POLL = 0.1
"""Seconds between two calls of `stop`."""
FIRST_PAUSE = 3.0
LONGEST_PAUSE = 120.0
"""Seconds before a retry, at first and at most: a server that restarts takes minutes."""
LONGEST_RETRY_AFTER = 120.0
"""Seconds before a retry, at most, where the server states the seconds."""
UNSUPPORTED = (400, 422)
"""HTTP statuses of a request with an option that the provider does not support."""
GARBLED = ("APIResponseValidationError",)
"""Names of exceptions of providers' clients for a reply in another form."""
UNSENT = ("ConnectError", "ConnectTimeout", "PoolTimeout", "UnsupportedProtocol")
"""Names of exceptions of clients for a request that reached no server."""


@cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="homines-calls", daemon=True).start()
    return loop


def start(work: Coroutine[Any, Any, T]) -> Future[T]:
    """Start this coroutine on the loop of calls."""
    return asyncio.run_coroutine_threadsafe(work, _loop())


def arriving(done: SimpleQueue[T | None], stop: Callable[[], bool]) -> Iterator[list[T]]:
    """Batches of the items that arrived in a queue, until None arrives or `stop` is true."""
    batch: list[T] = []
    while not stop():
        try:
            item = done.get_nowait() if batch else done.get(timeout=POLL)
        except Empty:
            if batch:
                yield batch
                batch = []
            continue
        if item is None:
            break
        batch.append(item)
    if batch:
        yield batch


def raise_first(outcomes: Sequence[T | Exception]) -> list[T]:
    """The outcomes. Raises the first exception among them."""
    out: list[T] = []
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome
        out.append(outcome)
    return out


def wait(work: Coroutine[Any, Any, T], stop: Stop = never) -> T:
    """The result of this coroutine on the loop of calls; Ctrl-C cancels it, `stop` raises Interrupted."""
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
    """A call whose last try failed.

    status      HTTP status; None where no reply came
    temporary   whether another try may succeed
    unsent      whether the server refused the request or never received it, and it costs nothing
    """

    def __init__(self, model: str, failure: BaseException, *, temporary: bool = False) -> None:
        causes = list(_causes(failure))
        self.status = status(failure)
        self.temporary = temporary
        self.unsent = _unsent(failure)
        own = next((one for one in causes if isinstance(one, HominesError)), None)
        last = own or causes[0]
        message = getattr(last, "provider_message", None) or str(last) or type(last).__name__
        text = redact(f"{model}: {message}")  # before the cut: `redact` cannot find half a key
        super().__init__(text[:LONGEST_MESSAGE])

    def remedy(self, variable: str = "..._BASE_URL") -> str:
        """What may help. variable: the environment variable that holds the server's address."""
        if self.status in (401, 403):
            return (
                "the key was refused: set the provider's key in the environment, as its page of docs has it"
            )
        if self.status == 404:
            return f"is the model's name right, and the address ({variable})?"
        if self.status is None:
            return f"does the server run, and is its address ({variable}) right?"
        return "the provider refuses even a short question; see what it says"


def _causes(failure: BaseException | None) -> Iterator[BaseException]:
    """A failure and its causes; for a RetryError of tenacity, the failure of its last try."""
    while failure is not None:
        last: Any = getattr(failure, "last_attempt", None)  # inspect-ai uses tenacity
        one: BaseException = (last.exception() if last is not None else None) or failure
        yield one
        failure = one.__cause__


def status(failure: BaseException | None) -> int | None:
    """HTTP status of a failure or of its causes."""
    for one in _causes(failure):
        for name in ("status_code", "code"):
            if isinstance(status := getattr(one, name, None), int):
                return status
    return None


def _unsent(failure: BaseException) -> bool:
    """Whether the server refused the request or never received it, and it costs nothing. After a reply that
    cannot be read (200) or a gateway's error (5xx), the provider may have made an answer."""
    code = status(failure)
    refused = code is not None and 400 <= code < 500
    return refused or any(type(one).__name__ in UNSENT for one in _causes(failure))


def _temporary(failure: BaseException) -> bool:
    """Whether a failure may be temporary: one that inspect-ai would retry, or a reply that is not in the
    provider's form (no JSON, or other JSON)."""
    from tenacity import RetryError

    if any(isinstance(one, HominesError) for one in _causes(failure)):
        return False
    garbled = isinstance(failure, ValueError | TypeError | AttributeError | KeyError)
    return isinstance(failure, RetryError) or garbled or type(failure).__name__ in GARBLED


def _pause(model: Any, failure: BaseException, attempt: int) -> float:
    """Seconds before the next try: those that the server states, else growing ones."""
    last = next(iter(_causes(failure)))
    retry_after = getattr(model.api.should_retry(last), "retry_after", None)
    if isinstance(retry_after, float | int) and retry_after > 0:
        return min(float(retry_after), LONGEST_RETRY_AFTER)
    return growing_pause(attempt)


def growing_pause(attempt: int) -> float:
    """Seconds before the try after this one (0: the first): they double, with jitter, to spread calls that
    failed together."""
    return min(FIRST_PAUSE * 2.0**attempt, LONGEST_PAUSE) * random.uniform(0.5, 1.5)


def connect(name: str) -> Any:
    """inspect-ai's model PROVIDER/NAME. Raises HominesError, before any call, where a package, a provider or
    a key is missing."""
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

        reason = " ".join(Text.from_markup(str(getattr(failure, "message", failure))).plain.split())
        if "not recognized" in reason:
            reason = f"inspect-ai knows no provider {provider!r}; `homines list models` names those it does"
        raise HominesError(f"cannot use {name}: {redact(reason.removeprefix('ERROR: '))}") from None


def _bounded(model: Any) -> Any:
    """The model with our HTTP client, which bounds replies in bytes and retries nothing by itself.

    The packages that are built on OpenAI's take such a client. With others a reply is bounded in time alone
    (`seconds`), and retries of the provider's package are in no budget.
    """
    api = model.api
    if hasattr(api, "http_client") and isinstance(getattr(api, "model_args", None), dict):
        api.http_client = client()
        api.model_args = {**api.model_args, "max_retries": 0}
        api.initialize()
    return model


def chat_messages(turns: Sequence[tuple[str, str]]) -> list[Any]:
    """Turns (role, text) as inspect-ai's messages."""
    from inspect_ai.model import ChatMessageAssistant, ChatMessageSystem, ChatMessageUser

    kinds = {"system": ChatMessageSystem, "user": ChatMessageUser, "assistant": ChatMessageAssistant}
    return [kinds[role](content=text) for role, text in turns]


async def call(
    model: Any, turns: Sequence[tuple[str, str]], config: Any, used: Counter[str] | None = None
) -> Any:
    """The ModelOutput of one call.

    config   inspect-ai's GenerateConfig, with max_tokens; its max_retries (None: 0) counts the repetitions of
             a call whose failure may be temporary
    used     counts calls, input and output tokens

    Raises CallFailed where the last try fails, Impossible where the log-probabilities are no numbers,
    HominesError where the prompt does not fit the context or no answer comes, OverBudget, before each try,
    where the budget (METER) has no room for it.
    """
    size = Size.of([text for _, text in turns], config.max_tokens * (config.num_choices or 1))
    output = await _answered(model, chat_messages(turns), config, size, Counter() if used is None else used)
    if output.empty:
        raise HominesError(f"{model} sent no answer{f': {redact(output.error)}' if output.error else ''}")
    if output.stop_reason == "model_length":
        raise HominesError(
            f"a prompt does not fit the context of {model} ({redact(output.completion)[:200]}); shorten the "
            "frame or choose a model with a longer context"
        )
    return output


async def _answered(model: Any, messages: list[Any], config: Any, size: Size, used: Counter[str]) -> Any:
    """inspect-ai's answer, requested again where a failure may be temporary.

    Every try has room in the budget before it is made, thus inspect-ai itself repeats none. A try that may
    have to be paid for counts at its most.
    """
    retries = config.max_retries or 0
    single = config.model_copy(update={"max_retries": 0})
    for attempt in range(retries + 1):
        hold = await METER.room(size)
        try:
            output = await model.generate(messages, config=single, cache=False)
        except BaseException as failure:
            (METER.free if _unsent(failure) else METER.lose)(hold)
            if not isinstance(failure, Exception) or isinstance(failure, Interrupted):
                raise
            if attempt == retries or not _temporary(failure):
                defect = next((one for one in _causes(failure) if isinstance(one, Impossible)), None)
                raise defect or CallFailed(str(model), failure) from None  # its request may hold a secret
            pause = _pause(model, failure, attempt)
        else:
            METER.add(hold, output.usage, [choice.message.text for choice in output.choices], used)
            return output
        METER.used.update(again=1)
        METER.used["waited"] += round(pause)
        await asyncio.sleep(pause)
    raise AssertionError("the last attempt returns or raises")
