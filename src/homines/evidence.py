"""A run folder as evidence: what it holds, and every measure of it as plain rows.

    records, curve, notes -> rows (dicts) -> tables and charts (report.py)

What a folder does not hold is left out, never made up.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from homines import figures
from homines.core import registry
from homines.core.format import Row, clean, count, finite, lines, number, texts
from homines.core.plausible import CURVE, SCORES, TRAINING, sound, sound_sides
from homines.core.run_folder import Run
from homines.core.types import LEGAL_MASS, Choice, Decision, HominesError, Preference, Record
from homines.elicitation.metrics import (
    action_types,
    averaged,
    best_response_rate,
    by,
    choices,
    instability,
    mass,
    moral_regret,
    order_effect,
    payoff_sensitivity,
    summary,
)
from homines.elicitation.questions import situation, state
from homines.estimation.agent_estimates import estimates
from homines.inference import impossible
from homines.preferences.deontological import Deontological
from homines.preferences.utilitarian import Utilitarian
from homines.theory.choice import uniform

TRAINED = ("align", "demo", "tune", "distill")
TAUGHT = ("tune", "distill")
"""Trained on rows of data, which need be no games that were asked."""
STEP = ("reward", "mass", "kl", "loss", "grad_norm")
SLACK = 0.005
"""A change that two decimals cannot show is none."""
MOST_ACTIONS = 3
"""Actions of a decision up to which each has a column of its own."""
MOST_GAMES = 12
"""Games up to which each has a line of its own in the overview."""

# --- what the folder holds -------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Study:
    """A run as the report reads it.

    every      what was asked, beliefs about others among it; `records`: the model's own choices alone
    roles      'before', 'after' ... by model name
    short      a short name for each frame's spec
    training   specs of the frames trained on; `games`: those trained on, `game` the first of them
    sides      side effects by model name; `scores`, `noted`: what scores.json and training.json say
    impossible numbers that cannot be, and are left out of these and of `curve`, by file
    """

    run: Run
    every: list[Record]
    records: list[Record]
    roles: dict[str, str]
    short: dict[str, str]
    training: frozenset[str]
    game: str
    games: frozenset[str]
    preference: Preference | None
    sides: dict[str, Row]
    curve: list[Row]
    scores: Row
    noted: Row
    impossible: dict[str, int]

    @property
    def columns(self) -> list[str]:
        """Every role in order: of a training, 'after' also where it is not measured yet."""
        roles = list(self.roles.values())
        if self.run.config.get("kind") not in TRAINED or any("after" in r for r in roles):
            return roles
        return list(dict.fromkeys(["before", *roles, "after"]))


def read(folder: str | Path) -> Study:
    """Open a run folder. Raises StoreError where it is none or cannot be read."""
    run = Run(folder)
    config = run.config
    every = _sound_all(run.records)
    records = choices(every)
    noted, odd_sides = sound_sides(run.noted("sideeffects.json") or {})
    scores, odd_scores = sound(run.noted("scores.json") or {}, SCORES)
    training, odd_training = sound(run.noted("training.json") or {}, TRAINING)
    curve, odd_curve = sound(list(run.rows()), CURVE)
    sides = {model: dict(found) for model, found in noted.items() if isinstance(found, Mapping)}
    models = list(dict.fromkeys([*(record.model for record in records), *sides]))
    told = [*texts(config.get("training_frames")), *texts(config.get("frames"))]
    frames = [*map(_canonical, told), *(record.frame for record in records)]
    games = [*texts(config.get("game")), *texts(config.get("games"))]
    if config.get("kind") not in TAUGHT:  # else what is asked first may be what was not trained on
        games += [r.game for r in records[:1]]
    return Study(
        run,
        every,
        records,
        _roles(config, models),
        _short(frames),
        frozenset(map(_canonical, texts(config.get("training_frames")))),
        games[0] if games else "",
        frozenset(texts(config.get("training_games")) or games[:1]),
        found("preferences", config.get("preference")),
        sides,
        _steps(curve),
        scores,
        training,
        {
            "sideeffects.json": odd_sides,
            "scores.json": odd_scores,
            "training.json": odd_training,
            "curve.jsonl": odd_curve,
        },
    )


def _steps(rows: Iterable[Row]) -> list[Row]:
    """Curve rows with a step, counted on where a second phase begins anew."""
    out: list[Row] = []
    offset, phase = 0, None
    for row in rows:
        if (step := finite(row.get("step"))) is not None:
            if out and row.get("phase") != phase:
                offset = out[-1]["step"]
            phase = row.get("phase")
            out.append(row | {"step": offset + int(step)})
    return out


def _roles(config: Row, models: Sequence[str]) -> dict[str, str]:
    if config.get("kind") == "play":
        models = sorted(models, key=lambda model: model != config.get("person"))
    if config.get("kind") not in TRAINED:
        return {model: model if len(models) > 1 else "measured" for model in models}
    base = config.get("model")
    others = [model for model in models if model != base]
    after = {model: "after" if len(others) == 1 else f"after: {model}" for model in others}
    return ({str(base): "before"} if base in models else {}) | after


def _sound_all(records: Iterable[Record]) -> list[Record]:
    """Sound records, those of an earlier version in today's words."""
    spelt = cache(_canonical)
    answered = map(_sound, records)
    return [r if spelt(r.frame) == r.frame else replace(r, frame=spelt(r.frame)) for r in answered]


