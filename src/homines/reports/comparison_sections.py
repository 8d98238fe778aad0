"""The sections of a page of several runs, a function each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest

import numpy as np

from homines.core.format import TableRow, clean, number
from homines.core.registry import head
from homines.core.types import LEGAL_MASS, Choice, Decision
from homines.elicitation.metrics import decision_rates, instability, mass, order_effect
from homines.elicitation.questions import situation
from homines.estimation import agent_estimates, family
from homines.estimation.published import HUMANS
from homines.reports import charts as draw
from homines.reports.agents import (
    Agent,
    averaging_note,
    chart_columns,
    column_means,
    menu_numbers,
    statistic,
    statistic_name,
)
from homines.reports.page import Section
from homines.reports.run_view import MOST_ACTIONS
from homines.reports.study_sections import dilemmas, is_dilemma, prices
from homines.reports.tables import Weak, mark_weak

MOST = 24
"""Most rows and columns of a heat map, and agents in a chart of estimates; tables have all."""
MOST_GAMES_NAMED = 5
"""Most games that a sentence names."""
DAGGER = f"† and grey: legal mass under {number(LEGAL_MASS, 1)}, so these are answers that are rarely given."
NO_FRAME = "Nothing can be compared of {}: those who were asked share no frame (no wording) for it."
ONE_ALONE = "Asked of one agent alone, and so not compared: {}."


def participants(agents: Sequence[Agent]) -> Section:
    """Every agent: its preference, its questions, and how far its answers can be trusted."""
    failures = any(r.choice is None for a in agents for r in a.records)
    rows: list[TableRow] = []
    for a in agents:
        row: TableRow = {"agent": a.name, "trained to": a.aim, "asked": len(a.records)}
        row |= {"failed": sum(r.choice is None for r in a.records)} if failures else {}
        legal = mass(a.records)
        row |= {"legal mass": mark_weak(legal, legal), "order effect": order_effect(a.records)}
        rows.append(row | {"instability": instability(a.records)})
    text = (
        "Order effect: P(shown first) less P(shown last); instability: how far a rate spreads over words. "
        "Both are over all that the agent was asked, and agents were not all asked the same. Models are "
        "under Settings and provenance."
    )
    return Section("agents", "Who is compared", (text,), rows, note=DAGGER if _any_weak(rows) else "")


def _any_weak(rows: Sequence[TableRow]) -> bool:
    return any(isinstance(value, Weak) for row in rows for value in row.values())


# --- behaviour -------------------------------------------------------------------------------------


def behaviour(agents: Sequence[Agent]) -> Section | None:
    """Choices in every situation of the games that several agents were asked, over the frames they share."""
    situations: list[tuple[str, Decision, dict[str, Choice]]] = []
    rates: dict[tuple[str, str, str], float] = {}
    apart: list[str] = []
    alone: list[str] = []
    for game in dict.fromkeys(r.game for a in agents for r in a.records):
        if is_dilemma(game):
            continue
        records_by_agent = {a.name: own for a in agents if (own := [r for r in a.records if r.game == game])}
        frames = set.intersection(*({r.frame for r in own} for own in records_by_agent.values()))
        if len(records_by_agent) < 2 or not frames:
            (alone if len(records_by_agent) < 2 else apart).append(game)
            continue
        by_decision: dict[str, tuple[Decision, dict[str, Choice]]] = {}
        for name, own in records_by_agent.items():
            for d, c, of_actions in decision_rates(r for r in own if r.frame in frames):
                by_decision.setdefault(d.key, (d, {}))[1][name] = c
                rates[game, d.key, name] = of_actions[0]
        situations += [(game, d, by) for d, by in by_decision.values()]
    text = [
        "In the games that two agents or more were asked, over the frames that all of these share: P(first "
        "action) given a legal answer; on longer menus than three actions the mean, or the likeliest, action."
    ]
    omissions = ((NO_FRAME, apart), (ONE_ALONE, alone))
    remarks = [sentence.format(_list_games(games)) for sentence, games in omissions if games]
    if not situations:
        return Section("behaviour", "What they do", tuple(remarks)) if remarks else None
    rows = [_row(game, d, by, agents, rates) for game, d, by in situations]

    drawn = _most_apart(situations)
    if len(drawn) < len(situations):
        text.append(
            f"The chart shows {len(drawn)} of {len(situations)} situations, of each kind of game those in "
            "which agents differ most; all are in the table and its CSV."
        )
    columns = chart_columns(agents)
    cells = [cell for game, d, by in drawn for cell in _cells(game, d, by, columns)]
    names = list(dict.fromkeys(cell["column"] for cell in cells))[:MOST]
    if len(names) < len(columns):
        text.append(f"It draws {len(names)} of {len(columns)} columns.")
    caption = "What is chosen, by agent and situation, given a legal answer"
    return Section(
        "behaviour",
        "What they do",
        (*text, *([averaging_note(agents)] if averaging_note(agents) else []), *remarks),
        rows,
        draw.heat([c for c in cells if c["column"] in names], caption, across="agent", down="situation"),
        note=DAGGER if any(c["weak"] for c in cells) or _any_weak(rows) else "",
    )


def _list_games(games: Sequence[str]) -> str:
    rest = [f"and {len(games) - MOST_GAMES_NAMED} more"] if len(games) > MOST_GAMES_NAMED else []
    return ", ".join([*(f"`{clean(game, 60)}`" for game in games[:MOST_GAMES_NAMED]), *rest])


def _row(
    game: str,
    d: Decision,
    by: Mapping[str, Choice],
    agents: Sequence[Agent],
    rates: Mapping[tuple[str, str, str], float],
) -> TableRow:
    """rates: of the first action, by game, decision and agent."""
    row: TableRow = {"where": f"{game}, {situation(d)}", "shown": statistic_name(d)}
    for a in agents:
        if (c := by.get(a.name)) is not None:
            value = rates[game, d.key, a.name] if len(d.actions) <= MOST_ACTIONS else statistic(d, c)
            row[a.name], row[f"{a.name}, mass"] = mark_weak(value, c.mass), c.mass
    return row


def _place(d: Decision, c: Choice) -> float:
    """The value of a cell's colour in [0, 1]; a mean action by its place on the menu."""
    value, numbers = statistic(d, c), menu_numbers(d)
    if numbers is None or isinstance(value, str):
        return float(c.p.max()) if isinstance(value, str) else value
    return (value - min(numbers)) / ((max(numbers) - min(numbers)) or 1.0)


