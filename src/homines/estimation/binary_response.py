"""Choices between two options by any link: P(first) = F(x . g), its maximum likelihood and its jackknife.

    logistic   F(z) = 1 / (1 + exp(-z))    Bradley & Terry (1952); Luce (1959)
    normal     F(z) = Phi(z)               Thurstone (1927), case V: z in deviations of a difference

Both log-likelihoods are concave. With the logistic link this is likelihood.py with two actions, and a test
says so; there every action has a column, here the difference of two is one, which for thousands of pairs of
many outcomes is a hundred times as fast, and other links fit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from homines.core.types import Array, frozen
from homines.estimation.problem import FlatLikelihood, NotIdentified

Link = Literal["logistic", "normal"]
LINKS: tuple[Link, ...] = ("logistic", "normal")
MOST_STEPS = 100
ARRIVED = 1e-18
"""Newton's decrement, as a share of the number of choices, at which a climb has arrived."""
FLAT = 1e-9
"""An eigenvalue of the scaled information under which a direction is flat."""
FARTHEST = 30.0
"""A difference of utilities at which a choice is certain: beyond it choices are separated."""


class Separated(NotIdentified):
    """Some choices are always the same: the likelihood rises without bound."""

    reason = "its choices are certain"


def log_probability(link: Link, z: Array) -> Array:
    """ln F(z)."""
    if link == "logistic":
        return -np.logaddexp(0.0, -z)
    from scipy.special import log_ndtr

    return log_ndtr(z)


def probability(link: Link, z: Array) -> Array:
    """F(z)."""
    return np.exp(log_probability(link, z))


def _slope_and_bend(link: Link, z: Array) -> tuple[Array, Array]:
    """The derivative of ln F at z, and minus the second."""
    if link == "logistic":
        other = probability(link, -z)
        return other, other * (1 - other)
    from scipy.special import log_ndtr

    mills = np.exp(-0.5 * z * z - 0.5 * np.log(2 * np.pi) - log_ndtr(z))
    return mills, mills * (z + mills)


@dataclass(frozen=True, eq=False)
class Response:
    """A maximum of the likelihood.

    x          [choice, column]; y: P(first) that was read [choice]
    g          [column]; information: minus the second derivative at g [column, column]
    """

    link: Link
    x: Array
    y: Array
    g: Array
    information: Array

    @property
    def p(self) -> Array:
        """Fitted P(first) [choice]."""
        return probability(self.link, self.x @ self.g)

    def moves(self) -> Array | None:
        """How far g moves, to first order, without each choice [choice, column]: H^-1 x s / (1 - h), s its
        score and h its leverage. None where one choice alone identifies a column (h = 1)."""
        z = self.x @ self.g
        up, bend_up = _slope_and_bend(self.link, z)
        down, bend_down = _slope_and_bend(self.link, -z)
        score = self.y * up - (1 - self.y) * down
        bend = self.y * bend_up + (1 - self.y) * bend_down
        reach = np.linalg.solve(self.information, self.x.T).T
        leverage = bend * (self.x * reach).sum(1)
        if (leverage > 1 - 1e-9).any():
            return None
        return frozen(reach * (score / (1 - leverage))[:, None])

    def covariance(self) -> Array | None:
        """Jackknife over choices (CR3), (m - 1) / m sum d d' [column, column]; None where `moves` is."""
        if (moves := self.moves()) is None:
            return None
        m = len(moves)
        return frozen((m - 1) / m * moves.T @ moves)


def loglik(link: Link, z: Array, y: Array) -> float:
    """sum y ln F(z) + (1 - y) ln F(-z)."""
    up, down = log_probability(link, z), log_probability(link, -z)
    return float(np.where(y > 0, y * up, 0.0).sum() + np.where(y < 1, (1 - y) * down, 0.0).sum())


def maximise(x: Array, y: Array, link: Link = "logistic", names: Sequence[str] = ()) -> Response:
    """Maximise the likelihood by Newton's method with a line search.

    x      [choice, column]; y: P(first) in [0, 1] [choice]; names: of columns, for errors
    Raises FlatLikelihood where the columns do not tell their parameters apart, Separated where the likelihood
    rises without bound.
    """
    k = x.shape[1]
    if (line := flat_line(x, names)) is not None:
        raise FlatLikelihood(f"the likelihood is flat along {line}: these choices cannot tell it")
    g = np.zeros(k)
    height = loglik(link, x @ g, y)
    information = np.eye(k)
    for _ in range(MOST_STEPS):
        z = x @ g
        up, bend_up = _slope_and_bend(link, z)
        down, bend_down = _slope_and_bend(link, -z)
        gradient = x.T @ (y * up - (1 - y) * down)
        information = x.T @ (x * (y * bend_up + (1 - y) * bend_down)[:, None])
        ridge = 1e-12 * max(float(np.trace(information)), 1e-300) / k
        step = np.linalg.solve(information + ridge * np.eye(k), gradient)
        if float(gradient @ step) < ARRIVED * len(y):
            break
        length = 1.0
        while length > 1e-8 and loglik(link, x @ (g + length * step), y) < height - 1e-12 * abs(height):
            length /= 2
        g = g + length * step
        height = loglik(link, x @ g, y)
        if np.abs(x @ g).max() > FARTHEST:
            break
    if np.abs(x @ g).max() > FARTHEST or not np.isfinite(g).all():
        raise Separated("choices are so certain that the likelihood rises without bound")
    return Response(link, frozen(x), frozen(y), frozen(g), frozen(information))


def flat_line(x: Array, names: Sequence[str] = ()) -> str | None:
    """A direction of g that no choice sees, in the names of its columns; None without one."""
    names = names or [f"column {c + 1}" for c in range(x.shape[1])]
    size = np.sqrt((x * x).sum(0))
    if (size == 0).any():
        return names[int(np.flatnonzero(size == 0)[0])]
    roots, axes = np.linalg.eigh((x / size).T @ (x / size))
    if len(x) >= x.shape[1] and roots[0] > FLAT * roots[-1]:
        return None
    along = axes[:, 0] / size
    along = along / np.abs(along).max()
    return " ".join(f"{a:+.2f}*{name}" for name, a in zip(names, along, strict=True) if abs(a) > 0.05)


def jackknife(estimate: Callable[[np.ndarray], Array], group: np.ndarray) -> tuple[Array, int]:
    """(covariance, groups) of an estimate by leaving out one group of choices at a time.

    (G - 1) / G sum_c (theta_-c - mean) (theta_-c - mean)'. Of pairs of outcomes, where a group is all pairs
    of one outcome and each pair is in two, it is on average too wide, not too narrow (Efron & Stein 1981).

    estimate   parameters from the choices that a mask keeps; group: bool [group, choice], the choices of each
    """
    every = np.array([estimate(~mine) for mine in group])
    off = every - every.mean(0)
    return frozen((len(every) - 1) / len(every) * off.T @ off), len(every)
