"""The scorer that reads an answer, and the measures of homines as metrics.

Every metric rebuilds the records and hands them to the one function that measures them. Errors are clustered,
by game where a metric is over several, else by decision, by the delete-one-cluster jackknife:

    se^2 = (G - 1) / G sum_g (m_g - mean m)^2,   m_g the measure without cluster g

They are left out where there are fewer than two clusters, or one cannot be left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from inspect_ai.scorer import (
    Metric,
    SampleScore,
    Score,
    Scorer,
    Target,
    Value,
    mean,
    metric,
    scorer,
    stderr,
)
from inspect_ai.solver import TaskState

from homines.core.registry import find
from homines.core.types import Record
from homines.elicitation.metrics import action_types as types_of
from homines.elicitation.metrics import average_by_decision, choices, group_by, mass
from homines.elicitation.metrics import instability as spread_of
from homines.elicitation.metrics import order_effect as effect_of
from homines.elicitation.regret import regret as regret_of
from homines.evals.asking import hear
from homines.evals.samples import KEY, answer_json, asked_of, record_of, together

Numbers = Mapping[str, float]
Measure = Callable[[Sequence[Record]], Numbers]
ANSWER = "answer"


@scorer(metrics=[{"p": [mean(), stderr(cluster="cluster")], "mass": [mean(), stderr(cluster="cluster")]}])
def choice() -> Scorer:
    """The choice an answer makes. p: probability of the first action given a legal answer (none without one);
    mass: probability of any legal answer. The whole distribution is in the score's metadata."""

    async def score(state: TaskState, target: Target) -> Score:
        raw = state.metadata[KEY]
        heard = hear(state.output, asked_of(state.metadata))
        c, actions = heard.choice, raw["decision"]["actions"]
        told = (
            ", ".join(f"{a} {p:.3f}" for a, p in zip(actions, c.p, strict=True)) if c.mass else "none legal"
        )
        return Score(
            value={"p": float(c.p[0]) if c.mass else math.nan, "mass": c.mass},
            answer=state.output.completion,
            explanation=f"{told} (by {heard.by})" + "".join(f", {n} {w}" for w, n in heard.why.items()),
            metadata={
                ANSWER: answer_json(c),
                "by": heard.by,
                "illegal": heard.why,
                "truncation": heard.truncation,
            },
        )

    return score


def records(scores: Iterable[SampleScore]) -> list[Record]:
    """The records that scores were made of; repeated answers pooled."""
    return together(
        record_of(s.sample_metadata[KEY], s.score.metadata[ANSWER])
        for s in scores
        if s.sample_metadata and s.score.metadata and ANSWER in s.score.metadata
    )


def measured(scores: Sequence[SampleScore], of: Measure) -> Value:
    """A measure with its errors: by kind of game where there are several, and of all."""
    kinds = {s.sample_metadata[KEY]["key"]: s.sample_metadata["kind"] for s in scores if s.sample_metadata}
    told = choices(records(scores))
    groups: dict[str, list[Record]] = {}
    for record in told:
        groups.setdefault(str(kinds[record.key]), []).append(record)
    out = dict(_with_errors(told, of, ""))
    if len(groups) > 1:
        for kind, group in groups.items():
            out |= _with_errors(group, of, f"{kind} ")
    return out


def _with_errors(some: Sequence[Record], of: Measure, before: str) -> dict[str, float]:
    found = of(some)
    games = {r.game for r in some}
    clusters: dict[str, list[Record]] = {}
    for r in some:
        clusters.setdefault(r.game if len(games) > 1 else r.decision.key, []).append(r)
    less = [
        of([r for other, rs in clusters.items() if other != left for r in rs])
        for left in (clusters if len(clusters) > 1 else ())
    ]
    out: dict[str, float] = {}
    for name, value in found.items():
        out[before + name] = value
        if len(less) > 1 and all(name in one for one in less):
            m = np.array([one[name] for one in less])
            out[f"{before}{name} stderr"] = float(np.sqrt((len(m) - 1) * m.var()))
    return out


@metric(scores="unreduced")
def rates() -> Metric:
    """Of all decisions: the mean probability of the first action given a legal answer, and of a legal one."""

    def of(some: Sequence[Record]) -> Numbers:
        p = [float(c.p[0]) for _, c in average_by_decision(some)]
        return _known({"p": float(np.mean(p)) if p else None, "mass": mass(some)})

    def compute(scores: list[SampleScore]) -> Value:
        return measured(scores, of)

    return compute


@metric(scores="unreduced")
def action_types() -> Metric:
    """P(own action | other's last action), 'C|C' ..., 'illegal|C' ... (`metrics.action_types`)."""

    def compute(scores: list[SampleScore]) -> Value:
        return measured(scores, types_of)

    return compute


@metric(scores="unreduced")
def order_effect() -> Metric:
    """P(an action shown first) - P(the same shown last), mean (`metrics.order_effect`)."""

    def compute(scores: list[SampleScore]) -> Value:
        return measured(scores, lambda some: _known({"effect": effect_of(some)}))

    return compute


@metric(scores="unreduced")
def instability() -> Metric:
    """Spread of P(first action) over frames (`metrics.instability`); nothing with one frame."""

    def compute(scores: list[SampleScore]) -> Value:
        return measured(scores, lambda some: _known({"spread": spread_of(some)}))

    return compute


@metric(scores="unreduced")
def regret(preference: str, against: str = "random") -> Metric:
    """Exact moral regret by a preference (`homines.elicitation.regret`), the mean over games.

    against   an opponent of homines, met in the long run of repeated games
    """

    def compute(scores: list[SampleScore]) -> Value:
        judge = find("preferences", preference)

        def mean_regret(some: Sequence[Record]) -> Numbers:
            each = [regret_of(group, judge, against) for group in group_by(some, "game").values()]
            known = [x for x in each if x is not None]
            return {preference: float(np.mean(known))} if known else {}

        return measured(scores, mean_regret)

    return compute


@metric(scores="unreduced")
def effects() -> Metric:
    """The nine effects of the Moral Machine with their own clustered errors (`homines.estimation.amce`)."""

    def compute(scores: list[SampleScore]) -> Value:
        from homines.estimation.amce import ALL, amce_of_choices

        chosen = [
            (find("games", game), float(c.p[0]))
            for (game,), group in group_by(records(scores), "game").items()
            for _, c in average_by_decision(group)
        ]
        if not chosen:
            return {}
        found = amce_of_choices(chosen)
        out: dict[str, float] = {}
        for e, value, se in zip(ALL, found.values, found.se, strict=True):
            out |= _known({e.name: float(value), f"{e.name} stderr": float(se)})
        return out

    return compute


def _known(values: Mapping[str, float | None]) -> dict[str, float]:
    """Those that are numbers."""
    return {name: x for name, x in values.items() if x is not None and not math.isnan(x)}
