"""What opponents share that reckon with a game's payoffs: any number of actions, the last round alone."""

from __future__ import annotations

import numpy as np

from homines.core.types import Array, Choice, Decision, HominesError


def check(d: Decision) -> None:
    """HominesError where others do not choose at the same time as I do."""
    if not d.theirs or d.reply or d.chance is not None:
        raise HominesError(
            "this opponent plays games in which two or more choose at the same time, and nothing is drawn by "
            "chance; choose another game or opponent"
        )


def firms(d: Decision) -> Array:
    """Payoffs of those who choose, in the game's own order of players: [player, a_0, a_1, ...]."""
    check(d)
    mine, others = d.player, [k for k in range(1 + len(d.theirs)) if k != d.player]
    seats = np.argsort([mine, *others])
    return d.payoffs[seats].transpose(0, *(1 + seats))


def last(d: Decision) -> tuple[int, ...] | None:
    """Everyone's last action by player; None at the start."""
    if not d.history:
        return None
    return tuple(0 if a is None else a for a in d.history[-1])


def sure(d: Decision, action: int) -> Choice:
    """This action for certain."""
    return Choice.at(np.eye(len(d.actions))[action])
