"""Held-out fit and other beliefs under an estimate in the terminal; random coefficients; sample sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rich.console import Console
from rich.text import Text

from homines.core.format import number
from homines.estimation.random_coefficients import RandomCoefficients
from homines.estimation.sample_size import SampleSize
from homines.reports.tables import Table


def held_out_sentence(h: Mapping[str, Any]) -> str:
    """The fields of a HeldOut in words."""
    if h["why"]:
        return f"held out: no estimate {h['why']}"
    each = "each" if h["folds"] == h["clusters"] else f"each of {h['folds']} parts of the"
    return (
        f"held out: ln L a choice {number(h['held_out'], 3)} without {each} {h['cluster']}"
        f"{'' if each == 'each' else 's'} in turn, {number(h['in_sample'], 3)} in sample, "
        f"{number(h['random'], 3)} random"
    )


def beliefs_sentence(beliefs: Sequence[Mapping[str, Any]]) -> str:
    """Rows of `sensitivity` in words."""
    parts: list[str] = []
    for row in beliefs:
        values = ", ".join(
            f"{name} {number(x, 3)}" for name, x in row["values"].items() if name != "precision"
        )
        fit = "" if row["explained"] is None else f" ({min(1.0, row['explained']):.0%} explained)"
        estimate = f"none ({row['why']})" if row["why"] else (values or "precision alone") + fit
        parts.append(f"{row['belief']} {estimate}")
    return f"by belief about the others, {'; '.join(parts)}"


def print_checks(checks: Mapping[str, Any]) -> None:
    """One line on choices not fitted to, one on other beliefs."""
    if checks["held_out"]:
        Console().print(Text(held_out_sentence(checks["held_out"])))
    if checks["beliefs"]:
        Console().print(Text(beliefs_sentence(checks["beliefs"])))


def print_order(held_out: Mapping[str, float]) -> None:
    """Families by their held-out log-likelihood a choice, best first, where there are several."""
    if len(held_out) > 1:
        order = sorted(held_out.items(), key=lambda item: -item[1])
        listed = ", ".join(f"{spec} {number(x, 3)}" for spec, x in order)
        Console().print(Text(f"best held out first: {listed}"))


def print_random_coefficients(e: RandomCoefficients) -> None:
    """Mean and standard deviation of every parameter over subjects, with their errors."""
    cells = [
        {"parameter": name, "mean": number(m, 3), "s.e.": number(m_se, 3), "sd over subjects": number(s, 3)}
        | {"s.e. of sd": number(s_se, 3)}
        for name, m, s, m_se, s_se in zip(e.names, e.mean, e.sd, *e.se, strict=True)
    ]
    console = Console()
    console.print(Table(cells).console(f"random coefficients of {e.family.spec}", left=("parameter",)))
    moved = ""
    if np.isfinite(e.simulation).any():
        moved = f"; other draws move no number by more than {number(np.nanmax(e.simulation))} s.e."
    console.print(
        Text(
            f"{e.observations} choices of {e.subjects} subjects; errors clustered by subject; simulated ln L "
            f"{e.loglik:.2f} (one preference for all {e.pooled:.2f}, random {e.null:.2f}), BIC {e.bic:.2f}; "
            f"{e.draws} Halton draws a subject, {e.effective:.0f} effective at least{moved}"
        )
    )
    for note in e.notes:
        console.print(Text(f"note: {note}"))


def print_sample_size(s: SampleSize) -> None:
    """How many clusters and answers the wanted error takes."""
    cells = [
        {
            "answers to each question": "exact" if n is None else str(n),
            f"{s.cluster}s": "over a million" if needed is None else str(needed),
            "answers in all": "-" if asked is None else str(asked),
        }
        for n, needed, asked in s.rows
    ]
    wanted = f"{s.wanted.kind}({s.wanted.parameter}) < {s.wanted.value:g}"
    console = Console()
    console.print(Table(cells).console(wanted))
    source = f"if {s.assumed} is true" if s.assumed else f"{s.wanted.parameter} {number(s.value, 3)} here"
    here = "no number of answers" if s.here is None else f"{s.here} answers to each"
    console.print(
        Text(
            f"{source}; {s.questions} questions in {s.clusters} {s.cluster}s leave an s.e. of "
            f"{number(s.misfit, 3)} when answered exactly and add {number(s.sampling, 3)} / sqrt(n) from n "
            f"answers to each; with these {s.cluster}s {here} would do"
        )
    )
    if all(n is not None for n, _, _ in s.rows):
        console.print(Text("note: without misfit, as here, exact answers have no error; models have misfit"))
    console.print(Text(f"note: more {s.cluster}s are taken to be like these"))
