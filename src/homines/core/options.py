"""Options: fields of dataclasses that carry their own help, for the command line, Python and sweep files.

    steps: int = option(24, "Optimiser steps of a phase that names none.")

The field's name, type, default and help stand there and nowhere else: cli/options.py makes the command
line's option of it, `hm.align` a keyword, sweeps/grid.py a key of its TOML.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import MISSING, field, fields
from functools import wraps
from inspect import Parameter
from typing import Any, TypeVar, cast

from homines.core.catalogue import NAMES
from homines.core.types import HominesError

Call = TypeVar("Call", bound=Callable[..., Any])

MODEL = f"{', '.join(NAMES)}, hf/FOLDER-OR-ID, openai/NAME, ...: docs/models.md."
DEVICE = "cpu, cuda, mps; default: the best there is."
DTYPE = "float32, bfloat16, float16, nf4; default: by device."
TRUST_REMOTE_CODE = "Run code that comes with a model (off: never)."
SEED = "Seed of everything random."
RANK = "LoRA rank; 0 trains all weights."
SAVE_EVERY = "Steps between checkpoints."
REPORT_TO = "Passed to the trainer: none, tensorboard, wandb."
SIDE_EFFECTS = "Check for side effects before and after."
BENCHMARK = "Multiple-choice file of yours, CSV or JSON lines: docs/persistence.md; repeat for several."
REWORDINGS = "Also ask with labels exchanged, with unseen ones, and in another frame."
LABELS = "Words for the actions, as X,Y; repeat for several."
"""Help of options that several dataclasses have."""


def described(help: str, flag: str | None = None, low: int | None = None) -> dict[str, Any]:
    """Metadata of a dataclass field that is an option.

    help   what it does, in a sentence
    flag   its name on the command line, as '--frame'; without dashes, as 'model': an argument by its place;
           None: the field's own name with dashes
    low    the least value that the command line takes
    """
    return {"help": help, "flag": flag, "low": low}


def option(default: Any, help: str, flag: str | None = None, low: int | None = None) -> Any:
    """A dataclass field that is an option, as `described`."""
    return field(default=default, metadata=described(help, flag, low))


def required(help: str, flag: str | None = None) -> Any:
    """A dataclass field without default that is an option."""
    return option(MISSING, help, flag)


def with_options(*kinds: type, without: tuple[str, ...] = ()) -> Callable[[Call], Call]:
    """Decorator: the function's `**options` are the fields of these dataclasses.

    Fields that the function has as parameters, and those of `without`, are left out. The signature of the
    decorated function lists every option with its type and default; a call with an unknown option raises
    HominesError.
    """

    def decorate(call: Call) -> Call:
        signature = inspect.signature(call)
        own = [p for p in signature.parameters.values() if p.kind is not Parameter.VAR_KEYWORD]
        names = {*without, *(p.name for p in own)}
        options = {
            f.name: Parameter(f.name, Parameter.KEYWORD_ONLY, default=f.default, annotation=f.type)
            for kind in kinds
            for f in fields(kind)
            if f.name not in names
        }
        allowed = {*options, *(p.name for p in own)}

        @wraps(call)
        def checked(*arguments: Any, **keywords: Any) -> Any:
            if unknown := [name for name in keywords if name not in allowed]:
                raise HominesError(
                    f"{call.__name__} has no option {unknown[0]!r}; there are {', '.join(options)}"
                )
            return call(*arguments, **keywords)

        checked.__signature__ = signature.replace(parameters=[*own, *options.values()])  # type: ignore[attr-defined]
        return cast("Call", checked)

    return decorate


def fields_among(kind: type, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that are fields of this dataclass."""
    return {f.name: options[f.name] for f in fields(kind) if f.name in options}
