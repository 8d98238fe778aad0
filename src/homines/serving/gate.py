"""Who may ask `homines serve`: the key, the names of this machine, no page of a browser.

Checks stand before a byte of the body is read. On loopback without a key the host must be this machine's own
name (a stranger's name that leads here is refused, as on the local page) and no page of another site may ask.
"""

from __future__ import annotations

import hmac

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from homines.core.types import HominesError
from homines.view.guard import HEADERS, HOST, LONGEST_ADDRESS, Refusal

VARIABLE = "HOMINES_SERVE_KEY"
"""The environment variable that holds the key."""
SHORTEST_KEY = 16
OPEN = ("/health",)
"""Addresses that need no key."""
TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error"}


class Gate:
    """Refuses whoever may not ask; sets headers on every answer."""

    def __init__(self, app: ASGIApp, key: str | None, loopback: bool) -> None:
        self.app = app
        self.key = key
        self.loopback = loopback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def headed(message: Message) -> None:
            if message["type"] == "http.response.start":
                more = [(k.lower().encode(), v.encode()) for k, v in HEADERS.items()]
                message["headers"] = [*message["headers"], *more]
            await send(message)

        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            self.check(Request(scope))
        except Refusal as refusal:
            await refusal_reply(refusal)(scope, receive, headed)
            return
        await self.app(scope, receive, headed)

    def check(self, request: Request) -> None:
        """Raises Refusal for a request without the key, from a page of another site, under another name."""
        if len(request.scope.get("raw_path") or b"") + len(request.scope["query_string"]) > LONGEST_ADDRESS:
            raise Refusal(414, f"the address is longer than {LONGEST_ADDRESS} characters; shorten it")
        if self.loopback and not HOST.fullmatch(request.headers.get("host", "")):
            raise Refusal(
                400, "this server is at 127.0.0.1 and localhost alone; use the address that was printed"
            )
        if "origin" in request.headers:
            raise Refusal(403, "a page in a browser may not ask here; ask from a program")
        if self.key is None or request.url.path in OPEN:
            return
        told = request.headers.get("authorization")
        if told is None:
            raise Refusal(401, f"no key was sent; send the server's {VARIABLE} as Authorization: Bearer KEY")
        if not hmac.compare_digest(told.encode(), f"Bearer {self.key}".encode()):
            raise Refusal(
                401, f"another key was sent; send the server's {VARIABLE} as Authorization: Bearer KEY"
            )


def refusal_reply(refusal: Refusal) -> Response:
    """A refusal as JSON, in OpenAI's form of an error."""
    kind = TYPES.get(refusal.status, "invalid_request_error" if refusal.status < 500 else "server_error")
    error = {"message": str(refusal), "type": kind, "param": None, "code": refusal.status}
    later = {"Retry-After": "1"} if refusal.status == 503 else None
    return JSONResponse({"error": error}, refusal.status, headers=later)


def check_key(key: str | None, *, loopback: bool) -> str | None:
    """The key; None for none. Raises HominesError for a short one, and for none where others can reach the
    server."""
    if not key:
        if loopback:
            return None
        raise HominesError(
            f"others can reach a server that is bound elsewhere than to this machine, so it needs a key: set "
            f"{VARIABLE} to {SHORTEST_KEY} characters or more, or leave out --host"
        )
    if len(key) < SHORTEST_KEY or not key.isascii() or not key.isprintable():
        raise HominesError(
            f"{VARIABLE} has {len(key)} characters; a key has at least {SHORTEST_KEY}, printable "
            "ASCII: python -c 'import secrets; print(secrets.token_urlsafe())' makes one"
        )
    return key