def _most_apart(
    situations: Sequence[tuple[str, Decision, dict[str, Choice]]],
) -> list[tuple[str, Decision, dict[str, Choice]]]:
    """At most MOST situations, in their order: from every kind of game those in which agents differ most."""
    spread = [float(np.ptp([_place(d, c) for c in by.values()])) for _, d, by in situations]
    kinds: dict[str, list[int]] = {}
    for i in sorted(range(len(situations)), key=lambda i: -spread[i]):
        kinds.setdefault(head(situations[i][0]), []).append(i)
    turns = [i for turn in zip_longest(*kinds.values()) for i in turn if i is not None]
    return [situations[i] for i in sorted(turns[:MOST])]


def _cells(
    game: str, d: Decision, by: Mapping[str, Choice], drawn: Mapping[str, Sequence[Agent]]
) -> list[TableRow]:
    out: list[TableRow] = []
    for column, members in drawn.items():
        if not (choices := [by[a.name] for a in members if a.name in by]):
            continue
        values = [statistic(d, c) for c in choices]
        numbers = [v for v in values if not isinstance(v, str)]
        likely = max(map(str, values), key=[str(v) for v in values].count)
        out.append(
            {
                "row": f"{game}, {situation(d)}: {statistic_name(d)}",
                "column": column,
                "value": float(np.mean([_place(d, c) for c in choices])),
                "text": number(float(np.mean(numbers))) if numbers else clean(likely, 12),
                "weak": float(np.mean([c.mass for c in choices])) < LEGAL_MASS,
            }
        )
    return out


# --- regret, estimates, side effects ---------------------------------------------------------------


def regret(agents: Sequence[Agent]) -> Section | None:
    """Moral regret by agent and game; the chart has the mean over games."""
    rows: list[TableRow] = []
    for a in agents:
        for row in a.rows["regret"]:
            if row["role"] == a.role and (regrets := {k: v for k, v in row.items() if k.endswith("regret")}):
                marked = {name: mark_weak(value, row["mass"]) for name, value in regrets.items()}
                rows.append({"agent": a.name, "game": row["game"], **marked, "legal mass": row["mass"]})
    if not rows:
        return None
    kinds = list(dict.fromkeys(key for row in rows for key in row if key.endswith("regret")))
    dots: list[TableRow] = []
    legal_mass = column_means(rows, "legal mass", agents)
    for kind in kinds:
        for name, value in column_means(rows, kind, agents).items():
            weak = legal_mass.get(name, 1.0) < LEGAL_MASS  # not known: not known to be weak
            place = {"panel": kind, "group": f"{name} †" if weak else name, "series": ""}
            dots.append(place | {"value": value, "weak": weak})
    text = (
        "How much worse than possible by a preference, in points of its utility, the other's next action "
        "taken as uniform; 0 is the best reply.",
        *([averaging_note(agents)] if averaging_note(agents) else []),
    )
    chart = draw.intervals(dots, "Regret by agent, the mean over its games") if dots else None
    return Section("regret", "Regret", text, rows, chart, DAGGER if _any_weak(rows) else "")


