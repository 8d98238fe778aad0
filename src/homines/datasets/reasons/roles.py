"""Lines of a plan for both roles: what comes of it in either place, if the other does the same and if not.

A plan says what to do at every point of decision, in either role. Behind the veil of ignorance, with every
act of the other as likely, its utility is, up to a factor,

    weight of own * (sum over what may follow, in each role) + weight of same * (sum over the two roles where
    both follow it)

and what all compared plans share is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import gcd, lcm

import numpy as np

from homines.core.types import Decision, Game, History, Order, Preference
from homines.datasets.best_answers import ImpliedAnswers, Walk
from homines.datasets.reasons.arithmetic import Comparison, Line, Sum, exact, in_proportion
from homines.datasets.reasons.outcomes import (
    PARTS,
    Outcome,
    add_up,
    gather,
    read_outcomes,
    terms_of,
    weight_of,
)
from homines.datasets.reasons.words import ALIKE, NAMES, PATH, Style
from homines.estimation.strategy_method import Point, points
from homines.theory.game_forms import Plan, Sequential, append_stage
from homines.theory.utility_terms import OWN, SAME

MOST_PATHS = 6
"""Ways to go on after all actions that are told; of more, only the best after each."""


@dataclass(frozen=True)
class Leaf:
    """An end of the game from one role: the acts, everybody's gains with mine first, its probability."""

    role: int
    history: History
    gains: tuple[Fraction, ...]
    chance: Fraction


def leaves(game: Game, plan: Plan, role: int) -> list[Leaf]:
    """The ends of a two-player game for a player of this plan whose opponent takes every act as likely."""
    ends: list[Leaf] = []
    queue: list[tuple[History, Fraction]] = [((), Fraction(1))]
    for history, chance in queue:
        due = game.due(history)
        if not due:
            paid = [exact(x) for x in game.payoffs(history)]
            ends.append(Leaf(role, history, tuple(paid if role == 0 else paid[::-1]), chance))
            continue
        acts = [[plan[k, history]] if k == role else range(len(d.actions)) for k, d in due.items()]
        for joint in product(*acts):
            after = append_stage(history, dict(zip(due, joint, strict=True)), 2)
            queue.append((after, chance / int(np.prod([len(a) for a in acts]))))
    return ends


def path(game: Game, plan: Plan) -> History:
    """What happens if both follow the plan."""
    history: History = ()
    while due := game.due(history):
        history = append_stage(history, {k: plan[k, history] for k in due}, 2)
    return history


def compare_plans(
    preference: Preference,
    implied: ImpliedAnswers,
    labels: Sequence[str],
    order: Order,
    style: Style,
) -> tuple[Comparison, dict[str, Fraction]] | None:
    """A line for each plan that matters here; None where the terms do not give the plans' utilities."""
    walk = implied.walk
    assert walk is not None
    terms = terms_of(preference, walk.seat)
    if any(term.kind not in PARTS and term.kind != SAME for term in terms):
        return None
    weights, factor = in_proportion([weight_of(term, 1) for term in terms])
    by_kind = {term.kind: w for term, w in zip(terms, weights, strict=True)}
    principle, preface = dict(by_kind), ""
    told = _plans(walk, order[0], only_same=set(by_kind) == {SAME})
    own = [{} if set(by_kind) == {SAME} else _own(walk.game, walk.plans[i], walk.point[0]) for _, i in told]
    shared = set(own[0]).intersection(*own[1:]) if own else set()
    own = [{leaf: n for leaf, n in each.items() if leaf not in shared} for each in own]
    count = Fraction(lcm(*(leaf.chance.denominator for each in own for leaf in each)))
    shares = [leaf.chance * count for each in own for leaf in each]
    common = Fraction(gcd(int(count), *map(int, shares)))
    words = ActWords.of(walk.game, walk.point, implied.decision, labels)
    together = [_same(walk, walk.plans[i], words, count / common) for _, i in told]
    if any(own) and len({same.value for _, same in together}) == 1:  # what all share decides nothing
        by_kind = {kind: w for kind, w in by_kind.items() if kind != SAME}
        preface = ALIKE
        if len(by_kind) == 1:
            factor /= by_kind.get(OWN, Fraction(1))
            by_kind = dict.fromkeys(by_kind, Fraction(1))
    lines: list[Line] = []
    for (act, _), ends, both in zip(told, own, together, strict=True):
        cases = [
            (role, o)
            for role in (walk.point[0], 1 - walk.point[0])
            for o in gather(
                [words.outcome(leaf, count / common) for leaf in ends if leaf.role == role], by_kind.keys()
            )
        ]
        lines.append(_line(act, cases, both, by_kind, words, style))
    compared = Comparison(tuple(lines), 2 * factor * count / common, preface)
    return (compared, principle) if _fits(compared, implied) else None


