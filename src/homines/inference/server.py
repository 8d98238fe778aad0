"""HTTP calls of a model's server: bounded replies, retries, an end by time or `stop`; no keys in errors."""

from __future__ import annotations

import asyncio
import json
from typing import Any, TypeVar

from homines.core.progress import Stop, never
from homines.core.redaction import redact
from homines.core.types import HominesError
from homines.inference.api_calls import CallFailed, wait
from homines.inference.http import MOST, Unacceptable, fetch
from homines.inference.impossible import Impossible, Kind

T = TypeVar("T")

TRIES = 3
"""Tries of a call whose failure may be temporary: TEMPORARY, a broken connection, a reply that is no JSON."""
TEMPORARY = (408, 409, 429, 500, 502, 503, 504)
SECONDS = 600.0
"""Seconds of one try, at most: a batch may wait for others on its server."""


class Server:
    """HTTP calls of one server. Each ends after SECONDS, or where `stop` is true.

    variable   the environment variable that holds the address; software: of the server. Both for errors
    """

    def __init__(self, address: str, key: str | None, variable: str, software: str) -> None:
        import httpx

        self.address = address
        self.variable = variable
        self.software = software
        self.stop: Stop = never
        try:
            url = httpx.URL(address)
        except httpx.InvalidURL as failure:
            raise HominesError(
                f"{variable} {redact(address)!r} is no address ({failure}); write http://HOST:PORT"
            ) from None
        headers = {"Accept-Encoding": "gzip"}
        if key:  # a user name in the address would replace the header
            headers["Authorization"] = f"Bearer {key}"
            url = url.copy_with(userinfo=b"")
        self.http = httpx.AsyncClient(
            base_url=url.copy_with(path=url.path.rstrip("/").removesuffix("/v1"), query=None, fragment=None),
            params=url.params,
            headers=headers,
            timeout=None,
        )

    def get(self, path: str) -> Any:
        return self._send("GET", path)

    def post(self, path: str, body: dict[str, Any], most: int = MOST) -> Any:
        """The reply to this body. most: its bytes, at most."""
        return self._send("POST", path, most, json=body)

    def field(self, path: str, body: dict[str, Any], name: str, kind: type[T]) -> T:
        """A field of the reply to this body. Raises HominesError where the reply has none of this type."""
        reply = self.post(path, body)
        if not isinstance(reply, dict) or not isinstance(reply.get(name), kind):
            raise self.foreign(f"its reply to {path} has no {name}")
        return reply[name]

    def foreign(self, why: str) -> HominesError:
        """That the server is of other software."""
        return HominesError(
            f"what answers at {redact(self.address)} is no server of {self.software} ({why}); set "
            f"{self.variable} to one"
        )

    def close(self) -> None:
        """Close its connections."""
        wait(self.http.aclose())

    def _send(self, method: str, path: str, most: int = MOST, **more: Any) -> Any:
        """JSON of a reply. Raises CallFailed where the last try fails, Interrupted where `stop` is true."""
        for attempt in range(TRIES):
            try:
                return wait(self.call(method, path, most, **more), self.stop)
            except CallFailed as failure:
                if not failure.temporary or attempt + 1 == TRIES:
                    raise
            wait(asyncio.sleep(2.0**attempt), self.stop)
        raise AssertionError("the last attempt returns or raises")

    async def call(self, method: str, path: str, most: int = MOST, **more: Any) -> Any:
        """JSON of the reply to one try. Raises CallFailed, which says whether another try may succeed."""
        import httpx

        try:
            reply = await self._reply(method, path, most, **more)
            if reply.is_success:
                return json.loads(reply.content, object_pairs_hook=_once)
        except TimeoutError:
            raise CallFailed(
                self.address, TimeoutError(f"no whole reply came within {SECONDS:g} s")
            ) from None
        except Unacceptable as failure:
            raise CallFailed(self.address, failure) from None
        except Impossible:
            raise
        except (httpx.HTTPError, ValueError, RecursionError) as failure:
            raise CallFailed(self.address, failure, temporary=True) from None
        refusal = Refused(reply.text.strip(), reply.status_code)
        raise CallFailed(self.address, refusal, temporary=reply.status_code in TEMPORARY)

    async def _reply(self, method: str, path: str, most: int, **more: Any) -> Any:
        request = self.http.build_request(method, path, **more)
        async with asyncio.timeout(SECONDS):
            return await fetch(await self.http.send(request, stream=True, follow_redirects=False), most)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object from its pairs. Raises Impossible where a name occurs twice with two values: neither of
    two log-probabilities of a token is the right one."""
    fields: dict[str, Any] = {}
    for name, value in pairs:
        if name in fields and fields[name] != value:
            raise Impossible(Kind.TWICE, name)
        fields[name] = value
    return fields


class Refused(Exception):  # noqa: N818
    """A reply with a status of failure, and its text."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(f"{status}: {text}")
        self.status_code = status