def preferences(agents: Sequence[Agent]) -> Section:
    """Estimated parameters of every agent, the values of its training, and published estimates of people."""
    rows: list[TableRow] = []
    dots: list[TableRow] = []
    estimated: list[str] = []
    scopes: dict[str, None] = {}
    for a in agents:
        estimates = agent_estimates.estimates(a.records, a.preference)
        if any(estimate["value"] is not None for estimate in estimates):
            estimated.append(a.name)
        scopes |= dict.fromkeys(e["scope"] for e in estimates if e["scope"])
        for estimate in estimates:
            value, legal = estimate["value"], estimate["mass"]
            ends: TableRow = {"value": value, "low": estimate["low"], "high": estimate["high"]}
            rows.append(
                {
                    "who": a.name,
                    "parameter": _panel(estimate["parameter"], estimate["family"]),
                    **{key: mark_weak(x, legal) for key, x in ends.items()},
                    "trained to": estimate["theory"],
                    "decisions": _of(estimate),
                    "legal mass": legal,
                    "why": estimate["why"] or None,
                }
            )
            if estimate["parameter"] == family.PRECISION or a.name not in estimated[:MOST]:
                continue
            weak = legal is not None and legal < LEGAL_MASS
            place = {"panel": _panel(estimate["parameter"], estimate["family"])}
            place["group"] = f"{a.name} †" if weak else a.name
            if value is not None:
                dots.append({**place, "series": "estimated", **ends, "weak": weak})
            if estimate["theory"] is not None:
                dots.append({**place, "series": "trained to", "value": estimate["theory"]})
    for human in HUMANS:
        name = f"people: {human.who}"
        for parameter, value in human.values.items():
            place = {"panel": _panel(parameter, human.family), "group": name}
            rows.append({"who": name, "parameter": place["panel"], "value": value})
            if estimated:
                dots.append({**place, "series": "people", "value": value})
    text = [
        "Maximum likelihood with 95% intervals by profile likelihood, over the decisions for which a family "
        "is defined; where there is no estimate, or no interval, the reason stands in its place. Choices "
        f"of a legal mass under {LEGAL_MASS:g} are left out where there are others. "
        f"{agent_estimates.NO_KAPPA} People: "
        f"{'; '.join(dict.fromkeys(h.source for h in HUMANS))}.",
    ]
    if len(estimated) > MOST:
        text.append(
            f"{MOST} of {len(estimated)} agents with an estimate are drawn; all are in the table and the CSV."
        )
    panels, lines = (list(dict.fromkeys(dot[key] for dot in dots)) for key in ("panel", "group"))
    taken = {(dot["panel"], dot["group"]) for dot in dots}
    dots += [  # so that panels share their lines
        {"panel": panel, "group": group, "series": dots[0]["series"]}
        for panel in panels
        for group in lines
        if (panel, group) not in taken
    ]
    chart = draw.intervals(dots, "Estimates and 95% intervals by agent") if dots else None
    note = " ".join([*scopes, *([DAGGER] if _any_weak(rows) else [])])
    return Section("preferences", "Estimated preferences", tuple(text), rows, chart, note)


def _panel(parameter: str, spec: str) -> str:
    return f"{parameter} ({spec.partition('(')[0]})"


def _of(estimate: TableRow) -> str:
    used, total = estimate["decisions"], estimate["asked"]
    return str(used) if used == total else f"{used} of {total}"


def sides(agents: Sequence[Agent]) -> Section | None:
    """Scores on everyday questions and a plain text."""
    rows = [
        {"agent": a.name, **{key: scores.get(key) for key in ("right", "questions", "mass", "perplexity")}}
        for a in agents
        if (scores := a.sides) and scores.keys() - {"benchmarks"}
    ]
    text = "Sixty everyday questions by exact label probabilities, and the perplexity of a plain text."
    return Section("sides", "Side effects", (text,), rows) if rows else None


PARTS: tuple[Callable[[Sequence[Agent]], Section | None], ...] = (
    participants, behaviour, dilemmas, prices, regret, preferences, sides,
)  # fmt: skip
