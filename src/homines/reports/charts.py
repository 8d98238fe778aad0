"""Charts of sections: pure functions from plain rows to altair charts, in the style of chart_style.py.

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

MOST_COLUMNS = 3
"""Most panels in a row."""
POINTS = 12
"""Most steps of a line that has a mark at each."""
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
    points = _drawable("curves", rows, ("step", "value", "low", "high"))
    names, unit = style.distinct(points, "series"), _unit(points)
    base = alt.Chart(alt.Data(values=points))
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
    few = len({point["step"] for point in points}) <= POINTS
    lines = base.mark_line(strokeWidth=2, point={"size": 24, "filled": True} if few else False).encode(
        x=x,
        y=alt.Y("value:Q", **height),
        color=colour,
        strokeDash=dash,
        tooltip=style.tips("panel", "series", "step", numbers=VALUES),
    )
    banded = any(None not in (point["low"], point["high"]) for point in points)
    return _panels(alt.layer(*([band] if banded else []), lines).properties(height=150), points, description)


def intervals(rows: Sequence[Row], description: str, *, alike: bool = False) -> alt.FacetChart:
    """A dot in its interval for each group and series, a panel a quantity; each has a scale of its own
    unless all of them lie in [0, 1], or are `alike`: of one unit, and bounded.

    An infinite end is drawn to the panel's edge and a triangle stands there; where both are, the words
    'not bounded' stand in place of the dot. `weak` rows are grey.

    rows: panel, group, series, value, low, high, weak
    """
    points = _drawable("intervals", rows, VALUES)
    names, unit = style.distinct(points, "series"), _unit(points)
    for point, row in zip(points, rows, strict=True):
        point["weak"] = bool(row.get("weak"))
    _place_open_ends(points, rows, unit=unit)
    base = alt.Chart(alt.Data(values=points))
    y = style.lines_of("group", style.LABEL + 30)
    offset = alt.YOffset("series:N", sort=names, scale=alt.Scale(domain=names, paddingInner=0.3))
    width: dict[str, Any] = {"title": None, "scale": style.scale(unit), "axis": style.axis()}
    colour: Any = _colour(names)
    if any(point["weak"] for point in points):
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
        if any(end in point["open"] for point in points):
            triangle = base.mark_point(filled=True, size=60, opacity=1, shape=shape).transform_filter(
                f"indexof(datum.open, '{end}') >= 0"
            )
            x = alt.X(f"{end}:Q", **width)
            ends.append(triangle.encode(x=x, y=y, yOffset=offset, color=colour))
    if any(point["open"] == "low high" for point in points):
        words = base.mark_text(align="left", fontSize=10, dx=14, dy=-1, text="not bounded")
        x = alt.X("low:Q", **width)
        ends.append(words.transform_filter("datum.open == 'low high'").encode(x=x, y=y, yOffset=offset))
    signed = any((point[key] or 0) < 0 for point in points for key in VALUES)
    step = alt.Step(15, **{"for": "offset"}) if len(names) > 1 else alt.Step(20)
    cells = alt.layer(*([style.zero_line(base)] if signed else []), spans, dots, *ends).properties(
        height=step
    )
    common = unit or (alike and not any(point["open"] for point in points))
    return _panels(cells, points, description, x=not common)


def _place_open_ends(points: Sequence[dict[str, Any]], rows: Sequence[Row], *, unit: bool) -> None:
    """Move the infinite ends of `rows` to the edge of their panel; `open` of a point names them."""
    for point, row in zip(points, rows, strict=True):
        point["open"] = " ".join(end for end in ENDS if _infinite(row.get(end)))
        if point["open"] == " ".join(ENDS):
            point["value"] = None
    for panel in style.distinct(points, "panel"):
        inside = [(point, row) for point, row in zip(points, rows, strict=True) if point["panel"] == panel]
        known = [point[key] for point, _ in inside for key in VALUES if point[key] is not None] or [0.0]
        room = 0.15 * (max(known) - min(known)) or 0.5 * abs(known[0]) or 1.0
        edges = (0.0, 1.0) if unit else (min(known) - room, max(known) + room)
        for point, row in inside:
            point |= {key: edges[int(row[key] > 0)] for key in point["open"].split()}


def _infinite(value: Any) -> bool:
    return value is not None and math.isinf(value)


def response(rows: Sequence[Row], description: str, *, edge: float = 0.25) -> alt.LayerChart:
    """Estimates against the targets of a training: a dot in its interval, a colour a series, beside the line
    of equality.

    Both axes run from -edge to 1 + edge; values and ends beyond are cut there.

    rows: target, series, value, low, high
    """
    points = _drawable("response", rows, ("target", "value", "low", "high"))
    names = style.distinct(points, "series")
    for point, row in zip(points, rows, strict=True):
        shift = 0.03 * (names.index(point["series"]) - (len(names) - 1) / 2)
        point["place"] = None if point["target"] is None else point["target"] + shift
        for name in ENDS:
            end = math.nan if row.get(name) is None else float(row[name])
            point[name] = None if math.isnan(end) else min(max(end, -edge), 1 + edge)
    base = alt.Chart(alt.Data(values=points))
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
    return style.dress(alt.layer(equal, spans, dots).properties(width=300, height=300), description)


def heat(rows: Sequence[Row], description: str, *, across: str = "", down: str = "") -> alt.LayerChart:
    """A matrix with a text in each cell, the darker the larger its value; ink is chosen to be read on it.

    rows: row, column, value, text, weak: grey, with a dagger; across, down: what columns and rows are
    """
    entries = _drawable("heat", rows, ("value",))
    known = [entry["value"] for entry in entries if entry["value"] is not None]
    least, most = (0.0, 1.0) if _unit(entries) else (min(known, default=0.0), max(known, default=0.0))
    for entry, row in zip(entries, rows, strict=True):
        part = None if entry["value"] is None else (entry["value"] - least) / ((most - least) or 1.0)
        fill = UNKNOWN if part is None else mix(part)
        entry |= {"fill": fill, "ink": max(INK, key=lambda ink, fill=fill: contrast(ink, fill))}
        if row.get("weak"):
            entry |= {"fill": UNKNOWN, "ink": FAINT, "text": f"{entry['text']}†"}
    columns = style.distinct(entries, "column")
    wide = max(22, *(min(12 + 7 * len(entry["text"]), 140) for entry in entries))
    top = alt.Axis(orient="top", labelLimit=style.LABEL, labelOverlap=False, labelPadding=6, labelAngle=0)
    if any(len(str(name)) > 6 for name in columns):
        top.labelAngle, top.labelAlign = -40, "left"
    side = alt.Axis(labelLimit=style.LABEL, labelOverlap=False)
    base = alt.Chart(alt.Data(values=entries)).encode(
        x=alt.X("column:N", sort=columns, title=across or None, axis=top),
        y=alt.Y("row:N", sort=style.distinct(entries, "row"), title=down or None, axis=side),
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
    return style.dress(chart, description, least=wide * len(columns), most=room)


def _panels(cells: Any, rows: Sequence[Row], description: str, *, x: bool = False) -> alt.FacetChart:
    """A panel for each value of `panel`; panels of the same groups share y. x: each has its own x scale."""
    names = style.distinct(rows, "panel")
    columns = 2 if len(names) == 4 else min(len(names), MOST_COLUMNS)
    chart = style.panels(cells.properties(width=(style.WIDTH - 90) // columns - style.GAP), "panel", columns)
    groups = {frozenset(row["group"] for row in rows if row["panel"] == name) for name in names}
    own = {"x": "independent"} if x else {}
    own |= {"y": "independent"} if len(groups) > 1 else {}
    chart = chart.resolve_scale(**own) if own else chart
    chart = chart.resolve_axis(x="independent")  # else the last row alone has one, far away on a phone
    return style.dress(chart, description, cells=columns, least=150)


def _drawable(chart: str, rows: Iterable[Row], numbers: Sequence[str]) -> list[dict[str, Any]]:
    """What a chart shows of each row, and `at`, its place. Numbers are finite or None, names text."""
    names = ("row", "column", "text") if chart == "heat" else ("panel", "series", "group")
    points = [
        {key: _finite(row.get(key)) for key in numbers}
        | {key: "" if row.get(key) is None else str(row[key]) for key in names}
        | {"at": i}
        for i, row in enumerate(rows)
    ]
    if not points:
        raise HominesError(f"{chart}: there are no rows to draw; give the section no chart (None) instead")
    return points


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


def mix(part: float) -> str:
    """A colour between nearly white (0) and blue (1)."""
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
