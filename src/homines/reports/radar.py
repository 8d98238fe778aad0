"""A radar of several quantities on one scale: a panel a policy, with the same reference in each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from homines.core.types import HominesError
from homines.reports.chart_style import BLUE, GAP, GREY, VERMILION, WIDTH, Row, dress, panels

RINGS = (-1.0, -0.5, 0.0, 0.5, 1.0)
LEAST = -1.25
"""Value at the centre: the ring of -1 has an area too."""
OUT = 2.62
"""Distance of the names from the centre, in units of value."""
COLUMNS = 2


def radar(
    rows: Sequence[Row], reference: Mapping[str, float], description: str, *, reference_name: str
) -> alt.FacetChart:
    """A panel a policy: its closed line, blue and solid, over that of the reference, vermilion and dashed.

    rows       panel, axis, value in [-1, 1]; axes stand as their first rows do, from the top clockwise
    reference  value by axis, drawn in every panel; `reference_name`: its name in the legend
    """
    axes = list(dict.fromkeys(str(row["axis"]) for row in rows))
    names = list(dict.fromkeys(str(row["panel"]) for row in rows))
    if len(axes) < 3:
        raise HominesError(f"a radar needs three axes and more, got {len(axes)}; draw intervals instead")
    marks: list[dict[str, Any]] = []
    for panel in names:
        for ring in RINGS:
            marks += _closed(panel, "ring", f"ring {ring}", [(a, ring) for a in axes])
        for i, axis in enumerate(axes):
            marks += [_at(panel, "spoke", axis, i, len(axes), x, j) for j, x in enumerate((LEAST, 1.0))]
            marks.append(_at(panel, "name", axis, i, len(axes), OUT + LEAST, 0))
        marks += _closed(panel, "line", reference_name, [(a, reference[a]) for a in axes])
        own = {str(row["axis"]): row["value"] for row in rows if str(row["panel"]) == panel}
        known = [(a, v) for a in axes if (v := own.get(a)) is not None and math.isfinite(v)]
        if len(known) == len(axes):
            marks += _closed(panel, "line", "this policy", known)
        marks += [_at(panel, "ring name", f"{r:g}", 0.5, len(axes), r, 0) for r in (0.0, 1.0)]
    for i, row in enumerate(marks):
        row["at"] = i
    columns = min(COLUMNS, len(names))
    side = min(300, (WIDTH - 40) // columns - GAP)
    chart = _layers(marks, reference_name).properties(width=side, height=side)
    return dress(
        panels(chart, "panel", columns),
        description,
        cells=columns,
        least=230,
        most=60 + columns * (side + GAP),
        square=1,
    )


def _layers(marks: list[dict[str, Any]], reference_name: str) -> Any:
    scale = alt.Scale(domain=[-OUT - 0.7, OUT + 0.7], nice=False)
    x, y = alt.X("x:Q", scale=scale, axis=None), alt.Y("y:Q", scale=scale, axis=None)
    base = alt.Chart(alt.Data(values=marks)).encode(x=x, y=y)
    names = ["this policy", reference_name]
    colour = alt.Color("series:N", title=None, scale=alt.Scale(domain=names, range=[BLUE, VERMILION]))
    dash = alt.StrokeDash("series:N", title=None, scale=alt.Scale(domain=names, range=[[1, 0], [5, 3]]))
    order, detail = alt.Order("step:Q"), alt.Detail("series:N")
    zero = "datum.series === 'ring 0.0'"
    thin = base.mark_line(color=GREY).encode(
        order=order, detail=detail, strokeWidth=alt.condition(zero, alt.value(1.4), alt.value(0.4))
    )
    tips = [alt.Tooltip("series:N"), alt.Tooltip("axis:N"), alt.Tooltip("value:Q", format=".3f")]
    lines = base.mark_line(strokeWidth=2.2, point={"size": 26, "filled": True}).encode(
        order=order, color=colour, strokeDash=dash, tooltip=tips
    )
    words = base.mark_text(fontSize=10, lineBreak="|").encode(text="axis:N")
    return alt.layer(
        thin.transform_filter("datum.part === 'ring' || datum.part === 'spoke'"),
        lines.transform_filter("datum.part === 'line'"),
        words.transform_filter("datum.part === 'name' || datum.part === 'ring name'"),
    )


def _closed(panel: str, part: str, series: str, points: Sequence[tuple[str, float]]) -> list[dict[str, Any]]:
    """A closed line through these values."""
    n = len(points)
    return [
        _at(panel, part, axis, i % n, n, value, i) | {"series": series}
        for i, (axis, value) in enumerate([*points, points[0]])
    ]


def _at(panel: str, part: str, axis: str, i: float, n: int, value: float, step: int) -> dict[str, Any]:
    """A value on axis i of n: its place, and what it is."""
    turn, far = 2 * math.pi * i / n, value - LEAST
    name = axis.replace(" over ", "|over ").replace(" status", "|status") if part == "name" else axis
    return {
        "panel": panel,
        "part": part,
        "series": axis,
        "axis": name,
        "value": value,
        "step": step,
        "x": far * math.sin(turn),
        "y": far * math.cos(turn),
    }
