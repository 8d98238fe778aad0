"""Maximin: the payoff of whoever gets least."""

from __future__ import annotations

from dataclasses import dataclass

from homines.core import Array, Decision


@dataclass(frozen=True)
class Maximin:
    """u = min over everyone's payoff, mine included. Rawls (1971), A Theory of Justice."""

    def __call__(self, d: Decision) -> Array:
        return d.payoffs.min(0)
