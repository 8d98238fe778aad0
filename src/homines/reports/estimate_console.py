"""Estimates in the terminal: parameters, checks, rivals, tests, types, random coefficients, sample sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rich.console import Console
from rich.text import Text

from homines.core.format import clean, count, number
from homines.core.types import LEGAL_MASS
from homines.estimation.agent_fit import AgentFit, FamilyFit
from homines.estimation.fit import Estimate
from homines.estimation.mixture import Mixture
from homines.estimation.model_tests import Comparison
from homines.estimation.random_coefficients import RandomCoefficients
from homines.estimation.rivals import Rival, rival_sentences
from homines.estimation.sample_size import SampleSize
from homines.estimation.spread import Spread, refusal_lines
from homines.reports.tables import Table

MOST_GAMES = 8
"""Most games whose misfit is named."""


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
        fit = "" if row["explained"] is None else f" ({row['explained']:.0%} explained)"
        estimate = f"none ({row['why']})" if row["why"] else (values or "precision alone") + fit
        parts.append(f"{row['belief']} {estimate}")
    return f"by belief about the others, {'; '.join(parts)}"


def print_checks(checks: Mapping[str, Any]) -> None:
    """One line on choices not fitted to, one on other beliefs."""
    if checks["held_out"]:
        Console().print(Text(held_out_sentence(checks["held_out"])))
    if checks["beliefs"]:
        Console().print(Text(beliefs_sentence(checks["beliefs"])))


def print_order(families: Sequence[FamilyFit]) -> None:
    """Families by their held-out log-likelihood a choice, best first. Those of more or fewer choices than the
    first are judged on other choices, and are named apart."""
    held_out = [
        (each.estimate, each.checks["held_out"]["held_out"])
        for each in families
        if isinstance(each.estimate, Estimate)
        and each.checks["held_out"]
        and not each.checks["held_out"]["why"]
    ]
    if len(held_out) < 2:
        return
    choices = held_out[0][0].choices
    order = sorted(((x, e.family.spec) for e, x in held_out if e.choices == choices), reverse=True)
    other = [f"{e.family.spec} ({e.choices:.0f})" for e, _ in held_out if e.choices != choices]
    parts: list[str] = []
    if len(order) > 1:
        parts += [f"best held out first: {', '.join(f'{spec} {number(x, 3)}' for x, spec in order)}"]
    if other:
        first = held_out[0][0].family.spec
        parts += [f"held out not compared with the {choices:.0f} choices of {first}: {', '.join(other)}"]
    Console().print(Text("; ".join(parts)))


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


def print_spread(e: Spread) -> None:
    """Mean and spread of every parameter, and what has no estimate."""
    cells = [
        {
            "parameter": row["parameter"],
            "mean": _value(row["mean"]),
            f"over {e.by}s": _interval(*row["over"]),
            f"over {e.by}s and games": _interval(*row["over_both"]),
            f"sd over {e.by}s": _value(row["sd"]),
            "of the sd": _interval(*row["sd_interval"]),
            f"next {e.by}": _interval(*row["next"]),
        }
        for row in e.rows()
    ]
    console = Console()
    console.print(Table(cells).console(f"{e.family.spec} by {e.by}", left=("parameter",)))
    console.print(Text(f"{e.observations} answers; {len(e.values)} {e.by}s, {e.games} games. {e.scope}"))
    for line in refusal_lines(e.refused):
        console.print(Text(clean(line)))
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
    if not s.misfit:
        text = "without misfit, as here, exact answers have no error; models have misfit"
        if s.unseen:
            text = (
                f"{s.clusters} {s.cluster}s do not tell misfit from 0 (5% level): it is taken as 0, as if "
                "exact answers had no error; an s.e. of less than "
                f"{number(s.unseen, 3)} from it would not show here"
            )
        console.print(Text(f"note: {text}"))
    console.print(Text(f"note: more {s.cluster}s are taken to be like these"))


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
    what, whose = "exact choices" if e.exact else "choices", " of all" if e.cluster == "subject" else ""
    console.print(
        Text(
            f"{e.choices:.0f} {what} at {e.decisions} decisions; errors clustered by {e.cluster} "
            f"({e.clusters}); ln L {e.loglik:.2f} (random {e.null:.2f}, observed shares{whose} "
            f"{e.best:.2f}): {e.fit_in_words}" + (f"; legal mass {e.mass:.3g}" if e.mass < 1 else "")
        )
    )
    console.print(Text(e.scope))
    _print_misfit(console, e.misfit if e.repeated else {}, e.chance)
    for note in e.notes:
        console.print(Text(f"note: {note}"))


def print_rivals(mine: str, rivals: Sequence[Rival]) -> None:
    """Which families cannot be told from this one, explain as much, or more."""
    for text in rival_sentences(mine, rivals):
        print(text)


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
            f"the types {m.entropy:.3f}; {m.starts[0]} of {m.starts[1]} starts ended at this height"
        )
    )
    _print_misfit(console, m.misfit, m.chance)
    for note in m.notes:
        console.print(Text(f"note: {note}"))


def print_comparisons(tests: Sequence[Comparison]) -> None:
    """One line a test."""
    for t in tests:
        chance = f"p = {t.p:.2g}" + (f" (Holm, {len(tests)} tests: {t.p_holm:.2g})" if len(tests) > 1 else "")
        if t.kind == "Vuong":
            what = f"t({t.df}) = {t.statistic:+.2f}, {chance} (positive: {t.wide} explains more)"
            what += f"; {t.note}" if t.note else ""
        else:
            what = f"F({t.df}) = {t.statistic / t.df:.2f}, {chance}, scale {t.scale:.2f}"
        print(f"{t.narrow} against {t.wide}: {t.kind}, {what}, ln L differs by {t.difference:.2f}")


def _print_misfit(console: Console, misfit: Mapping[str, float], chance: Mapping[str, float]) -> None:
    """KL by game, the farthest beyond chance first, with what chance gives where choices are sampled."""
    if len(misfit) > 1:
        worst = sorted(misfit, key=lambda name: chance[name] - misfit[name])[:MOST_GAMES]
        by_chance = {name: f" (by chance {x:.3f})" if x else "" for name, x in chance.items()}
        listed = ", ".join(f"{name or 'no name'} {misfit[name]:.3f}{by_chance[name]}" for name in worst)
        more = f", and {len(misfit) - MOST_GAMES} less" if len(misfit) > MOST_GAMES else ""
        console.print(Text(f"misfit by game, KL in nats, worst first: {listed}{more}"))


def print_agents(fits: Sequence[AgentFit]) -> None:
    """Estimates and tests of every agent, and what was refused."""
    for f in fits:
        if len(fits) > 1:
            print(clean(f.agent or ""))
        for each in f.families:
            match each.estimate:
                case Mixture() as e:
                    print_mixture(e)
                case Spread() as e:
                    print_spread(e)
                case RandomCoefficients() as e:
                    print_random_coefficients(e)
                case e:
                    print_estimate(e)
                    print_rivals(e.family.spec, each.rivals)
            if each.checks:
                print_checks(each.checks)
        print_order(f.families)
        print_comparisons(f.tests)
        if f.left:
            print(f"left out: {count(f.left, 'answer')} of a legal mass under {LEGAL_MASS:g}")
        for what, why in f.refused.items():
            print(f"{what}: {why}")


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


def _interval(low: float, high: float) -> str:
    return f"[{_value(low)}, {_value(high)}]"


def _value(x: float) -> str:
    """Three decimals, or three digits where it is small; what is rounding of an exact fit is 0."""
    if np.isnan(x):
        return "-"
    if np.isinf(x):
        return "∞" if x > 0 else "-∞"
    size = round(abs(x), 12)
    return f"{x:.3f}" if round(size, 4) >= 0.1 or size == 0 else f"{x:.3g}" if abs(x) < 0.001 else f"{x:.4f}"
