"""What a person sees while it runs and when it is done; progress goes to standard error."""

from __future__ import annotations

import shlex
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np
from rich import box
from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from homines.core.progress import Follow, Stop, never
from homines.core.redaction import redact
from homines.core.registry import UntrustedModule, find
from homines.core.run_folder import RunFolder
from homines.core.types import LEGAL_MASS, Record
from homines.elicitation.metrics import group_by, instability, summary

if TYPE_CHECKING:
    from homines.estimation.fit import Estimate
    from homines.estimation.mixture import Mixture
    from homines.estimation.model_tests import Comparison


def command() -> str:
    """The command as typed, for the run's config."""
    return redact(shlex.join(["homines", *sys.argv[1:]]))


MOST_GAMES = 8
"""Games whose misfit is named."""
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
    asked: list[int] = []

    def handler(number: int, _: object) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)
        Console(stderr=True).print("stopping after the work in hand (Ctrl-C again: at once)")

    before = signal.signal(signal.SIGINT, handler)
    try:
        yield lambda: bool(asked)
    finally:
        signal.signal(signal.SIGINT, before)


def measured(records: list[Record]) -> None:
    """The table of a measurement: a row a game and frame."""
    table = Table(box=box.SIMPLE_HEAD, title=MEASURED)
    rows = summary(records)
    first = {r.decision.actions[0] for r in records}  # of two actions the other is the rest
    types = list(dict.fromkeys(k for row in rows for k in row if k.partition("|")[0] in first and "|" in k))
    for name in ("game", "frame", *types, "mass", "order", "failed"):
        table.add_column(name, justify="left" if name in ("game", "frame") else "right", no_wrap=True)
    for row in rows:
        row["frame"] = brief(row["frame"])
        cells = [_share(row.get(name)) for name in types]
        table.add_row(
            Text(row["game"]),
            Text(row["frame"]),
            *cells,
            _mass(row["mass"]),
            _signed(row["order_effect"]),
            str(row["errors"]),
        )
    console = Console()
    console.print(table)
    for row in rows:
        if not any(name in row for name in types):
            for where, p in row["p"].items():
                odds = "  ".join(f"{action} {x:.2f}" for action, x in p.items())
                console.print(Text(f"{row['game']}, {row['frame']}, {where}: {odds}"))
    _aloud(console, records)
    _counted(console, rows, records)
    for (game,), group in group_by(records, "game").items():
        if (spread := instability(group)) is not None:
            console.print(Text(f"{game}: instability over frames {spread:.2f}"))
    _warn_mass(console, rows)
    for text in dict.fromkeys(r.error for r in records if r.error):
        console.print(Text(f"failed: {text}"))


def before_after(run: RunFolder) -> None:
    """The table of an alignment: C after C and D after D before and after, by game and frame."""
    rows = summary(run.records)
    base = run.config["model"]
    table = Table(box=box.SIMPLE_HEAD, title=f"{base}, aligned to {run.config['preference']}")
    for name in ("game", "labels", "C after C", "D after D", "legal mass"):
        table.add_column(name, justify="left" if name in ("game", "labels") else "right")
    after = {(r["game"], r["frame"]): r for r in rows if r["model"] != base}
    for row in rows:
        there = after.get((row["game"], row["frame"]))
        if row["model"] != base or there is None:
            continue
        labels = next(r.labels for r in run.records if r.frame == row["frame"] and r.game == row["game"])
        trained = row["game"] == run.config["games"][0] and row["frame"] in run.config["training_frames"]
        table.add_row(
            Text(row["game"]),
            Text(",".join(labels) + (" (trained)" if trained else "")),
            *(f"{_share(row.get(k))} → {_share(there.get(k))}" for k in ("C|C", "D|D")),
            f"{_mass(row['mass'])} → {_mass(there['mass'])}",
        )
    console = Console()
    console.print(table)
    console.print("before → after; rates are given a legal answer")
    _warn_mass(console, list(after.values()))
    side_effects(run)


def swept(rows: Sequence[Mapping[str, Any]], store: str) -> None:
    """How every cell stands and where it lies, and the errors of those that failed."""
    console = Console(soft_wrap=True)
    for row in rows:
        console.print(Text(f"{row['state']:<8}  {row['folder'] or row['cell']}"))
    for row in rows:
        if row["state"] == "failed":
            console.print(Text(f"failed: {row['cell']}: {row['error']}"))
    counted = {state: sum(row["state"] == state for row in rows) for state in ("done", "failed", "missing")}
    told = ", ".join(f"{n} {state}" for state, n in counted.items() if n)
    console.print(Text(f"{told}, in {store}"))


