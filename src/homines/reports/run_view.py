"""A run folder read for a page: records, roles and notes, and sentences on what was asked and trained."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from homines.core import registry
from homines.core.format import TableRow, clean, count, finite, number, texts
from homines.core.plausible import CURVE, SCORES, SIDES, TRAINING, drop_impossible, drop_impossible_sides
from homines.core.plugins import UnknownName
from homines.core.run_folder import RunFolder
from homines.core.types import HominesError, Preference, Record
from homines.elicitation.benchmark import NOTE
from homines.elicitation.metrics import choices, group_by
from homines.elicitation.orders import orders
from homines.estimation.observations import plain_records
from homines.frames.under import Under

EVERY_ORDER = "every order of the options"
MOST_NAMED = 3
"""Most names in a sentence."""


@dataclass(frozen=True)
class Progress:
    """The number of questions answered (failed ones included) and of those planned."""

    answered: int
    planned: int


def progress(view: RunView) -> Progress | None:
    """How far an unfinished run has come; None where it is complete or has no plan.

    The plan is in asked.json (written before the first question) and scores.json (rows by condition).
    """
    records = view.run.records
    have = {model: len(group) for (model,), group in group_by(records, "model").items()}
    planned: dict[str, int] = {}
    noted = view.run.noted("asked.json") or {}
    every = noted.get("all")
    plans = dict(every) if isinstance(every, Mapping) else {}
    for model, n in {str(noted.get("model")): noted.get("questions"), **plans}.items():
        if isinstance(n, int) and not isinstance(n, bool):
            planned[str(model)] = n
    for when, by_condition in view.scores.items():
        models = [model for model, role in view.roles.items() if role == when]
        rows = sum(n for scores in _values(by_condition) if isinstance(n := scores.get("rows"), int))
        for model in models:
            planned[model] = max(rows, planned.get(model, 0))
    missing = sum(max(0, n - have.get(model, 0)) for model, n in planned.items())
    return Progress(len(records), len(records) + missing) if missing else None


def _values(by_condition: Any) -> list[Mapping[str, Any]]:
    scores = by_condition.values() if isinstance(by_condition, Mapping) else ()
    return [each for each in scores if isinstance(each, Mapping)]


def describe_training(view: RunView) -> str:
    """The material of the training in words: '320 rows of data in symmetric', 'ipd in 2 frames'."""
    config, noted = view.run.config, view.noted
    if view.games and config.get("kind") in ("align", "demo"):
        frames = f" in {count(len(view.training), 'frame')}" if view.training else ""
        return list_names(texts(config.get("training_games")) or [view.game]) + frames
    data = config.get("data")
    recipe: Mapping[str, Any] = data if isinstance(data, Mapping) else {}
    rows = noted.get("rows") or recipe.get("train")
    games = list_names([*texts(recipe.get("games")), *([] if recipe else texts(config.get("game")))])
    material = count(rows, "row") if isinstance(rows, int) else "rows"
    return f"{material} of data{f' in {games}' if games else ''}"


def list_names(specs: Iterable[str]) -> str:
    """'ipd, ish', 'ipd, ish, icn and 3 more'."""
    names = [clean(spec, 80) for spec in dict.fromkeys(specs)]
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def list_kinds(specs: Iterable[str]) -> str:
    """Games by kind: 'ipd, symmetric (64)'."""
    stems = [clean(registry.head(spec), 80) for spec in dict.fromkeys(specs)]
    counts = {stem: stems.count(stem) for stem in stems}
    return ", ".join(f"{stem} ({n})" if n > 1 else stem for stem, n in counts.items())


def describe_orders(records: Iterable[Record]) -> str:
    """The orders of the options in which questions were asked, in words that hold for all questions."""
    records = list(records)
    if any(not r.order for r in records):
        return "in orders of the options that the log does not tell"
    groups = group_by(records, "model", "game", "frame").items()
    whole, single = True, True
    for (_, _, frame), group in groups:
        places = _places(frame)
        orders_by_decision: dict[str, set[Any]] = {}
        for r in group:
            orders_by_decision.setdefault(r.decision.key, set()).add(r.order)
        for r in group:
            n = len(orders_by_decision[r.decision.key])
            single &= n == 1
            whole &= places is not None and n >= len(orders(len(r.decision.actions), places))
    if whole:
        return EVERY_ORDER
    return "each in one order of the options" if single else "not all in every order of the options"


def _places(frame: str) -> int | None:
    """How many places of a frame list the options; None for a frame that is not known here."""
    places = getattr(find_or_none("frames", frame), "places", None)
    return None if places is None else int(places)


TRAINING_KINDS = ("align", "demo", "tune", "distill")
ROW_KINDS = ("tune", "distill")
"""Kinds of run that train on rows of data; their games need not be those that were asked."""
STEP = ("reward", "mass", "regret", "kl", "text_kl", "loss", "grad_norm")
SLACK = 0.005
"""Changes up to this are too small for two decimals to show, and count as none."""
MOST_ACTIONS = 3
"""Most actions of a decision for which each has a column of its own."""
MOST_GAMES = 12
"""Most games for which each has a row of its own in the overview."""

# --- what the folder holds -------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class RunView:
    """A run as a report reads it.

    every       all records, beliefs about others among them; `records`: the model's own choices alone
    roles       'before', 'after', ... by model name
    short       a short name by spec of a frame
    training    specs of the frames trained on; `games` those of the games, `game` the first of them
    sides       side effects by model name, "benchmarks" among them
    scores, noted   the contents of scores.json and training.json
    curve       rows of the learning curve, their steps counted on over phases
    impossible  count by file of numbers that cannot be; they are left out above
    """

    run: RunFolder
    every: list[Record]
    records: list[Record]
    roles: dict[str, str]
    short: dict[str, str]
    training: frozenset[str]
    game: str
    games: frozenset[str]
    preference: Preference | None
    sides: dict[str, TableRow]
    curve: list[TableRow]
    scores: TableRow
    noted: TableRow
    impossible: dict[str, int]
    treated: list[Record] = field(default_factory=list[Record])
    """Records of questions that were also asked without a goal or a beginning (elicitation/treatments.py);
    not in `every`."""

    @property
    def columns(self) -> list[str]:
        """Every role in order; a training has 'before' and 'after' also where they are not measured yet."""
        roles = list(self.roles.values())
        if self.run.config.get("kind") not in TRAINING_KINDS or any("after" in r for r in roles):
            return roles
        return list(dict.fromkeys(["before", *roles, "after"]))


def read(folder: str | Path | RunFolder) -> RunView:
    """Read a run folder. Raises StoreError where the folder is no run or cannot be read."""
    run = folder if isinstance(folder, RunFolder) else RunFolder(folder)
    config = run.config
    stored = _sound_all(run.records)
    every = list(plain_records(stored, config))
    records = choices(every)
    noted, odd_sides = drop_impossible_sides(run.noted("sideeffects.json") or {})
    scores, odd_scores = drop_impossible(run.noted("scores.json") or {}, SCORES)
    training, odd_training = drop_impossible(run.noted("training.json") or {}, TRAINING)
    curve, odd_curve = drop_impossible(list(run.rows()), CURVE)
    sides = {model: dict(effects) for model, effects in noted.items() if isinstance(effects, Mapping)}
    benchmarks, odd_benchmarks = drop_impossible(run.noted(NOTE) or {}, SIDES)
    for name, by_model in benchmarks.items():
        for model, scored in by_model.items() if isinstance(by_model, Mapping) else ():
            if isinstance(scored, Mapping):
                sides.setdefault(model, {}).setdefault("benchmarks", {})[name] = dict(scored)
    models = list(dict.fromkeys([*(record.model for record in records), *sides]))
    specs = [*texts(config.get("training_frames")), *texts(config.get("frames"))]
    frames = [*map(_canonical, specs), *(record.frame for record in records)]
    games = [*texts(config.get("game")), *texts(config.get("games"))]
    if config.get("kind") not in ROW_KINDS:  # else what is asked first may be what was not trained on
        games += [r.game for r in records[:1]]
    return RunView(
        run,
        every,
        records,
        _roles(config, models),
        _short(frames),
        frozenset(map(_canonical, texts(config.get("training_frames")))),
        games[0] if games else "",
        frozenset(texts(config.get("training_games")) or games[:1]),
        find_or_none("preferences", config.get("preference")),
        sides,
        _steps(curve),
        scores,
        training,
        {
            "sideeffects.json": odd_sides,
            NOTE: odd_benchmarks,
            "scores.json": odd_scores,
            "training.json": odd_training,
            "curve.jsonl": odd_curve,
        },
        _without(stored, every),
    )


def _without(records: Iterable[Record], others: Iterable[Record]) -> list[Record]:
    """The records that are not among the others."""
    known = set(map(id, others))
    return [r for r in records if id(r) not in known]


def _steps(rows: Iterable[TableRow]) -> list[TableRow]:
    """The curve's rows that have a step; the steps of a second phase continue those of the first."""
    out: list[TableRow] = []
    offset, phase = 0, None
    for row in rows:
        if (step := finite(row.get("step"))) is not None:
            if out and row.get("phase") != phase:
                offset = out[-1]["step"]
            phase = row.get("phase")
            out.append(row | {"step": offset + int(step)})
    return out


