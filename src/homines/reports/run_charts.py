"""Charts of a run: pure functions from plain rows to altair charts, in the style of chart_style.py.

A row's `role` is that of the model that answered: before, after.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import altair as alt

from homines.estimation.published import HUMANS
from homines.reports import chart_style as style
from homines.reports.chart_style import BLUE, GREY, PURPLE, VERMILION, WIDTH, Row

MOST_PANELS = 16
"""Most games in a chart; its table has all."""
MOST_STATES = 24
FIRST = "P(first action | legal answer)"
CAPTIONS = {
    "overview": "Action types and legal mass, where the model was trained and elsewhere.",
    "states": "Probability of the first action, and legal mass, in each state; one dot a frame.",
    "action_types": "Shares of own actions and of illegal answers, by the other's last action.",
    "regret": "Regret in points by game, one panel a preference.",
    "curve_states": "Probability of the first action over training steps, one line a state.",
    "curve_reward": "Reward, points over training steps.",
    "curve_mass": "Legal mass over training steps.",
    "preferences": "Estimated preferences with 95% intervals, beside the value trained for and people.",
    "stability": "Instability over frames and order effect, by game.",
    "answers": "Probability of the right answer to each everyday question, before and after.",
}
"""The charts of a run by name, in the order of its page, and what a screen reader says of each."""


def draw(rows: Mapping[str, Sequence[Row]], roles: Sequence[str]) -> dict[str, Any]:
    """Every chart of CAPTIONS that there is something to draw for. rows: as `measures.tabulate` returns."""
    states_drawn = _few([row for row in rows["states"] if row["p"] is not None], "game")
    role_dots = partial(dots, roles=roles)
    charts: dict[str, tuple[Sequence[Row], Callable[..., Any]]] = {
        "overview": (_long(rows["overview"], "where", rates(rows)), partial(role_dots, unit=True)),
        "states": (
            [row for row in states_drawn if row["place"] < MOST_STATES],
            partial(states, roles=roles),
        ),
        "action_types": (_shares(_few(rows["types"], "game")), partial(action_types, roles=roles)),
        "regret": (_long(rows["regret"], "game", regrets(rows)), role_dots),
        "curve_states": (rows["curve"], curve_states),
        "curve_reward": (_over_steps(rows["steps"], "reward"), partial(curve, title="reward, points")),
        "curve_mass": (_over_steps(rows["steps"], "mass"), partial(curve, title="legal mass", unit=True)),
        "preferences": (estimate_marks(rows["preferences"]), preferences),
        "stability": (_long(rows["stability"], "game", ["instability", "order effect"]), role_dots),
        "answers": ([r for r in rows["answers"] if None not in (r["before"], r["after"])], answers),
    }
    return {
        name: chart(marks, description=CAPTIONS[name]) for name, (marks, chart) in charts.items() if marks
    }


def rates(rows: Mapping[str, Sequence[Row]]) -> list[str]:
    """The rates of the overview: its action types, then the legal mass."""
    return [*dict.fromkeys(key for row in rows["overview"] for key in row if " after " in key), "mass"]


def regrets(rows: Mapping[str, Sequence[Row]]) -> list[str]:
    return [key for key in (rows["regret"][0] if rows["regret"] else ()) if key.endswith(" regret")]


def _over_steps(rows: Sequence[Row], name: str) -> list[Row]:
    """A measure of the learning curve by step, where it was logged."""
    return [{"step": row["step"], "value": row[name]} for row in rows if row[name] is not None]


def states(rows: Sequence[Row], roles: Sequence[str], description: str) -> alt.FacetChart:
    """A dot for each frame in each state, a bar over their spread; probability left, mass right.

    rows: game, state, place, role, frame, kind (training or other), first, p, mass
    """
    quantities = {"p": FIRST, "mass": "legal mass"}
    size = {"training": 90, "other": 30 if len({row["frame"] for row in rows}) > 1 else 70}
    long = [
        {**row, "quantity": title, "value": row[key], "size": size[row["kind"]]}
        for row in style.with_places(rows)
        for key, title in quantities.items()
    ]
    frames = list(dict.fromkeys(str(row["frame"]) for row in rows))
    menu = alt.binding_select(options=[None, *frames], labels=["all", *frames], name="Frame ")
    bind = menu if len(frames) > 1 else alt.Undefined
    chosen = alt.param(name="chosen_frame", value=None, bind=bind)
    base = alt.Chart(alt.Data(values=long)).transform_filter(
        "chosen_frame === null || datum.frame === chosen_frame"
    )
    y = alt.Y("state:N", sort=style.by_place("place"), title=None, axis=alt.Axis(labelLimit=style.LABEL))
    offset = alt.YOffset("role:N", sort=list(roles), scale=alt.Scale(paddingInner=0.2))
    spread = base.mark_rule(strokeWidth=3, opacity=0.3).encode(
        x=alt.X("min(value):Q"), x2="max(value):Q", y=y, yOffset=offset, color=_colour(roles)
    )
    dots = base.mark_point(filled=True, opacity=0.85).encode(
        x=alt.X("value:Q", scale=style.scale(unit=True), axis=style.axis(5), title=None),
        y=y,
        yOffset=offset,
        color=_colour(roles),
        shape=_shape(roles),
        size=alt.Size("size:Q", legend=None, scale=None),
        tooltip=style.tips("game", "frame", "state", "first", "role"),
    )
    step = alt.Step(11, **{"for": "offset"}) if len(roles) > 1 else alt.Step(18)
    cells = alt.layer(spread, dots).properties(width=(WIDTH - 80) // 2, height=step).add_params(chosen)
    return style.dress(_grid(cells, "quantity", rows), description, cells=2, least=100)


def action_types(rows: Sequence[Row], roles: Sequence[str], description: str) -> alt.FacetChart:
    """Shares of own actions and of illegal answers as one bar. rows: game, after, role, action, share"""
    legal = [a for a in dict.fromkeys(str(row["action"]) for row in rows) if a != "illegal"]
    colours = [*(style.SERIES[i % len(style.SERIES)] for i in range(len(legal))), GREY]
    bars = (
        alt.Chart(alt.Data(values=style.with_places(rows)))
        .mark_bar(height={"band": 0.8})
        .encode(
            x=alt.X("share:Q", stack="zero", scale=style.scale(unit=True), axis=style.axis(5), title=None),
            y=alt.Y("role:N", sort=list(roles), title=None, axis=alt.Axis(labelLimit=style.LABEL)),
            color=alt.Color(
                "action:N", title="own answer", scale=alt.Scale(domain=[*legal, "illegal"], range=colours)
            ),
            order=alt.Order("at:Q"),
            tooltip=style.tips("game", "role", "after", "action", numbers=["share"]),
        )
        .properties(width=(WIDTH - 80) // 2, height=alt.Step(17))
    )
    return style.dress(_grid(bars, "after", rows), description, cells=2, least=100)


def dots(
    rows: Sequence[Row], roles: Sequence[str], description: str, *, unit: bool = False
) -> alt.FacetChart:
    """One panel a quantity, a dot for each role on every line; `unit`: all on [0, 1].

    rows: quantity, line, role, value
    """
    count = len({row["quantity"] for row in rows})
    base = alt.Chart(alt.Data(values=style.with_places(rows)))
    y = style.lines_of("line")
    x = alt.X("value:Q", title=None, axis=style.axis())
    x = x.scale(domain=list(style.UNIT)) if unit else x
    link = base.mark_rule(strokeWidth=2, opacity=0.5, color=GREY).encode(
        x=alt.X("min(value):Q"), x2="max(value):Q", y=y
    )
    points = base.mark_point(filled=True, size=80, opacity=1).encode(
        x=x,
        y=y,
        color=_colour(roles),
        shape=_shape(roles),
        tooltip=style.tips("quantity", "line", "role"),
    )
    cells = alt.layer(*((link, points) if unit else (style.zero_line(base), link, points))).properties(
        width=(WIDTH - 90) // count - style.GAP, height=alt.Step(22)
    )
    chart = style.panels(cells, "quantity", count)
    chart = chart if unit else chart.resolve_scale(x="independent")
    return style.dress(chart, description, cells=count, least=140)


def curve(rows: Sequence[Row], title: str, description: str, *, unit: bool = False) -> alt.Chart:
    """One figure over training steps; `unit`: drawn on [0, 1]. rows: step, value"""
    chart = alt.Chart(alt.Data(values=list(rows))).mark_line(color=BLUE, point={"size": 18, "color": BLUE})
    chart = chart.encode(
        x=_steps(),
        y=alt.Y("value:Q", title=title, scale=style.scale(unit), axis=style.axis(grid=True)),
        tooltip=style.tips("step"),
    )
    return style.dress(chart.properties(width=WIDTH // 2 - 40, height=130), description)


def curve_states(rows: Sequence[Row], description: str) -> alt.Chart:
    """P(first action) over training steps, one line a state. rows: step, state, p"""
    names = style.distinct(rows, "state")
    legend = "last round: own, other"
    chart = alt.Chart(alt.Data(values=list(rows))).mark_line(strokeWidth=2)
    chart = chart.encode(
        x=_steps(),
        y=alt.Y(
            "p:Q",
            title="P(first action | legal answer)",
            scale=style.scale(unit=True),
            axis=style.axis(grid=True),
        ),
        color=alt.Color("state:N", title=legend, **style.key(names, style.SERIES)),
        strokeDash=alt.StrokeDash("state:N", title=legend, **style.key(names, style.DASHES)),
        tooltip=style.tips("step", "state", numbers=["p"]),
    )
    return style.dress(chart.properties(width=WIDTH - 60, height=190), description)


def _steps() -> alt.X:
    ticks = alt.Axis(tickMinStep=1, tickCount=6, grid=False, format="d")
    return alt.X("step:Q", title="training step", axis=ticks)


def answers(rows: Sequence[Row], description: str) -> alt.LayerChart:
    """P(right answer) of each question, before across, after up. rows: question, before, after, change"""
    kinds = {
        "same": (GREY, "circle"),
        "became right": (BLUE, "triangle-up"),
        "became wrong": (VERMILION, "triangle-down"),
        "wrong in another way": (PURPLE, "square"),
    }
    colour, shape = _scales(kinds, {row["change"] for row in rows})
    legend = alt.Legend(columns=2)
    numbers: dict[str, Any] = {"scale": style.scale(unit=True), "axis": style.axis(5)}
    diagonal = (
        alt.Chart(alt.Data(values=[{"v": 0}, {"v": 1}]))
        .mark_line(color=GREY, strokeDash=[2, 3])
        .encode(x=alt.X("v:Q"), y=alt.Y("v:Q"))
    )
    points = (
        alt.Chart(alt.Data(values=sorted(rows, key=lambda row: row["change"] != "same")))
        .mark_point(filled=True, size=60, opacity=0.85)
        .encode(
            x=alt.X("before:Q", title="P(right answer), before", **numbers),
            y=alt.Y("after:Q", title="P(right answer), after", **numbers),
            color=alt.Color("change:N", title=None, legend=legend, scale=colour),
            shape=alt.Shape("change:N", title=None, legend=legend, scale=shape),
            tooltip=style.tips("question", numbers=("before", "after"), digits=3),
        )
    )
    return style.dress(alt.layer(diagonal, points).properties(width=300, height=260), description, most=380)


def estimate_marks(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Marks of `preferences`: estimates, the values trained for, estimates of people; a panel a parameter.

    An open end of an interval is drawn half a unit beyond all finite values of its panel.
    """
    estimates = [row for row in rows if row["value"] is not None and row["parameter"] != "precision"]
    dots = [
        {"panel": _panel(row), "who": row["role"], "kind": "estimate"}
        | {key: row[key] for key in ("value", "low", "high")}
        for row in estimates
    ]
    if not dots:
        return []
    aims = {(_panel(row), row["theory"]) for row in estimates if row["theory"] is not None}
    dots += [{"panel": panel, "who": "trained for", "kind": "aim", "value": x} for panel, x in sorted(aims)]
    for human in HUMANS:
        for name, value in human.values.items():
            if any(row["family"] == human.family for row in estimates):
                panel = f"{name}, {human.family}"
                dots.append({"panel": panel, "who": f"people: {human.who}", "kind": "people", "value": value})
    for panel in {dot["panel"] for dot in dots}:
        inside = [dot for dot in dots if dot["panel"] == panel]
        ends = [dot.get(key, math.nan) for dot in inside for key in ("value", "low", "high")]
        known = [x for x in ends if math.isfinite(x)]
        for dot in inside:
            for key, edge in (("low", min(known) - 0.5), ("high", max(known) + 0.5)):
                if math.isinf(dot.get(key, 0.0)):
                    dot[key] = edge
    return dots


