"""Replies of servers: bounded in bytes before and after decompression, without redirects.

Providers' packages that are built on OpenAI's take our client (`client`). It refuses log-probabilities that
are no JSON numbers, since these packages convert text and `true` to numbers.
"""

from __future__ import annotations

import json
import zlib
from typing import Any

from homines.core.types import HominesError
from homines.inference import impossible

MOST = 16 << 20
"""Bytes of a reply, at most; answers with log-probabilities have about a hundredth of it."""
ZIPPED = ("gzip", "x-gzip", "deflate")
PLAIN = ("", "identity")
OF_THE_WAY = ("content-encoding", "content-length", "transfer-encoding")
"""Headers that describe the transfer of a body, not its content."""
EITHER = zlib.MAX_WBITS | 32
"""zlib's window bits by which it detects gzip or deflate."""


class Unacceptable(HominesError):  # noqa: N818
    """A reply that is refused, and that would be the same after a retry."""


class TooLarge(Unacceptable):
    """A reply with more bytes than any answer."""


class Redirected(Unacceptable):
    """A redirect to another address, to which the user did not mean to send keys and questions."""


async def fetch(reply: Any, most: int = MOST) -> Any:
    """The reply with its body, of an asynchronous reply of httpx or httpx2 that has its headers alone.

    Raises TooLarge for a body of more than `most` bytes, before or after decompression, Redirected for a
    redirect, Unacceptable for a compression that was not requested.
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
    fields = [(name, value) for name, value in reply.headers.multi_items() if name.lower() not in OF_THE_WAY]
    return type(reply)(reply.status_code, headers=fields, content=body, request=reply.request)


async def _body(reply: Any, most: int) -> bytes:
    encoding = reply.headers.get("content-encoding", "").strip().lower()
    if encoding not in (*ZIPPED, *PLAIN):
        raise Unacceptable(f"the server compresses its reply as {encoding!r}; gzip alone was asked for")
    unzip = zlib.decompressobj(EITHER) if encoding in ZIPPED else None
    body = bytearray()
    length = 0
    async for chunk in reply.aiter_raw():
        length += len(chunk)
        try:
            body += chunk if unzip is None else unzip.decompress(chunk, most + 1 - len(body))
        except zlib.error as failure:
            raise ValueError(f"a reply that cannot be decompressed ({failure})") from None
        if length > most or len(body) > most:
            raise TooLarge(f"a reply of more than {most:,} bytes, which no answer has; it was not read on")
    return bytes(body)


def client() -> Any:
    """An HTTP client for OpenAI's package and those built on it."""
    from openai import DefaultAsyncHttpxClient

    class Bounded(DefaultAsyncHttpxClient):  # type: ignore[misc, valid-type]
        async def send(self, request: Any, *, stream: bool = False, **more: Any) -> Any:
            request.headers["Accept-Encoding"] = "gzip"
            head = await super().send(request, **{**more, "stream": True, "follow_redirects": False})
            return _sound(await fetch(head), _asks(request))

    return Bounded(timeout=None)


def _asks(request: Any) -> bool:
    """Whether a request is for log-probabilities."""
    try:
        body = json.loads(request.content)
    except ValueError:
        return False
    return isinstance(body, dict) and bool(body.get("logprobs"))


def _sound(reply: Any, asks: bool) -> Any:
    """The reply, without a usage that has no counts and without log-probabilities that were not requested
    (some servers fill them with nulls). Raises Impossible where a requested one is no number."""
    if reply.status_code >= 300:
        return reply
    try:
        body = json.loads(reply.content)
    except ValueError:
        return reply
    if asks:
        impossible.check_reply(body)
    if not isinstance(body, dict) or "choices" not in body:
        return reply
    fields = {name: value for name, value in body.items() if name != "usage" or _counts(value)}
    if not asks and isinstance(body["choices"], list):
        fields["choices"] = [_answer_alone(choice) for choice in body["choices"]]
    if fields == body:
        return reply
    headers = [
        (name, value) for name, value in reply.headers.multi_items() if name.lower() != "content-length"
    ]
    data = json.dumps(fields).encode()
    return type(reply)(reply.status_code, headers=headers, content=data, request=reply.request)


def _answer_alone(choice: Any) -> Any:
    """A completion without its log-probabilities."""
    if not isinstance(choice, dict):
        return choice
    return {name: value for name, value in choice.items() if name != "logprobs"}


def _counts(usage: Any) -> bool:
    """Whether a usage is missing or all its token counts are whole numbers."""
    if usage is None:
        return True
    if not isinstance(usage, dict):
        return False
    return all(
        isinstance(n, int) and not isinstance(n, bool) and n >= 0
        for n in (usage.get(name, 0) for name in ("prompt_tokens", "completion_tokens", "total_tokens"))
    )