def _roles(config: TableRow, models: Sequence[str]) -> dict[str, str]:
    if config.get("kind") == "play":
        models = sorted(models, key=lambda model: model != config.get("person"))
    if config.get("kind") not in TRAINING_KINDS:
        return {model: model if len(models) > 1 else "measured" for model in models}
    base = config.get("model")
    others = [model for model in models if model != base]
    after = {model: "after" if len(others) == 1 else f"after: {model}" for model in others}
    return ({str(base): "before"} if base in models else {}) | after


def _sound_all(records: Iterable[Record]) -> list[Record]:
    """The records, with an error where there is no answer, and frames spelt as in this version."""
    spelt = cache(_canonical)
    answered = map(_sound, records)
    return [r if spelt(r.frame) == r.frame else replace(r, frame=spelt(r.frame)) for r in answered]


def _sound(record: Record) -> Record:
    """The record; where it has neither answer nor error, with an error that says this."""
    nothing = record.choice is None and not record.error
    return replace(record, error="no answer is stored") if nothing else record


def find_or_none(folder: str, spec: Any) -> Any:
    """The object of a spec; None where there is none, which `unknown_specs` tells with the reason."""
    if not isinstance(spec, str):
        return None
    try:
        return registry.find(folder, spec)
    except HominesError:
        return None


