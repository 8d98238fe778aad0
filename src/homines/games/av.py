"""A dilemma of self-driving cars, asked as a judgement, a purchase or a vote."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from homines.core.checks import count
from homines.core.types import Array, Decision, History, HominesError, frozen
from homines.theory.stakes import check_stake

PERSPECTIVES = ("judging", "buying", "regulating")
ABOARD = ("self", "family", "stranger")
MOST_SAVED = 100


@dataclass(frozen=True)
class Party:
    """Those aboard, in words: when they are brought in, when they are named again, and how many they are."""

    carried: str
    named: str
    lives: int = 1


OWNER = {
    "self": Party("its owner", "the owner"),
    "family": Party("its owner and a member of the owner's family", "the owner and the family member", 2),
    "stranger": Party("a stranger to its owner", "the stranger"),
}
YOU = {
    "self": Party("you", "you"),
    "family": Party("you and a member of your family", "you and your family member", 2),
    "stranger": Party("a stranger, and not you", "the stranger"),
}
SITUATION = {
    "judging": "A car that drives itself carries {who}. Its brakes fail, and {road} in its way. You are none "
    "of these people. Which act is the more moral one?",
    "buying": "You are about to buy a car that drives itself. It will carry {who}. Some day its brakes may "
    "fail when {road} in its way. Cars of others stay as they are. Which car do you buy?",
    "regulating": "You vote on a rule that binds every car that drives itself. Some day the brakes of a car "
    "may fail that carries {who}, when {road} in its way. You may be any one of these people, each as "
    "likely. Which rule do you vote for?",
}
ACT = {
    "judging": ("The car swerves into a wall", "The car drives on"),
    "buying": ("A car that swerves into a wall", "A car that drives on"),
    "regulating": ("Cars must swerve into a wall", "Cars must drive on"),
}


@dataclass(frozen=True, eq=False)
class Dilemma:
    """One decision that player 0 takes once, for everybody it touches; nobody else moves."""

    decision: Decision

    def due(self, history: History) -> Mapping[int, Decision]:
        return {} if history else {0: self.decision}

    def payoffs(self, history: History) -> Array:
        return self.decision.payoffs[:, history[0][0]]


def av(asked: str = "buying", saved: int = 10, aboard: str = "self") -> Dilemma:
    """Self-driving car: swerve and give up those aboard, or drive on and give up those on the road.

    asked    judging (which act is more moral), buying (which car, for oneself), regulating (a vote on the
             rule for every car)
    saved    people on the road, s of 1 to 100, who live if the car swerves
    aboard   who dies then: the owner (self), the owner and one of the family (family), or a stranger alone
             (stranger). The owner is I when buying, somebody else when judging, anybody when regulating

    Payoffs are expected lives, of the seats (I, the others aboard, the others on the road). With n aboard and
    N = s + n, `sacrifice` saves s lives in all, `protect` n, and the question says where I am among them:

        judging      nowhere: (0, 0, s) against (0, n, 0)
        buying       where I ride: (0, 0, s) against (1, n - 1, 0); elsewhere as when judging
        regulating   each of the N with 1/N: (s/N, 0, s - s/N) against (n/N, n - n/N, 0)

    If all in my place did the same, every car would be of that kind and I as likely any of the N, whatever
    was asked: same = s/N against n/N. So homo moralis is indifferent when buying a car to ride in at
    kappa = N / (2 s), which is (s + 1) / (2 s) for one aboard and 1 for one against one; more of it and it
    sacrifices. Economicus has no view when judging, protects itself when buying, and votes as a utilitarian.
    Seats are groups, so preferences that compare seats (inequity, maximin) compare no persons here.
    Design after Bonnefon, Shariff & Rahwan (2016), Science 352: 1573; words and payoffs are ours.

    >>> av("buying", saved=10).due(())[0].payoffs.tolist()
    [[0.0, 1.0], [0.0, 0.0], [10.0, 0.0]]
    """
    for name, value, known in (("asked", asked, PERSPECTIVES), ("aboard", aboard, ABOARD)):
        if value not in known:
            raise HominesError(f"{name} is {value!r}; it must be one of {', '.join(known)}")
    count("saved", saved, 1, MOST_SAVED)
    party = (YOU if asked == "buying" else OWNER)[aboard]
    total = np.array([saved, party.lives])
    lottery = total / total.sum()
    mine = {
        "judging": np.zeros(2),
        "buying": np.array([0.0, 0.0 if aboard == "stranger" else 1.0]),
        "regulating": lottery,
    }[asked]
    others = total - mine
    payoffs = frozen([mine, others * [0, 1], others * [1, 0]])
    rule, does = words(asked, saved, party)
    return Dilemma(Decision(("sacrifice", "protect"), payoffs, same=frozen(lottery), rule=rule, does=does))


def draw(rng: np.random.Generator, most: int = 9) -> str:
    """Any of these dilemmas with up to `most` saved. Payoffs are lives, which votes divide."""
    check_stake("av", most, 2)
    asked, aboard = PERSPECTIVES[int(rng.integers(3))], ABOARD[int(rng.integers(3))]
    return f"av(asked={asked}, saved={rng.integers(1, min(most, MOST_SAVED) + 1)}, aboard={aboard})"


def words(question: str, saved: int, party: Party) -> tuple[str, tuple[str, str]]:
    """The situation, and what each act does; both acts in the same words."""
    road = "1 pedestrian" if saved == 1 else f"{saved} pedestrians"
    situation = SITUATION[question].format(who=party.carried, road=f"{road} {'is' if saved == 1 else 'are'}")
    one = party.lives == 1 and party.named != "you"
    die, live = ("dies", "lives") if one else ("die", "live")
    die_there, live_there = ("dies", "lives") if saved == 1 else ("die", "live")
    swerves, drives_on = ACT[question]
    return situation, (
        f"{swerves}: {party.named} {die}, the {road} {live_there}.",
        f"{drives_on}: {party.named} {live}, the {road} {die_there}.",
    )
