"""What `homines play` does: a sitting in the terminal."""

from __future__ import annotations

import json
import math
import shlex
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.text import Text

from homines.core.registry import find
from homines.core.run_folder import RunFolder
from homines.core.types import LEGAL_MASS, HominesError, Interrupted
from homines.design.stopping import Standing
from homines.elicitation.survey import BATTERY, frame_specs
from homines.estimation.fitting import estimate_row, spell_infinities
from homines.people.debrief import (
    FAMILY,
    Happened,
    Odds,
    Portrait,
    check_family,
    happened,
    odds,
    portraits,
    totals,
)
from homines.people.next_game import placed, reached
from homines.people.plan import SessionPlan
from homines.people.play import NotAnAnswer
from homines.people.session import Sitting, start
from homines.reports.console import command
from homines.reports.tables import Table

MOST_DIGITS = 4
"""Of a seat's number."""


def framed(games: list[str], frame: str, labels: str | None) -> str:
    """The frame of a sitting; of one game with its usual labels, where two words are enough for it."""
    if len(games) == 1 and games[0] != BATTERY:
        return frame_specs(find("games", games[0]), [frame], [labels] if labels else None, swap=False)[0]
    if labels is not None:
        raise HominesError(
            f"--labels {labels} are for one game, and several have actions of their own; drop --labels"
        )
    return frame


def seated(text: str | None) -> tuple[int | None, bool]:
    """A seat from words: (its number or None, whether every role is answered for)."""
    if text is None or text.strip() == "both":
        return None, text is not None
    if not text.strip().isdecimal() or len(text.strip()) > MOST_DIGITS:
        raise HominesError(f"seat {text[:80]!r} must be a player's number, as 0 or 1, or both")
    return int(text), False


def carry_out_play(
    plan: SessionPlan,
    save: Path | None,
    family: str | None,
    device: str | None,
    dtype: str | None,
    as_json: bool,
) -> None:
    """Play, and print the debriefing; raise Interrupted, or exit 130, where the person leaves before."""
    if family:
        check_family(family)
    console = Console(stderr=as_json)
    with RunFolder(save, plan.config(command())) if save is not None else nullcontext() as run:
        sitting = start(plan, run, device=device, dtype=dtype)
        if stored := len(sitting.records):
            console.print(Text(f"going on after the {stored} answers that {save} holds"))
        try:
            converse(sitting, console, as_json)
        except (typer.Abort, EOFError, KeyboardInterrupt):
            done = f"stopped after {len(sitting.records)} answers"
            if save is None:
                print(f"\nhomines: {done}; they were not kept (--save FOLDER keeps them)", file=sys.stderr)
                sys.exit(130)
            console.print()
            raise Interrupted(done) from None
        chances = odds(sitting)
        shown = family or (plan.design.families[0] if plan.design else FAMILY)
        shapes = portraits(sitting, shown) if family or plan.both or plan.design else []
        if run is not None:
            note(run, sitting, chances, shapes)
    if as_json:
        print(json.dumps(spell_infinities(result(sitting, chances, shapes, save))))
        return
    print_history(sitting, console)
    print_odds(sitting, chances, console)
    print_portraits(shapes, console)
    if plan.design:
        console.print(Text(achieved(sitting).sentence))
    if save is not None:
        print(f"saved     {save}\nnext      {next_command(save, plan.person, shapes)}")


def next_command(folder: Path, person: str, shapes: Sequence[Portrait]) -> str:
    """The command after a saved sitting, as a shell takes it: to estimate the person's preference where there
    is an estimate, else to write the page."""
    for shape in shapes:
        if shape.who == person and shape.estimate is not None:
            family = shape.estimate.family.spec
            return shlex.join(["homines", "fit", str(folder), "--model", person, "--family", family])
    return shlex.join(["homines", "report", str(folder)])


def converse(sitting: Sitting, console: Console, to_stderr: bool) -> None:
    """Ask until the sitting is over; ask again where an answer is none. Each round is reported as it ends,
    but not where a role is drawn at the end."""
    reported = len(sitting.progress.stages)
    while (turn := sitting.progress.turn) is not None:
        console.rule(Text(" · ".join(part for part in (turn.game, turn.when) if part)), align="left")
        console.print(Text("\n\n".join(text for _, text in turn.prompt.messages)))

        def read(text: str) -> int:
            try:
                return sitting.progress.turn.read(text)  # pyright: ignore[reportOptionalMemberAccess]
            except NotAnAnswer as failure:
                raise typer.BadParameter(str(failure)) from None

        action = typer.prompt("your answer", value_proc=read, err=to_stderr)
        sitting.answer(action)
        if not sitting.plan.both:
            for row in happened(sitting)[reported:]:
                console.print(Text(sentence(row)))
        reported = len(sitting.progress.stages)


