"""What frames share: outcomes in order, past rounds in words, what is said about the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Any

import numpy as np

from homines.core.checks import count
from homines.core.format import join
from homines.core.types import Decision, HominesError, Order, Prompt

MOST_OUTCOMES = 128
MOST_LISTED = 24
"""Outcomes above which a decision is told by its rule, where it has one."""
LAYOUTS = ("original", "reversed", "columns", "rows")
COUNTED = ("Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten")


def outcomes(
    d: Decision, layout: str = "original"
) -> Iterator[tuple[int, tuple[int, ...] | None, tuple[float, ...]]]:
    """(my action, the others' actions or None where they do not matter, everyone's payoff), in order.

    layout turns the table: reversed (rows and columns), columns (the others' actions), rows (mine).
    """
    check_no_plan(d)
    total = int(np.prod(d.payoffs.shape[1:]))
    if total > MOST_OUTCOMES:
        raise HominesError(
            f"{total} outcomes are more than the {MOST_OUTCOMES} a prompt can list; "
            "use fewer players or actions"
        )
    mine, theirs = range(len(d.actions)), [range(len(names)) for names in d.theirs]
    turn_mine, turn_theirs = layout in ("reversed", "rows"), layout in ("reversed", "columns")
    for a in reversed(mine) if turn_mine else mine:
        paid = d.payoffs[:, a].reshape(d.payoffs.shape[0], -1)
        if not d.theirs or (d.reply and not np.ptp(paid, axis=1).any()):
            yield a, None, tuple(paid[:, 0])
            continue
        for others in product(*(reversed(t) if turn_theirs else t for t in theirs)):
            yield a, others, tuple(d.payoffs[(slice(None), a, *others)])


ASKS = ("choice", "aloud", "belief")
CUE = "Answer:"
"""What an answer follows that is given after thinking aloud."""


def rule_sentences(d: Decision, who: tuple[str, ...], words: Names, order: Sequence[int]) -> str:
    """The rule of a decision with too many outcomes to list, or a situation with what each action does, in
    this order; empty where outcomes are listed."""
    check_no_plan(d)
    told = d.rule.replace("{other}", who[0] if who else "the other")
    if d.does:
        return "\n".join([told, *(f"{words.mine[a]}: {d.does[a]}" for a in order)])
    many = int(np.prod(d.payoffs.shape[1:])) > MOST_LISTED
    return told if d.rule and (many or _bystanders(d)) else ""


def _bystanders(d: Decision) -> bool:
    """Seats that are paid where others choose, and of whom the rule does not speak."""
    return bool(d.theirs) and len(d.payoffs) > 1 + len(d.theirs)


def settle(frame: Any) -> None:
    """Check what a frame was made with, and write its labels as a tuple."""
    object.__setattr__(frame, "labels", split_labels(frame.labels))
    count("memory", frame.memory)
    if hasattr(frame, "layout"):
        check_layout(frame.layout)
    if getattr(frame, "asks", "choice") not in ASKS:
        raise HominesError(f"a frame asks for no {frame.asks!r}; there are {', '.join(ASKS)}")


def asking(asks: str, told: str, last: str, words: Names, order: Order) -> Prompt:
    """The prompt that tells a decision and asks for a choice, for one after thinking aloud, or for what
    another player will do.

    last   how the frame asks for a choice
    """
    if asks == "belief":
        text = (
            f"Another player, not you, is asked the following.\n\n{told}\n\nPredict that player's answer. "
            f"Answer with exactly {either(words.mine, order[-1])}."
        )
        return Prompt((("user", text),), words.mine)
    if asks == "aloud":
        ends = [f'"{CUE} {words.mine[a]}"' for a in order[-1]]
        last = f"Think first, then end with {either(ends, range(len(ends)))}."
        return Prompt((("user", f"{told}\n{last}"),), words.mine, cue=CUE)
    return Prompt((("user", told + last),), words.mine)


def check_no_plan(d: Decision) -> None:
    if d.chance is not None:
        raise HominesError(
            "a plan behind the veil of ignorance has no words; ask the game's points of decision "
            "one by one (game.due) and multiply with plan_probability"
        )


def check_layout(layout: str) -> None:
    if layout not in LAYOUTS:
        raise HominesError(f"no layout {layout!r}; there are {', '.join(LAYOUTS)}")


def seat_names(d: Decision, names: tuple[str, ...], words: Names) -> tuple[str, ...]:
    """A name for every seat but mine: those who choose, and those who are only paid; no word for an
    action is one. Where words tell who gets what (`rule`, `does`), only for those whom they speak of: not for
    bystanders of a game that others play, nor for the seats of a situation."""
    count = d.payoffs.shape[0] - 1
    if d.does or (d.rule and d.theirs):
        count = len(d.theirs)
    taken = {*words.mine, *(label for labels in words.theirs for label in labels)}
    taken |= {label for labels in d.names for label in labels}
    free = tuple(name for name in names if name not in taken)
    if count > len(free):
        raise HominesError(f"{count} other players are more than this frame has names for, {len(free)}")
    return free[:count]


def belief_sentence(d: Decision, words: Names, who: tuple[str, ...], verb: str) -> str:
    """What the decision states about how the others choose, in percent; empty where it says nothing."""
    if d.others is None:
        return ""

    def spread(person: str, labels: tuple[str, ...], belief: np.ndarray) -> str:
        odds = [f"{label} in {number(round(100 * p, 4))}%" for label, p in zip(labels, belief, strict=True)]
        return f"{person} {verb} {join(odds)} of cases"

    parts: list[str] = []
    for person, labels, belief in zip(who, words.theirs, d.others, strict=False):
        if belief.ndim == 1:
            parts.append(spread(person, labels, belief) + ".")
        else:
            parts += [
                f"After {mine}, {spread(person, labels, row)}."
                for mine, row in zip(words.mine, belief, strict=True)
            ]
    return " ".join(parts)


def moved_before(d: Decision, words: Names) -> str | None:
    """The word for what the other did, where the other alone moved just before me (a second mover)."""
    if not d.history:
        return None
    movers = [(k, a) for k, a in enumerate(d.history[-1]) if a is not None]
    if len(movers) != 1 or movers[0][0] == d.player:
        return None
    name = d.named(*movers[0])
    return words.mine[d.actions.index(name)] if name in d.actions else name


def other_moves(d: Decision, words: Names) -> list[tuple[str, list[tuple[str | None, tuple[float, ...]]]]]:
    """What the other could have done before: its word, then (my word then, everyone's payoff); my word is
    None where the game would have ended."""
    told: list[tuple[str, list[tuple[str | None, tuple[float, ...]]]]] = []
    for name, paid in d.forgone:
        word = words.mine[d.actions.index(name)] if name in d.actions else name
        mine = words.mine if paid.shape[1] > 1 else (None,)
        told.append((word, [(own, tuple(row)) for own, row in zip(mine, paid.T, strict=True)]))
    return told


@dataclass(frozen=True)
class Round:
    """One past round in words.

    ago      how many rounds ago; 1 is the last
    mine     my word then
    theirs   the others' words
    paid     everyone's points, mine first
    """

    ago: int
    mine: str
    theirs: tuple[str, ...]
    paid: tuple[float, ...]


def rounds_before(d: Decision, words: Names, memory: int) -> list[Round]:
    """The last `memory` rounds, oldest first; what did not happen, or not at once, is left out."""
    told: list[Round] = []
    for ago in range(min(memory, len(d.history)), 0, -1):
        stage = [a for a in d.history[-ago] if a is not None]
        if not d.theirs or len(stage) < len(d.history[-ago]) or len(stage) != 1 + len(d.theirs):
            continue
        mine = stage[d.player]
        theirs = tuple(a for k, a in enumerate(stage) if k != d.player)
        told.append(
            Round(
                ago,
                words.mine[mine],
                tuple(labels[a] for labels, a in zip(words.theirs, theirs, strict=True)),
                tuple(d.payoffs[(slice(None), mine, *theirs)]),
            )
        )
    return told


def counting_word(n: int) -> str:
    """A number that begins a sentence: 'Two', 'Three', ..., from eleven on in digits."""
    return COUNTED[n - 2] if 2 <= n < 2 + len(COUNTED) else str(n)


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