def _sound(record: Record) -> Record:
    """The record; one without an answer and without an error, with one that says so."""
    nothing = record.choice is None and not record.error
    return replace(record, error="no answer is stored") if nothing else record


def found(folder: str, spec: Any) -> Any:
    """What a spec names, or None; `caveats` say where that is for want of trust (lookup.foreign)."""
    if not isinstance(spec, str):
        return None
    try:
        return registry.find(folder, spec)
    except HominesError:
        return None


def _canonical(frame: str) -> str:
    """A frame's spec as records spell it."""
    known = found("frames", frame)
    return frame if known is None else registry.spell(known)


def _short(specs: Iterable[str]) -> dict[str, str]:
    """By spec: the frame's name and what differs from its defaults, such as 'table · X/Y · reversed'."""

    def name(spec: str) -> str:
        stem = spec.partition("(")[0]
        frame, plain = found("frames", spec), found("frames", stem)
        if frame is None or plain is None:
            return spec
        parts = [stem]
        for key, value in vars(frame).items():
            if value != getattr(plain, key):
                told = "/".join(map(str, value)) if isinstance(value, tuple) else str(value)
                parts.append(told if key in ("labels", "layout") else f"{key}: {told}")
        return " · ".join(parts)

    names = {spec: name(spec) for spec in dict.fromkeys(specs)}
    taken = Counter(names.values())
    return {spec: short if taken[short] == 1 else spec for spec, short in names.items()}


# --- rows: what was measured -----------------------------------------------------------------------


def measured(study: Study) -> dict[str, list[Row]]:
    """Every measure as plain rows, one a (thing, role); `mass` is the legal mass the row rests on."""
    by_game = by(study.records, "game", "model").items()
    named = [({"game": game, "role": study.roles[model], "mass": mass(g)}, g) for (game, model), g in by_game]
    return {
        "overview": _overview(study),
        "states": _states(study),
        "types": [row | types for row, group in named if _few(group) and (types := action_types(group))],
        "frames": [
            row | {"role": study.roles[row["model"]], "frame": study.short.get(row["frame"], row["frame"])}
            for row in summary(study.records)
        ],
        "regret": [row | found for row, group in named if (found := _regrets(study, group))],
        "scores": _scores(study),
        "stability": [
            row | {"instability": instability(group), "order effect": order_effect(group)}
            for row, group in named
        ],
        "sensitivity": _sensitivity(study),
        "steps": [{"step": row["step"]} | {key: finite(row.get(key)) for key in STEP} for row in study.curve],
        "curve": _curve_states(study),
        "sides": [
            {"role": study.roles[model]}
            | {
                key: finite(found.get(key))
                for key in ("right", "questions", "accuracy", "mass", "perplexity")
            }
            for model, found in study.sides.items()
        ],
        "answers": _answers(study),
        "errors": _errors(study),
        "games": _games(study),
    }