def side_effects(run: RunFolder) -> None:
    """One line a model: everyday questions right, perplexity."""
    for name, checked in (run.noted("sideeffects.json") or {}).items():
        Console().print(
            Text(
                f"side effects, {name}: {checked['right']} of {checked['questions']} everyday questions "
                f"right, perplexity {checked['perplexity']:.1f}"
            )
        )


def scored(rows: Sequence[Mapping[str, Any]], preference: str) -> None:
    """Share of utility-implied choices on unseen games, before and after."""
    table = Table(box=box.SIMPLE_HEAD, title=f"what {preference} implies, on games not trained on")
    for name in ("", "P(implied)", "likeliest is implied", "legal mass"):
        table.add_column(name, justify="right" if name else "left")
    for row in rows:
        cells = [
            " → ".join(write(row.get(f"{name} {when}")) or "-" for when in ("before", "after"))
            for name, write in (("share", _share), ("right", _share), ("mass", _mass))
        ]
        table.add_row(str(row["asked"]), *cells)
    Console().print(table)


def brief(spec: str) -> str:
    """A frame's spec without what it left at its default: 'table X,Y'."""
    try:
        frame = find("frames", spec)
    except UntrustedModule:
        return spec
    said = [
        ",".join(value) if isinstance(value, tuple) else str(value)
        for f in fields(frame)
        if (value := getattr(frame, f.name)) != f.default
    ]
    return " ".join((spec.partition("(")[0], *said))


def _aloud(console: Console, records: list[Record]) -> None:
    """What thinking aloud cost, and what reading the answers exactly gained over counting them."""
    spoken = [r for r in records if r.provenance.get("reasons")]
    if not spoken:
        return
    every = [text for r in spoken for text in r.provenance["reasons"]]
    tokens = sum(r.provenance["tokens"] for r in spoken)
    told = f"{len(every)} reasons of {tokens / len(every):.0f} tokens on average"
    told += f", {sum(text is None for text in every)} of which did not come to an answer"
    spreads = [r.provenance["spread"][0] for r in spoken if r.provenance["spread"][0] is not None]
    if spreads:
        counted = [np.mean([a == 0 for a in r.provenance["counted"]]) for r in spoken]
        k = len(every) / len(spoken)
        by_counting = np.mean([np.sqrt(p * (1 - p) / (k - 1)) for p in counted])
        told += f"; standard error {np.mean(spreads):.3f}, by counting answers {by_counting:.3f}"
    console.print(Text(told))


def _counted(console: Console, rows: Sequence[Mapping[str, Any]], records: Sequence[Record]) -> None:
    """How sure counted rates are; how much is not known of those read from log-probabilities."""
    for row in rows:
        ends = {
            name: pair for name, pair in row.get("intervals", {}).items() if not name.startswith("illegal")
        }
        told = "  ".join(f"{name} [{low:.2f}, {high:.2f}]" for name, (low, high) in ends.items())
        if told:
            console.print(Text(f"{row['game']}, {row['frame']}, 95% intervals of counted answers: {told}"))
    hidden = [r.provenance["truncation"] for r in records if "truncation" in r.provenance]
    if hidden:
        console.print(
            Text(
                f"from log-probabilities: {np.mean(hidden):.3f} of probability on average, {max(hidden):.3f} "
                "at most, was not told and may be legal or not"
            )
        )


def _share(x: float | None) -> str:
    return "" if x is None else f"{x:.2f}"


def _mass(x: float | None) -> str:
    return "" if x is None else f"{x:.3f}" if x >= 0.0005 else f"{x:.0e}"


def _signed(x: float | None) -> str:
    return "" if x is None else f"{x:+.2f}"


def _warn_mass(console: Console, rows: list[dict[str, Any]]) -> None:
    low = [row for row in rows if row["mass"] is not None and row["mass"] < LEGAL_MASS]
    if low:
        console.print(
            Text(
                f"{len(low)} of {len(rows)} rows have legal mass under {LEGAL_MASS}: their rates describe "
                "answers the model rarely gives"
            )
        )


# --- estimates ---------------------------------------------------------------------------------


