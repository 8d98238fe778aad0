"""Utilitarian: the sum of payoffs."""

from __future__ import annotations

from dataclasses import dataclass

from homines.core import Array, Decision


@dataclass(frozen=True)
class Utilitarian:
    """u = sum of everyone's payoff, mine included. Tennant et al. (2025), reward `Ut`."""

    def __call__(self, d: Decision) -> Array:
        return d.payoffs.sum(0)
