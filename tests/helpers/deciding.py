"""A server of decisions in this process: `homines serve` without a socket; one whose replies are spoilt."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx

from homines.inference.server import Server
from homines.models.decisions import VARIABLE, DecisionOptions, Decisions

HERE = "http://127.0.0.1"
Spoil = Callable[[dict[str, Any]], Any]


class Spoilt:
    """An application whose JSON replies to questions are changed by `spoil` before they go out.

    status   of the reply; calls: bodies that came
    """

    def __init__(self, app: Any, spoil: Spoil, statuses: list[int] | None = None) -> None:
        self.app = app
        self.spoil = spoil
        self.statuses = statuses or []
        self.calls = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.calls += 1
        if self.statuses:
            status = self.statuses.pop(0)
            await send({"type": "http.response.start", "status": status, "headers": []})
            await send({"type": "http.response.body", "body": b"busy"})
            return
        parts: list[bytes] = []

        async def hold(message: Any) -> None:
            if message["type"] == "http.response.body":
                parts.append(message.get("body", b""))

        await self.app(scope, receive, hold)
        told = self.spoil(json.loads(b"".join(parts)))
        body = told if isinstance(told, bytes) else json.dumps(told).encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})


def decisions(app: Any, served: str, key: str | None = None, **options: Any) -> Decisions:
    """The back-end of an application in this process."""
    server = Server(HERE, key, VARIABLE, "decisions")
    headers = dict(server.http.headers)
    server.http = httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app, raise_app_exceptions=False),
        base_url=HERE,
        headers=headers,
        timeout=None,
    )
    return Decisions(server, served, DecisionOptions(**options), name=f"decisions/{served}")
