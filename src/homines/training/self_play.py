"""What a learner meets that meets itself: its own play, as seen from where the others stand.

Of two players, the other's play in a state is mine in the state as the other sees it. Among n - 1 of my like,
those of them who did the same see the same, and how many play the second action next is a sum of two
binomials (`theory.crowd`). It gets no gradient: each learner takes that of its own return with the others'
play held fixed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from homines.core.types import History, HominesError
from homines.theory.count_form import CountForm
from homines.theory.crowd import count_play, views
from homines.theory.game_forms import Repeated


@dataclass(frozen=True, eq=False)
class Mirror:
    """Two players: `index`, where each state stands as the other sees it, [state]."""

    index: torch.Tensor

    def __call__(self, own: torch.Tensor) -> torch.Tensor:
        """The other's play, [set, state, action], from the learner's own."""
        return own[:, self.index]


@dataclass(frozen=True, eq=False)
class CrowdMirror:
    """Among n - 1 of its like.

    index    where one stands who played the first action, and one who played the second; [state, 2]
    second   how many of the others just played the second action, [state]
    crowd    n - 1
    """

    index: torch.Tensor
    second: torch.Tensor
    crowd: int

    def __call__(self, own: torch.Tensor) -> torch.Tensor:
        """How many of the others play the second action, [set, state, n], from the learner's own play."""
        p = own[..., 1][:, self.index].numpy()
        return torch.tensor(np.array([count_play(q, self.second.numpy(), self.crowd) for q in p]))


def mirror_of(game: Repeated, memory: int, states: Sequence[int]) -> Mirror | CrowdMirror:
    """What a learner meets that is trained on these states (indices into the game's `pasts`).

    Raises HominesError where a state is not among them in which the others then stand.
    """
    past = game.pasts(memory)
    at = {past[s]: i for i, s in enumerate(states)}
    if isinstance(game.stage, CountForm):
        if memory > 1:
            raise HominesError(
                "learners of one kind remember one round of a game told by counts: what each did before that "
                "is not told by how many did it; use --memory 1, or another --opponent"
            )
        seen = views(game.stage)[[*states]]
        second = np.array([past[s][0][1] for s in states])
        needed = np.stack([second < game.stage.players - 1, second > 0], axis=1)  # that somebody stands there
        where = [
            [_index(at, past[s], need=bool(some)) for s, some in zip(*each, strict=True)]
            for each in zip(seen, needed, strict=True)
        ]
        return CrowdMirror(torch.tensor(where), torch.tensor(second), game.stage.players - 1)
    turned = [tuple(stage[::-1] for stage in past[s]) for s in states]
    return Mirror(torch.tensor([_index(at, history, both=True) for history in turned]))


def _index(at: dict[History, int], history: History, *, need: bool = True, both: bool = False) -> int:
    """Where a history stands; some index where nobody does. both: there is one other player."""
    if need and history not in at:
        seen = "the one that the other then sees" if both else "those that the others then see"
        raise HominesError(
            f"a learner that meets itself is trained on a state only with {seen}: name "
            f"{'both' if both else 'them all'} in --states, or leave them out"
        )
    return at.get(history, 0)
