"""Replies of servers, bounded: in bytes before and after decompression; no redirect is followed.

Providers' packages that are OpenAI's take a client of ours (`client`). What their reply holds that is no
number is found here, for they make numbers of text and of true.
"""

from __future__ import annotations

import json
import zlib
from typing import Any

from homines.core.types import HominesError
from homines.inference import impossible

MOST = 16 << 20
"""Bytes of a reply, at most: some hundred times what answers with their log-probabilities take."""
ZIPPED = ("gzip", "x-gzip", "deflate")
PLAIN = ("", "identity")
OF_THE_WAY = ("content-encoding", "content-length", "transfer-encoding")
"""Headers that tell how a body came, not what it is."""
EITHER = zlib.MAX_WBITS | 32
"""Have zlib find out whether gzip or deflate came."""


class Unacceptable(HominesError):  # noqa: N818
    """A reply that is not taken; asked again it would be the same."""


class TooLarge(Unacceptable):
    """A reply of more bytes than answers have."""


class Redirected(Unacceptable):
    """The server points to another address, where keys and questions have not been meant to go."""


async def fetch(reply: Any, most: int = MOST) -> Any:
    """A reply whose head alone has come (of httpx or httpx2, asynchronous), with its body.

    Raises TooLarge where that has more than `most` bytes, before or after decompression, Redirected where it
    points elsewhere, Unacceptable where it is compressed as was not asked for.
    """
    try:
        if 300 <= reply.status_code < 400 and "location" in reply.headers:
            raise Redirected(
                f"the server answers {reply.status_code} and points to {reply.headers['location']!r}, which "
                "is not followed; set the address (..._BASE_URL) to the one that answers"
            )
        body = await _body(reply, most)
    finally:
        await reply.aclose()
    kept = [(name, value) for name, value in reply.headers.multi_items() if name.lower() not in OF_THE_WAY]
    return type(reply)(reply.status_code, headers=kept, content=body, request=reply.request)


async def _body(reply: Any, most: int) -> bytes:
    encoding = reply.headers.get("content-encoding", "").strip().lower()
    if encoding not in (*ZIPPED, *PLAIN):
        raise Unacceptable(f"the server compresses its reply as {encoding!r}; gzip alone was asked for")
    unzip = zlib.decompressobj(EITHER) if encoding in ZIPPED else None
    whole = bytearray()
    came = 0
    async for some in reply.aiter_raw():
        came += len(some)
        try:
            whole += some if unzip is None else unzip.decompress(some, most + 1 - len(whole))
        except zlib.error as failure:
            raise ValueError(f"a reply that cannot be decompressed ({failure})") from None
        if came > most or len(whole) > most:
            raise TooLarge(f"a reply of more than {most:,} bytes, which no answer has; it was not read on")
    return bytes(whole)


def client() -> Any:
    """A client of HTTP for OpenAI's package, and for those that are made of it."""
    from openai import DefaultAsyncHttpxClient

    class Bounded(DefaultAsyncHttpxClient):  # type: ignore[misc, valid-type]
        async def send(self, request: Any, *, stream: bool = False, **more: Any) -> Any:
            request.headers["Accept-Encoding"] = "gzip"
            head = await super().send(request, **{**more, "stream": True, "follow_redirects": False})
            return _sound(await fetch(head), _asks(request))

    return Bounded(timeout=None)


def _asks(request: Any) -> bool:
    """Whether a request asks for log-probabilities."""
    try:
        body = json.loads(request.content)
    except ValueError:
        return False
    return isinstance(body, dict) and bool(body.get("logprobs"))


def _sound(reply: Any, asks: bool) -> Any:
    """The reply; a usage that counts nothing is left out of it, and log-probabilities where none were asked
    for (some servers fill them with nulls). Raises Impossible where one that was asked for is no number."""
    if reply.status_code >= 300:
        return reply
    try:
        told = json.loads(reply.content)
    except ValueError:
        return reply
    if asks:
        impossible.reply(told)
    if not isinstance(told, dict) or "choices" not in told:
        return reply
    kept = {name: value for name, value in told.items() if name != "usage" or _counts(value)}
    if not asks and isinstance(told["choices"], list):
        kept["choices"] = [_answer_alone(choice) for choice in told["choices"]]
    if kept == told:
        return reply
    headers = [
        (name, value) for name, value in reply.headers.multi_items() if name.lower() != "content-length"
    ]
    data = json.dumps(kept).encode()
    return type(reply)(reply.status_code, headers=headers, content=data, request=reply.request)


def _answer_alone(choice: Any) -> Any:
    """A choice without its log-probabilities."""
    if not isinstance(choice, dict):
        return choice
    return {name: value for name, value in choice.items() if name != "logprobs"}


def _counts(usage: Any) -> bool:
    """Whether all tokens of a usage are counts, or there is none."""
    if usage is None:
        return True
    if not isinstance(usage, dict):
        return False
    return all(
        isinstance(n, int) and not isinstance(n, bool) and n >= 0
        for n in (usage.get(name, 0) for name in ("prompt_tokens", "completion_tokens", "total_tokens"))
    )
