"""Games drawn to see whether answers follow payoffs, each with its acts exchanged and at tenfold payoffs."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

DRAWS, DRAWS_QUICK = 24, 8
SEED = 0
SCALE = 10


class Variants(NamedTuple):
    """A game and two variants of it, by spec: the payoffs of the two acts exchanged, for both players; all
    payoffs at ten times."""

    plain: str
    exchanged: str
    tenfold: str


def payoff_variants(draws: int = DRAWS) -> list[Variants]:
    """Games of one round with whole payoffs of 1 to 9, those left out in which both acts pay the same at even
    beliefs; fewer draws are the first of more."""
    rng, out = np.random.default_rng(SEED), list[Variants]()
    while len(out) < draws:
        paid = rng.integers(1, 10, 4)  # reward, sucker, temptation, punishment
        if paid[:2].sum() != paid[2:].sum():
            out.append(Variants(*map(_spec, (paid, paid[::-1], SCALE * paid))))
    return out


def _spec(paid: Any) -> str:
    return f"symmetric({', '.join(map(str, paid))}, rounds=1)"
