"""A promise to cooperate, before a prisoner's dilemma in which nothing, or a fine, holds one to it."""

from __future__ import annotations

import numpy as np

from homines.core.checks import number
from homines.core.types import frozen
from homines.games.ipd import PAYOFFS
from homines.theory.game_forms import protocol_payoffs
from homines.theory.two_stage import TwoStage, dilemma_words

PROMISE = "promise"
"""The first action that is broken by the second action of the second stage, D."""


def promise(penalty: float = 0, payoffs: tuple[float, ...] = ()) -> TwoStage:
    """Both promise to cooperate, or say nothing; having heard it, both play C or D.

    penalty   points that a broken promise costs
    payoffs   T, R, P, S in place of those of `ipd`
    One who counts own points breaks every promise whose penalty is below T - R and P - S, and keeps every one
    whose penalty is above both. Promises of this kind: Charness & Dufwenberg (2006), Econometrica 74: 1579.

    >>> promise(penalty=2).payoffs(((0, 1), (1, 1))).tolist()  # player 0 promised; both defect
    [-1.0, 1.0]
    """
    t, r, p, s = protocol_payoffs(1, payoffs, (PAYOFFS,))
    number("penalty", penalty, 0)
    mine = np.array([[[[r, s], [t - broken, p - broken]]] * 2 for broken in (penalty, 0.0)])
    held = "Nothing holds one to it"
    if penalty:
        held = f"Who gives it and takes the other option loses {penalty:.10g}"
    rule, then = dilemma_words(mine)
    rule += (
        " Before that, both say at the same time whether they give their word to take the option that pays "
        f"both {r:.10g} where both take it. {held}."
    )
    said = ("You gave your word", "You gave no word")
    heard = ("the other gave its word", "the other gave none")
    return TwoStage(
        (PROMISE, "silence"),
        ("C", "D"),
        frozen(mine),
        rule,
        ("you give your word.", "you give no word."),
        tuple(tuple(f"{a} and {x}. Now both choose." for x in heard) for a in said),
        then,
    )
