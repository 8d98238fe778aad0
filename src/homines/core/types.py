"""The nouns: a decision, a choice, a prompt, a record; and the protocols that join them.

Pure data. Imports numpy and the standard library, nothing else.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, Literal, Protocol, TypeAlias, cast, get_args, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.integer[Any]]

History: TypeAlias = tuple[tuple[int | None, ...], ...]
"""One tuple per past stage, indexed by player: the action taken, None where a player did not move."""

Order: TypeAlias = tuple[tuple[int, ...], ...]
"""order[j] is the permutation in which the actions are shown at the j-th place that lists them."""

Asks: TypeAlias = Literal["choice", "aloud", "belief"]
"""What a question asks for: a choice, a choice after reasons (aloud), or what another player will choose."""
ASKS: tuple[Asks, ...] = get_args(Asks)

LEGAL_MASS = 0.5
"""Below this much probability on legal answers, a rate describes answers the model rarely gives."""

MOST_CHOSEN = 1e9
"""Samples behind one choice, at most."""
MOST_PAID = 1e150
"""Payoffs are squared and multiplied, and a float ends at 1e308."""


class HominesError(ValueError):
    """A mistake of the caller; the message states value, rule and remedy. The command line prints it bare."""


class NotDefined(HominesError):  # noqa: N818 (a property of the decision)
    """A preference has no value or a strategy no move at a decision: a rule about C and D in another game."""


class NeedsVeil(NotDefined):
    """A preference that universalises meets a decision without `same`; `theory.game_forms.veil` gives one."""


class Interrupted(Exception):  # noqa: N818 (nothing went wrong)
    """Stopped on request after the work in hand; what was done is recorded."""


def frozen(values: ArrayLike) -> Array:
    """A read-only float copy: no caller can change a game that others hold."""
    array = np.array(values, dtype=np.float64) + 0.0  # -0.0 and 0.0 are one payoff, with one key
    array.setflags(write=False)
    return array


def digest(value: Any) -> str:
    """SHA-256 (first 16 hex digits) of a JSON value: the identity of everything stored."""
    return _hash(_text(value))


def _text(value: Any) -> str:
    """A JSON value as the one text that equal values share."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


