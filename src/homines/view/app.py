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

from jinja2 import Environment
from markupsafe import Markup
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from homines import __version__
from homines.core.format import clean
from homines.core.plugins import names
from homines.core.types import HominesError
from homines.elicitation.survey import BATTERY
from homines.models import kinds
from homines.reports.page import environment, script_sources
from homines.view.guard import Guard, Refusal, fields, inside
from homines.view.live import live
from homines.view.playing import Sittings
from homines.view.runs import RUNNING, STATES, Entry, Index

LISTED = 100
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


class Pages:
    """The pages of a folder, a method an address.

    placement   device and dtype of models that are played against
    """

    def __init__(self, root: Path, **placement: Any) -> None:
        self.root = root.resolve()
        self.index, self.sittings = Index(self.root), Sittings(self.root, **placement)

    def show_list(self, request: Request) -> Response:
        entries = self.index.entries()
        wanted = {name: request.query_params.get(name, "") for name in ("q", "kind", "model", "state")}
        hits = [entry for entry in entries if matches(entry, wanted)]
        first = max(0, whole(request.query_params.get("from")))
        ahead = [(at, urlencode({**wanted, "from": at})) for at in (first - LISTED, first + LISTED)]
        return page(
            "list.html",
            root=str(self.root),
            making=shlex.join(["homines", "measure", "smollm2", "--out", str(self.root / "first")]),
            total=len(entries),
            found=len(hits),
            rows=hits[first : first + LISTED],
            first=first,
            links=[link if 0 <= at < len(hits) or at == first - LISTED >= 0 else "" for at, link in ahead],
            wanted=wanted,
            choices={
                "kind": tally(entries, "kind"),
                "model": tally(entries, "model"),
                "state": {state: n for state in STATES if (n := tally(entries, "state").get(state))},
            },
        )

    def show_run(self, request: Request) -> Response:
        path = request.path_params["path"]
        entry = self.index.entry(path)
        if entry is None:
            return trouble(f"There is no run {path[:80]!r} in {self.root}.", 404)
        if entry.kind == "study":
            below = [e for e in self.index.entries() if e.path.startswith(f"{path}/")]
            return page("run.html", entry=entry, live=None, below=below, follow=entry.state == RUNNING)
        now = live(self.root / path)
        return page("run.html", entry=entry, live=now, below=[], follow=entry.state == RUNNING)

    def send_file(self, request: Request) -> Response:
        path = inside(self.root, request.path_params["path"])
        media = TYPES.get(path.suffix.lower()) if path is not None and path.is_file() else None
        if path is None or media is None:
            return trouble("There is no such file in this folder.", 404)
        headers = {"Content-Security-Policy": SHUT.format(" ".join(script_sources()))}
        return FileResponse(path, media_type=media, headers=headers)

    def show_form(self, request: Request) -> Response:
        return self._form(dict(request.query_params), "")

    def _form(self, form: Mapping[str, str], why: str) -> Response:
        values = {name: form.get(name, "") for name in SETTINGS}
        return page(
            "play.html", 400 if why else 200, given=values, why=why, open=self.sittings.open(), **offers()
        )

    async def post_begin(self, request: Request) -> Response:
        return await run_in_threadpool(self._begin, await fields(request))

    def _begin(self, form: Mapping[str, str]) -> Response:
        try:
            return RedirectResponse(f"/play/{self.sittings.begin(form)}", 303)
        except HominesError as failure:
            return self._form(form, str(failure))

    def show_turn(self, request: Request) -> Response:
        view = self.sittings.view(request.path_params["id"])
        return trouble(NOT_OPEN, 404) if view is None else page("sitting.html", **view)

    async def post_answer(self, request: Request) -> Response:
        return await run_in_threadpool(self._answer, request.path_params["id"], await fields(request))

    def _answer(self, name: str, form: Mapping[str, str]) -> Response:
        view = self.sittings.answer(name, form)
        if view is None:
            return trouble(NOT_OPEN, 404)
        return page("sitting.html", 400, **view) if view["why"] else RedirectResponse(f"/play/{name}", 303)


def send_own(request: Request) -> Response:
    """A style sheet or script of these pages."""
    name = request.path_params["name"]
    if name not in OWN:
        return trouble("There is no such page.", 404)
    return Response(asset(name), media_type=OWN[name])


def refuse(request: Request, failure: Exception) -> Response:
    """The page that says why a request is not answered."""
    assert isinstance(failure, HTTPException | Refusal)
    if isinstance(failure, Refusal):
        return trouble(f"This was not taken: {failure}.", failure.status)
    return trouble(REASONS.get(failure.status_code, "This cannot be answered."), failure.status_code)


def application(root: Path, **placement: Any) -> Starlette:
    """The pages of a folder as an application. placement: device, dtype of models that are played against."""
    pages = Pages(root, **placement)
    app = Starlette(
        routes=[
            Route("/", pages.show_list),
            Route("/run/{path:path}", pages.show_run),
            Route("/file/{path:path}", pages.send_file),
            Route("/own/{name}", send_own),
            Route("/play", pages.show_form),
            Route("/play", pages.post_begin, methods=["POST"]),
            Route("/play/{id}", pages.show_turn),
            Route("/play/{id}", pages.post_answer, methods=["POST"]),
        ],
        middleware=[Middleware(Guard)],
        exception_handlers={HTTPException: refuse, Refusal: refuse},
    )
    app.state.sittings = pages.sittings
    return app


REASONS = {404: "There is no such page.", 405: "This page is looked at, and its forms are sent; no more."}
NOT_OPEN = "This sitting is not open here any more. Where it was saved, its run has a button to go on."


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
    rivals = [*names("opponents"), *kinds()]
    games = [BATTERY, *names("games")]
    return {"games": games, "rivals": rivals, "frames": names("frames")}


def cut(text: str) -> Markup:
    """A name as a row shows it; one that is cut has the whole in its title."""
    whole = clean(text)
    if len(whole) <= LONGEST:
        return Markup("<bdi>{}</bdi>").format(whole)
    short = f"{whole[: LONGEST // 3]}…{whole[LONGEST // 3 + 1 - LONGEST :]}"
    return Markup('<bdi title="{}">{}</bdi>').format(whole, short)


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
    def plain(value: Any) -> Any:
        return clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    return environment(asset, plain, cut=cut, address=lambda path: quote(path))
