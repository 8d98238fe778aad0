"""Every table of a report as plain rows (`tabulate`): action types, regret, stability and the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping, Sequence

import numpy as np

from homines.core import plugins
from homines.core.format import TableRow, count, finite, number
from homines.core.registry import head
from homines.core.types import Choice, Decision, HominesError, Preference, Record
from homines.elicitation.answers_in_words import answers_in_words
from homines.elicitation.metrics import (
    action_types,
    average_by_decision,
    best_response_rate,
    decision_rates,
    group_by,
    instability,
    is_normalised,
    mass,
    moral_regret,
    order_effect,
    payoff_sensitivity,
    summary,
)
from homines.elicitation.questions import situation, state
from homines.estimation.agent_estimates import estimates
from homines.preferences.deontological import Deontological
from homines.preferences.utilitarian import Utilitarian
from homines.reports.chart_style import SERIES
from homines.reports.run_view import MOST_ACTIONS, MOST_GAMES, STEP, RunView
from homines.theory.choice import uniform_beliefs

GRADED = "graded_betrayal"
"""The rule of `deontological` for more than two players."""
MOST_TOLD = 12
"""Players of a game told by counts whose payoffs stand on the page."""

# --- rows: what was measured -----------------------------------------------------------------------


def tabulate(view: RunView) -> dict[str, list[TableRow]]:
    """Every measure of a run by name, a row for each pair of thing measured and role.

    `mass` in a row is the legal mass of the answers behind it.
    """
    undefined = undefined_games(view)
    by_game = group_by(view.records, "game", "model").items()
    named = [({"game": game, "role": view.roles[model], "mass": mass(g)}, g) for (game, model), g in by_game]
    return {
        "overview": _overview(view),
        "states": _states(view),
        "types": [row | types for row, group in named if _few(group) and (types := action_types(group))],
        "frames": [
            {key: value for key, value in row.items() if key not in ("samples", "p")}
            | {"role": view.roles[row["model"]], "frame": view.short.get(row["frame"], row["frame"])}
            for row in summary(view.records)
        ],
        "regret": _with_all_columns(
            [row | regrets for row, group in named if (regrets := _regrets(view, group, undefined))]
        ),
        "scores": _scores(view),
        "stability": [
            row | {"instability": instability(group), "order effect": order_effect(group)}
            for row, group in named
        ],
        "sensitivity": _sensitivity(view),
        "steps": [{"step": row["step"]} | {key: finite(row.get(key)) for key in STEP} for row in view.curve],
        "curve": _curve_states(view),
        "sides": [
            {"role": view.roles[model]}
            | {
                key: finite(scores.get(key))
                for key in ("right", "questions", "accuracy", "mass", "perplexity")
            }
            for model, scores in view.sides.items()
            if scores.keys() - {"benchmarks"}
        ],
        "benchmarks": _benchmarks(view),
        "answers": _answers(view),
        **_words(view),
        "errors": _errors(view),
        "undefined": [{"game": game, "why": why} for game, why in undefined.items()],
        "games": _games(view),
    }


def _with_all_columns(rows: Sequence[TableRow]) -> list[TableRow]:
    """The rows with None for what another row alone has, as graded duty among many players."""
    names = dict.fromkeys(name for row in rows for name in row)
    return [{name: row.get(name) for name in names} for row in rows]


def _overview(view: RunView) -> list[TableRow]:
    """Action types in the games and words of the training and elsewhere; without a training, by game."""
    records = [r for r in view.records if state(r.decision) is not None and len(r.decision.actions) == 2]
    reference = [r for r in records if r.game in view.games] or records
    alike = [r for r in records if r.decision.actions == reference[0].decision.actions] or view.records
    many = len({r.game for r in view.records}) > MOST_GAMES
    places: dict[tuple[int, str], list[Record]] = {}
    for r in alike:
        places.setdefault(_place(view, r, many), []).append(r)
    rows: list[TableRow] = []
    for (_, where), inside in sorted(places.items(), key=lambda item: item[0][0]):
        games, frames = ({getattr(r, name) for r in inside} for name in ("game", "frame"))
        sub = count(len(frames), "frame")
        sub = f"{count(len(games), 'game')}, {sub}" if view.training or len(games) > 1 else sub
        for (model,), group in group_by(inside, "model").items():
            types = action_types(group)
            row = {"where": where, "sub": sub, "games": games, "role": view.roles[model]}
            if _few(group):
                d = group[0].decision
                row |= {f"{a} after {a}": types.get(f"{a}|{_all_do(d, a)}") for a in d.actions if types}
            else:
                row |= _menu_row(average_by_decision(group))
            rows.append({**row, "mass": mass(group)})
    return rows


def _all_do(d: Decision, action: str) -> str:
    """What action types call the others' last action where all of them took this one of mine."""
    return d.theirs[0][0 if action == d.actions[0] else -1] if d.crowd else action


