"""Command line of `homines align`; the work is in training/lifecycle.py."""

from __future__ import annotations

import json
import shlex
import sys
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from homines.cli.options import Fields, Output, Values, is_typed
from homines.core.options import LABELS, option
from homines.core.progress import Follow
from homines.core.registry import find
from homines.core.run_folder import RunFolder, default_folder
from homines.core.types import Game, HominesError
from homines.elicitation.benchmark import NOTE
from homines.elicitation.metrics import summary
from homines.elicitation.survey import frame_specs
from homines.inference import processes
from homines.theory.game_forms import Repeated
from homines.training.schedule import Phase, schedule, schedule_title
from homines.training.settings import AlignmentPlan, Settings, without_benchmark


@dataclass(frozen=True)
class AlignmentWords:
    """Games, frames and states of a plan, as they are written on the command line."""

    game: tuple[str, ...] = option(("ipd",), "Game to train on, as ipd; repeat for several.")
    draws: int = option(0, "Also so many prisoner's dilemmas with drawn payoffs.", low=0)
    frame: tuple[str, ...] = option(("table",), "Frame, as table; repeat for several.")
    labels: tuple[str, ...] | None = option(None, LABELS)
    general: bool = option(False, "Train over many words, layouts, frames, payoffs and games.", "--general")
    unseen: tuple[str, ...] = option((), "Labels to verify on, as X,Y.")
    other_game: tuple[str, ...] = option((), "Game to verify on.")
    states: str | None = option(
        None, "States to train on, as 'C,C D,C'; with more rounds as 'C,C C,D; C,C D,D'."
    )

    def fields(self, memory: int) -> Values:
        """Fields of the plan, --general and --draws left out (`general_plan`)."""
        first = find("games", self.game[0])
        unseen = frame_specs(first, self.frame, self.unseen, swap=False) if self.unseen else ()
        return {
            "game": self.game[0],
            "more_games": self.game[1:],
            "frames": tuple(frame_specs(first, self.frame, self.labels, swap=False)),
            "transfer_frames": tuple(unseen),
            "transfer_games": self.other_game,
            "states": None if self.states is None else state_names(self.states, first, memory),
        }


def align(
    ctx: typer.Context,
    target: Annotated[Values, Fields(AlignmentPlan, "model preference by warmup opponent rival memory")],
    words: AlignmentWords,
    settings: Settings,
    checks: Annotated[Values, Fields(AlignmentPlan, "rewordings side_effects benchmark")],
    placement: Annotated[Values, Fields(AlignmentPlan, "device dtype trust_remote_code")],
    output: Output,
) -> None:
    """Carry out an alignment in its run folder."""
    to = (target["preference"], target["rival"])
    schedules = [schedule(preference, settings.steps) for preference in to if preference is not None]
    processes.quiet()
    plan = AlignmentPlan(**target, **words.fields(target["memory"]), settings=settings, **checks, **placement)
    check_options([name for name in ctx.params if is_typed(ctx, name)], plan, schedules)
    plan = general_plan(plan, words.general, words.draws)
    name = f"align-{plan.model}-{schedule_title(schedules[0])}"
    folder = output.out or default_folder(name, without_benchmark(plan))
    carry_out(plan, folder, "align", output.dry_run, output.as_json)


def carry_out(plan: AlignmentPlan, folder: Path, kind: str, dry_run: bool, as_json: bool) -> None:
    """Align by a plan, report, print; exits with 0, or 1 where some questions failed."""
    from homines.reports.console import (  # with it comes rich
        Bars,
        command,
        print_before_after,
        print_benchmarks,
        print_verdicts,
        stopping,
    )
    from homines.reports.run_page import write  # with it comes altair
    from homines.reports.suggestions import loading_options
    from homines.reports.training_end import training_end
    from homines.reports.verdict_text import verdict_json
    from homines.training import distributed
    from homines.training.lifecycle import align, estimate
    from homines.training.student import name_after

    distributed.divides_weights()  # before any model is loaded
    if not processes.is_first() and not dry_run:
        with stopping() as stop:
            align(plan, folder, kind=kind, follow=Follow(stop=stop))
        return
    start = time.monotonic()
    if dry_run:
        counted = estimate(plan)
        print(json.dumps(counted) if as_json else counted_line(counted))
        return
    with Bars() as bars, stopping() as stop:
        trained = align(plan, folder, kind=kind, command=command(), follow=bars.follow(stop))
        bars.say("writing the report")
        page = write(folder)
    run = RunFolder(folder)
    seconds, noted = time.monotonic() - start, run.noted("training.json") or {}
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
            "training": {
                k: noted.get(k) for k in ("steps", "most_steps", "reached", "regret", "highest_regret")
            },
            "seconds": seconds,
            "verdicts": verdict_json(folder),
            "rows": summary(run.records),
            "side_effects": side,
            "benchmarks": run.noted(NOTE) or {},
        }
        print(json.dumps(result))
    else:
        print_verdicts(folder)
        print_before_after(run)
        print_benchmarks(run.noted(NOTE) or {})
        print(f"\nreport    {page}")
        print(f"figures   {folder / 'figures'}")
        print(f"result    {trained.folder}")
        if end := training_end(noted, run.config):
            print(f"trained   {end}")
        print(f"time      {seconds:.0f} s in all, {trained.seconds:.0f} s of it training")
        loading = loading_options(plan.device, plan.dtype, plan.trust_remote_code)
        after = shlex.join([name_after(plan, trained.folder), *loading])
        print(f"next      homines measure {after} --frame story --labels X,Y")
    sys.exit(1 if any(r.error for r in run.records) else 0)


