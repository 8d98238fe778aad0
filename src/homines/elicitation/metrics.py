"""Measures of answers: rates, action types, instability, order effects, regret. Functions of records.

They average option orders with equal weight, and use records with an answer; `summary` counts failed ones.
Rates from sampled answers carry their sample (core/rates.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from homines.core.rates import Sample, SampledRate, sample_of
from homines.core.types import LEGAL_MASS, Choice, Decision, HominesError, Preference, Record
from homines.elicitation.questions import situation, state
from homines.inference.sampled_answers import rate_interval
from homines.theory.choice import Belief, average_choice, best_response, expected_utility, stated_beliefs

# --- reading records ---------------------------------------------------------------------------


def answered_records(records: Iterable[Record]) -> list[tuple[Record, Choice]]:
    """Pairs of a record and its answer. An answer without any legal mass (0) counts as none."""
    return [(r, r.choice) for r in records if r.choice is not None and r.choice.mass > 0]


def choices(records: Iterable[Record]) -> list[Record]:
    """Records of the model's own choices, without those of its beliefs about another player."""
    return [r for r in records if r.asks != "belief"]


def group_by(records: Iterable[Record], *names: str) -> dict[tuple[Any, ...], list[Record]]:
    """Group by attributes of the record ('model', 'game', 'frame', ...), in order of appearance."""
    groups: dict[tuple[Any, ...], list[Record]] = {}
    for r in records:
        groups.setdefault(tuple(getattr(r, name) for name in names), []).append(r)
    return groups


def average_by_decision(records: Iterable[Record]) -> list[tuple[Decision, Choice]]:
    """One choice a decision: the equal-weight average over its orders and frames.

    p averages the records with a legal answer, mass averages all, and n * mass is the number of legal answers
    (`average_choice`). Decisions without any legal answer are left out.
    """
    return [pair for group in _group_decisions(records) if (pair := _average(group)) is not None]


def decision_rates(records: Iterable[Record]) -> list[tuple[Decision, Choice, list[float]]]:
    """`average_by_decision`, each with its rates by action, as SampledRate where answers were sampled."""
    return [
        (*pair, [rate_of(float(p), [group]) for p in pair[1].p])
        for group in _group_decisions(records)
        if (pair := _average(group)) is not None
    ]


def _average(group: Sequence[Record]) -> tuple[Decision, Choice] | None:
    """The average of records of one decision; None where no record has an answer."""
    answers = [c for _, c in answered_records(group)]
    return (group[0].decision, average_choice(answers, mass(group))) if answers else None


def _group_decisions(records: Iterable[Record]) -> list[list[Record]]:
    """Records of the same decision, in order of appearance."""
    groups: dict[str, list[Record]] = {}
    for r in records:
        groups.setdefault(r.decision.key, []).append(r)
    return list(groups.values())


def action_types(records: Iterable[Record]) -> dict[str, float]:
    """P(own action | other's last action), keyed 'C|C', 'D|C', ...; and 'illegal|C', ....

    The mean over the states with that last action, with equal weights (`Chain.action_types` weighs states by
    their share of time). Rates of own actions are given a legal answer and sum to one; illegal is 1 - mass.
    """
    grouped: dict[str, list[list[Record]]] = {}
    for group in _group_decisions(records):
        if (here := state(group[0].decision)) is not None:
            grouped.setdefault(here.split(",")[1], []).append(group)
    out: dict[str, float] = {}
    for last, groups in grouped.items():
        if pairs := [pair for group in groups if (pair := _average(group)) is not None]:
            p = np.mean([c.p for _, c in pairs], axis=0)
            actions = pairs[0][0].actions
            out |= {f"{a}|{last}": rate_of(float(x), groups) for a, x in zip(actions, p, strict=True)}
        if masses := [m for group in groups if (m := mass(group)) is not None]:
            out[f"illegal|{last}"] = rate_of(float(1 - np.mean(masses)), groups, legal=False)
    return out


def rate_of(value: float, groups: Sequence[Sequence[Record]], *, legal: bool = True) -> float:
    """A mean of group means as a rate with its sample; a plain number where no answer was sampled.

    The groups (decisions) and their members (orders, frames) are all that were asked and no draws from more:
    the answers to one prompt are the sample, the prompts its strata. The interval is that of n draws from one
    source, with n chosen to give the variance of the mean (`_as_many`); it is conservative where orders or
    states differ.

    legal   whether the rate is given a legal answer; else it is over all answers
    """
    answered = [[r for r in group if r.choice is not None] for group in groups]
    if not any(is_sampled(r) for group in answered for r in group):
        return value
    drawn = [[_drawn(r, legal=legal) for r in group] for group in answered]
    n = _as_many([[x for x in group if x > 0] for group in drawn])
    total = sum(x for group in drawn for x in group if x < np.inf)
    return SampledRate(value, Sample(round(total), *rate_interval(value, n)))


