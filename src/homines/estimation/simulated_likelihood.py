"""The likelihood of a panel whose subjects differ, by draws that are moved to where each subject lies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri
from scipy.stats.qmc import Halton

from homines.core.types import Array, frozen
from homines.estimation.problem import Problem

NUMBERS_AT_ONCE = 2**20
"""Utilities in memory at once."""
WIDER, LEAST_VARIANCE = 1.5, 0.01
"""Factor of the covariance of moved draws, and its least addition in units of the spread."""
HIGHEST_LOG_PRECISION = 50.0


def normal_draws(subjects: int, draws: int, size: int, seed: int) -> Array:
    """Standard normal draws [subject, draw, parameter]: each subject has the next part of one sequence."""
    shift = np.random.default_rng(seed).random(size)
    uniform = (Halton(size, scramble=False).random(subjects * draws) + shift) % 1.0
    return frozen(ndtri(np.clip(uniform, 1e-12, 1 - 1e-12)).reshape(subjects, draws, size))


@dataclass(frozen=True, eq=False)
class Draws:
    """Draws x of the parameters of every subject.

    x       [subject, draw, parameter]
    excess  ln p(choices | x) less the log-density x was drawn from, but for (2 pi)^(-k / 2), [subject, draw]
    slope   derivative of ln p(choices | x) by x [subject, draw, parameter]
    """

    x: Array
    excess: Array
    slope: Array

    @classmethod
    def normal(cls, panel: Panel, point: Array, fresh: Array) -> Draws:
        """All from the normal over subjects."""
        mean, sd = np.split(point, 2)
        x = mean + sd * fresh
        height, slope = panel.heights(x)
        return cls(x, height - _log_density(x, point), slope)

    def moved(self, panel: Panel, point: Array, fresh: Array) -> Draws:
        """New ones: half from a normal with each subject's mean and covariance given its choices, half from
        the normal over subjects."""
        mean, sd = np.split(point, 2)
        weight = self.weights(point)[..., None]
        centre = (weight * self.x).sum(1, keepdims=True)
        off = self.x - centre
        cov = WIDER * (weight * off).transpose(0, 2, 1) @ off + LEAST_VARIANCE * np.diag(sd**2)
        root = np.linalg.cholesky(cov)
        half = fresh.shape[1] // 2
        near = centre + fresh[:, :half] @ root.transpose(0, 2, 1)
        x = np.concatenate([near, mean + sd * fresh[:, half:]], axis=1)
        from_centre = np.linalg.solve(root, (x - centre).transpose(0, 2, 1))
        size = np.log(np.diagonal(root, axis1=1, axis2=2)).sum(1, keepdims=True)
        near_density = -0.5 * (from_centre**2).sum(1) - size
        density = np.logaddexp(
            near_density + np.log(half / fresh.shape[1]),
            _log_density(x, point) + np.log(1 - half / fresh.shape[1]),
        )
        height, slope = panel.heights(x)
        return Draws(x, height - density, slope)

    def weights(self, point: Array) -> Array:
        """How likely each draw is given the subject's choices, [subject, draw]; they sum to 1."""
        height = self.excess + _log_density(self.x, point)
        return np.exp(height - _log_of_sum(height))

    def scores(self, point: Array) -> Array:
        """The derivative of `contributions` without most of its noise, [subject, number].

        By parts, E[off / sd | choices] = E[slope | choices] (off: x in standard units): a mean of the two
        varies least with the share of the subject's variance in that of all as the weight of the second.
        """
        mean, sd = np.split(point, 2)
        weight = self.weights(point)[..., None]
        off = (self.x - mean) / sd
        first, second = ((weight * off**k).sum(1) for k in (1, 2))
        share = np.clip(second - first**2, 0, 1)
        by_mean = (1 - share) * first / sd + share * (weight * self.slope).sum(1)
        by_sd = (1 - share) * (second - 1) / sd + share * (weight * self.slope * off).sum(1)
        return np.concatenate([by_mean, by_sd], axis=-1)

    def contributions(self, point: Array) -> tuple[Array, Array]:
        """(ln L of each subject [subject], its derivative by the means and deviations [subject, number])."""
        mean, sd = np.split(point, 2)
        height = self.excess + _log_density(self.x, point)
        total = _log_of_sum(height)
        weight = np.exp(height - total)[..., None]
        off = (self.x - mean) / sd
        first, second = (weight * off).sum(1), (weight * off**2).sum(1)
        scores = np.concatenate([first / sd, (second - 1) / sd], axis=-1)
        return (total - np.log(height.shape[1]))[:, 0], scores


def _log_of_sum(height: Array) -> Array:
    """ln of the sum of exp over draws [subject, 1]."""
    top = height.max(1, keepdims=True)
    return top + np.log(np.exp(height - top).sum(1, keepdims=True))


def _log_density(x: Array, point: Array) -> Array:
    """ln of the normal density, but for (2 pi)^(-k / 2), [subject, draw]."""
    mean, sd = np.split(point, 2)
    return -0.5 * (((x - mean) / sd) ** 2).sum(-1) - np.log(sd).sum()


@dataclass(frozen=True, eq=False)
class Panel:
    """Choices by subject, padded with decisions at which nothing was chosen.

    x [subject, time, action, column]; legal, y [subject, time, action]
    """

    x: Array
    legal: np.ndarray
    y: Array

    @classmethod
    def of(cls, p: Problem) -> Panel:
        """The rows of a problem that is clustered by subject."""
        order = np.argsort(p.group, kind="stable")
        who = p.group[order]
        times = np.bincount(who)
        place = np.arange(len(who)) - np.repeat(np.cumsum(times) - times, times)
        at = np.zeros((len(times), times.max()), dtype=np.int64)
        y = np.zeros((*at.shape, p.rows.shape[1]))
        at[who, place], y[who, place] = p.at[order], p.rows[order]
        return cls(p.design.x[at], p.design.legal[at], y)

    def heights(self, drawn: Array) -> tuple[Array, Array]:
        """(log-likelihood of each subject's choices at its draws [subject, draw], derivative by these)."""
        parts = [self._heights(part, drawn[part]) for part in self._parts(drawn.shape[1])]
        return np.concatenate([height for height, _ in parts]), np.concatenate([slope for _, slope in parts])

    def _parts(self, draws: int) -> Iterator[slice]:
        step = max(1, NUMBERS_AT_ONCE // (draws * self.y[0].size))
        return (slice(i, i + step) for i in range(0, len(self.y), step))

    def _heights(self, part: slice, drawn: Array) -> tuple[Array, Array]:
        y, legal = self.y[part][..., None], self.legal[part][..., None]
        subjects, times, actions, _ = y.shape
        precision = np.exp(np.minimum(drawn[..., -1:], HIGHEST_LOG_PRECISION))
        g = np.concatenate([precision, precision * drawn[..., :-1]], axis=-1)
        x = self.x[part].reshape(subjects, times * actions, -1)
        v = np.where(legal, (x @ g.transpose(0, 2, 1)).reshape(subjects, times, actions, -1), -np.inf)
        v -= v.max(2, keepdims=True)
        q = np.exp(v)
        total = q.sum(2, keepdims=True)
        with np.errstate(invalid="ignore"):
            height = np.where(y > 0, y * (v - np.log(total)), 0.0).sum((1, 2))
        residual = (y - y.sum(2, keepdims=True) * (q / total)).reshape(subjects, times * actions, -1)
        by_g = residual.transpose(0, 2, 1) @ x
        return height, np.concatenate([precision * by_g[..., 1:], (by_g * g).sum(-1, keepdims=True)], axis=-1)
