"""Checks of every request to the local page: who may ask, and which files may be read.

A refusal is a status of 4xx and one sentence. Nothing behind a link is served or read.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, unquote_to_bytes

from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from homines.core import paths
from homines.core.types import HominesError

HOST = re.compile(r"(127\.0\.0\.1|localhost)(:\d{1,5})?")
"""Names under which this machine is asked; any other was made by a stranger to lead here."""
LONGEST_ADDRESS = 8192
LARGEST_FORM = 20_000
MOST_FIELDS = 50
FORM = "application/x-www-form-urlencoded"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
IN_PARTS = (b"range", b"if-range")
"""Headers that ask for a part of a file; all files are sent whole."""
READ = ("config.json", "provenance.json", "asked.json", "training.json", "sideeffects.json", ".lock")
"""Files of a run folder that its page reads or holds, beside its lines (*.jsonl)."""

_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")


class Refusal(HominesError):  # noqa: N818
    """A request that is not answered. status: of HTTP."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class Guard:
    """Sets headers on every answer; refuses strangers' requests, and those that no browser sends."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def headed(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name.lower() for name, _ in message["headers"]}
                added = {"Content-Security-Policy": POLICY, **HEADERS}
                more = [(k.lower().encode(), v.encode()) for k, v in added.items()]
                message["headers"] = [*message["headers"], *(pair for pair in more if pair[0] not in present)]
            await send(message)

        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = [(name, value) for name, value in scope["headers"] if name not in IN_PARTS]
        scope = {**scope, "headers": headers}
        try:
            check(Request(scope))
        except Refusal as refusal:
            refused = PlainTextResponse(f"homines: {refusal}", refusal.status)
            await refused(scope, receive, headed)
            return
        await self.app(scope, receive, headed)


def check(request: Request) -> None:
    """Raises Refusal for a request from another site, under another name, or with no readable address."""
    if not HOST.fullmatch(request.headers.get("host", "")):
        raise Refusal(400, "this page is at 127.0.0.1 and localhost alone; open the address that was printed")
    raw, query = request.scope.get("raw_path") or b"", request.scope["query_string"]
    if len(raw) + len(query) > LONGEST_ADDRESS:
        raise Refusal(414, f"the address is longer than {LONGEST_ADDRESS} characters; shorten it")
    if _ESCAPE.search(raw):
        raise Refusal(400, "the address has a % without two hexadecimal digits after it; write %25 for it")
    pairs(query)
    if request.method == "POST" and not own(request):
        raise Refusal(403, "only forms of this page are taken; fill in its own")


def own(request: Request) -> bool:
    """Whether a form was sent from a page of this server; a sender that does not say is refused."""
    origin = request.headers.get("origin")
    return origin is not None and origin == f"http://{request.headers.get('host')}"


def pairs(raw: bytes) -> dict[str, str]:
    """The fields of a query or a form, the first of each name. Raises Refusal for more than MOST_FIELDS, for
    a % that escapes nothing, for what is no UTF-8 and for NUL."""
    if _ESCAPE.search(raw):
        raise Refusal(400, "a field has a % without two hexadecimal digits after it; write %25 for it")
    if raw.count(b"&") >= MOST_FIELDS:
        raise Refusal(400, f"there are more than {MOST_FIELDS} fields; leave some out")
    if b"\0" in unquote_to_bytes(raw):
        raise Refusal(400, "a field holds a NUL character; leave it out")
    try:
        read = parse_qs(raw.decode(), keep_blank_values=True, errors="strict")
    except ValueError:
        raise Refusal(400, "a field is no UTF-8; write it so") from None
    return {name: values[0] for name, values in read.items()}


async def fields(request: Request) -> dict[str, str]:
    """A small form's fields. Raises Refusal for a large one, another kind of body, and where `pairs` does."""
    if request.headers.get("content-type", FORM).partition(";")[0].strip().lower() != FORM:
        raise Refusal(415, f"a form is sent as {FORM}; send it so")
    body = b""
    try:
        async for part in request.stream():
            body += part
            if len(body) > LARGEST_FORM:
                raise Refusal(413, f"the form is larger than {LARGEST_FORM} bytes; shorten it")
    except ClientDisconnect:
        raise Refusal(400, "the form broke off; send it again") from None
    return pairs(body)


# --- what lies in a folder -----------------------------------------------------------------------


def inside(root: Path, path: str) -> Path | None:
    """The file or folder at this path of a folder; None where there is none, a part is hidden, or a link
    is on the way."""
    hidden = any(part.startswith(".") for part in path.split("/"))
    try:
        place = paths.inside(root, path)
        return place if place.exists() and not hidden else None
    except (paths.PathError, OSError):
        return None  # a link, a name that no file has, one that is too long


def strange(folder: Path) -> list[str]:
    """Names in a run's folder that its page would read and that are no plain files: links, pipes."""
    with os.scandir(folder) as items:
        return sorted(
            item.name
            for item in items
            if (item.name in READ or item.name.endswith(".jsonl")) and not item.is_file(follow_symlinks=False)
        )


class Unreadable(HominesError):  # noqa: N818
    """A run folder that is no run's, or not a whole one's."""


@contextmanager
def reading(folder: Path) -> Iterator[None]:
    """A context for reading a stranger's run folder, in which every failure is one error.

    Raises Unreadable for links and pipes in it, for values of other kinds than a run has, for nesting without
    end.
    """
    if odd := strange(folder):
        raise Unreadable(f"{odd[0]} is no plain file here, and is not followed; put the file itself there")
    try:
        yield
    except HominesError:
        raise
    except (OSError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError) as failure:
        raise Unreadable(f"its files hold what no run writes ({failure!r:.200}); restore them") from failure
    except RecursionError as failure:
        raise Unreadable("its files are nested too deeply for a run's; restore them") from failure
