"""A run folder as one HTML page that needs no network and no other file, and its charts as images.

    records, curve, notes -> rows (plain dicts, by homines.measure) -> tables and charts -> report.html

A report is a pure function of its run folder: the same folder gives the same bytes. What a folder does
not hold is told in a sentence. Text from models and files is escaped, and the page's policy lets
nothing run but the two scripts written here, known by their hashes.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from homines import figures
from homines.core import LEGAL_MASS, HominesError
from homines.evidence import (
    TRAINED,
    Row,
    Study,
    caveats,
    clean,
    count,
    elsewhere,
    lines,
    measured,
    number,
    read,
)

MOST_LINES = 500


def write(folder: str | Path) -> Path:
    """Write folder/report.html and folder/figures/*.png, from the run folder alone.

    Raises StoreError where the folder is no run folder, HominesError where it cannot be written.
    """
    study = read(folder)
    rows = measured(study)
    drawn = [role for role in study.columns if role in study.roles.values()]
    specs = {name: _spec(chart) for name, chart in figures.draw(rows, drawn).items()}
    text = _page(study, rows, specs)
    try:
        _images(study.run.folder / "figures", specs)
        path = study.run.folder / "report.html"
        aside = path.with_suffix(".making")
        aside.write_text(text, encoding="utf-8")
        os.replace(aside, path)
    except OSError as failure:
        raise HominesError(
            f"cannot write the report to {study.run.folder}: {failure.strerror or failure}; make room "
            "there, or copy the run folder to a place that can be written"
        ) from failure
    return path


# --- the page --------------------------------------------------------------------------------------


def _spec(chart: Any) -> Row:
    """A chart as plain JSON, its texts made visible and cut."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(held) for key, held in value.items() if key != "$schema"}
        if isinstance(value, list):
            return [plain(held) for held in value]
        return clean(value, 300) if isinstance(value, str) else value

    return plain(chart.to_dict())


def _images(folder: Path, specs: Mapping[str, Row]) -> None:
    """Every chart as a PNG; those of an earlier report that are no longer drawn are removed."""
    import vl_convert

    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.png"):
        if old.stem in figures.NAMES and old.stem not in specs:
            old.unlink()
    for name, spec in specs.items():
        (folder / f"{name}.png").write_bytes(vl_convert.vegalite_to_png(spec, scale=2))


def _page(study: Study, rows: Mapping[str, list[Row]], specs: Mapping[str, Row]) -> str:
    style, script = _asset("report_page.css"), _asset("report_page.js")
    hashes = " ".join(map(_hash, (_library(), script)))
    policy = (
        f"default-src 'none'; script-src {hashes}; style-src {_hash(style)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    config, training = study.run.config, study.run.noted("training.json") or {}
    revisions = {(r.model, str(r.provenance.get("revision") or "not recorded")): None for r in study.records}
    page = _template().render(
        policy=policy,
        style=Markup(style),
        library=Markup(_library()),
        script=Markup(script),
        charts=specs,
        specs=Markup(json.dumps(specs).replace("<", "\\u003c")),
        kind=config.get("kind"),
        trained=config.get("kind") in TRAINED,
        config=config,
        training={key: training.get(key) for key in ("seconds", "steps", "device", "dtype")},
        study=study,
        roles=study.columns,
        rows=rows,
        rates=figures.rates(rows),
        elsewhere=elsewhere(rows),
        types=list(dict.fromkeys(key for row in rows["types"] for key in row if "|" in key)),
        regrets=figures.regrets(rows),
        caveats=caveats(study, rows),
        some_steps=sorted({round(i) for i in np.linspace(0, len(study.curve) - 1, 12)})
        if study.curve
        else [],
        frames=[(short, spec, spec in study.training) for spec, short in study.short.items()],
        revisions=list(revisions),
        settings=_flat(config),
        provenance=_flat(study.run.provenance),
        answered=sum(r.choice is not None for r in study.records),
        exact=all(r.choice is None or r.choice.n is None for r in study.records),
        most=figures.MOST_PANELS,
        legal=LEGAL_MASS,
    )
    return str(page).lstrip()


@cache
def _template() -> Any:
    env = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_shown
    )
    env.filters |= {
        "num": number,
        "count": count,
        "lines": lines,
        "first_lines": lambda x: list(x)[:MOST_LINES],
    }
    return env.from_string(_asset("report_page.html"))


@cache
def _library() -> str:
    """vega-embed and all it needs, as one script."""
    import vl_convert

    source = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;").replace("\r", "")
    return source.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _asset(name: str) -> str:
    return files("homines").joinpath(name).read_text(encoding="utf-8").replace("\r", "")


def _hash(source: str) -> str:
    """A source that a Content-Security-Policy may name."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"


def _flat(value: Any, name: str = "") -> list[tuple[str, str]]:
    """Nested settings as lines: 'settings.lr' and its value."""
    if isinstance(value, Mapping) and value:
        return [
            line for key, held in value.items() for line in _flat(held, f"{name}.{key}" if name else str(key))
        ]
    if isinstance(value, list) and value and all(isinstance(held, str) for held in value):
        return [(name, "\n".join(value))]
    return [(name, value if isinstance(value, str) else json.dumps(value))]


def _shown(value: Any) -> Any:
    """What the template writes for a value, before it is escaped."""
    if isinstance(value, Markup):
        return value
    if value is None or isinstance(value, float):
        return number(value)
    return clean(value) if isinstance(value, str) else value
