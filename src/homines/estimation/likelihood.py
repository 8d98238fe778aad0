"""Conditional logit: probabilities (`Design.logp`), log-likelihood (`loglik`), its maximum (`climb`).

Every family is fitted here, kappa among its parameters or not:

    p(a | d) = exp(x[d, a] . g) / sum_b exp(x[d, b] . g)        McFadden (1974)

A utility that is linear in its parameters, times a precision, is x . g with g = precision * (1, parameters).
Of whole choices the log-likelihood is concave in g: a climb from any start ends at its maximum. Of answers
that are parts of plans (`Design.answer`) it need not be: a climb ends at a maximum, perhaps not the highest.
A share of lapses (`Design.lapse`) is a number given here, and found in lapse.py:

    P(answer) = (1 - lapse) p(answer) + lapse / (number of answers)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, reduce

import numpy as np
from numpy.typing import NDArray

from homines.core.types import Array, Integers

NO_SLOPE, STRIDE = 1e-9, 10.0
"""Slope a choice, in standard units of the start, above which it counts; the longest step along an axis."""
STRIDE_GROWS_FROM = 1e5
"""Choices from which a stride grows with their root, as standard units shrink with it: else more choices
would take more steps."""
MOST_STEPS = 200
MATRICES_FROM = 2**14
"""Decisions from which sums go through matrix products, which are faster and round otherwise."""
FEW_ACTIONS = 8
"""Actions up to which numpy adds one by one."""
CONVERGENCE = 1e-20
"""Newton's decrement, as a share of the number of choices, at which a climb has arrived: so small that
directions with little information (parts of plans, nearly certain choices) arrive too."""
NO_INFORMATION = 1e-9
"""Information left in a direction, as a share of that before any climb, at which it has gone flat."""
NO_CURVATURE = 1e-9
"""An eigenvalue of the scaled information under which a direction is flat."""


@dataclass(frozen=True, eq=False)
class Design:
    """The options of every decision, as regressors, and what is observed of a choice.

    x       [decision, action, column]; actions that a decision lacks are 0
    legal   which actions a decision has, bool [decision, action]
    answer  the answer that each action gives, an index below the number of actions, [decision, action]:
            several plans give the same answer at one point. None: every action is an answer of its own
    lapse   share of choices in which every answer is equally likely, in [0, 1)

    An answer has the probability of the actions that give it. Near g the slope of its log-probability is
    w (E[x | answer] - E[x]), w the probability that it is no lapse: the information and the score of answers
    are those of a design with these columns (`near`; without lapses E[x | answer] will do).
    """

    x: Array
    legal: NDArray[np.bool_]
    answer: Integers | None = None
    lapse: float = 0.0

    @classmethod
    def of(cls, columns: Sequence[Array]) -> Design:
        """From one array [action, column] a decision."""
        most = max(len(c) for c in columns)
        x = np.zeros((len(columns), most, columns[0].shape[1]))
        legal = np.zeros((len(columns), most), dtype=np.bool_)
        for i, c in enumerate(columns):
            x[i, : len(c)] = c
            legal[i, : len(c)] = True
        return cls(x, legal)

    @cached_property
    def answers(self) -> NDArray[np.bool_]:
        """Which answers a decision has, bool [decision, answer]."""
        return self.legal if self.answer is None else self._by_answer(self.legal.astype(float)) > 0

    def logp(self, g: Array, offset: Array | float = 0.0) -> Array:
        """Log-probabilities of answers [decision, answer]; -inf where there is no such answer."""
        logp = self._logp_of_answers(self.action_logp(g, offset))
        if not self.lapse:
            return logp
        with np.errstate(divide="ignore"):
            return np.logaddexp(np.log1p(-self.lapse) + logp, np.log(self.lapse * self.random))

    def _logp_of_answers(self, action_logp: Array) -> Array:
        """Log-probabilities of answers that are no lapses [decision, answer]."""
        if self.answer is None:
            return action_logp
        with np.errstate(divide="ignore"):
            return np.log(self._by_answer(np.exp(action_logp)))

    @property
    def random(self) -> Array:
        """Probabilities of answers in a lapse, all alike [decision, answer]; 0 where there is no answer."""
        return self.answers / self.answers.sum(-1, keepdims=True)

    def meant(self, action_logp: Array) -> tuple[Array, Array, Array]:
        """(p, P, w) [decision, answer]: probabilities of answers without and with lapses, and the probability
        that such an answer is no lapse. action_logp [decision, action]"""
        p = np.exp(self._logp_of_answers(action_logp))
        both = (1 - self.lapse) * p + self.lapse * self.random
        return p, both, np.divide((1 - self.lapse) * p, both, out=np.zeros_like(p), where=both > 0)

    def action_logp(self, g: Array, offset: Array | float = 0.0) -> Array:
        """Log-probabilities of actions [decision, action]; -inf where there is no such action."""
        v = np.where(self.legal, self.x @ g + offset, -np.inf)
        v = v - _over_actions(np.maximum, v)
        return v - np.log(_over_actions(np.add, np.exp(v)))

    def near(self, g: Array, offset: Array | float = 0.0) -> Design:
        """The design of answers near g: columns w (E[x | answer] - E[x]), or E[x | answer] without lapses."""
        if self.answer is None and not self.lapse:
            return self
        return self.expect(self.x, self.action_logp(g, offset))

    def expect(self, columns: Array, logp: Array) -> Design:
        """The design of answers whose columns are the means of these [decision, action, column] over the
        actions that give an answer, with lapses w times as far from their mean; logp [decision, action]: of
        actions."""
        if self.answer is not None:
            p = np.exp(logp)
            total = self._by_answer(p)[:, :, None]
            mean = self._by_answer(columns * p[:, :, None])
            columns = np.divide(mean, total, out=np.zeros_like(mean), where=total > 0)
        if self.lapse:
            p, _, w = self.meant(logp)
            columns = w[:, :, None] * Design(columns, self.answers).centred(p)
        return Design(columns, self.answers)

    def potential(self, n: Array) -> Array:
        """Information before any climb [column, column]: at equal probabilities of the actions; n [decision].

        Of answers, the mean with two other points: at equal probabilities the columns E[x | answer] can
        coincide in a direction in which they differ everywhere else.
        """
        k = self.x.shape[-1]
        equal = np.exp(self.action_logp(np.zeros(k)))
        size = np.sqrt(np.maximum(np.diag(Design(self.x, self.legal).information(equal, n)), 0.0))
        aside = np.divide(np.cos(np.arange(k)), size, out=np.zeros(k), where=size > 0) * np.sqrt(n.sum())
        points = [np.zeros(k)] if self.answer is None else [np.zeros(k), aside, -aside]
        meant = replace(self, lapse=0.0)
        return np.mean([meant.near(g).information(np.exp(meant.logp(g)), n) for g in points], axis=0)

    def bend(self, y: Array, g: Array, offset: Array | float = 0.0) -> Array:
        """Minus the second derivative of the log-likelihood of answers y by g, [column, column]: the
        covariance of x less that given the answer, each weighed by w, less w (1 - w) times the square of the
        slope. With misfit it is not the information, and need not be positive definite."""
        logp = self.action_logp(g, offset)
        p = np.exp(logp)
        meant, _, w = self.meant(logp)
        y = y * w if self.lapse else y
        whole = Design(self.x, self.legal).information(p, y.sum(-1))
        if self.lapse:
            slope = replace(self, lapse=0.0).near(g, offset).centred(meant)
            whole -= np.einsum("da,dak,dal->kl", y * (1 - w), slope, slope)
        if self.answer is None:
            return whole
        mean = replace(self, lapse=0.0).near(g, offset).x
        mean = np.take_along_axis(mean, self.answer[:, :, None], axis=1)
        with np.errstate(invalid="ignore"):
            share = np.nan_to_num(y / self._by_answer(p))  # an answer that is not there has no share
        weight = p * np.take_along_axis(share, self.answer, axis=1)
        off = np.where(self.legal[:, :, None], self.x - mean, 0.0)
        return whole - np.einsum("da,dak,dal->kl", weight, off, off)

    def _by_answer(self, values: Array) -> Array:
        """Values of actions [decision, action, ...], added up over the actions that give an answer."""
        assert self.answer is not None
        total = np.zeros_like(values)
        np.add.at(total, (np.arange(len(values))[:, None], self.answer), values)
        return total

    def centred(self, q: Array) -> Array:
        """x less its mean under q, [decision, action, column]; 0 where there is no such action."""
        mean = self.mean(q)
        return np.where(self.legal[:, :, None], self.x - mean[:, None, :], 0.0)

    def information(self, q: Array, n: Array) -> Array:
        """Expected information of g, [column, column]; n choices at each decision [decision]."""
        c = self.centred(q)
        if len(c) < MATRICES_FROM:
            return np.einsum("dak,da,dal->kl", c, n[:, None] * q, c)
        rows = c.reshape(-1, c.shape[-1])
        return rows.T @ (rows * (n[:, None] * q).reshape(-1, 1))

    def mean(self, q: Array) -> Array:
        """Mean of x under q, [decision, column]."""
        if len(q) < MATRICES_FROM:
            return np.einsum("da,dak->dk", q, self.x)
        return reduce(np.add, (q[:, a, None] * self.x[:, a] for a in range(q.shape[1])))

    def score(self, y: Array, q: Array) -> Array:
        """Gradient by g at each decision, [decision, column], of choices y [decision, action]."""
        return np.einsum("da,dak->dk", y - y.sum(-1, keepdims=True) * q, self.x)

    def gradient(self, y: Array, q: Array) -> Array:
        """The sum of `score` over decisions, [column]."""
        if len(y) < MATRICES_FROM:
            return self.score(y, q).sum(0)
        residual = y - _over_actions(np.add, y) * q
        return residual.reshape(-1) @ self.x.reshape(-1, self.x.shape[-1])

    def take(self, mix: Array) -> Design:
        """The same decisions with columns x @ mix."""
        return replace(self, x=self.x @ mix)


def _over_actions(join: np.ufunc, values: Array) -> Array:
    """The largest, or the sum, of each row [decision, 1]. Few columns are joined one by one: the same in
    every digit, and many times as fast as numpy reduces a short last axis."""
    if values.shape[-1] >= FEW_ACTIONS:
        return join.reduce(values, axis=-1, keepdims=True)
    return reduce(join, values.T)[:, None]


def loglik(y: Array, logp: Array) -> float:
    """sum y * logp, where 0 * -inf is 0."""
    with np.errstate(invalid="ignore"):
        return float(np.where(y > 0, y * logp, 0.0).sum())


def explained(height: float, null: float, best: float) -> float:
    """(height - null) / (best - null), of log-likelihoods: how far on the way from random choice to the
    observed shares; 1 where these are the same."""
    return (height - null) / (best - null) if best > null else 1.0


@dataclass(frozen=True, eq=False)
class Peak:
    """The end of a climb: the maximum, or the last point in a direction without one."""

    g: Array
    loglik: float
    converged: bool
    information: Array
    start: Array
    """Information before any climb (`Design.potential`)."""

    def unbounded(self) -> NDArray[np.float64] | None:
        """A direction of g along which the likelihood rises without bound (separated choices), else None."""
        if not self.g.size:
            return None
        roots, turn = np.linalg.eigh(self.start)
        whiten = turn / np.sqrt(np.maximum(roots, 1e-300))
        eigenvalues, axes = np.linalg.eigh(whiten.T @ self.information @ whiten)
        if self.converged and eigenvalues[0] > NO_INFORMATION:
            return None
        direction = whiten @ axes[:, 0]
        return direction / np.abs(direction).max()


def flat_direction(information: Array) -> NDArray[np.float64] | None:
    """A direction in which the information is negligible against its scale; None without one. Of several the
    one nearest to a parameter alone, which no rounding chooses."""
    if not information.size:
        return None
    size = np.sqrt(np.diag(information))
    if (size <= 0).any():
        return (size <= 0).astype(np.float64)
    roots, axes = np.linalg.eigh(information / np.outer(size, size))
    if roots[0] > NO_CURVATURE:
        return None
    flat = axes[:, roots <= NO_CURVATURE]
    onto = flat @ flat.T
    nearest = int(np.argmax(np.round(np.diag(onto), 9)))
    direction = onto[:, nearest] / size
    return direction / np.abs(direction).max()


def climb(
    design: Design,
    y: Array,
    *,
    offset: Array | float = 0.0,
    start: Array | None = None,
    most: int = MOST_STEPS,
) -> Peak:
    """Maximise sum y * logp over g by Newton's method with a line search.

    y       answers, counts or probabilities, [decision, answer]
    offset  a part of the utility that is given, [decision, action]
    Directions without information stay at 0. Where an offset makes wrong answers so certain that the
    curvature vanishes and the slope does not, a step goes uphill by at most STRIDE.
    """
    k = design.x.shape[-1]
    n = y.sum(-1)
    start_information = design.potential(n)
    size = np.sqrt(np.maximum(np.diag(start_information), 0.0))
    scale = np.divide(1.0, size, out=np.zeros(k), where=size > 0)
    g = np.zeros(k) if start is None else start
    logp = design.logp(g, offset)
    height = loglik(y, logp)
    converged = False
    information = start_information
    total = max(float(n.sum()), 1e-300)
    stride = STRIDE * max(1.0, (total / STRIDE_GROWS_FROM) ** 0.5)
    for _ in range(most):
        q = np.exp(logp)
        local = design.near(g, offset)
        information = local.information(q, n)
        gradient = local.gradient(y, q) * scale
        scaled = information * np.outer(scale, scale)
        roots, axes = np.linalg.eigh(scaled) if k else (np.zeros(0), np.zeros((0, 0)))
        if (design.answer is not None or design.lapse) and k:
            bent, along_bent = np.linalg.eigh(design.bend(y, g, offset) * np.outer(scale, scale))
            if bent[0] > NO_CURVATURE:  # Newton's step, where the likelihood bends downward
                roots, axes = bent, along_bent
        along = axes.T @ gradient
        keep = roots > 1e-14
        steep = ~keep & (np.abs(along) > NO_SLOPE * total)
        if not steep.any() and float((along[keep] ** 2 / roots[keep]).sum()) < CONVERGENCE * total:
            converged = True
            break
        move = keep | steep
        bend = np.maximum(roots[move], np.abs(along[move]) / stride)
        step = scale * (axes[:, move] @ (along[move] / bend))
        length = 1.0
        while length > 1e-8:
            trial = design.logp(g + length * step, offset)
            value = loglik(y, trial)
            if value >= height - 1e-12 * abs(height):
                break
            length /= 2
        else:
            converged = True  # no rise left that float64 can see
            break
        g, logp, height = g + length * step, trial, value
    return Peak(g, height, converged, information, start_information)
