"""What the intervals of an estimate are of: which draw would have given other numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable

FEW = 30
"""Clusters under which an interval is said to be rough."""
PROTOCOL = re.compile(r"(spd|trust|ultimatum)\(([1-6])\)")
ALL_PROTOCOLS = 6

LIKE = {
    "subject": "these {n} subjects are taken as a draw from subjects like them",
    "game": "these {n} games are taken as a draw from games like them",
    "decision": "these {n} decisions are taken as a draw from decisions like them",
    "none": "each of these {n} choices is taken as a draw of its own",
}


def every_protocol(games: Iterable[str]) -> bool:
    """Whether the games are the sequential protocols of van Leeuwen & Alger (2024), all six of each kind."""
    found = [PROTOCOL.fullmatch(name) for name in games]
    numbers: dict[str, set[str]] = {}
    for match in found:
        if match is None:
            return False
        numbers.setdefault(match[1], set()).add(match[2])
    return bool(numbers) and all(len(each) == ALL_PROTOCOLS for each in numbers.values())


def scope(cluster: str, clusters: int, games: Iterable[str], *, exact: bool) -> str:
    """One sentence on what the intervals are of, and one more where the clusters are few."""
    if exact and cluster == "game" and every_protocol(games):
        text = (
            f"Intervals are of specification uncertainty: all {clusters} protocols were asked and answers "
            "are exact, so that nothing was drawn; they tell how far the estimate hangs on which protocols "
            "it is read from."
        )
    else:
        text = f"Intervals: {LIKE[cluster].format(n=clusters)}."
    if 1 < clusters < FEW:
        text += f" Under {FEW} clusters they are rough (docs/checks.md, coverage)."
    return text
