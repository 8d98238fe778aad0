"""The interval of a rate over decisions that come in clusters, such as several decisions of one game."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from homines.core.rates import Sample, SampledRate
from homines.inference.sampled_answers import rate_interval


def clustered_rate(clusters: Sequence[tuple[int, float]]) -> SampledRate | None:
    """The mean over all decisions, with its 95% interval over clusters like these; None without a decision.

        p = sum_g s_g / n,   n = sum_g n_g,   interval: Clopper-Pearson of `independent_draws`

    clusters   for each its number of decisions n_g and the sum s_g of their shares
    """
    n = sum(many for many, _ in clusters)
    if not n:
        return None
    rate = sum(total for _, total in clusters) / n
    return SampledRate(rate, Sample(n, *rate_interval(rate, independent_draws(clusters))))


def independent_draws(clusters: Sequence[tuple[int, float]]) -> float:
    """The number of independent decisions that would tell as much (Korn & Graubard 1998, "Confidence
    intervals for proportions with small expected number of positive counts estimated from survey data",
    Survey Methodology 24).

        v = G / (G - 1) sum_g (s_g - n_g p)^2 / n^2        the variance of p over G clusters
        n' = p (1 - p) / v (t[n - 1] / t[G - 1])^2          t: the 97.5% point of Student's distribution

    It is from 1 to n. Where every cluster has the same share (v = 0), nothing tells how alike decisions of
    one cluster are: a cluster then counts as one decision.

    >>> round(independent_draws([(2, 2.0), (2, 0.0)] * 20), 1)
    37.8
    >>> independent_draws([(3, 3.0), (3, 3.0)])
    2.0
    """
    from scipy.stats import t as student  # takes about 0.5 s, which `homines --help` must not

    many, total = np.array(clusters, float).T
    n, groups = many.sum(), len(many)
    rate = total.sum() / n
    if groups < 2:
        return 1.0
    variance = groups / (groups - 1) * ((total - many * rate) ** 2).sum() / n**2
    if variance < 1e-12:
        return float(groups)
    wider = student.ppf(0.975, n - 1) / student.ppf(0.975, groups - 1)
    return float(np.clip(rate * (1 - rate) / variance * wider**2, 1, n))
