"""Charts of a report: pure functions from plain rows to altair charts.

Every chart is drawn twice: as an image on white, and by page.js as wide as the page lets it, in
the page's own ink. `usermeta` tells the script how many cells stand side by side at most, how narrow
and how wide one may get.

Colours are those of Okabe & Ito (2008), safe for the colour-blind, and none speaks alone: a shape, a
dash or a place says the same. A row's `role` says who answered: before, after.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import altair as alt

from homines.estimation.published import HUMANS

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
"""Pixels of a label before it is cut."""
MOST_PANELS = 16
"""Games in a chart; its table holds all."""
MOST_STATES = 24
NAMES = (
    "overview", "states", "action_types", "regret", "curve_states", "curve_reward", "curve_mass",
    "preferences", "stability", "answers",
)  # fmt: skip


def draw(rows: Mapping[str, Sequence[Row]], roles: Sequence[str]) -> dict[str, Any]:
    """Every chart of NAMES that there is something to draw for. rows: as `report.measured` returns."""
    out: dict[str, Any] = {}
    if some := _long(rows["overview"], "where", rates(rows)):
        said = "Action types and legal mass, where the model was trained and elsewhere."
        out["overview"] = dots(some, roles, said, unit=True)
    held = [row for row in rows["states"] if row["p"] is not None]
    if some := [row for row in _few(held, "game") if row["place"] < MOST_STATES]:
        said = "Probability of the first action, and legal mass, in each state; one dot a frame."
        out["states"] = states(some, roles, said)
    if some := _shares(_few(rows["types"], "game")):
        said = "Shares of own actions and of illegal answers, by the other's last action."
        out["action_types"] = action_types(some, roles, said)
    if some := _long(rows["regret"], "game", regrets(rows)):
        out["regret"] = dots(some, roles, "Regret in points by game, one panel a preference.")
    if some := rows["curve"]:
        said = "Probability of the first action over training steps, one line a state."
        out["curve_states"] = curve_states(some, said)
    for name, title in (("reward", "reward, points"), ("mass", "legal mass")):
        if some := [{"step": r["step"], "value": r[name]} for r in rows["steps"] if r[name] is not None]:
            said = f"{title.capitalize()} over training steps."
            out[f"curve_{name}"] = curve(some, title, said, unit=name == "mass")
    if some := estimated(rows["preferences"]):
        said = "Estimated preferences with 95% intervals, beside the value trained for and people."
        out["preferences"] = preferences(some, said)
    if some := _long(rows["stability"], "game", ["instability", "order effect"]):
        out["stability"] = dots(some, roles, "Instability over frames and order effect, by game.")
    if some := [row for row in rows["answers"] if None not in (row["before"], row["after"])]:
        said = "Probability of the right answer to each everyday question, before and after."
        out["answers"] = answers(some, said)
    return out


def rates(rows: Mapping[str, Sequence[Row]]) -> list[str]:
    """The rates of the overview: its action types, then the legal mass."""
    return [*dict.fromkeys(key for row in rows["overview"] for key in row if " after " in key), "mass"]


def regrets(rows: Mapping[str, Sequence[Row]]) -> list[str]:
    return [key for key in (rows["regret"][0] if rows["regret"] else ()) if key.endswith(" regret")]


def states(rows: Sequence[Row], roles: Sequence[str], description: str) -> alt.FacetChart:
    """A dot for each frame in each state, a bar over their spread; probability left, mass right.

    rows: game, state, place, role, frame, kind (training or other), first, p, mass
    """
    quantities = {"p": "P(first action | legal answer)", "mass": "legal mass"}
    size = {"training": 90, "other": 30 if len({row["frame"] for row in rows}) > 1 else 70}
    long = [
        {**row, "quantity": told, "value": row[key], "size": size[row["kind"]]}
        for row in placed(rows)
        for key, told in quantities.items()
    ]
    frames = list(dict.fromkeys(str(row["frame"]) for row in rows))
    menu = alt.binding_select(options=[None, *frames], labels=["all", *frames], name="Frame ")
    bind = menu if len(frames) > 1 else alt.Undefined
    chosen = alt.param(name="chosen_frame", value=None, bind=bind)
    base = alt.Chart(alt.Data(values=long)).transform_filter(
        "chosen_frame === null || datum.frame === chosen_frame"
    )
    y = alt.Y("state:N", sort=met("place"), title=None, axis=alt.Axis(labelLimit=LABEL))
    offset = alt.YOffset("role:N", sort=list(roles), scale=alt.Scale(paddingInner=0.2))
    spread = base.mark_rule(strokeWidth=3, opacity=0.3).encode(
        x=alt.X("min(value):Q"), x2="max(value):Q", y=y, yOffset=offset, color=_colour(roles)
    )
    dots = base.mark_point(filled=True, opacity=0.85).encode(
        x=alt.X("value:Q", scale=alt.Scale(domain=[0, 1]), axis=_axis(5), title=None),
        y=y,
        yOffset=offset,
        color=_colour(roles),
        shape=_shape(roles),
        size=alt.Size("size:Q", legend=None, scale=None),
        tooltip=_tips("game", "frame", "state", "first", "role", value="value"),
    )
    step = alt.Step(11, **{"for": "offset"}) if len(roles) > 1 else alt.Step(18)
    cells = alt.layer(spread, dots).properties(width=(WIDTH - 80) // 2, height=step).add_params(chosen)
    return dressed(_grid(cells, "quantity", rows), description, cells=2, least=100)


def action_types(rows: Sequence[Row], roles: Sequence[str], description: str) -> alt.FacetChart:
    """Shares of own actions and of illegal answers as one bar. rows: game, after, role, action, share"""
    legal = [a for a in dict.fromkeys(str(row["action"]) for row in rows) if a != "illegal"]
    colours = [*(SERIES[i % len(SERIES)] for i in range(len(legal))), GREY]
    bars = (
        alt.Chart(alt.Data(values=placed(rows)))
        .mark_bar(height={"band": 0.8})
        .encode(
            x=alt.X("share:Q", stack="zero", scale=alt.Scale(domain=[0, 1]), axis=_axis(5), title=None),
            y=alt.Y("role:N", sort=list(roles), title=None, axis=alt.Axis(labelLimit=LABEL)),
            color=alt.Color(
                "action:N", title="own answer", scale=alt.Scale(domain=[*legal, "illegal"], range=colours)
            ),
            order=alt.Order("at:Q"),
            tooltip=_tips("game", "role", "after", "action", value="share"),
        )
        .properties(width=(WIDTH - 80) // 2, height=alt.Step(17))
    )
    return dressed(_grid(bars, "after", rows), description, cells=2, least=100)


def dots(
    rows: Sequence[Row], roles: Sequence[str], description: str, *, unit: bool = False
) -> alt.FacetChart:
    """One panel a quantity, a dot for each role on every line; `unit`: all on [0, 1].

    rows: quantity, line, role, value
    """
    count = len({row["quantity"] for row in rows})
    base = alt.Chart(alt.Data(values=placed(rows)))
    y = alt.Y("line:N", sort=met("at"), title=None, axis=alt.Axis(labelLimit=LABEL))
    x = alt.X("value:Q", title=None, axis=alt.Axis(tickCount=4, format="~g"))
    x = x.scale(domain=[0, 1]).axis(_axis(4)) if unit else x
    link = base.mark_rule(strokeWidth=2, opacity=0.5, color=GREY).encode(
        x=alt.X("min(value):Q"), x2="max(value):Q", y=y
    )
    points = base.mark_point(filled=True, size=80, opacity=1).encode(
        x=x,
        y=y,
        color=_colour(roles),
        shape=_shape(roles),
        tooltip=_tips("quantity", "line", "role", value="value"),
    )
    zero = base.mark_rule(strokeDash=[2, 3], color=GREY).encode(x=alt.datum(0))
    cells = alt.layer(*((link, points) if unit else (zero, link, points))).properties(
        width=(WIDTH - 90) // count - GAP, height=alt.Step(22)
    )
    facet = alt.Facet("quantity:N", sort=met("at"), title=None, header=header())
    chart = cells.facet(facet=facet, columns=count, spacing=GAP)
    chart = chart if unit else chart.resolve_scale(x="independent")
    return dressed(chart, description, cells=count, least=140)


def curve(rows: Sequence[Row], title: str, description: str, *, unit: bool = False) -> alt.Chart:
    """One figure over training steps; `unit`: drawn on [0, 1]. rows: step, value"""
    scale = alt.Scale(domain=[0, 1]) if unit else alt.Scale(zero=False, nice=True)
    chart = (
        alt.Chart(alt.Data(values=list(rows)))
        .mark_line(color=BLUE, point={"size": 18, "color": BLUE})
        .encode(
            x=_steps(),
            y=alt.Y("value:Q", title=title, scale=scale, axis=alt.Axis(tickCount=4, format="~g", grid=True)),
            tooltip=_tips("step", value="value"),
        )
        .properties(width=WIDTH // 2 - 40, height=130)
    )
    return dressed(chart, description)


def curve_states(rows: Sequence[Row], description: str) -> alt.Chart:
    """P(first action) over training steps, one line a state. rows: step, state, p"""
    names = list(dict.fromkeys(str(row["state"]) for row in rows))
    colours = [SERIES[i % len(SERIES)] for i in range(len(names))]
    dashes = [DASHES[i % len(DASHES)] for i in range(len(names))]
    legend = "last round: own, other"
    chart = (
        alt.Chart(alt.Data(values=list(rows)))
        .mark_line(strokeWidth=2)
        .encode(
            x=_steps(),
            y=alt.Y(
                "p:Q",
                title="P(first action | legal answer)",
                scale=alt.Scale(domain=[0, 1]),
                axis=alt.Axis(tickCount=4, format="~g", grid=True),
            ),
            color=alt.Color("state:N", title=legend, scale=alt.Scale(domain=names, range=colours)),
            strokeDash=alt.StrokeDash("state:N", title=legend, scale=alt.Scale(domain=names, range=dashes)),
            tooltip=_tips("step", "state", value="p"),
        )
        .properties(width=WIDTH - 60, height=190)
    )
    return dressed(chart, description)


def answers(rows: Sequence[Row], description: str) -> alt.LayerChart:
    """P(right answer) of each question, before across, after up. rows: question, before, after, change"""
    kinds = {"same": "circle", "became right": "triangle-up", "became wrong": "triangle-down"}
    kinds |= {"wrong in another way": "square"}
    colours = dict(zip(kinds, (GREY, BLUE, VERMILION, PURPLE), strict=True))
    there = [kind for kind in kinds if any(row["change"] == kind for row in rows)]
    unit, legend = alt.Scale(domain=[0, 1]), alt.Legend(columns=2)
    diagonal = (
        alt.Chart(alt.Data(values=[{"v": 0}, {"v": 1}]))
        .mark_line(color=GREY, strokeDash=[2, 3])
        .encode(x=alt.X("v:Q"), y=alt.Y("v:Q"))
    )
    points = (
        alt.Chart(alt.Data(values=sorted(rows, key=lambda row: row["change"] != "same")))
        .mark_point(filled=True, size=60, opacity=0.85)
        .encode(
            x=alt.X("before:Q", title="P(right answer), before", scale=unit, axis=_axis(5)),
            y=alt.Y("after:Q", title="P(right answer), after", scale=unit, axis=_axis(5)),
            color=alt.Color(
                "change:N",
                title=None,
                legend=legend,
                scale=alt.Scale(domain=there, range=[colours[kind] for kind in there]),
            ),
            shape=alt.Shape(
                "change:N",
                title=None,
                legend=legend,
                scale=alt.Scale(domain=there, range=[kinds[kind] for kind in there]),
            ),
            tooltip=[
                alt.Tooltip("question:N"),
                alt.Tooltip("before:Q", format=".3f"),
                alt.Tooltip("after:Q", format=".3f"),
            ],
        )
    )
    return dressed(alt.layer(diagonal, points).properties(width=300, height=260), description, most=380)


def estimated(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """A dot an estimate, value aimed at and estimate of people, in a panel a parameter. An open end is cut
    half a unit beyond all that is known in its panel."""
    found = [row for row in rows if row["value"] is not None and row["parameter"] != "precision"]
    dots = [
        {"panel": _panel(row), "who": row["role"], "kind": "estimate"}
        | {key: row[key] for key in ("value", "low", "high")}
        for row in found
    ]
    if not dots:
        return []
    aims = {(_panel(row), row["theory"]) for row in found if row["theory"] is not None}
    dots += [{"panel": panel, "who": "trained for", "kind": "aim", "value": x} for panel, x in sorted(aims)]
    for human in HUMANS:
        for name, value in human.values.items():
            if any(row["family"] == human.family for row in found):
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
    """One panel a parameter: estimates in their intervals, what was aimed at, people.

    rows: panel, who, kind (estimate, aim or people), value; low and high of estimates
    """
    kinds = {"estimate": (BLUE, "circle"), "aim": (VERMILION, "diamond"), "people": (GREY, "square")}
    there = [kind for kind in kinds if any(row["kind"] == kind for row in rows)]
    colours = alt.Scale(domain=there, range=[kinds[kind][0] for kind in there])
    shapes = alt.Scale(domain=there, range=[kinds[kind][1] for kind in there])
    base = alt.Chart(alt.Data(values=placed(rows)))
    y = alt.Y("who:N", sort=met("at"), title=None, axis=alt.Axis(labelLimit=2 * LABEL))
    colour = alt.Color("kind:N", title=None, scale=colours, legend=None)
    spans = (
        base.mark_rule(strokeWidth=3, opacity=0.45)
        .transform_filter("isValid(datum.low) && isValid(datum.high)")
        .encode(x=alt.X("low:Q", title=None), x2="high:Q", y=y, color=colour)
    )
    points = base.mark_point(filled=True, size=80, opacity=1).encode(
        x=alt.X("value:Q", title=None, axis=alt.Axis(tickCount=4, format="~g")),
        y=y,
        color=colour,
        shape=alt.Shape("kind:N", title=None, scale=shapes, legend=None),
        tooltip=_tips("panel", "who", value="value"),
    )
    zero = base.mark_rule(strokeDash=[2, 3], color=GREY).encode(x=alt.datum(0))
    cells = alt.layer(zero, spans, points).properties(width=WIDTH - 260, height=alt.Step(22))
    facet = alt.Facet("panel:N", sort=met("at"), title=None, header=header())
    chart = cells.facet(facet=facet, columns=1, spacing=GAP)
    return dressed(chart.resolve_scale(x="independent", y="independent"), description, cells=1, least=140)


def _grid(cells: Any, column: str, rows: Sequence[Row]) -> alt.FacetChart:
    """One row of panels a game, in the order met; the y axis shared where every game has the same."""
    field = "state" if "state" in rows[0] else "role"
    marks: dict[Any, set[Any]] = {}
    for row in rows:
        marks.setdefault(row["game"], set()).add(row[field])
    same = len({frozenset(held) for held in marks.values()}) == 1
    chart = cells.facet(
        row=alt.Row("game:N", sort=met("at"), title=None, header=header()),
        column=alt.Column(f"{column}:N", sort=met("at"), title=None, header=header()),
        spacing={"row": 14, "column": GAP},
        align={"row": "each", "column": "all"},
    )
    return chart if same else chart.resolve_scale(y="independent")


def dressed(chart: Any, description: str, **hints: int) -> Any:
    """The same dress for all; the page's style sheet replaces ink and background."""
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


