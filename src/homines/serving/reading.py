"""From a typed question to the model's exact answer: its words in every order, one pass, the mean.

    p(option)   mean over the orders of P(option | it is one of the options)
    mass        mean over the orders of P(one of the options, end of turn included)
    spread      largest difference of an option's probability between two orders

Options are read whole, as the model would say them, whatever number of tokens they have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from homines.core.types import Array, Choice, Model, Prompt
from homines.elicitation.orders import orders
from homines.elicitation.scene import either
from homines.serving.request import DecisionRequest, Option, TypedQuestion
from homines.theory.choice import average_choice
from homines.view.guard import Refusal

MOST_TEXT = 1 << 23
"""Characters of all prompts of a request, at most: each order of each question repeats the input."""


@dataclass(frozen=True, eq=False)
class Reading:
    """The answer to a question. p: by option, in the request's order; None where no order has a legal answer.
    mass: legal mass; spread: None with one order; orders: how many were asked."""

    p: Array | None
    mass: float
    spread: float | None
    orders: int


def arrangements(question: TypedQuestion) -> tuple[tuple[int, ...], ...]:
    """The orders in which the options are listed: balanced; forward and backward for ordered levels."""
    n = len(question.options)
    if question.ordered:
        return tuple(range(n)), tuple(reversed(range(n)))
    return tuple(row for (row,) in orders(n, 1))


def prompt(turns: Sequence[tuple[str, str]], question: TypedQuestion, row: Sequence[int]) -> Prompt:
    """The words of a question with its options listed in this order. Labels are sorted, so that equal words
    are one prompt. The words join the last turn where that is the user's."""
    listed = [question.options[i] for i in row]
    lines = [question.instructions] if question.instructions.strip() else []
    lines += [_line(option) for option in listed]
    lines.append(f"Answer with exactly {either([option.label for option in question.options], row)}.")
    words = "\n".join(lines)
    *before, (role, text) = turns
    messages = [*before, (role, f"{text}\n\n{words}")] if role == "user" else [*turns, ("user", words)]
    return Prompt(tuple(messages), tuple(sorted(option.label for option in listed)))


def prompts(request: DecisionRequest) -> list[list[Prompt]]:
    """The prompts of each question, one an order. Raises Refusal where they are too long together."""
    turns = request.turns
    size = sum(len(text) for _, text in turns)
    total = sum(size * len(arrangements(question)) for question in request.questions)
    if total > MOST_TEXT:
        raise Refusal(
            413,
            f"the questions repeat {size:,} characters of input to {total:,} in all; at most {MOST_TEXT:,} "
            "are read: ask fewer at once, or with fewer options",
        )
    return [[prompt(turns, q, row) for row in arrangements(q)] for q in request.questions]


def read(model: Model, request: DecisionRequest) -> list[Reading]:
    """The readings of all questions; prompts that occur twice are scored once."""
    asked = prompts(request)
    once = {p.key: p for group in asked for p in group}
    choices = dict(zip(once, model.score(list(once.values())), strict=True))
    return [
        _average(question, group, choices) for question, group in zip(request.questions, asked, strict=True)
    ]


def _average(question: TypedQuestion, group: Sequence[Prompt], choices: Mapping[str, Choice]) -> Reading:
    answers = [choices[p.key] for p in group]
    mass = float(np.mean([c.mass for c in answers]))
    legal = [c for c in answers if c.mass > 0]
    if not legal:
        return Reading(None, 0.0, None, len(answers))
    places = [group[0].labels.index(option.label) for option in question.options]
    p = average_choice(legal, mass).p[places]
    spread = float(np.ptp([c.p for c in legal], axis=0).max()) if len(legal) > 1 else None
    return Reading(p, mass, spread, len(answers))


def _line(option: Option) -> str:
    return f"{option.label}: {option.description}" if option.description else option.label
