"""Sections as one HTML page that needs no network and no other file, with charts and tables as files.

    sections (title, text, rows, chart) -> report.html, figures/NAME.png and .svg, tables/NAME.csv and .tex

The same input gives the same bytes. All text is escaped, and the page's policy lets nothing run but the
two scripts written here, known by their hashes. run_page.py makes the page of one run with the same parts.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup, escape

from homines import __version__
from homines.core.format import LONGEST, clean, count, lines, number
from homines.core.paths import inside, make_folder, write_whole
from homines.core.rates import describe, sample_of
from homines.core.types import HominesError
from homines.reports.tables import MOST_ROWS, Table, scalar

MOST_LINES = 500
FOLDED = 20
"""Most lines of a table that has a chart and is not folded away."""
MOST_SECTIONS = 4
"""Most sections of a page without a table of contents."""
WIDE = 8
"""Most columns of a table that is not set smaller on paper."""
MOST_LABEL = 300


@dataclass(frozen=True)
class Section:
    """One part of a page. All text is plain; `code` between backticks is set as code.

    name   file stem of its figure and tables, of a-z, 0-9 and _
    rows   a table: columns are the keys in order of appearance
    chart  an altair chart; its description is the caption, and what a screen reader says
    note   small print under the table
    """

    name: str
    title: str
    text: tuple[str, ...] = ()
    rows: Sequence[Mapping[str, Any]] = ()
    chart: Any = None
    note: str = ""


def write(
    folder: str | Path,
    *,
    title: str,
    summary: Sequence[str],
    sections: Sequence[Section],
    facts: Mapping[str, Any],
    command: str = "",
    kind: str = "study",
) -> Path:
    """Write folder/report.html, its figures and its tables; the page's path.

    summary   the first paragraphs
    facts     provenance and settings, nested as they are
    command   the command that makes this page again
    kind      the word for this page in its head

    Files of an earlier page are removed where a section has no chart or table now. Raises HominesError for a
    section that cannot be named or drawn, and where the folder cannot be written.
    """
    folder = Path(folder)
    _check(sections)
    specs = {s.name: spec(s.chart, s.title) for s in sections if s.chart is not None}
    tables = {s.name: Table(s.rows) for s in sections if s.rows}
    text = render(
        "study_page.html",
        specs,
        version=__version__,
        first=f"s-{sections[0].name}" if sections else "facts",
        kind=kind,
        title=title,
        summary=list(map(prose, summary)),
        sections=[(s, tables.get(s.name), list(map(prose, s.text)), prose(s.note)) for s in sections],
        contents=len(sections) > MOST_SECTIONS,
        facts=flat(facts) if facts else [],
        command=command,
        most=MOST_ROWS,
        folded=FOLDED,
        wide=WIDE,
    )
    return files_of(folder, text, specs, tables, [s.name for s in sections])


def files_of(
    folder: Path, text: str, specs: Mapping[str, Any], tables: Mapping[str, Table], known: Iterable[str]
) -> Path:
    """Write a page's text, its charts (PNG, SVG) and its tables (CSV, LaTeX); the page's path.

    known   names that an earlier page may have used; files of names without chart or table are removed
    """
    known = list(known)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        images(folder, specs, known, ("png", "svg"))
        place = make_folder(folder, "tables")
        for name in known:
            for kind in ("csv", "tex") if name not in tables else ():
                inside(place, f"{name}.{kind}").unlink(missing_ok=True)
        for name, table in tables.items():
            write_whole(folder, f"tables/{name}.csv", table.csv())
            write_whole(folder, f"tables/{name}.tex", table.tex())
        return write_whole(folder, "report.html", text)


def _check(sections: Sequence[Section]) -> None:
    names = [s.name for s in sections]
    for s in sections:
        if not re.fullmatch(r"[a-z0-9_]+", s.name):
            rule = "a section's name is a file's, of a-z, 0-9 and _"
            raise HominesError(f"section {s.name!r}: {rule}; rename it, its title can be any text")
        if names.count(s.name) > 1:
            raise HominesError(
                f"section {s.name!r} is there {names.count(s.name)} times; its files would overwrite each "
                "other, so give each section a name of its own"
            )
        if s.chart is not None and not hasattr(s.chart, "to_dict"):
            raise HominesError(
                f"section {s.name!r}: its chart is a {type(s.chart).__name__}, not an altair chart; make one "
                "with homines.reports.charts, or leave it None"
            )


def prose(text: str) -> Markup:
    """Plain text as HTML, `code` between backticks as code."""
    parts = re.split(r"`([^`]+)`", clean(text, 10 * LONGEST))
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if i % 2 else escape(part) for i, part in enumerate(parts)
    )


# --- what every page needs -------------------------------------------------------------------------


def render(template: str, specs: Mapping[str, Any], **values: Any) -> str:
    """The text of a template that extends page.html, with the shared style and scripts and their policy.

    specs    charts by name, as `spec` returns them
    values   variables of the template; page.html needs `version` and `first`, the id of its skip link

    """
    style, script = asset("page.css"), asset("page.js")
    hashes = " ".join(script_sources())
    policy = (
        f"default-src 'none'; script-src {hashes}; style-src {_hash(style)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    page = (
        _templates()
        .get_template(template)
        .render(
            policy=policy,
            style=Markup(style),
            library=Markup(_library()),
            script=Markup(script),
            charts=specs,
            specs=Markup(json.dumps(specs).replace("<", "\\u003c")),
            **values,
        )
    )
    return str(page).lstrip()


def spec(chart: Any, otherwise: str = "") -> dict[str, Any]:
    """A chart as plain JSON, its texts made visible and cut. otherwise: its description if it has none."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(inner) for key, inner in value.items() if key != "$schema"}
        if isinstance(value, list):
            return [plain(inner) for inner in value]
        if isinstance(value, float) and not math.isfinite(value):
            return None  # JSON has no word for it
        return clean(value, MOST_LABEL) if isinstance(value, str) else scalar(value)

    raw = chart.to_dict()
    description = clean(str(raw.pop("description", "") or otherwise))
    return {**plain(raw), "description": description} if description else plain(raw)


