"""Studies: whole experiments by name, one folder a study: study.py runs it, page.py tells it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from homines.core.types import HominesError
from homines.models import check_kind


def default_folder(name: str, quick: bool) -> Path:
    """The folder of a study in its full or its short form."""
    return Path("runs") / (f"{name}-quick" if quick else name)


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