def _panel(row: Row) -> str:
    return f"{row['parameter']}, {row['family']}"


def preferences(rows: Sequence[Row], description: str) -> alt.FacetChart:
    """A panel a parameter: estimates in their intervals, the value trained for, people.

    rows: panel, who, kind (estimate, aim or people), value; low and high of estimates
    """
    kinds = {
        "estimate": (BLUE, "circle"),
        "aim": (VERMILION, "diamond"),
        "people": (GREY, "square"),
    }
    colours, shapes = _scales(kinds, {row["kind"] for row in rows})
    base = alt.Chart(alt.Data(values=style.with_places(rows)))
    y = style.lines_of("who", 2 * style.LABEL)
    colour = alt.Color("kind:N", title=None, scale=colours, legend=None)
    spans = (
        base.mark_rule(strokeWidth=3, opacity=0.45)
        .transform_filter(style.BOUNDED)
        .encode(x=alt.X("low:Q", title=None), x2="high:Q", y=y, color=colour)
    )
    points = base.mark_point(filled=True, size=80, opacity=1).encode(
        x=alt.X("value:Q", title=None, axis=style.axis()),
        y=y,
        color=colour,
        shape=alt.Shape("kind:N", title=None, scale=shapes, legend=None),
        tooltip=style.tips("panel", "who"),
    )
    cells = alt.layer(style.zero_line(base), spans, points).properties(width=WIDTH - 260, height=alt.Step(22))
    chart = style.panels(cells, "panel", 1).resolve_scale(x="independent", y="independent")
    return style.dress(chart, description, cells=1, least=140)


