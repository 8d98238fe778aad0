"""Words for players, payoffs, past rounds and options, from which frames build prompts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise, product
from typing import Any

import numpy as np

from homines.core.capabilities import LaidOut, StatesGoal, asks_of, begins_of, unit_of
from homines.core.checks import count
from homines.core.format import join
from homines.core.types import Array, Asks, Decision, HominesError, Order, Prompt
from homines.elicitation.amounts import SIGNS, amount, check_unit, in_unit, number
from homines.elicitation.count_words import crowd_rule
from homines.elicitation.rounds import Round, past_rounds
from homines.elicitation.stated_rules import states_rule, tells_situation

MOST_OUTCOMES = 128
LAYOUTS = ("original", "reversed", "columns", "rows")
LETTERS = ("B", "C", "D", "E", "F", "G", "H")
"""Names of the other players; I am A."""
CUE = "Answer:"
"""The words between reasons and the answer."""
GOALS = {"highest score": "You want the highest score in points."}
"""Sentences of goals by name. Any other goal is a sentence of its own."""


def settle(frame: Any) -> None:
    """Check the settings of a frame; write its labels as a tuple, and its goal as a sentence."""
    object.__setattr__(frame, "labels", split_labels(frame.labels))
    count("memory", frame.memory)
    if isinstance(frame, LaidOut):
        check_layout(frame.layout)
    if isinstance(frame, StatesGoal):
        object.__setattr__(frame, "goal", GOALS.get(frame.goal, frame.goal))
    _check_begins(begins_of(frame), asks_of(frame))
    check_unit(unit_of(frame))


def _check_begins(begins: str, asks: Asks) -> None:
    """Raise HominesError where an answer cannot begin with these words."""
    if begins != begins.strip():
        raise HominesError(
            f"begins {begins!r} starts or ends with a space; leave it out: a space comes before the label by "
            "itself"
        )
    if begins and asks == "aloud":
        raise HominesError(
            f"begins is {begins!r}, and the frame asks to think aloud, where the model writes {CUE!r} "
            "itself; leave out one of the two"
        )


def check_layout(layout: str) -> None:
    """Raise HominesError for an unknown layout."""
    if layout not in LAYOUTS:
        raise HominesError(f"no layout {layout!r}; there are {', '.join(LAYOUTS)}")


def check_no_plan(d: Decision) -> None:
    """Raise HominesError for a decision with a move of chance: no frame has words for it."""
    if d.chance is not None:
        raise HominesError(
            "a plan behind the veil of ignorance has no words; ask the game's points of decision "
            "one by one (game.due) and multiply with plan_probability"
        )


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
        if d.crowd:
            return cls(mine, d.theirs)
        reserved = [name for names in d.theirs if names != d.actions for name in names]
        if both := [label for label in mine if label in reserved]:
            raise HominesError(f"labels {mine} give {both[0]!r} a second meaning: another's action has it")
        return cls(mine, tuple(mine if t == d.actions else t for t in d.theirs))


@dataclass(frozen=True)
class Outcome:
    """One outcome of a decision in words.

    words     what everybody does, mine first; mine alone where the others' actions do not matter
    payoffs   what everybody gets, mine first
    """

    words: tuple[str, ...]
    payoffs: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Scene:
    """One decision in the words of a frame.

    words    labels of all actions
    people   names of everybody but me in the text: those who choose come first
    order    the order of the options, for each place that lists them
    unit     what payoffs are told in, '$' or a word; empty: the frame's own words
    layout   how the payoffs of a crowd are turned (`outcomes` is told its own)
    """

    decision: Decision
    words: Names
    people: tuple[str, ...]
    order: Order
    unit: str = ""
    layout: str = LAYOUTS[0]

    @classmethod
    def of(
        cls,
        d: Decision,
        labels: Sequence[str],
        order: Order,
        people: tuple[str, ...] = LETTERS,
        unit: str = "",
        layout: str = LAYOUTS[0],
    ) -> Scene:
        """A decision with these labels. people: names to draw from.

        Raises HominesError where labels do not fit the actions, and where there are too few names.
        """
        words = Names.of(d, labels)
        return cls(d, words, _seat_names(d, people, words), order, unit, layout)

    @property
    def options(self) -> str:
        """The options in the order of the first place."""
        return either(self.words.mine, self.order[0])

    @property
    def last_options(self) -> str:
        """The options in the order of the last place."""
        return either(self.words.mine, self.order[-1])

    @property
    def company(self) -> str:
        """The names of all others."""
        return join(list(self.people))

    @property
    def choosers(self) -> tuple[str, ...]:
        """The names of the others who choose."""
        return self.people[: len(self.decision.theirs)]

    @cached_property
    def rule(self) -> str:
        """The rule of a decision with too many outcomes to list, or the situation and each action's effect in
        the order of the options; empty where outcomes are listed."""
        d = self.decision
        check_no_plan(d)
        if d.crowd and not d.rule:
            amounts = [self.amounts(row) for row in d.payoffs[0]]
            return in_unit(crowd_rule(d, self.words.mine, self.layout, amounts), self.unit)
        rule = in_unit(d.rule, self.unit).replace("{other}", self.people[0] if self.people else "the other")
        if d.does:
            return "\n".join([rule, *(f"{self.words.mine[a]}: {d.does[a]}" for a in self.order[0])])
        return rule if states_rule(d) else ""

    def outcomes(self, layout: str = "original") -> Iterator[Outcome]:
        """Every outcome in the order of a layout; none where a rule states them.

        layout   turns the table: reversed (rows and columns), columns (the others' actions), rows (mine)
        """
        d = self.decision
        if self.rule:
            return
        total = int(np.prod(d.payoffs.shape[1:]))
        if total > MOST_OUTCOMES:
            raise HominesError(
                f"{total} outcomes are more than the {MOST_OUTCOMES} a prompt can list; "
                "use fewer players or actions"
            )
        mine, theirs = range(len(d.actions)), [range(len(names)) for names in d.theirs]
        turn_mine, turn_theirs = layout in ("reversed", "rows"), layout in ("reversed", "columns")
        for a in reversed(mine) if turn_mine else mine:
            payoffs = d.payoffs[:, a].reshape(d.payoffs.shape[0], -1)
            if not d.theirs or (d.reply and not np.ptp(payoffs, axis=1).any()):
                yield Outcome((self.words.mine[a],), tuple(payoffs[:, 0]))
                continue
            for others in product(*(reversed(t) if turn_theirs else t for t in theirs)):
                yield Outcome(self._acts(a, others), tuple(d.payoffs[(slice(None), a, *others)]))

    def rounds(self, memory: int) -> list[Round]:
        """The last `memory` rounds, oldest first, without rounds in which not all moved at the same time and
        stages of other actions, which the rule tells."""
        return past_rounds(self.decision, self.words.mine, self.words.theirs, self.people, memory)

    def _acts(self, mine: int, theirs: Sequence[int]) -> tuple[str, ...]:
        """The words of a joint action, mine first."""
        return (
            self.words.mine[mine],
            *(labels[a] for labels, a in zip(self.words.theirs, theirs, strict=True)),
        )

    def clauses(
        self, mine: str, other: str, values: Sequence[str], people: Sequence[str] | None = None
    ) -> list[str]:
        """A clause for me and one for every other person with a value.

        mine     a template for my value, such as 'you choose {}'
        other    a template for a name and that person's value, such as '{} chooses {}'
        people   the names; None: the scene's
        """
        pairs = zip(self.people if people is None else people, values[1:], strict=False)
        return [mine.format(values[0]), *(other.format(person, value) for person, value in pairs)]

    def gains(
        self, mine: str, other: str, payoffs: Sequence[float], people: Sequence[str] | None = None
    ) -> str:
        """`clauses` of payoffs, joined, in the scene's unit; a word for it stands in `mine` alone."""
        mine = mine.replace("{} points", "{}") if self.unit in SIGNS else mine
        return in_unit(join(self.clauses(mine, other, self.amounts(payoffs), people)), self.unit)

    def amounts(self, payoffs: Sequence[float]) -> list[str]:
        """Payoffs beside the word for their unit: '7', and '$7' where the unit is a sign."""
        return [amount(x, self.unit if self.unit in SIGNS else "") for x in payoffs]

    def beliefs(self, verb: str) -> str:
        """What the decision states about how the others choose, in percent; empty where it states nothing."""
        if self.decision.crowd and self.decision.others is not None:
            (belief,) = self.decision.others
            return f"How many of the others take {self.words.mine[0]}: {_odds(self.words.theirs[0], belief)}."
        parts: list[str] = []
        for person, labels, belief in zip(
            self.people, self.words.theirs, self.decision.others or (), strict=False
        ):
            if belief.ndim == 1:
                parts.append(f"{person} {verb} {_odds(labels, belief)}.")
            else:
                parts += [
                    f"After {mine}, {person} {verb} {_odds(labels, row)}."
                    for mine, row in zip(self.words.mine, belief, strict=True)
                ]
        return " ".join(parts)

    @property
    def first_move(self) -> str | None:
        """The word for the other's action, where the other alone moved just before me (a second mover)."""
        d = self.decision
        if not d.history:
            return None
        movers = [(k, a) for k, a in enumerate(d.history[-1]) if a is not None]
        if len(movers) != 1 or movers[0][0] == d.player:
            return None
        return self._word(d.action_name(*movers[0]))

    def _word(self, name: str) -> str:
        """The label of an action of mine; the name itself of another."""
        actions = self.decision.actions
        return self.words.mine[actions.index(name)] if name in actions else name

    def forgone(self) -> list[tuple[str, list[tuple[str | None, tuple[float, ...]]]]]:
        """The other's forgone actions: the word for each, then pairs of my word and everybody's payoffs. My
        word is None where the game would have ended."""
        moves: list[tuple[str, list[tuple[str | None, tuple[float, ...]]]]] = []
        for name, payoffs in self.decision.forgone:
            mine = self.words.mine if payoffs.shape[1] > 1 else (None,)
            replies = [(own, tuple(row)) for own, row in zip(mine, payoffs.T, strict=True)]
            moves.append((self._word(name), replies))
        return moves

    def alternatives(self, verb: str, reply: str, gain: str) -> list[str]:
        """A sentence for each reply of mine to the other's forgone actions.

        verb    the other's action, such as 'chosen'
        reply   a template for my reply, such as ' and you {}'
        gain    a template for my payoff, such as 'you would have earned {}'
        """
        return [
            f"Had {self.people[0]} {verb} {move}{reply.format(mine) if mine else ''}, "
            f"{self.gains(gain, '{} {}', payoffs)}."
            for move, replies in self.forgone()
            for mine, payoffs in replies
        ]

    def prompt(self, asks: str, text: str, request: str, begins: str = "") -> Prompt:
        """The prompt with the decision's text, and a request: for a choice, a choice after reasons, or a
        belief about another player.

        request   how the frame asks for a choice
        begins    words with which the answer begins
        """
        labels = self.words.mine
        if asks == "belief":
            text = (
                f"Another player, not you, is asked the following.\n\n{text}\n\nPredict that player's "
                f"answer. Answer with exactly {self.last_options}."
            )
            return Prompt((("user", text),), labels, begins=begins)
        if asks == "aloud":
            ends = [f'"{CUE} {labels[a]}"' for a in self.order[-1]]
            request = f"Think first, then end with {either(ends, range(len(ends)))}."
            return Prompt((("user", f"{text}\n{request}"),), labels, cue=CUE)
        return Prompt((("user", text + request),), labels, begins=begins)


def paragraph(parts: Sequence[str], separator: str = " ") -> str:
    """The parts that are not empty, as one text."""
    return separator.join(part for part in parts if part)


def _odds(labels: tuple[str, ...], belief: Array) -> str:
    """'C in 25% and D in 75% of cases'."""
    odds = [f"{label} in {number(round(100 * p, 4))}%" for label, p in zip(labels, belief, strict=True)]
    return f"{join(odds)} of cases"


def _seat_names(d: Decision, names: tuple[str, ...], words: Names) -> tuple[str, ...]:
    """A name for everybody but me, first those who choose, then those who are only paid. No name is a word
    for an action. Where a rule states the payoffs, only people in the rule have names: bystanders and the
    seats of a situation have none. A crowd has one name for all."""
    if d.crowd:
        return ("one other" if d.crowd == 1 else f"{d.crowd} others",)
    seats = d.payoffs.shape[0] - 1
    if d.does or (d.rule and d.theirs) or tells_situation(d):
        seats = min(seats, len(d.theirs))  # of which some may be acts yet to come
    taken = {*words.mine, *(label for labels in words.theirs for label in labels)}
    taken |= {label for labels in d.names for label in labels}
    free = tuple(name for name in names if name not in taken)
    if seats > len(free):
        raise HominesError(f"{seats} other players are more than this frame has names for, {len(free)}")
    return free[:seats]


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
    names = [labels[a] for a in order]
    if len(names) > MOST_NAMED and (step := _step(names)):
        even = "" if step == 1 else f" in steps of {number(step)}"
        return f"a number from {names[0]} to {names[-1]}{even}"
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " or " + names[-1]


def _step(labels: Sequence[str]) -> float | None:
    """The distance of evenly spaced numbers; None where these are none."""
    try:
        gaps = {round(abs(float(b) - float(a)), 9) for a, b in pairwise(labels)}
    except ValueError:
        return None
    return gaps.pop() if len(gaps) == 1 else None
