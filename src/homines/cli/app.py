"""The command line: which commands there are. A command's file is imported once the command is typed."""

from __future__ import annotations

import sys
from functools import cache
from importlib import import_module
from io import TextIOWrapper
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Measure what a language model prefers when its choices touch others, align it to a preference "
    "you can write down, verify what changed. Start with: homines demo",
    epilog="Exit codes: 0 done; 1 done, but some questions failed (their errors are recorded); "
    "2 bad input or an unusable folder, nothing lost; "
    "3 changed against a certificate (certify --against); 130 interrupted, the same command goes on.",
)

COMMANDS = {
    "list": ("listing:list_names", "What there is: games, preferences, frames, opponents, models, studies."),
    "pull": ("pull:pull", "Fetch an open model and convert it, once; offline from then on."),
    "measure": (
        "measure:measure",
        "Read a model's choice distribution in games, in every option order; exactly where it can be.",
    ),
    "persist": (
        "persist:persist",
        "Ask the same questions after a conversation, as a persona, under orders: what stays of a behaviour.",
    ),
    "transfer": (
        "transfer:transfer",
        "Ask everyday dilemmas, or a file of scenarios: what a training changed outside its games.",
    ),
    "population": (
        "population:population",
        "Let models, strategies and theory agents meet in pairs: who invades whom, what all of them earn.",
    ),
    "certify": (
        "certify:certify",
        "What a model prefers as a certificate: one file and one page; against an earlier one: what changed.",
    ),
    "values": (
        "values:values",
        "Ask choices between outcomes in words: is there one scale of value, what is worth how much of what.",
    ),
    "serve": (
        "serve:serve",
        "Answer typed questions over HTTP (/v1/decisions, /v1/systemone) from exact probabilities.",
    ),
    "fit": ("fit:fit", "Estimate a preference from choices: parameters, intervals, misfit, tests, types."),
    "play": (
        "play:play",
        "Play yourself, in a model's words; then see its exact probabilities in your place.",
    ),
    "view": (
        "view:view",
        "List runs on a local page: open reports, follow a run as it goes, play in the browser.",
    ),
    "amce": (
        "amce:amce",
        "Moral dilemmas: nine effects on who is saved, from a file of responses of any size.",
    ),
    "data": (
        "data:data",
        "Generate what a preference implies: games drawn, its arithmetic, its answers; for fine-tuning.",
    ),
    "align": ("align:align", "Align a model to a written-down preference; measure it before and after."),
    "tune": (
        "tune:tune",
        "Fine-tune a model on the data of a preference; measure it before and after on other games.",
    ),
    "finetune": (
        "finetune:finetune",
        "Have a service fine-tune a closed model on a data folder (OPENAI_API_KEY, OPENAI_BASE_URL).",
    ),
    "study": ("study:study", "A whole experiment on any model, resumable, ending in one report."),
    "atlas": (
        "atlas:atlas",
        "One table and page over models: add a model's row, or write them anew from the rows there are.",
    ),
    "sweep": (
        "sweep:sweep",
        "A grid of alignments, measurements and studies, each done once; a rerun does what is missing.",
    ),
    "demo": ("demo:demo", "Measure, align and verify a small open model; minutes on two cores."),
    "report": (
        "report:report",
        "Write a run's report.html and figures from its records alone; of several runs, one page beside one\n"
        "another.",
    ),
    "doctor": (
        "doctor:doctor",
        "What this machine is for homines: speed by number type, which models fit, what is missing.",
    ),
    "import": (
        "import_log:import_log",
        "Turn a log of Inspect (`inspect eval homines/...`), or a CSV of anybody's play, into a run folder.",
    ),
}
"""name: (file:function in this folder, what `homines --help` says)."""


class DeferredCommand(TyperCommand):
    """A command that is known by name; its options are read from dataclasses when it is typed."""

    @property
    def params(self) -> list[Any]:
        return complete(str(self.name)).params

    @params.setter
    def params(self, value: list[Any]) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        """What typer read of `unread`: nothing."""

    def make_context(self, info_name: str | None, args: list[str], *more: Any, **extra: Any) -> Any:
        return complete(str(self.name)).make_context(info_name, args, *more, **extra)


@cache
def complete(name: str) -> Any:
    """A command with its options."""
    from homines.cli.options import command

    place, help_ = COMMANDS[name]
    module, _, function = place.partition(":")
    return command(getattr(import_module(f"homines.cli.{module}"), function), name, help_)


def unread() -> None:
    """In place of a command that was not typed."""


for _name, (_, _help) in COMMANDS.items():
    app.command(_name, cls=DeferredCommand, help=_help)(unread)


def print_version(wanted: bool) -> None:
    if wanted:
        from homines import __version__

        print(f"homines {__version__}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=print_version, help="Print the version and stop."),
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
    """Leave with this code and a sentence on standard error."""
    from homines.core.redaction import redact

    print(f"homines: {redact(text)}", file=sys.stderr)
    sys.exit(code)
