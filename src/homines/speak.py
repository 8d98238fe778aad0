"""From a decision to words and back: every option order is asked, and the answers are averaged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, permutations, product

from homines.core.types import Choice, Decision, Frame, HominesError, Model, Order
from homines.theory.choice import mixed

MOST_PERMUTED = 3


def orders(actions: int, places: int) -> tuple[Order, ...]:
    """A balanced set of option orders, for a frame that lists the options at `places` places.

    Up to three actions: every permutation at the first place; up to eight: the Latin square of
    rotations, forward and backward (each action stands at each position equally often); more (menus
    of numbers, whose order has a meaning): forward and backward. Two actions: every combination over
    the places. More: the later places show the first place's order, so that the set stays small.

    >>> orders(2, 1)
    (((0, 1),), ((1, 0),))
    >>> len(orders(2, 2)), len(orders(3, 1)), len(orders(8, 1)), len(orders(101, 1))
    (4, 6, 16, 2)
    """
    forward = tuple(range(actions))
    if actions <= MOST_PERMUTED:
        shown = tuple(permutations(forward))
    else:
        shown = (forward, forward[::-1])
        if actions <= 8:
            shown = tuple(row[i:] + row[:i] for row in shown for i in range(actions))
    if actions == 2:
        return tuple(product(shown, repeat=places))
    return tuple((row,) * places for row in shown)


def few_orders(actions: int, places: int, most: int, turn: int) -> tuple[Order, ...]:
    """At most this many of the balanced orders, taken in turn: for questions too many to ask in all.

    1: one order, another at each turn, so that as many turns as there are orders show every order once
    (a Latin square). 2: an order and its reverse, so that each action stands first once at each place.

    >>> few_orders(2, 2, 2, turn=0)
    (((0, 1), (0, 1)), ((1, 0), (1, 0)))
    """
    shown = orders(actions, places)
    if most >= len(shown):
        return shown
    if most == 1:
        return (shown[turn % len(shown)],)
    if most == 2:
        one = shown[turn % len(shown)]
        return tuple(sorted((one, tuple(row[::-1] for row in one))))
    raise HominesError(f"{most} orders of {len(shown)} cannot be balanced; ask 1, 2 or all")


@dataclass(frozen=True)
class Speaker:
    """A model and a frame are a policy; every order is asked and the answers averaged."""

    model: Model
    frame: Frame

    @property
    def memory(self) -> int:
        """How many past rounds the frame tells: the model knows no more."""
        return int(getattr(self.frame, "memory", 1))

    def __call__(self, ds: Sequence[Decision]) -> list[Choice]:
        asks = [(i, o) for i, d in enumerate(ds) for o in orders(len(d.actions), self.frame.places)]
        heard = self.model.score([self.frame(ds[i], o) for i, o in asks])
        answers: list[list[Choice]] = [[] for _ in ds]
        for (i, _), choice in zip(asks, heard, strict=True):
            answers[i].append(choice)
        return [mixed(some) for some in answers]


@dataclass(frozen=True)
class Names:
    """Words for actions: labels in place of action names, the same for me and for others who have
    the same actions."""

    mine: tuple[str, ...]
    theirs: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, d: Decision, labels: Sequence[str]) -> Names:
        """`labels` in the order of the actions; empty: the decision's own action names."""
        if not labels:
            return cls(d.actions, d.theirs)
        if len(labels) != len(d.actions):
            raise HominesError(
                f"{len(labels)} labels {tuple(labels)} for {len(d.actions)} actions {d.actions}; "
                "give as many labels as actions, or none to use the actions' own names"
            )
        mine = tuple(labels)
        kept = [name for names in d.theirs if names != d.actions for name in names]
        if both := [label for label in mine if label in kept]:
            raise HominesError(f"labels {mine} give {both[0]!r} a second meaning: another's action has it")
        return cls(mine, tuple(mine if t == d.actions else t for t in d.theirs))


def split_labels(labels: str | Sequence[str]) -> tuple[str, ...]:
    """'action1,action2' or a sequence, as a tuple; raises HominesError where two are equal or one is
    empty."""
    parts = tuple(str(x).strip() for x in (labels.split(",") if isinstance(labels, str) else labels))
    if parts == ("",):
        return ()
    if not all(parts):
        raise HominesError(f"labels {parts} hold an empty one; write them as first,second")
    if any("\ud800" <= c <= "\udfff" for part in parts for c in part):
        raise HominesError(f"labels {parts!a} hold bytes that are no text; write them in UTF-8")
    if len(set(parts)) < len(parts):
        raise HominesError(f"labels {parts} repeat one; every action needs its own word")
    return parts


MOST_NAMED = 12
"""Options that are all named; more, where they are evenly spaced numbers, as their range."""


def either(labels: Sequence[str], order: Sequence[int]) -> str:
    """'X or Y', 'X, Y or Z', 'a number from 0 to 100': the options in the order shown.

    >>> either([str(x) for x in range(0, 101, 5)], range(20, -1, -1))
    'a number from 100 to 0 in steps of 5'
    """
    shown = [labels[a] for a in order]
    if len(shown) > MOST_NAMED and (step := _step(shown)):
        even = "" if step == 1 else f" in steps of {number(step)}"
        return f"a number from {shown[0]} to {shown[-1]}{even}"
    return shown[0] if len(shown) == 1 else ", ".join(shown[:-1]) + " or " + shown[-1]


def _step(labels: Sequence[str]) -> float | None:
    """The distance of evenly spaced numbers; None where these are none."""
    try:
        gaps = {round(abs(float(b) - float(a)), 9) for a, b in pairwise(labels)}
    except ValueError:
        return None
    return gaps.pop() if len(gaps) == 1 else None


def number(x: float) -> str:
    """A payoff as a person writes it: 3, 2.5, -1."""
    return f"{x:.10g}"
