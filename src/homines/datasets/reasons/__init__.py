"""Reasons: what an agent of a preference would say before it answers, every number read or computed.

    what others may yet do -> principle, once -> a line for each action: what it leads to, its arithmetic
    -> the comparison

The compared values are the expected utilities times a factor plus a constant, so that weights are whole
numbers and means are sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from homines.core.types import Decision, Order, Preference
from homines.datasets.best_answers import ImpliedAnswers
from homines.datasets.reasons import rules, words
from homines.datasets.reasons.arithmetic import Comparison, Line, exact, number
from homines.datasets.reasons.outcomes import compare_outcomes
from homines.datasets.reasons.reader import ReasonFault, read_reasons
from homines.datasets.reasons.roles import compare_plans
from homines.datasets.reasons.situation import order_lines, tell_situation
from homines.datasets.reasons.words import WAYS, Style
from homines.elicitation.scene import CUE
from homines.elicitation.stated_rules import states_rule
from homines.theory.utility_terms import FORBIDDEN, KIND, WORTH

__all__ = ["WAYS", "ReasonFault", "Style", "answered", "is_readable", "read_reasons", "reason"]

PLAIN = Style()


def reason(
    preference: Preference,
    implied: ImpliedAnswers,
    labels: Sequence[str],
    order: Order,
    answer: int,
    style: Style = PLAIN,
) -> str:
    """Why the answer is best: the situation, the principle, a line for each option, and the
    comparison.

    Ends before the cue. Where two options are worth the same it says so.
    """
    roles, order = implied.walk is not None, order_lines(implied.decision, order)
    compared, weights = (compare_plans(preference, implied, labels, order, style) if roles else None) or (
        _whole(implied, order)
        if roles
        else compare_outcomes(preference, implied.decision, labels, order, style)
    )
    way = style.way
    duties = [rules.principle(preference, kind, way) for kind in (FORBIDDEN, KIND) if kind in weights]
    about = {"roles": roles, "lives": bool(implied.decision.does)}
    counts = "" if set(weights) <= {FORBIDDEN, KIND} else words.principle(weights, way, **about)
    parts = [tell_situation(implied.decision, labels), counts, *duties, compared.preface]
    parts += [sentence(f"{line.text} for {labels[line.act]}.", labels) for line in compared.lines]
    parts.append(words.comparison(compared, answer, labels, style))
    return " ".join(filter(None, parts))


def _whole(implied: ImpliedAnswers, order: Order) -> tuple[Comparison, dict[str, Fraction]]:
    """What the best plan with each action is worth, for a preference without terms."""
    worth = [exact(x) for x in implied.worth]
    lines = [Line(a, f"the best plan is worth {number(worth[a])}", worth[a]) for a in order[0]]
    return Comparison(tuple(lines), Fraction(1)), {WORTH: Fraction(1)}


def sentence(text: str, labels: Sequence[str]) -> str:
    """With a capital, unless it begins with a label."""
    return text if text.startswith(tuple(labels)) else text[0].upper() + text[1:]


def is_readable(d: Decision) -> bool:
    """Whether a prompt lists every amount that reasons would read: not where frames state a rule instead,
    but for lives that are told act by act."""
    return bool(d.does) or not states_rule(d)


def answered(reasons: str, label: str) -> str:
    """The completion: reasons, cue, answer; the label alone where there are no reasons."""
    return f"{reasons} {CUE} {label}" if reasons else label
