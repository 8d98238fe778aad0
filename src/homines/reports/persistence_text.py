"""Persistence in words and tables: a headline, a line a condition, rows for files, sections of a page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from homines.core.format import TableRow, count, join, number
from homines.core.registry import spell
from homines.core.types import LEGAL_MASS
from homines.elicitation.conditions import PLAIN
from homines.estimation.kappa_change import ParameterChange
from homines.reports import charts
from homines.reports.page import Section
from homines.reports.persistence import BOUND, ConditionEffect, Outcome, PairedChange, condition_effects
from homines.reports.run_view import RunView

FINDINGS: dict[Outcome, str] = {
    "plain": "",
    "stays": "stays",
    "moved": "moves",
    "other answers": "other answers",
    "not told": "not told",
    "no answer": "no legal answer",
}
FEWEST = 4
"""Games from which an interval of a rate is shown: Student's t over two or three tells next to nothing."""
VERBS: dict[Outcome, str] = {
    "stays": "stays",
    "moved": "moves",
    "other answers": "stays with other answers",
    "no answer": "is of no legal answer",
}
NOTE = (
    "Each question is compared with itself asked plainly. An interval (95%) is of the change over games like "
    "these, each counted once by the mean of its questions; that of kappa leaves out one game at a time. "
    "Where all games changed by the same there is no interval, and the finding is of these games alone. A "
    "behaviour stays where the interval of its rate lies "
    f"within {number(BOUND)} of no change and a single answer moves by no more on average; else it gives "
    "other answers at the same rate. It moves where the rate changed by more and the interval excludes 0; "
    "else, and for a single game, this is not told. Rates are given a legal answer; under a legal mass of "
    f"{number(LEGAL_MASS)}, asked plainly or under the condition, there is none to speak of."
)


def rate_name(view: RunView) -> str:
    """The rate that is followed: 'P(implied by moralis(kappa=1))', or the answer given when asked plainly."""
    return f"P(implied by {spell(view.preference)})" if view.preference else "P(the answer given plainly)"


def headline(effects: Sequence[ConditionEffect], rate: str) -> str:
    """What persists, in a sentence."""
    if not effects:
        return "Nothing was answered plainly yet, so nothing can be compared."
    plain, *others = effects
    if plain.outcome == "no answer":
        mass = number(plain.mass.after) if plain.mass else "0"
        return f"It does not answer when asked plainly (legal mass {mass}), so nothing can persist."
    if not others:
        return "No condition was asked yet."
    parts: list[str] = []
    for outcome, verb in VERBS.items():
        here = [e for e in others if e.outcome == outcome]
        names = [f"{e.title}{_shift(e) if outcome == 'moved' else ''}" for e in here]
        parts += [f"{verb} in {len(here)} ({'; '.join(names)})"] if here else []
    untold = sum(e.outcome == "not told" for e in others)
    if not parts:
        where = f"none of {len(others)} conditions" if len(others) > 1 else "the condition asked"
        return f"Whether {rate} stays is {'told' if len(others) > 1 else 'not told'} in {where}."
    rest = f"; whether it stays is not told in {untold}" if untold else ""
    return f"Of {count(len(others), 'condition')}, {rate} {join(parts)}{rest}."


def _shift(e: ConditionEffect) -> str:
    return f": {number(e.share.before)} → {number(e.share.after)}" if e.share else ""


def rate_rows(effects: Sequence[ConditionEffect], rate: str) -> list[dict[str, str]]:
    """A line a condition: the rate with its change, legal mass, instability, kappa."""
    return [
        {
            "condition": e.title,
            "finding": FINDINGS[e.outcome],
            rate: _value(e.share),
            "change": _change(e.share, e),
            "an answer moves": "" if e.moved is None or e.name == PLAIN else number(e.moved),
            "legal mass": _value(e.mass),
            "kappa": _kappa(e),
            "change of kappa": _change(e.kappa.change, e),
        }
        for e in effects
    ]


