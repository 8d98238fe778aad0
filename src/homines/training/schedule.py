"""A reward schedule: one preference after another, such as "economicus:20 -> deontological:20".

    schedule  =  phase | phase -> schedule
    phase     =  preference | preference:steps

Adapter and optimiser go on from phase to phase (the unlearning of Tennant et al. 2025).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from homines.core.registry import TrustedSpec, find, inherit_trust, spell, trust
from homines.core.types import HominesError, Preference


def schedule_title(phases: Sequence[Phase]) -> str:
    """A schedule in one word, for the name of a folder: its preference, or 'schedule'."""
    if len(phases) > 1:
        return "schedule"
    return spell(phases[0].preference).partition("(")[0].rpartition(":")[2]


GRAMMAR = (
    'write PREFERENCE, PREFERENCE:STEPS, or several joined by "->", as "economicus:20 -> deontological:20"'
)


@dataclass(frozen=True, eq=False)
class Phase:
    """A preference and for how many optimiser steps it is the reward."""

    preference: Preference
    steps: int
    named: bool = True
    """Whether the schedule said how many."""


def schedule(text: str, steps: int) -> tuple[Phase, ...]:
    """The phases of a schedule; `steps` is for phases that name none.

    Raises HominesError for a part that is no preference, and for steps below 1.

    >>> [(phase.preference, phase.steps) for phase in schedule("economicus:5 -> utilitarian", 20)]
    [(Economicus(), 5), (Utilitarian(), 20)]
    """
    phases: list[Phase] = []
    for part in text.split("->"):
        if not part.strip():
            raise HominesError(f"schedule {text!r} has an empty phase; {GRAMMAR}")
        split = re.fullmatch(r"(?s)(.+?)(?:(?<!:):\s*(-?[\d.]+)\s*)?", part.strip())
        assert split is not None
        spec, count = split.groups()
        if count is not None and (not count.isdigit() or int(count) < 1):
            raise HominesError(
                f"schedule {text!r} gives {spec!r} {count} steps; a phase needs a whole number of at least 1"
            )
        try:
            preference = find("preferences", inherit_trust(text, spec.strip()))
        except HominesError as failure:
            raise HominesError(f"schedule {text!r}: {failure}; {GRAMMAR}") from failure
        phases.append(Phase(preference, steps if count is None else int(count), count is not None))
    return tuple(phases)


def spell_schedule(phases: tuple[Phase, ...]) -> str:
    """The schedule in full: a lone preference that named no steps by its spec, all else with steps."""
    specs = [spell(phase.preference) for phase in phases]
    if len(phases) == 1 and not phases[0].named:
        return specs[0]
    text = " -> ".join(f"{spec}:{phase.steps}" for spec, phase in zip(specs, phases, strict=True))
    return trust(text) if any(isinstance(spec, TrustedSpec) for spec in specs) else text
