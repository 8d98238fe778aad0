"""What the commands do once their options are read: frames from words, carrying out, printing."""

from __future__ import annotations

import ast
import json
import os
import shlex
import sys
import time
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from homines import parallel
from homines.core.redaction import redact
from homines.core.registry import ROOT, names, spell
from homines.core.run_folder import Run
from homines.core.types import Game, HominesError, Model, Prompt, Record
from homines.impossible import counts, sentences
from homines.measure import by, choices, instability, spent, summary
from homines.models import behind, known, load
from homines.schedule import Phase
from homines.terminal import Bars, before_after, measured, scored, side_effects, stopping
from homines.theory.game_forms import Repeated

if TYPE_CHECKING:
    from homines.align import Plan
    from homines.tuning import Tuning


def carry_out(plan: Plan, folder: Path, kind: str, dry_run: bool, as_json: bool) -> None:
    """Align by a plan, report, print; exits with 0, or 1 where some questions failed."""
    from homines.align import align, estimate, name_after
    from homines.report import write  # with it comes altair

    parallel.divides()  # before any model is loaded
    if not parallel.first() and not dry_run:
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
    run = Run(folder)
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
        before_after(run)
        print(f"\nreport    {page}")
        print(f"figures   {folder / 'figures'}")
        print(f"result    {trained.folder}")
        print(f"time      {seconds:.0f} s in all, {trained.seconds:.0f} s of it training")
        after = shlex.quote(name_after(plan, trained.folder)) + in_type(plan.dtype)
        print(f"next      homines measure {after} --frame story --labels X,Y")
    sys.exit(1 if any(r.error for r in run.records) else 0)


def carry_out_tuning(tuning: Tuning, folder: Path, as_json: bool) -> None:
    """Tune on a data folder and print what it changed."""
    from homines.tuning import table, tune

    parallel.divides()
    if not parallel.first():
        with stopping() as stop:
            tune(tuning, folder, stop=stop)
        return
    start = time.monotonic()
    with Bars() as bars, stopping() as stop:
        trained = tune(
            tuning, folder, command=command(), say=bars.say, begin=bars.begin, on_step=bars.step, stop=stop
        )
    run = Run(folder)
    rows, side = table(run.noted("scores.json") or {}), run.noted("sideeffects.json")
    name = f"{tuning.model}+{trained.folder}" if tuning.course.rank else f"hf/{trained.folder}"
    seconds = round(time.monotonic() - start, 1)
    if as_json:
        out = {"folder": str(folder), "model": name, "scores": rows, "side_effects": side, "seconds": seconds}
        print(json.dumps(out))
        return
    scored(rows, str(run.config["preference"]))
    side_effects(run)
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


def general_plan(plan: Plan, general: bool, draws: int) -> Plan:
    """The plan with --general's words, frames and games, and with --draws' dilemmas; a game that was named
    twice once."""
    from homines import general as many

    games = dict.fromkeys((plan.game, *plan.more_games, *(many.GAMES if general else ())))
    drawn = many.dilemmas(draws, plan.settings.seed)
    frames = many.FRAMES if general else plan.frames
    return replace(plan, frames=frames, more_games=(*list(games)[1:], *drawn))


def check_options(typed: Collection[str], plan: Plan, schedules: Sequence[Sequence[Phase]]) -> None:
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


def titled(phases: Sequence[Phase]) -> str:
    """A schedule in one word, for the name of a folder: its preference, or 'schedule'."""
    if len(phases) > 1:
        return "schedule"
    return spell(phases[0].preference).partition("(")[0].rpartition(":")[2]


def state_names(text: str, game: Game, memory: int) -> tuple[str, ...]:
    """States from words: 'C,C D,C'; with ';' between them where a name has spaces, 'C,C C,D; C,C D,D'."""
    single = isinstance(game, Repeated) and memory == 1 and ";" not in text
    parts = text.split() if single else [" ".join(part.split()) for part in text.split(";")]
    return tuple(part for part in parts if part)


def carry_out_study(
    name: str,
    model: str,
    seeds: int | None,
    quick: bool,
    out: Path | None,
    device: str | None,
    dtype: str | None,
    dry_run: bool,
    as_json: bool,
    more: Mapping[str, Any],
) -> None:
    """Run a study, or say what it would train. more: what only some studies take (their OPTIONS)."""
    there = studies()
    if name not in there:
        raise HominesError(f"no study called {name!r}; there are {', '.join(there)}")
    check_kind(model)
    from homines.study import Task

    folder = out or Path("runs") / (f"{name}-quick" if quick else name)
    module = import_module(f"homines.studies.{name}")
    check_more(name, getattr(module, "OPTIONS", ()), more)
    many = tuple(range(module.SEEDS if seeds is None else seeds))
    task = Task(model, folder, many, quick, device, dtype, command(), **more)
    if dry_run:
        lines = module.outline(task)
        print(json.dumps({"trainings": lines}) if as_json else "\n".join(lines))
        return
    start = time.monotonic()
    with Bars() as bars, stopping() as stop:
        followed = replace(task, say=bars.say, begin=bars.begin, on_step=bars.step, stop=stop)
        page, failed = module.run(followed)
    seconds = time.monotonic() - start
    if as_json:
        told = {"folder": str(folder), "report": str(page), "failed": failed, "seconds": seconds}
        print(json.dumps(told))
    else:
        print(f"report    {page}\ntables    {folder / 'tables'}\ntime      {seconds / 60:.1f} minutes")
    sys.exit(1 if failed else 0)


