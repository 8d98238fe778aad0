"""The command line. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import json
import sys
import time
from functools import partial
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand

PLAIN = ("address", "by", "device", "dtype", "engine", "model", "price", "report_to", "store", "suffix")
"""Options that hold no specs; some libraries take a `str` and nothing derived from one."""


class TypedCommand(TyperCommand):
    """A command whose specs are a person's own, and may name modules (lookup.TrustedSpec)."""

    def invoke(self, ctx: Any) -> Any:
        from homines.core.registry import trust

        ctx.params = {name: value if name in PLAIN else trust(value) for name, value in ctx.params.items()}
        return super().invoke(ctx)


app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Measure what a language model prefers when its choices touch others, align it to a preference "
    "you can write down, verify what changed. Start with: homines demo",
    epilog="Exit codes: 0 done; 1 done, but some questions failed (their errors are recorded); "
    "2 bad input or an unusable folder, nothing lost; 130 interrupted, the same command goes on.",
)

FOLDERS = ("games", "preferences", "frames", "opponents", "models", "studies")

Device = Annotated[str | None, typer.Option(help="cpu, cuda, mps; default: the best there is.")]
Dtype = Annotated[str | None, typer.Option(help="float32, bfloat16, float16, nf4; default: by device.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]
DryRun = Annotated[bool, typer.Option(help="Print how many prompts and tokens would run, and stop.")]
Trust = Annotated[bool, typer.Option(help="Run code that comes with a model (off: never).")]
TrustModules = Annotated[
    bool,
    typer.Option(help="Load modules that specs in these files name, which runs their code (off: never)."),
]
Labels = Annotated[list[str] | None, typer.Option(help="Words for the actions, as X,Y; repeat for several.")]
Frames = Annotated[list[str] | None, typer.Option("--frame", help="Frame, as table; repeat for several.")]
Games = Annotated[list[str] | None, typer.Option("--game", help="Game, as ipd; repeat for several.")]
Out = Annotated[Path | None, typer.Option(help="Run folder; default: one in runs/ of its own.")]
Traces = Annotated[int, typer.Option(min=1, help="Reasons sampled where a frame asks to think aloud.")]
ThinkTemperature = Annotated[
    float, typer.Option("--temperature", help="Of those reasons; 0: likeliest words.")
]
Think = Annotated[int, typer.Option(min=1, help="Tokens of a reason, at most.")]
MaxTokens = Annotated[
    int | None, typer.Option(help="Of a model behind an API, in and out, by this command; then it stops.")
]
MaxCost = Annotated[float | None, typer.Option(help="Dollars, the same; needs --price.")]
Price = Annotated[str | None, typer.Option(help="IN,OUT: dollars for a million tokens of an API, as 2.5,10.")]
ModelName = Annotated[str, typer.Argument(help="smollm2, hf/FOLDER-OR-ID, openai/NAME, ...: docs/models.md.")]


def _version(asked: bool) -> None:
    if asked:
        from homines import __version__

        print(f"homines {__version__}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_version, help="Print the version and stop.")
    ] = False,
) -> None:
    pass


def main() -> NoReturn:
    """Entry point: errors as one sentence, exit codes as documented."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # for labels that a terminal cannot show
    try:
        code = attempt()
    except KeyboardInterrupt:
        code = 130
    if code == 130:  # typer makes this of Ctrl-C as well
        fail("interrupted; nothing recorded is lost, run the same command again to go on", 130)
    sys.exit(code)


def attempt() -> int:
    """Run the command that was typed; its exit code."""
    from homines.core.types import HominesError, Interrupted

    try:
        code = app(prog_name="homines", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except HominesError as failure:
        fail(str(failure), 2)
    except Interrupted as failure:
        fail(f"{failure}; nothing is lost, run the same command again to go on", 130)
    except Exception as failure:
        if type(failure).__module__.partition(".")[0] in ("click", "typer") and hasattr(failure, "show"):
            failure.show()  # pyright: ignore[reportAttributeAccessIssue]
            sys.exit(getattr(failure, "exit_code", 2))
        if isinstance(failure, OSError):
            fail(f"{failure.strerror or failure}: {failure.filename or ''}".rstrip(": "), 2)
        raise


def fail(text: str, code: int) -> NoReturn:
    from homines.core.redaction import redact

    print(f"homines: {redact(text)}", file=sys.stderr)
    sys.exit(code)


subcommand = partial(app.command, cls=TypedCommand)


@subcommand("list")
def list_(
    folder: Annotated[str | None, typer.Argument(help=f"One of {', '.join(FOLDERS)}; default: all.")] = None,
    as_json: AsJson = False,
) -> None:
    """What there is: games, preferences, frames, opponents, models, studies."""
    from homines.core.plugins import describe

    found = {name: describe(name) for name in ([folder] if folder else FOLDERS)}
    if as_json:
        print(json.dumps({name: [entry._asdict() for entry in entries] for name, entries in found.items()}))
        return
    for name, entries in found.items():
        print(name)
        width = max(len(entry.name + entry.signature) for entry in entries)
        for entry in entries:
            print(f"  {entry.name + entry.signature:<{min(width, 60)}}  {entry.summary}")


@subcommand()
def pull(
    model: Annotated[str, typer.Argument(help="The embedded model: smollm2.")] = "smollm2",
    again: Annotated[bool, typer.Option(help="Make it anew, even if it is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Fetch the embedded model and convert it, once; offline from then on."""
    from homines.core.types import HominesError

    if model != "smollm2":
        raise HominesError(
            f"only smollm2 is pulled, got {model!r}; hf/... models come through the Hub's cache"
        )
    from homines.inference.processes import quiet

    quiet()
    from homines.models.smollm2 import pull as pull_smollm2

    start = time.monotonic()
    folder, seconds = str(pull_smollm2(again=again)), time.monotonic() - start
    print(json.dumps({"folder": folder}) if as_json else f"smollm2 is at {folder} ({seconds:.0f} s)")


@subcommand()
def measure(
    model: ModelName,
    game: Games = None,
    frame: Frames = None,
    labels: Labels = None,
    swap: Annotated[bool, typer.Option(help="Also with the labels the other way round.")] = True,
    beliefs: Annotated[bool, typer.Option(help="Also ask what another would do, for `fit`.")] = False,
    traces: Traces = 1,
    temperature: ThinkTemperature = 0.0,
    think: Think = 192,
    seed: Annotated[int, typer.Option(help="Of the reasons sampled.")] = 0,
    out: Out = None,
    batch: Annotated[
        int | None,
        typer.Option(
            min=1, help="Prompts between two writes; default: 16. Of an API each is written at once."
        ),
    ] = None,
    max_tokens: MaxTokens = None,
    max_cost: MaxCost = None,
    price: Price = None,
    device: Device = None,
    dtype: Dtype = None,
    trust_remote_code: Trust = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Read a model's choice distribution in games, in every option order; exactly where it can be."""
    from homines.cli.measure import finish, limit, reckoned
    from homines.elicitation.asking import measure as answer
    from homines.elicitation.survey import Survey
    from homines.inference.processes import quiet
    from homines.models import load
    from homines.reports.console import command

    quiet()
    survey = Survey(
        model,
        tuple(game or ["ipd"]),
        tuple(frame or ["table"]),
        None if labels is None else tuple(labels),
        swap,
        beliefs,
        traces,
        temperature,
        think,
        seed,
        device,
        dtype,
    )
    survey.words()  # a mistyped one costs no loading
    limit(max_tokens, max_cost, price, [model])
    loaded = load(model, device=device, dtype=dtype, trust_remote_code=trust_remote_code)
    asked = survey.questions(loaded)
    if dry_run:
        reckoned(loaded, [q.prompt for q in asked], as_json)
        return
    folder = out or survey.folder
    from homines.reports.console import Bars, stopping

    with survey.run(folder, command()) as run, Bars() as bars, stopping() as stop:
        tell = bars.begin("measuring", len(asked))
        records = answer(loaded, asked, run, batch=batch, progress=lambda done, _: tell(done), stop=stop)
    finish(model, folder, records, as_json)


@subcommand()
def fit(
    source: Annotated[Path, typer.Argument(help="A run folder, or a tidy CSV of choices.")],
    family: Annotated[
        list[str],
        typer.Option(help="Preference to estimate, as inequity or 'kantian(alpha=0)'; repeat for several."),
    ],
    model: Annotated[
        str | None, typer.Option(help="Whose records, where a run holds several models.")
    ] = None,
    classes: Annotated[int, typer.Option(min=1, help="Types of subjects: a finite mixture.")] = 1,
    against: Annotated[
        list[str] | None,
        typer.Option(help="Test this narrower (or rival) family, or given parameters, against the first."),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(help="What errors depend within: subject, game, decision, none; default: by the data."),
    ] = None,
    belief: Annotated[
        str, typer.Option(help="About the others: told (uniform where nothing is), or uniform.")
    ] = "told",
    plans: Annotated[
        bool, typer.Option(help="Sequential games as one choice between plans, else point by point.")
    ] = True,
    risk: Annotated[bool, typer.Option(help="Estimate relative risk aversion too.")] = False,
    level: Annotated[float, typer.Option(help="Of the intervals.")] = 0.95,
    starts: Annotated[int, typer.Option(min=1, help="Random starts of a mixture.")] = 20,
    seed: Annotated[int, typer.Option(help="Of those starts.")] = 0,
    trust_modules: TrustModules = False,
    as_json: AsJson = False,
) -> None:
    """Estimate a preference from choices: parameters, intervals, misfit, tests, types."""
    from homines.cli.fit import carry_out_fit
    from homines.estimation.options import FitOptions

    options = FitOptions(cluster, belief, risk, level, classes, starts, seed)
    source = trusted(source, trust_modules)
    carry_out_fit(source, family, against or [], options, model=model, plans=plans, as_json=as_json)


@subcommand()
def play(
    game: Annotated[
        list[str], typer.Argument(help="Games, as ipd; battery: 18 games by the strategy method, for fit.")
    ],
    against: Annotated[
        str, typer.Option(help="Whom you meet: a strategy, axelrod:NAME or a MODEL.")
    ] = "tit_for_tat",
    frame: Annotated[str, typer.Option(help="Words you read, as a model does.")] = "table(goal='')",
    labels: Annotated[str | None, typer.Option(help="Words for the actions, as X,Y.")] = None,
    seat: Annotated[
        str | None, typer.Option(help="Yours: 0, 1, ...; both: every role, one is drawn (strategy method).")
    ] = None,
    rounds: Annotated[
        int | None, typer.Option(min=1, help="Of a repeated game (10); times one played once is played (1).")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of whatever is drawn.")] = 0,
    name: Annotated[str, typer.Option(help="Yours in the records.")] = "person",
    save: Annotated[
        Path | None, typer.Option(help="Run folder for your answers, as they come; `fit` reads it.")
    ] = None,
    family: Annotated[
        str | None, typer.Option(help="Preference to estimate at the end; kantian where every role is asked.")
    ] = None,
    device: Device = None,
    dtype: Dtype = None,
    as_json: AsJson = False,
) -> None:
    """Play yourself, in a model's words; then see its exact probabilities in your place."""
    from homines.inference.processes import quiet

    quiet()
    from homines.people.session import SessionPlan
    from homines.people.terminal import carry_out_play, framed, seated

    at, both = seated(seat)
    plan = SessionPlan(tuple(game), against, framed(game, frame, labels), at, both, rounds, seed, name)
    carry_out_play(plan, save, family, device, dtype, as_json)


@subcommand()
def view(
    folder: Annotated[Path, typer.Argument(help="What to list: a folder with runs below it.")] = Path("runs"),
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = 8642,
    open_: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in a browser.")] = True,
    device: Device = None,
    dtype: Dtype = None,
    as_json: AsJson = False,
) -> None:
    """List runs on a local page: open reports, follow a run as it goes, play in the browser."""
    from homines.cli.view import carry_out_view
    from homines.inference.processes import quiet

    quiet()
    carry_out_view(folder, port, open_, as_json, device=device, dtype=dtype)


@subcommand()
def amce(
    source: Annotated[
        Path, typer.Argument(help="A CSV with the columns of the Moral Machine's SharedResponses.")
    ],
    by: Annotated[
        str | None, typer.Option(help="Also for each value of this column, as UserCountry3; with --out.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="CSV of those groups' effects.")] = None,
    humans: Annotated[
        Path | None, typer.Option(help="Distances to countries: a CSV of Estimates, se, Label, Country.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Moral dilemmas: nine effects on who is saved, from a file of responses of any size."""
    from homines.cli.amce import carry_out_amce

    carry_out_amce(source, by, out, humans, as_json)


@subcommand()
def data(
    to: Annotated[str, typer.Option(help="Preference that the answers follow, as 'moralis(kappa=1)'.")],
    game: Annotated[
        list[str] | None,
        typer.Option(
            "--game",
            help="Kind of game to draw: symmetric, spd, trust, ultimatum, split, reciprocity; several.",
        ),
    ] = None,
    n: Annotated[int, typer.Option(min=1, help="Rows to train on.")] = 400,
    test: Annotated[int, typer.Option(min=0, help="Rows to test on, of other games.")] = 100,
    frame: Annotated[str, typer.Option(help="Frame that tells the decision.")] = "table(goal='')",
    labels: Labels = None,
    reasons: Annotated[bool, typer.Option(help="The arithmetic of the utility before the answer.")] = True,
    ties: Annotated[str, typer.Option(help="Two best answers: drop, or both (a row each).")] = "drop",
    precision: Annotated[float, typer.Option(help="Of the logit choice stored beside each row.")] = 1.0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same rows.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Data folder, for `tune` and `finetune`; default: one in runs/.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Generate what a preference implies: games drawn, its arithmetic, its answers; for fine-tuning."""
    from homines.core.run_folder import default_folder
    from homines.training.data import Recipe
    from homines.training.data_folder import write

    words = tuple(labels or ["A,B"])
    recipe = Recipe(to, tuple(game or ["symmetric"]), n, test, frame, words, reasons, ties, precision, seed)
    folder = out or default_folder(f"data-{to}", recipe.__dict__)
    counts = write(recipe, folder)
    if as_json:
        print(json.dumps({"folder": str(folder), **counts}))
        return
    for name, held in counts.items():
        told = ", ".join(f"{k} {v}" for k, v in held.items()) if isinstance(held, dict) else held
        print(f"{name:<9} {told or 'nothing'}")
    print(f"folder    {folder}")


@subcommand()
def align(
    ctx: typer.Context,
    model: ModelName,
    to: Annotated[
        str,
        typer.Option(
            help='Preference, as moralis(kappa=0.5), or schedule: "economicus:16 -> utilitarian:20".'
        ),
    ],
    by: Annotated[str, typer.Option(help="Road: rl (exact), grpo or rloo (sampled).")] = "rl",
    warmup: Annotated[int, typer.Option(help="Exact steps to legal answers before a sampled road.")] = 0,
    game: Annotated[
        list[str] | None, typer.Option(help="Game to train on, as ipd; repeat for several.")
    ] = None,
    draws: Annotated[
        int, typer.Option(min=0, help="Also so many prisoner's dilemmas with drawn payoffs.")
    ] = 0,
    opponent: Annotated[
        str | None,
        typer.Option(
            help="Plays the other seats: a strategy, axelrod:NAME, a MODEL, self; default: tit_for_tat."
        ),
    ] = None,
    rival: Annotated[
        str | None, typer.Option(help="Instead: a second learner, aligned to this at the same time.")
    ] = None,
    memory: Annotated[
        int,
        typer.Option(min=1, help="Rounds remembered; measured after one where they make over 64 states."),
    ] = 1,
    sample: Annotated[
        int, typer.Option(help="Walk so many players through the game, on policy; 0: all states.")
    ] = 0,
    frame: Frames = None,
    labels: Labels = None,
    general: Annotated[
        bool, typer.Option("--general", help="Train over many words, layouts, frames, payoffs and games.")
    ] = False,
    unseen: Annotated[list[str] | None, typer.Option(help="Labels to verify on, as X,Y.")] = None,
    other_game: Annotated[list[str] | None, typer.Option(help="Game to verify on.")] = None,
    states: Annotated[
        str | None,
        typer.Option(help="States to train on, as 'C,C D,C'; with more rounds as 'C,C C,D; C,C D,D'."),
    ] = None,
    objective: Annotated[str, typer.Option(help="myopic, or discounted through the chain.")] = "myopic",
    gamma: Annotated[float, typer.Option(help="Discount a round (discounted).")] = 0.9,
    illegal: Annotated[float, typer.Option(help="Reward of an illegal answer.")] = -6.0,
    kl: Annotated[float, typer.Option(help="Last weight of KL to the reference; 0: none.")] = 0.05,
    kl_start: Annotated[float, typer.Option(help="First weight; falls to --kl.")] = 3.0,
    kl_between: Annotated[float, typer.Option(help="Last weight in a phase that another follows.")] = 0.3,
    kl_limit: Annotated[float, typer.Option(help="Stop where the KL passes so many nats.")] = 20.0,
    steps: Annotated[int, typer.Option(help="Optimiser steps of a phase that names none.")] = 24,
    sets: Annotated[int, typer.Option(help="Prompt sets a pass (a set: every state once).")] = 1,
    accumulation: Annotated[int, typer.Option(help="Passes an optimiser step.")] = 1,
    generations: Annotated[int, typer.Option(help="Completions sampled a prompt (grpo, rloo).")] = 8,
    completion: Annotated[int, typer.Option(help="Most tokens of a completion (grpo, rloo).")] = 32,
    temperature: Annotated[float, typer.Option(help="Sampling temperature (grpo, rloo).")] = 1.0,
    lr: Annotated[float, typer.Option(help="Learning rate.")] = 3e-4,
    rank: Annotated[int, typer.Option(help="LoRA rank; 0 trains all weights.")] = 64,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    save_every: Annotated[int, typer.Option(help="Steps between checkpoints.")] = 10,
    report_to: Annotated[str, typer.Option(help="Passed to the trainer: none, tensorboard, wandb.")] = "none",
    check: Annotated[bool, typer.Option(help="Check for side effects before and after.")] = True,
    out: Out = None,
    device: Device = None,
    dtype: Dtype = None,
    trust_remote_code: Trust = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Align a model to a written-down preference; measure it before and after."""
    from dataclasses import asdict

    from homines.cli.align import carry_out, check_options, general_plan, state_names
    from homines.core.registry import find
    from homines.core.run_folder import default_folder
    from homines.elicitation.survey import frame_specs
    from homines.inference.processes import quiet
    from homines.training.schedule import schedule, schedule_title

    schedules = [schedule(some, steps) for some in (to, rival) if some is not None]
    quiet()
    from homines.training.objective import Settings
    from homines.training.plan import AlignmentPlan

    games, frames = game or ["ipd"], frame or ["table"]
    told = find("games", games[0])
    plan = AlignmentPlan(
        model=model,
        preference=to,
        by=by,
        warmup=warmup,
        game=games[0],
        more_games=tuple(games[1:]),
        opponent=opponent,
        rival=rival,
        memory=memory,
        frames=tuple(frame_specs(told, frames, labels, swap=False)),
        transfer_frames=tuple(frame_specs(told, frames, unseen, swap=False)) if unseen else (),
        transfer_games=tuple(other_game or []),
        states=None if states is None else state_names(states, told, memory),
        settings=Settings(
            objective=objective,
            gamma=gamma,
            illegal=illegal,
            kl=kl,
            kl_start=kl_start,
            kl_between=kl_between,
            kl_limit=kl_limit,
            steps=steps,
            sets=sets,
            accumulation=accumulation,
            sample=sample,
            generations=generations,
            completion=completion,
            temperature=temperature,
            lr=lr,
            rank=rank,
            seed=seed,
            save_every=save_every,
            report_to=report_to,
        ),
        side_effects=check,
        device=device,
        dtype=dtype,
        trust_remote_code=trust_remote_code,
    )
    check_options([name for name in ctx.params if is_typed(ctx, name)], plan, schedules)
    plan = general_plan(plan, general, draws)
    folder = out or default_folder(f"align-{model}-{schedule_title(schedules[0])}", asdict(plan))
    carry_out(plan, folder, "align", dry_run, as_json)


@subcommand()
def tune(
    model: ModelName,
    data: Annotated[Path, typer.Option(help="Data folder, as `homines data` makes it.")],
    by: Annotated[str, typer.Option(help="sft (reasons and answers) or distill (the exact choice).")] = "sft",
    epochs: Annotated[float, typer.Option(help="Times each row is seen.")] = 1.0,
    batch: Annotated[int, typer.Option(min=1, help="Rows an optimiser step.")] = 4,
    lr: Annotated[float | None, typer.Option(help="Learning rate; 1e-3 with LoRA, else 1e-4.")] = None,
    rank: Annotated[int, typer.Option(help="LoRA rank; 0 trains all weights.")] = 64,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    save_every: Annotated[int, typer.Option(help="Steps between checkpoints.")] = 10,
    report_to: Annotated[str, typer.Option(help="Passed to the trainer: none, tensorboard, wandb.")] = "none",
    traces: Traces = 1,
    temperature: ThinkTemperature = 0.0,
    think: Think = 192,
    check: Annotated[bool, typer.Option(help="Check for side effects before and after.")] = True,
    out: Out = None,
    device: Device = None,
    dtype: Dtype = None,
    trust_remote_code: Trust = False,
    trust_modules: TrustModules = False,
    as_json: AsJson = False,
) -> None:
    """Fine-tune a model on the data of a preference; measure it before and after on other games."""
    from homines.cli.align import carry_out_tuning
    from homines.inference.processes import quiet

    quiet()
    from dataclasses import asdict

    from homines.core.run_folder import default_folder
    from homines.inference.reasoning import ReasoningOptions
    from homines.training.exam import TuningPlan
    from homines.training.supervised import SupervisedSettings

    course = SupervisedSettings(by, epochs, batch, lr, rank, seed, save_every, report_to)
    aloud = ReasoningOptions(traces, temperature, think, seed)
    data = trusted(data, trust_modules)
    tuning = TuningPlan(model, data, course, aloud, check, device, dtype, trust_remote_code)
    carry_out_tuning(
        tuning,
        out or default_folder(f"tune-{model}-{data.name}", {**asdict(tuning), "data": str(data)}),
        as_json,
    )


@subcommand()
def finetune(
    model: Annotated[str, typer.Argument(help="openai/MODEL, as openai/gpt-4o-mini.")],
    data: Annotated[Path, typer.Option(help="Data folder, as `homines data` makes it.")],
    epochs: Annotated[
        int | None, typer.Option(help="Times each row is seen; default: the service's.")
    ] = None,
    suffix: Annotated[str, typer.Option(help="Part of the resulting model's name.")] = "homines",
    seed: Annotated[int, typer.Option(help="Passed to the service.")] = 0,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Have a service fine-tune a closed model on a data folder (OPENAI_API_KEY, OPENAI_BASE_URL)."""
    from dataclasses import asdict

    from homines.core.progress import Follow
    from homines.core.run_folder import default_folder
    from homines.reports.console import Bars, command, job_line, stopping
    from homines.training.service import Order, service
    from homines.training.service import finetune as carry_out

    order = Order(service(model), str(data), epochs, suffix, seed)
    folder = out or default_folder(f"finetune-{model}", asdict(order))
    with Bars() as bars, stopping() as stop:
        said = carry_out(
            order,
            folder,
            command=command(),
            follow=Follow(step=lambda row: bars.say(job_line(row)), stop=stop),
        )
    print(json.dumps({"model": said, "folder": str(folder)}) if as_json else f"model     {said}")


def trusted(path: Path, trust_modules: bool) -> Path:
    """The path of a file or folder, trusted where --trust-modules says so."""
    from homines.core.registry import TrustedPath

    return TrustedPath(path) if trust_modules else path


def is_typed(ctx: typer.Context, name: str) -> bool:
    """Whether this parameter stood on the command line."""
    source = ctx.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


@subcommand()
def study(
    name: Annotated[
        str, typer.Argument(help="A file of studies/; `homines list studies` tells which there are.")
    ],
    model: Annotated[
        str, typer.Option(help="smollm2, hf/FOLDER-OR-ID, openai/NAME, ...: docs/models.md.")
    ] = "smollm2",
    seeds: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Seeds, from 0: trainings of each kind, or sets of scenarios; default: the study's own.",
        ),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="The short form: minutes in place of hours.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Folder; default: runs/NAME.")] = None,
    also: Annotated[
        list[str] | None, typer.Option(help="Measure this model beside it; repeat for more.")
    ] = None,
    rival: Annotated[
        list[str] | None,
        typer.Option(help="Whom it meets in a market: a MODEL, qlearner, nash, undercut; repeat for more."),
    ] = None,
    humans: Annotated[
        Path | None, typer.Option(help="What people did, by country: a CSV of Estimates, se, Label, Country.")
    ] = None,
    periods: Annotated[
        int | None, typer.Option(min=1, help="Periods of a market in words; 300 as published.")
    ] = None,
    max_tokens: MaxTokens = None,
    max_cost: MaxCost = None,
    price: Price = None,
    device: Device = None,
    dtype: Dtype = None,
    dry_run: Annotated[bool, typer.Option(help="Print what would be trained or asked, and stop.")] = False,
    as_json: AsJson = False,
) -> None:
    """A whole experiment on any model, resumable, ending in one report."""
    from homines.cli.measure import limit
    from homines.cli.study import carry_out_study
    from homines.inference.processes import quiet

    quiet()
    limit(max_tokens, max_cost, price, [model, *(also or ()), *(rival or ())])
    more = {"also": tuple(also or ()), "rivals": tuple(rival or ()), "humans": humans, "periods": periods}
    carry_out_study(name, model, seeds, quick, out, device, dtype, dry_run, as_json, more)


@subcommand()
def sweep(
    file: Annotated[Path, typer.Argument(help="TOML: models, preferences, opponents, seeds, studies.")],
    engine: Annotated[
        str, typer.Option(help="here (this process), local (processes), ray (a cluster).")
    ] = "here",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Cells at a time; default: as many as there is room for.")
    ] = None,
    address: Annotated[
        str | None, typer.Option(help="Of the Ray cluster; default: RAY_ADDRESS, or the one on this machine.")
    ] = None,
    store: Annotated[
        str, typer.Option(help="Folder or fsspec URL (s3://...) that all workers share.")
    ] = "runs/sweeps",
    trust_modules: TrustModules = False,
    dry_run: Annotated[bool, typer.Option(help="Print the cells and which are done, and stop.")] = False,
    as_json: AsJson = False,
) -> None:
    """A grid of alignments, measurements and studies, each done once; a rerun does what is missing."""
    from homines.inference.processes import quiet

    quiet()
    from homines.cli.sweep import carry_out_sweep
    from homines.sweeps.sweep import SweepOptions

    carry_out_sweep(
        trusted(file, trust_modules), store, SweepOptions(engine, workers, address), dry_run, as_json
    )


@subcommand()
def demo(
    out: Annotated[Path, typer.Option(help="Run folder.")] = Path("runs/demo"),
    device: Device = None,
    dtype: Dtype = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Measure, align and verify the embedded model; under three minutes on two cores."""
    from dataclasses import replace

    from homines.cli.align import carry_out
    from homines.inference.processes import quiet

    quiet()
    from homines.cli.align import demo_plan

    carry_out(replace(demo_plan(), device=device, dtype=dtype), out, "demo", dry_run, as_json)


@subcommand()
def report(
    runs: Annotated[list[Path], typer.Argument(help="Run folders, or a study's with runs below it.")],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of a page on several runs; default: one in runs/ by their names."),
    ] = None,
    trust_modules: TrustModules = False,
    as_json: AsJson = False,
) -> None:
    """Write a run's report.html and figures from its records alone; of several runs, one page beside one
    another."""
    from homines.reports.run_page import reports

    page = str(reports([trusted(run, trust_modules) for run in runs], out))
    print(json.dumps({"report": page}) if as_json else page)


@subcommand("import")
def import_(
    log: Annotated[Path, typer.Argument(help="Log of a homines task, as LOG.eval or LOG.json.")],
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Turn a log of Inspect (`inspect eval homines/...`) into a run folder, for `report` and `fit`."""
    from homines.cli.import_log import carry_out_import

    carry_out_import(log, out, as_json)
