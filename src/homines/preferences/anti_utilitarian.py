"""The mirror image of utilitarian: the less for all, the better."""

from __future__ import annotations

from dataclasses import dataclass

from homines.core.types import Array, Decision


@dataclass(frozen=True)
class AntiUtilitarian:
    """u = -(sum of everyone's payoff): minus `utilitarian`.

    An anti-moral baseline of Tennant et al.'s earlier work.
    """

    def __call__(self, d: Decision) -> Array:
        return -d.payoffs.sum(0)
