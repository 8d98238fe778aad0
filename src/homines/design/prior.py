"""A family's parameters and precision as particles: the prior, and the posterior after every answer.

    theta ~ N(1/4, 1/2^2) where the preference takes it,   ln(precision * stake / 9) ~ N(0, 3/2^2)

An answer multiplies a particle's weight by its likelihood. Where fewer than half of the particles count they
are drawn anew by weight and moved by Metropolis steps (Chopin 2002, Biometrika 89: 539). All that is drawn
follows from the seed and the number of answers: the same answers give the same particles.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from homines.core.types import Array, HominesError, Integers
from homines.estimation.family import PRECISION, Family
from homines.estimation.likelihood import Design

PARTICLES = 256
CENTRE, SPREAD = 0.25, 0.5
"""Mean and standard deviation of every parameter in the prior: wide enough that what people were estimated to
have (estimation/published.toml) lies within one or two of them."""
LOG_SPREAD = 1.5
"""Standard deviation of the log of the precision: a factor of 4.5."""
USUAL_STAKE = 9
"""Stake at which the prior's median precision is 1."""
MOVES = 5
"""Metropolis steps of a particle that is drawn anew."""
SCALE = 2.38
"""Of a step, times the posterior's spread over the root of the dimension: Roberts, Gelman & Gilks (1997)."""
JITTER = 1e-8


@dataclass(frozen=True, eq=False)
class Particles:
    """The posterior of one family.

    design      every candidate's columns for this family
    z           [particle, parameter]: the family's free ones, then the log of the precision
    log_weight  [particle]; evidence: ln p(answers | family)
    at, counts  [answer] the candidate of each answer; its choices [answer, action]
    """

    family: Family
    design: Design
    stake: float
    seed: int
    z: Array
    log_weight: Array
    evidence: float
    at: tuple[int, ...]
    counts: Array

    @classmethod
    def draw(cls, family: Family, design: Design, stake: float, seed: int) -> Particles:
        """The prior. Raises HominesError where the preference takes no value that the prior has."""
        rng = np.random.default_rng([seed, 0])
        z = np.zeros((0, 1 + len(family.free)))
        centre = np.r_[np.full(len(family.free), CENTRE), np.log(USUAL_STAKE / stake)]
        for _ in range(50):
            drawn = rng.normal(
                centre, np.r_[np.full(len(family.free), SPREAD), LOG_SPREAD], (PARTICLES, z.shape[1])
            )
            z = np.concatenate([z, drawn[_taken(family, drawn)]])[:PARTICLES]
            if len(z) == PARTICLES:
                none = np.zeros((0, design.x.shape[1]))
                return cls(family, design, stake, seed, z, np.zeros(PARTICLES), 0.0, (), none)
        raise HominesError(
            f"{family.spec} takes hardly any parameters near {CENTRE:g}, where the prior lies; fix the one "
            "that it refuses by writing its value"
        )

    @property
    def weights(self) -> Array:
        """[particle], summing to 1."""
        w = np.exp(self.log_weight - self.log_weight.max())
        return w / w.sum()

    def values(self, name: str) -> Array:
        """A parameter's value of each particle."""
        if name == PRECISION:
            return np.exp(self.z[:, -1])
        return self.z[:, self.family.free.index(name)]

    def deviation(self, name: str) -> float:
        """Standard deviation of a parameter."""
        w, values = self.weights, self.values(name)
        return float(np.sqrt(max(w @ values**2 - (w @ values) ** 2, 0.0)))

    def logp(self, places: Integers | list[int]) -> Array:
        """Log-probabilities of the actions of these candidates [decision, action, particle]."""
        return _logp(self.design, places, self.z)

    def learn(self, place: int, counts: Array) -> Particles:
        """The posterior after an answer at a candidate. counts [action]: choices, or exact probabilities."""
        padded = np.zeros(self.counts.shape[1])
        padded[: len(counts)] = counts
        gain = _weigh(self.logp([place]), padded[None])
        fresh = self.log_weight + gain
        before, after = _log_sum(self.log_weight), _log_sum(fresh)
        posterior = replace(
            self,
            log_weight=fresh - after,
            evidence=self.evidence + after - before,
            at=(*self.at, place),
            counts=np.concatenate([self.counts, padded[None]]),
        )
        w = posterior.weights
        return posterior._renew(w) if 1 / (w**2).sum() < len(w) / 2 else posterior

    def _renew(self, w: Array) -> Particles:
        """Particles drawn anew by weight, then moved."""
        rng = np.random.default_rng([self.seed, len(self.at)])
        size = self.z.shape[1]
        cov = np.atleast_2d(np.cov(self.z.T, aweights=w)) + JITTER * np.eye(size)
        root = np.linalg.cholesky(cov) * SCALE / np.sqrt(size)
        z = self.z[rng.choice(len(w), len(w), p=w)]
        height = self._height(z)
        for _ in range(MOVES):
            trial = z + rng.normal(size=z.shape) @ root.T
            there = self._height(trial)
            moved = np.log(rng.random(len(z))) < there - height
            z, height = np.where(moved[:, None], trial, z), np.where(moved, there, height)
        return replace(self, z=z, log_weight=np.zeros(len(z)))

    def _height(self, z: Array) -> Array:
        """Log of prior times likelihood, but for a constant [particle]."""
        off = (z[:, :-1] - CENTRE) / SPREAD
        log_precision = (z[:, -1] - np.log(USUAL_STAKE / self.stake)) / LOG_SPREAD
        prior = -0.5 * ((off**2).sum(1) + log_precision**2)
        taken = np.where(_taken(self.family, z), prior, -np.inf)
        return taken + _weigh(_logp(self.design, list(self.at), z), self.counts)


def _taken(family: Family, z: Array) -> NDArray[np.bool_]:
    """Which particles have parameters that the preference takes [particle]."""

    def takes(theta: Array) -> bool:
        try:
            family.at(dict(zip(family.free, map(float, theta), strict=True)))
        except HominesError:
            return False
        return True

    return np.array([takes(row[:-1]) for row in z])


def _logp(design: Design, places: Integers | list[int], z: Array) -> Array:
    g = np.exp(z[:, -1:]) * np.concatenate([np.ones((len(z), 1)), z[:, :-1]], axis=1)
    v = np.where(design.legal[places][:, :, None], design.x[places] @ g.T, -np.inf)
    v = v - v.max(1, keepdims=True)
    return v - np.log(np.exp(v).sum(1, keepdims=True))


def _weigh(logp: Array, counts: Array) -> Array:
    """ln of the likelihood [particle]: logp [decision, action, particle], counts [decision, action]."""
    chosen = counts > 0
    return counts[chosen] @ logp[chosen]


def _log_sum(x: Array) -> float:
    return float(x.max() + np.log(np.exp(x - x.max()).sum()))
