"""The debriefing of a sitting, as rows: what happened, the counterpart's choices in the person's place, and
the preferences of both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import linprog
from scipy.stats import chi2

from homines.core.capabilities import labels_of, memory_of
from homines.core.registry import find
from homines.core.types import Array, Choice, Decision, HominesError, Record
from homines.elicitation.amounts import number
from homines.elicitation.questions import situation
from homines.elicitation.scene import Names
from homines.estimation import family as families
from homines.estimation.bounds import EQUAL, Bounds, bounds
from homines.estimation.columns import Observation, read_for
from homines.estimation.family import Family
from homines.estimation.fit import Estimate, check_design, fit
from homines.estimation.likelihood import loglik
from homines.estimation.observations import from_records
from homines.estimation.problem import NotIdentified, problem
from homines.people.play import Turn
from homines.people.session import Sitting

FAMILY = "kantian"
"""Behindness, aheadness and universalising: alpha, beta and kappa."""
DRAWS = 99
"""Sets of answers at random of which none may fit as well as what is called a limit."""
SURE = 0.95
"""Of the test of choices against chance."""
CERTAIN = 0.95
"""Probability from which an exact choice counts as the one that is made."""


@dataclass(frozen=True, eq=False)
class Odds:
    """A situation the person met: the person's choice, and the counterpart's exact choice in that place.

    where    what had happened, in the labels the person read
    chosen   the label of the person's choice
    choice   the counterpart's; None: it has none, and `why` says why
    """

    turn: Turn
    where: str
    chosen: str
    choice: Choice | None
    why: str = ""

    @property
    def chances(self) -> list[tuple[str, float]]:
        """The options, each with the counterpart's probability given a legal answer."""
        labels = self.turn.prompt.labels
        return [] if self.choice is None else list(zip(labels, map(float, self.choice.p), strict=True))

    def brief(self, most: int = 4) -> list[tuple[str, float]]:
        """Every option; of a long menu the likeliest, and what the person chose."""
        if len(self.chances) <= most:
            return self.chances
        likely = sorted(self.chances, key=lambda pair: -pair[1])[: most - 1]
        return likely + [pair for pair in self.chances if pair[0] == self.chosen and pair not in likely]


def odds(sitting: Sitting) -> list[Odds]:
    """The other's choice in every situation that the person met, as if it had sat there."""
    answered = sitting.progress.answered
    words = find("frames", sitting.plan.frame)
    for game in dict.fromkeys(turn.game for turn, _ in answered):
        try:  # all at once; where one fails, the second loop finds which and why
            sitting.other(game, [turn.decision for turn, _ in answered if turn.game == game])
        except HominesError:
            continue
    rows: list[Odds] = []
    for turn, action in answered:
        where, chosen = labelled_situation(turn.decision, words), turn.prompt.labels[action]
        try:
            rows.append(Odds(turn, where, chosen, sitting.other(turn.game, [turn.decision])[0]))
        except HominesError as failure:
            rows.append(Odds(turn, where, chosen, None, str(failure)))
    return rows


def labelled_situation(d: Decision, words: object) -> str:
    """The situation of a decision (`questions.situation`) in a frame's labels, as far back as it tells."""
    labels = Names.of(d, labels_of(words))
    label_of = dict(zip(d.actions, labels.mine, strict=True))
    names = tuple(tuple(label_of.get(name, name) for name in each) for each in d.names)
    memory = int(memory_of(words))
    return situation(
        replace(d, actions=labels.mine, theirs=labels.theirs, names=names, history=d.history[-memory:])
    )


@dataclass(frozen=True)
class Happened:
    """A stage in words.

    when     where in the sitting it stands
    mine     the person's act; empty where another moved alone
    theirs   (name, act, its probability) of each other player
    paid     the person's first; empty where nothing was paid yet
    """

    game: str
    when: str
    mine: str
    theirs: tuple[tuple[str, str, float], ...]
    paid: tuple[str, ...]


