"""Progress bars (on standard error) and result tables of the command line."""

from __future__ import annotations

import shlex
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np
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

from homines.core.progress import Follow, Stop, never
from homines.core.rates import describe
from homines.core.redaction import redact
from homines.core.registry import UntrustedModule, find, head
from homines.core.run_folder import RunFolder
from homines.core.types import LEGAL_MASS, Record
from homines.elicitation.metrics import group_by, instability, summary
from homines.reports.console_answers import print_reasons, print_uncertainty, print_words
from homines.reports.tables import Table

if TYPE_CHECKING:
    from homines.estimation.fit import Estimate
    from homines.estimation.mixture import Mixture
    from homines.estimation.model_tests import Comparison


def command() -> str:
    """The command as typed, for the run's config."""
    return redact(shlex.join(["homines", *sys.argv[1:]]))


MOST_GAMES = 8
"""Most games whose misfit is named."""
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


def print_measurement(records: list[Record]) -> None:
    """The table of a measurement: a row a game and frame."""
    rows = summary(records)
    first = {r.decision.actions[0] for r in records}  # of two actions the other is the rest
    types = list(dict.fromkeys(k for row in rows for k in row if k.partition("|")[0] in first and "|" in k))
    for row in rows:
        row["frame"] = brief(row["frame"])
    cells = [
        {"game": row["game"], "frame": row["frame"]}
        | {name: _share(row.get(name)) for name in types}
        | {"mass": _mass(row["mass"]), "order": _signed(row["order_effect"]), "failed": row["errors"]}
        for row in rows
    ]
    table = Table(cells, ("game", "frame", *types, "mass", "order", "failed"))
    console = Console()
    console.print(table.console(MEASURED, left=("game", "frame"), wrap=False))
    for row in rows:
        if not any(name in row for name in types):
            for where, p in row["p"].items():
                odds = "; ".join(f"{action} {describe(x)}" for action, x in p.items())
                console.print(Text(f"{row['game']}, {row['frame']}, {where}: {odds}"))
    print_reasons(console, records)
    print_uncertainty(console, rows, records)
    print_words(console, records)
    for (game,), group in group_by(records, "game").items():
        if (spread := instability(group)) is not None:
            console.print(Text(f"{game}: instability over frames {spread:.2f}"))
    _warn_mass(console, rows)
    for text in dict.fromkeys(r.error for r in records if r.error):
        console.print(Text(f"failed: {text}"))


def print_before_after(run: RunFolder) -> None:
    """The table of an alignment: C after C and D after D before and after, by game and frame."""
    rows = summary(run.records)
    base = run.config["model"]
    after = {(r["game"], r["frame"]): r for r in rows if r["model"] != base}
    cells: list[dict[str, str]] = []
    for before in rows:
        later = after.get((before["game"], before["frame"]))
        if before["model"] != base or later is None:
            continue
        game, frame = before["game"], before["frame"]
        labels = ",".join(next(r.labels for r in run.records if (r.game, r.frame) == (game, frame)))
        trained = game == run.config["games"][0] and frame in run.config["training_frames"]
        cells.append(
            {
                "game": game,
                "labels": f"{labels} (trained)" if trained else labels,
                "C after C": f"{_share(before.get('C|C'))} → {_share(later.get('C|C'))}",
                "D after D": f"{_share(before.get('D|D'))} → {_share(later.get('D|D'))}",
                "legal mass": f"{_mass(before['mass'])} → {_mass(later['mass'])}",
            }
        )
    table = Table(cells, ("game", "labels", "C after C", "D after D", "legal mass"))
    title = f"{base}, aligned to {run.config['preference']}"
    console = Console()
    console.print(table.console(title, left=("game", "labels")))
    console.print("before → after; rates are given a legal answer")
    _warn_mass(console, list(after.values()))
    print_side_effects(run)


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


def print_side_effects(run: RunFolder) -> None:
    """One line a model: everyday questions right, perplexity."""
    for name, checked in (run.noted("sideeffects.json") or {}).items():
        Console().print(
            Text(
                f"side effects, {name}: {checked['right']} of {checked['questions']} everyday questions "
                f"right, perplexity {checked['perplexity']:.1f}"
            )
        )


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


def brief(spec: str) -> str:
    """A frame's spec without the fields at their defaults: 'table X,Y'."""
    try:
        frame = find("frames", spec)
    except UntrustedModule:
        return spec
    settings = [
        ",".join(value) if isinstance(value, tuple) else str(value)
        for f in fields(frame)
        if (value := getattr(frame, f.name)) != f.default
    ]
    return " ".join((head(spec), *settings))


def _share(x: float | None) -> str:
    return "" if x is None else f"{x:.2f}"


def _mass(x: float | None) -> str:
    return "" if x is None else f"{x:.3f}" if x >= 0.0005 else f"{x:.0e}"


def _signed(x: float | None) -> str:
    return "" if x is None else f"{x:+.2f}"


