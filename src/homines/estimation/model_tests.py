"""Tests between families: likelihood ratio for nested families, Vuong for others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import f as fisher
from scipy.stats import t as student

from homines.core.types import Array, HominesError, frozen
from homines.estimation.columns import Observation, read_for
from homines.estimation.family import Family, family
from homines.estimation.fit import check_peak
from homines.estimation.likelihood import Peak, climb
from homines.estimation.problem import Problem, problem
from homines.estimation.uncertainty import JACKKNIFE, choices_of, cluster_scores
from homines.theory.choice import Belief, stated_beliefs

TOLERANCE = 1e-8
"""Residual, as a share, under which one family's columns lie in the space of another's."""


class NotNested(HominesError):  # noqa: N818 (a finding, as much as an error)
    """The family given as narrower contains the other; exchange them."""


class SameChoices(HominesError):  # noqa: N818 (a finding, as much as an error)
    """Two families have the same probabilities at these decisions, whatever is chosen."""


class EqualFit(HominesError):  # noqa: N818 (a finding, as much as an error)
    """Two families have the same likelihood of these choices."""


@dataclass(frozen=True)
class Comparison:
    """The test of a narrower (or rival) family against another on the same choices.

    kind       'likelihood ratio': `narrow` lies within `wide`, small p speaks against `narrow`.
               'Vuong': neither lies within the other; positive statistic speaks for `wide`
    statistic  2 (ln L_wide - ln L_narrow) / scale, held against df * F(df, clusters - 1); or Vuong's z
    p_holm     p corrected for the number of tests beside it (`holm`); p itself where it is alone
    scale      the mean inflation of that difference by dependence within clusters (Rao & Scott 1984); 1 for
               independent observations, on average
    """

    narrow: str
    wide: str
    kind: str
    statistic: float
    df: int
    p: float
    difference: float
    scale: float = 1.0
    note: str = ""
    p_holm: float = float("nan")


def holm(tests: Sequence[Comparison]) -> list[Comparison]:
    """The tests with p_holm: in the order of p, (m - i) p_(i), at least that of the one before, at most 1.

    The chance of one false rejection among the m is at most the level, however they depend (Holm 1979). A p
    that is nan counts as none.
    """
    known = sorted((t.p, i) for i, t in enumerate(tests) if t.p == t.p)
    corrected, least = dict.fromkeys(range(len(tests)), float("nan")), 0.0
    for rank, (p, i) in enumerate(known):
        corrected[i] = least = max(least, min(1.0, (len(known) - rank) * p))
    return [replace(t, p_holm=corrected[i]) for i, t in enumerate(tests)]


def compare(
    observations: Sequence[Observation],
    narrow: Family | str,
    wide: Family | str,
    *,
    belief: Belief = stated_beliefs,
    cluster: str | None = None,
) -> Comparison:
    """Test `narrow` against `wide` on the same choices. Known parameters are a family with all of them
    written: 'bfs(alpha=0.083, beta=0.261, gamma=0.072, delta=-0.042)'; the precision stays free.

    Raises SameChoices where the two are the same on these decisions, NotNested where `narrow` contains
    `wide`, NotIdentified where `wide` has no maximum.
    """
    families = [family(f) if isinstance(f, str) else f for f in (narrow, wide)]
    alike = read_for(observations, *families)
    inner, outer = (problem(alike, of, belief=belief, cluster=cluster) for of in families)
    one, other = names = inner.family.spec, outer.family.spec
    weight = outer.y.sum(-1)
    inner_space, outer_space = _space(inner, weight), _space(outer, weight)
    nested, contains = _spanned_by(inner_space, outer_space), _spanned_by(outer_space, inner_space)
    ranks = [
        int(np.linalg.matrix_rank(space, tol=TOLERANCE * np.linalg.norm(space)))
        for space in (inner_space, outer_space)
    ]
    if nested and contains:
        raise SameChoices(f"{one} and {other} say the same about these decisions; nothing to compare")
    if contains and not nested:
        raise NotNested(f"{other} lies within {one} on these decisions, not the other way; exchange them")
    if not nested:
        joint = np.hstack([inner_space, outer_space])
        joint_rank = np.linalg.matrix_rank(joint, tol=TOLERANCE * np.linalg.norm(outer_space))
        return vuong(inner, outer, overlap=bool(joint_rank < sum(ranks)))
    inner_peak, outer_peak = _narrow_peak(inner), _wide_peak(outer)
    df = ranks[1] - ranks[0]
    gap = max(0.0, 2 * (outer_peak.loglik - inner_peak.loglik))
    basis = frozen(np.linalg.lstsq(outer_space, inner_space, rcond=None)[0])
    scale, groups = _inflation(outer, outer_peak, basis, df)
    # choices without misfit have no sampling error: any loss is beyond doubt
    statistic = gap / scale if scale > TOLERANCE else (np.inf if gap > 1e-9 * abs(outer_peak.loglik) else 0.0)
    chance = float(fisher.sf(statistic / df, df, groups - 1)) if groups > 1 else float("nan")
    return Comparison(*names, "likelihood ratio", float(statistic), df, chance, gap / 2, scale)


def contest(
    observations: Sequence[Observation],
    one: Family | str,
    two: Family | str,
    *,
    belief: Belief = stated_beliefs,
    cluster: str | None = None,
) -> Comparison:
    """The narrower of two families against the wider; Vuong's test where neither is, or where one reads
    answers as parts of plans and the other as choices at their points.

    Raises what `compare` does but NotNested.
    """
    first, second = (family(f) if isinstance(f, str) else f for f in (one, two))
    if (read_for(observations, first) is observations) != (read_for(observations, second) is observations):
        problems = (problem(observations, f, belief=belief, cluster=cluster) for f in (first, second))
        return vuong(*problems)
    try:
        return compare(observations, first, second, belief=belief, cluster=cluster)
    except NotNested:
        return compare(observations, second, first, belief=belief, cluster=cluster)


def _wide_peak(p: Problem) -> Peak:
    peak = climb(p.design, p.y)
    check_peak(p, peak)
    return peak


def _narrow_peak(p: Problem) -> Peak:
    """The maximum at a precision of at least 0."""
    peak = climb(p.design, p.y)
    if peak.g[0] > 0:
        return peak
    return climb(p.design.take(np.delete(np.eye(len(peak.g)), 0, axis=1)), p.y)


def _space(p: Problem, weight: Array) -> Array:
    """Columns less their mean over each decision's actions, stacked: [decision * action, column]."""
    legal = p.design.legal
    c = p.design.centred(legal / legal.sum(-1, keepdims=True))
    return (c * (weight > 0)[:, None, None]).reshape(-1, c.shape[-1])