def _grid(cells: Any, column: str, rows: Sequence[Row]) -> alt.FacetChart:
    """A row of panels a game, in the order of the rows. Games with the same labels share the y axis."""
    field = "state" if "state" in rows[0] else "role"
    marks: dict[Any, set[Any]] = {}
    for row in rows:
        marks.setdefault(row["game"], set()).add(row[field])
    same = len({frozenset(labels) for labels in marks.values()}) == 1
    chart = cells.facet(
        row=alt.Row("game:N", sort=style.by_place(), title=None, header=style.header()),
        column=alt.Column(f"{column}:N", sort=style.by_place(), title=None, header=style.header()),
        spacing={"row": 14, "column": style.GAP},
        align={"row": "each", "column": "all"},
    )
    return chart if same else chart.resolve_scale(y="independent")


def _shares(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Action types as shares of one bar: own actions times 1 - illegal, as they are where no legal mass is
    known."""
    parts: list[dict[str, Any]] = []
    for row in rows:
        types = {tuple(key.rsplit("|", 1)): x for key, x in row.items() if "|" in key}
        for (action, last), x in types.items():
            share = x if action == "illegal" else x * (1 - types.get(("illegal", last), 0.0))
            own = {"action": action, "after": f"after {last}", "share": share}
            parts.append({"game": row["game"], "role": row["role"], **own})
    return parts


def _few(rows: Sequence[Row], key: str) -> list[Row]:
    values = list(dict.fromkeys(row[key] for row in rows))[:MOST_PANELS]
    return [row for row in rows if row[key] in values]


def _long(rows: Sequence[Row], key: str, quantities: Sequence[str]) -> list[dict[str, Any]]:
    """One row a (quantity, line, role); those without a value are left out."""
    return [
        {
            "quantity": "legal mass" if name == "mass" else name,
            "line": row[key],
            "role": row["role"],
            "value": x,
        }
        for name in quantities
        for row in _few(rows, key)
        if (x := row.get(name)) is not None
    ]


def _colour(roles: Sequence[str]) -> alt.Color:
    """Before in vermilion, after in blue; one alone in blue, and without a legend."""
    colours = [BLUE] if len(roles) == 1 else [VERMILION, BLUE, *style.SERIES[2:]]
    return alt.Color("role:N", title=None, **style.key(roles, colours))


def _shape(roles: Sequence[str]) -> alt.Shape:
    return alt.Shape(
        "role:N", title=None, **style.key(roles, ["circle"] if len(roles) == 1 else style.SHAPES)
    )


def _scales(kinds: Mapping[str, tuple[str, str]], known: Iterable[str]) -> tuple[alt.Scale, alt.Scale]:
    """Colours and shapes of the kinds that are known."""
    names = [kind for kind in kinds if kind in set(known)]
    marks = zip(*(kinds[name] for name in names), strict=True)
    colours, shapes = (alt.Scale(domain=names, range=list(each)) for each in marks)
    return colours, shapes
