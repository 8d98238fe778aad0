"""Dataclasses as options of a command: a field is an option, with its name, type, default and help.

    def fit(source: Source, options: Options, ...)                     every field of Options
    def tune(plan: Annotated[Values, Fields(TuningPlan, "data")], ...) some fields, as a dictionary

`command` makes the function that typer reads: each such parameter is taken apart into its fields, and put
together again from what was typed.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import typer
from typer.core import TyperCommand
from typer.main import get_command

from homines.core.options import option
from homines.core.registry import TrustedPath, trust

PLAIN = ("address", "by", "device", "dtype", "engine", "form", "model", "models", "price", "report_to")
PLAIN += ("store", "suffix")
"""Options that hold no specs; some libraries take a `str` and nothing derived from one."""

Values = dict[str, Any]
"""Some fields of a dataclass, by name."""


class TypedCommand(TyperCommand):
    """A command whose specs are a person's own, and may name modules (registry.TrustedSpec)."""

    def invoke(self, ctx: Any) -> Any:
        ctx.params = {name: value if name in PLAIN else trust(value) for name, value in ctx.params.items()}
        return super().invoke(ctx)


@dataclass(frozen=True)
class Fields:
    """Fields of a dataclass that are options of a command.

    names   the fields, between spaces; "": every field that is an option
    """

    source: type
    names: str = ""

    def listed(self) -> list[Field[Any]]:
        """The fields, in the order of `names`, else of the dataclass."""
        options = {f.name: f for f in fields(self.source) if "help" in f.metadata}
        return [options[name] for name in self.names.split() or options]

    def parameters(self) -> list[inspect.Parameter]:
        """A parameter of typer for each field."""
        hints = get_type_hints(self.source)
        return [_parameter(f, hints[f.name]) for f in self.listed()]

    def values(self, typed: Mapping[str, Any]) -> Values:
        """The fields' values of what was typed. A list becomes a tuple; one not given is left out."""
        values = {f.name: typed[_name(f)] for f in self.listed()}
        return {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in values.items()
            if not (value is None and self._is_plural(name))
        }

    def _is_plural(self, name: str) -> bool:
        return _is_tuple(get_type_hints(self.source)[name])


@dataclass(frozen=True)
class Output:
    """Where the result goes, and in which form."""

    out: Path | None = option(None, "Run folder; default: one in runs/ of its own.")
    dry_run: bool = option(False, "Print how many prompts and tokens would run, and stop.")
    as_json: bool = option(False, "Print the result as JSON on standard output.", "--json")


AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]
Out = Annotated[Path | None, typer.Option(help="Run folder; default: one in runs/ of its own.")]
TrustModules = Annotated[
    bool,
    typer.Option(help="Load modules that specs in these files name, which runs their code (off: never)."),
]


def command(function: Callable[..., None], name: str, help: str) -> Any:
    """The command of a function, whose dataclasses become options."""
    alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    alone.command(name, cls=TypedCommand, help=help)(flattened(function))
    return get_command(alone)


def flattened(function: Callable[..., None]) -> Callable[..., None]:
    """The function with a parameter for every option, as typer reads it."""
    groups: dict[str, tuple[Fields, type | None]] = {}
    flat: list[inspect.Parameter] = []
    for p in inspect.signature(function, eval_str=True).parameters.values():
        extra = [x for x in get_args(p.annotation)[1:] if isinstance(x, Fields)]
        if extra:
            groups[p.name] = (extra[0], None)
        elif is_dataclass(p.annotation) and isinstance(p.annotation, type):
            groups[p.name] = (Fields(p.annotation), p.annotation)
        else:
            flat.append(p.replace(kind=inspect.Parameter.KEYWORD_ONLY))
            continue
        flat += groups[p.name][0].parameters()

    def run(**typed: Any) -> None:
        grouped = {_name(f) for part, _ in groups.values() for f in part.listed()}
        arguments: Values = {name: value for name, value in typed.items() if name not in grouped}
        for name, (part, cls) in groups.items():
            values = part.values(typed)
            arguments[name] = values if cls is None else cls(**values)
        function(**arguments)

    run.__signature__ = inspect.Signature(flat)  # pyright: ignore[reportFunctionMemberAccess]
    run.__annotations__ = {p.name: p.annotation for p in flat}
    return run


def trusted(path: Path, trust_modules: bool) -> Path:
    """The path of a file or folder, trusted where --trust-modules says so."""
    return TrustedPath(path) if trust_modules else path


def is_typed(ctx: typer.Context, name: str) -> bool:
    """Whether this parameter stood on the command line."""
    source = ctx.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _parameter(f: Field[Any], hint: Any) -> inspect.Parameter:
    """The parameter of typer that a field is."""
    flag, low = f.metadata["flag"], f.metadata["low"]
    settings: dict[str, Any] = {"help": f.metadata["help"], **({} if low is None else {"min": low})}
    default = inspect.Parameter.empty if f.default is MISSING else f.default
    if _is_tuple(hint):
        hint = list[str] if f.default is MISSING else list[str] | None
        default = default if f.default is MISSING else None
    elif Path in get_args(hint) and type(None) not in get_args(hint):
        hint = Path
    if flag is not None and not flag.startswith("-"):
        parameter: Any = typer.Argument(**settings)
    else:
        parameter = typer.Option(*([flag] if flag else []), **settings)
    return inspect.Parameter(
        _name(f), inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[hint, parameter]
    )


def _name(f: Field[Any]) -> str:
    """What the command line calls a field: 'check' of '--check/--no-check', else the field's own name."""
    flag = f.metadata["flag"] or f.name
    return flag.lstrip("-").partition("/")[0].replace("-", "_")


def _is_tuple(hint: Any) -> bool:
    parts = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    return any(get_origin(part) is tuple for part in parts)
