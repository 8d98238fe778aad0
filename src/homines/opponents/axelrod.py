"""Any strategy of the axelrod library."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from typing import Any, cast

from homines.check import count
from homines.core import Choice, Decision, HominesError, frozen
from homines.opponents import _axelrod
from homines.opponents.memory_one import certain, check_pair, first_with


@dataclass(frozen=True)
class Axelrod:
    """Any strategy of the axelrod library, by the name of its class, such as TitForTat.

    strategy     the class; axelrod.readthedocs.io lists them all
    parameters   its own parameters, ((name, value), ...)
    seed         of its draws, where a sample is all there is

    A fresh player lives through the history turn by turn, with the moves that were made, and then moves:
    C is the first action, D the second. It is told the decision's payoffs and, where an end is announced,
    the number of rounds. Where the library says that it never draws, or looks at most one round back, both
    sides of every coin are followed and the choice is exact; otherwise it is the move of one player with
    this seed, and says n=1, for deeper ones may keep what they drew to themselves.
    Knight et al. (2016), Journal of Open Research Software 4: e35.
    """

    strategy: str
    parameters: tuple[tuple[str, Any], ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        count("seed", self.seed, 0, 2**32 - 1)
        pairs = cast("tuple[Any, ...]", _tuples(self.parameters))
        if not all(isinstance(pair, tuple) and len(cast("tuple[Any, ...]", pair)) == 2 for pair in pairs):
            raise HominesError(f"parameters {self.parameters!r} must be pairs: ((name, value), ...)")
        if not all(isinstance(name, str) for name, _ in pairs):
            raise HominesError(f"parameters {self.parameters!r} must begin with a name: ((name, value), ...)")
        object.__setattr__(self, "parameters", tuple(sorted(pairs, key=lambda pair: pair[0])))
        self.player()

    @property
    def memory(self) -> float:
        """Rounds it looks back: the library's word for it, but math.inf where its moves belie that."""
        return _memory(self)

    def __call__(self, ds: Sequence[Decision]) -> list[Choice]:
        check_pair(ds)
        return [self._choice(d) for d in ds]

    def player(self) -> Any:
        """A new player of the library."""
        return _axelrod.player(self.strategy, dict(self.parameters))

    def _choice(self, d: Decision) -> Choice:
        player = self.player()
        try:
            if _depth(player) <= 1 or not _axelrod.classified(player, "stochastic"):
                try:
                    return first_with(self._probability(d))
                except _axelrod.NotACoinError:
                    pass
            return replace(certain(_axelrod.move(player, d, self.seed)[0]), n=1)
        except HominesError:
            raise
        except Exception as error:  # the library's strategies fail in their own ways
            raise HominesError(
                f"axelrod's {self.strategy} cannot play payoffs {d.payoffs.tolist()} "
                f"({type(error).__name__}: {error}); choose another strategy or game"
            ) from error

    def _probability(self, d: Decision) -> float:
        """Of C: the sum over all ways in which the coins of the next move can fall."""
        total, ways = 0.0, [list[bool]()]
        for way in ways:
            move, coin = _axelrod.move(self.player(), d, self.seed, way)
            assert coin is not None
            total += coin.weight * (move == 0)
            ways += [[*coin.heads[:i], False] for i in range(len(way), len(coin.heads))]
        return min(total, 1.0)


def named(strategy: str, /, *, seed: int = 0, **parameters: Any) -> Axelrod:
    """`axelrod:GTFT(p=0.5)` is named("GTFT", p=0.5): the strategy's parameters by their names."""
    return Axelrod(strategy, tuple(parameters.items()), seed)


@lru_cache(maxsize=256)
def _memory(policy: Axelrod) -> float:
    """The declared depth, checked up to 1: Markov chains rest on it, and CyclerDC counts rounds."""
    player = policy.player()
    if (depth := _depth(player)) > 1:
        # a sample hangs on the seed and on how many rounds there were
        return math.inf if depth == math.inf or _axelrod.classified(player, "stochastic") else int(depth)
    states = ((0, 0), (0, 1), (1, 0), (1, 1))
    pasts = [past for n in range(4) for past in product(states, repeat=n)]
    choices = dict(zip(pasts, policy([_faced(past) for past in pasts]), strict=True))
    if any(choice.n for choice in choices.values()):
        return math.inf
    for rounds in range(int(depth), 2):
        short = [choices[past[max(len(past) - rounds, 0) :]] for past in pasts]
        if all(
            math.isclose(choices[q].p[0], c.p[0], abs_tol=1e-9) for q, c in zip(pasts, short, strict=True)
        ):
            return rounds
    return math.inf


def _depth(player: Any) -> float:
    return float(_axelrod.classified(player, "memory_depth"))


def _faced(past: tuple[tuple[int, int], ...]) -> Decision:
    """Axelrod's own payoffs, which every strategy can play."""
    mine = frozen([[3, 0], [5, 1]])
    return Decision(("C", "D"), frozen([mine, mine.T]), (("C", "D"),), rounds=None, history=past)


def _tuples(value: Any) -> Any:
    """Lists within become tuples, so that it hashes."""
    if isinstance(value, tuple | list):
        return tuple(_tuples(v) for v in cast("Sequence[Any]", value))
    return value
