"""The page of `homines view`: its addresses, what may be served, and to whom.

Nothing is served but pages made here and plain files that lie in the folder; nobody is answered but a browser
on this machine, and nothing is started but by a form of this page. Text from runs is escaped, and the policy
lets no script run but view.js; reports bring scripts of their own, and are shut in a sandbox.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlencode

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from homines import __version__
from homines.core import HominesError
from homines.evidence import clean, count, number
from homines.lookup import names
from homines.sitting import BATTERY
from homines.view.live import live
from homines.view.playing import Sittings
from homines.view.runs import RUNNING, STATES, Entry, Index

HOSTS = ["127.0.0.1", "localhost"]
SHOWN = 100
"""Runs on one page of the list."""
LARGEST_FORM = 20_000
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SHUT = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""For reports: their own policy names their scripts; this one takes their origin from them."""
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".csv": "text/plain; charset=utf-8",
    ".tex": "text/plain; charset=utf-8",
    ".json": "text/plain; charset=utf-8",
    ".jsonl": "text/plain; charset=utf-8",
    ".md": "text/plain; charset=utf-8",
}
"""Files that are served, by their ending; no others are."""
SETTINGS = ("games", "against", "frame", "labels", "seat", "rounds", "seed", "name", "save")
LONGEST = 38
"""Characters of a name in a row; a longer one is cut in its middle, as both ends tell most."""
OWN = {"page.css": "text/css", "view.css": "text/css", "view.js": "text/javascript"}


def application(root: Path, **kind: Any) -> Starlette:
    """The pages of a folder. kind: device, dtype of models that are played against."""
    index, sittings = Index(root), Sittings(root, **kind)

    def show_list(request: Request) -> Response:
        entries = index.entries()
        wanted = {name: request.query_params.get(name, "") for name in ("q", "kind", "model", "state")}
        found = [entry for entry in entries if matches(entry, wanted)]
        first = max(0, whole(request.query_params.get("from")))
        ahead = [(at, urlencode({**wanted, "from": at})) for at in (first - SHOWN, first + SHOWN)]
        return page(
            "list.html",
            root=str(root),
            making=shlex.join(["homines", "measure", "smollm2", "--out", str(root / "first")]),
            total=len(entries),
            found=len(found),
            rows=found[first : first + SHOWN],
            first=first,
            links=[link if 0 <= at < len(found) or at == first - SHOWN >= 0 else "" for at, link in ahead],
            wanted=wanted,
            choices={
                "kind": tally(entries, "kind"),
                "model": tally(entries, "model"),
                "state": {state: n for state in STATES if (n := tally(entries, "state").get(state))},
            },
        )

    def show_run(request: Request) -> Response:
        path = request.path_params["path"]
        entry = index.entry(path)
        if entry is None:
            return trouble(f"There is no run {path!r} in {root}.", 404)
        held = live(root / path) if entry.kind != "study" else None
        below = [e for e in index.entries() if e.path.startswith(f"{path}/")] if entry.kind == "study" else []
        return page("run.html", entry=entry, live=held, below=below, follow=entry.state == RUNNING)

    def send_file(request: Request) -> Response:
        path = inside(root, request.path_params["path"])
        if path is None:
            return trouble("There is no such file in this folder.", 404)
        told = {"Content-Security-Policy": SHUT}
        return FileResponse(path, media_type=TYPES[path.suffix.lower()], headers=told)

    def send_own(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in OWN:
            return trouble("There is no such page.", 404)
        return Response(asset(name), media_type=OWN[name])

    def settings(given: Mapping[str, str], why: str) -> Response:
        held = {name: given.get(name, "") for name in SETTINGS}
        return page("play.html", 400 if why else 200, given=held, why=why, open=sittings.open(), **offers())

    def show_form(request: Request) -> Response:
        return settings(dict(request.query_params), "")

    def begin(form: Mapping[str, str]) -> Response:
        try:
            return RedirectResponse(f"/play/{sittings.begin(form)}", 303)
        except HominesError as failure:
            return settings(form, str(failure))

    def show_turn(request: Request) -> Response:
        told = sittings.told(request.path_params["id"])
        return trouble(GONE, 404) if told is None else page("sitting.html", **told)

    def answer(name: str, form: Mapping[str, str]) -> Response:
        told = sittings.answer(name, form)
        if told is None:
            return trouble(GONE, 404)
        return page("sitting.html", 400, **told) if told["why"] else RedirectResponse(f"/play/{name}", 303)

    async def post_begin(request: Request) -> Response:
        return await run_in_threadpool(begin, await fields(request))

    async def post_answer(request: Request) -> Response:
        return await run_in_threadpool(answer, request.path_params["id"], await fields(request))

    def lost(request: Request, failure: Exception) -> Response:
        return trouble("There is no such page.", 404)

    app = Starlette(
        routes=[
            Route("/", show_list),
            Route("/run/{path:path}", show_run),
            Route("/file/{path:path}", send_file),
            Route("/own/{name}", send_own),
            Route("/play", show_form),
            Route("/play", post_begin, methods=["POST"]),
            Route("/play/{id}", show_turn),
            Route("/play/{id}", post_answer, methods=["POST"]),
        ],
        middleware=[Middleware(Guard), Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS)],
        exception_handlers={404: lost},
    )
    app.state.sittings = sittings
    return app


