"""Play of a crowd: how many of the others play the second action next, given what each of them did and saw.

Players of one kind are exchangeable: of those who did the same, each plays the second action with one
probability q, and how many do is binomial. Of n_g others of a kind, j_g of whom played the second action,

    next j_g  ~  Binomial(n_g - j_g, q(first, what they saw)) + Binomial(j_g, q(second, what they saw))

which depends on nothing but counts: (own action, j_1, ..., j_g) is a Markov chain, of 2n states where all
others are of one kind, in place of 2^n.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from homines.core.capabilities import memory_of
from homines.core.types import Array, HominesError, NotDefined, Policy, frozen
from homines.theory.count_form import CountForm
from homines.theory.game_forms import MOST_STATES, Repeated


def binomial(n: int, p: float) -> Array:
    """P(x of n), each with probability p, shape [n + 1]."""
    from scipy.special import gammaln, xlog1py, xlogy  # slow to import, and every game is imported at once

    x = np.arange(n + 1)
    logs = gammaln(n + 1) - gammaln(x + 1) - gammaln(n - x + 1) + xlogy(x, p) + xlog1py(n - x, -p)
    pmf = np.exp(logs)
    return pmf / pmf.sum()


def views(stage: CountForm) -> NDArray[np.int64]:
    """Where the others stand in each of my states: indices into `states`, shape [state, 2].

    [s, 0]   of one who played the first action
    [s, 1]   of one who played the second
    Where nobody did, the index is that of some state.
    """
    n = stage.players
    return np.array([(min(j + a, n - 1), n + max(j + a - 1, 0)) for a, j in stage.states])


def count_play(second: Array, j: NDArray[np.int64], n: int) -> Array:
    """How many of n play the second action next, j of whom just did: distributions, shape [state, n + 1].

    second   P(second action) of one who played the first, and of one who played the second; shape [state, 2]
    j        shape [state]
    """
    rows = [
        np.convolve(binomial(n - int(had), q[0]), binomial(int(had), q[1]))
        for q, had in zip(second, j, strict=True)
    ]
    return np.array(rows)


@dataclass(frozen=True, eq=False)
class Crowd:
    """The others of a game told by counts, by kind: those whose policies are equal.

    kinds   (policy, how many)
    """

    game: Repeated
    kinds: tuple[tuple[Policy, int], ...]

    def __post_init__(self) -> None:
        for policy, _ in self.kinds:
            if (far := memory_of(policy)) > 1:
                raise NotDefined(
                    f"{policy} looks back {'any number of' if math.isinf(far) else f'{far:g}'} rounds; in a "
                    "game told by counts the others remember one: what each did before that is not told by "
                    "how many did it. Choose an opponent of memory 1, as conditional_contributor"
                )

    @classmethod
    def of(cls, game: Repeated, policies: Sequence[Policy]) -> Crowd:
        """The others, equal policies together."""
        kinds: list[tuple[Policy, int]] = []
        for policy in policies:
            at = next((i for i, (known, _) in enumerate(kinds) if known == policy), None)
            if at is None:
                kinds.append((policy, 1))
            else:
                kinds[at] = (policy, kinds[at][1] + 1)
        return cls(game, tuple(kinds))

    @property
    def stage(self) -> CountForm:
        assert isinstance(self.game.stage, CountForm)
        return self.game.stage

    def states(self) -> tuple[tuple[int, ...], ...]:
        """(own action, j_1, ..., j_g): j_g of a kind played the second action. Raises HominesError for more
        than MOST_STATES."""
        sizes = [2, *(many + 1 for _, many in self.kinds)]
        if (many := math.prod(sizes)) > MOST_STATES:
            raise HominesError(
                f"{self.stage.players} players of {len(self.kinds)} kinds beside the first make "
                f"{' x '.join(map(str, sizes))} = {many} states, more than {MOST_STATES}; use fewer kinds or "
                "players, or play(), which samples"
            )
        return tuple(product(*map(range, sizes)))

    def counts(self, states: Sequence[tuple[int, ...]]) -> list[Array]:
        """How many of each kind play the second action after each state, [state, n_g + 1] by kind."""
        mine = np.array([state[0] for state in states])
        own = np.array([state[1:] for state in states]).reshape(len(mine), len(self.kinds))
        where = views(self.stage)[mine * self.stage.players + own.sum(1)]  # [state, 2]
        pasts = [self.game.remember(1, (state,)) for state in self.stage.states]
        return [
            count_play(np.array([c.p[1] for c in policy(pasts)])[where], own[:, g], many)
            for g, (policy, many) in enumerate(self.kinds)
        ]


def total(counts: Sequence[Array]) -> Array:
    """The distribution of the sum of independent counts, [state, n_g + 1] each: [state, sum n_g + 1]."""
    rows: list[Array] = []
    for own in zip(*counts, strict=True):
        row: Array = np.ones(1)
        for p in own:
            row = np.asarray(np.convolve(row, p), dtype=np.float64)
        rows.append(row)
    return frozen(np.array(rows))
