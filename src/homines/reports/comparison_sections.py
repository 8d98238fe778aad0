"""Sections of a page of several runs that only some studies fill: who a car saves, what firms charge."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from typing import Any

import numpy as np

from homines.core.format import clean, finite, number
from homines.core.registry import find
from homines.core.types import LEGAL_MASS, Choice, Decision, HominesError, Record
from homines.elicitation.metrics import (
    answered_records,
    average_by_decision,
    group_by,
    instability,
    mass,
    order_effect,
)
from homines.elicitation.policies import RecordedPolicy
from homines.elicitation.questions import situation
from homines.estimation import agent_estimates, family
from homines.estimation.amce import EFFECTS, Amce, amce_of_choices
from homines.estimation.published import DILEMMAS, HUMANS
from homines.games.dilemma import Dilemma
from homines.games.pricing import shop
from homines.reports import charts as draw
from homines.reports.agents import Agent, averaging, chosen, columns, menu, what
from homines.reports.page import Section
from homines.reports.tables import Weak
from homines.theory.conduct import conduct

Row = dict[str, Any]
PEOPLE = "all people"
MARKET = "pricing"
"""The game whose long run is told; its frame is 'market'."""


def of_dilemma(game: str) -> bool:
    return game.partition("(")[0] == "dilemma"


def dilemmas(there: Sequence[Agent]) -> Section | None:
    """Average marginal component effects of agents that were asked the moral machine's scenarios."""
    rows: list[Row] = []
    dots: list[Row] = []
    for a in there:
        if not (own := [r for r in a.records if of_dilemma(r.game)]):
            continue
        try:
            found = effects(own)
        except HominesError as why:
            return Section("dilemmas", "Who a car saves", (f"Effects cannot be told here: {why}.",))
        legal = mass(own) or 0.0
        beside = {"legal mass": legal, "order effect": order_effect(own)}
        for e, value, (low, high) in zip(EFFECTS, found.nine, found.interval(), strict=False):
            told = {"value": float(value), "low": float(low), "high": float(high)}
            shown = {key: Weak(x) if legal < LEGAL_MASS else x for key, x in told.items()}
            rows.append({"agent": a.name, "effect": e.name, **shown, **beside})
            dots.append({"panel": e.name, "group": "", "series": a.name, **told})
    if not rows:
        return None
    for e, value in zip(EFFECTS, DILEMMAS[PEOPLE], strict=True):
        rows.append({"agent": PEOPLE, "effect": e.name, "value": float(value)})
        dots.append({"panel": e.name, "group": "", "series": PEOPLE, "value": float(value)})
    text = (
        "Probability of being saved at the first level less that at the second, averaged over all else "
        "in the scenario, with 95% intervals; 0: it does not matter. Over the scenarios that came to an "
        "answer in every order and wording. The page of the study says what such effects can tell.",
    )
    note = "† and grey: little legal mass. People: Awad et al. (2018), as used by Takemoto (2024)."
    chart = draw.intervals(dots, "Effects on being saved, by agent, beside all people")
    return Section("dilemmas", "Who a car saves", text, rows, chart, note)


def effects(records: Sequence[Record]) -> Amce:
    """Effects over the scenarios of which no asking failed."""
    chosen: list[tuple[Dilemma, float]] = []
    for (game,), group in group_by(records, "game").items():
        if len(answered_records(group)) == len(group):
            chosen += [(find("games", game), float(c.p[0])) for _, c in average_by_decision(group)]
    return amce_of_choices(chosen)