def print_history(sitting: Sitting, console: Console) -> None:
    """Print all that happened, as a table."""
    heads = ("game", "when", "you", "the others", "you get", "others get")
    rows: list[dict[str, str]] = []
    for row in happened(sitting):
        theirs = ", ".join(
            f"{'' if who == 'the other' else f'{who} '}{act} (p {p:.3f})" for who, act, p in row.theirs
        )
        cells = (row.game, row.when, row.mine, theirs, *(row.paid[:1] or ("",)), ", ".join(row.paid[1:]))
        rows.append(dict(zip(heads, cells, strict=True)))
    paid = totals(sitting)
    total = ("in all", "", "", "", paid[0], ", ".join(paid[1:])) if paid else ()
    title = f"what happened, against {sitting.other.name}"
    console.print(Table(rows, heads).console(title, left=heads[:4], total=total))


def sentence(row: Happened) -> str:
    """'You chose X, the other chose Y: you get 3, the other 0.'"""
    acts = [f"you chose {row.mine}"] if row.mine else []
    acts += [f"{who} chose {act}" for who, act, _ in row.theirs]
    text = ", ".join(acts)
    if row.paid:
        text += f": you get {row.paid[0]}"
    if others := row.paid[1:]:
        text += f", {'the other' if len(others) == 1 else 'others'} {', '.join(others)}"
    return f"{text[:1].upper()}{text[1:]}."


def print_odds(sitting: Sitting, chances: list[Odds], console: Console) -> None:
    """Print the person's choices next to the counterpart's exact probabilities in the same place."""
    heads = ("game", "where", "you chose", "it would", "legal mass")
    rows: list[dict[str, str]] = []
    for each in chances:
        likely = "  ".join(f"{label} {p:.3f}" for label, p in each.brief())
        mass = "" if each.choice is None else f"{each.choice.mass:.3f}"
        cells = (each.turn.game, each.where, each.chosen, likely or "no answer", mass)
        rows.append(dict(zip(heads, cells, strict=True)))
    title = f"in your place, {sitting.other.name} would choose with probability"
    console.print(Table(rows, heads).console(title, left=heads[:4]))
    for why in dict.fromkeys(each.why for each in chances if each.why):
        console.print(Text(f"no answer: {why}"))
    low = sum(each.choice is not None and each.choice.mass < LEGAL_MASS for each in chances)
    if low:
        console.print(
            Text(f"{low} of {len(chances)} have legal mass under {LEGAL_MASS}: answers it rarely gives")
        )


def print_portraits(shapes: list[Portrait], console: Console) -> None:
    """Print the parameters of both, side by side; where there is no estimate, why."""
    known = [(shape.who, shape.estimate) for shape in shapes if shape.estimate is not None]
    if known:
        family, heads = known[0][1].family.spec, ("whose", *known[0][1].names)
        rows = [
            {"whose": who}
            | {
                name: f"{value:.2f} ({'-' if math.isnan(se) else f'{se:.2f}'})"
                for name, value, se in zip(e.names, e.values, e.se, strict=True)
                if name in heads
            }
            for who, e in known
        ]
        console.print(Table(rows, heads).console(family, left=("whose",)))
        console.print("estimate (standard error); `homines fit` on a saved sitting has intervals and tests")
    for shape in shapes:
        if shape.estimate is None:
            console.print(Text(f"{shape.who}: no estimate: {shape.limits}"))


def note(run: RunFolder, sitting: Sitting, chances: list[Odds], shapes: list[Portrait]) -> None:
    """Write the debriefing of a finished sitting into its run folder."""
    run.note("played.json", spell_infinities(result(sitting, chances, shapes, run.folder)))


def achieved(sitting: Sitting) -> Standing:
    """How far a sitting of games drawn came to what it wanted."""
    answers = tuple((turn.game, act) for turn, act in sitting.progress.answered)
    return reached(sitting.plan, placed(sitting.plan, answers))


def _stage_row(row: Happened) -> dict[str, Any]:
    return {"game": row.game, "told": row.when, "mine": row.mine, "theirs": row.theirs, "paid": row.paid}


def result(
    sitting: Sitting, chances: list[Odds], shapes: list[Portrait], save: Path | None
) -> dict[str, Any]:
    """A finished sitting as JSON."""
    return {
        "folder": None if save is None else str(save),
        "against": sitting.other.name,
        "happened": [_stage_row(row) for row in happened(sitting)],
        "totals": totals(sitting),
        "asked": [
            {
                "game": each.turn.game,
                "where": each.where,
                "chosen": each.chosen,
                "other": dict(each.chances) or None,
                "mass": None if each.choice is None else each.choice.mass,
                "why": each.why or None,
            }
            for each in chances
        ],
        **({"wanted": achieved(sitting).sentence} if sitting.plan.design else {}),
        "estimates": [
            {
                "who": s.who,
                "why": s.why or None,
                "told": s.limits or None,
                **({} if s.estimate is None else estimate_row(s.estimate)),
            }
            for s in shapes
        ],
    }
