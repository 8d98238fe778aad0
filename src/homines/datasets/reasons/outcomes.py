"""Lines of a decision taken on its own: what each action leads to, outcome by outcome."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from fractions import Fraction
from math import lcm
from typing import Any

import numpy as np

from homines.core.format import join
from homines.core.types import Decision, Order, Preference
from homines.datasets.reasons import words
from homines.datasets.reasons.arithmetic import Comparison, Line, Sum, exact, in_proportion, number, share
from homines.datasets.reasons.rules import compare_duty, is_duty
from homines.datasets.reasons.words import Style
from homines.elicitation.scene import Names, either
from homines.theory.choice import stated_beliefs
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

LARGEST_FACTOR = 9
"""Weights of more digits are not merged: a small model multiplies by one digit."""
MOST_APART, MOST_APART_OF_ALL = 6, 3
"""Outcomes that are told one by one, of one gain and of everybody's; of more, those that give the same are
told together."""
SOCIAL = frozenset((OTHERS, TOTAL, LEAST, BEHIND, AHEAD))
"""Kinds of amounts that need everybody's gains."""
Parts = tuple[tuple[Fraction, Fraction], ...]


@dataclass(frozen=True)
class Outcome:
    """One outcome that an action may have.

    acts     words for what everybody does
    gains    what everybody gets, mine first
    weight   how much it counts: probabilities in proportion
    amounts  of the terms that no gains make, by their place among the terms
    """

    acts: str
    gains: tuple[Fraction, ...]
    weight: Fraction
    amounts: tuple[Fraction, ...] = ()


PARTS: dict[str, Callable[[tuple[Fraction, ...]], Parts]] = {
    OWN: lambda gains: ((Fraction(1), gains[0]),),
    OTHERS: lambda gains: tuple((Fraction(1), g) for g in gains[1:]),
    TOTAL: lambda gains: tuple((Fraction(1), g) for g in gains),
    LEAST: lambda gains: ((Fraction(1), min(gains)),),
    BEHIND: lambda gains: tuple(p for g in gains[1:] if g > gains[0] for p in _gap(g, gains[0])),
    AHEAD: lambda gains: tuple(p for g in gains[1:] if g < gains[0] for p in _gap(gains[0], g)),
}
"""How a kind of amount is made of everybody's gains: (coefficient, gain), to be added up. Behindness and
aheadness are summed over the others; the mean is in the weight of the term."""


def _gap(more: Fraction, less: Fraction) -> Parts:
    return (Fraction(1), more), (Fraction(-1), less)


def compare_outcomes(
    preference: Preference,
    d: Decision,
    labels: Sequence[str],
    order: Order,
    style: Style,
) -> tuple[Comparison, dict[str, Fraction]]:
    """A line for each action in the order shown, and the weight of each kind of amount.

    The values are those of the preference's own terms where everybody's gains make them; else its utility as
    a whole.
    """
    terms = _derivable(terms_of(preference, d), d) or (Term(WORTH, 1.0, preference(d)),)
    style = replace(style, unit="") if d.does else style  # lives are no money
    if d.does and any((term.amount != np.round(term.amount)).any() for term in terms):
        return _by_people(preference, d, labels, order, style)
    if len(terms) == 1 and is_duty(terms[0], d):
        return compare_duty(terms[0], d, labels, order, style.way), {terms[0].kind: exact(terms[0].weight)}
    others = max(1, len(d.payoffs) - 1)
    weights, factor = in_proportion([weight_of(term, others) for term in terms])
    names = Names.of(d, labels if tuple(labels) != d.actions else ())
    by_kind = {term.kind: w for term, w in zip(terms, weights, strict=True)}
    if set(by_kind) == {SAME}:
        lines = [_line(terms, weights, a, (), _everyone(d, a, names, Fraction(1)), style) for a in order[0]]
        return Comparison(tuple(lines), factor), by_kind
    chances = _chances(terms, d)
    count = Fraction(lcm(*(p.denominator for each in chances for p in each)))
    cases = [
        gather(_outcomes(d, terms, [p * count for p in chances[a]], names, a), by_kind.keys())
        for a in range(len(d.actions))
    ]
    preface = ""
    if len(chances[0]) > 1 and max(chances[0]) == 1:
        preface = words.APART
    elif d.others is not None and chances.count(chances[0]) == len(chances):
        preface = _ratio([p for p in chances[0] if p], total=SAME in by_kind)
    merged = _merge(by_kind, cases, count, d) if not preface else None
    if merged is not None:
        preface, cases = merged
        terms, weights = terms[:1], [Fraction(1)]
    lines = [_line(terms, weights, a, cases[a], _everyone(d, a, names, count), style) for a in order[0]]
    return Comparison(tuple(lines), factor * count, preface), by_kind


