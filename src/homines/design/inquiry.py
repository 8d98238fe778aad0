"""An inquiry: the candidates, what is believed after the answers so far, and the next best question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from homines.core.types import Array
from homines.design.candidates import Pool, draw_pool
from homines.design.information import family_weights, gain
from homines.design.options import DesignOptions
from homines.design.prior import Particles
from homines.design.stopping import Standing, standing, wanted_of
from homines.estimation.columns import Observation
from homines.estimation.family import Family, family
from homines.estimation.sample_size import Wanted

CONSIDERED = 500
"""Candidates whose information is computed for a choice, drawn from those that were not asked."""


@dataclass(frozen=True, eq=False)
class Inquiry:
    """One state of an inquiry; `learn` returns the next one.

    beliefs   the particles of each family, the estimated one first; asked: candidates in order
    """

    wanted: Wanted
    least: int
    seed: int
    pool: Pool
    beliefs: tuple[Particles, ...]
    asked: tuple[int, ...] = ()

    @property
    def family(self) -> Family:
        """The family that is estimated."""
        return self.beliefs[0].family

    @property
    def weights(self) -> dict[str, float]:
        """The posterior probability of each family; the prior has them alike."""
        return {
            b.family.spec: float(w) for b, w in zip(self.beliefs, family_weights(self.beliefs), strict=True)
        }

    def standing(self, seen: Sequence[Observation]) -> Standing:
        """How far these answers, which were learned, are from what is wanted; no value before the least
        number of games."""
        if len(seen) < self.least:
            why = f"fewer than {self.least} games were answered"
            return Standing(
                self.wanted, len(seen), None, why, self.beliefs[0].deviation(self.wanted.parameter)
            )
        return standing(seen, self.family, self.wanted, self.beliefs[0])

    def next(self) -> int | None:
        """The candidate with the most expected information; None where every one was asked."""
        left = np.setdiff1d(np.arange(len(self.pool)), self.asked)
        if not len(left):
            return None
        rng = np.random.default_rng([self.seed, len(self.asked)])
        some = np.sort(rng.permutation(left)[:CONSIDERED])
        return int(some[np.argmax(gain(self.beliefs, self.wanted.parameter, some))])

    def learn(self, place: int, counts: Array | None) -> Inquiry:
        """After the answer to a candidate. counts [action]: choices, or exact probabilities; None: no legal
        answer came."""
        beliefs = self.beliefs if counts is None else tuple(b.learn(place, counts) for b in self.beliefs)
        return replace(self, beliefs=beliefs, asked=(*self.asked, place))


@lru_cache(maxsize=4)
def begin(options: DesignOptions, kinds: tuple[str, ...], seed: int) -> Inquiry:
    """An inquiry before the first answer. Raises HominesError for text, families or kinds that are none, and
    where no candidate is left."""
    families = [family(spec) for spec in dict.fromkeys(options.families)]
    wanted = wanted_of(options.until or "", families[0])
    pool = draw_pool(kinds, families, options.pool, options.stake, seed)
    beliefs = tuple(
        Particles.draw(of, design, options.stake, seed)
        for of, design in zip(families, pool.designs, strict=True)
    )
    return Inquiry(wanted, options.least, seed, pool, beliefs)
