"""Help for a third, which another sees who may then help."""

from __future__ import annotations

import numpy as np

from homines.core.checks import number
from homines.core.types import frozen
from homines.theory.game_forms import Sequential


def reputation(benefit: float = 5, cost: float = 2, endowment: float = 5) -> Sequential:
    """Player 0 gives to a third (G) or keeps (K); player 1 sees it, and gives to player 0 (G) or keeps (K).

    benefit     what the one who is given to gets; cost: what the giver pays
    endowment   what each of the three has
    Nobody can return anything to the one who gave: what a gift earns is a name. Indirect reciprocity after
    Nowak & Sigmund (1998), Nature 393: 573, in one step; the third is a bystander, who is paid.

    >>> reputation().payoffs(((0, None), (None, 0))).tolist()  # mine, the other's, the third's
    [8.0, 3.0, 10.0]
    """
    for name, value in (("benefit", benefit), ("cost", cost), ("endowment", endowment)):
        number(name, value, 0)
    first, second = np.array([[1.0, 1.0], [0.0, 0.0]]), np.array([[1.0, 0.0], [1.0, 0.0]])
    table = [-cost * first + benefit * second, -cost * second, benefit * first]
    return Sequential(("G", "K"), ("G", "K"), frozen(endowment + np.array(table)))
