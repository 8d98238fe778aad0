"""Random coefficients: every parameter has a distribution over subjects (mixed logit), by simulation.

    ln L = sum_i ln int prod_(d of i) p(choice of i at d | x) normal(x; mean, sd) dx
    x = (theta, ln precision)

The panel likelihood of Revelt & Train (1998), with parameters independent over subjects; beside the types of
mixture.py, a spread without kinds. The integral is the mean over Halton draws (Train 2009, chapter 9). Draws
from the normal alone miss where a subject with many choices lies, and understate ln L: half of a subject's
draws are moved there (importance sampling; half stay, so that no weight exceeds 2: Hesterberg 1995;
simulated_likelihood.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from homines.core.checks import count
from homines.core.types import Array, HominesError, Integers, frozen
from homines.estimation.columns import Columns, Observation, read_for
from homines.estimation.family import PRECISION, Family, family
from homines.estimation.fit import check_design, check_peak
from homines.estimation.likelihood import Peak, flat_direction, loglik
from homines.estimation.problem import FlatLikelihood, Problem, problem, to_parameters
from homines.estimation.simulated_likelihood import Draws, Panel, normal_draws
from homines.estimation.uncertainty import covariance
from homines.theory.choice import Belief, stated_beliefs

SPREAD, LEAST_SPREAD = 0.3, 0.01
"""Standard deviation at the start, and the least, in units of max(1, |mean|): less is no spread."""
FIRST_ROUNDS, CLIMBS, MOST_STEPS = 4, 6, 30
"""Rounds that move the draws only, that climb too, and Newton steps at most."""
SETTLED = 0.05
"""Newton step, in standard errors, under which the maximum is reached."""
FEW_DRAWS = 20
"""Effective draws of a subject under which its likelihood is poorly known."""


@dataclass(frozen=True, eq=False)
class RandomCoefficients:
    """The distribution of a preference over subjects.

    names       free parameters of the family, then 'ln precision'
    mean, sd    of each over subjects [parameter]; cov: of (mean, sd), clustered by subject
    loglik      simulated, in nats; at least `pooled`, of one preference for all; `null`: of random choice
    bic         smaller is better: -2 ln L + p ln(subjects), as of a Mixture; p: means, and deviations above 0
    simulation  how far another set of draws moves each number, in its standard errors [mean or sd, parameter]
    effective   least number of effective draws of a subject, 1 / sum w^2 (Kish)
    """

    family: Family
    names: tuple[str, ...]
    mean: Array
    sd: Array
    cov: Array
    loglik: float
    pooled: float
    null: float
    bic: float
    simulation: Array
    subjects: int
    observations: int
    draws: int
    effective: float
    converged: bool
    notes: tuple[str, ...] = ()

    @property
    def se(self) -> Array:
        """Standard errors [mean or sd, parameter]; nan where there are too few subjects, or no spread."""
        return np.sqrt(np.diag(self.cov)).reshape(2, -1)


def random_coefficients(
    observations: Sequence[Observation],
    of: Family | str | type,
    *,
    belief: Belief = stated_beliefs,
    draws: int = 500,
    seed: int = 0,
) -> RandomCoefficients:
    """Maximum simulated likelihood of the mean and standard deviation of every parameter over subjects.

    draws   Halton draws a subject; seed: of their random shift

    Raises NotIdentified as `fit` does, and where the choices do not tell a spread; HominesError for exact
    choices, for parts of plans, and for one subject.
    """
    of = of if isinstance(of, Family) else family(of)
    count("draws", draws, 10)
    count("seed", seed, 0)
    columns = Columns.of(read_for(observations, of))
    p = problem(columns, of, belief=belief, cluster="subject")
    _check_choices(p, len(columns.subjects))
    check_design(p)
    peak, _ = p.peak()
    check_peak(p, peak)
    theta, precision = to_parameters(peak.g)
    panel, size = Panel.of(p), len(peak.g)
    centre = np.r_[theta, np.log(precision)]
    start = np.r_[centre, SPREAD * np.maximum(1.0, np.abs(centre))]
    fresh, others = (normal_draws(len(panel.y), draws, size, seed + k) for k in (0, 1))
    top = _maximise(panel, start, fresh, of)
    if top.draws.contributions(top.point)[0].sum() < peak.loglik:
        return _without_spread(p, peak, draws)
    point, d, kept, bread = top.point, top.draws, top.kept, top.bread
    heights, scores = d.contributions(point)[0], d.scores(point)
    names = (*of.free, f"ln {PRECISION}")
    spread = np.isin(np.arange(size, 2 * size), kept)
    subjects = len(heights)
    notes = [
        f"no spread of {name} over subjects is seen; the other errors are given that there is none"
        for name, has in zip(names, spread, strict=True)
        if not has
    ]
    cov = np.full((2 * size, 2 * size), np.nan)
    if subjects > 2 * size:
        meat = scores[:, kept].T @ scores[:, kept] * subjects / (subjects - 1)
        cov[np.ix_(kept, kept)] = bread @ meat @ bread
    else:
        notes.append(f"{subjects} subjects for {2 * size} parameters: too few for standard errors")
    effective = float(np.min(1 / (d.weights(point) ** 2).sum(1)))
    if effective < FEW_DRAWS:
        notes.append(f"{effective:.0f} effective draws of one subject: ask for more than {draws} draws")
    if not top.settled:
        notes.append(f"not settled after {MOST_STEPS} steps: ask for more than {draws} draws")
    again = d
    for _ in range(FIRST_ROUNDS):
        again = again.moved(panel, point, others)
    moves = np.full(2 * size, np.nan)
    moves[kept] = bread @ (again.scores(point) - scores)[:, kept].sum(0)
    height = float(heights.sum())
    return RandomCoefficients(
        of,
        names,
        point[:size],
        np.where(spread, point[size:], 0.0),
        cov,
        height,
        peak.loglik,
        loglik(p.y, p.design.logp(np.zeros(size))),
        -2 * height + len(kept) * float(np.log(subjects)),
        (np.abs(moves) / np.sqrt(np.diag(cov))).reshape(2, -1),
        subjects,
        len(p.rows),
        draws,
        effective,
        top.settled,
        tuple(notes),
    )


def _check_choices(p: Problem, subjects: int) -> None:
    if subjects < 2:
        raise HominesError(
            "random coefficients are a distribution over subjects, and there is one; give choices of several "
            "in the column `subject`"
        )
    if not p.sampled.all():
        raise HominesError(
            "random coefficients take choices that were drawn (1 or 0, or counts): exact probabilities do "
            "not say how sharply a subject is known; fit each subject by itself"
        )
    if p.design.answer is not None:
        raise HominesError(
            f"random coefficients take whole choices; {p.family.spec} reads these answers as parts of plans"
        )


def _least(point: Array) -> Array:
    """The least standard deviation of each parameter."""
    return LEAST_SPREAD * np.maximum(1.0, np.abs(point[: len(point) // 2]))


def _inverse_information(of: Family, d: Draws, point: Array, kept: Integers) -> Array:
    """The inverse of minus the second derivatives of ln L by the numbers `kept`; differences of the score.

    Raises NotIdentified where the likelihood is flat or no maximum."""
    rows: list[Array] = []
    for k in kept:
        step = 1e-4 * max(1.0, abs(point[k])) * np.eye(len(point))[k]
        change = (d.scores(point - step) - d.scores(point + step)).sum(0)
        rows.append(change[kept] / (2 * step[k]))
    information = np.array(rows)
    information = (information + information.T) / 2
    roots, axes = np.linalg.eigh(information)
    direction = axes[:, 0] if roots[0] <= 0 else flat_direction(information)
    if direction is not None:
        names = [f"{what} of {name}" for what in ("mean", "sd") for name in (*of.free, f"ln {PRECISION}")]
        raise FlatLikelihood(
            f"these choices do not tell how the parameters of {of.spec} vary over subjects (worst: "
            f"{names[int(kept[np.abs(direction).argmax()])]}); ask each subject more decisions, or fix a "
            "parameter by writing its value"
        )
    return frozen(np.linalg.inv(information))


def _climb(panel: Panel, point: Array, fresh: Array) -> tuple[Array, Draws]:
    """Means and deviations near the highest simulated likelihood, and the draws there."""
    size = len(point) // 2
    d = Draws.normal(panel, point, fresh)
    for _ in range(FIRST_ROUNDS):
        d = d.moved(panel, point, fresh)
    for _ in range(CLIMBS):

        def cost(at: Array, d: Draws = d) -> tuple[float, Array]:
            place = np.r_[at[:size], np.exp(at[size:])]
            heights, scores = d.contributions(place)
            return -float(heights.mean()), -scores.mean(0) * np.r_[np.ones(size), place[size:]]

        mean, sd = np.split(point, 2)
        bounds = [
            *zip(mean - sd, mean + sd, strict=True),
            *np.log(np.c_[np.maximum(_least(point), sd / 2), 2 * sd]),
        ]
        end = minimize(cost, np.r_[mean, np.log(sd)], jac=True, method="L-BFGS-B", bounds=bounds).x
        point = np.r_[end[:size], np.exp(end[size:])]
        d = d.moved(panel, point, fresh)
    return point, d


def _maximise(panel: Panel, start: Array, fresh: Array, of: Family) -> _Maximum:
    """The highest simulated likelihood. Raises NotIdentified as `_inverse_information` does."""
    point, d = _climb(panel, start, fresh)
    size = len(point) // 2
    steps = 0
    while True:
        kept = np.flatnonzero(np.r_[np.full(size, True), point[size:] > 1.01 * _least(point)])
        scores = d.scores(point)[:, kept]
        try:
            bread = _inverse_information(of, d, point, kept)
        except FlatLikelihood:
            if steps == MOST_STEPS:
                raise
            bread = frozen(np.linalg.pinv(scores.T @ scores))  # uphill from where it bends upward, too
        move = bread @ scores.sum(0)
        settled = bool((np.abs(move) < SETTLED * np.sqrt(np.diag(bread))).all())
        if settled or steps == MOST_STEPS:
            return _Maximum(point, d, kept, bread, settled)
        most = np.tile(point[size:], 2)[kept]
        point = point.copy()
        point[kept] += np.clip(move, -most, most)
        point[size:] = np.maximum(point[size:], _least(point))
        d = d.moved(panel, point, fresh)
        steps += 1


def _without_spread(p: Problem, peak: Peak, draws: int) -> RandomCoefficients:
    """One preference for all, where no spread explains more: the edge of the parameters."""
    theta, precision = to_parameters(peak.g)
    size, subjects = len(peak.g), len(np.unique(p.group))
    natural, _, _, notes = covariance(p, p.design, peak.g, 0.0)
    scale = np.r_[np.ones(len(theta)), 1 / precision]  # of the precision its logarithm
    cov = np.full((2 * size, 2 * size), np.nan)
    cov[:size, :size] = natural * np.outer(scale, scale)
    return RandomCoefficients(
        p.family,
        (*p.family.free, f"ln {PRECISION}"),
        np.r_[theta, np.log(precision)],
        np.zeros(size),
        cov,
        peak.loglik,
        peak.loglik,
        loglik(p.y, p.design.logp(np.zeros(size))),
        -2 * peak.loglik + size * float(np.log(subjects)),
        np.full((2, size), np.nan),
        subjects,
        len(p.rows),
        draws,
        float(draws),
        True,
        ("no spread over subjects explains more than one preference for all, which this is", *notes),
    )


@dataclass(frozen=True, eq=False)
class _Maximum:
    """Means and deviations [number], the draws there, which numbers are free (`kept`:
    deviations above the least), and the inverse information of these."""

    point: Array
    draws: Draws
    kept: Integers
    bread: Array
    settled: bool
