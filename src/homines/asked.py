"""What a run folder says of the asking: whether it came to its end, in which orders, what was taught."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from homines.core.format import clean, count, texts
from homines.core.types import Record
from homines.elicitation.metrics import by
from homines.elicitation.orders import orders
from homines.evidence import Study, found

MOST_NAMED = 3
"""Games that a sentence names."""


@dataclass(frozen=True)
class Left:
    """Questions answered (failed ones among them), of how many that were planned."""

    answered: int
    planned: int


def left(study: Study) -> Left | None:
    """What is still to be asked; None where all that was planned is there, or no plan is known.

    A plan is asked.json (written before the first question) and scores.json (rows by way of asking).
    """
    held = study.run.records
    have = {model: len(some) for (model,), some in by(held, "model").items()}
    planned: dict[str, int] = {}
    noted = study.run.noted("asked.json") or {}
    every = noted.get("all")
    plans = dict(every) if isinstance(every, Mapping) else {}
    for model, n in {str(noted.get("model")): noted.get("questions"), **plans}.items():
        if isinstance(n, int) and not isinstance(n, bool):
            planned[str(model)] = n
    for when, ways in study.scores.items():
        models = [model for model, role in study.roles.items() if role == when]
        rows = sum(n for way in _values(ways) if isinstance(n := way.get("rows"), int))
        for model in models:
            planned[model] = max(rows, planned.get(model, 0))
    missing = sum(max(0, n - have.get(model, 0)) for model, n in planned.items())
    return Left(len(held), len(held) + missing) if missing else None


def _values(ways: Any) -> list[Mapping[str, Any]]:
    return [way for way in ways.values() if isinstance(way, Mapping)] if isinstance(ways, Mapping) else []


def taught(study: Study) -> str:
    """On what was trained, as far as the folder tells: '320 rows of data in symmetric', 'ipd in 2 frames'."""
    config, noted = study.run.config, study.noted
    if study.games and config.get("kind") in ("align", "demo"):
        frames = f" in {count(len(study.training), 'frame')}" if study.training else ""
        return named(texts(config.get("training_games")) or [study.game]) + frames
    data = config.get("data")
    recipe: Mapping[str, Any] = data if isinstance(data, Mapping) else {}
    rows = noted.get("rows") or recipe.get("train")
    games = named([*texts(recipe.get("games")), *([] if recipe else texts(config.get("game")))])
    told = count(rows, "row") if isinstance(rows, int) else "rows"
    return f"{told} of data{f' in {games}' if games else ''}"


def named(specs: Iterable[str]) -> str:
    """'ipd, ish', 'ipd, ish, icn and 3 more'."""
    some = [clean(spec, 80) for spec in dict.fromkeys(specs)]
    more = len(some) - MOST_NAMED
    return ", ".join(some[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def kinds(specs: Iterable[str]) -> str:
    """Games by kind: 'ipd, symmetric (64)'."""
    stems = [clean(spec.partition("(")[0], 80) for spec in dict.fromkeys(specs)]
    some = {stem: stems.count(stem) for stem in stems}
    return ", ".join(f"{stem} ({n})" if n > 1 else stem for stem, n in some.items())


def in_orders(records: Iterable[Record]) -> str:
    """In which orders of the options questions were asked, in words that hold for all of them."""
    asked = by(records, "model", "game", "frame").items()
    whole, single = True, True
    for (_, _, frame), group in asked:
        places = _places(frame)
        shown: dict[str, set[Any]] = {}
        for r in group:
            shown.setdefault(r.decision.key, set()).add(r.order)
        for r in group:
            n = len(shown[r.decision.key])
            single &= n == 1
            whole &= places is not None and n >= len(orders(len(r.decision.actions), places))
    if whole:
        return "every order of the options"
    return "each in one order of the options" if single else "not all in every order of the options"


def _places(frame: str) -> int | None:
    """How many places of a frame list the options; None where it is not known. Imports no stranger's code."""
    places = getattr(found("frames", frame), "places", None)
    return None if places is None else int(places)