def _few(group: Sequence[Record]) -> bool:
    return all(len(r.decision.actions) <= MOST_ACTIONS for r in group)


def numeric_actions(d: Decision) -> list[float] | None:
    """The actions of a decision as numbers; None where some are words."""
    try:
        return [float(name) for name in d.actions]
    except ValueError:
        return None


def _menu_row(pairs: Sequence[tuple[Decision, Choice]]) -> TableRow:
    """A choice from a long menu, averaged over decisions with this menu; empty where the menus differ.

    'likeliest': the likeliest action with its probability; 'mean answer': of actions that are numbers.
    """
    if not pairs or len({d.actions for d, _ in pairs}) > 1:
        return {}
    d, p = pairs[0][0], np.mean([c.p for _, c in pairs], axis=0)
    numbers = numeric_actions(d)
    row: TableRow = {} if numbers is None else {"mean answer": float(p @ numbers)}
    return row | {"likeliest": f"{d.actions[int(p.argmax())]} ({number(float(p.max()))})"}


def elsewhere(rows: Mapping[str, list[TableRow]]) -> list[str]:
    """The games that are not in the overview, whose actions are others."""
    games = {game for row in rows["overview"] for game in row["games"]}
    return [row["game"] for row in rows["games"] if games and row["game"] not in games]


def _place(view: RunView, r: Record, many: bool) -> tuple[int, str]:
    """(rank, name) of a record's row in the overview. many: more games than the overview has rows for."""
    if not view.training:
        return 0, head(r.game) if many else r.game
    if r.game in view.games:
        return (0, f"Trained on: {r.game}") if r.frame in view.training else (1, "Same game, other words")
    return (2, "Other games, same words") if r.frame in view.training else (3, "Other games, other words")


def _states(view: RunView) -> list[TableRow]:
    """P(first action) and legal mass of every decision in every frame, orders averaged.

    Of a menu of more than MOST_ACTIONS: the mean and the likeliest answer.
    """
    names: dict[str, dict[str, tuple[int, str]]] = {}
    times: Counter[tuple[str, str]] = Counter()
    rows: list[TableRow] = []
    for (game, frame, model), group in group_by(view.records, "game", "frame", "model").items():
        trained = game in view.games and frame in view.training
        for d, c, rates in decision_rates(group):
            known = names.setdefault(game, {})
            if d.key not in known:
                name = situation(d)
                times[game, name] += 1
                again = times[game, name]
                known[d.key] = len(known), f"{name} ({again})" if again > 1 else name
            place, name = known[d.key]
            rows.append(
                {
                    "game": game,
                    "frame": view.short.get(frame, frame),
                    "kind": "training" if trained else "other",
                    "state": name,
                    "place": place,
                    "role": view.roles[model],
                    "first": d.actions[0],
                    "p": rates[0] if len(d.actions) <= MOST_ACTIONS else None,
                    **({} if len(d.actions) <= MOST_ACTIONS else _menu_row([(d, c)])),
                    "mass": None if all(map(is_normalised, group)) else c.mass,
                }
            )
    return rows


