"""Wordings of reasons: principles, steps and comparisons, in five ways."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from homines.core.format import join
from homines.datasets.reasons.arithmetic import Comparison, number
from homines.elicitation.amounts import SIGNS
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
)

WAYS = 5
"""Wordings of a whole: of its principle, its steps and its comparison."""
MOST_COMPARED = 4
"""Smaller amounts that a comparison names."""


@dataclass(frozen=True)
class Style:
    """How reasons are worded.

    way     a number below WAYS. Principle, steps and comparison have the same: drawn apart, the likeliest
            word of a small model is that of the form with the fewest wordings, whatever the game is
    unit    what the prompt tells gains in, as '$'
    margin  end with by how much the answer is ahead, in units of payoff
    """

    way: int = 0
    unit: str = ""
    margin: bool = False

    def gain(self, x: Fraction) -> str:
        """A gain as the prompt tells it: '7', '$7'. A unit that is a word is left out."""
        return f"{'-' * (x < 0)}{self.unit}{number(abs(x))}" if self.unit in SIGNS else number(x)


PRINCIPLES: Mapping[str, tuple[str, ...]] = {
    OWN: (
        "Only what I get counts.",
        "I look at my own gain alone.",
        "What others get does not matter to me.",
        "I want as much as possible for myself.",
        "Only my own gain matters.",
    ),
    SAME: (
        "Suppose everyone in my place did the same.",
        "I act as I would want everyone in my place to act.",
        "What if everybody did as I do?",
        "I ask what comes of it if all do the same.",
        "Let everyone act as I act.",
    ),
    OTHERS: (
        "Only what the others get counts.",
        "I look at the gain of the others alone.",
        "What I get myself does not matter.",
        "I want as much as possible for the others.",
        "Only the gain of the others matters.",
    ),
    TOTAL: (
        "Everyone's gain counts the same.",
        "I look at the sum of all gains.",
        "Whoever gets it, each gain counts alike.",
        "I want as much as possible for all together.",
        "Only the sum for all matters.",
    ),
    LEAST: (
        "What counts is whoever gets least.",
        "I look at the smallest gain.",
        "The poorest must get as much as possible.",
        "I want the most for whoever has least.",
        "Only the smallest gain matters.",
    ),
}
"""What counts, where it is one thing."""
COUNTS: Mapping[str, str] = {
    OWN: "what I get",
    SAME: "what I would get if everyone did the same",
    OTHERS: "what the others get",
    TOTAL: "the sum of all",
    LEAST: "what the poorest gets",
    BEHIND: "what I am behind",
    AHEAD: "what I am ahead",
    FORBIDDEN: "each breach of the rule",
    WORTH: "what it is worth",
}
WEIGHED = (
    "I count {sum}.",
    "What counts is {sum}.",
    "My measure is {sum}.",
    "I weigh {sum}.",
    "To me what counts is {sum}.",
)
"""What counts, where it is several things: '3 times what I get, plus what I would get if ...'."""
EITHER_PLACE = (
    "I may be in either place.",
    "Either place may be mine.",
    "I could as well be in the other's place.",
    "Both places count alike.",
    "My place might be either one.",
)
SAME_PLACE = (
    "We are all in the same place.",
    "All our places are alike.",
    "Everyone here has my place.",
    "The same place is everybody's.",
    "There is one place, and all have it.",
)
"""Said where EITHER_PLACE is not: a small model that leaves a sentence out in some games says it in all."""
GIVES = (
    "{acts} gives me {gain}",
    "{acts} pays me {gain}",
    "with {acts} I get {gain}",
    "from {acts} I get {gain}",
    "{acts} brings me {gain}",
)
SURE = (
    "{acts}: in {cases} it gives me {gain}",
    "{acts}: in {cases} it pays me {gain}",
    "with {acts}, in {cases} I get {gain}",
    "from {acts}, in {cases} I get {gain}",
    "{acts}: in {cases} it brings me {gain}",
)
"""A gain that is certain after this act alone: it counts as often as the cases after another."""
CASES = (
    ("{act}: if the other{s} {picks} {theirs} it gives me {gain}", "if {theirs}"),
    ("{act}: against {theirs} it pays me {gain}", "against {theirs}"),
    ("with {act}, facing {theirs} I get {gain}", "facing {theirs}"),
    ("from {act}, when the other{s} {picks} {theirs} I get {gain}", "when {theirs}"),
    ("{act}: should the other{s} {pick} {theirs} it brings me {gain}", "if {theirs}"),
)
"""What an action gives where the others may yet act in several ways: the first of these, and the next. The
act comes before the fork between a gain that is certain (GIVES) and one that is not: a small model that has
not named the act takes the one for the other."""
REPLIES = (
    ("{act}: if the other replies {theirs} it gives me {gain}", "if {theirs}"),
    ("{act}: with {theirs} in reply it pays me {gain}", "with {theirs}"),
    ("with {act}, given reply {theirs} I get {gain}", "given {theirs}"),
    ("from {act}, when the other replies {theirs} I get {gain}", "when {theirs}"),
    ("{act}: should the other reply {theirs} it brings me {gain}", "if {theirs}"),
)
"""The same of one who acts after me."""
ALL = ("all {act}", "everyone {act}", "if all choose {act}", "{act} by all", "if everyone chooses {act}")
PATH = (
    "{acts}: {sum}",
    "with {acts}, {sum}",
    "{acts} makes {sum}",
    "{acts} comes to {sum}",
    "after {acts}: {sum}",
)
ALIKE = "If everyone did the same, I would get as much either way."
PEOPLE = "There are {people} people, and I count once as each."
APART = "What the others do adds the same to each, so one case is enough."
NAMES: Mapping[str, str] = {
    OWN: "mine",
    OTHERS: "theirs",
    TOTAL: "together",
    LEAST: "least",
    BEHIND: "behind",
    AHEAD: "ahead",
    FORBIDDEN: "broken",
    WORTH: "worth",
}
MORE = (
    "{x} is more than {y}, so {x} for {a}.",
    "{x} beats {y}: {x} for {a}.",
    "{x} exceeds {y}, so {x} for {a}.",
    "{x} is above {y}, hence {x} for {a}.",
    "{x} is larger than {y}: {x} for {a}.",
)
"""The amount comes before its option here and where every line ends: a small model that has found the largest
amount then only copies what followed it. The other way round ('A gives 8 ... the most is 8') it learns every
number and no answer (measured: 400 rows, all but the last word)."""
MOST = (
    "{x} is the most, so {x} for {a}.",
    "{x} beats all: {x} for {a}.",
    "{x} exceeds all others, so {x} for {a}.",
    "{x} is above all, hence {x} for {a}.",
    "{x} is the largest: {x} for {a}.",
)
AHEAD_BY = (
    "{lead} ahead, so {x} for {a}.",
    "{lead} ahead: {x} for {a}.",
    "{lead} ahead, thus {x} for {a}.",
    "{lead} ahead, hence {x} for {a}.",
    "{lead} ahead, which means {x} for {a}.",
)
"""The comparison by how much the answer is ahead: the difference itself, the larger number first."""
EVEN = (
    "{names} are worth the same, {x} each: I take {a}.",
    "{names} both come to {x} and are worth the same, so I take {a}.",
    "As {names} are worth the same, {x}, I take {a}.",
    "{x} is the most for each of {names}: they are worth the same, and I take {a}.",
    "{names} are worth the same at {x}; I take {a}.",
)


def principle(weights: Mapping[str, Fraction], way: int, *, roles: bool, lives: bool = False) -> str:
    """What counts, in words a stranger understands. weights: by kind of amount, none of them 0.

    roles   either place may be mine
    lives   what counts are lives, and nobody else has a place
    """
    kinds = list(weights)
    if kinds == [WORTH]:
        return ""
    if len(kinds) == 1 and weights[kinds[0]] > 0 and kinds[0] in PRINCIPLES:
        text = PRINCIPLES[kinds[0]][way]
    else:
        first, *rest = (_times(kind, w) for kind, w in weights.items())
        signs = ["less" if w < 0 else "plus" for w in weights.values()]
        start = f"less {first}" if signs[0] == "less" else first
        text = WEIGHED[way].format(
            sum=", ".join([start, *(f"{sign} {part}" for sign, part in zip(signs[1:], rest, strict=True))])
        )
    if roles:
        return f"{text} {EITHER_PLACE[way]}"
    return f"{text} {SAME_PLACE[way]}" if SAME in weights and not lives else text


def _times(kind: str, weight: Fraction) -> str:
    """'3 times what I get'."""
    return COUNTS[kind] if abs(weight) == 1 else f"{number(abs(weight))} times {COUNTS[kind]}"


def comparison(compared: Comparison, answer: int, labels: Sequence[str], style: Style) -> str:
    """Which value is the largest, and for which option; where the style says so, by how much, which then is
    the comparison."""
    values, way = compared.best(), style.way
    top = max(values.values())
    even = [labels[a] for a, value in values.items() if value == top]
    x = number(top)
    if len(even) > 1:
        return EVEN[way].format(names=join(even), x=x, a=labels[answer])
    if style.margin:
        second = max(value for a, value in values.items() if a != answer)
        return AHEAD_BY[way].format(lead=_margin(top, second, compared.scale), x=x, a=labels[answer])
    smaller = sorted({line.value for line in compared.lines} - {top}, reverse=True)
    least = join([number(value) for value in smaller])
    words = MORE if len(smaller) <= MOST_COMPARED else MOST
    return words[way].format(x=x, y=least, a=labels[answer])


def _margin(top: Fraction, second: Fraction, scale: Fraction) -> str:
    """'12 - 4 = 8, 8 / 2 = 4': the lead in units of payoff."""
    lead = top - second
    text = f"{number(top)} - {number(second)} = {number(lead)}".replace("- -", "+ ")
    if scale == 1:
        return f"{text}"
    if scale.numerator == 1:
        return f"{text}, {number(1 / scale)} * {number(lead)} = {number(lead / scale)}"
    return f"{text}, {number(lead)} / {number(scale)} = {number(lead / scale)}"
