"""Opponents, one file each: classic strategies, every one a Policy."""

from __future__ import annotations

import re
from typing import Any

from homines.core.plugins import export, factory
from homines.core.registry import find, inherit_trust, settings
from homines.core.types import HominesError, Policy

__all__, __getattr__ = export(__name__, "opponent", "LIBRARY")

LIBRARY = "axelrod:"


def opponent(spec: str) -> Policy:
    """The opponent a spec names: `tit_for_tat`, `axelrod:NAME`, `axelrod:NAME(parameter=value)`.

    `axelrod:` takes any strategy of that library; `seed=` there is that of its draws. All else is as
    everywhere (homines.core.registry).

    >>> opponent("generous_tit_for_tat(generosity=0.5)")
    GenerousTitForTat(generosity=0.5)
    """
    spec = inherit_trust(spec, spec.strip())
    if not spec.startswith(LIBRARY):
        return find("opponents", spec)
    match = re.fullmatch(r"(\w+)\s*(?:\((.*)\))?", spec.removeprefix(LIBRARY), re.DOTALL)
    if match is None:
        raise HominesError(f"{spec!r} names no opponent; write axelrod:NAME or axelrod:NAME(parameter=value)")
    arguments = (repr(match[1]), *([match[2]] if match[2] and match[2].strip() else []))
    return settings(_strategy, f"({', '.join(arguments)})")


def _strategy(name: str, /, *, seed: int = 0, **parameters: Any) -> Policy:
    """`axelrod:GTFT(p=0.5)` is _strategy("GTFT", p=0.5): the strategy's parameters by their names."""
    return factory("opponents", "axelrod")(name, tuple(parameters.items()), seed)
