"""The virtue of equality: how even the payoffs are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from homines.core.types import Array, Decision, NotDefined


@dataclass(frozen=True)
class VirtueEquality:
    """u = 1 - |own - other| / (own + other), and 1 where both get 0; in [0, 1].

    Averaged over the others where there are several. Needs payoffs of at least 0.
    The virtue-equality reward of Tennant et al.'s earlier work.
    """

    def __call__(self, d: Decision) -> Array:
        return 1 - inequality(d)


def inequality(d: Decision) -> Array:
    """mean_j |own - other_j| / (own + other_j), 0 where both get 0; shape d.payoffs.shape[1:]."""
    if len(d.payoffs) < 2:
        raise NotDefined("equality needs another player; in this decision only I am paid")
    if (d.payoffs < 0).any():
        raise NotDefined(
            f"payoff {d.payoffs.min():g}: equality is a ratio and needs non-negative payoffs; "
            "add a constant to the game's payoffs, or use inequity"
        )
    own, other = d.payoffs[:1], d.payoffs[1:]
    total = own + other
    ratio = np.divide(np.abs(own - other), total, out=np.zeros_like(total), where=total > 0)
    return ratio.mean(0)
