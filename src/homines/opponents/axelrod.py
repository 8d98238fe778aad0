"""Strategies of the axelrod library as opponents: a player is built, replays the history, and moves."""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import lru_cache
from importlib import import_module
from itertools import product
from typing import Any, cast

import numpy as np

from homines.core.checks import count
from homines.core.types import Choice, Decision, HominesError, NotDefined, frozen
from homines.theory.strategies import check_pair, first_action_with, first_or_second

MOST_COINS = 8
REMEDY = "axelrod knows rounds in which both move at once: use a repeated game, or another opponent"
CHEATS = ("manipulates_state", "manipulates_source", "inspects_source")


class NotACoinError(Exception):
    """The strategy drew something else than a few coins: its probabilities cannot be computed."""


class Coin:
    """Replaces a player's random numbers: coins fall as scripted, then heads; weight: their probability."""

    def __init__(self, heads: Sequence[bool], axl: Any) -> None:
        self.heads, self.weight, self._thrown, self._axl = list(heads), 1.0, 0, axl

    def random_choice(self, p: float = 0.5) -> Any:
        """C with probability p, as the library's own."""
        c, d = self._axl.Action.C, self._axl.Action.D
        if p in (0, 1):
            return c if p == 1 else d
        if self._thrown == len(self.heads):
            self.heads.append(True)
        if self._thrown == MOST_COINS:
            raise NotACoinError
        head = self.heads[self._thrown]
        self._thrown += 1
        self.weight *= p if head else 1 - p
        return c if head else d

    def __getattr__(self, name: str) -> Any:
        raise NotACoinError


@contextmanager
def quiet() -> Generator[None]:
    """Silence the library's warnings, which concern its own tournaments."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def library() -> Any:
    """The axelrod library; imported here alone, for it takes seconds."""
    try:
        with quiet():
            return import_module("axelrod")
    except ImportError as error:
        raise HominesError(
            f"strategies of the axelrod library need that library ({error}); "
            "install it: pip install 'homines[opponents]'"
        ) from error


def player(strategy: str, parameters: Mapping[str, Any]) -> Any:
    """A new player of a class. Raises HominesError for an unknown class, one that cheats, or wrong values."""
    axl = library()
    strategies = {kind.__name__: kind for kind in axl.all_strategies}
    if strategy not in strategies:
        plain = {name.lower(): name for name in strategies}
        close = get_close_matches(strategy.lower().replace("_", ""), plain, n=3)
        hint = (
            f"did you mean {' or '.join(plain[c] for c in close)}?" if close else "none has a name like it;"
        )
        raise HominesError(
            f"axelrod has no strategy {strategy!r}; {hint} axelrod.readthedocs.io lists all {len(strategies)}"
        )
    signature = inspect.signature(strategies[strategy].__init__).parameters
    values = {
        name: axl.Action[value]
        if name in signature and isinstance(signature[name].default, axl.Action) and value in ("C", "D")
        else value
        for name, value in parameters.items()
    }
    try:
        with quiet():
            instance = strategies[strategy](**values)
    except Exception as error:
        takes = ", ".join(name for name in signature if name != "self") or "none"
        raise HominesError(
            f"axelrod's {strategy} does not take {dict(parameters)} ({error}); its parameters are: {takes}"
        ) from error
    if cheats := [c for c in CHEATS if classification(instance, c)]:
        raise HominesError(
            f"axelrod's {strategy} ({', '.join(cheats)}) needs its opponent's program, and here the "
            "opponent is a history; choose another strategy"
        )
    return instance


def classification(instance: Any, what: str) -> Any:
    """The library's own classification, such as memory_depth."""
    with quiet():
        return library().Classifiers[what](instance)


def rounds(d: Decision) -> list[tuple[int, int]]:
    """My action and the other's, round by round."""
    out: list[tuple[int, int]] = []
    for stage in d.history:
        mine, other = stage[d.player], stage[1 - d.player]
        if mine is None or other is None:
            raise NotDefined(f"stage {stage} has the move of one player only; {REMEDY}")
        out.append((mine, other))
    return out


def next_move(
    instance: Any, d: Decision, seed: int, heads: Sequence[bool] | None = None
) -> tuple[int, Coin | None]:
    """Replay the history and move. 0 is C; heads: the script of the last move's coins."""
    axl = library()
    actions = (axl.Action.C, axl.Action.D)
    other = axl.MockPlayer()
    with quiet():
        instance.set_match_attributes(length=np.inf if d.rounds is None else d.rounds, game=game(axl, d))
        instance.set_seed(seed)
        for mine, its in rounds(d):
            instance.strategy(other)
            instance.update_history(actions[mine], actions[its])
            other.update_history(actions[its], actions[mine])
        if heads is None:
            return actions.index(instance.strategy(other)), None
        coin = instance._random = Coin(heads, axl)
        return actions.index(instance.strategy(other)), coin


def game(axl: Any, d: Decision) -> Any:
    """The decision's payoffs as the library writes them."""
    if d.payoffs.shape != (2, 2, 2):
        raise NotDefined(f"payoffs of shape {d.payoffs.shape} are not [seat, mine, other]; {REMEDY}")
    mine, other = d.payoffs
    if not np.allclose(other, mine.T):
        return axl.AsymmetricGame(mine, other)
    (r, s), (t, p) = mine.tolist()
    return axl.Game(r=r, s=s, t=t, p=p)


