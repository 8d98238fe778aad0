"""Reading a model's own reasons: which step of them breaks first.

The texts are those of agents that were taught this package's reasons, so their words are known: amounts are
compared with the decision, equations are computed, and the values before 'for LABEL' are compared.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from enum import StrEnum
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np

from homines.core.format import join
from homines.core.registry import find
from homines.core.types import Game, History
from homines.datasets.reasons import words
from homines.datasets.reasons.arithmetic import exact
from homines.datasets.reasons.roles import ActWords
from homines.datasets.reasons.situation import is_last
from homines.datasets.row import Row
from homines.elicitation.scene import CUE, Names
from homines.estimation.strategy_method import points
from homines.theory.game_forms import Repeated, append_stage, nodes

NUMBER = r"\d+(?:\.\d+)?"
AMOUNT = rf"-?[^\w\s-]?({NUMBER})"
"""A number, perhaps after a sign of money."""
SIDE = rf"-?{NUMBER}(?: [-+*/] {NUMBER})*"
EQUATION = re.compile(rf"(?<![\d.]){SIDE}(?: = {SIDE})+")
GAINS = re.compile(
    r"(?:[:,] in (?:both|all \d+) cases)?"
    r"(?: it gives(?: me)?| gives(?: me)?|(?: it)? pays me| I get|(?: it)? brings me)?"
    rf"(?: \d+ times)? {AMOUNT}(?: and(?: the others?)? {AMOUNT})?"
)
BOTH_ROLES = re.compile(rf"(?:,| gives| makes| comes to|:)? (?:\d+ \* )?({NUMBER}) \+ (?:\d+ \* )?({NUMBER})")


class ReasonFault(StrEnum):
    """The first step of a model's reasons that breaks.

    READ        an amount goes to acts for which the prompt says another, or to outcomes that do not count
    COMPUTED    an equation is false
    COMPARED    the conclusion is not the largest of the stated values
    UNREADABLE  an option has no value, or there is no conclusion
    """

    NONE = "none"
    READ = "read wrongly"
    COMPUTED = "computed wrongly"
    COMPARED = "compared wrongly"
    UNREADABLE = "unreadable"


def read_reasons(text: str, row: Row) -> ReasonFault:
    """The first fault of a model's reasons for the decision of a row, in the order in which they are given.
    Its values are compared with those of the row's own reasons where the completion has any.

    text   up to the cue, or to the answer after it
    """
    said, _, answer = text.partition(CUE)
    labels = row.prompt.labels
    lines, conclusion = _parts(said, labels)
    values = stated_values(" ".join(lines), labels)
    chosen = answer.strip() or (_last_label(conclusion, labels) if conclusion else "")
    if set(values) != set(labels) or chosen not in values:
        return ReasonFault.UNREADABLE
    gains = Gains(row)
    for line in lines:
        if not all(gains.checks(line)):
            return ReasonFault.READ
        for equation in EQUATION.findall(line):
            if len({evaluate(side) for side in equation.split(" = ")}) > 1:
                return ReasonFault.COMPUTED
    own = stated_values(" ".join(_parts(row.completion.partition(CUE)[0], labels)[0]), labels)
    if set(own) == set(labels) and own != values:
        return ReasonFault.READ
    amounts = [Fraction(x) for x in re.findall(NUMBER, conclusion)]
    if values[chosen] < max(values.values()) or abs(values[chosen]) not in amounts:
        return ReasonFault.COMPARED
    return ReasonFault.NONE


def evaluate(side: str) -> Fraction:
    """The value of '3 * 9 - 2', products first.

    >>> evaluate("-2 * 3 + 10 / 4")
    Fraction(-7, 2)
    """
    total = Fraction()
    for sign, term in re.findall(r"(^-|^|[-+] )([^-+]+)", side):
        first, *rest = re.split(r" (?=[*/])", term.strip())
        value = Fraction(first)
        for factor in rest:
            value = value * Fraction(factor[2:]) if factor[0] == "*" else value / Fraction(factor[2:])
        total += -value if sign.startswith("-") else value
    return total


def stated_values(said: str, labels: Sequence[str]) -> dict[str, Fraction]:
    """The largest value that stands before 'for LABEL', of each label that has any."""
    values: dict[str, Fraction] = {}
    for value, label in re.findall(rf"(-?{NUMBER}) for ({_any(labels)})(?!\w)", said):
        values[label] = max(Fraction(value), values.get(label, Fraction(value)))
    return values


def _parts(said: str, labels: Sequence[str]) -> tuple[list[str], str]:
    """The lines that give options their values, and the conclusion: the last sentence that names an option,
    without the one on the lead."""
    sentences = [s for s in re.split(r"\.\s+|\.$", said.strip()) if s and " ahead for " not in s]
    naming = [s for s in sentences if _last_label(s, labels)]
    return (naming[:-1], naming[-1]) if naming else ([], "")


def _last_label(sentence: str, labels: Sequence[str]) -> str:
    """The option that a sentence ends with, as in '12 for A' and 'I take A'; empty where it does not."""
    end = re.search(rf"(?:for|take) ({_any(labels)})$", sentence)
    return end[1] if end else ""


class Gains:
    """What the outcomes of a row's decision give, by the words that its reasons have for them.

    by_acts   (player, acts): everybody's gains, that player's first
    same      what everyone gets where all choose the label
    """

    def __init__(self, row: Row) -> None:
        d, labels = row.decision, row.prompt.labels
        self.here, self.lives = d.player, bool(d.does)
        names = Names.of(d, labels if labels != d.actions else ())
        self.by_acts: dict[tuple[int, str], tuple[Fraction, ...]] = {}
        uncertain: set[str] = set()
        for place in np.ndindex(*d.payoffs.shape[1:]):
            theirs = [labels[b] for labels, b in zip(names.theirs, place[1:], strict=True)]
            joint = (" then " if d.reply else " against ") + join(theirs) if theirs else ""
            acts = f"{names.mine[place[0]]}{joint}"
            self.by_acts[self.here, acts] = tuple(exact(x) for x in d.payoffs[(slice(None), *place)])
            uncertain.add(join(theirs))
            if d.reply and is_last(d, place[0]):
                self.by_acts[self.here, names.mine[place[0]]] = self.by_acts[self.here, acts]
        self.same = (
            {} if d.same is None else {label: exact(x) for label, x in zip(labels, d.same, strict=True)}
        )
        if d.same is None and len(d.payoffs) == 2:
            self._walk(row)
        self.cases = list(_cases(names.mine, uncertain - {""}, " then " if d.reply else " against "))
        firsts = {acts.split(" against ")[0] for _, acts in self.by_acts}
        others = {acts.partition(" against ")[2] for _, acts in self.by_acts} - {""}
        joint = rf" against (?:{_any(others)})(?:(?:, | or )(?:{_any(others)}))*" if others else ""
        acts = rf"(?<!\w)(?:(?:{_any(firsts)}){joint}|{_any(acts for _, acts in self.by_acts)})(?!\w)"
        self.step = re.compile(rf"(?i:as (first|second) mover|in (my|the other's) place)|{acts}")
        says = [(label, re.escape(way.format(act=label))) for label in labels for way in words.ALL]
        amount = rf": (?:\d+ \* )?[^\w\s]?({NUMBER})"
        self.all = [(label, re.compile(rf"(?<!\w){said}{amount}", re.IGNORECASE)) for label, said in says]
        self.labels, self.several = labels, len(d.theirs) > 1

    def _walk(self, row: Row) -> None:
        """Add the ends of the whole game, from either role."""
        game: Any = find("games", row.game)
        game = game.stage if isinstance(game, Repeated) else game
        keys = {d.key: point for point, d in points(game).items()}
        if row.decision.key not in keys:
            return
        said = ActWords.of(game, keys[row.decision.key], row.decision, row.prompt.labels)
        for history in ends(game):
            paid = [exact(x) for x in game.payoffs(history)]
            for player in (0, 1):
                acts = said.acts(history, player)
                self.by_acts.setdefault((player, acts), (paid[player], paid[1 - player]))

    def checks(self, line: str) -> Iterator[bool]:
        """For every amount that a line reads off: whether the acts give it. Lives are not checked: reasons
        count shares of them in whole people."""
        if self.lives:
            return
        for label, way in self.all:
            for read in way.finditer(line):
                yield self.same.get(label) == Fraction(read[1])
        player, end = self.here, 0
        line = self._in_order(line)
        while found := self.step.search(line, end):
            end = found.end()
            if found[1]:
                player = 0 if found[1].lower() == "first" else 1
            elif found[2]:
                player = self.here if found[2].lower() == "my" else 1 - self.here
            elif read := BOTH_ROLES.match(line, end):
                yield self._gives(self.here, found[0], read.groups())
                end = read.end()
            elif read := GAINS.match(line, end):
                yield self._gives(player, found[0], [x for x in read.groups() if x])
                end = read.end()

    def _in_order(self, line: str) -> str:
        """A line that begins with what the others may do, by acts in order: 'A against B gives me 7'."""
        for start, further, against in self.cases:
            if read := start.match(line):
                acts = f"{read['act']}{against}"
                rest = further.sub(lambda case, acts=acts: f", {acts}{case[1]}", line[read.end() :])
                return f"{acts}{read['theirs']} gives me {rest}"
        return line

    def _gives(self, player: int, acts: str, amounts: Sequence[str]) -> bool:
        """Whether these acts, 'A against B or C' among them, give the amounts."""
        want = [Fraction(x) for x in amounts]
        mine, against, theirs = acts.partition(" against ")
        apart = [f"{mine}{against}{other}" for other in re.split(", | or ", theirs)]
        each = [acts] if (player, acts) in self.by_acts else apart
        known = [self.by_acts.get((player, one)) for one in each]
        if self.several and None in known:
            return True  # joint acts of several that are told together cannot be told apart
        return all(gains is not None and [*map(abs, gains)][: len(want)] == want for gains in known)


def _cases(
    mine: Iterable[str], theirs: AbstractSet[str], against: str
) -> Iterator[tuple[re.Pattern[str], re.Pattern[str], str]]:
    """(beginning of a line that tells uncertain outcomes, beginning of a further outcome, the word between
    acts) for every wording."""
    if not theirs:
        return
    several = rf"(?:{_any(theirs)})(?:(?:, | or )(?:{_any(theirs)}))*"
    groups = {"act": rf"(?P<act>{_any(mine)})", "theirs": rf"(?P<theirs>{several})", "gain": ""}
    for start, further in (*words.CASES, *words.REPLIES):
        first = start.format(**groups, s="s?", pick="pick", picks="picks?")
        further = further.format(theirs=f"({several})")
        first = first if first.startswith("(") else f"(?i:{first[0]}){first[1:]}"
        yield re.compile(first), re.compile(f", {further}(?= )"), against


def ends(game: Game) -> Iterator[History]:
    """Every history of a finite two-player game after which nobody is due."""
    for history, due in nodes(game):
        for joint in product(*(range(len(d.actions)) for d in due.values())):
            after = append_stage(history, dict(zip(due, joint, strict=True)), 2)
            if not game.due(after):
                yield after


def _any(texts: Iterable[str]) -> str:
    """A pattern of any of these texts, the longest first."""
    return "|".join(re.escape(text) for text in sorted(texts, key=len, reverse=True))
