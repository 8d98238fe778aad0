"""A firm that has learned by Q-learning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np

from homines.core.checks import count
from homines.core.types import Choice, Decision, HominesError
from homines.theory.qlearning import Learning, learn
from homines.theory.strategies import last_actions, payoffs_by_player, pure_choice


@dataclass(frozen=True)
class Qlearner:
    """Learned this game by Q-learning against its like, and plays the strategy it settled on.

    seed                of the session
    alpha, beta, delta  learning rate, decay of exploration, discount factor
    At the start it plays as after the state its session ended in. Calvano et al. (2020), AER 110: 3267; extra
    [markets].
    """

    memory: ClassVar[int] = 1

    seed: int = 0
    alpha: float = 0.15
    beta: float = 4e-6
    delta: float = 0.95

    def __post_init__(self) -> None:
        count("seed", self.seed, 0)
        self._learning()

    def _learning(self) -> Learning:
        return Learning(self.alpha, self.beta, self.delta)

    def __call__(self, ds: Sequence[Decision]) -> list[Choice]:
        return [pure_choice(d, self._price(d)) for d in ds]

    def _price(self, d: Decision) -> int:
        table = payoffs_by_player(d)
        if len(set(table.shape[1:])) > 1:
            raise HominesError(
                f"actions {table.shape[1:]} of the players differ in number; a qlearner's may not"
            )
        strategy, end = settled_strategy(table.tobytes(), table.shape, self._learning(), self.seed)
        last_round = last_actions(d)
        state = end if last_round is None else int(np.ravel_multi_index(last_round, table.shape[1:]))
        return int(strategy[d.player, state])


@cache
def settled_strategy(
    table_bytes: bytes, shape: tuple[int, ...], learning: Learning, seed: int
) -> tuple[np.ndarray, int]:
    """(greedy strategies [player, state], last state) of one session; cached by game."""
    table = np.frombuffer(table_bytes).reshape(shape)
    outcome = learn(table, learning, 1, seed)
    if not outcome.settled[0]:
        raise HominesError(
            f"this session (seed {seed}) had not settled after {learning.most} periods, so it has no "
            "strategy to play; choose another seed, or a larger beta"
        )
    return outcome.strategy[0], int(outcome.state[0])
