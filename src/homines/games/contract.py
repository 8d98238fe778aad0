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
        " Before that, both sign a contract or refuse it, at the same time. Where both have signed, whoever "
        f"does not take the option that pays both {r:.10g} where both take it is fined {fine:.10g}."
    )
    signed = ("You signed", "You refused")
    seen = ("the other signed", "the other refused")
    return TwoStage(
        ("sign", "refuse"),
        ("C", "D"),
        frozen(mine),
        rule,
        ("you sign the contract.", "you refuse the contract."),
        tuple(tuple(f"{a} and {x}. Now both choose." for x in seen) for a in signed),
        then,
    )
