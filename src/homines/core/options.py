"""Options: fields of dataclasses that carry their own help, for the command line, Python and sweep files.

    steps: int = option(24, "Optimiser steps of a phase that names none.")

The field's name, type, default and help stand there and nowhere else: cli/options.py makes the command
line's option of it, `hm.align` a keyword, sweeps/grid.py a key of its TOML.
"""

from __future__ import annotations

from dataclasses import MISSING, field
from typing import Any

MODEL = "smollm2, hf/FOLDER-OR-ID, openai/NAME, ...: docs/models.md."
DEVICE = "cpu, cuda, mps; default: the best there is."
DTYPE = "float32, bfloat16, float16, nf4; default: by device."
TRUST_REMOTE_CODE = "Run code that comes with a model (off: never)."
SEED = "Seed of everything random."
RANK = "LoRA rank; 0 trains all weights."
SAVE_EVERY = "Steps between checkpoints."
REPORT_TO = "Passed to the trainer: none, tensorboard, wandb."
SIDE_EFFECTS = "Check for side effects before and after."
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