def _by_people(
    preference: Preference, d: Decision, labels: Sequence[str], order: Order, style: Style
) -> tuple[Comparison, dict[str, Fraction]]:
    """A situation that pays shares of lives, in whole lives: as if I were each of its people once."""
    saved = d.payoffs.reshape(len(d.payoffs), -1).sum(0)
    whole = replace(
        d, payoffs=d.payoffs * saved.sum(), same=None if d.same is None else d.same * saved.sum(), does=()
    )
    compared, weights = compare_outcomes(preference, whole, labels, order, style)
    people = Sum(tuple((Fraction(1), exact(x)) for x in saved))
    scale = compared.scale * people.value
    return replace(compared, scale=scale, preface=words.PEOPLE.format(people=people.text)), weights


def _ratio(chances: Sequence[Fraction], *, total: bool) -> str:
    """'80 to 20 is 4 to 1, of 5.' of stated beliefs that are not even; with the sum where a line needs it."""
    if len(set(chances)) == 1:
        return ""
    whole = lcm(*(p.denominator for p in chances))
    said, counted = ([number(p * n) for p in chances] for n in (100, whole))
    end = f", of {whole}" if total else ""
    return f"{' to '.join(said)} is {' to '.join(counted)}{end}."


def _merge(
    weights: dict[str, Fraction], cases: Sequence[Sequence[Outcome]], count: Fraction, d: Decision
) -> tuple[str, list[list[Outcome]]] | None:
    """Own gain and gain if all do the same as one weighted sum of own gains, where these are two players' and
    the weights have one digit: what I get where all do the same counts for both. None where not."""
    if set(weights) != {OWN, SAME} or d.same is None or d.theirs != (d.actions,):
        return None
    own, same = weights[OWN], weights[OWN] + weights[SAME] * count
    if any(len(each) != len(d.actions) or {o.weight for o in each} != {1} for each in cases):
        return None
    if same > LARGEST_FACTOR or not np.allclose(d.same, np.diagonal(d.payoffs[0])):
        return None
    preface = f"So what I get counts {number(same)} times where both do the same, else {number(own)} times."
    preface = preface.replace("else 1 times", "else once")
    return preface, [
        [replace(o, weight=same if a == b else own) for b, o in enumerate(each)]
        for a, each in enumerate(cases)
    ]


def _chances(terms: Sequence[Term], d: Decision) -> list[list[Fraction]]:
    """The probability of every joint action of the others, after each of mine.

    In a game of three or more, or where the others may act in more ways than MOST_APART, and what they do
    adds the same to each of my actions, the others' first joint action alone stands for all: no comparison
    changes.
    """
    shape = d.payoffs.shape[1:]
    if len(d.theirs) > 1 or np.prod(shape[1:]) > MOST_APART:
        amounts = [np.broadcast_to(term.amount, shape).reshape(shape[0], -1) for term in terms]
        alike = all(np.allclose(each - each[:1], (each - each[:1])[:, :1], atol=1e-9) for each in amounts)
        if alike and not d.reply and shape[1:]:
            first = [Fraction(1), *[Fraction()] * (int(np.prod(shape[1:])) - 1)]
            return [first] * shape[0]
    chances: list[list[Fraction]] = []
    for a in range(shape[0]):
        odds = np.ones(1)
        for b in stated_beliefs(d):
            odds = np.outer(odds, b if b.ndim == 1 else b[a]).ravel()
        chances.append([share(p) for p in odds])
    return chances


def weight_of(term: Term, others: int) -> Fraction:
    """The weight of a term whose gaps are summed over the others instead of averaged."""
    return exact(term.weight) / (others if term.kind in (BEHIND, AHEAD) else 1)


def terms_of(preference: Preference, d: Decision) -> tuple[Term, ...]:
    """The preference's terms that count here; where it names none, its utility as a whole."""
    own = getattr(preference, "terms", None)
    if own is None:
        return (Term(WORTH, 1.0, preference(d)),)
    terms = tuple(term for term in own(d) if term.weight != 0)
    return terms or (Term(WORTH, 1.0, preference(d)),)