@dataclass(frozen=True, eq=False)
class Decision:
    """What one player faces now. I am seat 0.

    actions    names of my actions, shape [mine]
    payoffs    payoffs[k, a, b, ..., w]: what seat k gets when I play a, the others b, ... and chance
               draws w; shape [seat, mine, other1, ..., chance]; the last axis only where `chance` is set
    theirs     names of each other player's actions, one tuple per axis other1, ...
    same       same[a] (same[a, w] with chance): what I get if everyone in my place plays a. Set by
               symmetric games, and by games whose rule says what place I would then have; None elsewhere
    others     others[j]: what I am told about how player j chooses, a distribution [other] or, where
               they reply to my action, [mine, other]; None where nothing is said
    chance     distribution of the last axis of `payoffs`, or None
    reply      the others act after seeing my action
    rounds     how many rounds the game has; None when no end is announced
    history    what happened before, all of it known to me; `player` is my index in it
    names      every player's action names, by player, where they differ from mine; for reading history
    kindness   what the other did just before was to me: 1 kind, -1 unkind, 0 neither, or nothing was done.
               Set by sequential games and by data that say so
    rule       who gets what in words, for decisions with more outcomes than can be listed; {other} stands for
               the (first) other player
    does       what each of my actions does, in words, where `rule` tells a situation and not a table
    forgone    what the other could have done instead just before: (its name, payoffs [seat, my reply], or
               [seat, 1] where that would have ended the game)
    crowd      how many others are one axis, told apart by nothing: how many of them take my first action (all
               first, none last). Seats: mine, of those who do, of the rest; in `history` I am player 0, they
               are player 1. 0: each other has an axis of its own
    """

    actions: tuple[str, ...]
    payoffs: Array
    theirs: tuple[tuple[str, ...], ...] = ()
    same: Array | None = None
    others: tuple[Array, ...] | None = None
    chance: Array | None = None
    reply: bool = False
    rounds: int | None = 1
    history: History = ()
    player: int = 0
    names: tuple[tuple[str, ...], ...] = ()
    kindness: int = 0
    forgone: tuple[tuple[str, Array], ...] = ()
    rule: str = ""
    does: tuple[str, ...] = ()
    crowd: int = 0

    def __post_init__(self) -> None:
        if self.kindness not in (-1, 0, 1):
            raise HominesError(f"kindness {self.kindness} must be 1 (kind), -1 (unkind) or 0 (neither)")
        for name in ("payoffs", "same", "chance"):
            if (values := getattr(self, name)) is not None:
                object.__setattr__(self, name, frozen(values))
        object.__setattr__(self, "forgone", tuple((name, frozen(paid)) for name, paid in self.forgone))
        if self.others is not None:
            object.__setattr__(self, "others", tuple(map(frozen, self.others)))
        if len(set(self.actions)) < len(self.actions) or not self.actions:
            raise HominesError(f"actions {self.actions} must be at least one, each with its own name")
        if self.does and (len(self.does) != len(self.actions) or not self.rule):
            raise HominesError(
                f"does {self.does} must tell each of the actions {self.actions}, beside a rule that tells "
                "the situation"
            )
        want = (len(self.actions), *map(len, self.theirs))
        want += () if self.chance is None else (len(self.chance),)
        if self.payoffs.shape[1:] != want:
            raise HominesError(
                f"payoffs of shape {self.payoffs.shape} do not fit actions {self.actions} and the "
                f"others' {self.theirs}: axis 0 is the seat, the rest must be {want}"
            )
        if self.crowd and (want != (2, self.crowd + 1) or len(self.payoffs) != self.crowd + 1):
            raise HominesError(f"payoffs {self.payoffs.shape} must be [n, 2, n], n - 1 = {self.crowd}")
        paid = [("payoffs", self.payoffs), *self.forgone]
        for name, values in paid if self.same is None else [*paid, ("same", self.same)]:
            if not (np.abs(values) <= MOST_PAID).all():
                raise _unpayable(name, values)
        if self.same is not None and self.same.shape != want[:1] + want[1 + len(self.theirs) :]:
            raise HominesError(
                f"same of shape {self.same.shape} must have one entry for each of the {want[0]} actions "
                "(and each draw of chance)"
            )
        if self.others is not None and [b.shape[-1] for b in self.others] != list(map(len, self.theirs)):
            raise HominesError(
                f"others states distributions over {[b.shape[-1] for b in self.others]} actions, but the "
                f"others have {list(map(len, self.theirs))}"
            )
        for name, paid in self.forgone:
            if paid.shape not in ((len(self.payoffs), len(self.actions)), (len(self.payoffs), 1)):
                raise HominesError(
                    f"forgone {name!r} pays {paid.tolist()}; it must be [seat, my action], or [seat, 1]"
                )
        for name, belief in (("chance", self.chance), *(("others", b) for b in self.others or ())):
            if belief is not None and (
                not np.isfinite(belief).all() or (belief < 0).any() or not np.allclose(belief.sum(-1), 1)
            ):
                raise HominesError(
                    f"{name} {belief.tolist()} is no distribution: entries must be at least 0 and sum to 1"
                )

    def action_name(self, player: int, action: int) -> str:
        """The name of a player's action in `history`."""
        if self.names:
            return self.names[player][action]
        if player == self.player or not self.theirs:
            return self.actions[action]
        return self.theirs[player - (player > self.player)][action]

    @cached_property
    def key(self) -> str:
        """Content hash: two decisions with the same key are the same decision."""
        return _hash(self.text)

    @cached_property
    def text(self) -> str:
        """The JSON text behind `key`."""
        return _text(self.to_json())

    def to_json(self) -> dict[str, Any]:
        """A JSON value that `Decision.from_json` reads back; defaults are left out, but for two fields."""
        return {
            f.name: value
            for f in fields(self)
            if (value := _plain(getattr(self, f.name))) != _plain(f.default) or f.name in ("theirs", "rounds")
        }

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Decision:
        """The inverse of `to_json`."""
        return cls(
            tuple(raw["actions"]),
            frozen(raw["payoffs"]),
            tuple(tuple(t) for t in raw.get("theirs", ())),
            frozen(raw["same"]) if raw.get("same") is not None else None,
            tuple(frozen(b) for b in raw["others"]) if raw.get("others") is not None else None,
            frozen(raw["chance"]) if raw.get("chance") is not None else None,
            bool(raw.get("reply", False)),
            raw.get("rounds", 1),
            tuple(tuple(stage) for stage in raw.get("history") or ()),
            int(raw.get("player") or 0),
            tuple(tuple(t) for t in raw.get("names") or ()),
            int(raw.get("kindness") or 0),
            tuple((name, frozen(paid)) for name, paid in raw.get("forgone") or ()),
            str(raw.get("rule") or ""),
            tuple(raw.get("does") or ()),
            int(raw.get("crowd") or 0),
        )