def prices(there: Sequence[Agent]) -> Section | None:
    """What firms of one kind charge among themselves in the long run."""
    rows: list[Row] = []
    for a in there:
        for game in dict.fromkeys(r.game for r in a.records if r.game.partition("(")[0] == MARKET):
            own = [r for r in a.records if r.game == game and r.frame.startswith("market")]
            row: Row = {"agent": a.name, "game": game, "trained to": a.aim}
            try:
                made = find("games", game)
                policy = RecordedPolicy.of(own, symmetric=True)
                held = conduct(shop(), made, [policy, policy])
            except (HominesError, ValueError) as why:
                rows.append(row | {"why": str(why)})
                continue
            legal = mass(own)
            told = {
                "price": float(held.prices.mean()),
                "profit gain": held.gain,
                "customers' gain": held.surplus,
                "welfare": held.welfare,
            }
            weak = legal is not None and legal < LEGAL_MASS
            rows.append(row | {k: Weak(x) if weak else x for k, x in told.items()} | {"legal mass": legal})
    if not rows:
        return None
    dots = [
        {"panel": "price", "group": name, "series": "", "value": float(np.mean(some))}
        for name, held in columns(there).items()
        if (
            some := [
                x
                for row in rows
                if row["agent"] in {a.name for a in held} and (x := finite(row.get("price"))) is not None
            ]
        )
    ]
    text = (
        "Every agent in a market with its like, in the long run of the chain of its answers. Profit gain: "
        "0 is competition (Nash), 1 a cartel. Pairs of agents, price cuts and markets in words are on the "
        "page of the study itself.",
    )
    chart = draw.intervals(dots, "Long-run price among its like, by agent") if dots else None
    return Section("prices", "What firms charge", text, rows, chart, "† and grey: little legal mass.")


MOST = 24
"""Lines and columns of a heat map, and agents of a chart of estimates; tables hold all."""
TOLD = 5
"""Games named in a sentence."""
DAGGER = f"† and grey: legal mass under {number(LEGAL_MASS, 1)}, so these are answers that are rarely given."
NO_FRAME = "Nothing can be compared of {}: those who were asked share no frame (no wording) for it."
ONE_ALONE = "Asked of one agent alone, and so not compared: {}."


def marked(value: Any, legal: float | None) -> Any:
    """A number, Weak where its legal mass is little."""
    if isinstance(value, int | float) and legal is not None and legal < LEGAL_MASS:
        return Weak(value)
    return value


def who(there: Sequence[Agent]) -> Section:
    """Every agent: what it was trained to, what it was asked."""
    failures = any(r.choice is None for a in there for r in a.records)
    rows: list[Row] = []
    for a in there:
        row: Row = {"agent": a.name, "trained to": a.aim, "asked": len(a.records)}
        row |= {"failed": sum(r.choice is None for r in a.records)} if failures else {}
        legal = mass(a.records)
        row |= {"legal mass": marked(legal, legal), "order effect": order_effect(a.records)}
        rows.append(row | {"instability": instability(a.records)})
    text = (
        "Order effect: P(shown first) less P(shown last); instability: how far a rate spreads over words. "
        "Both are over all that the agent was asked, and agents were not all asked the same. Models are "
        "under Settings and provenance."
    )
    return Section("agents", "Who is compared", (text,), rows, note=DAGGER if _any_weak(rows) else "")


def _any_weak(rows: Sequence[Row]) -> bool:
    return any(isinstance(value, Weak) for row in rows for value in row.values())


# --- behaviour -------------------------------------------------------------------------------------


def behaviour(there: Sequence[Agent]) -> Section | None:
    """What is chosen in every situation of every game, over the frames that all who were asked share."""
    seen: list[tuple[str, Decision, dict[str, Choice]]] = []
    apart: list[str] = []
    alone: list[str] = []
    for game in dict.fromkeys(r.game for a in there for r in a.records):
        if of_dilemma(game):
            continue
        asked = {a.name: own for a in there if (own := [r for r in a.records if r.game == game])}
        frames = set.intersection(*({r.frame for r in own} for own in asked.values()))
        if len(asked) < 2 or not frames:
            (alone if len(asked) < 2 else apart).append(game)
            continue
        found: dict[str, tuple[Decision, dict[str, Choice]]] = {}
        for name, own in asked.items():
            for d, c in average_by_decision(r for r in own if r.frame in frames):
                found.setdefault(d.key, (d, {}))[1][name] = c
        seen += [(game, d, by) for d, by in found.values()]
    text = [
        "In the games that two agents or more were asked, over the frames that all of these share: P(first "
        "action) given a legal answer; on longer menus than three actions the mean, or the likeliest, action."
    ]
    told = [say.format(_some(games)) for say, games in ((NO_FRAME, apart), (ONE_ALONE, alone)) if games]
    if not seen:
        return Section("behaviour", "What they do", tuple(told)) if told else None
    rows = [_row(game, d, by, there) for game, d, by in seen]
    drawn = _most_apart(seen)
    if len(drawn) < len(seen):
        text.append(
            f"The chart shows {len(drawn)} of {len(seen)} situations, of each kind of game those in which "
            "agents differ most; all are in the table and its CSV."
        )
    cells = [cell for game, d, by in drawn for cell in _cells(game, d, by, columns(there))]
    kept = list(dict.fromkeys(cell["column"] for cell in cells))[:MOST]
    if len(kept) < len(columns(there)):
        text.append(f"It draws {len(kept)} of {len(columns(there))} columns.")
    caption = "What is chosen, by agent and situation, given a legal answer"
    return Section(
        "behaviour",
        "What they do",
        (*text, *([averaging(there)] if averaging(there) else []), *told),
        rows,
        draw.heat([c for c in cells if c["column"] in kept], caption, across="agent", down="situation"),
        note=DAGGER if any(c["weak"] for c in cells) or _any_weak(rows) else "",
    )