def check_rows(effects: Sequence[ConditionEffect]) -> list[dict[str, str]]:
    """A line a condition: the three checks with their figures, and changes of legal mass, instability and
    everyday questions."""
    rows: list[dict[str, str]] = []
    for e in effects:
        checks = {c.name: f"{c.outcome} ({number(c.figure)})" if c.figure is not None else c.outcome
                  for c in e.verdict.checks}  # fmt: skip
        text = "" if e.perplexity is None else f"{e.perplexity[0]:.1f} → {e.perplexity[1]:.1f}"
        rows.append(
            {
                "condition": e.title,
                "answers legally": checks.get("answers legally", ""),
                "change of legal mass": _change(e.mass, e),
                "the same act in other words": checks.get("the same act in other words", ""),
                "instability": _value(e.spread),
                "change of instability": _change(e.spread, e),
                "nothing else lost": checks.get("nothing else lost", ""),
                "everyday right": _value(e.right),
                "change of everyday right": _change(e.right, e),
                "perplexity": text,
            }
        )
    return [{k: v for k, v in row.items() if any(r[k] for r in rows)} for row in rows]


def brief_rates(effects: Sequence[ConditionEffect]) -> list[dict[str, str]]:
    """`rate_rows` for a terminal of 80 columns: conditions by their names, kappa in a table of its own."""
    return [
        {
            "condition": e.name or "plain",
            "finding": FINDINGS[e.outcome],
            "rate": _value(e.share),
            "change": _change(e.share, e),
            "moves": "" if e.moved is None or e.name == PLAIN else number(e.moved),
            "mass": _value(e.mass),
        }
        for e in effects
    ]


def brief_kappas(effects: Sequence[ConditionEffect]) -> list[dict[str, str]]:
    """kappa and its change by condition; none where no condition has a value."""
    rows = [
        {
            "condition": e.name or "plain",
            "kappa": _kappa(e),
            "family": e.kappa.family,
            "change": _change(e.kappa.change, e),
        }
        for e in effects
    ]
    return rows if any(e.kappa.family for e in effects) else []


def brief_checks(effects: Sequence[ConditionEffect]) -> list[dict[str, str]]:
    """`check_rows` for a terminal: the checks alone."""
    names = {"answers legally": "legal", "the same act in other words": "same act"}
    names |= {"nothing else lost": "nothing lost"}
    return [
        {"condition": e.name or "plain", **{short: row.get(name, "") for name, short in names.items()}}
        for e, row in zip(effects, check_rows(effects), strict=True)
    ]


def kappa_reasons(effects: Sequence[ConditionEffect]) -> list[str]:
    """Why kappa has no value, each reason once, with its conditions."""
    by_reason: dict[str, list[str]] = {}
    for e in effects:
        if e.kappa.why:
            by_reason.setdefault(e.kappa.why, []).append(e.title)
    return [f"kappa ({', '.join(titles)}): {why}" for why, titles in by_reason.items()]


def state_rows(effects: Sequence[ConditionEffect]) -> list[TableRow]:
    """P(first action) at every state by condition, of games that have states."""
    keys = dict.fromkeys(key for e in effects for key in e.states)
    return (
        [{"condition": e.title, **{key: e.states.get(key) for key in keys}} for e in effects] if keys else []
    )


def tidy(effects: Sequence[ConditionEffect]) -> list[TableRow]:
    """A row a condition and quantity, with numbers: for files, charts and --json."""
    rows: list[TableRow] = []
    for e in effects:
        quantities: dict[str, PairedChange | ParameterChange | None] = {
            "share": e.share,
            "legal mass": e.mass,
            "instability": e.spread,
            "everyday right": e.right,
            "kappa": e.kappa.change,
        }
        head: TableRow = {"condition": e.name, "title": e.title, "model": e.model, "outcome": e.outcome}
        rows.append({**head, "quantity": "move of an answer", "after": e.moved})
        for name, c in quantities.items():
            row: TableRow = {**head, "quantity": name}
            row |= {key: getattr(c, key, None) for key in ("before", "after", "change", "low", "high")}
            row |= {"n": getattr(c, "games", None), "questions": getattr(c, "questions", None)}
            if name == "kappa":
                row |= {"after": e.kappa.value, "after low": e.kappa.low, "after high": e.kappa.high}
                row |= {"family": e.kappa.family, "why": e.kappa.why}
            rows.append(row)
    return rows


