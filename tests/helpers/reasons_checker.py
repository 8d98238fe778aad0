"""A checker of stated reasons that shares no code with what writes them.

Reads a row's completion as a stranger would: every equation by a parser of its own, in exact fractions; every
number as one that the prompt says, that the principle or an equation before gave, or that counts outcomes;
the conclusion as the largest of the values that stand before 'for LABEL'. The utility is computed apart, from
the decision or, where the preference universalises, from all plans behind the veil of ignorance.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np

from homines.core.registry import find
from homines.core.types import NeedsVeil
from homines.datasets.row import Row
from homines.theory.choice import expected_utility, stated_beliefs
from homines.theory.game_forms import Repeated, veil

NUMBER = r"\d+(?:\.\d+)?"
SIDE = rf"-?{NUMBER}(?: [-+*/] {NUMBER})*"
EQUATION = re.compile(rf"(?<![\d.]){SIDE}(?: = {SIDE})+")
WORDS = {
    "own": "what I get",
    "same": "what I would get if everyone did the same",
    "others": "what the others get",
    "behind": "what I am behind",
    "ahead": "what I am ahead",
}
WEIGHT = re.compile(rf"(?:(less|plus) )?(?:({NUMBER}) times )?({'|'.join([WORDS['same'], *WORDS.values()])})")
RULE = re.compile(rf"counts ({NUMBER}) times where both do the same, else (?:({NUMBER}) times|once)")


def evaluate(side: str) -> Fraction:
    """The value of '3 * 9 - 2 + 1', products first."""
    total, sign = Fraction(), 1
    term: Fraction | None = None
    operator = ""
    for token in re.findall(rf"{NUMBER}|[-+*/]", side):
        if token in "+-":
            if term is not None:
                total += sign * term
            sign, term = (1 if token == "+" else -1), None
        elif token in "*/":
            operator = token
        else:
            value = Fraction(token)
            product = term if term is not None else Fraction(1)
            term = product / value if operator == "/" else product * value
    assert term is not None, side
    return total + sign * term


def faults(row: Row, preference: str) -> list[str]:
    """What is wrong with a row's reasons; empty where nothing is."""
    said, cue, answer = row.completion.rpartition("Answer:")
    labels = row.prompt.labels
    found: list[str] = [] if cue and answer.strip() == labels[row.answer] else ["the answer is not the row's"]
    known = {Fraction(x) for x in re.findall(NUMBER, row.prompt.text)}
    known |= {Fraction(x) for label in labels for x in re.findall(NUMBER, label)}
    known |= _weights(said, row, preference, found) | _counts(row)
    known |= {Fraction(0)} if row.decision.does else set()  # I die
    known |= {Fraction(2)}  # a place of mine and one of the other's
    # the divisor that turns the lead into payoffs is checked with the lead
    known |= {
        Fraction(x)
        for x in re.findall(rf"({NUMBER})(?= [*] {NUMBER} = {NUMBER} ahead| = {NUMBER} ahead)", said)
    }
    ends = 0
    for match in EQUATION.finditer(said):
        found += _foreign(said[ends : match.start()], known)
        sides = match.group().split(" = ")
        if len({evaluate(side) for side in sides}) > 1:
            found.append(f"false: {match.group()}")
        found += _foreign(sides[0], known)
        products = {abs(evaluate(part)) for part in re.split(r" [-+] ", sides[0])}
        for side in sides[1:]:
            found += _foreign(side, known | products | {abs(evaluate(sides[-1]))})
        # '3 * 4 + 2 = 12 + 2' gives 12 and 2, which the next equation adds up
        known |= {abs(evaluate(sides[-1]))} | {abs(evaluate(x)) for x in re.split(r" [-+] ", sides[-1])}
        ends = match.end()
    found += _foreign(said[ends:], known)
    for lead in re.findall(rf"({NUMBER}) ahead", said):
        worth = np.sort(_worth(preference, row.game, row.decision.key))
        if abs(float(lead) - (worth[-1] - worth[-2])) > 1e-6:
            found.append(f"the lead is not {lead}")
    return found + _conclusion(row, said, preference)


def _counts(row: Row) -> set[Fraction]:
    """Numbers of outcomes: as many as the others may act in, and fewer, where some are told together."""
    return {Fraction(n) for n in range(1, int(np.prod([len(t) for t in row.decision.theirs])) + 1)}


def _foreign(text: str, known: set[Fraction]) -> list[str]:
    return [f"out of nowhere: {x}" for x in re.findall(NUMBER, text) if Fraction(x) not in known]