def _plain(value: Any) -> Any:
    """The value with arrays and tuples as lists."""
    if isinstance(value, np.ndarray):
        return cast("Array", value).tolist()
    return [_plain(v) for v in cast("Sequence[Any]", value)] if isinstance(value, tuple | list) else value


def _unpayable(name: str, values: Array) -> HominesError:
    if not np.isfinite(values).all():
        return HominesError(
            f"{name} {str(values.tolist())[:200]} hold a value that is not finite; every payoff must be "
            "a number"
        )
    most = float(np.abs(values).max())
    return HominesError(
        f"{name} hold {most:g}; every payoff must be at most {MOST_PAID:g} in absolute value: give them in "
        "larger units"
    )


@dataclass(frozen=True, eq=False)
class Choice:
    """A distribution over a decision's actions: the one currency of the package.

    With mass 0 nothing legal can follow: what is chosen given a legal answer is not defined. `logp` is then
    uniform, so that it stays a distribution, and must not be read as a preference (`metrics.answered_records`
    leaves these choices out).

    logp   natural-log probabilities given that the answer is legal, shape [mine], exp(logp) sums to 1
    mass   probability of any legal answer, in [0, 1]
    n      None where exact, otherwise the number of samples behind it, illegal ones among them
    """

    logp: Array
    mass: float = 1.0
    n: int | None = None

    @property
    def p(self) -> Array:
        """Probabilities given a legal answer, shape [mine]."""
        return np.exp(self.logp)

    @property
    def legal(self) -> float | None:
        """The number of legal answers behind it, n * mass; None where exact."""
        return None if self.n is None else self.n * self.mass

    def fits(self, d: Decision) -> bool:
        """Whether it is a distribution over the actions of this decision, with a mass in [0, 1]; a file may
        hold anything."""
        mass, n = cast("Any", self.mass), cast("Any", self.n)
        number = isinstance(mass, int | float) and not isinstance(mass, bool)
        counted = n is None or (isinstance(n, int) and not isinstance(n, bool) and 1 <= n <= MOST_CHOSEN)
        possible = self.logp.shape == (len(d.actions),) and float(self.logp.max()) < 1e-6
        whole = possible and abs(float(self.p.sum()) - 1) < 1e-6
        return number and counted and whole and -1e-9 <= mass <= 1 + 1e-6

    @classmethod
    def of(cls, logits: ArrayLike, mass: float = 1.0, n: int | None = None) -> Choice:
        """Normalise logits (-inf is probability 0). Where all are -inf the mass is 0.

        >>> Choice.of([0.0, 0.0]).p.round(3).tolist()
        [0.5, 0.5]
        """
        z = np.asarray(logits, dtype=np.float64)
        top = float(z.max())
        if top == -np.inf:
            return cls(frozen(np.full(z.shape, -np.log(z.size))), 0.0, n)
        if not np.isfinite(top):
            raise HominesError(f"logits {z.tolist()} have no finite maximum; all must be numbers below inf")
        return cls(frozen(z - top - np.log(np.exp(z - top).sum())), mass, n)

    @classmethod
    def at(cls, p: ArrayLike, mass: float = 1.0, n: int | None = None) -> Choice:
        """From probabilities that need not sum to one."""
        with np.errstate(divide="ignore"):
            return cls.of(np.log(np.asarray(p, dtype=np.float64)), mass, n)