def _warn_mass(console: Console, rows: list[dict[str, Any]]) -> None:
    low = [row for row in rows if row["mass"] and row["mass"] < LEGAL_MASS]
    if low:
        console.print(
            Text(
                f"{len(low)} of {len(rows)} rows have legal mass under {LEGAL_MASS}: their rates describe "
                "answers the model rarely gives"
            )
        )


# --- estimates ---------------------------------------------------------------------------------


def print_estimate(e: Estimate) -> None:
    """Parameters with errors and intervals, the data behind them, and the fit of the family."""
    cells = [
        {
            "parameter": name,
            "estimate": _value(value),
            "s.e.": _value(se),
            f"{e.level:.0%} interval": "none" if np.isnan(ends).any() else _interval(*ends),
        }
        for name, value, se, ends in zip(e.names, e.values, e.se, e.intervals, strict=True)
    ]
    console = Console()
    console.print(Table(cells).console(e.family.spec, left=("parameter",)))
    what = "exact choices" if e.exact else "choices"
    console.print(
        Text(
            f"{e.observations} {what} at {e.decisions} decisions; errors clustered by {e.cluster} "
            f"({e.clusters}); ln L {e.loglik:.2f} (random {e.null:.2f}, no family above {e.best:.2f}): "
            f"{e.explained:.0%} explained" + (f"; legal mass {e.mass:.3g}" if e.mass < 1 else "")
        )
    )
    _print_misfit(console, e.misfit)
    for note in e.notes:
        console.print(Text(f"note: {note}"))


def print_effects(rows: Sequence[Mapping[str, Any]], title: str) -> None:
    """Effects on being saved, with errors, intervals and numbers of rows."""
    cells = [
        {
            "effect": row["effect"],
            "estimate": "none" if np.isnan(row["estimate"]) else _value(row["estimate"]),
            "s.e.": "none" if np.isnan(row["se"]) else _value(row["se"]),
            "95% interval": "none" if np.isnan(row["se"]) else _interval(row["low"], row["high"]),
            "rows": row["rows"],
        }
        for row in rows
    ]
    table = Table(cells, ("effect", "estimate", "s.e.", "95% interval", "rows"))
    Console().print(table.console(f"P(saved | plus) - P(saved | minus), {title}", left=("effect",)))


def print_mixture(m: Mixture) -> None:
    """The types, largest first; standard errors stand below their estimates."""
    heads = ("share", *m.names)
    cells: list[dict[str, str]] = []
    for share, share_se, values, se in zip(m.shares, m.share_se, m.values, m.se, strict=True):
        cells.append(dict(zip(heads, map(_value, (share, *values)), strict=True)))
        cells.append({name: f"({_value(x)})" for name, x in zip(heads, (share_se, *se), strict=True)})
    console = Console()
    console.print(Table(cells).console(f"{len(m.shares)} types of {m.family.spec}"))
    console.print(
        Text(
            f"{len(m.subjects)} subjects; ln L {m.loglik:.2f}, BIC {m.bic:.2f}, ICL {m.icl:.2f}, entropy of "
            f"the types {m.entropy:.3f}; {m.starts[0]} of the best starts of {m.starts[1]} ended here"
        )
    )
    _print_misfit(console, m.misfit)
    for note in m.notes:
        console.print(Text(f"note: {note}"))


def print_comparisons(tests: Sequence[Comparison]) -> None:
    """One line a test."""
    for t in tests:
        if t.kind == "Vuong":
            what = f"t({t.df}) = {t.statistic:+.2f}, p = {t.p:.2g} (positive: {t.wide} explains more)"
            what += f"; {t.note}" if t.note else ""
        else:
            what = f"F({t.df}) = {t.statistic / t.df:.2f}, p = {t.p:.2g}, scale {t.scale:.2f}"
        print(f"{t.narrow} against {t.wide}: {t.kind}, {what}, ln L differs by {t.difference:.2f}")


def _print_misfit(console: Console, misfit: Mapping[str, float]) -> None:
    if len(misfit) > 1:
        worst = sorted(misfit.items(), key=lambda item: -item[1])
        listed = ", ".join(f"{name or 'no name'} {x:.3f}" for name, x in worst[:MOST_GAMES])
        more = f", and {len(worst) - MOST_GAMES} less" if len(worst) > MOST_GAMES else ""
        console.print(Text(f"misfit by game, KL in nats, worst first: {listed}{more}"))


def _interval(low: float, high: float) -> str:
    return f"[{_value(low)}, {_value(high)}]"


def _value(x: float) -> str:
    """Three decimals, or three digits where it is small."""
    if np.isnan(x):
        return "-"
    if np.isinf(x):
        return "∞" if x > 0 else "-∞"
    return f"{x:.3f}" if abs(x) >= 0.1 or x == 0 else f"{x:.3g}" if abs(x) < 0.001 else f"{x:.4f}"
