"""Studies: whole experiments by name, one file a study."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any

from homines.core.registry import ROOT, names
from homines.core.types import HominesError
from homines.models import check_kind


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
