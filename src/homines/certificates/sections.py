"""Sections of a certificate: those of the atlas with what an engineer asks besides, and the conditions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from homines.atlases import checks, everyday, payoffs, preferences, states
from homines.atlases.section import Cell, Column, Section, rate_cell, sampled, unanswered
from homines.certificates import conditions
from homines.core.format import number
from homines.core.registry import head
from homines.core.run_folder import RunFolder
from homines.core.types import Model, Record
from homines.elicitation.conditions import PLAIN
from homines.elicitation.metrics import (
    answered_records,
    choices,
    instability,
    mass,
    order_effect,
    rate_of,
)
from homines.elicitation.questions import Question
from homines.estimation.agent_estimates import estimates
from homines.training.persistence_plan import KAPPA_GAMES, PersistencePlan

SPREAD = "No interval: exact, or of counted answers, which chance alone spreads."
MASS = Column(
    "legal mass",
    "probability",
    "Probability of any legal answer, mean over states, words and orders. Every other rate is given one.",
    states.INTERVAL,
)
ORDER = Column(
    "order effect",
    "-1 to 1",
    "P(act | shown first) - P(act | shown last), mean over states, frames and acts. 0: no place is liked.",
    SPREAD,
)


def _spread(over: str, inside: str) -> Column:
    return Column(
        f"instability over {over}",
        "0 to 1",
        f"Largest less smallest P(C) over {over} {inside}, mean over states. 0: they do not matter; 1: they "
        "decide everything.",
        SPREAD,
    )


ROUND = _spread("words", "of one frame (labels, and which act each stands for)")
FRAMES = _spread("frames", "(a table, sentences, a story), each averaged over its words")
ORDERS = _spread("orders", "of the options in the same words")
SPREADS: tuple[tuple[Column, Callable[[Record], str], Callable[[Record], str]], ...] = (
    (ROUND, lambda r: head(r.frame), lambda r: r.frame),
    (FRAMES, lambda _: "", lambda r: head(r.frame)),
    (ORDERS, lambda r: r.frame, lambda r: str(r.order)),
)
"""(column, what is alike within a group, what the spread is over)."""


UNTOLD = "the service tells no legal mass: its probabilities are normalised over the options"


def stability(run: RunFolder) -> list[Cell]:
    """Legal mass, order effect, and instability over words, frames and orders."""
    records = choices(run.records)
    added = (MASS, ORDER, ROUND, FRAMES, ORDERS)
    if not answered_records(records):
        return unanswered(added, records)
    n, legal = sampled(records), mass(records)
    known = None if legal is None else float(legal)
    first = Cell(column=MASS.name, outcome="not asked", reason=UNTOLD)
    cells = [first if legal is None else rate_cell(MASS.name, legal, records)]
    cells.append(_cell(ORDER, order_effect(records), n, known))
    return cells + [
        _cell(column, spread(records, within, over), n, known) for column, within, over in SPREADS
    ]


def spread(
    records: Sequence[Record], within: Callable[[Record], str], over: Callable[[Record], str]
) -> float | None:
    """Mean over groups that are alike in `within` of the spread over what `over` names; None where none has
    two of these."""
    groups: dict[str, list[Record]] = {}
    for r in records:
        groups.setdefault(within(r), []).append(replace(r, frame=over(r)))
    spreads = [s for group in groups.values() if (s := instability(group)) is not None]
    return sum(spreads) / len(spreads) if spreads else None


def _cell(column: Column, value: float | None, n: int | None, legal: float | None) -> Cell:
    if value is None:
        return Cell(column=column.name, outcome="not asked", reason="asked in one way only", mass=legal)
    return Cell(column=column.name, value=value, n=n, mass=legal)


RIGHT = Column(
    "probability of the right answer",
    "probability",
    "Of sixty everyday questions, given a legal answer: it moves before the number of right ones does.",
    "Exact: none. Of counted answers 95% by Clopper and Pearson: what the same questions would give again.",
)


def right(run: RunFolder) -> Cell:
    """The mean probability of the right answer."""
    groups = [[r] for r, _ in answered_records(run.records)]
    if not groups:
        return unanswered((RIGHT,), run.records)[0]
    p = [float(c.p[0]) for _, c in answered_records(run.records)]
    return rate_cell(RIGHT.name, rate_of(sum(p) / len(p), groups), run.records)


WHICH = "of 18 sequential games and beliefs; in the short form of 12 symmetric games with a stated belief."
PARAMETERS = tuple(
    replace(column, meaning=f"{meaning}, in the family `{family}`, by maximum likelihood, {WHICH}")
    for column, (family, meaning) in zip(preferences.COLUMNS, preferences.OF.values(), strict=True)
)
MISFITS = {
    name: Column(
        f"misfit with {name}",
        "share",
        f"What the family that {name} is a parameter of leaves of the way from random choice to the answers. "
        "0: it explains them; 1: no better than a coin. A parameter of a family that misfits is a summary of "
        "these games, and may be another in others.",
        "No interval: it describes these answers. Of counted ones a true family leaves some by chance.",
    )
    for name in ("alpha", "kappa")
}


def ask_preferences(model: Model, quick: bool) -> list[Question]:
    """The battery of the atlas; in the short form the games of `homines persist`."""
    if not quick:
        return preferences.ask(model, quick)
    return PersistencePlan(model=model.name, games=KAPPA_GAMES, conditions=()).questions(model, (PLAIN,))


def read_preferences(run: RunFolder) -> list[Cell]:
    """Parameters, and what their families leave unexplained."""
    rows = estimates(run.records)
    n = sampled(choices(run.records))
    return [*preferences.parameter_cells(run.records, rows), *(_misfit(name, rows, n) for name in MISFITS)]


def _misfit(name: str, rows: Sequence[Mapping[str, Any]], n: int | None) -> Cell:
    column = MISFITS[name].name
    row = next((row for row in rows if row["parameter"] == name), {})
    if row.get("explained") is None:
        return Cell(
            column=column, outcome="not identified", reason=row.get("why") or "no family was estimated"
        )
    of, reason = row["family"], f"family {row['family']}"
    if n is not None and row["explainable"] is not None:
        reason = f"family {of}; if it were true, about {number(1 - row['explainable'])}"
    return Cell(column=column, value=1 - row["explained"], n=n, mass=row["mass"], reason=reason)


SECTIONS: tuple[Section, ...] = (
    replace(
        states.SECTION,
        columns=(*states.COLUMNS, MASS, ORDER, ROUND, FRAMES, ORDERS),
        read=lambda run: [*states.read(run), *stability(run)],
    ),
    replace(
        preferences.SECTION,
        columns=(*PARAMETERS, *MISFITS.values()),
        ask=ask_preferences,
        read=read_preferences,
    ),
    payoffs.SECTION,
    conditions.SECTION,
    replace(
        everyday.SECTION,
        columns=(*everyday.COLUMNS, RIGHT),
        read=lambda run: [*everyday.read(run), right(run)],
    ),
)
"""In the order in which they are asked and stand on the page."""
STATES, EVERYDAY = SECTIONS[0], SECTIONS[-1]


def columns() -> dict[str, Column]:
    """Every value of a certificate by its name, the checks first."""
    every = [*checks.COLUMNS, *(column for section in SECTIONS for column in section.columns)]
    return {column.name: column for column in every}
