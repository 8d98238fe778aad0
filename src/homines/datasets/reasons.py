"""The arithmetic of a utility in words: what an agent of a preference would say before it answers.

The numbers are those of the preference's own terms (theory/utility_terms.py); the words vary with the draw.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from homines.core.types import Array, Decision, Order, Preference
from homines.elicitation.scene import CUE
from homines.theory.choice import Belief, expected_utility, stated_beliefs
from homines.theory.utility_terms import (
    AHEAD,
    BEHIND,
    FORBIDDEN,
    LEAST,
    OTHERS,
    OWN,
    SAME,
    TOTAL,
    WORTH,
    Term,
)

PHRASES: Mapping[str, tuple[str, ...]] = {
    OWN: ("{a} gives me {v}", "With {a} I get {v}", "If I choose {a}, I get {v}"),
    SAME: (
        "If everyone chooses {a}, I get {v}",
        "Were all of us to choose {a}, I would get {v}",
        "If all in my place choose {a}, each of us gets {v}",
    ),
    OTHERS: ("{a} gives the others {v}", "With {a} the others get {v}", "If I choose {a}, others get {v}"),
    TOTAL: ("{a} gives all of us {v}", "With {a} our sum is {v}", "If I choose {a}, together we get {v}"),
    LEAST: (
        "With {a} whoever gets least gets {v}",
        "{a} leaves the poorest with {v}",
        "If I choose {a}, the least is {v}",
    ),
    BEHIND: (
        "With {a} I am behind by {v}",
        "{a} puts me behind by {v}",
        "If I choose {a}, I fall behind by {v}",
    ),
    AHEAD: (
        "With {a} I am ahead by {v}",
        "{a} puts me ahead by {v}",
        "If I choose {a}, I come out ahead by {v}",
    ),
    FORBIDDEN: (
        "{a} breaks the rule {v} times",
        "With {a} the rule is broken {v} times",
        "If I choose {a}, I break the rule {v} times",
    ),
    WORTH: ("{a} is worth {v}", "With {a} I reach {v}", "If I choose {a}, it is worth {v}"),
}
"""How each kind of amount is said, by wording."""
WORDINGS = 3
MORE = (
    "{x} is more than {y}, so {x} for {a}.",
    "{x} beats {y}: {x} for {a}.",
    "The most is {x}, not {y}: {x} for {a}.",
)
"""The amount comes before its option here and in every line above: a small model that has found the largest
amount then only copies what followed it. The other way round ('A gives 8 ... the most is 8') it learns every
number and no answer (measured: 400 rows, all but the last word)."""


def terms_of(preference: Preference, d: Decision) -> tuple[Term, ...]:
    """The preference's terms that count here; where it names none, its utility as a whole."""
    own = getattr(preference, "terms", None)
    if own is None:
        return (Term(WORTH, 1.0, preference(d)),)
    terms = tuple(term for term in own(d) if term.weight != 0)
    return terms or (Term(WORTH, 1.0, preference(d)),)


def reason(
    preference: Preference,
    d: Decision,
    labels: Sequence[str],
    order: Order,
    *,
    belief: Belief = stated_beliefs,
    wording: int = 0,
) -> str:
    """What each option is worth, option by option in the order shown, and which is worth most.

    Ends before the cue. Where two options are worth the same it says so; d must be without chance (no plan).
    """
    eu = expected_utility(preference(d), belief(d), d.chance)
    digits = _digits(eu)
    terms = terms_of(preference, d)
    lines: list[str] = []
    for a in order[0]:
        parts: list[str] = []
        means: list[float] = []
        for term in terms:
            amounts = np.broadcast_to(term.amount, d.payoffs.shape[1:])[a]
            odds = _odds(belief(d), a)
            amount, mean = _amount(amounts.ravel(), odds, digits)
            parts.append(PHRASES[term.kind][wording].format(a=labels[a], v=amount))
            means.append(mean)
        line = ", and ".join([parts[0], *(_inside(part, labels[a]) for part in parts[1:])])
        if [term.weight for term in terms] != [1.0]:
            line += f": {_sum(terms, means)} = {_number(eu[a], digits)}"
        worth = _number(eu[a], digits)
        stated = line.endswith(f"= {worth}")
        lines.append(f"{line} for {labels[a]}." if stated else f"{line}: {worth} for {labels[a]}.")
    ranked = sorted(order[0], key=lambda a: -eu[a])
    best, rest = ranked[0], ranked[1:]
    if abs(eu[best] - eu[rest[0]]) < 1e-9:
        lines.append(f"{labels[best]} and {labels[rest[0]]} are worth the same.")
    else:
        values = list(dict.fromkeys(_number(eu[a], digits) for a in rest))
        words = {"x": _number(eu[best], digits), "y": " or ".join(values), "a": labels[best]}
        lines.append(MORE[wording].format(**words))
    return " ".join(lines)