GONE = "This sitting is not open here any more. Where it was saved, its run has a button to go on."


# --- who is answered, and with what --------------------------------------------------------------


class Guard:
    """Headers on every answer; a form from another site is refused."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def headed(message: Message) -> None:
            if message["type"] == "http.response.start":
                held = {name.lower() for name, _ in message["headers"]}
                added = {"Content-Security-Policy": POLICY, **HEADERS}
                message["headers"] = [
                    *message["headers"],
                    *(
                        (k.lower().encode(), v.encode())
                        for k, v in added.items()
                        if k.lower().encode() not in held
                    ),
                ]
            await send(message)

        if scope["type"] == "http" and scope["method"] == "POST" and not own_form(Request(scope)):
            refused = PlainTextResponse("homines: only forms of this page are taken", 403)
            await refused(scope, receive, headed)
            return
        await self.app(scope, receive, headed)


def own_form(request: Request) -> bool:
    """Whether a form was sent from a page of this server; a sender that does not say is refused."""
    origin = request.headers.get("origin")
    return origin is not None and origin == f"http://{request.headers.get('host')}"


def inside(root: Path, path: str) -> Path | None:
    """A file of a kind that is served, where it lies in the folder after every link is followed; or None."""
    if "\0" in path:
        return None
    try:
        found = (root / path).resolve(strict=True)
    except (OSError, RuntimeError, ValueError):
        return None
    parts = Path(path).parts
    hidden = any(part.startswith(".") for part in parts)
    served = found.is_file() and found.suffix.lower() in TYPES and found.is_relative_to(root.resolve())
    return found if served and not hidden else None


async def fields(request: Request) -> dict[str, str]:
    """A small form's fields, the first of each name."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_FORM:
            return {}
    read = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=50)
    return {name: values[0] for name, values in read.items()}


# --- the pages -----------------------------------------------------------------------------------


def matches(entry: Entry, wanted: Mapping[str, str]) -> bool:
    """Whether a run has every word of the search and each value that was chosen."""
    chosen = all(
        not wanted[name] or getattr(entry, name) == wanted[name] for name in ("kind", "model", "state")
    )
    return chosen and all(word in entry.text for word in wanted["q"].casefold().split())


def tally(entries: list[Entry], name: str) -> dict[str, int]:
    """How many runs have each value, by value."""
    values = [getattr(entry, name) for entry in entries]
    return {value: values.count(value) for value in sorted(filter(None, set(values)))}


def whole(text: str | None) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 9 else 0


def offers() -> dict[str, Any]:
    """What the form to play offers."""
    rivals = [*names("opponents"), *names("models")]
    games = [BATTERY, *names("games")]
    return {"games": games, "rivals": rivals, "frames": names("frames")}


def cut(text: str) -> Markup:
    """A name as a row shows it; one that is cut has the whole in its title."""
    whole = clean(text)
    if len(whole) <= LONGEST:
        return Markup("<bdi>{}</bdi>").format(whole)
    shown = f"{whole[: LONGEST // 3]}…{whole[LONGEST // 3 + 1 - LONGEST :]}"
    return Markup('<bdi title="{}">{}</bdi>').format(whole, shown)


def page(name: str, status: int = 200, **values: Any) -> HTMLResponse:
    text = _templates().get_template(name).render(version=__version__, **values)
    return HTMLResponse(text, status)


def trouble(why: str, status: int) -> HTMLResponse:
    return page("trouble.html", status, why=why)


def asset(name: str) -> str:
    place = files("homines") if name == "page.css" else files("homines.view")
    return place.joinpath(name).read_text(encoding="utf-8").replace("\r", "")


@cache
def _templates() -> Environment:
    env = Environment(
        loader=FunctionLoader(asset),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda x: clean(x) if isinstance(x, str) and not isinstance(x, Markup) else x,
    )
    env.filters |= {"num": number, "count": count, "cut": cut, "address": lambda path: quote(path)}
    return env