def _derivable(terms: Sequence[Term], d: Decision) -> tuple[Term, ...] | None:
    """The terms; None where a term's amounts are not those that its kind says, or a kind comes twice."""
    others = max(1, len(d.payoffs) - 1)
    kinds = [term.kind for term in terms]
    if len(set(kinds)) < len(kinds):
        return None
    for term in terms:
        if term.kind not in PARTS:
            continue
        gains = d.payoffs.reshape(len(d.payoffs), -1).T
        made = [float(sum(c * v for c, v in PARTS[term.kind](tuple(map(exact, column))))) for column in gains]
        if term.kind in (BEHIND, AHEAD):
            made = [x / others for x in made]
        amounts = np.broadcast_to(term.amount, d.payoffs.shape[1:]).ravel()
        if not np.allclose(amounts, made, atol=1e-7):
            return None
    return tuple(terms)


def _outcomes(
    d: Decision, terms: Sequence[Term], weights: Sequence[Fraction], names: Names, a: int
) -> list[Outcome]:
    """The outcomes of an action that are possible, each with its weight; one alone where they are alike."""
    shape = d.payoffs.shape[2:]
    loose = [term for term in terms if term.kind not in PARTS and term.kind != SAME]
    outcomes: list[Outcome] = []
    for place, weight in zip(np.ndindex(*shape), weights, strict=True):
        if weight <= 0:
            continue
        theirs = [labels[b] for labels, b in zip(names.theirs, place, strict=True)]
        acts = f"{names.mine[a]}{(' then ' if d.reply else ' against ') + join(theirs) if theirs else ''}"
        gains = tuple(exact(x) for x in d.payoffs[(slice(None), a, *place)])
        amounts = tuple(exact(np.broadcast_to(t.amount, d.payoffs.shape[1:])[(a, *place)]) for t in loose)
        outcomes.append(Outcome(acts, gains, weight, amounts))
    if d.reply and len({(o.gains, o.amounts) for o in outcomes}) == 1:
        total = sum((o.weight for o in outcomes), Fraction())
        return [Outcome(names.mine[a], outcomes[0].gains, total, outcomes[0].amounts)]
    return outcomes


def _everyone(d: Decision, a: int, names: Names, count: Fraction) -> tuple[str, Sum]:
    """An action's word, and what everyone gets where all choose it, `count` times; nothing where that has no
    meaning."""
    return names.mine[a], Sum(() if d.same is None else ((count, exact(d.same[a])),))


def _line(
    terms: Sequence[Term],
    weights: Sequence[Fraction],
    a: int,
    cases: Sequence[Outcome],
    everyone: tuple[str, Sum],
    style: Style,
) -> Line:
    loose = [term.kind for term in terms if term.kind not in PARTS and term.kind != SAME]
    alike = {o.weight for o in cases} == {1} == set(weights)
    if len(cases) > 2 and alike and [term.kind for term in terms] == [OWN]:
        value = sum((o.gains[0] for o in cases), Fraction())
        text = read_outcomes(cases, {OWN}, style, adding=True)
        return Line(a, text if text.endswith(f"= {number(value)}") else f"{text}: {number(value)}", value)
    sums: list[Sum] = []
    steps: list[str] = []
    reading = read_outcomes(cases, {term.kind for term in terms}, style, loose)
    label, same = everyone
    counts = list(weights)
    for i, term in enumerate(terms):
        made = same if term.kind == SAME else add_up(term.kind, cases, loose)
        if term.kind == SAME and len(terms) > 1 and weights[i] == 1 < made.times <= LARGEST_FACTOR:
            # multiplied where it is added up
            counts[i], made = made.times, Sum(((Fraction(1), made.parts[0][1]),))
        elif term.kind == SAME:
            said = style.gain(made.value) if made.trivial else made.text
            steps.append(f"{words.ALL[style.way].format(act=label)}: {said}")
        elif term.kind == FORBIDDEN and made.value:
            steps.append(f"{words.NAMES[term.kind]} {number(made.value)}")
        elif len(terms) > 1 and made.value and not made.trivial:
            steps.append(f"{words.NAMES[term.kind]} {made.text}")
        sums.append(made)
    return close_line(a, reading, steps, sums, counts)


def add_up(kind: str, cases: Sequence[Outcome], loose: Sequence[str] = ()) -> Sum:
    """The sum of an amount over outcomes, by their weights."""
    if kind in loose:
        place = loose.index(kind)
        return Sum(tuple((o.weight, o.amounts[place]) for o in cases))
    return Sum(tuple((o.weight * c, v) for o in cases for c, v in PARTS[kind](o.gains)))


