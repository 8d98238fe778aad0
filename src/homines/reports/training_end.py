"""How a training ended, in words: at its target of regret, or after all its steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from homines.core.format import finite, number


def training_end(noted: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    """'at step 17 of at most 24, once each training prompt had a regret of at most .05 points'.

    Empty where no target was set.

    noted    the contents of training.json
    config   of the run
    """
    settings = config.get("settings")
    until = finite(settings.get("until")) if isinstance(settings, Mapping) else None
    steps, most, highest = (finite(noted.get(key)) for key in ("steps", "most_steps", "highest_regret"))
    if not isinstance(noted.get("reached"), bool) or None in (until, steps, most):
        return ""
    target = f"training prompt had a regret of at most {number(until)} points"
    if noted["reached"]:
        return f"at step {steps:.0f} of at most {most:.0f}, once each {target}"
    last = "" if highest is None else f" (the highest in the last step: {number(highest)})"
    return f"after all {steps:.0f} steps, when not every {target}{last}"