def images(
    folder: Path, specs: Mapping[str, Any], known: Iterable[str], kinds: Sequence[str] = ("png",)
) -> None:
    """Write every chart as an image in folder/figures. Images of other `known` names are removed."""
    import vl_convert

    place = make_folder(folder, "figures")
    for name in known:
        for kind in kinds if name not in specs else ():
            inside(place, f"{name}.{kind}").unlink(missing_ok=True)
    for name, chart in specs.items():
        if "png" in kinds:
            write_whole(folder, f"figures/{name}.png", vl_convert.vegalite_to_png(chart, scale=2))
        if "svg" in kinds:
            write_whole(folder, f"figures/{name}.svg", vl_convert.vegalite_to_svg(chart))


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn failures of the disk into errors that say what to do."""
    try:
        yield
    except OSError as failure:
        raise HominesError(
            f"cannot write the report to {folder}: {failure.strerror or failure}; make room "
            "there, or copy the run folder to a place that can be written"
        ) from failure


def flat(value: Any, name: str = "") -> list[tuple[str, str]]:
    """Nested settings as pairs of a path and a value: 'settings.lr', '0.0003'."""
    if isinstance(value, Mapping) and value:
        stem = f"{name}." if name else ""
        return [line for key, inner in value.items() for line in flat(inner, f"{stem}{key}")]
    if isinstance(value, list | tuple) and value and all(isinstance(inner, str) for inner in value):
        return [(name, "\n".join(value))]
    return [(name, value if isinstance(value, str) else json.dumps(value, default=_jsoned))]


def _jsoned(value: Any) -> Any:
    """A value that JSON has no form for; sets are sorted, for their order differs between processes."""
    if isinstance(value, set | frozenset):
        return sorted(map(str, value))
    return scalar(value) if isinstance(value, np.generic) else str(value)


def environment(
    load: Callable[[str], str], finalize: Callable[[Any], Any], **filters: Callable[..., Any]
) -> Environment:
    """Templates whose values are escaped and must all be given.

    load       the text of a template by name; finalize: what becomes of a value before it is written
    """
    env = Environment(
        loader=FunctionLoader(load),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=finalize,
    )
    env.filters |= {"num": number, "rate": describe, "sample": sample_of, "count": count, **filters}
    return env


@cache
def _templates() -> Environment:
    return environment(asset, _to_text, lines=lines, first_lines=lambda x: list(x)[:MOST_LINES])


@cache
def script_sources() -> tuple[str, ...]:
    """The scripts of every page written here, as a Content-Security-Policy names them."""
    return tuple(map(_hash, (_library(), asset("page.js"))))


@cache
def _library() -> str:
    """vega-embed and all it needs, as one script."""
    import vl_convert

    source = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;").replace("\r", "")
    return source.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def asset(name: str) -> str:
    """The text of a file of templates/."""
    return files("homines.reports").joinpath("templates", name).read_text(encoding="utf-8").replace("\r", "")


def _hash(source: str) -> str:
    """The hash of a script or style as a Content-Security-Policy names it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"


def _to_text(value: Any) -> Any:
    """The text of a value in a template, before it is escaped."""
    if isinstance(value, Markup):
        return value
    if value is None or isinstance(value, float):
        return number(value)
    return clean(value) if isinstance(value, str) else value