@dataclass(frozen=True)
class Prompt:
    """Words for one decision: chat turns, and the legal answers in the order of the actions."""

    messages: tuple[tuple[str, str], ...]
    """(role, text), role one of system, user, assistant."""
    labels: tuple[str, ...]
    cue: str = ""
    """Words of the model's own after which its answer comes; empty: it comes at once."""
    begins: str = ""
    """Words with which the model's turn begins, written for it; its answer comes after them and a space."""

    def __post_init__(self) -> None:
        if not all(label.strip() for label in self.labels):
            raise HominesError(f"labels {self.labels} hold an empty one; give every action a word")
        if len(set(self.labels)) < len(self.labels):
            raise HominesError(f"labels {self.labels} repeat one; every action needs its own word")

    @property
    def text(self) -> str:
        return "\n\n".join(text for _, text in self.messages)

    @cached_property
    def key(self) -> str:
        cue: list[Any] = [self.cue] if self.cue else []
        begun = [{"begins": self.begins}] if self.begins else []
        return digest([list(map(list, self.messages)), list(self.labels), *cue, *begun])


@dataclass(frozen=True, eq=False)
class Record:
    """One question put to one model, and its answer or the error that came instead."""

    decision: Decision
    frame: str
    """Spec of the frame, as the command line spells it."""
    order: Order
    labels: tuple[str, ...]
    model: str
    game: str = ""
    choice: Choice | None = None
    error: str | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict[str, Any])
    asks: Asks = "choice"

    @cached_property
    def key(self) -> str:
        """Identity of the question (not of the answer): model, its revision, game, decision, words.

        `questions` puts the revision, and a hash of the words, into `provenance`.
        """
        before = [self.model, self.provenance.get("revision"), self.game]
        after = [self.frame, self.order, self.provenance.get("prompt")]
        return _hash(f"{_text(before)[:-1]},{self.decision.text},{_text(after)[1:]}")


class Game(Protocol):
    """A pure function from a history to the decisions now due; an empty mapping means it is over."""

    def due(self, history: History) -> Mapping[int, Decision]: ...

    def payoffs(self, history: History) -> Array:
        """Total payoff of every player at the end, shape [player]."""
        ...


class Preference(Protocol):
    """Utility of every joint outcome, my action first: shape `decision.payoffs.shape[1:]`."""

    def __call__(self, d: Decision, /) -> Array: ...


class Policy(Protocol):
    """Anything that chooses: a theory, a classic strategy, a language model. Batched."""

    def __call__(self, ds: Sequence[Decision], /) -> list[Choice]: ...


class Frame(Protocol):
    """Words for a decision; `places` is how many times it lists the options."""

    @property
    def places(self) -> int: ...
    def __call__(self, d: Decision, order: Order, /) -> Prompt: ...


@runtime_checkable
class Model(Protocol):
    """A network behind a door: the distribution over each prompt's labels."""

    @property
    def name(self) -> str: ...

    @property
    def provenance(self) -> Mapping[str, Any]: ...

    def score(self, prompts: Sequence[Prompt], /) -> list[Choice]: ...
