"""Sentences of the paper, each with a figure and a rule that decides whether it holds here.

A figure is measured in several cells: conditions that change nothing a preference looks at (words, order of
the options, bare or aloud, number of firms). The verdict is a function of the figures of the cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from homines.core.format import TableRow
from homines.core.types import LEGAL_MASS
from homines.reports.page import Section
from homines.studies.kit import confidence_interval, mean

MARGIN = 0.1
"""A smaller difference counts as none."""
RULE = (
    "A figure is the mean over cells: words, orders of the options, bare or aloud, two or three firms, "
    f"menu or free words. A cell in which an agent's legal mass is below {LEGAL_MASS:g} is left out. The "
    "interval is 95% of the mean over cells (Student's t). A sentence that two agents differ holds (yes) "
    f"where the interval excludes 0 and the figure is at least {MARGIN:g} in size, and fails (no) where the "
    f"interval lies within ±{MARGIN:g}. A sentence with a direction holds where the interval lies above 0 "
    f"and the figure is at least {MARGIN:g}, and fails where the interval lies below {MARGIN:g}. Everything "
    "else, and fewer than two cells, is undecided."
)


@dataclass(frozen=True)
class Cell:
    """A figure in one condition; the least legal mass of the answers behind it."""

    condition: str
    value: float
    mass: float


@dataclass(frozen=True)
class Claim:
    """A sentence, where it stands, and its figure by cell.

    source      "abstract", "version 2", or "theory": what follows from the preferences
    figure      what the cells measure
    direction   "either": the sentence says that two agents differ; "above": that the figure is above 0
    """

    sentence: str
    source: str
    figure: str
    cells: tuple[Cell, ...]
    direction: Literal["either", "above"] = "above"

    @property
    def legal(self) -> list[Cell]:
        """The cells with legal answers enough."""
        return [cell for cell in self.cells if cell.mass >= LEGAL_MASS]

    @property
    def interval(self) -> tuple[float | None, float | None]:
        """95% interval of the mean over legal cells; (None, None) with fewer than two."""
        return confidence_interval([float(cell.value) for cell in self.legal])

    @property
    def verdict(self) -> Literal["yes", "no", "undecided"]:
        """By RULE."""
        low, high = self.interval
        if low is None or high is None:
            return "undecided"
        value = mean(cell.value for cell in self.legal)
        if low > 0 and value >= MARGIN:
            return "yes"
        if self.direction == "either":
            if high < 0 and value <= -MARGIN:
                return "yes"
            return "no" if low > -MARGIN and high < MARGIN else "undecided"
        return "no" if high < MARGIN else "undecided"

    def row(self) -> TableRow:
        """The claim as a row of a table."""
        low, high = self.interval
        legal = self.legal
        return {
            "sentence": self.sentence,
            "holds here": self.verdict,
            "value": mean(cell.value for cell in legal) if legal else None,
            "low": low,
            "high": high,
            "cells": len(legal),
            "left out": len(self.cells) - len(legal),
            "figure": self.figure,
            "stands in": self.source,
        }


def claims_section(claims: Sequence[Claim]) -> Section:
    """Every claim with its verdict."""
    return Section(
        "claims",
        "Which of the paper's sentences hold here",
        (
            "Sentences of the paper's abstracts and of the beginning of its second version, as far as they "
            "are about the applications, in words of our own; and what follows from the preferences "
            "themselves (theory). The verdict is computed by one rule, never by hand. It is of these agents, "
            "one training of each: the intervals hold other words, not other trainings.",
            RULE,
        ),
        [claim.row() for claim in claims],
    )


def cells_section(claims: Sequence[Claim]) -> Section | None:
    """The figure of every claim in every cell."""
    rows: list[TableRow] = [
        {
            "sentence": claim.sentence,
            "figure": claim.figure,
            "cell": cell.condition,
            "value": cell.value,
            "legal mass": cell.mass,
            "counts": "yes" if cell in claim.legal else "no",
        }
        for claim in claims
        for cell in claim.cells
    ]
    text = "The figures from which the verdicts are computed, each in its condition."
    return Section("claim_cells", "The same by condition", (text,), rows) if rows else None