def _shares(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Action types as parts of one: own actions scaled by 1 - illegal."""
    parts: list[dict[str, Any]] = []
    for row in rows:
        types = {tuple(key.rsplit("|", 1)): x for key, x in row.items() if "|" in key}
        for (action, last), x in types.items():
            share = x if action == "illegal" else x * (1 - types["illegal", last])
            own = {"action": action, "after": f"after {last}", "share": share}
            parts.append({"game": row["game"], "role": row["role"], **own})
    return parts


def _few(rows: Sequence[Row], key: str) -> list[Row]:
    kept = list(dict.fromkeys(row[key] for row in rows))[:MOST_PANELS]
    return [row for row in rows if row[key] in kept]


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


def placed(rows: Iterable[Row]) -> list[dict[str, Any]]:
    return [{**row, "at": i} for i, row in enumerate(rows)]


def met(field: str) -> alt.EncodingSortField:
    """In the order the rows come."""
    return alt.EncodingSortField(field=field, op="min")


def _colour(roles: Sequence[str]) -> alt.Color:
    """Before in vermilion, after in blue; one alone in blue, and without a legend."""
    colours = [BLUE] if len(roles) == 1 else [VERMILION, BLUE, *SERIES[2:]]
    scale = alt.Scale(domain=list(roles), range=colours[: len(roles)])
    return alt.Color("role:N", title=None, scale=scale, **_legend(roles))


def _shape(roles: Sequence[str]) -> alt.Shape:
    shapes = ["circle"] if len(roles) == 1 else list(SHAPES)
    scale = alt.Scale(domain=list(roles), range=shapes[: len(roles)])
    return alt.Shape("role:N", title=None, scale=scale, **_legend(roles))


def _legend(roles: Sequence[str]) -> dict[str, Any]:
    return {"legend": None} if len(roles) == 1 else {}


def _axis(ticks: int) -> alt.Axis:
    return alt.Axis(tickCount=ticks, format="~g")


def _steps() -> alt.X:
    axis = alt.Axis(tickMinStep=1, tickCount=6, grid=False, format="d")
    return alt.X("step:Q", title="training step", axis=axis)


def header() -> alt.Header:
    return alt.Header(labelOrient="top", labelAnchor="start", labelPadding=4)


def _tips(*names: str, value: str) -> list[alt.Tooltip]:
    return [*(alt.Tooltip(f"{name}:N") for name in names), alt.Tooltip(f"{value}:Q", format=".4f")]