def _weights(said: str, row: Row, preference: str, found: list[str]) -> set[Fraction]:
    """The weights that the principle states, checked against the preference's parameters."""
    u: Any = find("preferences", preference)
    stated = {
        words: Fraction(number or 1) * (-1 if sign == "less" else 1)
        for sign, number, words in WEIGHT.findall(". ".join(said.split(". ")[:2]))
    }
    numbers = set(map(abs, stated.values()))
    if len(stated) > 1:
        others = len(row.decision.payoffs) - 1
        want = {
            WORDS[kind]: w / (others if kind in ("behind", "ahead") else 1)
            for kind, w in _parameters(u, row.decision.kindness).items()
            if w
        }
        ratios = {stated.get(words, Fraction()) / w for words, w in want.items()}
        if len(ratios) != 1 or min(ratios) <= 0 or set(stated) != set(want):
            found.append(f"weights {stated} are not {want}")
    for match in re.finditer(
        rf"({NUMBER}(?: to {NUMBER})+) is ({NUMBER}(?: to {NUMBER})+)(?:, of ({NUMBER}))?", said
    ):
        left, right = ([Fraction(x) for x in side.split(" to ")] for side in match.groups()[:2])
        if match[3] and sum(right) != Fraction(match[3]):
            found.append(f"false: {match.group()}")
        if len({a / b for a, b in zip(left, right, strict=True)}) != 1:
            found.append(f"false: {match.group()}")
        numbers |= {*right, *([Fraction(match[3])] if match[3] else [])}
    for match in RULE.finditer(said):
        both, else_ = Fraction(match[1]), Fraction(match[2] or 1)
        own, same = stated[WORDS["own"]], stated[WORDS["same"]]
        if (both, else_) != (own + len(row.decision.actions) * same, own):
            found.append(f"false: {match.group()}")
        numbers |= {both, else_}
    return numbers


def _parameters(u: Any, kindness: int) -> dict[str, Fraction]:
    of = {name: Fraction(str(value)) for name, value in vars(u).items() if isinstance(value, int | float)}
    kappa = of.get("kappa", Fraction())
    match type(u).__name__:
        case "Moralis" | "Kantian" | "Inequity":
            return {
                "own": 1 - kappa,
                "same": kappa,
                "behind": -of.get("alpha", Fraction()),
                "ahead": -of.get("beta", Fraction()),
            }
        case "CharnessRabin":
            return {"own": Fraction(1), "behind": of["sigma"], "ahead": -of["rho"]}
        case "Altruist":
            return {"own": Fraction(1), "others": of["weight"]}
        case "Bfs":
            added = {1: of["gamma"], -1: of["delta"]}.get(kindness, Fraction())
            return {"own": Fraction(1), "behind": of["alpha"] + added, "ahead": -of["beta"] - added}
        case name:
            raise AssertionError(f"no weights are known of {name}")


def _conclusion(row: Row, said: str, preference: str) -> list[str]:
    """Whether the values stated before 'for LABEL' rank the options as the utility does."""
    labels, d = row.prompt.labels, row.decision
    names = "|".join(re.escape(label) for label in sorted(labels, key=len, reverse=True))
    values: dict[int, Fraction] = {}
    for value, label in re.findall(rf"(-?{NUMBER}) for ({names})(?![\w])", said):
        a = labels.index(label)
        values[a] = max(Fraction(value), values.get(a, Fraction(value)))
    if set(values) != set(range(len(labels))):
        return [f"no value for {set(range(len(labels))) - set(values)}"]
    worth = _worth(preference, row.game, d.key)
    found: list[str] = []
    stated = np.array([float(values[a]) for a in range(len(labels))])
    tolerance = 1e-7 * max(1.0, float(np.ptp(worth)))
    if row.answer not in np.flatnonzero(worth >= worth.max() - tolerance):
        found.append("the answer is not the best")
    if set(np.flatnonzero(worth >= worth.max() - tolerance)) != set(np.flatnonzero(stated == stated.max())):
        found.append(f"stated {stated}, worth {worth}")
    gaps = worth - worth[0], stated - stated[0]
    scale = (gaps[0] @ gaps[1]) / (gaps[0] @ gaps[0]) if abs(gaps[0]).max() > tolerance else 1.0
    if scale <= 0 or not np.allclose(scale * gaps[0], gaps[1], atol=1e-6 * max(1.0, abs(gaps[1]).max())):
        found.append(f"stated {stated} is no positive affine transform of {worth}")
    return found


@lru_cache(maxsize=64)
def _plans(preference: str, game: str) -> dict[str, Any]:
    """The value of each action at each point of decision, by all plans behind the veil of ignorance."""
    v = veil(find("games", game))
    u = find("preferences", preference)(v.seat()) @ np.array([0.5, 0.5])
    # every act of the other as likely is every plan as likely
    worth = u.mean(1)
    values: dict[str, Any] = {}
    for player, history in v.plans[0]:
        d = v.game.due(history)[player]
        acts = np.array([plan[player, history] for plan in v.plans])
        values[d.key] = np.array([worth[acts == a].max() for a in range(len(d.actions))])
    return values


def _worth(preference: str, game: str, key: str) -> Any:
    g = find("games", game)
    stage = g.stage if isinstance(g, Repeated) else g
    u = find("preferences", preference)
    decisions = [d for d in _decisions(stage) if d.key == key]
    try:
        return expected_utility(u(decisions[0]), stated_beliefs(decisions[0]))
    except NeedsVeil:
        return _plans(preference, game)[key]


def _decisions(game: Any) -> list[Any]:
    queue: list[Any] = [()]
    found: list[Any] = []
    for history in queue:
        due = game.due(history)
        found += due.values()
        if len(due) == 1 and not history:
            ((k, d),) = due.items()
            queue += [(tuple(a if j == k else None for j in (0, 1)),) for a in range(len(d.actions))]
    return found