def _regrets(view: RunView, group: Sequence[Record], undefined: Container[str]) -> TableRow:
    """Regret in points in a repeated game of two actions, of two players or told by counts, each other's next
    action taken as uniform; else empty.

    Regret is None where a preference has no value in the game (`undefined`).
    """
    pairs = [
        (d, c)
        for d, c in average_by_decision(group)
        if state(d) is not None and (d.crowd or d.payoffs.shape[1:] == (2, 2))
    ]
    if not pairs:
        return {}
    preferences: dict[str, Preference] = {"deontological": Deontological(), "utilitarian": Utilitarian()}
    aim, aim_known = view.preference, group[0].game not in undefined
    if aim is not None and aim not in preferences.values():
        preferences["trained-for"] = aim
    if pairs[0][0].crowd > 1:
        preferences["graded duty"] = Deontological(GRADED)
    row: TableRow = {}
    for name, preference in preferences.items():
        if preference == aim:
            known = aim_known
        else:  # duty, graded or not, is a rule about C and D, which the page says
            known = name == "utilitarian" or all({"C", "D"} <= set(d.actions) for d, _ in pairs)
        value = moral_regret(preference, pairs, belief=uniform_beliefs).regret if known else None
        row[f"{name} regret"] = value
    if aim is not None:
        row["best reply"] = best_response_rate(aim, pairs, uniform_beliefs) if aim_known else None
    return row


def undefined_games(view: RunView) -> dict[str, str]:
    """The reason by game, for the games of the run in which the preference trained for has no value."""
    reasons: dict[str, str] = {}
    if view.preference is None:
        return reasons
    for (game,), group in group_by(view.records, "game").items():
        try:
            for d in {r.decision.key: r.decision for r in group}.values():
                view.preference(d)
        except HominesError as failure:
            reasons[game] = str(failure)
    return reasons


def _scores(view: RunView) -> list[TableRow]:
    """Scores of a fine-tuning's exam (scores.json), a row for each pair of condition and role."""
    rows: list[TableRow] = []
    for when, by_condition in view.scores.items():
        for condition, scores in by_condition.items() if isinstance(by_condition, Mapping) else ():
            if when in view.roles.values() and isinstance(scores, Mapping):
                figures = {name: finite(scores.get(name)) for name in ("share", "right", "mass", "rows")}
                rows.append({"asked": str(condition), "role": when, **figures})
    return rows


def preferences(view: RunView) -> list[TableRow]:
    """Estimated parameters by role, with their values in the preference trained for.

    `tabulate` leaves them out, for they take a second or more.
    """
    rows: list[TableRow] = []
    every = group_by(view.every, "model")
    for model, role in view.roles.items():
        own = every.get((model,), [])
        aim = view.preference if "after" in role else None
        rows += [{"role": role, **row} for row in estimates(own, aim)] if own else []
    return rows


def _sensitivity(view: RunView) -> list[TableRow]:
    rows: list[TableRow] = []
    for (model,), group in group_by(view.records, "model").items():
        slope = payoff_sensitivity(average_by_decision(group))
        if slope is not None:
            rows.append({"role": view.roles[model], "mass": mass(group), **vars(slope)})
    return rows


def _curve_states(view: RunView) -> list[TableRow]:
    """P(first action) by training step, for the first states of the game."""
    rows: list[TableRow] = []
    for row in view.curve:
        states = row.get("p")
        for name, p in list(states.items())[: len(SERIES)] if isinstance(states, dict) else ():
            if isinstance(p, list) and p and (first := finite(p[0])) is not None:
                rows.append({"step": row["step"], "state": name, "p": first})
    return rows


