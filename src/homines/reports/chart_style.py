"""The style that all charts share: colours, marks, axes, order, legends and tooltips.

Every chart is drawn twice: as an image on white, and by page.js as wide as the page lets it, in
the page's own ink. `usermeta` tells the script how many cells stand side by side at most, how narrow
and how wide one may get.

Colours are those of Okabe & Ito (2008), safe for the colour-blind, and never the only sign: shape, dash
or place say the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import altair as alt

Row = Mapping[str, Any]

BLUE, VERMILION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
ORANGE, SKY, GREY = "#E69F00", "#56B4E9", "#999999"
SERIES = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)
DASHES = ([1, 0], [6, 3], [2, 2], [8, 2, 2, 2], [4, 4], [1, 3])
SHAPES = ("diamond", "circle", "square", "triangle-up", "cross", "triangle-down")
FONT = "Inter, 'Helvetica Neue', 'Liberation Sans', Arial, 'DejaVu Sans', sans-serif"
WIDTH = 660
GAP = 22
LABEL = 150
"""Pixels at which a label is cut."""
BOUNDED = "isValid(datum.low) && isValid(datum.high)"
"""Filter: rows that have an interval."""
UNIT = (0, 1)


def dress(chart: Any, description: str, **hints: int) -> Any:
    """The chart in the style of all charts; the page's style sheet replaces ink and background."""
    ink = {"labelFontSize": 11, "titleFontSize": 11, "titleFontWeight": "normal"}
    ink |= {"labelColor": "#333", "titleColor": "#333"}
    line = {"gridColor": "#ddd", "domain": False, "ticks": False}
    return (
        chart.properties(description=description, usermeta={"gap": GAP} | hints, background="white")
        .configure(font=FONT, padding=4)
        .configure_view(stroke=None)
        .configure_axis(**ink, **line)
        .configure_axisX(labelPadding=4, labelFlush=False)
        .configure_axisY(labelPadding=6, grid=False)
        .configure_legend(
            **ink, orient="top", direction="horizontal", symbolSize=70, symbolOpacity=1, offset=6
        )
        .configure_header(labelFontSize=11, labelFontWeight="bold", labelColor="#333", labelLimit=2 * LABEL)
    )


def header() -> alt.Header:
    return alt.Header(labelOrient="top", labelAnchor="start", labelPadding=4)


def panels(cells: Any, field: str, columns: int) -> Any:
    """A panel for each value of a field, in the order of the rows."""
    facet = alt.Facet(f"{field}:N", sort=by_place(), title=None, header=header())
    return cells.facet(facet=facet, columns=columns, spacing=GAP)


def axis(ticks: int = 4, **more: Any) -> alt.Axis:
    """An axis of numbers."""
    return alt.Axis(tickCount=ticks, format="~f", **more)


def scale(unit: bool) -> alt.Scale:
    """A scale from 0 to 1, or over the range of the values."""
    return alt.Scale(domain=list(UNIT)) if unit else alt.Scale(zero=False, nice=True)


def lines_of(field: str, limit: int = LABEL) -> alt.Y:
    """A line for each value of a field, in the order of the rows."""
    return alt.Y(f"{field}:N", sort=by_place(), title=None, axis=alt.Axis(labelLimit=limit))


def zero_line(base: alt.Chart) -> alt.Chart:
    return base.mark_rule(strokeDash=[2, 3], color=GREY).encode(x=alt.datum(0))


def with_places(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """The rows with `at`, the place of each."""
    return [{**row, "at": i} for i, row in enumerate(rows)]


def by_place(field: str = "at") -> alt.EncodingSortField:
    """The order of first appearance."""
    return alt.EncodingSortField(field=field, op="min")


def distinct(rows: Iterable[Row], key: str) -> list[Any]:
    """The values of a key, in the order in which they come first."""
    return list(dict.fromkeys(row[key] for row in rows))


def key(names: Sequence[str], marks: Sequence[Any], *, shift: bool = False, **legend: Any) -> dict[str, Any]:
    """Scale and legend of a series; no legend for one name alone.

    shift   each repetition of the marks begins one further, so that mark and colour pair anew
    """
    n = len(marks)
    used = [marks[(i + (i // n if shift else 0)) % n] for i in range(len(names))]
    return {
        "scale": alt.Scale(domain=list(names), range=used),
        "legend": alt.Legend(**legend) if len(names) > 1 else None,
    }


def tips(*names: str, numbers: Sequence[str] = ("value",), digits: int = 4) -> list[alt.Tooltip]:
    """Tooltips: words, then numbers."""
    return [
        *(alt.Tooltip(f"{name}:N") for name in names),
        *(alt.Tooltip(f"{name}:Q", format=f".{digits}f") for name in numbers),
    ]
