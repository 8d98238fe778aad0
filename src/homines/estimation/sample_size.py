"""Sample size: how many games, or subjects, and answers a wanted error or interval takes.

    Var(estimate) = (misfit + sampling / n) G0 / G

misfit     variance from which games (subjects) there were: the clustered one of the estimate, less that of
           sampling on average without misfit; 0 where sampling alone comes as far in 5% of samples
           (`variance_by_chance`); it falls with more games only
sampling   inverse information of one answer to each question (at points of sequential games: that of the
           composite likelihood); it falls with the answers n, and is 0 of exact ones
G0, G      games there were, and would be: games like these
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import chi2
from scipy.stats import t as student

from homines.core.types import HominesError
from homines.estimation.columns import Observation, read_for
from homines.estimation.family import PRECISION, family
from homines.estimation.fit import check_design, check_peak
from homines.estimation.problem import Problem, problem
from homines.estimation.uncertainty import columns_at, covariance, variance_by_chance
from homines.theory.choice import Belief, stated_beliefs

ANSWERS = (None, 1, 5, 20, 100)
"""Answers to a question, None: exact, of the rows of a plan."""
MOST_CLUSTERS = 1_000_000
LEVEL = 0.05
"""Level at which sampled answers tell misfit from 0."""
ROUNDING = 1e-12
"""Variance from misfit, as a share of that of one answer, that is rounding."""


@dataclass(frozen=True)
class Wanted:
    """A standard error (kind se) or a width of the interval (kind width) of a parameter, at most `value`."""

    kind: str
    parameter: str
    value: float

    @classmethod
    def read(cls, text: str, option: str = "plan") -> Wanted:
        """From text. Raises HominesError, which names the option, for other text.

        >>> Wanted.read("se(kappa)<.05")
        Wanted(kind='se', parameter='kappa', value=0.05)
        """
        match = re.fullmatch(r"\s*(se|width)\(\s*(\w+)\s*\)\s*<=?\s*([0-9.eE+-]+)\s*", text)
        try:
            value = float(match[3]) if match else 0.0
        except ValueError:
            value = 0.0
        if not match or not 0 < value < np.inf:
            raise HominesError(
                f"{option} {text[:200]!r} must be a standard error or a width of the interval, and a number "
                "above 0: 'se(kappa)<.05' or 'width(kappa)<.2'"
            )
        return cls(match[1], match[2], value)


@dataclass(frozen=True)
class SampleSize:
    """What a wanted error takes.

    rows      (answers to each question or None for exact, clusters needed, questions in all); clusters None:
              more than MOST_CLUSTERS
    here      answers to each question that reach it with the clusters of the data; None: no number does
    misfit    standard error from the choice of games alone; sampling: from one answer to each question alone
    unseen    standard error from misfit that these choices would just tell from 0; 0 of exact choices
    assumed   the truth assumed, or empty: the estimate of these choices
    """

    wanted: Wanted
    value: float
    cluster: str
    clusters: int
    questions: int
    rows: tuple[tuple[int | None, int | None, int | None], ...]
    here: int | None
    misfit: float
    sampling: float
    unseen: float = 0.0
    assumed: str = ""


@dataclass(frozen=True)
class Truth:
    """A preference with all its parameters, and its precision, assumed to have chosen."""

    spec: str
    precision: float

    def __post_init__(self) -> None:
        if free := family(self.spec).free:
            raise HominesError(f"the truth {self.spec} lacks a value of {', '.join(free)}; write them all")
        if not 0 < self.precision < np.inf:
            raise HominesError(f"precision {self.precision} of the truth must be above 0 (in 1/payoff)")


def sample_size(
    observations: Sequence[Observation],
    spec: str,
    wanted: Wanted,
    *,
    truth: Truth | None = None,
    belief: Belief = stated_beliefs,
    cluster: str | None = None,
    level: float = 0.95,
) -> SampleSize:
    """How many clusters and answers it takes until a parameter of a family is known so well.

    truth    chooses in place of the observed choices, at their decisions, without misfit; None: the estimate

    Raises NotIdentified as `fit` does; HominesError for an unknown parameter, and where there are too few
    clusters for standard errors.
    """
    of = family(spec)
    names = (*of.free, PRECISION)
    if wanted.parameter not in names:
        raise HominesError(
            f"{spec} has no parameter {wanted.parameter!r} to plan for; it has {', '.join(names)}"
        )
    alike = read_for(observations, of, *((family(truth.spec),) if truth else ()))
    p = problem(alike, of, belief=belief, cluster=cluster)
    if truth:
        p = _chosen_by(truth, p)
    check_design(p)
    peak, risk = p.peak()
    check_peak(p, peak)
    k = names.index(wanted.parameter)
    cov, _, groups, notes = covariance(p, p.design, peak.g, risk)
    if truth is None and np.isnan(cov).any():
        raise HominesError(f"{notes[0]}; or give an assumed truth")
    d = p.design.expect(columns_at(p, p.design, peak.g, risk), p.design.action_logp(peak.g))
    q = np.exp(p.design.logp(peak.g))
    once = np.bincount(p.at, minlength=len(p.decisions)).astype(np.float64)
    sampling = float(np.linalg.inv(d.information(q, once))[k, k])
    chance, unseen = 0.0, ROUNDING * sampling
    if p.sampled.any():
        chance, df = variance_by_chance(p, d, q, k)
        unseen = chance * (float(chi2.ppf(1 - LEVEL, df)) / df - 1)
    misfit = 0.0 if truth else float(cov[k, k]) - chance
    misfit = misfit if misfit > unseen else 0.0
    rows: list[tuple[int | None, int | None, int | None]] = []
    for n in ANSWERS:
        if n is None and not misfit:
            continue  # exact choices without misfit have no error at all
        needed = _clusters(groups * (misfit + (sampling / n if n else 0.0)), wanted, level)
        asked = None if needed is None else int(np.ceil(needed * len(p.rows) / groups)) * (n or 1)
        rows.append((n, needed, asked))
    room = _largest_variance(wanted, groups, level) - misfit
    return SampleSize(
        wanted,
        float(np.r_[peak.g[1:] / peak.g[0], peak.g[0]][k]),
        p.cluster,
        groups,
        len(p.rows),
        tuple(rows),
        int(np.ceil(sampling / room)) if room > 0 else None,
        float(np.sqrt(misfit)),
        float(np.sqrt(sampling)),
        float(np.sqrt(unseen)) if p.sampled.any() else 0.0,
        f"{truth.spec} at precision {truth.precision:g}" if truth else "",
    )


def _chosen_by(truth: Truth, p: Problem) -> Problem:
    """The problem with the exact choices of a preference."""
    logp = p.decisions.design(family(truth.spec), p.belief).logp(np.array([truth.precision]))
    return replace(p, rows=np.exp(logp)[p.at], sampled=np.zeros(len(p.rows), dtype=np.bool_))


def _largest_variance(wanted: Wanted, clusters: int, level: float) -> float:
    """The variance of the estimate that is just as wanted."""
    if wanted.kind == "se":
        return wanted.value**2
    return float((wanted.value / 2 / student.ppf((1 + level) / 2, max(1, clusters - 1))) ** 2)


def _clusters(each: float, wanted: Wanted, level: float) -> int | None:
    """The least number of clusters, 2 or more, at which a variance of each / clusters is as wanted."""
    low, high = 1, 2
    while each / high > _largest_variance(wanted, high, level):
        low, high = high, 2 * high
        if high > MOST_CLUSTERS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (
            (middle, high) if each / middle > _largest_variance(wanted, middle, level) else (low, middle)
        )
    return high
