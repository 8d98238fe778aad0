"""Homo economicus: own payoff and nothing else."""

from __future__ import annotations

from dataclasses import dataclass

from homines.core import Array, Decision


@dataclass(frozen=True)
class Economicus:
    """u = own."""

    def __call__(self, d: Decision) -> Array:
        return d.payoffs[0]
