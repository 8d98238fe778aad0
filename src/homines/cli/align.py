"""What the commands do once their options are read: frames from words, carrying out, printing."""

from __future__ import annotations

import json
import shlex
import sys
import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from homines.core.run_folder import RunFolder
from homines.core.types import Game, HominesError
from homines.elicitation.metrics import summary
from homines.inference import processes
from homines.reports.console import (
    Bars,
    command,
    print_before_after,
    print_scores,
    print_side_effects,
    stopping,
)
from homines.theory.game_forms import Repeated
from homines.training import distributed
from homines.training.plan import AlignmentPlan
from homines.training.schedule import Phase

if TYPE_CHECKING:
    from homines.training.exam import TuningPlan


def carry_out(plan: AlignmentPlan, folder: Path, kind: str, dry_run: bool, as_json: bool) -> None:
    """Align by a plan, report, print; exits with 0, or 1 where some questions failed."""
    from homines.reports.run_page import write  # with it comes altair
    from homines.training.lifecycle import align, estimate, name_after

    distributed.divides_weights()  # before any model is loaded
    if not processes.is_first() and not dry_run:
        with stopping() as stop:
            align(plan, folder, kind=kind, stop=stop)
        return
    start = time.monotonic()
    if dry_run:
        counted = estimate(plan)
        print(json.dumps(counted) if as_json else counted_line(counted))
        return
    with Bars() as bars, stopping() as stop:
        trained = align(
            plan,
            folder,
            kind=kind,
            command=command(),
            say=bars.say,
            begin=bars.begin,
            on_step=bars.step,
            stop=stop,
        )
        bars.say("writing the report")
        page = write(folder)
    run = RunFolder(folder)
    seconds = time.monotonic() - start
    if as_json:
        side = {
            name: {k: v for k, v in checked.items() if k != "answers"}
            for name, checked in (run.noted("sideeffects.json") or {}).items()
        }
        result = {
            "folder": str(folder),
            "report": str(page),
            "result": str(trained.folder),
            "training_seconds": trained.seconds,
            "seconds": seconds,
            "rows": summary(run.records),
            "side_effects": side,
        }
        print(json.dumps(result))
    else:
        print_before_after(run)
        print(f"\nreport    {page}")
        print(f"figures   {folder / 'figures'}")
        print(f"result    {trained.folder}")
        print(f"time      {seconds:.0f} s in all, {trained.seconds:.0f} s of it training")
        after = shlex.quote(name_after(plan, trained.folder)) + in_type(plan.dtype)
        print(f"next      homines measure {after} --frame story --labels X,Y")
    sys.exit(1 if any(r.error for r in run.records) else 0)


def carry_out_tuning(tuning: TuningPlan, folder: Path, as_json: bool) -> None:
    """Tune on a data folder and print what it changed."""
    from homines.training.exam import table
    from homines.training.lifecycle import tune

    distributed.divides_weights()
    if not processes.is_first():
        with stopping() as stop:
            tune(tuning, folder, stop=stop)
        return
    start = time.monotonic()
    with Bars() as bars, stopping() as stop:
        trained = tune(
            tuning, folder, command=command(), say=bars.say, begin=bars.begin, on_step=bars.step, stop=stop
        )
    run = RunFolder(folder)
    rows, side = table(run.noted("scores.json") or {}), run.noted("sideeffects.json")
    name = f"{tuning.model}+{trained.folder}" if tuning.course.rank else f"hf/{trained.folder}"
    seconds = round(time.monotonic() - start, 1)
    if as_json:
        out = {"folder": str(folder), "model": name, "scores": rows, "side_effects": side, "seconds": seconds}
        print(json.dumps(out))
        return
    print_scores(rows, str(run.config["preference"]))
    print_side_effects(run)
    print(f"result    {trained.folder}")
    print(f"time      {seconds:.0f} s in all, {trained.seconds:.0f} s of it training")
    print(f"next      homines measure {shlex.quote(name)}{in_type(tuning.dtype)}")


def in_type(dtype: str | None) -> str:
    """The option that loads what was trained as it was trained."""
    return f" --dtype {dtype}" if dtype else ""


def counted_line(counted: dict[str, int]) -> str:
    """What a dry run of an alignment counted, in words."""
    asked = f"{counted['questions']} questions ({counted['question_tokens']} tokens)"
    if "measured_memory" in counted:
        asked += " after one round each, for all that are remembered make too many states"
    return f"{asked}, {counted['training_prompts']} training prompts ({counted['training_tokens']} tokens)"


def general_plan(plan: AlignmentPlan, general: bool, draws: int) -> AlignmentPlan:
    """The plan with --general's words, frames and games, and with --draws' dilemmas; a game that was named
    twice once."""
    from homines.training import curriculum as many

    games = dict.fromkeys((plan.game, *plan.more_games, *(many.GAMES if general else ())))
    drawn = many.dilemmas(draws, plan.settings.seed)
    frames = many.FRAMES if general else plan.frames
    return replace(plan, frames=frames, more_games=(*list(games)[1:], *drawn))


def check_options(typed: Collection[str], plan: AlignmentPlan, schedules: Sequence[Sequence[Phase]]) -> None:
    """Refuse an option that was typed and bears on nothing beside the others.

    typed       names of the options on the command line
    schedules   the learner's phases, and the second learner's
    """
    sampled = plan.by != "rl"
    named = all(phase.named for phases in schedules for phase in phases)
    rules = (
        ("--general", "general" in typed, "frame labels", "brings its own frames and labels"),
        (f"--by {plan.by}", sampled, "kl_start kl_between", "holds one weight of the KL, --kl"),
        ("--by rl", not sampled, "generations completion temperature", "samples no completions"),
        ("--objective myopic", plan.settings.objective == "myopic", "gamma", "looks at one round alone"),
        ("one phase", all(len(phases) == 1 for phases in schedules), "kl_between", "no other follows"),
        (f"--to {plan.preference!r}", named, "steps", "says itself how many"),
    )
    for what, holds, options, why in rules:
        for option in options.split():
            if holds and option in typed:
                told = f"--{option.replace('_', '-')}"
                raise HominesError(f"{told} bears on nothing beside {what}, which {why}; drop one of the two")


def state_names(text: str, game: Game, memory: int) -> tuple[str, ...]:
    """States from words: 'C,C D,C'; with ';' between them where a name has spaces, 'C,C C,D; C,C D,D'."""
    single = isinstance(game, Repeated) and memory == 1 and ";" not in text
    parts = text.split() if single else [" ".join(part.split()) for part in text.split(";")]
    return tuple(part for part in parts if part)


DEMO_UNSEEN = ("action3,action4", "action2,action1", "X,Y", "B,A")


def demo_plan() -> AlignmentPlan:
    """What the demo does, every choice written out."""
    return AlignmentPlan(
        model="smollm2",
        preference="game_deontological(rule='betrayal', penalty=3)",
        game="ipd",
        opponent="tit_for_tat",
        frames=("table(labels='action1,action2')",),
        transfer_frames=tuple(f"table(labels='{labels}')" for labels in DEMO_UNSEEN),
        transfer_games=("ish", "icn", "bos", "icd", "ivd"),
    )
