"""The mirror image of equality: how uneven the payoffs are."""

from __future__ import annotations

from dataclasses import dataclass

from homines.core.types import Array, Decision
from homines.preferences.virtue_equality import inequality


@dataclass(frozen=True)
class AntiEquality:
    """u = |own - other| / (own + other), and 0 where both get 0: one minus `virtue_equality`.

    An anti-moral baseline of Tennant et al.'s earlier work.
    """

    def __call__(self, d: Decision) -> Array:
        return inequality(d)
