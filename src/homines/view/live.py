"""A run as it is being written: how far it is, its action types, its learning curve as lines to draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from homines.core.format import finite, number
from homines.core.plausible import COUNT, CURVE, drop_impossible, within
from homines.core.rates import describe
from homines.core.run_folder import RunFolder
from homines.core.types import HominesError
from homines.elicitation.metrics import choices, summary
from homines.reports.asked import Wording, wordings
from homines.reports.run_view import describe_omission, read
from homines.view.guard import reading

MOST_BYTES = 20_000_000
"""Of records, and of a curve, that are read while they grow; of more records the lines alone are counted."""
MOST_POINTS = 240
MOST_LINES = 8
WIDE, HIGH, EDGE = 320, 132, 18
"""Of a chart: its width and height, and the room under and over the lines, in its own units."""


class Line(NamedTuple):
    """One line of a chart: its name, its points as an SVG polyline has them, its last value."""

    name: str
    points: str
    last: str


@dataclass(frozen=True)
class Chart:
    """Lines over training steps. `low`, `high`: what the lower and the upper edge stand for."""

    title: str
    lines: tuple[Line, ...]
    low: str
    high: str
    steps: tuple[int, int]


@dataclass(frozen=True)
class Live:
    """What a run folder says now.

    answered, failed   questions
    measurement        (answered, in all) of the measurement begun last; None where nobody noted it
    types              a row a model, game and frame
    trained            the last step, of `steps` in all (None: not known)
    asked              one prompt of each wording, with its likeliest answers
    notes              what could not be read or cannot be, and why
    """

    answered: int = 0
    failed: int = 0
    measurement: tuple[int, int] | None = None
    types: tuple[dict[str, str], ...] = ()
    charts: tuple[Chart, ...] = ()
    trained: int = 0
    steps: int | None = None
    asked: tuple[Wording, ...] = ()
    notes: tuple[str, ...] = ()


def live(folder: Path) -> Live:
    """Read a run folder without holding it: half a line at the end of a file is not there yet."""
    try:
        with reading(folder):
            return _live(folder)
    except HominesError as failure:
        return Live(notes=(str(failure),))


def _live(folder: Path) -> Live:
    path = folder / "records.jsonl"
    size = path.stat().st_size if path.is_file() else 0
    if size > MOST_BYTES:
        with open(path, "rb") as file:
            lines = sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))
        return Live(lines, notes=(f"{size / 1e6:.0f} MB of records are too many to be read at each look.",))
    curve = folder / "curve.jsonl"
    if (size := curve.stat().st_size if curve.is_file() else 0) > MOST_BYTES:
        return Live(notes=(f"{size / 1e6:.0f} MB of a curve are too many to be read at each look.",))
    study = read(folder)
    run, curve = study.run, study.run.rows()
    records, steps = run.records, run.config.get("settings")
    planned = within(steps.get("steps"), *COUNT) if isinstance(steps, dict) else None
    planned = within(study.noted.get("steps"), *COUNT) or planned  # a training may end before its last step
    done = [int(s) for row in curve if (s := within(row.get("step"), *COUNT)) is not None]
    return Live(
        len(records),
        sum(r.error is not None for r in records),
        _measurement(run),
        tuple(_row(row, study.short) for row in summary([*study.records, *choices(study.treated)])),
        tuple(charts(curve)),
        max(done, default=0),
        None if planned is None else int(planned),
        tuple(wordings([*study.every, *study.treated], run.prompts)),
        notes=tuple(describe_omission(file, n) for file, n in study.impossible.items() if n),
    )


def _measurement(run: RunFolder) -> tuple[int, int] | None:
    """(answered, in all) of the measurement that was begun last."""
    noted = run.noted("asked.json") or {}
    total, model = noted.get("questions"), noted.get("model")
    if not isinstance(total, int) or total < 1:
        return None
    return min(total, sum(r.model == model for r in run.records)), total


def _row(row: dict[str, Any], short: Mapping[str, str]) -> dict[str, str]:
    """A line of `measure.summary` in words. short: names of frames, as the report has them."""
    types = {k: v for k, v in row.items() if "|" in k and not k.startswith("illegal|")}
    if types:
        text = "   ".join(f"{name} {describe(p)}" for name, p in types.items())
    else:
        text = "; ".join(
            f"{where}: {', '.join(f'{action} {describe(p)}' for action, p in odds.items())}"
            for where, odds in row["p"].items()
        )
    return {
        "model": row["model"],
        "game": row["game"],
        "frame": short.get(row["frame"], row["frame"]),
        "spec": row["frame"],
        "told": text,
        "mass": describe(row["mass"]),
        "questions": str(row["questions"]),
        "failed": str(row["errors"]),
    }


def charts(curve: Sequence[dict[str, Any]]) -> list[Chart]:
    """P(first action) by state, reward, legal mass; the loss where there is no reward."""
    series: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for at, row in enumerate(
        drop_impossible(list(curve), CURVE)[0], 1
    ):  # by its place: a second phase counts its steps anew
        panels: dict[str, Any] = {"Reward": {"": row.get("reward")}, "Legal mass": {"": row.get("mass")}}
        if "reward" not in row:
            panels = {"Loss": {"": row.get("loss")}}
        if isinstance(p := row.get("p"), dict):
            panels["P(first action), by state"] = {
                str(k): v[0] for k, v in p.items() if isinstance(v, list) and v
            }
        for title, values in panels.items():
            for name, value in values.items():
                if (y := finite(value)) is not None:
                    series.setdefault(title, {}).setdefault(name, []).append((at, y))
    order = ("P(first action), by state", "Reward", "Legal mass", "Loss")
    return [_chart(title, series[title], len(curve)) for title in order if title in series]


def _chart(title: str, series: dict[str, list[tuple[float, float]]], steps: int) -> Chart:
    values = [y for points in series.values() for _, y in points]
    unit = title.startswith(("P(", "Legal"))
    low, high = (0.0, 1.0) if unit else (min(values), max(values))
    span = high - low or 1.0
    lines: list[Line] = []
    for name, points in list(series.items())[:MOST_LINES]:
        every = -(-len(points) // MOST_POINTS)
        thinned = [p for i, p in enumerate(points) if i % every == 0 or i == len(points) - 1]
        if len(thinned) == 1:  # a dash, as a point is not seen
            (x, y), *_ = thinned
            thinned = [(x - 0.5, y), (x + 0.5, y)]
        across, up = WIDE / max(steps - 1, 1), (HIGH - 2 * EDGE) / span
        drawn = (f"{across * (x - 1):.1f},{HIGH - EDGE - up * (y - low):.1f}" for x, y in thinned)
        lines.append(Line(name, " ".join(drawn), number(points[-1][1])))
    return Chart(title, tuple(lines), number(low), number(high), (1, steps))
