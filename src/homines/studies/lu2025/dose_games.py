"""Games that tell doses of kappa: from each other, from aversion to inequity, and from slips.

Three demands on symmetric games (reward, sucker, temptation, punishment) with a share of others stated:
the kappas at which a game's two actions are worth the same spread evenly over (0, 1); a higher kappa favours
the first action in half of them, so that an agent that always takes the same one fits no kappa; and the logit
is as informative on (precision, alpha, beta, kappa) as can be at every dose (D-optimal, Chaloner & Verdinelli
1995). With even beliefs alone, kappa and inequity aversion are one (docs/identification.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np

from homines.core.types import Array, frozen
from homines.estimation.family import family
from homines.games.symmetric import symmetric
from homines.studies.lu2025.curriculum import KAPPAS
from homines.theory.choice import stated_beliefs

HIGHEST = 99
"""Payoffs are whole numbers from 1 to this."""
PRECISION = 9 / HIGHEST
"""Of the choices for which the games are best: that of 1 at payoffs to 9."""
SHARES = (None, 0.2, 0.8)
"""Share of others said to choose the first action; None: nothing is said, which is read as even."""
EVEN, STATED = 12, 24
"""The number of games without a stated share, and with one."""
DRAWN, SEED = 6000, 2025
"""Games drawn for each share, of which the best are taken."""
CLEAR = 0.01
"""Least distance of a kappa of indifference from a dose: at no dose are both actions best."""
ROUNDS = 3
"""Passes in which each game is exchanged for the best one of its kind."""


@dataclass(frozen=True, eq=False)
class _Pool:
    """Games drawn: spec; x [game, column], the first action's columns of `kantian` less the second's; kappa
    [game] of indifference; first [game]: a higher kappa favours the first action; even [game]: no share."""

    specs: tuple[str, ...]
    x: Array
    kappa: Array
    first: np.ndarray
    even: np.ndarray


@cache
def kappa_design(even: int = EVEN, stated: int = STATED) -> dict[str, float]:
    """The kappa of indifference by spec, for games that tell doses of kappa; neighbours favour the two
    actions in turn.

    even, stated   numbers of games without and with a stated share of others; even numbers both
    """
    pool = _draw()
    strata: list[np.ndarray] = []
    for many, alike in ((even, pool.even), (stated, ~pool.even)):
        edges = np.linspace(0, 1, many // 2 + 1)
        for low, high in pairwise(edges):
            inside = alike & (pool.kappa > low) & (pool.kappa < high)
            strata += [np.flatnonzero(inside & (pool.first == way)) for way in (True, False)]
    return {pool.specs[i]: float(pool.kappa[i]) for i in _exchange(pool.x, strata)}


def _draw() -> _Pool:
    """Games with whole payoffs, without those in which no kappa is indifferent, or a dose nearly is."""
    rng = np.random.default_rng(SEED)
    kantian = family("kantian")
    place = 1 + kantian.free.index("kappa")
    specs: list[str] = []
    columns: list[Array] = []
    for share in SHARES:
        paid = rng.integers(1, HIGHEST + 1, (DRAWN, 4)).astype(
            float
        )  # reward, sucker, temptation, punishment
        mine = paid.reshape(-1, 2, 2)
        payoffs = np.stack([mine, mine.transpose(0, 2, 1)], axis=1)
        like = symmetric(4, 1, 5, 2, rounds=1, share=share).stage.due(())[0]
        u = kantian.stacked(like, frozen(payoffs), frozen(paid[:, [0, 3]]), stated_beliefs)
        columns.append(u[:, 0] - u[:, 1])
        said = "" if share is None else f", share={share}"
        names = ("reward", "sucker", "temptation", "punishment")
        specs += [
            f"symmetric({', '.join(f'{n}={x:.0f}' for n, x in zip(names, row, strict=True))}, rounds=1{said})"
            for row in paid
        ]
    x = np.concatenate(columns)
    kappa = -np.divide(x[:, 0], x[:, place], out=np.full(len(x), -1.0), where=x[:, place] != 0)
    kappa = np.where(x[:, place] == 0, np.nan, kappa)
    clear = (np.abs(kappa[:, None] - KAPPAS) > CLEAR).all(1)
    kept = np.flatnonzero(clear & (kappa > 0) & (kappa < 1))
    even = np.repeat([share is None for share in SHARES], DRAWN)
    return _Pool(tuple(specs[i] for i in kept), x[kept], kappa[kept], x[kept, place] > 0, even[kept])


def _exchange(x: Array, strata: list[np.ndarray]) -> list[int]:
    """One game of each stratum such that the sum over doses of ln det(information) is large: each in turn is
    exchanged for the best of its stratum."""
    place = 1 + family("kantian").free.index("kappa")
    g = np.zeros((len(KAPPAS), x.shape[1]))
    g[:, 0], g[:, place] = PRECISION, PRECISION * np.array(KAPPAS)
    p = 1 / (1 + np.exp(-x @ g.T))
    weighted = np.sqrt(p * (1 - p))[:, :, None] * x[:, None, :]  # [game, dose, column]
    ridge = 1e-3 * np.einsum("gdk,gdl->dkl", weighted, weighted) / len(x)
    information = ridge.copy()
    chosen: list[int | None] = [None] * len(strata)
    for _ in range(ROUNDS):
        for k, members in enumerate(strata):
            if (now := chosen[k]) is not None:
                information -= np.einsum("dk,dl->dkl", weighted[now], weighted[now])
            rows = weighted[members]
            gain = np.log1p(np.einsum("gdk,dkl,gdl->gd", rows, np.linalg.inv(information), rows)).sum(1)
            best = int(members[gain.argmax()])
            chosen[k] = best
            information += np.einsum("dk,dl->dkl", weighted[best], weighted[best])
    return [i for i in chosen if i is not None]
