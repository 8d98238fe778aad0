"""`homines serve` as an application: its addresses, its bounds, one pass of the model at a time.

    POST /v1/decisions    OpenAI's shape
    POST /v1/systemone    the shape of System One
    GET  /v1/models       the one model, as OpenAI lists models
    GET  /health          that the server runs; without a key

A refusal is JSON, {"error": {"message", "type", "code"}}, whose sentence names the value, the rule and the
remedy. Who may ask is in gate.py.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from homines.core.capabilities import CountsTokens
from homines.core.redaction import redact
from homines.core.types import HominesError, Model
from homines.serving.gate import Gate, refusal_reply
from homines.serving.reading import Reading, prompts, read
from homines.serving.reply import decisions_reply, systemone_reply
from homines.serving.request import (
    MOST_BYTES,
    DecisionRequest,
    read_decisions,
    read_object,
    read_systemone,
)
from homines.view.guard import Refusal

MOST_WAITING = 16
"""Requests that wait or are answered at once, at most."""
SECONDS = 30.0
"""Seconds in which a body must arrive."""
JSON = "application/json"

Parse = Callable[[Mapping[str, Any]], DecisionRequest]
Write = Callable[[DecisionRequest, list[Reading], Mapping[str, Any], int], dict[str, Any]]


class Serving:
    """A model and its queue.

    identity       what every reply says of the model: model, revision, version, certificate
    most_waiting   requests that wait or are answered at once, at most
    """

    def __init__(
        self, model: Model, identity: Mapping[str, Any], *, most_waiting: int = MOST_WAITING
    ) -> None:
        self.model = model
        self.identity = identity
        self.most_waiting = most_waiting
        self.waiting = 0
        self.turn = asyncio.Lock()

    async def post_decisions(self, request: Request) -> Response:
        return await self._answer(request, read_decisions, decisions_reply)

    async def post_systemone(self, request: Request) -> Response:
        return await self._answer(request, read_systemone, systemone_reply)

    async def list_models(self, request: Request) -> Response:
        entry = {"id": self.identity["model"], "object": "model", "created": 0, "owned_by": "homines"}
        return JSONResponse({"object": "list", "data": [entry], "homines": dict(self.identity)})

    async def say_health(self, request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def _answer(self, request: Request, parse: Parse, write: Write) -> Response:
        asked = parse(read_object(await _body(request)))
        self._check_model(asked.model)
        if self.waiting >= self.most_waiting:
            raise Refusal(
                503,
                f"{self.waiting} requests wait here, at most {self.most_waiting} may; ask again in a second",
            )
        self.waiting += 1
        try:
            async with self.turn:
                if await request.is_disconnected():
                    return Response(status_code=499)  # nobody reads it
                readings, tokens = await run_in_threadpool(self._read, asked)
        finally:
            self.waiting -= 1
        return JSONResponse(write(asked, readings, self.identity, tokens))

    def _read(self, asked: DecisionRequest) -> tuple[list[Reading], int]:
        """The readings, and how many tokens were read; 0 where the model does not count."""
        try:
            readings = read(self.model, asked)
            once = {p.key: p for group in prompts(asked) for p in group}
            counting: object = self.model
            tokens = counting.tokens(list(once.values())) if isinstance(counting, CountsTokens) else 0
            return readings, tokens
        except Refusal:
            raise
        except HominesError as failure:
            raise Refusal(400, redact(str(failure))) from None
        except Exception as failure:
            print(f"homines: {redact(f'{type(failure).__name__}: {failure}')}", file=sys.stderr)
            raise Refusal(500, "the model failed at these questions; the server's own log says how") from None

    def _check_model(self, name: str | None) -> None:
        own = self.identity["model"]
        if name not in (None, own):
            raise Refusal(
                404, f"there is no model {name[:200]!r} here; this server has {own!r}, name that one"
            )


async def _body(request: Request) -> bytes:
    """The body of a request. Raises Refusal for another kind of content, a large body, one that breaks off or
    does not arrive."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != JSON:
        raise Refusal(415, f"the body is of type {kind[:80] or 'none'!r}; send it as {JSON}")
    body = b""
    try:
        async with asyncio.timeout(SECONDS):
            async for part in request.stream():
                body += part
                if len(body) > MOST_BYTES:
                    raise Refusal(413, f"the body has more than {MOST_BYTES:,} bytes; send less at once")
    except ClientDisconnect:
        raise Refusal(400, "the body broke off; send it again") from None
    except TimeoutError:
        raise Refusal(408, f"the body did not arrive within {SECONDS:g} s; send it at once") from None
    return body


def refuse(request: Request, failure: Exception) -> Response:
    """The JSON that says why a request is not answered."""
    if isinstance(failure, Refusal):
        return refusal_reply(failure)
    assert isinstance(failure, HTTPException)
    return refusal_reply(Refusal(failure.status_code, f"{failure.detail}; there are {ADDRESSES}"))


ADDRESSES = "POST /v1/decisions, POST /v1/systemone, GET /v1/models and GET /health"


def application(
    model: Model,
    identity: Mapping[str, Any],
    *,
    key: str | None = None,
    loopback: bool = True,
    most_waiting: int = MOST_WAITING,
) -> Starlette:
    """The server of a model as an application.

    key        that requests must have; None: none
    loopback   whether it is bound to this machine alone, and answers under its names alone
    """
    serving = Serving(model, identity, most_waiting=most_waiting)
    app = Starlette(
        routes=[
            Route("/v1/decisions", serving.post_decisions, methods=["POST"]),
            Route("/v1/systemone", serving.post_systemone, methods=["POST"]),
            Route("/v1/models", serving.list_models),
            Route("/health", serving.say_health),
        ],
        middleware=[Middleware(Gate, key=key, loopback=loopback)],
        exception_handlers={HTTPException: refuse, Refusal: refuse},
    )
    app.state.serving = serving
    return app