STATES = ((0, 0), (0, 1), (1, 0), (1, 1))
DEEPEST = 5
"""Declared depths are tested up to here; there is no chain of more rounds (game_forms.MOST_STATES)."""
TRIES = 2 * 4**DEEPEST
"""Number of longer pasts on which a declared depth above 1 is tested."""


@dataclass(frozen=True)
class Axelrod:
    """Any strategy of the axelrod library, by the name of its class, such as TitForTat.

    strategy     the class; axelrod.readthedocs.io lists them all
    parameters   its own parameters, ((name, value), ...)
    seed         of its draws, where a sample is all there is (walkers draw their own: `seeded`)

    A new player replays the recorded moves turn by turn and then moves: C is the first action, D the second.
    It knows the decision's payoffs and, where an end is announced, the number of rounds. Where the library
    states that the strategy never draws, or looks at most one round back, both sides of every coin are
    followed and the choice is exact. Otherwise the choice is one sampled move with this seed (n=1), because
    deeper strategies may remember their draws.
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
        """Rounds it looks back, as the library states; math.inf where its moves contradict that."""
        return _memory(self)

    def seeded(self, seed: int) -> Axelrod:
        """The same strategy with other draws."""
        return replace(self, seed=seed)

    def __call__(self, ds: Sequence[Decision]) -> list[Choice]:
        check_pair(ds)
        return [self._choice(d) for d in ds]

    def player(self) -> Any:
        """A new player of the library."""
        return player(self.strategy, dict(self.parameters))

    def _choice(self, d: Decision) -> Choice:
        player = self.player()
        try:
            if _depth(player) <= 1 or not classification(player, "stochastic"):
                try:
                    return first_action_with(self._probability(d))
                except NotACoinError:
                    pass
            return replace(first_or_second(next_move(player, d, self.seed)[0]), n=1)
        except HominesError:
            raise
        except Exception as error:  # the library's strategies fail in their own ways
            raise NotDefined(
                f"axelrod's {self.strategy} cannot play payoffs {d.payoffs.tolist()} "
                f"({type(error).__name__}: {error}); choose another strategy or game"
            ) from error

    def _probability(self, d: Decision) -> float:
        """Of C: the sum over all ways in which the coins of the next move can fall."""
        total, scripts = 0.0, [list[bool]()]
        for script in scripts:
            move, coin = next_move(self.player(), d, self.seed, script)
            assert coin is not None
            total += coin.weight * (move == 0)
            scripts += [[*coin.heads[:i], False] for i in range(len(script), len(coin.heads))]
        return min(total, 1.0)


@lru_cache(maxsize=256)
def _memory(policy: Axelrod) -> float:
    """The declared depth, tested: Markov chains rely on it, and some strategies (Cyclers) count rounds."""
    player = policy.player()
    depth = _depth(player)
    if depth <= 1:
        depths = (rounds for rounds in range(int(depth), 2) if _determined_by_last(policy, rounds))
        return next(depths, math.inf)
    # a sample depends on the seed and on the number of rounds
    if depth == math.inf or classification(player, "stochastic"):
        return math.inf
    return int(depth) if depth > DEEPEST or _unchanged_by_earlier(policy, int(depth)) else math.inf


def _determined_by_last(policy: Axelrod, rounds: int) -> bool:
    """Whether the last rounds (0 or 1) determine the choice, in every past of up to three rounds."""
    pasts = [past for n in range(4) for past in product(STATES, repeat=n)]
    choices = dict(zip(pasts, policy([_decision_after(past) for past in pasts]), strict=True))
    return all(_equal_choices(choices[past[max(len(past) - rounds, 0) :]], choices[past]) for past in pasts)


def _unchanged_by_earlier(policy: Axelrod, rounds: int) -> bool:
    """Whether random rounds before the last ones leave the choice unchanged, for all last rounds."""
    rng = np.random.default_rng(0)
    recent = list(product(STATES, repeat=rounds))
    choices = policy([_decision_after(past) for past in recent])
    return all(
        _equal_choices(choice, policy([_decision_after((*_random_past(rng), *past))])[0])
        for _ in range(TRIES // len(recent))
        for past, choice in zip(recent, choices, strict=True)
    )


def _random_past(rng: np.random.Generator) -> tuple[tuple[int, int], ...]:
    return tuple(STATES[int(rng.integers(4))] for _ in range(rng.integers(1, 13)))


def _equal_choices(a: Choice, b: Choice) -> bool:
    """The same choice, neither a sample."""
    return not (a.n or b.n) and math.isclose(a.p[0], b.p[0], abs_tol=1e-9)


def _depth(player: Any) -> float:
    return float(classification(player, "memory_depth"))


def _decision_after(past: tuple[tuple[int, int], ...]) -> Decision:
    """Axelrod's own payoffs, which every strategy can play."""
    mine = frozen([[3, 0], [5, 1]])
    return Decision(("C", "D"), frozen([mine, mine.T]), (("C", "D"),), rounds=None, history=past)


def _tuples(value: Any) -> Any:
    """The value with lists as tuples, which hash."""
    if isinstance(value, tuple | list):
        return tuple(_tuples(v) for v in cast("Sequence[Any]", value))
    return value
