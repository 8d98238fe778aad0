"""A run folder as one HTML page that needs no network and no other file, and its charts as images.

    records, curve, notes -> rows (plain dicts, by homines.measure) -> tables and charts -> report.html

A report is a pure function of its run folder: the same folder gives the same bytes. What a folder does
not hold is told in a sentence. Text from models and files is escaped, and the page's policy lets
nothing run but the two scripts written here, known by their hashes.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from homines import figures, lookup
from homines.choice import uniform
from homines.core import LEGAL_MASS, Decision, HominesError, Preference, Record
from homines.measure import (
    action_types,
    averaged,
    best_response_rate,
    by,
    instability,
    mass,
    moral_regret,
    order_effect,
    payoff_sensitivity,
    state,
    summary,
)
from homines.preferences.deontological import Deontological
from homines.preferences.utilitarian import Utilitarian
from homines.store import Run

Row = dict[str, Any]

TRAINED = ("align", "demo")
STEP = ("reward", "mass", "kl", "loss", "grad_norm")
MOST_LINES = 500
LONGEST = 2000
SLACK = 0.005
"""A change that two decimals cannot show is none."""


def write(folder: str | Path) -> Path:
    """Write folder/report.html and folder/figures/*.png, from the run folder alone.

    Raises StoreError where the folder is no run folder, HominesError where it cannot be written.
    """
    study = read(folder)
    rows = measured(study)
    drawn = [role for role in study.columns if role in study.roles.values()]
    specs = {name: _spec(chart) for name, chart in figures.draw(rows, drawn).items()}
    text = _page(study, rows, specs)
    try:
        _images(study.run.folder / "figures", specs)
        path = study.run.folder / "report.html"
        aside = path.with_suffix(".making")
        aside.write_text(text, encoding="utf-8")
        os.replace(aside, path)
    except OSError as failure:
        raise HominesError(
            f"cannot write the report to {study.run.folder}: {failure.strerror or failure}; make room "
            "there, or copy the run folder to a place that can be written"
        ) from failure
    return path


# --- what the folder holds -------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Study:
    """A run as the report reads it.

    roles      'before', 'after' ... by model name
    short      a short name for each frame's spec
    training   specs of the frames trained on; `game`: the game trained on
    sides      side effects by model name
    """

    run: Run
    records: list[Record]
    roles: dict[str, str]
    short: dict[str, str]
    training: frozenset[str]
    game: str
    preference: Preference | None
    sides: dict[str, Row]
    curve: list[Row]

    @property
    def columns(self) -> list[str]:
        """Every role in order; before and after of a training also where they were not measured."""
        roles = list(self.roles.values())
        if self.run.config.get("kind") not in TRAINED:
            return roles
        return list(
            dict.fromkeys(["before", *roles, *([] if any("after:" in r for r in roles) else ["after"])])
        )


def read(folder: str | Path) -> Study:
    """Open a run folder. Raises StoreError where it is none or cannot be read."""
    run = Run(folder)
    config = run.config
    records = [_sound(record) for record in run.records]
    noted = run.noted("sideeffects.json") or {}
    sides = {model: dict(found) for model, found in noted.items() if isinstance(found, Mapping)}
    models = list(dict.fromkeys([*(record.model for record in records), *sides]))
    told = [*_texts(config.get("training_frames")), *_texts(config.get("frames"))]
    frames = [*map(_canonical, told), *(record.frame for record in records)]
    games = [*_texts(config.get("game")), *_texts(config.get("games")), *(r.game for r in records[:1])]
    return Study(
        run,
        records,
        _roles(config, models),
        _short(frames),
        frozenset(map(_canonical, _texts(config.get("training_frames")))),
        games[0] if games else "",
        _found("preferences", config.get("preference")),
        sides,
        _steps(run.rows()),
    )


def _steps(rows: Iterable[Row]) -> list[Row]:
    """Curve rows with a step, counted on where a second phase begins anew."""
    out: list[Row] = []
    offset, phase = 0, None
    for row in rows:
        if (step := _finite(row.get("step"))) is not None:
            if out and row.get("phase") != phase:
                offset = out[-1]["step"]
            phase = row.get("phase")
            out.append(row | {"step": offset + int(step)})
    return out


def _roles(config: Row, models: Sequence[str]) -> dict[str, str]:
    if config.get("kind") not in TRAINED:
        return {model: model if len(models) > 1 else "measured" for model in models}
    base = config.get("model")
    others = [model for model in models if model != base]
    after = {model: "after" if len(others) == 1 else f"after: {model}" for model in others}
    return ({str(base): "before"} if base in models else {}) | after


def _sound(record: Record) -> Record:
    """The record; where its choice is no distribution, without it and with an error that says so."""
    c = record.choice
    if c is None:
        return record if record.error else replace(record, error="no answer is stored")
    whole = len(c.logp) == len(record.decision.actions) and abs(float(c.p.sum()) - 1) < 1e-6
    if whole and (held := _finite(c.mass)) is not None and -1e-9 <= held <= 1 + 1e-6:
        return record
    return replace(record, choice=None, error="the stored answer is no distribution")


def _found(folder: str, spec: Any) -> Any:
    """What a spec names, or None. One that would import a module is not followed: reading runs no code."""
    if not isinstance(spec, str) or ":" in spec.partition("(")[0]:
        return None
    try:
        return lookup.find(folder, spec)
    except HominesError:
        return None


def _canonical(frame: str) -> str:
    """A frame's spec as records spell it."""
    found = _found("frames", frame)
    return frame if found is None else lookup.spell(found)


def _short(specs: Iterable[str]) -> dict[str, str]:
    """By spec: the frame's name and what differs from its defaults, such as 'table · X/Y · reversed'."""

    def name(spec: str) -> str:
        stem = spec.partition("(")[0]
        frame, plain = _found("frames", spec), _found("frames", stem)
        if frame is None or plain is None:
            return spec
        parts = [stem]
        for key, value in vars(frame).items():
            if value != getattr(plain, key):
                told = "/".join(map(str, value)) if isinstance(value, tuple) else str(value)
                parts.append(told if key in ("labels", "layout") else f"{key}: {told}")
        return " · ".join(parts)

    names = {spec: name(spec) for spec in dict.fromkeys(specs)}
    taken = list(names.values())
    return {spec: short if taken.count(short) == 1 else spec for spec, short in names.items()}


# --- rows: what was measured -----------------------------------------------------------------------


def measured(study: Study) -> dict[str, list[Row]]:
    """Every measure as plain rows, one a (thing, role); `mass` is the legal mass the row rests on."""
    by_game = by(study.records, "game", "model").items()
    named = [({"game": game, "role": study.roles[model], "mass": mass(g)}, g) for (game, model), g in by_game]
    return {
        "overview": _overview(study),
        "states": _states(study),
        "types": [row | types for row, group in named if (types := action_types(group))],
        "frames": [
            row | {"role": study.roles[row["model"]], "frame": study.short.get(row["frame"], row["frame"])}
            for row in summary(study.records)
        ],
        "regret": [row | found for row, group in named if (found := _regrets(study, group))],
        "stability": [
            row | {"instability": instability(group), "order effect": order_effect(group)}
            for row, group in named
        ],
        "sensitivity": _sensitivity(study),
        "steps": [
            {"step": row["step"]} | {key: _finite(row.get(key)) for key in STEP} for row in study.curve
        ],
        "curve": _curve_states(study),
        "sides": [
            {"role": study.roles[model]}
            | {
                key: _finite(found.get(key))
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
    there = [r for r in records if r.game == study.game] or records
    chosen = [r for r in records if r.decision.actions == there[0].decision.actions] or study.records
    places: dict[tuple[int, str], list[Record]] = {}
    for r in chosen:
        places.setdefault(_place(study, r), []).append(r)
    rows: list[Row] = []
    for (_, where), inside in sorted(places.items(), key=lambda item: item[0][0]):
        games, frames = ({getattr(r, name) for r in inside} for name in ("game", "frame"))
        sub = count(len(frames), "frame")
        sub = f"{count(len(games), 'game')}, {sub}" if study.training else sub
        for (model,), group in by(inside, "model").items():
            types = action_types(group)
            same = {f"{a} after {a}": types.get(f"{a}|{a}") for a in group[0].decision.actions if types}
            row = {"where": where, "sub": sub, "games": games, "role": study.roles[model]}
            rows.append({**row, **same, "mass": mass(group)})
    return rows


def _elsewhere(rows: Mapping[str, list[Row]]) -> list[str]:
    """Games that the overview leaves out."""
    told = {game for row in rows["overview"] for game in row["games"]}
    return [row["game"] for row in rows["games"] if told and row["game"] not in told]


def _place(study: Study, r: Record) -> tuple[int, str]:
    if not study.training:
        return 0, r.game
    if r.game == study.game:
        return (0, f"Trained on: {r.game}") if r.frame in study.training else (1, "Same game, other words")
    return (2, "Other games, same words") if r.frame in study.training else (3, "Other games, other words")


def _states(study: Study) -> list[Row]:
    """P(first action) and legal mass of every decision in every frame, orders averaged."""
    names: dict[str, dict[str, str]] = {}
    rows: list[Row] = []
    for (game, frame, model), group in by(study.records, "game", "frame", "model").items():
        trained = game == study.game and frame in study.training
        for d, c in averaged(group):
            known = names.setdefault(game, {})
            if d.key not in known:
                name, again = _situation(d), sum(x.startswith(_situation(d)) for x in known.values())
                known[d.key] = f"{name} ({again + 1})" if again else name
            rows.append(
                {
                    "game": game,
                    "frame": study.short.get(frame, frame),
                    "kind": "training" if trained else "other",
                    "state": known[d.key],
                    "place": list(known).index(d.key),
                    "role": study.roles[model],
                    "first": d.actions[0],
                    "p": float(c.p[0]),
                    "mass": c.mass,
                }
            )
    return rows


def _situation(d: Decision) -> str:
    if (last := state(d)) is not None:
        return last
    acts = [d.named(k, a) for k, a in enumerate(d.history[-1]) if a is not None] if d.history else []
    return f"after {', '.join(acts)}" if acts else "first move"


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
            if isinstance(p, list) and p and (first := _finite(p[0])) is not None:
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
        rows.append(told | given | {"before": _finite(a.get("p")), "after": _finite(b.get("p"))})
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
    about = {entry.name: entry.summary for entry in lookup.describe("games")}
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
    out += _worse(rows["frames"], "mass", "Legal mass fell", "pairs of game and frame", lambda x: -x)
    for name in figures.regrets(rows):
        out += _worse(rows["regret"], name, f"{name.capitalize()} rose", "games")
    out += _worse(rows["stability"], "instability", "Instability over frames rose", "games")
    out += _worse(rows["stability"], "order effect", "The order effect grew", "games", abs)
    if failed := sum(row["count"] for row in rows["errors"]):
        out.append(f"{failed} of {len(study.records)} questions failed.")
    return out


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


def lines(rows: Iterable[Row], keys: Sequence[str]) -> list[tuple[tuple[Any, ...], dict[str, Row]]]:
    """Rows as lines of a table: one for each value of the keys, holding a row for each role."""
    found: dict[tuple[Any, ...], dict[str, Row]] = {}
    for row in rows:
        found.setdefault(tuple(row.get(key) for key in keys), {})[row["role"]] = row
    return list(found.items())


# --- the page --------------------------------------------------------------------------------------


def _spec(chart: Any) -> Row:
    """A chart as plain JSON, its texts made visible and cut."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(held) for key, held in value.items() if key != "$schema"}
        if isinstance(value, list):
            return [plain(held) for held in value]
        return clean(value, 300) if isinstance(value, str) else value

    return plain(chart.to_dict())


def _images(folder: Path, specs: Mapping[str, Row]) -> None:
    """Every chart as a PNG; those of an earlier report that are no longer drawn are removed."""
    import vl_convert

    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.png"):
        if old.stem in figures.NAMES and old.stem not in specs:
            old.unlink()
    for name, spec in specs.items():
        (folder / f"{name}.png").write_bytes(vl_convert.vegalite_to_png(spec, scale=2))


def _page(study: Study, rows: Mapping[str, list[Row]], specs: Mapping[str, Row]) -> str:
    style, script = _asset("report_page.css"), _asset("report_page.js")
    hashes = " ".join(map(_hash, (_library(), script)))
    policy = (
        f"default-src 'none'; script-src {hashes}; style-src {_hash(style)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    config, training = study.run.config, study.run.noted("training.json") or {}
    revisions = {(r.model, str(r.provenance.get("revision") or "not recorded")): None for r in study.records}
    page = _template().render(
        policy=policy,
        style=Markup(style),
        library=Markup(_library()),
        script=Markup(script),
        charts=specs,
        specs=Markup(json.dumps(specs).replace("<", "\\u003c")),
        kind=config.get("kind"),
        trained=config.get("kind") in TRAINED,
        config=config,
        training={key: training.get(key) for key in ("seconds", "steps", "device", "dtype")},
        study=study,
        roles=study.columns,
        rows=rows,
        rates=figures.rates(rows),
        elsewhere=_elsewhere(rows),
        types=list(dict.fromkeys(key for row in rows["types"] for key in row if "|" in key)),
        regrets=figures.regrets(rows),
        caveats=caveats(study, rows),
        some_steps=sorted({round(i) for i in np.linspace(0, len(study.curve) - 1, 12)})
        if study.curve
        else [],
        frames=[(short, spec, spec in study.training) for spec, short in study.short.items()],
        revisions=list(revisions),
        settings=_flat(config),
        provenance=_flat(study.run.provenance),
        answered=sum(r.choice is not None for r in study.records),
        exact=all(r.choice is None or r.choice.n is None for r in study.records),
        most=figures.MOST_PANELS,
        legal=LEGAL_MASS,
    )
    return str(page).lstrip()


@cache
def _template() -> Any:
    env = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_shown
    )
    env.filters |= {
        "num": number,
        "count": count,
        "lines": lines,
        "first_lines": lambda x: list(x)[:MOST_LINES],
    }
    return env.from_string(_asset("report_page.html"))


@cache
def _library() -> str:
    """vega-embed and all it needs, as one script."""
    import vl_convert

    source = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;").replace("\r", "")
    return source.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _asset(name: str) -> str:
    return files("homines").joinpath(name).read_text(encoding="utf-8").replace("\r", "")


def _hash(source: str) -> str:
    """A source that a Content-Security-Policy may name."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"


def _flat(value: Any, name: str = "") -> list[tuple[str, str]]:
    """Nested settings as lines: 'settings.lr' and its value."""
    if isinstance(value, Mapping) and value:
        return [
            line for key, held in value.items() for line in _flat(held, f"{name}.{key}" if name else str(key))
        ]
    if isinstance(value, list) and value and all(isinstance(held, str) for held in value):
        return [(name, "\n".join(value))]
    return [(name, value if isinstance(value, str) else json.dumps(value))]


def _shown(value: Any) -> Any:
    """What the template writes for a value, before it is escaped."""
    if isinstance(value, Markup):
        return value
    if value is None or isinstance(value, float):
        return number(value)
    return clean(value) if isinstance(value, str) else value


_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


def clean(text: str, longest: int = LONGEST) -> str:
    """Text a reader can trust: control and direction characters written out, very long text cut."""
    seen = _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    return seen if len(seen) <= longest else f"{seen[:longest]}… ({len(seen)} characters)"


def number(x: Any, digits: int = 2) -> str:
    """A number as the field writes it.

    >>> number(0.034), number(-0.5), number(1.0), number(-0.001), number(None), number(12345678.9)
    ('.03', '−.50', '1.00', '.00', '–', '1.23e+07')
    """
    if (value := _finite(x)) is None:
        return "–"
    text = f"{value:.3g}" if abs(value) >= 1e6 else f"{value:.{digits}f}"
    text = text.removeprefix("-") if float(text) == 0 else text
    return re.sub(r"^(-?)0\.", r"\1.", text).replace("-", "−", 1)


def count(n: int, noun: str) -> str:
    """'1 frame', '6 frames'."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _finite(x: Any) -> float | None:
    good = isinstance(x, int | float) and not isinstance(x, bool) and math.isfinite(x)
    return float(x) if good else None


def _texts(value: Any) -> list[str]:
    """The texts in a setting that may be one, several or missing."""
    listed = value if isinstance(value, list) else [value]
    return [text for text in listed if isinstance(text, str)]