def to_json(view: RunView) -> list[dict[str, Any]]:
    """Every condition as JSON: its finding, checks, states and quantities."""
    effects = condition_effects(view)
    rows = tidy(effects)
    return [
        {
            "condition": e.name,
            "title": e.title,
            "model": e.model,
            "outcome": e.outcome,
            "questions": e.questions,
            "failed": e.failed,
            "verdict": e.verdict.to_json(),
            "states": dict(e.states),
            "perplexity": e.perplexity,
            "quantities": [
                {k: v for k, v in row.items() if k not in ("condition", "title", "model", "outcome")}
                for row in rows
                if row["condition"] == e.name
            ],
        }
        for e in effects
    ]


def sections(view: RunView) -> list[Section]:
    """The sections of a page: what persists, the checks, the states; for a run's own page and for studies."""
    effects = condition_effects(view) if view.run.config.get("kind") == "persist" else []
    if not effects:
        return []
    rate = rate_name(view)
    return [
        Section(
            "persistence",
            "What persists",
            (headline(effects, rate),),
            rate_rows(effects, rate),
            chart(effects),
            " ".join([NOTE, *kappa_reasons(effects)]),
        ),
        Section("persistence_checks", "The checks under every condition", (), check_rows(effects)),
        *(
            [Section("persistence_states", "P(first action) by state under every condition", (), states)]
            if (states := state_rows(effects))
            else []
        ),
    ]


def chart(effects: Sequence[ConditionEffect]) -> Any:
    """The change of the rate, of legal mass and of instability with their intervals; None without any."""
    rows = [
        {
            "panel": name,
            "group": e.title,
            "series": "change",
            "value": c.change,
            "low": None if _few(c) else c.low,
            "high": None if _few(c) else c.high,
            "weak": e.outcome == "no answer",
        }
        for name, of in (("rate", "share"), ("legal mass", "mass"), ("instability", "spread"))
        for e in effects[1:]
        if (c := getattr(e, of)) is not None and c.bounds is not None
    ]
    text = (
        "Change against the same questions asked plainly, with 95% intervals over games; a dot without one "
        "is the change of every game."
    )
    return charts.intervals(rows, text, alike=True) if rows else None


def _few(c: PairedChange | ParameterChange) -> bool:
    """Whether an interval of a rate is over fewer than FEWEST games."""
    return isinstance(c, PairedChange) and c.low is not None and getattr(c, "games", c.questions) < FEWEST


def _value(c: PairedChange | None) -> str:
    return "" if c is None else number(c.after)


def _change(c: PairedChange | ParameterChange | None, e: ConditionEffect) -> str:
    """'−.04 (−.09 to .01)', '.00 (in each of 13 games)' where all changed alike; empty for the plain
    questions."""
    if c is None or e.name == PLAIN:
        return ""
    if _few(c):
        return f"{number(c.change)} (too few games)"
    ends = "" if c.low is None or c.high is None else f" ({number(c.low)} to {number(c.high)})"
    if c.alike and isinstance(c, PairedChange):
        ends = f" (in each of {count(c.games, 'game' if c.games < c.questions else 'question')})"
    elif c.alike:
        ends = " (whichever game is left out)"
    return f"{number(c.change)}{ends}"


def _kappa(e: ConditionEffect) -> str:
    k = e.kappa
    if k.value is None:
        return "not identified"
    ends = "" if k.low is None or k.high is None else f" ({number(k.low)} to {number(k.high)})"
    return f"{number(k.value)}{ends}"