def reason_by_plans(names: Sequence[str], worth: Array, says: Mapping[str, str], here: str) -> str:
    """Why a rule for both roles is best, and what it says here. names and worth [plan].

    A rule is named by what it does at every point of decision, the first mover's first.
    says   the answer here of every rule that is worth most; `here`: the one that is given
    """
    listed = "; ".join(f"{name} = {_number(value)}" for name, value in zip(names, worth, strict=True))
    start = (
        f"I look for the best rule for both roles, each as likely as the other, if the other may do either "
        f"thing. They are worth: {listed}. "
    )
    if len(says) == 1:
        return f"{start}{next(iter(says))} is worth most, and here it says {here}."
    if set(says.values()) == {here}:
        return f"{start}{' and '.join(says)} are worth most, and here they all say {here}."
    chosen = next(name for name, label in says.items() if label == here)
    return f"{start}{' and '.join(says)} are worth most; of these I follow {chosen}, and here it says {here}."


def answered(reasons: str, label: str) -> str:
    """The completion: reasons, cue, answer; the label alone where there are no reasons."""
    return f"{reasons} {CUE} {label}" if reasons else label


def _odds(beliefs: Sequence[Array], a: int) -> Array:
    """Probability of every joint action of the others after mine, flattened."""
    joint = np.ones(1)
    for belief in beliefs:
        joint = np.outer(joint, belief if belief.ndim == 1 else belief[a]).ravel()
    return joint


def _amount(amounts: Array, odds: Array, digits: int) -> tuple[str, float]:
    """An amount in words, and its mean: '7'; '7 or 2, (7 + 2) / 2 = 4.5'; '0.8 * 7 + 0.2 * 2 = 6'."""
    possible = odds > 0
    amounts, odds = amounts[possible], odds[possible]
    mean = float(amounts @ odds)
    if np.ptp(amounts) < 1e-12:
        return _number(mean), mean
    if np.ptp(odds) < 1e-9:
        each = " + ".join(map(_number, amounts))
        return (
            f"{' or '.join(map(_number, amounts))}, ({each}) / {len(amounts)} = {_number(mean, digits)}",
            mean,
        )
    each = " + ".join(f"{_number(p)} * {_number(x)}" for p, x in zip(odds, amounts, strict=True))
    return f"{each} = {_number(mean, digits)}", mean


def _sum(terms: Sequence[Term], means: Sequence[float]) -> str:
    """'0.5 * 4.5 + 0.5 * 7 = 2.25 + 3.5', '50 - 0.3 * 20 = 50 - 6'."""
    sizes = [abs(term.weight) for term in terms]
    signs = ["-" if term.weight < 0 else "+" for term in terms]
    parts = [
        _number(mean) if size == 1 else f"{_number(size)} * {_number(mean)}"
        for size, mean in zip(sizes, means, strict=True)
    ]
    if len(terms) == 1:
        return _signed(signs, parts)
    products = [_number(size * mean) for size, mean in zip(sizes, means, strict=True)]
    return " = ".join(dict.fromkeys((_signed(signs, parts), _signed(signs, products))))


def _signed(signs: Sequence[str], parts: Sequence[str]) -> str:
    """'a + b - c'."""
    first = f"-{parts[0]}" if signs[0] == "-" else parts[0]
    return " ".join([first, *(f"{s} {p}" for s, p in zip(signs[1:], parts[1:], strict=True))])


def _inside(part: str, label: str) -> str:
    """A part in mid-sentence: small first letter, unless it begins with the label."""
    return part if part.startswith(label) else part[0].lower() + part[1:]


def _digits(eu: Array) -> int:
    """Decimals that tell every two different values apart: 4, or more where needed."""
    for digits in range(4, 12):
        distinct = len({round(float(x), digits) for x in eu})
        if distinct == len({round(float(x), 12) for x in eu}):
            return digits
    return 12


def _number(x: float, digits: int = 10) -> str:
    return f"{round(float(x), digits) + 0.0:.12g}"