def estimated(e: Estimate) -> None:
    """Parameters with errors and intervals; what the data were; how well the family fits."""
    table = Table(box=box.SIMPLE_HEAD, title=e.family.spec)
    for name in ("parameter", "estimate", "s.e.", f"{e.level:.0%} interval"):
        table.add_column(name, justify="left" if name == "parameter" else "right")
    for name, value, se, ends in zip(e.names, e.values, e.se, e.intervals, strict=True):
        bounds = "none" if np.isnan(ends).any() else f"[{_value(ends[0])}, {_value(ends[1])}]"
        table.add_row(name, _value(value), _value(se), bounds)
    console = Console()
    console.print(table)
    what = "exact choices" if e.exact else "choices"
    console.print(
        Text(
            f"{e.observations} {what} at {e.decisions} decisions; errors clustered by {e.cluster} "
            f"({e.clusters}); ln L {e.loglik:.2f} (random {e.null:.2f}, no family above {e.best:.2f}): "
            f"{e.explained:.0%} explained" + (f"; legal mass {e.mass:.3g}" if e.mass < 1 else "")
        )
    )
    _misfit(console, e.misfit)
    for note in e.notes:
        console.print(Text(f"note: {note}"))


def effects(rows: Sequence[Mapping[str, Any]], title: str) -> None:
    """Effects on being saved, with errors and intervals, and the rows each rests on."""
    table = Table(box=box.SIMPLE_HEAD, title=Text(f"P(saved | plus) - P(saved | minus), {title}"))
    for name in ("effect", "estimate", "s.e.", "95% interval", "rows"):
        table.add_column(name, justify="left" if name == "effect" else "right")
    for row in rows:
        ends = "none" if np.isnan(row["se"]) else f"[{_value(row['low'])}, {_value(row['high'])}]"
        known = [("none" if np.isnan(row[name]) else _value(row[name])) for name in ("estimate", "se")]
        table.add_row(row["effect"], *known, ends, str(row["rows"]))
    Console().print(table)


def mixed(m: Mixture) -> None:
    """Types, largest first, each parameter over its standard error."""
    table = Table(box=box.SIMPLE_HEAD, title=f"{len(m.shares)} types of {m.family.spec}")
    for name in ("share", *m.names):
        table.add_column(name, justify="right")
    for share, share_se, values, se in zip(m.shares, m.share_se, m.values, m.se, strict=True):
        table.add_row(_value(share), *map(_value, values))
        table.add_row(f"({_value(share_se)})", *(f"({_value(x)})" for x in se))
    console = Console()
    console.print(table)
    console.print(
        Text(
            f"{len(m.subjects)} subjects; ln L {m.loglik:.2f}, BIC {m.bic:.2f}, ICL {m.icl:.2f}, entropy of "
            f"the types {m.entropy:.3f}; {m.starts[0]} of the best starts of {m.starts[1]} ended here"
        )
    )
    _misfit(console, m.misfit)
    for note in m.notes:
        console.print(Text(f"note: {note}"))


def tested(tests: Sequence[Comparison]) -> None:
    """One line a test."""
    for t in tests:
        if t.kind == "Vuong":
            what = f"t({t.df}) = {t.statistic:+.2f}, p = {t.p:.2g} (positive: {t.wide} explains more)"
            what += f"; {t.note}" if t.note else ""
        else:
            what = f"F({t.df}) = {t.statistic / t.df:.2f}, p = {t.p:.2g}, scale {t.scale:.2f}"
        print(f"{t.narrow} against {t.wide}: {t.kind}, {what}, ln L differs by {t.difference:.2f}")


def _misfit(console: Console, misfit: Mapping[str, float]) -> None:
    if len(misfit) > 1:
        worst = sorted(misfit.items(), key=lambda item: -item[1])
        told = ", ".join(f"{name or 'no name'} {x:.3f}" for name, x in worst[:MOST_GAMES])
        more = f", and {len(worst) - MOST_GAMES} less" if len(worst) > MOST_GAMES else ""
        console.print(Text(f"misfit by game, KL in nats, worst first: {told}{more}"))


def _value(x: float) -> str:
    """Three decimals, or three digits where it is small."""
    if np.isnan(x):
        return "-"
    if np.isinf(x):
        return "∞" if x > 0 else "-∞"
    return f"{x:.3f}" if abs(x) >= 0.1 or x == 0 else f"{x:.3g}" if abs(x) < 0.001 else f"{x:.4f}"
