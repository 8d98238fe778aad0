"""Cars: effects on who is saved in the dilemmas of the Moral Machine, those of the study moral_machine."""

from __future__ import annotations

from homines.atlases.section import Cell, Column, Section, sampled, unanswered
from homines.core.run_folder import RunFolder
from homines.core.types import Model
from homines.elicitation.questions import Question
from homines.estimation.amce import EFFECTS
from homines.games.dilemma import DIMENSIONS, Dilemma, dilemma, spec
from homines.studies.kit import finite_or_none
from homines.studies.moral_machine.agents import MachineAgent
from homines.studies.moral_machine.study import scenario_questions

DRAWS, DRAWS_QUICK = 16, 8
"""Scenarios of each kind; a multiple of four, as pairs exchange the groups and take turns with the labels."""
INTERVAL = (
    "95% over scenarios of the same design, those that exchange groups taken together, by Student's t: what "
    "other scenarios might have shown."
)
COLUMNS = tuple(
    Column(
        f"saves: {e.name}",
        "-1 to 1",
        f"P(saved | {e.plus}) - P(saved | {e.minus}), averaged over all else (AMCE of Awad et al. 2018).",
        INTERVAL,
        shown=e.name in ("humans over pets", "more characters", "young"),
    )
    for e in EFFECTS
)


def scenarios(draws: int) -> list[Dilemma]:
    """Scenarios of every kind, so that fewer draws are the first of more."""
    return [dilemma(kind, draw) for draw in range(draws) for kind in DIMENSIONS]


def ask(model: Model, quick: bool) -> list[Question]:
    """Every scenario in two orders with two label sets."""
    return scenario_questions(model, scenarios(DRAWS_QUICK if quick else DRAWS))


def read(run: RunFolder) -> list[Cell]:
    """The nine effects."""
    asked = {r.game for r in run.records}
    agent = MachineAgent(
        name="", run=run, scenarios=[d for d in scenarios(DRAWS) if spec(d.kind, d.draw) in asked]
    )
    if not agent.chosen:
        return unanswered(COLUMNS, run.records)
    intervals = agent.amce.interval()
    out: list[Cell] = []
    for i, column in enumerate(COLUMNS):
        value, worth = finite_or_none(agent.amce.values[i]), agent.reliability(i)
        out.append(
            Cell(
                column=column.name,
                outcome="unanswered" if value is None else "read",
                value=value,
                lower=finite_or_none(intervals[i][0]),
                upper=finite_or_none(intervals[i][1]),
                n=sampled(agent.records_of(i)),
                mass=worth["legal mass"],
                instability=worth["instability"],
                reason="" if value is not None else "no scenario of one of its levels was answered in full",
            )
        )
    return out


SECTION = Section("cars", "Whom a car saves", COLUMNS, ask, read)
