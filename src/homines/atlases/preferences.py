"""Preferences: alpha, beta and kappa estimated from the battery of sequential games and beliefs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from homines.atlases.section import Cell, Column, Section, sampled
from homines.core.run_folder import RunFolder
from homines.core.types import Model, Record
from homines.elicitation.metrics import choices, instability
from homines.elicitation.questions import Question
from homines.elicitation.survey import BATTERY, Survey
from homines.estimation.agent_estimates import estimates

INTERVAL = (
    "95% by profile likelihood or, with up to 200 games and decisions, by the jackknife over them: what "
    "other games of this kind might have given."
)
OF = {
    "alpha": ("inequity", "aversion to being behind"),
    "beta": ("inequity", "aversion to being ahead"),
    "kappa": ("kantian(alpha=0)", "weight on what if everyone did so"),
}
"""Family and meaning of each parameter."""
UNBOUNDED = "The answers bound it on neither side."
COLUMNS = tuple(
    Column(
        name,
        "parameter",
        f"{meaning}, in the family `{family}`, by maximum likelihood from 18 sequential games and beliefs.",
        INTERVAL,
    )
    for name, (family, meaning) in OF.items()
)


def ask(model: Model, quick: bool) -> list[Question]:
    """The battery and beliefs; in the long form with the labels also the other way round."""
    return Survey(model.name, (BATTERY,), swap=not quick).every_question(model)


def read(run: RunFolder) -> list[Cell]:
    """Estimates, or why there is none."""
    return parameter_cells(run.records, estimates(run.records))


def parameter_cells(records: Sequence[Record], estimated: Sequence[Mapping[str, Any]]) -> list[Cell]:
    """A cell a parameter. estimated: what `estimates` says of these records."""
    records = choices(records)
    spread, counted = instability(records), sampled(records) is not None
    rows = {row["parameter"]: row for row in estimated if _belongs(row)}
    cells = [estimate_cell(rows.get(column.name, {}), column) for column in COLUMNS]
    return [replace(cell, n=cell.n if counted else None, instability=spread) for cell in cells]


def _belongs(row: Mapping[str, Any]) -> bool:
    """Whether a column is of this estimate."""
    family, _ = OF.get(row["parameter"], ("", ""))
    return row["family"] == family or row["parameter"] == "kappa"  # kappa may be of the family moralis


def estimate_cell(row: Mapping[str, Any], column: Column) -> Cell:
    """The estimate with its interval; not identified where it has none, or one without any end."""
    value, low, high, why = (row.get(key) for key in ("value", "low", "high", "why"))
    n, mass = round(row.get("choices", 0)), row.get("mass")
    cell = Cell(column=column.name, outcome="not identified", n=n, mass=mass, reason=why or "")
    if value is None or low is None or high is None or not math.isfinite(value):
        return cell
    if math.isinf(low) and math.isinf(high):
        return replace(cell, reason=UNBOUNDED)
    if math.isnan(low) or math.isnan(high):
        return cell
    return replace(cell, outcome="read", value=value, lower=float(low), upper=float(high))


SECTION = Section("preferences", "Preferences by structural estimation", COLUMNS, ask, read)
