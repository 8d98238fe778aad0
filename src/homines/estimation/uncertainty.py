"""Uncertainty of an estimate: covariance, profile intervals, misfit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
from scipy.optimize import brentq
from scipy.special import kl_div
from scipy.stats import binom

from homines.core.types import Array, frozen
from homines.estimation.family import LAPSE, PRECISION, RISK
from homines.estimation.lapse import HIGHEST, lapse_bend, lapse_slope
from homines.estimation.likelihood import Design, climb, flat_direction
from homines.estimation.problem import FlatLikelihood, Problem, to_parameters

STEP_GROWTH = 1.3
"""Factor between steps outward: small, as a profile may fall and rise again where the precision goes to 0."""
VISIBLE_FALL = 1e-9
"""Falls of the likelihood, as a share of it, under which float64 shows nothing."""
LIMIT_FROM = 200
"""Choices at a decision from which the expected misfit is taken by its limit."""
FARTHEST = 1e6
"""Half-widths from the estimate at which a profile that has not fallen counts as open."""
NUMBERS_AT_ONCE = 2**20
"""Numbers of the expected misfit in memory at once."""
JACKKNIFE = 200
"""Clusters up to which the jackknife is taken."""
WARM_START_WITHIN = 8
"""Half-widths from the estimate within which climbs begin at the maximum: farther out they begin at 0."""


def expected_misfit(p: Problem, q: Array) -> Array:
    """Expected KL(observed shares || q) if q is true, nats [decision]; 0 for exact choices.

    With y_a ~ Binomial(n, q_a), the sum over actions of E[(y_a / n) ln(y_a / (n q_a))]; (A - 1) / (2 n) from
    LIMIT_FROM choices on. n is taken to the nearest whole number: averages over option orders have fractions.
    """
    n = np.zeros(len(p.decisions))
    np.add.at(n, p.at, np.where(p.sampled, p.rows.sum(-1), 0.0))
    n = np.where(n > 0, np.maximum(1.0, np.round(n)), 0.0)
    options = p.design.answers.sum(-1)
    out = np.where(n > LIMIT_FROM, (options - 1) / np.maximum(2 * n, 1), 0.0)
    few = (n >= 1) & (n <= LIMIT_FROM)
    for many, mine in sorted(set(zip(n[few].tolist(), options[few].tolist(), strict=True))):
        at = np.flatnonzero(few & (n == many) & (options == mine))
        for part in np.array_split(at, -(-len(at) * round(many) * mine // NUMBERS_AT_ONCE)):
            shares = q[part][p.design.answers[part]].reshape(len(part), 1, mine)
            out[part] = _misfit_of_chance(many, shares)
    return out


def _misfit_of_chance(n: float, q: Array) -> Array:
    """The sum over actions of E[(y_a / n) ln(y_a / (n q_a))] of n choices, [decision]; q: [decision, 1,
    action]."""
    y = np.arange(1, round(n) + 1)[:, None]
    odds = binom.pmf(y, round(n), q)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = odds * (y / n) * (np.log(y / n) - np.log(q))
    return np.where(odds > 0, terms, 0.0).reshape(len(q), -1).sum(-1)


def misfit(p: Problem, q: Array) -> dict[str, float]:
    """By game, the mean over decisions of KL(observed shares || q), nats.

    The terms are y ln(y / q) - y + q. None is below 0, so that what is less is rounding and taken as 0; of
    y ln(y / q) alone nothing could tell.
    """
    terms = np.maximum(kl_div(p.shares, q), 0.0).sum(-1)
    return mean_by_game(p.games, np.where(p.y.sum(-1) > 0, terms, 0.0))


def mean_by_game(games: Sequence[str], values: Array) -> dict[str, float]:
    """The mean of values [decision] over the decisions of each game."""
    places: dict[str, list[int]] = {}
    for i, g in enumerate(games):
        places.setdefault(g, []).append(i)
    return {g: float(values[members].mean()) for g, members in places.items()}


# --- how sure ----------------------------------------------------------------------------------


def columns_at(p: Problem, design: Design, g: Array, r: float) -> Array:
    """Derivatives of x . g by the natural parameters, [decision, action, parameter], precision last."""
    theta, precision = to_parameters(g)
    by_theta = precision * design.x[:, :, 1:]
    by_precision = (design.x @ np.r_[1.0, theta])[:, :, None]
    parts = [by_theta]
    if p.risk:
        h = 1e-5
        parts.append(((p.at_risk(r + h).x - p.at_risk(r - h).x) @ g)[:, :, None] / (2 * h))
    return np.concatenate([*parts, by_precision], axis=-1)


def natural_design(p: Problem, design: Design, g: Array, r: float) -> Design:
    """The design of answers near the maximum: columns are the slopes of their log-probability by the
    parameters `p.names`."""
    logp = design.action_logp(g)
    d = design.expect(columns_at(p, design, g, r), logp)
    if not p.lapse:
        return d
    by_lapse = lapse_slope(design, logp)[:, :, None]
    return Design(np.concatenate([d.x[:, :, :-1], by_lapse, d.x[:, :, -1:]], axis=-1), d.legal)


def covariance(p: Problem, design: Design, g: Array, r: float) -> tuple[Array, Array, int, list[str]]:
    """(clustered covariance, H^-1, clusters, notes) of the natural parameters.

    Up to JACKKNIFE clusters the jackknife over them (CR3), (G - 1) / G sum_c d_c d_c'. Without cluster c the
    estimate moves, to first order, by d_c = (H - H_c)^-1 s_c (s_c its score, H and H_c minus the second
    derivatives of all choices and of its own). With more clusters the sandwich
    H^-1 (sum_c s_c s_c') H^-1 * G / (G - 1), the same in the limit and too small with few. nan where G does
    not exceed the number of parameters, or where one cluster alone identifies one of them. Raises
    NotIdentified where H is singular.

    Bell & McCaffrey (2002); Cameron & Miller (2015), sections IV.A and VI.B.
    """
    q = np.exp(design.logp(g))
    d = natural_design(p, design, g, r)
    information = _bend(p, design, d, g, p.y)
    direction = flat_direction(information)
    if direction is not None:
        line = " ".join(f"{x:+.2f}*{n}" for n, x in zip(p.names, direction, strict=True) if abs(x) > 0.05)
        raise FlatLikelihood(f"at its maximum the likelihood of {p.family.spec} is flat along {line}")
    bread = frozen(np.linalg.inv(information))
    scores = cluster_scores(d, p.rows, p.at, p.group, q)
    if p.lapse:  # at 0 lapses the likelihood may slope down: errors are of what is left without that slope
        scores -= scores.mean(0)
    groups = len(scores)
    if groups <= len(bread):
        note = (
            f"{groups} clusters ({p.cluster}) for {len(bread)} parameters: too few for standard errors; "
            "measure more games, or cluster by something finer"
        )
        return np.full_like(bread, np.nan), bread, groups, [note]
    if groups > JACKKNIFE:
        meat = scores.T @ scores * groups / (groups - 1)
        return bread @ meat @ bread, bread, groups, []
    moves = jackknife(p, design, g, r)
    if moves is None:
        note = f"one cluster ({p.cluster}) alone identifies a parameter: no standard errors; measure more"
        return np.full_like(bread, np.nan), bread, groups, [note]
    return moves.T @ moves * (groups - 1) / groups, bread, groups, []


def jackknife(p: Problem, design: Design, g: Array, r: float) -> Array | None:
    """How far the estimate moves without each cluster, to first order, [cluster, parameter] (`covariance`);
    None where one cluster alone identifies a parameter."""
    d = natural_design(p, design, g, r)
    information = _bend(p, design, d, g, p.y)
    scores = cluster_scores(d, p.rows, p.at, p.group, np.exp(design.logp(g)))
    if p.lapse:  # at 0 lapses the likelihood may slope down: errors are of what is left without that slope
        scores -= scores.mean(0)
    moves = np.zeros_like(scores)
    for c in range(len(scores)):
        rest = information - _bend(p, design, d, g, choices_of(p, c))
        if flat_direction(rest) is not None:
            return None
        moves[c] = np.linalg.solve(rest, scores[c])
    return moves


def variance_by_chance(p: Problem, d: Design, q: Array, k: int) -> tuple[float, float]:
    """(mean, degrees of freedom) of the clustered variance of parameter k if only sampling makes it.

    Scores s_c then have the variances I_c, the information of their clusters. What is left of them at the
    estimate moves it by d_c = a_c (s_c - I_c H^-1 sum s), with a_c a row of (H - I_c)^-1, or of H^-1
    (`covariance`). So Omega, the covariance of d, is diag(a_c I_c a_c') less a_c I_c H^-1 I_e a_e', and the
    variance, a multiple of d'd, is about mean * chi2(df) / df with df = (tr Omega)^2 / tr Omega^2: fewer than
    clusters - 1 where some clusters tell more than others. Bell & McCaffrey (2002).

    d    the design of the natural parameters' columns; q [decision, answer] probabilities
    """
    centred = d.centred(q)
    once = np.einsum("da,dak,dal->dkl", q, centred, centred)
    groups = int(p.group.max()) + 1
    own = np.zeros((groups, *once.shape[1:]))
    np.add.at(own, p.group, p.rows.sum(-1)[:, None, None] * once[p.at])
    whole = own.sum(0)
    bread = np.linalg.inv(whole)
    jackknife = groups <= JACKKNIFE
    a = np.linalg.inv(whole - own if jackknife else np.broadcast_to(whole, own.shape))[:, k]
    moved = np.einsum("ck,ckl->cl", a, own)
    variance = np.einsum("cl,cl->c", moved, a)
    shared = np.einsum("ck,kl,cl->c", moved, bread, moved)
    cross = bread @ moved.T @ moved
    trace = float(variance.sum() - shared.sum())
    square = float((variance**2 - 2 * variance * shared).sum() + np.trace(cross @ cross))
    return trace * ((groups - 1) / groups if jackknife else groups / (groups - 1)), trace**2 / square


def _bend(p: Problem, design: Design, d: Design, g: Array, y: Array) -> Array:
    """Minus the second derivative of the log-likelihood of answers y [decision, answer] by the natural
    parameters, where their score is 0.

    Of whole actions it is the information, whatever is chosen; of parts of plans it depends on the answers
    (`Design.bend`). Where risk is estimated the information stands for it.

    d    the design of the natural parameters' columns
    """
    if p.risk:
        return d.information(np.exp(design.logp(g)), y.sum(-1))
    theta, precision = to_parameters(g)
    k = len(theta)
    natural = np.zeros((k + 1, k + 1))  # derivatives of g = precision * (1, theta) by (theta, precision)
    natural[1:, :k] = precision * np.eye(k)
    natural[:, k] = np.r_[1.0, theta]
    if not p.lapse:
        return frozen(natural.T @ design.bend(y, g) @ natural)
    natural = np.insert(np.vstack([natural, np.zeros(k + 1)]), k, np.eye(k + 2)[-1], axis=1)
    return frozen(natural.T @ lapse_bend(design, y, g) @ natural)


def choices_of(p: Problem, cluster: int) -> Array:
    """Choices of one cluster at each decision [decision, answer]."""
    y = np.zeros_like(p.y)
    mine = p.group == cluster
    np.add.at(y, p.at[mine], p.rows[mine])
    return y


def cluster_scores(design: Design, rows: Array, at: np.ndarray, group: np.ndarray, q: Array) -> Array:
    """Sum of scores by cluster, [cluster, column]."""
    residual = rows - rows.sum(-1, keepdims=True) * q[at]
    scores = np.einsum("na,nak->nk", residual, design.x[at])
    total = np.zeros((int(group.max()) + 1, scores.shape[1]))
    np.add.at(total, group, scores)
    return total


def profile(
    p: Problem,
    name: str,
    value: float,
    rule: tuple[float, float],
    *,
    half: float,
    risk: float = 0.0,
    start: Array | None = None,
) -> tuple[float, float]:
    """(low, high): the values at which twice the fall of the profile likelihood reaches a critical value.

    rule   (the maximum, the critical value). The critical value is that of F(1, clusters - 1), times the
           ratio of the clustered to the model's own variance (Kent 1982): dependence within clusters widens
           the interval and the standard error alike.
    half   half the width of the interval by the standard error: the scale of the search, and the result
           where the fall is too small for float64
    start  coefficients at the maximum, from which climbs near it begin; None: all begin at 0
    """
    top, crit = rule
    if not np.isfinite(crit) or not np.isfinite(half):
        return float("nan"), float("nan")
    if crit <= VISIBLE_FALL * abs(top):
        return value - half, value + half

    def fall(at: float) -> float:
        near = start if abs(at - value) < WARM_START_WITHIN * half else None
        return 2 * (top - constrained_loglik(p, name, at, risk, near)) - crit

    ends: list[float] = []
    for sign in (-1, 1):
        near, step = value, half / 4
        end = sign * np.inf
        while step < FARTHEST * half:
            far = value + sign * step
            if name == PRECISION and far <= 0:
                far = 0.0
            if name == RISK and not p.risks[0] <= far <= p.risks[1]:
                far = p.risks[0] if sign < 0 else p.risks[1]
                if near == far:
                    break
            if name == LAPSE:
                far = float(np.clip(far, 0.0, HIGHEST))
                if near == far:
                    end = 0.0 if sign < 0 else 1.0
                    break
            if fall(far) > 0:
                # rounding can lift the fall at a tiny critical value: then the end is where it was lifted
                lifted = fall(near) >= 0
                end = near if lifted else cast("float", brentq(fall, near, far, xtol=_nearest(value)))
                break
            if name == PRECISION and far == 0.0:
                end = 0.0
                break
            near, step = far, STEP_GROWTH * step
        ends.append(end)
    return ends[0], ends[1]


def _nearest(value: float) -> float:
    """Distance under which two values of a parameter are the same."""
    return 1e-10 * max(1.0, abs(value))


def constrained_loglik(
    p: Problem, name: str, at: float, near: float = 0.0, start: Array | None = None
) -> float:
    """The highest log-likelihood with one parameter fixed at a value, at a precision of at least 0.

    near    the risk attitude, or the share of lapses, where it is estimated, is searched around this value
    start   coefficients of all columns at the start of the climb
    """
    if name == RISK:
        return climb(p.at_risk(at), p.y, start=start).loglik
    if name == LAPSE:
        return climb(p.design_at(at), p.y, start=start).loglik

    def left(*columns: int) -> Array | None:
        return None if start is None else np.delete(start, columns)

    k = p.design.x.shape[-1]
    if name == PRECISION:
        # what multiplies the rest stays free: g = (at, free)
        rest = np.delete(np.eye(k), 0, axis=1)
        peak, _ = p.peak(lambda d: (d.take(rest), at * d.x[:, :, 0]), near, left(0))
        return peak.loglik
    j = 1 + p.family.free.index(name)
    mix = np.delete(np.eye(k), j, axis=1)
    mix[j, 0] = at
    peak, _ = p.peak(lambda d: (d.take(mix), 0.0), near, left(j))
    if peak.g[0] > 0:
        return peak.loglik
    none = np.delete(np.eye(k), [0, j], axis=1)  # the precision stops at 0
    return p.peak(lambda d: (d.take(none), 0.0), near, left(0, j))[0].loglik