def _overview(study: Study) -> list[Row]:
    """Action types where the training took place and elsewhere; without a training, by game."""
    records = [r for r in study.records if state(r.decision) is not None and len(r.decision.actions) == 2]
    there = [r for r in records if r.game in study.games] or records
    chosen = [r for r in records if r.decision.actions == there[0].decision.actions] or study.records
    many = len({r.game for r in study.records}) > MOST_GAMES
    places: dict[tuple[int, str], list[Record]] = {}
    for r in chosen:
        places.setdefault(_place(study, r, many), []).append(r)
    rows: list[Row] = []
    for (_, where), inside in sorted(places.items(), key=lambda item: item[0][0]):
        games, frames = ({getattr(r, name) for r in inside} for name in ("game", "frame"))
        sub = count(len(frames), "frame")
        sub = f"{count(len(games), 'game')}, {sub}" if study.training or len(games) > 1 else sub
        for (model,), group in by(inside, "model").items():
            types = action_types(group)
            row = {"where": where, "sub": sub, "games": games, "role": study.roles[model]}
            if _few(group):
                row |= {f"{a} after {a}": types.get(f"{a}|{a}") for a in group[0].decision.actions if types}
            else:
                row |= menu(averaged(group))
            rows.append({**row, "mass": mass(group)})
    return rows


def _few(group: Sequence[Record]) -> bool:
    return all(len(r.decision.actions) <= MOST_ACTIONS for r in group)


def menu(pairs: Sequence[tuple[Decision, Choice]]) -> Row:
    """A choice from a long menu, mean over decisions that offer the same one: 'mean answer', where actions
    are numbers, and 'likeliest', with its probability; empty where the menus differ."""
    if not pairs or len({d.actions for d, _ in pairs}) > 1:
        return {}
    actions, p = pairs[0][0].actions, np.mean([c.p for _, c in pairs], axis=0)
    told: Row = {"likeliest": f"{actions[int(p.argmax())]} ({number(float(p.max()))})"}
    try:
        return {"mean answer": float(p @ np.array(actions, dtype=float)), **told}
    except ValueError:
        return told


def elsewhere(rows: Mapping[str, list[Row]]) -> list[str]:
    """Games that the overview leaves out."""
    told = {game for row in rows["overview"] for game in row["games"]}
    return [row["game"] for row in rows["games"] if told and row["game"] not in told]


def _place(study: Study, r: Record, many: bool) -> tuple[int, str]:
    """Where a record stands in the overview; many: too many games for a line each."""
    if not study.training:
        return 0, r.game.partition("(")[0] if many else r.game
    if r.game in study.games:
        return (0, f"Trained on: {r.game}") if r.frame in study.training else (1, "Same game, other words")
    return (2, "Other games, same words") if r.frame in study.training else (3, "Other games, other words")


def _states(study: Study) -> list[Row]:
    """P(first action), of a long menu the mean answer, and legal mass of every decision in every frame,
    orders averaged."""
    names: dict[str, dict[str, tuple[int, str]]] = {}
    times: Counter[tuple[str, str]] = Counter()
    rows: list[Row] = []
    for (game, frame, model), group in by(study.records, "game", "frame", "model").items():
        trained = game in study.games and frame in study.training
        for d, c in averaged(group):
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
                    "frame": study.short.get(frame, frame),
                    "kind": "training" if trained else "other",
                    "state": name,
                    "place": place,
                    "role": study.roles[model],
                    "first": d.actions[0],
                    "p": float(c.p[0]) if len(d.actions) <= MOST_ACTIONS else None,
                    **({} if len(d.actions) <= MOST_ACTIONS else menu([(d, c)])),
                    "mass": c.mass,
                }
            )
    return rows


def _regrets(study: Study, group: Sequence[Record]) -> Row:
    """Regret in points on 2x2 repeated games; the other's next action is taken as uniform."""
    pairs = [(d, c) for d, c in averaged(group) if state(d) is not None and d.payoffs.shape[1:] == (2, 2)]
    wanted: dict[str, Preference] = {"deontological": Deontological(), "utilitarian": Utilitarian()}
    aim = study.preference
    if aim is not None and aim not in wanted.values():
        wanted["trained-for"] = aim
    row: Row = {}
    for name, preference in wanted.items() if pairs else ():
        try:
            row[f"{name} regret"] = moral_regret(preference, pairs, belief=uniform).regret
        except HominesError:  # a rule about C and D, in a game with other actions
            row[f"{name} regret"] = None
    if aim is not None and pairs:
        try:
            row["best reply"] = best_response_rate(aim, pairs, uniform)
        except HominesError:
            row["best reply"] = None
    return row


def _scores(study: Study) -> list[Row]:
    """The examination of a fine-tuning (scores.json), one a (way of asking, role)."""
    rows: list[Row] = []
    for when, ways in study.scores.items():
        for way, found in ways.items() if isinstance(ways, Mapping) else ():
            if when in study.roles.values() and isinstance(found, Mapping):
                told = {name: finite(found.get(name)) for name in ("share", "right", "mass", "rows")}
                rows.append({"asked": str(way), "role": when, **told})
    return rows


