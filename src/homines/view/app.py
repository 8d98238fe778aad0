"""The page of `homines view`: its addresses, what may be served, and to whom.

Nothing is served but pages made here and plain files that lie in the folder; nobody is answered but a browser
on this machine, and nothing is started but by a form of this page. Text from runs is escaped, and the policy
lets no script run but view.js. Files are shut in a sandbox, without this page's rights; of their scripts run
those that homines writes into its reports, known by their hashes, and no others.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from homines import __version__
from homines.core.format import clean, count, number
from homines.core.plugins import names
from homines.core.types import HominesError
from homines.people.session import BATTERY
from homines.reports.page import script_sources
from homines.view.guard import Guard, Refusal, fields, inside
from homines.view.live import live
from homines.view.playing import Sittings
from homines.view.runs import RUNNING, STATES, Entry, Index

SHOWN = 100
"""Runs on one page of the list."""
SHUT = (
    "sandbox allow-scripts; default-src 'none'; script-src {}; style-src 'unsafe-inline'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""For files of the folder: no origin, and no script but the sources that stand in the place of {}."""
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
    root = root.resolve()
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
            return trouble(f"There is no run {path[:80]!r} in {root}.", 404)
        held = live(root / path) if entry.kind != "study" else None
        below = [e for e in index.entries() if e.path.startswith(f"{path}/")] if entry.kind == "study" else []
        return page("run.html", entry=entry, live=held, below=below, follow=entry.state == RUNNING)

    def send_file(request: Request) -> Response:
        path = inside(root, request.path_params["path"])
        media = TYPES.get(path.suffix.lower()) if path is not None and path.is_file() else None
        if path is None or media is None:
            return trouble("There is no such file in this folder.", 404)
        told = {"Content-Security-Policy": SHUT.format(" ".join(script_sources()))}
        return FileResponse(path, media_type=media, headers=told)

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

    def refused(request: Request, failure: Exception) -> Response:
        assert isinstance(failure, HTTPException | Refusal)
        if isinstance(failure, Refusal):
            return trouble(f"This was not taken: {failure}.", failure.status)
        return trouble(SAID.get(failure.status_code, "This cannot be answered."), failure.status_code)

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
        middleware=[Middleware(Guard)],
        exception_handlers={HTTPException: refused, Refusal: refused},
    )
    app.state.sittings = sittings
    return app


SAID = {404: "There is no such page.", 405: "This page is looked at, and its forms are sent; no more."}
GONE = "This sitting is not open here any more. Where it was saved, its run has a button to go on."


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
    place = files("homines.reports") / "templates" if name == "page.css" else files("homines.view")
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
