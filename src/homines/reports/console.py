"""Progress bars (on standard error) and result tables of the command line."""

from __future__ import annotations

import shlex
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from homines.core.catalogue import remarks
from homines.core.progress import Follow, Stop, never
from homines.core.rates import describe
from homines.core.redaction import redact
from homines.core.run_folder import RunFolder
from homines.core.types import Record
from homines.elicitation.metrics import summary
from homines.reports.asked import brief
from homines.reports.console_answers import print_reasons, print_uncertainty, print_words
from homines.reports.tables import Table


def command() -> str:
    """The command as typed, for the run's config."""
    return redact(shlex.join(["homines", *sys.argv[1:]]))


MOST_TYPES = 5
"""Columns of action types in the table of a measurement, which fit beside names in 80 signs: games with more
have a line below it."""
MEASURED = "P(own action | other's last), given a legal answer; legal mass; order effect"


class _Progress(Progress):
    """Bars, and a line of live figures below them."""

    figures = ""

    def get_renderables(self) -> Iterable[RenderableType]:
        yield from super().get_renderables()
        if self.figures:
            yield Text(self.figures)


class Bars:
    """Progress bars with time left, one a stage; live action types while training."""

    def __init__(self) -> None:
        self._progress = _Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def say(self, text: str) -> None:
        self._progress.console.print(Text(text))

    def begin(self, what: str, total: int) -> Callable[[int], None]:
        self._progress.figures = ""
        task = self._progress.add_task(what, total=total)
        return lambda done: self._progress.update(task, completed=done)

    def follow(self, stop: Stop = never) -> Follow:
        """The callbacks that show work on these bars."""
        return Follow(say=self.say, begin=self.begin, step=self.step, stop=stop)

    def step(self, row: dict[str, Any]) -> None:
        """Show a training step: reward, legal mass, P(first action) by state; of a fine-tuning its loss."""
        if "p" not in row:
            self._progress.figures = f"loss {row['loss']:.3f}"
            return
        states = " ".join(f"{name} {p[0]:.2f}" for name, p in row["p"].items())
        self._progress.figures = (
            f"reward {row['reward']:.2f}  mass {row['mass']:.2f}  P(first action) {states}"
        )


def job_line(row: Mapping[str, Any]) -> str:
    """The state of a fine-tuning service's job, in words."""
    return f"{row['status']}{f', {tokens} tokens' if (tokens := row['tokens']) else ''}"


@contextmanager
def stopping() -> Iterator[Callable[[], bool]]:
    """Ctrl-C asks to stop after the work in hand; a second one stops at once."""
    interrupts: list[int] = []

    def handler(number: int, _: object) -> None:
        if interrupts:
            raise KeyboardInterrupt
        interrupts.append(number)
        Console(stderr=True).print("stopping after the work in hand (Ctrl-C again: at once)")

    before = signal.signal(signal.SIGINT, handler)
    try:
        yield lambda: bool(interrupts)
    finally:
        signal.signal(signal.SIGINT, before)


def print_measurement(records: list[Record], *, advice: bool = True) -> None:
    """The table of a measurement: a row a game and frame. advice: what to ask where no answer is legal."""
    rows = summary(records)
    first = {r.decision.actions[0] for r in records}  # of two actions the other is the rest
    told = [[k for k in row if k.partition("|")[0] in first and "|" in k] for row in rows]
    types = _columns(told)
    for row in rows:
        row["frame"] = brief(row["frame"])
    several = ("agent",) if len({r.model for r in records}) > 1 else ()
    cells = [
        {**({"agent": row["model"]} if several else {}), "game": row["game"], "frame": row["frame"]}
        | {name: _share(row.get(name)) if {*own} <= {*types} else "" for name in types}
        | {"mass": _mass(row["mass"]), "order": _signed(row["order_effect"]), "failed": row["errors"]}
        for row, own in zip(rows, told, strict=True)
    ]
    table = Table(cells, (*several, "game", "frame", *types, "mass", "order", "failed"))
    console = Console()
    console.print(table.console(MEASURED, left=(*several, "game", "frame"), wrap=False))
    for row, own in zip(rows, told, strict=True):
        if {*own} - {*types}:
            shares = ", ".join(f"{name} {_share(row[name])}" for name in own)
            console.print(Text(f"{row['game']}, {row['frame']}: {shares}"))
        if not own:
            for where, p in row["p"].items():
                odds = "; ".join(f"{action} {describe(x)}" for action, x in p.items())
                console.print(Text(f"{row['game']}, {row['frame']}, {where}: {odds}"))
    print_remarks(console, {r.model for r in records})
    print_reasons(console, records)
    print_uncertainty(console, rows, records)
    print_words(console, records, advice=advice)
    for text in dict.fromkeys(r.error for r in records if r.error):
        console.print(Text(f"failed: {text}"))


def _columns(told: Sequence[Sequence[str]]) -> list[str]:
    """Action types that are columns: of every row, the shorter first, while there are at most MOST_TYPES."""
    columns: dict[str, None] = {}
    for types in sorted(told, key=len):
        if len(more := columns | dict.fromkeys(types)) <= MOST_TYPES:
            columns = more
    return [name for name in dict.fromkeys(name for types in told for name in types) if name in columns]


