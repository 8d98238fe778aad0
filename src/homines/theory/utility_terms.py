"""A utility as a sum of terms: one formula gives its value and the words that show its arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from homines.core.types import Array, Decision

OWN, SAME, OTHERS, TOTAL, LEAST = "own", "same", "others", "total", "least"
BEHIND, AHEAD, FORBIDDEN, KIND, WORTH = "behind", "ahead", "forbidden", "kind", "worth"


class Term(NamedTuple):
    """weight * amount; `kind` names the amount by one of the constants above.

    amount   broadcastable to the utility's shape, [mine, other1, ..., chance]
    """

    kind: str
    weight: float
    amount: Array


def weigh(terms: Sequence[Term], d: Decision) -> Array:
    """sum weight * amount, of shape d.payoffs.shape[1:]."""
    total = np.zeros(d.payoffs.shape[1:])
    for term in terms:
        total = total + term.weight * term.amount
    return total