def happened(sitting: Sitting) -> list[Happened]:
    """Every stage in order."""
    rows: list[Happened] = []
    for stage in sitting.progress.stages:
        mine = next((act.action for act in stage.acts if act.player == stage.seat), "")
        theirs = tuple(
            (
                name_of(act.player, stage.seat, two),
                act.action,
                float(act.choice.p[act.actions.index(act.action)]),
            )
            for act in stage.acts
            if act.choice is not None
            for two in [max(a.player for a in stage.acts) < 2]
        )
        paid = () if stage.paid is None or stage.situation else _mine_first(stage.paid, stage.seat)
        rows.append(Happened(stage.game, stage.when, mine, theirs, paid))
    return rows


def totals(sitting: Sitting) -> tuple[str, ...]:
    """Payoffs added up, the person's first; empty where games of unlike seats, or nothing, were paid."""
    paid = [s for s in sitting.progress.stages if s.paid is not None and not s.situation]
    if not paid or len({len(s.paid) for s in paid if s.paid is not None}) > 1:
        return ()
    moved = [
        np.concatenate(([s.paid[s.seat]], np.delete(s.paid, s.seat))) for s in paid if s.paid is not None
    ]
    return tuple(number(round(float(x), 6)) for x in np.sum(moved, axis=0))


def _mine_first(paid: Array, seat: int) -> tuple[str, ...]:
    return tuple(number(float(x)) for x in (paid[seat], *np.delete(paid, seat)))


def name_of(player: int, seat: int, two: bool) -> str:
    """'the other', or 'player 3' where there are several."""
    return "you" if player == seat else "the other" if two else f"player {player + 1}"


@dataclass(frozen=True, eq=False)
class Portrait:
    """The preference of one player: an estimate, or why there is none.

    why       the error of `fit`
    limits    the same in plain words, with what the choices do show
    """

    who: str
    estimate: Estimate | None
    why: str = ""
    limits: str = ""


def check_family(spec: str) -> None:
    """Raise HominesError where a preference is none, or leaves no parameter to estimate."""
    if not families.family(spec).free:
        raise HominesError(
            f"--family {spec} has no free parameter, and an estimate needs one; name a family that has, as "
            f"{FAMILY} or inequity, or drop --family"
        )


def portraits(sitting: Sitting, family: str = FAMILY) -> list[Portrait]:
    """The person's preference and the counterpart's from the same games, as `homines fit` estimates them."""
    check_family(family)
    records = [*sitting.records.values(), *sitting.other.records.values()]
    players = ((sitting.plan.person, "your"), (sitting.other.name, "its"))
    return [_portrait(records, who, possessive, family) for who, possessive in players]


def _portrait(records: Sequence[Record], who: str, possessive: str, family: str) -> Portrait:
    try:
        observations = from_records(records, model=who)
        try:
            return Portrait(who, fit(observations, family))
        except NotIdentified as failure:
            return Portrait(
                who,
                None,
                str(failure),
                limits(observations, families.family(family), possessive, str(failure)),
            )
    except HominesError as failure:
        return Portrait(who, None, str(failure), str(failure))


def limits(observations: Sequence[Observation], of: Family, possessive: str, why: str) -> str:
    """What choices without an estimate show, in words: limits of the parameters, or why there are none.

    Where values exist at which every choice is best: the range of each parameter among these. Else, for each
    parameter with the others at 0: the values that most choices fit (bounds.py). Ranges without a limit, and
    those that answers at random reach as well, are left out. `why` is stated where the games themselves do
    not identify the parameters.
    """
    observations = read_for(observations, of)
    free = _listed(of.free, "and")
    if ranges := _all_fit(observations, of):
        reach = _listed([*map(_reach, ranges)], "and")
        text = f"all {len(observations)} of {possessive} choices are best for some {reach}, and for no others"
    else:
        ranges = [limit for name in of.free if (limit := _limit(observations, of, name)) is not None]
        text = "taken one at a time, with the others at 0, " if len(of.free) > 1 else ""
        text += "; ".join(
            f"{_share(limit, observations, possessive)} any {_reach(limit)}" for limit in ranges
        )
    posed = problem(observations, of)
    try:
        check_design(posed)
    except NotIdentified:
        return f"{why}.{f' Still, {text}.' if ranges else ''}"
    if ranges:
        return f"{possessive} choices are too certain for values of {free}, but they set limits: {text}."
    peak, _ = posed.peak()
    random = loglik(posed.y, posed.design.logp(np.zeros_like(peak.g)))
    if 2 * (peak.loglik - random) > float(chi2.ppf(SURE, len(peak.g))):
        return f"{possessive} choices are no accident, but they do not follow what {of.spec} values: {why}."
    return f"{possessive} answers cannot be told from chance, so they tell nothing of {free}."