def print_remarks(console: Console, models: Iterable[str]) -> None:
    """What a reader must know of these models, a line each."""
    for remark in remarks(models):
        console.print(Text(remark))


def print_before_after(run: RunFolder) -> None:
    """The table of an alignment: C after C and D after D before and after, by game and frame; of a game
    without these a line a frame with the first action's rate at each decision."""
    rows = summary(run.records)
    base = run.config["model"]
    after = {(r["game"], r["frame"]): r for r in rows if r["model"] != base}
    cells: list[dict[str, str]] = []
    others: list[str] = []
    for before in rows:
        later = after.get((before["game"], before["frame"]))
        if before["model"] != base or later is None:
            continue
        game, frame = before["game"], before["frame"]
        trained = game == run.config["games"][0] and frame in run.config["training_frames"]
        types = {f"{a} after {a}": f"{a}|{a}" for a in "CD" if f"{a}|{a}" in before and f"{a}|{a}" in later}
        cells.append(
            {"game": game, "frame": f"{brief(frame)} (trained)" if trained else brief(frame)}
            | {name: f"{_share(before[key])} → {_share(later[key])}" for name, key in types.items()}
            | {"legal mass": f"{_mass(before['mass'])} → {_mass(later['mass'])}"}
        )
        if not types:
            odds = [
                f"{where} {action} {_share(p)} → {_share(later['p'][where][action])}"
                for where, (action, p) in ((where, next(iter(p.items()))) for where, p in before["p"].items())
                if where in later["p"]
            ]
            others.append(f"{game}, {brief(frame)}: {'; '.join(odds)}")
    heads = ("game", "frame", "C after C", "D after D", "legal mass")
    table = Table(cells, [head for head in heads if any(head in row for row in cells)])
    title = f"{base}, aligned to {run.config['preference']}"
    console = Console()
    console.print(table.console(title, left=("game", "frame")))
    for text in others:
        console.print(Text(text))
    console.print("before → after; rates are given a legal answer")
    print_remarks(console, [base])


def print_verdicts(folder: Path) -> None:
    """The verdict on every agent of a run: its headline, a line a check."""
    from homines.reports.run_view import read  # with it comes scipy
    from homines.reports.verdict_text import describe_verdicts

    console = Console(soft_wrap=True, highlight=False)
    for verdict in describe_verdicts(read(folder)):
        named = f"{verdict.model}: " if verdict.named else ""
        console.print(Text(f"{named}{verdict.headline}", style="bold"))
        for line in verdict.lines:
            console.print(Text(f"  {line.outcome:<9}  {line.name}: {line.text}"))
            if line.command:
                console.print(Text(f"             {line.command}"))
        console.print()


def print_sweep(rows: Sequence[Mapping[str, Any]], store: str) -> None:
    """The state and folder of every cell, and the errors of those that failed."""
    console = Console(soft_wrap=True)
    for row in rows:
        console.print(Text(f"{row['state']:<8}  {row['folder'] or row['cell']}"))
    for row in rows:
        if row["state"] == "failed":
            console.print(Text(f"failed: {row['cell']}: {row['error']}"))
    counts = {state: sum(row["state"] == state for row in rows) for state in ("done", "failed", "missing")}
    totals = ", ".join(f"{n} {state}" for state, n in counts.items() if n)
    console.print(Text(f"{totals}, in {store}"))


def print_scores(rows: Sequence[Mapping[str, Any]], preference: str) -> None:
    """Share of utility-implied choices on unseen games, before and after."""
    columns = {"P(implied)": ("share", _share), "likeliest is implied": ("right", _share)}
    columns |= {"legal mass": ("mass", _mass)}
    cells = [
        {"": row["asked"]}
        | {
            column: " → ".join(write(row.get(f"{name} {when}")) or "-" for when in ("before", "after"))
            for column, (name, write) in columns.items()
        }
        for row in rows
    ]
    title = f"what {preference} implies, on games not trained on"
    Console().print(Table(cells, ("", *columns)).console(title, left=("",)))


def print_benchmarks(benchmarks: Mapping[str, Any]) -> None:
    """Accuracy on a user's own files, by model and category; nothing where there are none."""
    cells = [
        {
            "benchmark": each.get("file", name),
            "category": category or "all",
            "model": model,
            "right": f"{row['right']} of {row['questions']}",
            "accuracy": f"{row['accuracy']:.2f} ({row['low']:.2f} to {row['high']:.2f})",
            "legal mass": _mass(row["mass"]),
        }
        for name, by_model in benchmarks.items()
        for model, each in by_model.items()
        for category, row in {"": each, **each["categories"]}.items()
    ]
    if cells:
        console = Console()
        title = "right answers, each question in two orders; intervals over questions like these"
        console.print(Table(cells).console(title, left=("benchmark", "category", "model")))


def _share(x: float | None) -> str:
    return "" if x is None else f"{x:.2f}"


def _mass(x: float | None) -> str:
    return "" if x is None else f"{x:.3f}" if x >= 0.0005 or x == 0 else f"{x:.0e}"


def _signed(x: float | None) -> str:
    return "" if x is None else f"{x:+.2f}"


# --- estimates ---------------------------------------------------------------------------------
