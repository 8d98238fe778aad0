"""Promises given and broken, as a section of a page and lines of a terminal."""

from __future__ import annotations

from collections.abc import Iterable

from homines.core.rates import describe
from homines.core.types import Record
from homines.elicitation.promises import promise_rows
from homines.reports.asked import brief
from homines.reports.page import Section
from homines.reports.run_view import RunView

NAME = "promises"
NOTE = (
    "Rates are given a legal answer. broken: the probability of defecting after an own promise, mean over "
    "what the other said; every agent is told that it promised, whether or not it would have, which the "
    "first column says. Beside it defection without a promise: where the two are alike, a promise changes "
    "nothing."
)


def sections(view: RunView) -> list[Section]:
    """How many promises are given and broken; none of a run without promises."""
    rows = [
        {key: view.short.get(x, x) if key == "frame" else describe(x) for key, x in row.items()}
        for row in promise_rows(view.records)
    ]
    return [Section(NAME, "Promises", (), rows, None, NOTE)] if rows else []


def lines(records: Iterable[Record]) -> list[str]:
    """A line a model, game and frame for a terminal."""
    out: list[str] = []
    for row in promise_rows(records):
        told = {key: describe(value) for key, value in row.items()}
        out.append(
            f"promises broken {told['broken']} (both promised {told['broken, both promised']}, alone "
            f"{told['broken, alone']}), legal mass {told['legal mass']}; promises {told['promises']}; "
            f"defects without a promise {told['defects without a promise']}: {row['game']}, "
            f"{brief(row['frame'])}"
        )
    return out
