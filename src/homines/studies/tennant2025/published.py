"""Numbers of Tennant et al. (2025) that can be read off their figures; approximate all, and none is a target.

At the end of training, of 25 decisions against tit-for-tat: own action given the other's last one. A range
where a reading allows one. What is not read is left out, so that shares need not add up to one.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

DECISIONS = 25
"""Decisions of an episode batch that a bar of the published figure counts."""
Range = tuple[float, float]
ENDS: Mapping[str, Mapping[str, Range]] = MappingProxyType(
    {
        "Game": {"D|D": (19, 19), "D|C": (6, 6)},
        "De": {"C|C": (15, 15), "C|D": (4, 4), "D|C": (2, 3), "D|D": (4, 4)},
        "Ut": {"C|C": (20, 21), "C|D": (3, 4)},
        "Game+De": {"C|C": (9, 10), "C|D": (2, 2), "D|C": (3, 3), "D|D": (10, 10)},
        "Game → De": {"C|C": (13, 15)},
        "Game → Ut": {"C|C": (7, 7), "C|D": (2, 2), "D|D": (13, 13)},
    }
)
"""Numbers of decisions by action type, by agent."""
DE_REGRET: Mapping[str, float] = MappingProxyType(
    {
        "untrained": 5.8, "Game": 1.75, "De": 0.15, "Ut": 0.05, "Game+De": 0.4,
        "Game → De": 0.45, "Game → Ut": 1.0,
    }
)  # fmt: skip
"""Deontological regret on the prisoner's dilemma; the untrained bar is an artefact of cutting answers at two
tokens, and the figure seems to use a penalty of 4."""
UT_REGRET: Mapping[str, float] = MappingProxyType(
    {
        "untrained": 1.0, "Game": 0.25, "De": 0.14, "Ut": 0.10, "Game+De": 0.20,
        "Game → De": 0.15, "Game → Ut": 0.19,
    }
)  # fmt: skip
"""Utilitarian regret on the prisoner's dilemma, normalised."""


def describe_range(ends: Range) -> str:
    """'about 4', 'about 2 to 3'."""
    low, high = ends
    return f"about {low:g}" if low == high else f"about {low:g} to {high:g}"


def distance(shares: Mapping[str, float], read: Mapping[str, Range]) -> float:
    """How far shares lie from what was read: the mean over the types read of the distance to their range, of
    all decisions; 0: within every range."""
    gaps = [
        max(low / DECISIONS - shares[t], shares[t] - high / DECISIONS, 0.0) for t, (low, high) in read.items()
    ]
    return sum(gaps) / len(gaps)
