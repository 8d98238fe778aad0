"""Words for payoffs among a crowd, by how many others do what."""

from __future__ import annotations

from collections.abc import Sequence

from homines.core.types import Decision, HominesError

MOST_LINES = 128
"""Counts that a prompt lists at most."""


def crowd_rule(d: Decision, labels: Sequence[str], layout: str, amounts: Sequence[Sequence[str]]) -> str:
    """The payoffs of a decision among a crowd, a line for each count.

    labels    of my actions
    layout    turns it: columns (the counts), rows (my actions), reversed (both)
    amounts   what I get, in words, [mine][count]
    Others' payoffs follow, for all face the same: that is said.
    """
    if d.crowd + 1 > MOST_LINES:
        raise HominesError(
            f"{d.crowd} others make {d.crowd + 1} counts, more than the {MOST_LINES} a prompt can list; use "
            f"at most {MOST_LINES} players"
        )
    acts = (1, 0) if layout in ("reversed", "rows") else (0, 1)
    counts = range(d.crowd, -1, -1) if layout in ("reversed", "columns") else range(d.crowd + 1)
    first, second = (labels[a] for a in acts)
    often = "in every round" if d.rounds is None else "once" if d.rounds == 1 else f"for {d.rounds} rounds"
    others = "one other" if d.crowd == 1 else f"{d.crowd} others"
    lines = [
        f"You and {others} each choose {first} or {second}, all at the same time, {often}. Your points "
        "depend on what you choose and on how many of the others choose what, and theirs in the same way:"
    ]
    for j in counts:
        chosen = {0: f"{d.crowd - j} of them {labels[0]}", 1: f"{j} {labels[1]}"}
        if acts[0]:
            chosen = {1: f"{j} of them {labels[1]}", 0: f"{d.crowd - j} {labels[0]}"}
        gains = ", ".join(f"{labels[a]} gives you {amounts[a][j]}" for a in acts)
        lines.append(f"{', '.join(chosen[a] for a in acts)}: {gains}.")
    return "\n".join(lines)