def _some(games: Sequence[str]) -> str:
    rest = [f"and {len(games) - TOLD} more"] if len(games) > TOLD else []
    return ", ".join([*(f"`{clean(game, 60)}`" for game in games[:TOLD]), *rest])


def _row(game: str, d: Decision, by: Mapping[str, Choice], there: Sequence[Agent]) -> Row:
    row: Row = {"where": f"{game}, {situation(d)}", "shown": what(d)}
    for a in there:
        if (c := by.get(a.name)) is not None:
            row[a.name], row[f"{a.name}, mass"] = marked(chosen(d, c), c.mass), c.mass
    return row


def _place(d: Decision, c: Choice) -> float:
    """What a cell's colour says, in [0, 1]: a mean by its place on the menu."""
    value, numbers = chosen(d, c), menu(d)
    if numbers is None or isinstance(value, str):
        return float(c.p.max()) if isinstance(value, str) else value
    return (value - min(numbers)) / ((max(numbers) - min(numbers)) or 1.0)


def _most_apart(
    seen: Sequence[tuple[str, Decision, dict[str, Choice]]],
) -> list[tuple[str, Decision, dict[str, Choice]]]:
    """At most MOST situations, in their order: of every kind of game in turn where agents differ most."""
    spread = [float(np.ptp([_place(d, c) for c in by.values()])) for _, d, by in seen]
    kinds: dict[str, list[int]] = {}
    for i in sorted(range(len(seen)), key=lambda i: -spread[i]):
        kinds.setdefault(seen[i][0].partition("(")[0], []).append(i)
    turns = [i for turn in zip_longest(*kinds.values()) for i in turn if i is not None]
    return [seen[i] for i in sorted(turns[:MOST])]


def _cells(
    game: str, d: Decision, by: Mapping[str, Choice], drawn: Mapping[str, Sequence[Agent]]
) -> list[Row]:
    out: list[Row] = []
    for column, some in drawn.items():
        if not (held := [by[a.name] for a in some if a.name in by]):
            continue
        values = [chosen(d, c) for c in held]
        numbers = [v for v in values if not isinstance(v, str)]
        likely = max(map(str, values), key=[str(v) for v in values].count)
        out.append(
            {
                "row": f"{game}, {situation(d)}: {what(d)}",
                "column": column,
                "value": float(np.mean([_place(d, c) for c in held])),
                "text": number(float(np.mean(numbers))) if numbers else clean(likely, 12),
                "weak": float(np.mean([c.mass for c in held])) < LEGAL_MASS,
            }
        )
    return out


# --- regret, estimates, side effects ---------------------------------------------------------------


def regret(there: Sequence[Agent]) -> Section | None:
    """Moral regret by game, and its mean over games by agent."""
    rows: list[Row] = []
    for a in there:
        for row in a.rows["regret"]:
            if row["role"] == a.role and (found := {k: v for k, v in row.items() if k.endswith("regret")}):
                told = {name: marked(value, row["mass"]) for name, value in found.items()}
                rows.append({"agent": a.name, "game": row["game"], **told, "legal mass": row["mass"]})
    if not rows:
        return None
    kinds = list(dict.fromkeys(key for row in rows for key in row if key.endswith("regret")))
    dots: list[Row] = []
    for kind in kinds:
        for name, some in columns(there).items():
            own = [row for row in rows if row["agent"] in {a.name for a in some}]
            values = [x for row in own if (x := finite(row.get(kind))) is not None]
            weak = bool(own) and float(np.mean([row["legal mass"] or 0 for row in own])) < LEGAL_MASS
            if values:
                told = {"value": float(np.mean(values)), "weak": weak}
                dots.append({"panel": kind, "group": f"{name} †" if weak else name, "series": "", **told})
    text = (
        "How much worse than possible by a preference, in points of its utility, the other's next action "
        "taken as uniform; 0 is the best reply.",
        *([averaging(there)] if averaging(there) else []),
    )
    chart = draw.intervals(dots, "Regret by agent, the mean over its games") if dots else None
    return Section("regret", "Regret", text, rows, chart, DAGGER if _any_weak(rows) else "")


