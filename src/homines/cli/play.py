"""Command line of `homines play`; the work is in people/."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from homines.cli.options import AsJson, Fields, Values
from homines.core.options import option
from homines.design.options import DesignOptions
from homines.elicitation.survey import Survey
from homines.inference.processes import quiet
from homines.people.plan import SessionPlan


@dataclass(frozen=True)
class PlayOptions:
    """What the command line adds to a plan: words, a seat by its number or all, what becomes of it."""

    labels: str | None = option(None, "Words for the actions, as X,Y.")
    seat: str | None = option(None, "Yours: 0, 1, ...; both: every role, one is drawn (strategy method).")
    save: Path | None = option(None, "Run folder for your answers, as they come; `fit` reads it.")
    family: str | None = option(None, "Preference to estimate at the end; kantian where every role is asked.")


def play(
    session: Annotated[Values, Fields(SessionPlan, "games against frame rounds seed person")],
    options: PlayOptions,
    placement: Annotated[Values, Fields(Survey, "device dtype")],
    drawn: Annotated[Values, Fields(DesignOptions, "until stake pool least max_questions")],
    as_json: AsJson = False,
) -> None:
    """Have the person at the terminal play."""
    quiet()
    from homines.design.inquiry import begin  # with it comes scipy
    from homines.people.terminal import carry_out_play, framed, seated

    seat, both = seated(options.seat)
    games = list(session["games"])
    if options.family is not None and drawn["until"] is not None:
        drawn["families"] = (options.family,)
    design = DesignOptions(**drawn)
    if design.until is not None:
        games = [begin(design, tuple(games), session["seed"]).pool.specs[0]]
    session["frame"] = framed(games, session["frame"], options.labels)
    plan = SessionPlan(**session, seat=seat, both=both, design=design if design.until else None)
    carry_out_play(plan, options.save, options.family, **placement, as_json=as_json)
