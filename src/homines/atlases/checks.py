"""Checks: the verdict on a model of an atlas, from its answers by state, and its base where it has one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from homines.atlases.everyday import PERPLEXITY, RIGHT
from homines.atlases.section import Cell, Column
from homines.core.run_folder import RunFolder
from homines.reports.run_view import read
from homines.reports.same_act import SameAct
from homines.reports.verdict import Check, LegalAnswers, Loss, NothingLost, Verdict, verdicts
from homines.reports.verdict_text import headline

QUESTIONS = 60
NOTHING = "exact figures have none; of counted answers the check allows for chance"
LEGAL = Column(
    LegalAnswers.name,
    "legal mass",
    f"Lowest legal mass over frames of the iterated prisoner's dilemma; passed from "
    f"{LegalAnswers.threshold:g} on.",
    f"No interval: {NOTHING}.",
)
ACT = Column(
    SameAct.name,
    "difference of a rate",
    "The larger of two: how far a rate shifts with labels, their exchange, frames or option orders, and "
    f"its spread over all words together (instability); passed up to {SameAct.threshold:g}. Read in frames "
    "whose legal mass is enough.",
    f"No interval: {NOTHING}.",
)
LOST = Column(
    NothingLost.name,
    "share of what is allowed",
    "Largest fall in everyday questions right, their legal mass, or rise in perplexity, against the base "
    "model's row, as a share of what is allowed (.05, .05, a tenth); passed up to 1.",
    "No interval: the questions and the text are fixed.",
)
COLUMNS = (LEGAL, ACT, LOST)


@dataclass(frozen=True)
class Base:
    """The model that a row is compared with, and the cells of its row by column.

    name    None: there is none, as of a model that is not an adapter's; cells None: it has no row yet
    """

    name: str | None = None
    cells: Mapping[str, Cell] | None = None


def check(run: RunFolder, cells: Mapping[str, Cell], base: Base) -> tuple[str, list[Cell]]:
    """The headline of the verdict, and a cell a check. run: of the states; cells: the row's by column."""
    found = verdicts(read(run))
    lost, reason = _lost(cells, base)
    if not found:
        return "It gave no answer.", [
            *(Cell(column=c.name, outcome="unanswered") for c in (LEGAL, ACT)),
            _cell(lost, reason),
        ]
    first = found[0]
    verdict = Verdict(first.model, first.legal, first.act, lost if base.name else None)
    act = Cell(
        column=ACT.name,
        outcome=first.act.outcome,
        value=first.act.figure,
        n=None if first.act.answers is None else round(first.act.answers),
        instability=first.act.instability,
    )
    return headline(verdict), [_cell(first.legal), act, _cell(lost, reason)]


def _cell(of: Check, reason: str = "") -> Cell:
    return Cell(column=of.name, outcome=of.outcome, value=of.figure, reason=reason)


def _lost(cells: Mapping[str, Cell], base: Base) -> tuple[NothingLost, str]:
    """What the row lost against its base, and what is compared or missing."""
    if base.name is None:
        return NothingLost(()), "no base to compare with"
    if base.cells is None:
        return NothingLost(()), f"its base {base.name} has no row here"
    pairs = {
        "everyday accuracy": (RIGHT.name, "value"),
        "everyday legal mass": (RIGHT.name, "mass"),
        "perplexity": (PERPLEXITY.name, "value"),
    }
    losses: list[Loss] = []
    for name, (column, field) in pairs.items():
        before, after = (getattr(side.get(column), field, None) for side in (base.cells, cells))
        if before is not None and after is not None:
            of = QUESTIONS if name == "everyday accuracy" else 1
            losses.append(Loss(name, before / of, after / of, float(of) if of > 1 else None))
    reason = f"against {base.name}"
    if lacking := {"everyday accuracy", "perplexity"} - {loss.name for loss in losses}:
        reason += f"; {' and '.join(sorted(lacking))} not read of both"
    return NothingLost(tuple(sorted(losses, key=lambda row: -row.share))), reason
