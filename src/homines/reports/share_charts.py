"""Charts of shares that add up to one: pure functions from plain rows to altair charts, in the style of
chart_style.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt

from homines.core.types import HominesError
from homines.reports import chart_style as style
from homines.reports.chart_style import Row

COLUMNS = 3
"""Most panels in a row."""


def shares_over_steps(
    rows: Sequence[Row], description: str, *, across: str = "training step"
) -> alt.FacetChart:
    """Stacked areas over the steps, a panel a training: what is above another in the legend lies above it.

    rows: panel, series, step, value (shares of a panel's step add up to one)
    """
    points, names = _points(rows)
    x = alt.X("step:Q", title=across, axis=alt.Axis(tickMinStep=1, tickCount=5, grid=False, format="~f"))
    cells = _stacked(alt.Chart(alt.Data(values=points)).mark_area(line=False), names).encode(
        x=x, y=alt.Y("value:Q", stack="zero", title=None, scale=style.scale(unit=True), axis=style.axis())
    )
    return _panels(cells.properties(height=130), points, description)


def shares_by_group(rows: Sequence[Row], description: str) -> alt.FacetChart:
    """Stacked bars, one a group, a panel a game: bands lie from left to right as in the legend.

    rows: panel, group, series, value (shares of a panel's group add up to one)
    """
    points, names = _points(rows)
    x = alt.X("value:Q", stack="zero", title=None, scale=style.scale(unit=True), axis=style.axis())
    cells = _stacked(alt.Chart(alt.Data(values=points)).mark_bar(), names).encode(
        x=x, y=style.lines_of("group", style.LABEL + 30)
    )
    return _panels(cells.properties(height=alt.Step(18)), points, description)


def _points(rows: Sequence[Row]) -> tuple[list[dict[str, Any]], list[str]]:
    """The rows with their places, and the names of the bands."""
    if not rows:
        raise HominesError("shares: there are no rows to draw; give the section no chart (None) instead")
    points = style.with_places(rows)
    names = style.distinct(points, "series")
    for point in points:
        point["band"] = names.index(point["series"])
    return points, names


def _stacked(base: alt.Chart, names: Sequence[str]) -> alt.Chart:
    colour = alt.Color("series:N", title=None, **style.key(names, style.SERIES))
    tips = style.tips("panel", "series", numbers=("value",))
    return base.encode(color=colour, order=alt.Order("band:Q"), tooltip=tips)


def _panels(cells: Any, points: Sequence[Row], description: str) -> alt.FacetChart:
    panels = style.distinct(points, "panel")
    columns = min(len(panels), COLUMNS)
    wide = (style.WIDTH - 90) // columns - style.GAP
    chart = style.panels(cells.properties(width=wide), "panel", columns)
    return style.dress(chart.resolve_axis(x="independent"), description, cells=columns, least=150)