def _answers(view: RunView) -> list[TableRow]:
    """The everyday questions that were asked both before and after."""
    by_role: dict[str, dict[str, TableRow]] = {}
    for model, scores in view.sides.items():
        listed = scores.get("answers")
        answers = [row for row in listed if isinstance(row, dict)] if isinstance(listed, list) else []
        by_role[view.roles[model]] = {str(row.get("question")): row for row in answers}
    rows: list[TableRow] = []
    for question, a in by_role.get("before", {}).items():
        if (b := by_role.get("after", {}).get(question)) is None:
            continue
        change = "same" if a.get("given") == b.get("given") else "wrong in another way"
        if bool(a.get("right")) != bool(b.get("right")):
            change = "became right" if b.get("right") else "became wrong"
        row: TableRow = {"question": question, "answer": a.get("answer"), "change": change}
        answers = {"given before": a.get("given"), "given after": b.get("given")}
        rows.append(row | answers | {"before": finite(a.get("p")), "after": finite(b.get("p"))})
    return rows


def _benchmarks(view: RunView) -> list[TableRow]:
    """Accuracy on a user's own files, in all (an empty category) and by category."""
    keys = ("right", "questions", "accuracy", "low", "high", "p", "mass", "failed")
    rows: list[TableRow] = []
    for model, sides in view.sides.items():
        for name, scores in sides.get("benchmarks", {}).items():
            parts = scores.get("categories")
            for category, part in {"": scores, **(parts if isinstance(parts, dict) else {})}.items():
                numbers = {key: finite(part.get(key)) for key in keys} if isinstance(part, dict) else {}
                rows.append({"benchmark": name, "category": category, "role": view.roles[model], **numbers})
    return rows


def _words(view: RunView) -> dict[str, list[TableRow]]:
    """How answers in words were read, by role, and the most frequent illegal texts."""
    readings: list[TableRow] = []
    illegal: list[TableRow] = []
    for (model,), group in group_by(view.every, "model").items():
        if (words := answers_in_words(group)) is not None:
            role = view.roles.get(model, model)
            readings.append({"role": role, **words.row()})
            illegal += [{"said": text, "times": n, "role": role} for text, n in words.illegal.items()]
    return {"readings": readings, "illegal": illegal}


def _errors(view: RunView) -> list[TableRow]:
    """Failed questions by message, the most frequent first."""
    failed = group_by((r for r in view.records if r.error is not None), "error").items()
    return [
        {
            "count": len(failures),
            "message": message,
            "model": ", ".join(dict.fromkeys(r.model for r in failures)),
            "game": ", ".join(dict.fromkeys(r.game for r in failures)),
            "frame": ", ".join(dict.fromkeys(view.short.get(r.frame, r.frame) for r in failures)),
        }
        for (message,), failures in sorted(failed, key=lambda item: -len(item[1]))
    ]


def _games(view: RunView) -> list[TableRow]:
    """The summary of each game, and its payoffs (own, other's) where it is two by two; where it is told by
    counts, mine by act, after 0, 1, ... others took the second."""
    about = {entry.name: entry.summary for entry in plugins.describe("games")}
    rows: list[TableRow] = []
    for (game,), group in group_by(view.records, "game").items():
        d = group[0].decision
        paid: list[str] = []
        if d.payoffs.shape == (2, 2, 2) and d.theirs:
            for (i, j), mine in np.ndenumerate(d.payoffs[0]):
                paid.append(f"{d.actions[i]},{d.theirs[0][j]}:\u00a0{mine:g},\u00a0{d.payoffs[1, i, j]:g}")
        for name, mine in zip(d.actions, d.payoffs[0], strict=True) if 1 < d.crowd < MOST_TOLD else ():
            paid.append(f"{name}: {', '.join(f'{x:g}' for x in mine)}".replace(" ", "\u00a0"))
        rows.append({"game": game, "what": about.get(head(game)), "payoffs": "; ".join(paid)})
    return rows