def counted_line(counts: dict[str, int]) -> str:
    """The counts of a dry run of an alignment, in words."""
    questions = f"{counts['questions']} questions ({counts['question_tokens']} tokens)"
    if "measured_memory" in counts:
        questions += " after one round each, for all that are remembered make too many states"
    return f"{questions}, {counts['training_prompts']} training prompts ({counts['training_tokens']} tokens)"


def general_plan(plan: AlignmentPlan, general: bool, draws: int) -> AlignmentPlan:
    """The plan with --general's words, frames and games, and with --draws' dilemmas; each game once."""
    from homines.training import curriculum

    games = dict.fromkeys((plan.game, *plan.more_games, *(curriculum.GAMES if general else ())))
    drawn = curriculum.dilemmas(draws, plan.settings.seed)
    frames = curriculum.FRAMES if general else plan.frames
    return replace(plan, frames=frames, more_games=(*list(games)[1:], *drawn))


ALL_STEPS = (
    "takes all its steps, as do sampled roads, two learners, several phases, a phase that names its steps, "
    "--sample and the discounted return"
)


def check_options(typed: Collection[str], plan: AlignmentPlan, schedules: Sequence[Sequence[Phase]]) -> None:
    """Raise HominesError where an option was typed that has no effect with the others.

    typed       names of the options on the command line
    schedules   the learner's phases, and the second learner's
    """
    sampled = plan.by != "rl"
    named = all(phase.named for phases in schedules for phase in phases)
    rules = (
        ("--general", "general" in typed, "frame labels", "brings its own frames and labels"),
        (f"--by {plan.by}", sampled, "kl_start kl_steps kl_between", "holds one weight of the KL, --kl"),
        (f"--by {plan.by}", sampled and not plan.warmup, "text_kl", "looks at answers alone"),
        ("this training", not plan.may_stop, "until", ALL_STEPS),
        ("--by rl", not sampled, "generations completion temperature", "samples no completions"),
        ("--objective myopic", plan.settings.objective == "myopic", "gamma", "looks at one round alone"),
        ("one phase", all(len(phases) == 1 for phases in schedules), "kl_between", "no other follows"),
        (f"--to {plan.preference!r}", named, "steps", "says itself how many"),
    )
    for what, holds, options, why in rules:
        for name in options.split():
            if holds and name in typed:
                flag = f"--{name.replace('_', '-')}"
                raise HominesError(f"{flag} bears on nothing beside {what}, which {why}; drop one of the two")


def state_names(text: str, game: Game, memory: int) -> tuple[str, ...]:
    """States from words: 'C,C D,C'; with ';' between them where a name has spaces, 'C,C C,D; C,C D,D'."""
    single = isinstance(game, Repeated) and memory == 1 and ";" not in text
    parts = text.split() if single else [" ".join(part.split()) for part in text.split(";")]
    return tuple(part for part in parts if part)


DEMO_UNSEEN = ("action3,action4", "action2,action1", "X,Y", "B,A")


def demo_plan(model: str = "qwen-0.5b") -> AlignmentPlan:
    """What the demo does, every choice written out. The answer of smollm2, which seldom gives a legal one by
    itself, is begun."""
    begun = ", begins='Answer:'" if model.partition("+")[0] == "smollm2" else ""
    return AlignmentPlan(
        model=model,
        preference="game_deontological(rule='betrayal', penalty=3)",
        game="ipd",
        opponent="tit_for_tat",
        frames=(f"table(labels='action1,action2'{begun})",),
        transfer_frames=tuple(f"table(labels='{labels}'{begun})" for labels in DEMO_UNSEEN),
        transfer_games=("ish", "icn", "bos", "icd", "ivd"),
    )
