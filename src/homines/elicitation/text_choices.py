"""Choices between texts as questions: two outcomes, or the points of a menu, in two orders and several
letters.

    "Exactly one of these two will happen. Which do you choose?"   A. ...   B. ...

What is read is the probability of each option given a legal answer, the mean of both orders for each pair of
letters: the order effect is what a place adds, the instability what letters add.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from homines.core.types import Decision, HominesError, Model, Record
from homines.elicitation.benchmark import ask_by_letter
from homines.elicitation.metrics import average_by_decision, group_by
from homines.elicitation.questions import Question
from homines.elicitation.scene import split_labels

PAIR = "Exactly one of these two will happen. Which do you choose?"
TextPair = tuple[str, str]


def letter_pairs(labels: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Pairs of labels that were typed as 'A,B'. Raises HominesError for another number than two, and for a
    pair that is there twice."""
    pairs = [split_labels(text) for text in labels]
    for text, pair in zip(labels, pairs, strict=True):
        if len(pair) != 2 or pair[0] == pair[1] or not all(pair):
            raise HominesError(f"labels {text!r} must be two words, as A,B: a choice here has two options")
        if sum(set(pair) == set(other) for other in pairs) > 1:
            raise HominesError(
                f"labels {text!r} are there twice; name each pair once (both orders are asked)"
            )
    if not pairs:
        raise HominesError("no labels are given; name a pair, as A,B")
    return tuple(pairs)


def decision_of(text: str, options: Sequence[str]) -> Decision:
    """A choice between texts as a decision; its payoffs are 0, for no option is the right one."""
    n = len(options)
    return Decision(tuple(map(str, range(n))), np.zeros((1, n)), rule=text, does=tuple(options))


def pair_questions(
    model: Model, name: str, pairs: Sequence[TextPair], letters: Sequence[Sequence[str]]
) -> list[Question]:
    """Every pair by every pair of letters, in both orders. name: game of the records"""
    out: list[Question] = []
    for pair in pairs:
        decision = decision_of(PAIR, pair)
        out += [
            ask_by_letter(model, name, decision, PAIR, pair, reverse=reverse, letters=both)
            for both in letters
            for reverse in (False, True)
        ]
    return out


def menu_questions(model: Model, name: str, menus: Sequence[tuple[str, Sequence[str]]]) -> list[Question]:
    """Menus, (text, options) each, by letters in both orders."""
    return [
        ask_by_letter(model, name, decision_of(text, options), text, options, reverse=reverse)
        for text, options in menus
        for reverse in (False, True)
    ]


def records_by_options(records: Sequence[Record], name: str) -> dict[tuple[str, ...], list[Record]]:
    """The records of a game by what their options say."""
    out: dict[tuple[str, ...], list[Record]] = {}
    for r in records:
        if r.game == name:
            out.setdefault(r.decision.does, []).append(r)
    return out


def average(records: Sequence[Record], asked: int) -> np.ndarray | None:
    """P(option), every pair of letters with equal weight; None where one of the questions that were asked has
    no legal answer: the mean over one order alone is a liking for a place."""
    if len(records) < asked or any(r.choice is None or r.choice.mass <= 0 for r in records):
        return None
    by_frame = [average_by_decision(group)[0][1].p for group in group_by(records, "frame").values()]
    return np.mean(by_frame, axis=0)
