"""What got worse, and what a reader must know before the numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from homines.core.format import TableRow, clean, lines, number
from homines.core.types import LEGAL_MASS
from homines.inference import impossible
from homines.reports import run_charts
from homines.reports.run_view import SLACK, RunView, foreign_specs, left_out

# --- what got worse --------------------------------------------------------------------------------


def caveats(study: RunView, rows: Mapping[str, list[TableRow]]) -> list[str]:
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
    for name in run_charts.regrets(rows):
        out += _worse(rows["regret"], name, f"{name.capitalize()} rose", "games")
    out += _worse(rows["stability"], "instability", "Instability over frames rose", "games")
    out += _worse(rows["stability"], "order effect", "The order effect grew", "games", abs)
    if away := foreign_specs(study):
        out.append(
            f"{', '.join(clean(spec, 80) for spec in away)}: not available here, for modules are loaded only "
            "where a person says so; give --trust-modules to load it."
        )
    out += impossible.caveats(impossible.counts(study.every))
    out += [left_out(file, n) for file, n in study.impossible.items() if n]
    if failed := sum(row["count"] for row in rows["errors"]):
        out.append(f"{failed} of {len(study.records)} questions failed.")
    return out


def _worse(
    rows: Sequence[TableRow], name: str, what: str, noun: str, badness: Callable[[float], float] = float
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


def _names(row: TableRow) -> str:
    """'ipd, story': where a number stands, short enough for a sentence."""
    return ", ".join(clean(row[key], 60) for key in ("game", "frame") if key in row)
