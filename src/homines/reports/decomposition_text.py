"""What moves a choice, in words and tables: a headline, rows of shares, sections of a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from homines.core.format import TableRow, count, join, number
from homines.core.types import LEGAL_MASS
from homines.estimation.decomposition import CERTAIN, FEWEST, Decomposition, Share, decompositions
from homines.reports.asked import brief
from homines.reports.page import Section
from homines.reports.run_view import ROW_KINDS, RunView, list_names

NAME = "decomposition"
TITLE = "A word, a place, an echo or a payoff"
MOST = 8
"""Interactions that are shown, the largest; the others are shown as one."""
REST = "all other interactions"
NOTED = 3
"""Most terms in a headline."""
NOTE = (
    "Shares of the mean square of the log-odds of the two acts, given a legal answer, over a design in which "
    "all games, words, orders and states meet; they add up to one. About even odds, not about their mean: a "
    "choice that always goes to one act has the whole share in act. label: which word stands for the act. "
    "vocabulary: which pair of words, whichever way round. payoffs: which game. place: the order in which "
    "the options are listed. own and other's last act: an echo or reciprocity, which are the same act here, "
    "and what the last round paid, which these acts decide. Of 2p − 1: the same of the probability, which "
    "stays readable where answers are certain, though what adds up in log-odds interacts there. Intervals "
    f"(95%) are over games and pairs of words like these, one left out at a time, where there are {FEWEST} "
    "or more of them."
)


def headline(d: Decomposition) -> str:
    """What moves the choice most, in a sentence."""
    told = sorted((s for s in d.odds if s.value is not None), key=lambda s: -(s.value or 0.0))
    if not told:
        return "Every answer is at even odds, so that nothing moves it."
    large = [f"{s.name} {number(s.value)}" for s in told[:NOTED]]
    return f"Log-odds of {number(d.strength, 1)} in size go to {join(large)}."


def cautions(d: Decomposition) -> list[str]:
    """What a reader has to know of a design before its shares."""
    out: list[str] = []
    if d.single:
        out.append(
            f"Asked with one level: {join(list(d.single))}; what these do cannot be told from the terms "
            "without them, and no share is given for it."
        )
    if d.left:
        out.append(
            f"Left out for a crossed design: {count(d.left, 'answer')}"
            + (f" ({list_names(d.dropped)})." if d.dropped else ".")
        )
    if d.certain > 0:
        out.append(
            f"{number(d.certain)} of the answers are certain (p of {number(CERTAIN, 3)} or more): there "
            "differences of log-odds change no choice; read the shares of 2p − 1."
        )
    if d.legal < LEGAL_MASS:
        out.append(f"Legal mass {number(d.legal)}: these are shares of answers that are rarely given.")
    return out


def share_rows(named: Mapping[str, Decomposition]) -> list[TableRow]:
    """A row a term, with its share by agent (no name: one agent) on both scales; small interactions as one:
    columns add up to one."""
    columns = {
        f"{name}: {scale}" if name else scale: {s.name: s for s in shares}
        for name, d in named.items()
        for scale, shares in (("log-odds", d.odds), ("2p − 1", d.chosen))
    }
    mains = dict.fromkeys(s.name for d in named.values() for s in d.odds if s.order < 2)
    rest = {s.name for shares in columns.values() for s in shares.values() if s.order > 1}
    by_size = sorted(rest, key=lambda n: (-max(_value(c.get(n)) for c in columns.values()), n))
    large, small = by_size[:MOST], by_size[MOST:]
    rows: list[TableRow] = [
        {"term": n, **{key: share_text(c.get(n)) for key, c in columns.items()}} for n in [*mains, *large]
    ]
    if small:
        sums = {key: sum(_value(c.get(n)) for n in small) for key, c in columns.items()}
        rows.append({"term": REST, **{key: number(x) for key, x in sums.items()}})
    return rows


def share_text(s: Share | None) -> str:
    """'.62 (.40 to .84)'; the reason where it is not told apart; empty where there is none."""
    if s is None:
        return ""
    if s.value is None:
        return f"not told apart ({s.reason})"
    ends = "" if s.low is None or s.high is None else f" ({number(s.low)} to {number(s.high)})"
    return number(s.value) + ends


def _value(s: Share | None) -> float:
    return 0.0 if s is None or s.value is None else s.value


def tidy(every: Sequence[Decomposition]) -> list[TableRow]:
    """A row a model, frame and term, with numbers: for --json, Python and files."""
    return [
        {
            "model": d.model,
            "frame": brief(d.frame),
            "acts": "/".join(d.actions),
            "term": s.name,
            "share": s.value,
            "low": s.low,
            "high": s.high,
            "share of 2p − 1": chosen.get(s.name, s).value,
            "reason": s.reason,
            "interval over": " and ".join(d.units),
            "log-odds": d.strength,
            "certain": d.certain,
            "legal mass": d.legal,
            "cells": d.y.size,
        }
        for d in every
        for chosen in ({s.name: s for s in d.chosen},)
        for s in d.odds
    ]


def sections(view: RunView) -> list[Section]:
    """What moves the choices of a run's models, a section a frame and pair of acts. None of a run on rows of
    drawn games, which are no design."""
    if view.run.config.get("kind") in ROW_KINDS:
        return []
    groups: dict[tuple[str, tuple[str, ...]], dict[str, Decomposition]] = {}
    for d in decompositions(view.records):
        groups.setdefault((d.frame, d.actions), {})[view.roles.get(d.model, d.model)] = d
    out: list[Section] = []
    for i, ((frame, acts), named) in enumerate(groups.items()):
        title = TITLE
        if len(groups) > 1:
            title += f": {'/'.join(acts)} in {brief(frame)}"
        text = [f"{role}: {' '.join([headline(d), *cautions(d)])}" for role, d in named.items()]
        out.append(
            Section(f"{NAME}_{i + 1}" if i else NAME, title, tuple(text), share_rows(named), None, NOTE)
        )
    return out
