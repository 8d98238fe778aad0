"""A dilemma of self-driving cars, rated from 0 to 100."""

from __future__ import annotations

import numpy as np

from homines.core.checks import number
from homines.core.types import Decision, frozen
from homines.games.av import Dilemma, av
from homines.games.dictator import amounts

MOST = 100

RATED = {
    "judging": "How moral is it, compared with driving on, that the car swerves? 0: not at all, driving on "
    "is right; 100: entirely, swerving is right.",
    "buying": "How likely are you to buy the car that swerves, and not the one that drives on? 0: surely the "
    "one that drives on; 100: surely the one that swerves.",
    "regulating": "How much are you for the rule that cars must swerve, and not for the one that they must "
    "drive on? 0: entirely for driving on; 100: entirely for swerving.",
}
"""The question in place of that of `av`, by what is asked."""


def av_rating(asked: str = "judging", saved: int = 10, aboard: str = "self", *, step: float = 10) -> Dilemma:
    """Self-driving car: how right swerving is, how likely one is to buy the car that does, or how much one is
    for the rule, from 0 to 100 in steps.

    asked, saved, aboard   as in `av`

    A rating r counts as swerving with probability r / 100: payoffs, and what I get if all in my place did the
    same, are r / 100 times those of `sacrifice` and 1 - r / 100 times those of `protect`. So a preference
    rates 100 where it sacrifices, 0 where it protects, and anything where it has no view. Ratings from 0 to
    100 after Bonnefon, Shariff & Rahwan (2016), Science 352: 1573; words and payoffs are ours.

    >>> av_rating("buying", saved=10).due(())[0].payoffs[:, 5].tolist()
    [0.5, 0.0, 5.0]
    """
    number("step", step, 0)
    ratings = amounts("a rating", MOST, step)
    d = av(asked, saved, aboard).decision
    assert d.same is not None
    mixed = np.stack([ratings / MOST, 1 - ratings / MOST])
    situation = d.rule.rpartition(". ")[0]
    rule = f"{situation}.\n{d.does[0]}\n{d.does[1]}\n{RATED[asked]}"
    names = tuple(f"{rating:.10g}" for rating in ratings)
    return Dilemma(Decision(names, frozen(d.payoffs @ mixed), same=frozen(d.same @ mixed), rule=rule))