def preferences(study: Study) -> list[Row]:
    """Estimates by role (portrait.py), beside the values of what was trained for where it was trained. Apart
    from `measured`, for it takes a second or more."""
    rows: list[Row] = []
    every = by(study.every, "model")
    for model, role in study.roles.items():
        own = every.get((model,), [])
        aim = study.preference if "after" in role else None
        rows += [{"role": role, **row} for row in estimates(own, aim)] if own else []
    return rows


def _sensitivity(study: Study) -> list[Row]:
    rows: list[Row] = []
    for (model,), group in by(study.records, "model").items():
        found = payoff_sensitivity(averaged(group))
        if found is not None:
            rows.append({"role": study.roles[model], "mass": mass(group), **vars(found)})
    return rows


def _curve_states(study: Study) -> list[Row]:
    """P(first action) by state over the steps; the first states where there are many."""
    rows: list[Row] = []
    for row in study.curve:
        states = row.get("p")
        for name, p in list(states.items())[: len(figures.SERIES)] if isinstance(states, dict) else ():
            if isinstance(p, list) and p and (first := finite(p[0])) is not None:
                rows.append({"step": row["step"], "state": name, "p": first})
    return rows


def _answers(study: Study) -> list[Row]:
    """Every everyday question that was asked before and after."""
    asked: dict[str, dict[str, Row]] = {}
    for model, found in study.sides.items():
        listed = found.get("answers")
        some = [row for row in listed if isinstance(row, dict)] if isinstance(listed, list) else []
        asked[study.roles[model]] = {str(row.get("question")): row for row in some}
    rows: list[Row] = []
    for question, a in asked.get("before", {}).items():
        if (b := asked.get("after", {}).get(question)) is None:
            continue
        change = "same" if a.get("given") == b.get("given") else "wrong in another way"
        if bool(a.get("right")) != bool(b.get("right")):
            change = "became right" if b.get("right") else "became wrong"
        told = {"question": question, "answer": a.get("answer"), "change": change}
        given = {"given before": a.get("given"), "given after": b.get("given")}
        rows.append(told | given | {"before": finite(a.get("p")), "after": finite(b.get("p"))})
    return rows


def _errors(study: Study) -> list[Row]:
    """Failed questions by message, the most frequent first."""
    failed = by((r for r in study.records if r.error is not None), "error").items()
    return [
        {
            "count": len(some),
            "message": message,
            "model": ", ".join(dict.fromkeys(r.model for r in some)),
            "game": ", ".join(dict.fromkeys(r.game for r in some)),
            "frame": ", ".join(dict.fromkeys(study.short.get(r.frame, r.frame) for r in some)),
        }
        for (message,), some in sorted(failed, key=lambda item: -len(item[1]))
    ]


def _games(study: Study) -> list[Row]:
    """What each game is, and its payoffs (own, other's) where it is two by two."""
    about = {entry.name: entry.summary for entry in registry.describe("games")}
    rows: list[Row] = []
    for (game,), group in by(study.records, "game").items():
        d = group[0].decision
        paid: list[str] = []
        if d.payoffs.shape == (2, 2, 2) and d.theirs:
            for (i, j), mine in np.ndenumerate(d.payoffs[0]):
                paid.append(f"{d.actions[i]},{d.theirs[0][j]}:\u00a0{mine:g},\u00a0{d.payoffs[1, i, j]:g}")
        rows.append({"game": game, "what": about.get(game.partition("(")[0]), "payoffs": "; ".join(paid)})
    return rows


# --- what got worse --------------------------------------------------------------------------------


