"""Games drawn to see whether answers follow payoffs: acts exchanged, at tenfold payoffs, and repeated."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
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
    return [
        Variants(*(_spec(x, rounds=1) for x in (paid, paid[::-1], SCALE * paid)))
        for paid in islice(_payoffs(), draws)
    ]


def repeated_games(draws: int) -> tuple[str, ...]:
    """The same games without an announced end, by spec. At even beliefs the first act pays more in every
    other one: neither is the better one over all."""
    specs: list[str] = []
    for i, paid in enumerate(islice(_payoffs(), draws)):
        first = paid[:2].sum() > paid[2:].sum()
        specs.append(_spec(paid if first == (i % 2 == 0) else paid[::-1]))
    return tuple(specs)


def _payoffs() -> Iterator[Any]:
    """Draws of reward, sucker, temptation and punishment."""
    rng = np.random.default_rng(SEED)
    while True:
        paid = rng.integers(1, 10, 4)
        if paid[:2].sum() != paid[2:].sum():
            yield paid


def _spec(paid: Any, rounds: int | None = None) -> str:
    end = "" if rounds is None else f", rounds={rounds}"
    return f"symmetric({', '.join(map(str, paid))}{end})"