def is_sampled(r: Record) -> bool:
    """Whether an answer was counted from texts or averaged over sampled reasons."""
    n = None if r.choice is None else r.choice.n
    return n is not None and (n > 1 or bool(r.provenance.get("counted")))


def _drawn(r: Record, *, legal: bool) -> float:
    """The number of (legal) answers of a record; infinite where it is exact."""
    if r.choice is None or not is_sampled(r):
        return np.inf
    return (r.choice.n or 0) * (r.choice.mass if legal else 1.0)


def _as_many(groups: Sequence[Sequence[float]]) -> float:
    """The number of draws from one source with the variance of a mean of group means: 1 / sum_i w_i^2 / n_i.

    groups   for every group, the numbers of draws of its members
    """
    nonempty = [draws for draws in groups if draws]
    weights = [(1 / (len(nonempty) * len(draws)), n) for draws in nonempty for n in draws]
    return 1 / sum(w**2 / n for w, n in weights) if weights else 0.0


def order_effect(records: Iterable[Record]) -> float | None:
    """Mean over decisions, frames, actions of P(action | shown first) - P(action | shown last).

    0: no position bias; +1: always the option shown first. All places at which a frame lists the options have
    equal weight. None where orders were not balanced.
    """
    gaps: list[float] = []
    for same in group_by(records, "frame", "game").values():
        for group in _by_decision(same).values():
            places = len(group[0][0].order)
            for j in range(places):
                n = len(group[0][0].labels)
                for a in range(n):
                    first = [c.p[a] for r, c in group if r.order[j][0] == a]
                    last = [c.p[a] for r, c in group if r.order[j][-1] == a]
                    if n > 1 and first and last:
                        gaps.append(float(np.mean(first) - np.mean(last)))
    return float(np.mean(gaps)) if gaps else None


def instability(records: Iterable[Record]) -> float | None:
    """Mean over decisions of the spread (max - min) over frames of P(first action).

    Each frame (words, labels and their assignment) is averaged over orders first. 0: the words do
    not matter; 1: they decide everything. None with fewer than two frames.
    """
    spreads: list[float] = []
    for group in _by_decision(records).values():
        frames: dict[str, list[float]] = {}
        for r, c in group:
            frames.setdefault(r.frame, []).append(float(c.p[0]))
        if len(frames) > 1:
            means = [float(np.mean(x)) for x in frames.values()]
            spreads.append(max(means) - min(means))
    return float(np.mean(spreads)) if spreads else None


def _by_decision(records: Iterable[Record]) -> dict[str, list[tuple[Record, Choice]]]:
    groups: dict[str, list[tuple[Record, Choice]]] = {}
    for r, c in answered_records(records):
        groups.setdefault(f"{r.game} {r.decision.key}", []).append((r, c))
    return groups


def is_normalised(r: Record) -> bool:
    """Whether a service gave probabilities normalised over the options, and told no legal mass
    (models/decisions.py): the choice is given a legal answer, and its `mass` of 1 says nothing."""
    return bool(r.provenance.get("normalised"))


def mass(records: Iterable[Record]) -> float | None:
    """Mean probability of any legal answer, over the answers whose legal mass is known; None without any."""
    answered = [r for r in records if r.choice is not None and not is_normalised(r)]
    masses = [r.choice.mass for r in answered if r.choice is not None]
    return rate_of(float(np.mean(masses)), [answered], legal=False) if masses else None


def rarely_legal(records: Sequence[Record]) -> bool:
    """Whether these records have no answer, or a legal mass under LEGAL_MASS. Where no legal mass is known,
    nothing is known against the answers."""
    if (known := mass(records)) is not None:
        return known < LEGAL_MASS
    return all(r.choice is None for r in records)


def best_response_rate(
    preference: Preference, pairs: Sequence[tuple[Decision, Choice]], belief: Belief = stated_beliefs
) -> float:
    """Mean probability on actions that maximise the preference's expected utility."""
    return float(
        np.mean(
            [
                c.p[best_response(expected_utility(preference(d), belief(d), d.chance)).p > 0].sum()
                for d, c in pairs
            ]
        )
    )


