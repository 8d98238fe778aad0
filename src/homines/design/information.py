"""Expected information of the next answer, in nats, by the particles of every family.

    I(answer; family) = H(sum_f P(f) p_f) - sum_f P(f) H(p_f)                         Lindley (1956)
    I(answer; theta)  = -1/2 ln(1 - sum_a Cov(theta, p_a)^2 / E[p_a] / Var(theta))    theta as if normal

The sum under the logarithm is the part of theta's variance that an answer is expected to take away: with many
answers the greedy choice is that of a D_s-optimal design, theta wanted and all else a nuisance.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from homines.core.types import Array, Integers
from homines.design.prior import Particles

LEAST = 1e-12
"""Least probability, and least share of variance left."""


def gain(families: Sequence[Particles], parameter: str, places: Integers | list[int]) -> Array:
    """Expected information of an answer at each of these candidates [decision]: which family, plus the
    parameter of the first family."""
    predicted: list[Array] = []
    wanted = np.zeros(len(places))
    for k, particles in enumerate(families):
        p, w = np.exp(particles.logp(places)), particles.weights
        mean = p @ w
        predicted.append(mean)
        if k == 0:
            theta = particles.values(parameter)
            off = w * (theta - w @ theta)
            variance = max(float(off @ theta), LEAST)
            share = ((p @ off) ** 2 / np.maximum(mean, LEAST)).sum(-1) / variance
            wanted = -0.5 * np.log(np.maximum(1 - share, LEAST))
    each, share_of = np.stack(predicted), family_weights(families)
    return wanted + entropy(np.tensordot(share_of, each, 1)) - share_of @ entropy(each)


def family_weights(families: Sequence[Particles]) -> Array:
    """P(family | answers), all alike before any [family]."""
    evidence = np.array([particles.evidence for particles in families])
    w = np.exp(evidence - evidence.max())
    return w / w.sum()


def entropy(p: Array) -> Array:
    """Of distributions along the last axis, in nats."""
    return -(p * np.log(np.where(p > 0, p, 1.0))).sum(-1)