def gather(outcomes: Sequence[Outcome], kinds: AbstractSet[str]) -> list[Outcome]:
    """Outcomes, where they are many, with those that give the same told as one, 'A against B or C'."""
    both = kinds & SOCIAL
    if len(outcomes) <= (MOST_APART_OF_ALL if both else MOST_APART):
        return list(outcomes)
    groups: dict[tuple[Any, ...], list[Outcome]] = {}
    for o in outcomes:
        groups.setdefault((o.gains if both else o.gains[:1], o.amounts), []).append(o)
    gathered: list[Outcome] = []
    for same in groups.values():
        start, joint, _ = same[0].acts.partition(" against ")
        acts = f"{start}{joint}{either([o.acts.partition(' against ')[2] for o in same], range(len(same)))}"
        gathered.append(replace(same[0], acts=acts, weight=sum((o.weight for o in same), Fraction())))
    return gathered


def read_outcomes(
    cases: Sequence[Outcome],
    kinds: AbstractSet[str],
    style: Style,
    loose: Sequence[str] = (),
    *,
    alone: bool = True,
    adding: bool = False,
) -> str:
    """What each outcome gives, by what the others may do: 'against A, A gives me 7, against B 2'; what the
    others get too where that counts.

    alone   not in one of several roles, where whole paths are told: 'A then A gives me 7, A then B 2'
    adding  add each gain to those before where it is told: 'against B 2: 7 + 2 = 9'. Amounts that are added
            up once all are told, a small model leaves out or takes twice (docs/decisions.md)
    """
    if not cases:
        return ""
    if loose and not kinds & set(PARTS):
        return ", ".join(f"{o.acts} {number(o.amounts[0])}" for o in cases)
    both = bool(kinds & SOCIAL)
    first, *rest = cases
    before = first.gains[0]
    counted = bool(rest) and not both and any(o.weight != 1 for o in cases)
    gains = _counted(first, style) if counted else style.gain(first.gains[0])
    if both and len(first.gains) > 1:
        gains += f" and the other{'s' * (len(first.gains) > 2)} {join([*map(style.gain, first.gains[1:])])}"
    act, against, theirs = first.acts, "", ""
    if alone and (uncertain := re.split("( then | against )", first.acts, maxsplit=1))[1:]:
        act, against, theirs = uncertain
        start, further = (words.REPLIES if against == " then " else words.CASES)[style.way]
        many = " and " in theirs
        said = {"s": "s" * many, "pick": "pick", "picks": "pick" if many else "picks"}
        text = start.format(act=act, theirs=theirs, gain=gains, **said)
    else:
        sure = alone and not rest and first.weight > 1  # though the other may reply to another act
        all_ = "both cases" if first.weight == 2 else f"all {number(first.weight)} cases"
        text = (words.SURE if sure else words.GIVES)[style.way].format(acts=act, gain=gains, cases=all_)
        further = ""
    for o in rest:
        case = further.format(theirs=o.acts.partition(against)[2]) if further else o.acts
        gives = ("it gives " if further else "gives ") * case[-1].isdigit()
        text += f", {case} {gives}"
        text += _counted(o, style) if counted else join([*map(style.gain, o.gains if both else o.gains[:1])])
        if adding and before and o.gains[0]:
            text += f": {Sum(((Fraction(1), before), (Fraction(1), o.gains[0]))).text}"
        before += o.gains[0]
    return text


def _counted(o: Outcome, style: Style) -> str:
    """My gain and how often it counts: '4 times 43'."""
    gain = style.gain(o.gains[0])
    return gain if o.weight == 1 else f"{number(o.weight)} times {gain}"


def close_line(
    act: int, reading: str, steps: Sequence[str], sums: Sequence[Sum], weights: Sequence[Fraction]
) -> Line:
    """Reading, sums of the terms, and their weighted sum, which is the value; the value is not repeated where
    it ends a step, nor a fraction, which is long."""
    several = len(sums) > 1 or weights[0] != 1
    total = (
        Sum(tuple((w, s.value) for w, s in zip(weights, sums, strict=True) if s.value))
        if several
        else sums[0]
    )
    text = "; ".join(filter(None, [reading, *steps]))
    whole = not steps and total.value.denominator == 1
    if whole or not re.search(rf"(?:^|[^\w.]){re.escape(total.text)}$", text):
        text += f"{'; ' if several else ': '}{total.text}"
    return Line(act, text.removeprefix(": "), total.value)