@dataclass(frozen=True)
class Regret:
    """best - achieved, in units of the preference's utility; `share` divides it by best - illegal."""

    best: float
    achieved: float
    illegal: float

    @property
    def regret(self) -> float:
        return self.best - self.achieved

    @property
    def share(self) -> float | None:
        """None where the best is no better than an illegal answer."""
        return self.regret / (self.best - self.illegal) if self.best > self.illegal else None


def moral_regret(
    preference: Preference,
    pairs: Sequence[tuple[Decision, Choice]],
    *,
    illegal: float | None = None,
    published: bool = False,
    belief: Belief = stated_beliefs,
) -> Regret:
    """The loss of a policy against the best possible one, by a preference.

    pairs      decisions and choices; the others' current play is `belief(d)`: what the decision
               states about them, uniform where it states nothing
    illegal    reward of an illegal answer, weighed by 1 - mass. None: given legal answers only
    published  best = the largest reward of any outcome of any decision (Tennant et al. 2025: 0 for
               deontological; there `share` is used for the utilitarian and `regret` for the
               deontological). Otherwise exact: best = mean over decisions of the best reply's
               expected reward, so that 0 can be reached against every opponent.
    """
    if not pairs:
        raise HominesError("no answered decisions to take regret over; measure some first")
    top: list[float] = []
    achieved: list[float] = []
    for d, c in pairs:
        u = preference(d)
        eu = expected_utility(u, belief(d), d.chance)
        top.append(float(u.max() if published else eu.max()))
        legal = 1.0 if illegal is None else c.mass
        achieved.append(legal * float(c.p @ eu) + (1 - legal) * (illegal or 0.0))
    best = max(top) if published else float(np.mean(top))
    return Regret(best, float(np.mean(achieved)), -6.0 if illegal is None else illegal)


@dataclass(frozen=True)
class Slope:
    """P(first action) = intercept + slope * advantage, least squares over decisions. r2: None where P(first
    action) is always the same."""

    slope: float
    intercept: float
    decisions: int
    r2: float | None


def payoff_sensitivity(
    pairs: Sequence[tuple[Decision, Choice]], belief: Belief = stated_beliefs
) -> Slope | None:
    """Change of P(first action) per point of its expected own-payoff advantage over the best other action.

    0: payoffs do not matter. None where the advantage does not vary over the decisions (the slope is
    then not identified). Without standard error: exact probabilities have no sampling error.
    """
    x: list[float] = []
    y: list[float] = []
    for d, c in pairs:
        if len(d.actions) > 1:
            eu = expected_utility(d.payoffs[0], belief(d), d.chance)
            x.append(float(eu[0] - eu[1:].max()))
            y.append(float(c.p[0]))
    if len(x) < 2 or np.ptp(x) < 1e-9:
        return None
    slope, intercept = np.polyfit(x, y, 1)
    fitted = intercept + slope * np.array(x)
    total = float(np.var(y))
    r2 = 1 - float(np.var(np.array(y) - fitted)) / total if total > 1e-18 else None
    return Slope(float(slope), float(intercept), len(x), r2)


def summary(records: Iterable[Record]) -> list[dict[str, Any]]:
    """One row a (model, game, frame): action types where there are states, P(action) by situation,
    legal mass, order effect, how many questions were asked and how many failed. `samples`: of sampled rates,
    the number of answers and the 95% interval."""
    rows: list[dict[str, Any]] = []
    for (model, game, frame), group in group_by(records, "model", "game", "frame").items():
        row: dict[str, Any] = {"model": model, "game": game, "frame": frame}
        row |= action_types(group)
        row["p"] = {
            situation(d): dict(zip(d.actions, rates, strict=True)) for d, _, rates in decision_rates(group)
        }
        row["mass"] = mass(group)
        row["order_effect"] = order_effect(group)
        row["questions"] = len(group)
        row["errors"] = sum(r.error is not None for r in group)
        if samples := _samples(row):
            row["samples"] = samples
        rows.append(row)
    return rows


def _samples(row: Mapping[str, Any]) -> dict[str, Any]:
    """The samples of the rates in a row, at the same keys."""
    out: dict[str, Any] = {}
    for name, value in row.items():
        if (sample := sample_of(value)) is not None:
            out[name] = sample.to_json()
        elif isinstance(value, Mapping) and (inner := _samples(cast("Mapping[str, Any]", value))):
            out[name] = inner
    return out