def _all_fit(observations: Sequence[Observation], of: Family) -> list[Bounds]:
    """The range of each parameter where every choice is best, of those that have a limit; none where there is
    no such point, a choice is not certain, or one set of answers at random has such a point as well."""
    if any(o.answers for o in observations):  # several plans may give an answer: the set is no polytope
        return []
    acts = [int(np.argmax(o.choice.p)) for o in observations]
    if any(o.choice.p[a] < CERTAIN for o, a in zip(observations, acts, strict=True)):
        return []
    columns = [of.columns(o.decision) for o in observations]

    def ends(chosen: Sequence[int], aim: Array) -> float | None:
        """The least of aim . parameters where all these choices are best; None where they never are."""
        better = np.concatenate([c[a] - np.delete(c, a, 0) for c, a in zip(columns, chosen, strict=True)])
        least = linprog(aim, A_ub=-better[:, 1:], b_ub=better[:, 0] + EQUAL, bounds=(None, None))
        return -np.inf if least.status == 3 else float(least.fun) if least.status == 0 else None

    axes, none = np.eye(len(of.free)), np.zeros(len(of.free))
    rng = np.random.default_rng(0)
    if ends(acts, none) is None or any(
        ends([int(rng.integers(len(c))) for c in columns], none) is not None for _ in range(DRAWS)
    ):
        return []
    sets: list[Bounds] = []
    for name, axis in zip(of.free, axes, strict=True):
        low, high = ends(acts, axis), ends(acts, -axis)
        if low is not None and high is not None and (np.isfinite(low) or np.isfinite(high)):
            sets.append(Bounds(name, ((low, -high),), 1.0, len(observations)))
    return sets


def _limit(observations: Sequence[Observation], of: Family, name: str) -> Bounds | None:
    """The values of one parameter, the others at 0, that most choices fit; None where any would do, or where
    answers at random do as well."""
    alone = replace(of, free=(name,), fixed={**of.fixed, **{k: 0.0 for k in of.free if k != name}})
    best = bounds(observations, alone)
    if not (np.isfinite(best.low) or np.isfinite(best.high)):
        return None
    rng = np.random.default_rng(0)
    for _ in range(DRAWS):
        drawn = [replace(o, choice=_at_random(o, rng)) for o in observations]
        if bounds(drawn, alone).share >= best.share:
            return None
    return best


def _at_random(o: Observation, rng: np.random.Generator) -> Choice:
    """As many choices as were made there, drawn; one where the choice is exact."""
    n, options = max(1, round(o.choice.legal or 1)), len(o.decision.actions)
    return Choice.at(rng.multinomial(n, np.full(options, 1 / options)) / n, n=n)


def _share(limit: Bounds, observations: Sequence[Observation], possessive: str) -> str:
    """'17 of your 18 choices fit'; of exact choices, their probability."""
    if all(o.choice.n == 1 for o in observations):
        count = len(observations)
        fitting = round(limit.share * count)
        share = f"all {count} of {possessive}" if fitting == count else f"{fitting} of {possessive} {count}"
        return f"{share} choices fit"
    return f"{limit.share:.0%} of {possessive} choices fit"


def _reach(limit: Bounds) -> str:
    """'kappa above 0.40', 'kappa from 0.10 to 0.20 or above 0.50'."""

    def part(low: float, high: float) -> str:
        first, last = (f"{round(x, 2) + 0.0:.2f}" for x in (low, high))  # no -0.00
        if first == last:
            return f"about {first}"
        if not np.isfinite(high):
            return f"above {first}"
        return f"from {first} to {last}" if np.isfinite(low) else f"below {last}"

    return f"{limit.name} {' or '.join(part(low, high) for low, high in limit.parts)}"


def _listed(names: Sequence[str], last: str) -> str:
    """'alpha, beta and kappa'."""
    return f" {last} ".join(filter(None, (", ".join(names[:-1]), names[-1])))