def caveats(study: Study, rows: Mapping[str, list[Row]]) -> list[str]:
    """What got worse and what stays weak, a sentence each, the worst case as it is."""
    out: list[str] = []
    sides = {row["role"]: row for row in rows["sides"]}
    if "before" in sides and "after" in sides:
        a, b = sides["before"], sides["after"]
        for key, what, digits in (
            ("accuracy", "Accuracy on everyday questions fell", 2),
            ("mass", "Legal mass on everyday questions fell", 2),
            ("perplexity", "Perplexity of a plain text rose", 1),
        ):
            if None not in (a[key], b[key]) and (a[key] < b[key] if digits == 1 else a[key] > b[key]):
                out.append(f"{what} from {number(a[key], digits)} to {number(b[key], digits)}.")
    final = [r for r in rows["frames"] if r["role"] == study.columns[-1] and r["mass"] is not None]
    if weak := [r for r in final if r["mass"] < LEGAL_MASS]:
        least = min(weak, key=lambda r: r["mass"])
        out.append(
            f"Legal mass is under {number(LEGAL_MASS, 1)} in {len(weak)} of {len(final)} pairs of game and "
            f"frame (lowest {number(least['mass'])}: {_names(least)}); rates there "
            "describe answers the model rarely gives."
        )
    told = [r for r in rows["scores"] if r["role"] == study.columns[-1] and r["mass"] is not None]
    out += [
        f"On games it was not trained on, {clean(row['asked'], 60)}, legal mass is {number(row['mass'], 3)}: "
        "the answers counted there are ones the model rarely gives."
        for row in told
        if row["mass"] < LEGAL_MASS
    ]
    out += _worse(rows["frames"], "mass", "Legal mass fell", "pairs of game and frame", lambda x: -x)
    for name in figures.regrets(rows):
        out += _worse(rows["regret"], name, f"{name.capitalize()} rose", "games")
    out += _worse(rows["stability"], "instability", "Instability over frames rose", "games")
    out += _worse(rows["stability"], "order effect", "The order effect grew", "games", abs)
    if away := _foreign(study):
        out.append(
            f"{', '.join(clean(spec, 80) for spec in away)}: not available here, for modules are loaded only "
            "where a person says so; give --trust-modules to load it."
        )
    out += impossible.caveats(impossible.counts(study.every))
    out += [left_out(file, n) for file, n in study.impossible.items() if n]
    if failed := sum(row["count"] for row in rows["errors"]):
        out.append(f"{failed} of {len(study.records)} questions failed.")
    return out


def left_out(file: str, n: int) -> str:
    """'3 numbers of scores.json cannot be and are left out.'"""
    return f"{count(n, 'number')} of {file} cannot be and {'is' if n == 1 else 'are'} left out."


def _foreign(study: Study) -> list[str]:
    """Specs of the run that name modules of somebody's own, which were not loaded."""
    config = study.run.config
    specs = [(folder, text) for folder in ("games", "frames") for text in texts(config.get(folder))]
    specs += [("preferences", text) for text in texts(config.get("preference"))]
    specs += [pair for r in study.every for pair in (("games", r.game), ("frames", r.frame))]
    return [spec for folder, spec in dict.fromkeys(specs) if _is_foreign(folder, spec)]


def _is_foreign(folder: str, spec: str) -> bool:
    try:
        registry.find(folder, spec)
    except registry.UntrustedModule:
        return True
    except HominesError:  # no spec at all, which is shown as it stands
        return False
    return False


def _worse(
    rows: Sequence[Row], name: str, what: str, noun: str, badness: Callable[[float], float] = float
) -> list[str]:
    """'Legal mass fell in 2 of 30 pairs of game and frame (most in ipd, story: .90 to .40).'"""
    pairs = [roles for _, roles in lines(rows, ("game", "frame")) if {"before", "after"} <= roles.keys()]
    known = [(r["before"], r["after"]) for r in pairs if None not in (r["before"][name], r["after"][name])]
    rises = [(badness(b[name]) - badness(a[name]), i) for i, (a, b) in enumerate(known)]
    if not (worse := [rise for rise in rises if rise[0] > SLACK]):
        return []
    a, b = known[max(worse)[1]]
    return [
        f"{what} in {len(worse)} of {len(known)} {noun} "
        f"(most in {_names(a)}: {number(a[name])} to {number(b[name])})."
    ]


def _names(row: Row) -> str:
    """'ipd, story': where a number stands, short enough for a sentence."""
    return ", ".join(clean(row[key], 60) for key in ("game", "frame") if key in row)


def interval(low: float | None, high: float | None, digits: int = 2) -> str:
    """An interval for a reader: '.20 to .71', '.20 to ∞'; empty where there is none.

    >>> interval(0.2, math.inf)
    '.20 to ∞'
    """
    if low is None or high is None or math.isnan(low) or math.isnan(high):
        return ""
    ends = [number(x, digits) if math.isfinite(x) else "∞" if x > 0 else "−∞" for x in (low, high)]
    return " to ".join(ends)
