"""Preferences: alpha, beta and kappa estimated from the battery of sequential games and beliefs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from homines.atlases.section import Cell, Column, Section
from homines.core.run_folder import RunFolder
from homines.core.types import Model
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
    spread = instability(choices(run.records))
    rows = {row["parameter"]: row for row in estimates(run.records) if _wanted(row)}
    return [_cell(column, rows.get(column.name, {}), spread) for column in COLUMNS]


def _wanted(row: Mapping[str, Any]) -> bool:
    family, _ = OF.get(row["parameter"], ("", ""))
    return row["family"] == family or row["parameter"] == "kappa"  # kappa may be of the family moralis


def _cell(column: Column, row: Mapping[str, Any], spread: float | None) -> Cell:
    value = row.get("value")
    known = value is not None and math.isfinite(value)
    return Cell(
        column=column.name,
        outcome="read" if known else "not identified",
        value=value if known else None,
        lower=_end(row.get("low")) if known else None,
        upper=_end(row.get("high")) if known else None,
        mass=row.get("mass"),
        instability=spread,
        reason=row.get("why", ""),
    )


def _end(x: float | None) -> float | None:
    return None if x is None or math.isnan(x) else float(x)


SECTION = Section("preferences", "Preferences by structural estimation", COLUMNS, ask, read)