def _canonical(frame: str) -> str:
    """A frame's spec as records spell it; the spec itself for a frame that is not known here."""
    known = find_or_none("frames", frame)
    return frame if known is None else registry.spell(known)


def _short(specs: Iterable[str]) -> dict[str, str]:
    """A short name by spec: the frame's name and the fields that differ from its defaults.

    Such as 'table · X/Y · reversed'. Specs that would share a short name keep their own.
    """

    def name(spec: str) -> str:
        stem = registry.head(spec)
        frame, plain = find_or_none("frames", spec), find_or_none("frames", stem)
        if frame is None or plain is None:
            return spec
        if isinstance(frame, Under):
            return f"{name(registry.spell(frame.inner))} · {frame.condition or 'plain'}"
        parts = [stem]
        for key, value in vars(frame).items():
            if value != getattr(plain, key):
                text = "/".join(map(str, value)) if isinstance(value, tuple) else str(value)
                parts.append(text if key in ("labels", "layout") else f"{key}: {text}")
        return " · ".join(parts)

    names = {spec: name(spec) for spec in dict.fromkeys(specs)}
    taken = Counter(names.values())
    return {spec: short if taken[short] == 1 else spec for spec, short in names.items()}


def describe_omission(file: str, n: int) -> str:
    """'3 numbers of scores.json cannot be and are left out.'"""
    return f"{count(n, 'number')} of {file} cannot be and {'is' if n == 1 else 'are'} left out."


def unknown_specs(view: RunView) -> dict[tuple[str, str], HominesError]:
    """The failures of `registry.find` on the specs of the run, by (folder, spec).

    UntrustedModule: the spec names a module of somebody's own, which was not loaded. A log's own names of
    frames are no failures.
    """
    config = view.run.config
    specs = [(folder, text) for folder in ("games", "frames") for text in texts(config.get(folder))]
    specs += [("preferences", text) for text in texts(config.get("preference"))]
    specs += [pair for r in view.every for pair in (("games", r.game), ("frames", r.frame))]
    specs += [("frames", text) for text in texts(config.get("training_frames"))]
    failures: dict[tuple[str, str], HominesError] = {}
    for folder, spec in dict.fromkeys(specs):
        try:
            registry.find(folder, spec)
        except HominesError as failure:
            own = config.get("kind") == "import" and folder == "frames" and isinstance(failure, UnknownName)
            if not own:
                failures[folder, spec] = failure
    return failures


def interval(low: float | None, high: float | None, digits: int = 2) -> str:
    """An interval for a reader: '.20 to .71', '.20 to ∞'; empty where there is none.

    >>> interval(0.2, math.inf)
    '.20 to ∞'
    """
    if low is None or high is None or math.isnan(low) or math.isnan(high):
        return ""
    ends = [number(x, digits) if math.isfinite(x) else "∞" if x > 0 else "−∞" for x in (low, high)]
    return " to ".join(ends)
