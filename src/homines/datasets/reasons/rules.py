"""Lines of a duty or a virtue: which action keeps to it, whatever anybody gets.

1 for an action that keeps to it, 0 for one that does not: the utility up to a factor and a constant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np

from homines.core.types import Decision, Order, Preference
from homines.datasets.reasons.arithmetic import Comparison, Line, exact
from homines.elicitation.questions import past_acts
from homines.theory.utility_terms import FORBIDDEN, KIND, Term

RULES: Mapping[str, tuple[str, ...]] = {
    "betrayal": (
        "Whoever was kind to me must not be betrayed.",
        "I never betray one who cooperated with me.",
        "Kindness must not be answered by betrayal.",
        "One who cooperated must not be let down.",
        "It is forbidden to betray the kind.",
    ),
}
"""What a rule forbids, by its name."""
VIRTUES = (
    "Cooperating is good in itself.",
    "I want to be one who cooperates.",
    "To cooperate is right, whatever it brings.",
    "A good person cooperates.",
    "It is good to cooperate, whatever others do.",
)
"""The virtue of kindness."""
HISTORY = (
    "The other chose {act}, which is kind.",
    "The other did {act}: that was kind.",
    "By {act} the other was kind.",
    "{act} was the other's choice, a kind one.",
    "The other cooperated by {act}.",
)
KEEPS = {
    FORBIDDEN: (
        ("{a} keeps to that: {v}", "{a} would betray: {v}"),
        ("with {a} I keep the rule: {v}", "with {a} I would betray: {v}"),
        ("{a} is allowed: {v}", "{a} is forbidden, a betrayal: {v}"),
        ("{a} betrays nobody: {v}", "{a} betrays: {v}"),
        ("by {a} I am loyal: {v}", "by {a} I betray: {v}"),
    ),
    KIND: (
        ("{a} is to cooperate: {v}", "{a} is not: {v}"),
        ("with {a} I cooperate: {v}", "with {a} I do not: {v}"),
        ("{a} is kind: {v}", "{a} is not kind: {v}"),
        ("{a} cooperates: {v}", "{a} defects: {v}"),
        ("by {a} I cooperate: {v}", "by {a} I defect: {v}"),
    ),
}


def principle(preference: Preference, kind: str, way: int) -> str:
    """The rule or the virtue, spelt out."""
    if kind == KIND:
        return VIRTUES[way]
    rule = str(getattr(preference, "rule", "of duty"))
    return RULES[rule][way] if rule in RULES else f"The rule {rule} must be kept."


def compare_duty(term: Term, d: Decision, labels: Sequence[str], order: Order, way: int) -> Comparison:
    """1 or 0 for each action in the order shown; before them what the other did, where that was kind."""
    amount = np.broadcast_to(term.amount, d.payoffs.shape[1:]).reshape(len(d.actions), -1)[:, 0]
    lines: list[Line] = []
    for a in order[0]:
        kept = bool(amount[a]) == (term.weight > 0)
        text = KEEPS[term.kind][way][not kept].format(a=labels[a], v=int(kept))
        lines.append(Line(a, text, Fraction(int(kept))))
    preface = ""
    acts = past_acts(d) if term.kind == FORBIDDEN and amount.any() else []
    theirs = [act for k, act in enumerate(acts) if len(acts) == 1 or k != d.player]
    if theirs and theirs[0] in d.actions:
        preface = HISTORY[way].format(act=labels[d.actions.index(theirs[0])])
    return Comparison(tuple(lines), 1 / abs(exact(term.weight)), preface)


def is_duty(term: Term, d: Decision) -> bool:
    """Whether the term says of each action alone that it keeps to a rule or a virtue, or does not."""
    amounts = np.broadcast_to(term.amount, d.payoffs.shape[1:]).reshape(len(d.actions), -1)
    return term.kind in KEEPS and bool(np.isin(amounts, (0, 1)).all()) and not np.ptp(amounts, axis=1).any()
