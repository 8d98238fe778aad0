"""Charts of a study: pure functions from plain rows to altair charts, in the dress of chart_style.py.

Values may be None, NaN or missing: they are not drawn. A panel, series or group stands where its first
row stands.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import altair as alt

from homines.core.types import HominesError
from homines.reports import chart_style as style
from homines.reports.chart_style import Row

MOST_BESIDE = 3
"""Panels side by side."""
POINTS = 12
"""Steps of a line up to which each is marked."""
ENDS = ("low", "high")
VALUES = ("value", *ENDS)
UNKNOWN = "#e4e4e4"
FAINT = "#595959"
INK = ("#000000", "#ffffff")


def curves(
    rows: Sequence[Row],
    description: str,
    *,
    across: str = "training step",
    up: str = "",
    log: bool = False,
) -> alt.FacetChart:
    """Small multiples by panel: a line a series over the steps, in a band low..high where there is one.

    rows: panel, series, step, value, low, high; across, up: titles of the axes; log: steps (above 0) on a
    logarithmic axis
    """
    held = _sound("curves", rows, ("step", "value", "low", "high"))
    names, unit = style.distinct(held, "series"), _unit(held)
    base = alt.Chart(alt.Data(values=held))
    height: dict[str, Any] = {"title": up or None, "scale": style.scale(unit), "axis": style.axis(grid=True)}
    steps = alt.Axis(tickMinStep=1, tickCount=5, grid=False, format="~f")
    span = alt.Scale(type="log") if log else alt.Scale()
    x = alt.X("step:Q", title=across or None, axis=steps, scale=span)
    drawn = {"symbolType": "stroke", "symbolSize": 300, "symbolStrokeWidth": 2}
    colour, dash = _colour(names, **drawn), _dash(names, **drawn)
    band = (
        base.mark_area(opacity=0.2)
        .transform_filter(style.BOUNDED)
        .encode(x=x, y=alt.Y("low:Q", **height), y2="high:Q", color=colour)
    )
    few = len({row["step"] for row in held}) <= POINTS
    lines = base.mark_line(strokeWidth=2, point={"size": 24, "filled": True} if few else False).encode(
        x=x,
        y=alt.Y("value:Q", **height),
        color=colour,
        strokeDash=dash,
        tooltip=style.tips("panel", "series", "step", numbers=VALUES),
    )
    banded = any(None not in (row["low"], row["high"]) for row in held)
    return _panels(alt.layer(*([band] if banded else []), lines).properties(height=150), held, description)


def intervals(rows: Sequence[Row], description: str) -> alt.FacetChart:
    """A dot in its interval for each group and series, a panel a quantity; each has a scale of its own
    unless all of them lie in [0, 1].

    An infinite end is drawn to the panel's edge and a triangle stands there; where both are, the words
    'not bounded' stand in place of the dot. `weak` rows are grey.

    rows: panel, group, series, value, low, high, weak
    """
    held = _sound("intervals", rows, VALUES)
    names, unit = style.distinct(held, "series"), _unit(held)
    for row, told in zip(held, rows, strict=True):
        row["weak"] = bool(told.get("weak"))
    _opened(held, rows, unit=unit)
    base = alt.Chart(alt.Data(values=held))
    y = style.lines_of("group", style.LABEL + 30)
    offset = alt.YOffset("series:N", sort=names, scale=alt.Scale(domain=names, paddingInner=0.3))
    width: dict[str, Any] = {"title": None, "scale": style.scale(unit), "axis": style.axis()}
    colour: Any = _colour(names)
    if any(row["weak"] for row in held):
        colour = alt.condition("datum.weak", alt.value(style.GREY), colour)
    spans = (
        base.mark_rule(strokeWidth=2.5, opacity=0.55)
        .transform_filter(f"{style.BOUNDED} && datum.open != 'low high'")
        .encode(
            x=alt.X("low:Q", **width),
            x2="high:Q",
            y=y,
            yOffset=offset,
            color=colour,
        )
    )
    dots = (
        base.mark_point(filled=True, size=70, opacity=1)
        .transform_filter("isValid(datum.value)")
        .encode(
            x=alt.X("value:Q", **width),
            y=y,
            yOffset=offset,
            color=colour,
            shape=_shape(names),
            tooltip=style.tips("panel", "group", "series", numbers=VALUES),
        )
    )
    ends: list[Any] = []
    for end, shape in (("low", "triangle-left"), ("high", "triangle-right")):
        if any(end in row["open"] for row in held):
            marks = base.mark_point(filled=True, size=60, opacity=1, shape=shape)
            x = alt.X(f"{end}:Q", **width)
            there = marks.transform_filter(f"indexof(datum.open, '{end}') >= 0")
            ends.append(there.encode(x=x, y=y, yOffset=offset, color=colour))
    if any(row["open"] == "low high" for row in held):
        words = base.mark_text(align="left", fontSize=10, dx=14, dy=-1, text="not bounded")
        x = alt.X("low:Q", **width)
        there = words.transform_filter("datum.open == 'low high'")
        ends.append(there.encode(x=x, y=y, yOffset=offset))
    signed = any((row[key] or 0) < 0 for row in held for key in VALUES)
    step = alt.Step(15, **{"for": "offset"}) if len(names) > 1 else alt.Step(20)
    cells = alt.layer(*([style.zero_line(base)] if signed else []), spans, dots, *ends).properties(
        height=step
    )
    return _panels(cells, held, description, x=not unit)


def _opened(held: Sequence[dict[str, Any]], rows: Sequence[Row], *, unit: bool) -> None:
    """Infinite ends as the edge of their panel; `open`: which they were."""
    for row, told in zip(held, rows, strict=True):
        row["open"] = " ".join(end for end in ENDS if _infinite(told.get(end)))
        if row["open"] == " ".join(ENDS):
            row["value"] = None
    for panel in style.distinct(held, "panel"):
        there = [(row, told) for row, told in zip(held, rows, strict=True) if row["panel"] == panel]
        known = [row[key] for row, _ in there for key in ("value", *ENDS) if row[key] is not None] or [0.0]
        room = 0.15 * (max(known) - min(known)) or 0.5 * abs(known[0]) or 1.0
        edges = (0.0, 1.0) if unit else (min(known) - room, max(known) + room)
        for row, told in there:
            row |= {key: edges[int(told[key] > 0)] for key in row["open"].split()}


def _infinite(value: Any) -> bool:
    return value is not None and math.isinf(value)


def response(rows: Sequence[Row], description: str, *, edge: float = 0.25) -> alt.LayerChart:
    """What was found against what was aimed at: a dot in its interval, a colour a series, on the line of
    equality.

    Both axes run from -edge to 1 + edge; what lies beyond, an open end among them, is cut there.

    rows: target, series, value, low, high
    """
    held = _sound("response", rows, ("target", "value", "low", "high"))
    names = style.distinct(held, "series")
    for row in held:
        beside = 0.03 * (names.index(row["series"]) - (len(names) - 1) / 2)
        row["place"] = None if row["target"] is None else row["target"] + beside
    for row, told in zip(held, rows, strict=True):
        for name in ("low", "high"):
            end = math.nan if told.get(name) is None else float(told[name])
            row[name] = None if math.isnan(end) else min(max(end, -edge), 1 + edge)
    base = alt.Chart(alt.Data(values=held))
    span = alt.Scale(domain=[-edge, 1 + edge], nice=False)
    marks: dict[str, Any] = {"values": [0, 0.25, 0.5, 0.75, 1], "format": "~g"}
    x = alt.X("place:Q", title="target", scale=span, axis=alt.Axis(**marks, grid=False))
    y = alt.Y("value:Q", title="found", scale=span, axis=alt.Axis(**marks, grid=True))
    ends = [{"place": end, "value": end} for end in (-edge, 1 + edge)]
    equal = alt.Chart(alt.Data(values=ends)).mark_line(strokeDash=[2, 3], color=style.GREY).encode(x=x, y=y)
    spans = (
        base.mark_rule(strokeWidth=3, opacity=0.55)
        .transform_filter(style.BOUNDED)
        .encode(x=x, y=alt.Y("low:Q", title="found", scale=span), y2="high:Q", color=_colour(names))
    )
    dots = (
        base.mark_point(filled=True, size=70, opacity=1, clip=True)
        .transform_filter("isValid(datum.value)")
        .encode(
            x=x,
            y=y,
            color=_colour(names),
            shape=_shape(names),
            tooltip=style.tips("series", "target", numbers=VALUES),
        )
    )
    return style.dressed(alt.layer(equal, spans, dots).properties(width=300, height=300), description)


def heat(rows: Sequence[Row], description: str, *, across: str = "", down: str = "") -> alt.LayerChart:
    """A matrix with a text in each cell, the darker the larger its value; ink is chosen to be read on it.

    rows: row, column, value, text, weak: grey, with a dagger; across, down: what columns and rows are
    """
    held = _sound("heat", rows, ("value",))
    known = [row["value"] for row in held if row["value"] is not None]
    least, most = (0.0, 1.0) if _unit(held) else (min(known, default=0.0), max(known, default=0.0))
    for row in held:
        part = None if row["value"] is None else (row["value"] - least) / ((most - least) or 1.0)
        row["fill"] = UNKNOWN if part is None else mixed(part)
        row["ink"] = max(INK, key=lambda ink, fill=row["fill"]: contrast(ink, fill))
    for row, told in zip(held, rows, strict=True):
        if told.get("weak"):
            row |= {"fill": UNKNOWN, "ink": FAINT, "text": f"{row['text']}†"}
    columns = style.distinct(held, "column")
    wide = max(22, *(min(12 + 7 * len(row["text"]), 140) for row in held))
    top = alt.Axis(orient="top", labelLimit=style.LABEL, labelOverlap=False, labelPadding=6, labelAngle=0)
    if any(len(str(name)) > 6 for name in columns):
        top.labelAngle, top.labelAlign = -40, "left"
    side = alt.Axis(labelLimit=style.LABEL, labelOverlap=False)
    base = alt.Chart(alt.Data(values=held)).encode(
        x=alt.X("column:N", sort=columns, title=across or None, axis=top),
        y=alt.Y("row:N", sort=style.distinct(held, "row"), title=down or None, axis=side),
    )
    tips = [alt.Tooltip(f"{name}:N") for name in ("row", "column", "text")]
    cells = base.mark_rect(stroke="white", strokeWidth=1).encode(
        color=alt.Color("fill:N", scale=None, legend=None), tooltip=tips
    )
    words = base.mark_text(fontSize=11, limit=wide).encode(
        text="text:N", color=alt.Color("ink:N", scale=None, legend=None), tooltip=tips
    )
    chart = alt.layer(cells, words.properties(name="on_fill")).properties(
        width=max(wide, 46) * len(columns), height=alt.Step(26)
    )
    room = style.LABEL + (max(wide, 46) + 24) * len(columns)
    return style.dressed(chart, description, least=wide * len(columns), most=room)


def _panels(cells: Any, rows: Sequence[Row], description: str, *, x: bool = False) -> alt.FacetChart:
    """A panel for each value of `panel`; x: each with its own scale across. The y axis is shared, but for
    groups that differ by panel."""
    names = style.distinct(rows, "panel")
    beside = 2 if len(names) == 4 else min(len(names), MOST_BESIDE)
    chart = style.panels(cells.properties(width=(style.WIDTH - 90) // beside - style.GAP), "panel", beside)
    groups = {frozenset(row["group"] for row in rows if row["panel"] == name) for name in names}
    own = {"x": "independent"} if x else {}
    own |= {"y": "independent"} if len(groups) > 1 else {}
    chart = chart.resolve_scale(**own) if own else chart
    chart = chart.resolve_axis(x="independent")  # else the last row alone has one, far away on a phone
    return style.dressed(chart, description, cells=beside, least=150)


def _sound(chart: str, rows: Iterable[Row], numbers: Sequence[str]) -> list[dict[str, Any]]:
    """Of the rows what a chart shows, and their place; numbers finite or None, names as texts."""
    named = ("row", "column", "text") if chart == "heat" else ("panel", "series", "group")
    held = [
        {key: _finite(row.get(key)) for key in numbers}
        | {key: "" if row.get(key) is None else str(row[key]) for key in named}
        | {"at": i}
        for i, row in enumerate(rows)
    ]
    if not held:
        raise HominesError(f"{chart}: there are no rows to draw; give the section no chart (None) instead")
    return held


def _finite(value: Any) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _unit(rows: Iterable[Row]) -> bool:
    """Whether all values lie in [0, 1]."""
    known = [row.get(key) for row in rows for key in VALUES]
    return all(0 <= x <= 1 for x in known if x is not None)


def _colour(names: Sequence[str], **legend: Any) -> alt.Color:
    return alt.Color("series:N", title=None, **style.key(names, style.SERIES, **legend))


def _shape(names: Sequence[str]) -> alt.Shape:
    return alt.Shape("series:N", title=None, **style.key(names, style.SHAPES, shift=True))


def _dash(names: Sequence[str], **legend: Any) -> alt.StrokeDash:
    return alt.StrokeDash("series:N", title=None, **style.key(names, style.DASHES, shift=True, **legend))


# --- colours of a cell -----------------------------------------------------------------------------


def _rgb(colour: str) -> list[int]:
    return [int(colour[i : i + 2], 16) for i in (1, 3, 5)]


def mixed(part: float) -> str:
    """From nearly white to blue."""
    pairs = zip(_rgb("#f1f5f9"), _rgb(style.BLUE), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * part):02x}" for a, b in pairs)


def contrast(ink: str, paper: str) -> float:
    """Contrast ratio of WCAG 2; either of black and white has 4.5 and more on any colour."""

    def light(colour: str) -> float:
        parts = [x / 255 for x in _rgb(colour)]
        linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    a, b = sorted((light(ink), light(paper)))
    return (b + 0.05) / (a + 0.05)