def check_more(name: str, takes: Sequence[str], more: Mapping[str, Any]) -> None:
    """Refuse what a study has no use for, and models and files that are not there."""
    for option, value in more.items():
        if value and option not in takes:
            typed = f"--{option.removesuffix('s') if option == 'rivals' else option}"
            raise HominesError(f"study {name} takes no {typed}; drop it")
    for model in more["also"]:
        check_kind(model)
    if more["humans"] is not None and not more["humans"].is_file():
        raise HominesError(f"{more['humans']} is no file; give the CSV of what people did, or drop --humans")


def studies() -> list[str]:
    """What `homines study` takes: files of studies/ with a function `run`. They are read, not run."""

    def runs(name: str) -> bool:
        tree = ast.parse((ROOT / "studies" / f"{name}.py").read_text(encoding="utf-8"))
        return any(isinstance(held, ast.FunctionDef) and held.name == "run" for held in tree.body)

    return [name for name in names("studies") if runs(name)]


def check_kind(model: str) -> None:
    """HominesError where no file of models/ loads such a model; nothing is loaded."""
    if not known(model):
        load(model)  # says which there are


def finish(model: str, folder: Path, records: list[Record], as_json: bool) -> None:
    """Report a measurement and print it; exits like `carry_out`."""
    from homines.report import write

    page = write(folder)
    failed = sum(r.error is not None for r in records)
    chosen = choices(records)
    believed = len(records) - len(chosen)
    if as_json:
        games = by(chosen, "game")
        result = {
            "folder": str(folder),
            "report": str(page),
            "questions": len(records),
            "failed": failed,
            "rows": summary(records),
            "instability": {name: instability(group) for (name,), group in games.items()},
            "calls": spent(Run(folder)) or None,
            "impossible": counts(records),
        }
        print(json.dumps(result))
    else:
        measured(chosen)
        if believed:
            print(f"and {believed} answers on what another would do, for `homines fit`")
        if used := spent(Run(folder)):
            from homines.models._meter import sentence

            print(f"\ncalls     {sentence(used)}")
        for told in sentences(counts(records)):
            print(f"\n{told}")
        print(f"\nreport    {page}")
        following = (
            f"fit {folder} --family inequity"
            if believed or behind(model)
            else f"align {shlex.quote(model)} --to game_deontological"
        )
        print(f"next      homines {following}")
    sys.exit(1 if failed else 0)


def limit(max_tokens: int | None, max_cost: float | None, price: str | None, named: Sequence[str]) -> None:
    """Set the budget of this command. Raises HominesError where none of these models is behind an API."""
    if max_tokens is None and max_cost is None and price is None:
        return
    from homines.models._meter import METER, Budget, Price

    if not any(map(behind, named)):
        raise HominesError(
            "--max-tokens, --max-cost and --price bear on models behind an API alone, not on "
            f"{', '.join(named)}; drop them"
        )
    METER.budget = Budget(max_tokens, max_cost, Price.read(price) if price else None)


def reckoned(model: Model, prompts: Sequence[Prompt], as_json: bool) -> None:
    """Print what a measurement would ask: questions, and tokens where they can be counted; of a model
    behind an API calls, tokens and dollars, from and to."""
    counted: dict[str, Any] = {"questions": len(prompts)}
    if (reckon := getattr(model, "reckon", None)) is not None:
        counted |= reckon(prompts)
    else:
        tokens = getattr(model, "tokens", None)
        counted["tokens"] = None if tokens is None else tokens(prompts)
    if as_json:
        print(json.dumps(counted))
        return
    words = {"input": "tokens in", "output": "tokens out"}

    def told(value: Any) -> str:
        if not isinstance(value, tuple):
            return f"{value}"
        return " to ".join(f"{x:.2f}" if isinstance(x, float) else f"{x:,}" for x in value)

    print(
        ", ".join(
            f"{told(value)} {words.get(name, name)}" for name, value in counted.items() if value is not None
        )
    )


def command() -> str:
    """The command as typed, for the run's config."""
    return redact(shlex.join(["homines", *sys.argv[1:]]))


def quiet() -> None:
    """Silence what the libraries say of themselves; our own warnings stay."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    for module in ("transformers", "peft", "torch", "accelerate"):
        warnings.filterwarnings("ignore", module=rf"{module}(\..*)?$")