def _spanned_by(inner: Array, outer: Array) -> bool:
    """Every inner column is a combination of outer ones."""
    residual = inner - outer @ np.linalg.lstsq(outer, inner, rcond=None)[0]
    return bool(np.linalg.norm(residual) <= TOLERANCE * max(np.linalg.norm(inner), 1e-300))


def _inflation(wide: Problem, peak: Peak, basis: Array, df: int) -> tuple[float, int]:
    """(mean eigenvalue of the generalised design effect, clusters).

    With H minus the second derivative and J the clustered variance of the score at the wide family's maximum,
    and M the narrow family's columns in those of the wide: tr[(H^-1 - M (M'HM)^-1 M') J] / df. Up to
    JACKKNIFE clusters J is H V H with the jackknife's variance V, as in `uncertainty.covariance`.
    """
    q = np.exp(wide.design.logp(peak.g))
    local = wide.design.near(peak.g)
    h = wide.design.bend(wide.y, peak.g)
    scores = cluster_scores(local, wide.rows, wide.at, wide.group, q)
    groups = len(scores)
    meat = scores.T @ scores * groups / max(1, groups - 1)
    if groups <= JACKKNIFE:
        rests = [h - wide.design.bend(choices_of(wide, c), peak.g) for c in range(groups)]
        moves = np.array([np.linalg.pinv(rest) @ s for rest, s in zip(rests, scores, strict=True)])
        meat = h @ (moves.T @ moves * (groups - 1) / groups) @ h
    inner = basis @ np.linalg.pinv(basis.T @ h @ basis) @ basis.T
    return float(np.trace((np.linalg.pinv(h) - inner) @ meat) / df), groups


def vuong(narrow: Problem, wide: Problem, *, overlap: bool = False) -> Comparison:
    """t = sum_c (l_wide - l_narrow) / (sqrt(G) sd_c), clusters c, held against t(G - 1); no correction for
    parameters. Where the families overlap and the truth lies in both, it rejects less often than it says.

    Raises EqualFit where the fitted probabilities are alike, HominesError for fewer than two clusters.
    """
    narrow_peak, wide_peak = _narrow_peak(narrow), _wide_peak(wide)
    differences = _by_cluster(wide, wide_peak) - _by_cluster(narrow, narrow_peak)
    groups = len(differences)
    if groups < 2:
        raise HominesError(
            f"{groups} clusters are too few to compare {narrow.family.spec} with {wide.family.spec}"
        )
    if np.abs(differences).max() <= TOLERANCE * abs(wide_peak.loglik) / groups:
        raise EqualFit(f"{narrow.family.spec} and {wide.family.spec} explain these choices alike")
    with np.errstate(divide="ignore"):
        z = float(differences.sum() / (np.sqrt(groups) * differences.std(ddof=1)))
    chance = float(2 * student.sf(abs(z), groups - 1))
    note = "the families overlap: conservative" if overlap else ""
    return Comparison(
        narrow.family.spec,
        wide.family.spec,
        "Vuong",
        z,
        groups - 1,
        chance,
        float(differences.sum()),
        note=note,
    )


def _by_cluster(p: Problem, peak: Peak) -> Array:
    g = peak.g if len(peak.g) == p.design.x.shape[-1] else np.r_[0.0, peak.g]
    logp = p.design.logp(g)[p.at]
    logliks = np.multiply(p.rows, logp, out=np.zeros_like(logp), where=p.rows > 0).sum(-1)
    total = np.zeros(int(p.group.max()) + 1)
    np.add.at(total, p.group, logliks)
    return total
