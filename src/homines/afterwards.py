"""What a sitting shows afterwards, as rows: what happened, what the other would have done in the person's
place, and whose preferences these are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from homines.core import Array, Choice, Decision, HominesError
from homines.estimate import Estimate, fit
from homines.lookup import find
from homines.measure import situation
from homines.observed import from_records
from homines.sitting import Sitting, Turn
from homines.speak import Names, number

FAMILY = "kantian"
"""Behindness, aheadness and universalising: alpha, beta and kappa."""


@dataclass(frozen=True, eq=False)
class Odds:
    """A situation the person met: what the person did, and the other's exact choice in that place, or why it
    has none.

    where    what had happened, in the labels the person read
    shown    the options, each with the other's probability given a legal answer
    """

    turn: Turn
    where: str
    done: str
    choice: Choice | None
    why: str = ""

    @property
    def shown(self) -> list[tuple[str, float]]:
        labels = self.turn.prompt.labels
        return [] if self.choice is None else list(zip(labels, map(float, self.choice.p), strict=True))

    def brief(self, most: int = 4) -> list[tuple[str, float]]:
        """Every option; of a long menu the likeliest, and what the person chose."""
        if len(self.shown) <= most:
            return self.shown
        likely = sorted(self.shown, key=lambda pair: -pair[1])[: most - 1]
        return likely + [pair for pair in self.shown if pair[0] == self.done and pair not in likely]


def odds(sitting: Sitting) -> list[Odds]:
    """The other's choice in every situation that the person met, as if it had sat there."""
    asked = sitting.course.asked
    words = find("frames", sitting.plan.frame)
    for game in dict.fromkeys(turn.game for turn, _ in asked):
        try:  # all at once; where one fails, it is told below which
            sitting.other(game, [turn.decision for turn, _ in asked if turn.game == game])
        except HominesError:
            continue
    found: list[Odds] = []
    for turn, action in asked:
        where, done = heard(turn.decision, words), turn.prompt.labels[action]
        try:
            found.append(Odds(turn, where, done, sitting.other(turn.game, [turn.decision])[0]))
        except HominesError as failure:
            found.append(Odds(turn, where, done, None, str(failure)))
    return found


def heard(d: Decision, words: object) -> str:
    """Where a decision stands in its game (`measure.situation`), in the labels of a frame, as far back as it
    tells."""
    labels = Names.of(d, getattr(words, "labels", ()))
    told = dict(zip(d.actions, labels.mine, strict=True))
    names = tuple(tuple(told.get(name, name) for name in each) for each in d.names)
    memory = getattr(words, "memory", 1)
    return situation(
        replace(d, actions=labels.mine, theirs=labels.theirs, names=names, history=d.history[-memory:])
    )


@dataclass(frozen=True)
class Happened:
    """A stage in words: what the person did (empty where another moved alone), what the others did and with
    which probability, and what was paid: the person's first; empty where nothing was paid yet."""

    game: str
    told: str
    mine: str
    theirs: tuple[tuple[str, str, float], ...]
    paid: tuple[str, ...]


def happened(sitting: Sitting) -> list[Happened]:
    """Every stage in order."""
    rows: list[Happened] = []
    for stage in sitting.course.stages:
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
        rows.append(Happened(stage.game, stage.told, mine, theirs, paid))
    return rows


def totals(sitting: Sitting) -> tuple[str, ...]:
    """Payoffs added up, the person's first; empty where games of unlike seats, or nothing, were paid."""
    paid = [s for s in sitting.course.stages if s.paid is not None and not s.situation]
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
    """Whose preferences: an estimate, or why there is none."""

    who: str
    estimate: Estimate | None
    why: str = ""


def portraits(sitting: Sitting, family: str = FAMILY) -> list[Portrait]:
    """The person's preference and the other's from the same games, as `homines fit` has them."""
    records = [*sitting.records.values(), *sitting.other.records.values()]
    return [_portrait(records, who, family) for who in (sitting.plan.person, sitting.other.name)]


def _portrait(records: Sequence[object], who: str, family: str) -> Portrait:
    try:
        return Portrait(who, fit(from_records(records, model=who), family))  # pyright: ignore[reportArgumentType]
    except HominesError as failure:
        return Portrait(who, None, str(failure))
