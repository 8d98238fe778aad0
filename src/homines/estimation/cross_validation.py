"""Cross-validation: a family fitted without some games, or subjects, and judged on their choices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from homines.estimation.columns import Observation
from homines.estimation.family import Family, family
from homines.estimation.fit import check_peak
from homines.estimation.likelihood import flat_direction, loglik
from homines.estimation.problem import FlatLikelihood, NotIdentified, Problem, problem
from homines.theory.choice import Belief, stated_beliefs

EACH_UP_TO, FOLDS = 20, 10
"""Clusters up to which each is left out alone; the number of folds from there on."""


@dataclass(frozen=True)
class HeldOut:
    """Mean log-likelihoods of a choice, in nats.

    held_out   of choices that the family was not fitted to; nan where a fold has no estimate (`why`)
    in_sample  of the same choices, fitted to all; random: of random choice
    folds      how often it was fitted; each leaves out some of the `clusters` (games, subjects, ...)
    """

    held_out: float
    in_sample: float
    random: float
    folds: int
    cluster: str
    clusters: int
    why: str = ""


def cross_validate(
    observations: Sequence[Observation],
    of: Family | str,
    *,
    belief: Belief = stated_beliefs,
    cluster: str | None = None,
    risk: bool = False,
    lapse: bool = False,
) -> HeldOut | None:
    """Held-out log-likelihood of a family: each cluster is left out alone, many in FOLDS folds.

    None where there is one cluster. Raises NotIdentified where all choices together have no estimate.
    """
    of = family(of) if isinstance(of, str) else of
    p = problem(observations, of, belief=belief, cluster=cluster, risk=risk, lapse=lapse)
    clusters = int(p.group.max()) + 1
    if clusters < 2:
        return None
    folds = clusters if clusters <= EACH_UP_TO else FOLDS
    peak, _ = p.peak()
    check_peak(p, peak)
    choices = float(p.rows.sum())
    total, why = 0.0, ""
    for fold in range(folds):
        out = p.group % folds == fold
        try:
            total += _judge(p, out, peak.g)
        except NotIdentified as failure:
            total, why = float("nan"), _without(p, out, failure)
            break
    null = loglik(p.y, p.design.logp(np.zeros_like(peak.g)))
    return HeldOut(total / choices, peak.loglik / choices, null / choices, folds, p.cluster, clusters, why)


def _judge(p: Problem, out: np.ndarray, start: np.ndarray) -> float:
    """Log-likelihood of the rows `out` at the maximum of the others."""
    rest = replace(p, rows=np.where(out[:, None], 0.0, p.rows))
    if flat_direction(rest.design.potential(rest.y.sum(-1))) is not None:
        raise FlatLikelihood(f"the other decisions cannot tell the parameters of {p.family.spec} apart")
    peak, bend = rest.peak(start=start)
    check_peak(rest, peak)
    return loglik(p.rows[out], p.design_at(bend).logp(peak.g)[p.at[out]])


def _without(p: Problem, out: np.ndarray, failure: NotIdentified) -> str:
    """Why a fold has no estimate."""
    left = int(np.unique(p.group[out]).size)
    which = f"without {left} of the {int(p.group.max()) + 1} {p.cluster}s"
    if p.cluster == "game":
        which = f"without {', '.join(dict.fromkeys(p.games[i] for i in p.at[out])) or 'the game'}"
    return f"{which}: {str(failure).partition('. ')[0].partition('; ')[0]}"