def preferences(there: Sequence[Agent]) -> Section:
    """Estimates of every agent, the theory it was trained to, and those published of people."""
    rows: list[Row] = []
    dots: list[Row] = []
    known: list[str] = []
    for a in there:
        made = agent_estimates.estimates(a.records, a.preference)
        if any(found["value"] is not None for found in made):
            known.append(a.name)
        for found in made:
            value, legal = found["value"], found["mass"]
            told: Row = {"value": value, "low": found["low"], "high": found["high"]}
            rows.append(
                {
                    "who": a.name,
                    "parameter": _panel(found["parameter"], found["family"]),
                    **{key: marked(x, legal) for key, x in told.items()},
                    "trained to": found["theory"],
                    "decisions": _of(found),
                    "legal mass": legal,
                    "why": found["why"] or None,
                }
            )
            if found["parameter"] == family.PRECISION or a.name not in known[:MOST]:
                continue
            weak = legal is not None and legal < LEGAL_MASS
            place = {"panel": _panel(found["parameter"], found["family"])}
            place["group"] = f"{a.name} †" if weak else a.name
            if value is not None:
                dots.append({**place, "series": "estimated", **told, "weak": weak})
            if found["theory"] is not None:
                dots.append({**place, "series": "trained to", "value": found["theory"]})
    for human in HUMANS:
        name = f"people: {human.who}"
        for parameter, value in human.values.items():
            place = {"panel": _panel(parameter, human.family), "group": name}
            rows.append({"who": name, "parameter": place["panel"], "value": value})
            if known:
                dots.append({**place, "series": "people", "value": value})
    text = [
        "Maximum likelihood with 95% intervals by profile likelihood, over the decisions for which a family "
        "is defined; where there is no estimate, or no interval, the reason stands in its place. Choices "
        f"of a legal mass under {LEGAL_MASS:g} are left out where there are others. "
        f"{agent_estimates.NO_KAPPA} People: "
        f"{'; '.join(dict.fromkeys(h.source for h in HUMANS))}.",
    ]
    if len(known) > MOST:
        text.append(
            f"{MOST} of {len(known)} agents with an estimate are drawn; all are in the table and the CSV."
        )
    panels, lines = (list(dict.fromkeys(dot[key] for dot in dots)) for key in ("panel", "group"))
    there_too = {(dot["panel"], dot["group"]) for dot in dots}
    dots += [  # so that panels share their lines
        {"panel": panel, "group": group, "series": dots[0]["series"]}
        for panel in panels
        for group in lines
        if (panel, group) not in there_too
    ]
    chart = draw.intervals(dots, "Estimates and 95% intervals by agent") if dots else None
    note = DAGGER if _any_weak(rows) else ""
    return Section("preferences", "Estimated preferences", tuple(text), rows, chart, note)


def _panel(parameter: str, spec: str) -> str:
    return f"{parameter} ({spec.partition('(')[0]})"


def _of(found: Row) -> str:
    n, asked = found["decisions"], found["asked"]
    return str(n) if n == asked else f"{n} of {asked}"


def sides(there: Sequence[Agent]) -> Section | None:
    """Everyday questions and a plain text, before and after."""
    rows = [
        {"agent": a.name, **{key: found.get(key) for key in ("right", "questions", "mass", "perplexity")}}
        for a in there
        if (found := a.sides)
    ]
    text = "Sixty everyday questions by exact label probabilities, and the perplexity of a plain text."
    return Section("sides", "Side effects", (text,), rows) if rows else None


PARTS: tuple[Callable[[Sequence[Agent]], Section | None], ...] = (
    who, behaviour, dilemmas, prices, regret, preferences, sides,
)  # fmt: skip