def _plans(walk: Walk, order: Sequence[int], *, only_same: bool) -> list[tuple[int, int]]:
    """(action, plan) of what is compared: for each action in the order shown its best plan, the one that is
    most like the best of all; where only the common path counts, every path through this point too."""
    best = int(np.argmax(walk.worth))
    told: list[tuple[int, int]] = []
    for act in order:
        here = [i for i, a in enumerate(walk.acts) if a == act]
        top = max(walk.worth[i] for i in here)
        tied = [i for i in here if walk.worth[i] > top - 1e-9]
        choice = max(tied, key=lambda i: (_passes(walk, i), _alike(walk.plans[i], walk.plans[best])))
        chosen = {path(walk.game, walk.plans[choice]): choice}
        if only_same:
            through = {path(walk.game, walk.plans[i]): i for i in here if _passes(walk, i)}
            if len(through) * len(order) <= MOST_PATHS:
                chosen = {**through, **chosen}
        told += [(act, i) for i in chosen.values()]
    return told


def _passes(walk: Walk, i: int) -> bool:
    """Whether the game comes to this point of decision if both follow the plan."""
    _, history = walk.point
    return path(walk.game, walk.plans[i])[: len(history)] == history


def _alike(one: Plan, other: Plan) -> int:
    return sum(one[point] == other[point] for point in one)


def _own(game: Game, plan: Plan, here: int) -> dict[Leaf, None]:
    """The ends in both roles, mine here first."""
    return dict.fromkeys(leaf for role in (here, 1 - here) for leaf in leaves(game, plan, role))


def _same(walk: Walk, plan: Plan, words: ActWords, count: Fraction) -> tuple[str, Sum]:
    """The acts where both follow the plan, and what they give in the two roles, mine here first."""
    history, here = path(walk.game, plan), walk.point[0]
    paid = [exact(x) for x in walk.game.payoffs(history)]
    return words.acts(history, here), Sum(((count, paid[here]), (count, paid[1 - here])))


def _line(
    act: int,
    cases: Sequence[tuple[int, Outcome]],
    together: tuple[str, Sum],
    weights: Mapping[str, Fraction],
    words: ActWords,
    style: Style,
) -> Line:
    acts, same = together
    if set(weights) == {SAME}:
        return Line(act, PATH[style.way].format(acts=acts, sum=same.text), same.value)
    steps: list[str] = []
    roles = list(dict.fromkeys(role for role, _ in cases))
    silent = roles == [words.here] and not isinstance(words.game, Sequential)
    for role in roles:
        reading = read_outcomes([o for r, o in cases if r == role], weights.keys(), style, alone=silent)
        steps.append(reading if silent else f"{words.role(role)} {reading}")
    parts: list[tuple[Fraction, Fraction]] = []
    for kind, weight in weights.items():
        made = same if kind == SAME else add_up(kind, [o for _, o in cases])
        if kind == SAME:
            steps.append(f"if both do so, {PATH[0].format(acts=acts, sum=made.text)}")
        elif made.value and not made.trivial:
            steps.append(made.text if len(weights) == 1 else f"{NAMES[kind]} {made.text}")
        if made.value:
            parts.append((weight, made.value))
    last = Sum(tuple(parts))
    if len(weights) > 1:
        steps.append(last.text)
    return Line(act, "; ".join(steps), last.value)


def _fits(compared: Comparison, implied: ImpliedAnswers) -> bool:
    """Whether the values differ as the plans' utilities do."""
    values = compared.best()
    first, *rest = values
    return all(
        abs(
            float((values[a] - values[first]) / compared.scale)
            - float(implied.worth[a] - implied.worth[first])
        )
        < 1e-6
        for a in rest
    )


@dataclass(frozen=True)
class ActWords:
    """Words for acts and roles of a game, as the prompt of one point of decision has them."""

    game: Game
    labels: tuple[str, ...]
    actions: tuple[str, ...]
    here: int
    names: Mapping[tuple[int, History], tuple[str, ...]]

    @classmethod
    def of(cls, game: Game, point: Point, d: Decision, labels: Sequence[str]) -> ActWords:
        names = {each: at.actions for each, at in points(game).items()}
        return cls(game, tuple(labels), d.actions, point[0], names)

    def outcome(self, leaf: Leaf, count: Fraction) -> Outcome:
        return Outcome(self.acts(leaf.history, leaf.role), leaf.gains, leaf.chance * count)

    def acts(self, history: History, role: int) -> str:
        """'A then B' of moves in turn, 'A against B' of moves at once, mine first."""
        said: list[str] = []
        for t, stage in enumerate(history):
            moves = [(k, a) for k, a in enumerate(stage) if a is not None]
            if len(moves) > 1:
                moves.sort(key=lambda move: move[0] != role)
            said.append(" against ".join(self._word(k, history[:t], a) for k, a in moves))
        return " then ".join(said)

    def _word(self, player: int, history: History, action: int) -> str:
        names = self.names[player, history]
        if names == self.actions:
            return self.labels[action]
        name = names[action]
        return self.labels[self.actions.index(name)] if name in self.actions else name

    def role(self, role: int) -> str:
        """'as first mover', 'in my place'."""
        if isinstance(self.game, Sequential):
            return "as second mover" if role else "as first mover"
        return "in my place" if role == self.here else "in the other's place"
