"""The same estimate under other beliefs about the others: uniform, elicited, correct.

uniform    every action of the other is equally likely
elicited   as the subject was asked, or as the data state
correct    the other chooses as the subjects of these data do at the other's place
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from homines.core.types import Array, Decision, HominesError
from homines.estimation.columns import Columns, Observation, group_decisions
from homines.estimation.family import PRECISION, Family, family
from homines.estimation.fit import check_design, check_peak
from homines.estimation.likelihood import explained
from homines.estimation.problem import problem, to_parameters
from homines.theory.choice import stated_beliefs


@dataclass(frozen=True)
class UnderBelief:
    """An estimate under one belief.

    values     by parameter, the precision among them; empty where there is no estimate (`why`)
    explained  as of an Estimate; None where each decision has one sampled choice, which shows no fit
    """

    belief: str
    values: Mapping[str, float]
    explained: float | None = None
    why: str = ""


def sensitivity(variants: Mapping[str, Sequence[Observation]], of: Family | str) -> list[UnderBelief]:
    """Estimates of a family from the same choices with different beliefs (by name).

    Of beliefs that give the same design the later are left out; none where all do: beliefs change nothing.
    """
    if len({id(observations) for observations in variants.values()}) < 2:
        return []
    of = family(of) if isinstance(of, str) else of
    seen: dict[bytes, UnderBelief] = {}
    for name, observations in variants.items():
        try:
            p = problem(observations, of, belief=stated_beliefs)
        except HominesError as failure:
            seen[name.encode()] = UnderBelief(name, {}, why=_clause(failure))
            continue
        key = p.design.x.tobytes()
        if key in seen:
            continue
        try:
            check_design(p)
            peak, _ = p.peak()
            check_peak(p, peak)
        except HominesError as failure:
            seen[key] = UnderBelief(name, {}, why=_clause(failure))
            continue
        theta, precision = to_parameters(peak.g)
        values = dict(zip((*of.free, PRECISION), map(float, (*theta, precision)), strict=True))
        seen[key] = UnderBelief(name, values, explained(peak.loglik, p.null, p.best) if p.repeated else None)
    return list(seen.values()) if len(seen) > 1 else []


def _clause(failure: HominesError) -> str:
    """The first clause of an error."""
    return str(failure).partition(". ")[0].partition("; ")[0]


def with_uniform_beliefs(observations: Sequence[Observation]) -> Sequence[Observation]:
    """The same choices where nothing is believed about the others, which is read as uniform."""
    if not _others_act(observations):
        return observations
    return _with_beliefs(observations, lambda _: None)


def with_correct_beliefs(observations: Sequence[Observation]) -> Sequence[Observation]:
    """The same choices where the other, in the same place of a symmetric game, chooses as all subjects do
    together; other decisions keep their beliefs."""
    if not _others_act(observations):
        return observations
    columns = Columns.of(observations)
    totals: dict[str, Array] = {}
    counts = np.zeros((len(columns.decisions), columns.logp.shape[1]))
    np.add.at(counts, columns.at, columns.counts)
    for d, total in zip(columns.decisions, counts, strict=True):
        key = replace(d, others=None).key
        totals[key] = totals.get(key, 0.0) + total

    def correct(d: Decision) -> tuple[Array, ...] | None:
        if d.history or not symmetric(d):
            return d.others
        total = totals[replace(d, others=None).key][: len(d.actions)]
        return (total / total.sum(),)

    return _with_beliefs(columns, correct)


def _others_act(observations: Sequence[Observation]) -> bool:
    """Whether another's action bears on any decision; in a large table of divisions none does."""
    return any(block.like.theirs for block in Columns.of(observations).decisions.blocks)


def symmetric(d: Decision) -> bool:
    """Whether the one other has the same actions and payoffs, and moves at the same time."""
    return (
        d.theirs == (d.actions,)
        and d.chance is None
        and len(d.payoffs) == 2
        and np.array_equal(d.payoffs[1], d.payoffs[0].T)
    )


def _with_beliefs(observations: Sequence[Observation], others: Any) -> Sequence[Observation]:
    columns = Columns.of(observations)
    if columns.decisions.answers:
        raise HominesError("parts of plans hold beliefs about plans; read them from their records")
    decisions = [replace(d, others=others(d)) for d in columns.decisions]
    return replace(columns, decisions=group_decisions(decisions))
