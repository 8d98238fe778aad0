"""Tests between families: likelihood ratio for nested families, Vuong for others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import f as fisher
from scipy.stats import t as student

from homines.core.types import Array, HominesError, frozen
from homines.estimation.columns import Observation
from homines.estimation.family import Family, family
from homines.estimation.fit import check_peak
from homines.estimation.likelihood import Peak, climb
from homines.estimation.problem import Problem, problem
from homines.estimation.uncertainty import cluster_scores
from homines.theory.choice import Belief, stated_beliefs

TOLERANCE = 1e-8
"""Residual, as a share, under which one family's columns lie in the space of another's."""


class NotNested(HominesError):  # noqa: N818 (a finding, as much as an error)
    """The family given as narrower contains the other; exchange them."""


@dataclass(frozen=True)
class Comparison:
    """The test of a narrower (or rival) family against another on the same choices.

    kind       'likelihood ratio': `narrow` lies within `wide`, small p speaks against `narrow`.
               'Vuong': neither lies within the other; positive statistic speaks for `wide`
    statistic  2 (ln L_wide - ln L_narrow) / scale, held against df * F(df, clusters - 1); or Vuong's z
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

    Raises HominesError where the two are the same on these decisions, NotNested where `narrow` contains
    `wide`, NotIdentified where `wide` has no maximum.
    """
    one, two = (family(f) if isinstance(f, str) else f for f in (narrow, wide))
    a = problem(observations, one, belief=belief, cluster=cluster)
    b = problem(observations, two, belief=belief, cluster=cluster)
    weight = b.y.sum(-1)
    up, down = _space(a, weight), _space(b, weight)
    inside, outside = _spanned_by(up, down), _spanned_by(down, up)
    ranks = (
        np.linalg.matrix_rank(up, tol=TOLERANCE * np.linalg.norm(up)),
        np.linalg.matrix_rank(down, tol=TOLERANCE * np.linalg.norm(down)),
    )
    pa, pb = climb(a.design, a.y), climb(b.design, b.y)
    check_peak(b, pb)
    if not pa.g[0] > 0:  # its best precision is 0
        pa = climb(a.design.take(np.delete(np.eye(len(pa.g)), 0, axis=1)), a.y)
    if inside and outside:
        raise HominesError(
            f"{one.spec} and {two.spec} say the same about these decisions; nothing to compare"
        )
    if outside and not inside:
        raise NotNested(
            f"{two.spec} lies within {one.spec} on these decisions, not the other way; exchange them"
        )
    if not inside:
        together = np.linalg.matrix_rank(np.hstack([up, down]), tol=TOLERANCE * np.linalg.norm(down))
        return _vuong(a, b, pa, pb, overlap=bool(together < sum(ranks)))
    df = int(ranks[1] - ranks[0])
    gap = max(0.0, 2 * (pb.loglik - pa.loglik))
    scale, groups = _inflation(b, pb, frozen(np.linalg.lstsq(down, up, rcond=None)[0]), df)
    # choices without misfit have no sampling error: any loss is beyond doubt
    statistic = gap / scale if scale > TOLERANCE else (np.inf if gap > 1e-9 * abs(pb.loglik) else 0.0)
    chance = float(fisher.sf(statistic / df, df, groups - 1)) if groups > 1 else float("nan")
    return Comparison(one.spec, two.spec, "likelihood ratio", float(statistic), df, chance, gap / 2, scale)


def _space(p: Problem, weight: Array) -> Array:
    """Columns less their mean over each decision's actions, stacked: [decision * action, column]."""
    legal = p.design.legal
    c = p.design.centred(legal / legal.sum(-1, keepdims=True))
    return (c * (weight > 0)[:, None, None]).reshape(-1, c.shape[-1])


def _spanned_by(inner: Array, outer: Array) -> bool:
    """Every inner column is a combination of outer ones."""
    left = inner - outer @ np.linalg.lstsq(outer, inner, rcond=None)[0]
    return bool(np.linalg.norm(left) <= TOLERANCE * max(np.linalg.norm(inner), 1e-300))


def _inflation(wide: Problem, peak: Peak, basis: Array, df: int) -> tuple[float, int]:
    """(mean eigenvalue of the generalised design effect, clusters).

    With H the information and J the clustered variance of the score at the wide family's maximum, and M the
    narrow family's columns in those of the wide: tr[(H^-1 - M (M'HM)^-1 M') J] / df.
    """
    q = np.exp(wide.design.logp(peak.g))
    h = wide.design.information(q, wide.y.sum(-1))
    scores = cluster_scores(wide.design, wide.rows, wide.at, wide.group, q)
    groups = len(scores)
    meat = scores.T @ scores * groups / max(1, groups - 1)
    inner = basis @ np.linalg.pinv(basis.T @ h @ basis) @ basis.T
    return float(np.trace((np.linalg.pinv(h) - inner) @ meat) / df), groups


def _vuong(a: Problem, b: Problem, pa: Peak, pb: Peak, *, overlap: bool) -> Comparison:
    """t = sum_c (l_wide - l_narrow) / (sqrt(G) sd_c), clusters c, held against t(G - 1); no correction for
    parameters. Where the families overlap and the truth lies in both, it rejects less often than it says."""
    each = _by_cluster(b, pb) - _by_cluster(a, pa)
    groups = len(each)
    if groups < 2:
        raise HominesError(f"{groups} clusters are too few to compare {a.family.spec} with {b.family.spec}")
    spread = float(each.std(ddof=1))
    if spread <= TOLERANCE * abs(pb.loglik) / groups:
        raise HominesError(f"{a.family.spec} and {b.family.spec} explain these choices alike")
    z = float(each.sum() / (np.sqrt(groups) * spread))
    chance = float(2 * student.sf(abs(z), groups - 1))
    note = "the families overlap: conservative" if overlap else ""
    return Comparison(
        a.family.spec, b.family.spec, "Vuong", z, groups - 1, chance, float(each.sum()), note=note
    )


def _by_cluster(p: Problem, peak: Peak) -> Array:
    g = peak.g if len(peak.g) == p.design.x.shape[-1] else np.r_[0.0, peak.g]
    logp = p.design.logp(g)[p.at]
    each = np.where(p.rows > 0, p.rows * logp, 0.0).sum(-1)
    total = np.zeros(int(p.group.max()) + 1)
    np.add.at(total, p.group, each)
    return total
