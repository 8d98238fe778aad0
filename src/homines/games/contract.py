"""A contract that fines defection where both have signed it, before a prisoner's dilemma."""

from __future__ import annotations

import numpy as np

from homines.core.checks import number
from homines.core.types import frozen
from homines.theory.game_forms import protocol_payoffs
from homines.theory.two_stage import TwoStage, dilemma_words

PAYOFFS = (5, 4, 2, 1)
"""T, R, P, S: a fined payoff is not negative."""


def contract(fine: float = 2, payoffs: tuple[float, ...] = ()) -> TwoStage:
    """Both sign a contract or refuse; having seen it, both play C or D. Where both signed, D is fined.

    fine      what D costs where both have signed
    payoffs   T, R, P, S in place of 5, 4, 2, 1
    With a fine above T - R and P - S one who counts own points cooperates under the contract, so that both
    sign: what a promise does not do, for it binds one alone. Contracts in games: Jackson & Wilkie (2005),
    Review of Economic Studies 72: 543, in the simplest form.

    >>> contract().payoffs(((0, 0), (1, 1))).tolist(), contract().payoffs(((0, 1), (1, 1))).tolist()
    ([0.0, 0.0], [2.0, 2.0])
    """
    t, r, p, s = protocol_payoffs(1, payoffs, (PAYOFFS,))
    number("fine", fine, 0)
    mine = np.array([[[[r, s], [t - f, p - f]] for f in row] for row in ((fine, 0.0), (0.0, 0.0))])
    rule, then = dilemma_words(mine)
    rule += (
        " Before that, a contract is put to both, and each accepts it or not, at the same time. Where both "
        f"have accepted, whoever does not take the option that pays both {r:.10g} where both take it loses "
        f"{fine:.10g}."
    )
    did = ("You accepted it", "You did not accept it")
    seen = ("the other accepted it", "the other did not")
    return TwoStage(
        ("sign", "refuse"),
        ("C", "D"),
        frozen(mine),
        rule,
        ("you accept it.", "you do not accept it."),
        tuple(tuple(f"{a} and {x}. Now both choose." for x in seen) for a in did),
        then,
    )
