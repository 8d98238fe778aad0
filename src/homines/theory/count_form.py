"""A symmetric game of n players with two actions, told by counts: own act, and how many others do what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np

from homines.core.checks import count
from homines.core.types import Array, Decision, History, HominesError, frozen

MOST_PLAYERS = 512
"""Two states for each: as many as the exact chain holds (game_forms.MOST_STATES)."""


def check_players(players: int) -> None:
    """Raise HominesError where these are no players of such a game, or more than the chain holds."""
    count("players", players, 2)
    if players > MOST_PLAYERS:
        raise HominesError(
            f"{players} players make {2 * players} states of one round, more than the {2 * MOST_PLAYERS} "
            f"that an exact chain holds; use at most {MOST_PLAYERS} players"
        )


@dataclass(frozen=True, eq=False)
class CountForm:
    """Everyone chooses once, at the same time, between the same two actions; payoffs follow from counts.

    names      the two actions, cooperation first
    pays       pays[a, j]: what I get when I play a and j of the n - 1 others play the second action;
               shape [2, n]
    rule       the payoffs in words (`Decision.rule`); empty: frames list them by count

    j runs as the actions do: 0 where all others play the first one. With two players it is the other's
    action, and everything below is the two-player normal form, entry by entry. With n the table of a
    decision has 2 n^2 entries in place of n 2^n.

    A history of the game holds everyone's action, as that of a normal form. A decision holds my view of it:
    ((a, j), ...), the same for whoever did a and saw j.
    """

    names: tuple[str, str]
    pays: Array
    rule: str = ""

    def __post_init__(self) -> None:
        shape = self.pays.shape
        if len(shape) != 2 or shape[0] != 2 or shape[1] < 2 or len(set(self.names)) != 2:
            raise HominesError(
                f"payoffs of shape {shape} do not fit the actions {self.names}: give two names, and payoffs "
                "[mine, how many others play the second] of shape (2, players)"
            )
        check_players(self.players)

    @property
    def players(self) -> int:
        return self.pays.shape[1]

    @property
    def actions(self) -> tuple[tuple[str, str], ...]:
        """The action names of every player."""
        return (self.names,) * self.players

    @property
    def symmetric(self) -> bool:
        return True

    @property
    def states(self) -> tuple[tuple[int, int], ...]:
        """What I can have done and seen in a round: (a, j), in table order; 2n of them."""
        return tuple(product(range(2), range(self.players)))

    @cached_property
    def table(self) -> Array:
        """What every seat gets, shape [seat, a, j]: mine, the others who play the first action, the rest."""
        a, j = np.mgrid[:2, : self.players]
        # of the others, one who plays the first action sees j + a play the second, another j + a - 1
        firsts, seconds = self.pays[0, np.minimum(j + a, self.players - 1)], self.pays[1, (j + a - 1).clip(0)]
        seats = np.arange(1, self.players)[:, None, None]
        return frozen(np.concatenate([self.pays[None], np.where(seats < self.players - j, firsts, seconds)]))

    def due(self, history: History) -> Mapping[int, Decision]:
        return {} if history else {k: self.seat(k) for k in range(self.players)}

    def payoffs(self, history: History) -> Array:
        """What every player gets in the last round of everyone's actions, shape [player]."""
        seen = [self._view(k, history[-1]) for k in range(self.players)]
        return frozen([self.pays[view] for view in seen])

    def seat(self, k: int, history: History = ()) -> Decision:
        """Player k's decision after a history of everyone's actions."""
        return self.remember(tuple(self._view(k, stage) for stage in history))

    def remember(self, past: History = ()) -> Decision:
        """The decision of whoever did and saw this, ((a, j), ...): rounds of `states`."""
        others = self.players - 1
        return Decision(
            self.names,
            self.table,
            (tuple(str(others - j) for j in range(self.players)),),
            frozen([self.pays[0, 0], self.pays[1, -1]]),
            history=past,
            rule=self.rule,
            crowd=others,
        )

    def _view(self, k: int, stage: tuple[int | None, ...]) -> tuple[int, int]:
        """(a, j) of player k in a round of everyone's actions."""
        acts = [a for a in stage if a is not None]
        if len(acts) != self.players or len(stage) != self.players:
            raise HominesError(
                f"stage {stage} does not hold the action of each of the {self.players} players; in this game "
                "everyone moves"
            )
        return acts[k], sum(acts) - acts[k]
