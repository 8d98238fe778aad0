"""Structural estimation: which parameters of a preference, and what precision, explain choices best.

    observations x family -> Estimate, or NotIdentified naming what the choices cannot tell apart

Maximum likelihood of the logit choice. Exact probabilities enter as they are, without sampling error. Their
uncertainty comes from the selection of decisions: errors are clustered, and misfit is reported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import f as fisher

from homines.core.types import LEGAL_MASS, Array, HominesError, Preference
from homines.estimation.columns import Observation
from homines.estimation.family import LAPSE, PRECISION, Family, family
from homines.estimation.likelihood import Design, Peak, climb, explained, flat_direction
from homines.estimation.problem import (
    EqualOptions,
    FlatLikelihood,
    NearIndifference,
    NotIdentified,
    NotRising,
    Problem,
    Separated,
    SeparatedByLapses,
    problem,
    to_parameters,
)
from homines.estimation.scope import scope
from homines.estimation.uncertainty import (
    covariance,
    expected_misfit,
    mean_by_game,
    misfit,
    natural_design,
    profile,
)
from homines.theory.choice import Belief, LogitAgent, stated_beliefs

LEAST_OWN = 1e-3
"""Information on lapses that no other parameter shares, as a part of all information on them, under which
lapses and imprecision look alike."""
SHARE_SHOWN = 1e-6
"""Share of a flat direction under which a parameter does not take part in it."""
WARM_START_FROM = 1e5
"""Choices from which climbs of a profile begin at the maximum; with fewer the way from 0 is short."""


@dataclass(frozen=True, eq=False, repr=False)
class Estimate:
    """The parameters that explain the choices best, with errors, intervals and fit.

    names      free parameters of the family, `risk` or `lapse` where asked for, `precision` (1/lambda, in
               1/payoff) last
    values     [parameter]; cov, robust to dependence within clusters, [parameter, parameter]
    intervals  profile likelihood, [parameter, (low, high)]; inf: the choices set no bound
    loglik     in nats; `null`: of random choice; `best`: of the observed shares, the most for anything that
               gives all subjects the same probabilities; `expected`: `best` less what sampled shares gain
               over the probabilities they are drawn from, about the mean of loglik if the family is true
    misfit     by game, the mean over its decisions of KL(observed shares || fitted), nats, never negative;
               `chance`: its mean if the family is true, 0 for exact choices
    exact      no sampling error: errors come from `clusters` alone
    mass       mean probability of any legal answer
    """

    family: Family
    names: tuple[str, ...]
    values: Array
    cov: Array
    intervals: Array
    loglik: float
    null: float
    best: float
    expected: float
    misfit: Mapping[str, float]
    chance: Mapping[str, float]
    converged: bool
    exact: bool
    cluster: str
    clusters: int
    observations: int
    decisions: int
    level: float = 0.95
    mass: float = 1.0
    notes: tuple[str, ...] = ()
    repeated: bool = True
    """Some decision has an exact choice, or more than one sampled."""
    choices: float = 0.0
    """Choices in the observations: legal answers where these are sampled, 1 for an exact choice."""

    @property
    def se(self) -> Array:
        """Standard errors [parameter]; nan where there are too few clusters to have any."""
        return np.sqrt(np.diag(self.cov))

    @property
    def explained(self) -> float:
        """(loglik - null) / (best - null), in [0, 1]: how far the family comes on the way from random choice
        to the observed shares; 1 where it fits exactly."""
        return explained(self.loglik, self.null, self.best)

    @property
    def scope(self) -> str:
        """What the intervals are of."""
        return scope(self.cluster, self.clusters, self.misfit, exact=self.exact)

    @property
    def explainable(self) -> float | None:
        """(expected - null) / (best - null): how far a family that is true comes, on average; 1 for exact
        choices. None where chance alone comes as far as the shares (it would be below 0), and where each
        decision has one sampled choice: `expected` is then `loglik`, whatever the family (its likelihood
        equations say so), and does not show whether it is true."""
        known = self.repeated and self.expected >= self.null
        return explained(self.expected, self.null, self.best) if known else None

    @property
    def fit_in_words(self) -> str:
        """'84% explained (a true family: about 96%)'; the second where choices are sampled."""
        share = f"{self.explained:.0%} explained"
        if not self.repeated:
            return f"{share} (one choice a decision does not show whether the family is true)"
        if self.explainable is None:
            return f"{share} (chance alone comes as far as the observed shares)"
        return share if self.exact else f"{share} (a true family: about {self.explainable:.0%})"

    def interval(self, name: str) -> tuple[float, float] | None:
        """Interval of a parameter; None where the choices do not tell it: they bound it on neither side, or
        there are too few games for an interval."""
        low, high = self.intervals[self.names.index(name)].tolist()
        return (low, high) if np.isfinite([low, high]).any() else None

    def __getitem__(self, name: str) -> float:
        return float(self.values[self.names.index(name)])

    def __repr__(self) -> str:
        parameters = "".join(
            f"\n  {name:<10} {value:.4g} [{low:.4g}, {high:.4g}]"
            for name, value, (low, high) in zip(self.names, self.values, self.intervals, strict=True)
        )
        notes = "".join(f"\n  note: {note}" for note in self.notes) + f"\n  {self.scope}"
        return (
            f"{self.family.spec}, {self.choices:.0f} choices, {self.level:.0%} intervals by profile "
            f"likelihood, clustered by {self.cluster} ({self.clusters}); {self.fit_in_words}, "
            f"legal mass {self.mass:.3g}{'' if self.converged else '; not converged'}{parameters}{notes}"
        )

    @property
    def preference(self) -> Preference:
        """The preference estimated. Raises HominesError where a value lies outside what it takes."""
        return self.family.at({name: self[name] for name in self.family.free})

    @property
    def agent(self) -> LogitAgent:
        """The theory's own player with these parameters."""
        lapse = self[LAPSE] if LAPSE in self.names else 0.0
        return LogitAgent(self.preference, self[PRECISION], lapse=lapse)


def fit(
    observations: Sequence[Observation],
    of: Family | str | type,
    *,
    belief: Belief = stated_beliefs,
    cluster: str | None = None,
    risk: bool = False,
    lapse: bool = False,
    level: float = 0.95,
) -> Estimate:
    """Maximum-likelihood estimate of a family: max over parameters and precision of sum counts * log p.

    belief   about the others: by default as the decision states, uniform where it states nothing
    cluster  the group within which choices depend: subject, game, decision or none. None: subjects where
             there are several, else games, else decisions
    risk     estimate relative risk aversion of payoffs too (`family.value_payoffs`)
    lapse    estimate the share of choices made at random too (lapse.py); not with `risk`
    level    of the intervals

    Raises NotIdentified where the choices cannot tell parameters apart, where they are separated (precision
    would grow without bound), where they do not rise with what the family values, and where lapses and
    imprecision look alike.
    """
    of = of if isinstance(of, Family) else family(of)
    p = problem(observations, of, belief=belief, cluster=cluster, risk=risk, lapse=lapse)
    if not 0 < level < 1:
        raise HominesError(f"level {level} must lie between 0 and 1, such as 0.95")
    check_design(p)
    peak, r = p.peak()
    check_peak(p, peak)
    design = p.design_at(r)
    check_lapse(p, design, peak)
    theta, precision = to_parameters(peak.g)
    values = np.r_[theta, *([r] if risk or lapse else []), precision]
    cov, bare, groups, notes = covariance(p, design, peak.g, r)
    if p.mass < LEGAL_MASS:
        notes = [*notes, f"legal mass {p.mass:.2g}: these are parameters of answers that are rarely given"]
    notes = [*notes, *_range_notes(of, dict(zip(of.free, theta, strict=True)))]
    shape = np.divide(np.diag(cov), np.diag(bare), out=np.ones(len(values)), where=np.diag(bare) > 0)
    fisher_at = float(fisher.ppf(level, 1, max(1, groups - 1))) if groups > 1 else float("nan")
    intervals = np.array(
        [
            profile(
                p,
                name,
                value,
                (peak.loglik, fisher_at * ratio),
                half=float(np.sqrt(fisher_at * cov[i, i])),
                risk=r,
                start=peak.g if p.y.sum() >= WARM_START_FROM else None,
            )
            for i, (name, value, ratio) in enumerate(zip(p.names, values, shape, strict=True))
        ]
    )
    q = np.exp(design.logp(peak.g))
    chance = expected_misfit(p, q)
    return Estimate(
        of,
        p.names,
        values,
        cov,
        intervals,
        peak.loglik,
        p.null,
        p.best,
        p.best - float(p.y.sum(-1) @ chance),
        misfit(p, q),
        mean_by_game(p.games, chance),
        peak.converged,
        not p.sampled.any(),
        p.cluster,
        groups,
        len(p.rows),
        len(p.decisions),
        level,
        p.mass,
        tuple(notes),
        p.repeated,
        float(p.y.sum()),
    )


# --- is there an answer ------------------------------------------------------------------------


def check_design(p: Problem) -> None:
    """Raise NotIdentified where no choices at these decisions could identify the parameters."""
    x = p.design
    potential = x.potential(np.ones(len(x.x)))
    direction = flat_direction(potential)
    if direction is None:
        return
    line = _spell_direction(p.family, direction)
    roots = np.linalg.eigvalsh(potential)
    others = int((roots <= 1e-9 * roots[-1]).sum()) - 1
    line += f" (and {others} more direction{'s' * (others > 1)})" if others > 0 else ""
    equal = x.legal / x.legal.sum(-1, keepdims=True)
    if not x.centred(equal)[:, :, 0].any() and len(direction) > 1:
        only = flat_parameter(p.family, direction)
        raise NotIdentified(
            f"{p.family.spec} values nothing but what {only} weighs, so {only} and the precision are only "
            f"known as a product; write {only}=1, as in {spell_fixed(p.family, only, 1)}"
        )
    if abs(direction[0]) > 0.05 and len(direction) == 1:
        raise EqualOptions(
            f"{p.family.spec} values every option of these {len(x.x)} decisions alike, so its precision is "
            "not identified; ask decisions in which the options differ"
        )
    identified = "" if others else f", whose {_spell_combinations(p.family, direction)}"
    raise FlatLikelihood(
        f"these {len(x.x)} decisions cannot tell the parameters of {p.family.spec} apart: the likelihood is "
        f"flat along {line}. Vary the games or the stated beliefs, or fix a parameter by writing its value, "
        f"as in {spell_fixed(p.family, flat_parameter(p.family, direction))}{identified}"
    )


def check_peak(p: Problem, peak: Peak) -> None:
    """Raise NotIdentified where the likelihood has no maximum, or has it at a precision of 0 or less."""
    direction = peak.unbounded()
    if direction is not None:
        if p.lapse and climb(p.design, p.y).unbounded() is None:
            raise SeparatedByLapses(
                "with lapses the choices are separated: all that is not certain counts as a lapse, and the "
                f"likelihood of {p.family.spec} rises without bound along "
                f"{_spell_direction(p.family, direction)}. Without lapses they are not separated: leave out "
                "--lapse, or ask decisions nearer to indifference"
            )
        raise Separated(
            f"the choices are separated: the likelihood of {p.family.spec} rises without bound along "
            f"{_spell_direction(p.family, direction)}. Choices that are nearly certain everywhere, or few, "
            "set bounds on the parameters but no values; ask more decisions, nearer to indifference, or fix "
            "a parameter"
        )
    if not peak.g[0] > 0:
        raise NotRising(
            f"the choices do not rise with what {p.family.spec} values (precision {peak.g[0]:.3g}), so its "
            "parameters, which are relative to that, have no values. Nearly certain choices can end here "
            "too, however good: homines.estimation.bounds says what those tell"
        )


def check_lapse(p: Problem, design: Design, peak: Peak) -> None:
    """Raise NotIdentified where lapses are estimated and the decisions do not tell them from a low
    precision."""
    if not p.lapse:
        return
    d = natural_design(p, design, peak.g, 0.0)
    information = d.information(np.exp(design.logp(peak.g)), p.y.sum(-1))
    k = p.names.index(LAPSE)
    others = np.delete(np.arange(len(information)), k)
    shared = information[k, others]
    own = information[k, k] - shared @ np.linalg.pinv(information[np.ix_(others, others)]) @ shared
    if own > LEAST_OWN * information[k, k]:
        return
    meant, _, _ = design.meant(design.action_logp(peak.g))
    raise NearIndifference(
        f"these {len(p.decisions)} decisions cannot tell lapses from a low precision: all they say on lapses "
        f"but for a share of {max(own, 0.0) / max(information[k, k], 1e-300):.1g}, they say on the other "
        f"parameters too (the surest choice has a probability of {meant.max():.2g}). Ask decisions far from "
        "indifference, in which one option is much better, or leave out --lapse"
    )


def _spell_direction(of: Family, direction: Array) -> str:
    """'+1.00*alpha -0.50*kappa', precision last."""
    parts = [(name, x) for name, x in zip((PRECISION, *of.free), direction, strict=True) if abs(x) > 0.05]
    return " ".join(f"{x:+.2f}*{name}" for name, x in sorted(parts, key=lambda part: part[0] == PRECISION))


def _spell_combinations(of: Family, direction: Array) -> str:
    """What the estimates are of where the parameter with the largest share of a flat direction is fixed at 0.

    With v the direction, c the precision, and j that parameter, moving along v until the coefficient
    c theta_j is 0 leaves choices as they are: theta_i becomes (theta_i - r theta_j) / (1 - s theta_j), where
    r = v_i / v_j and s = v_c / v_j.
    """
    pin = flat_parameter(of, direction)
    ratios = direction / direction[1 + of.free.index(pin)]

    def less(whole: str, ratio: float) -> str:
        size = "" if abs(abs(ratio) - 1) < SHARE_SHOWN else f"{abs(ratio):.3g} "
        return whole if abs(ratio) < SHARE_SHOWN else f"{whole} {'-' if ratio > 0 else '+'} {size}{pin}"

    bottom = less("1", ratios[0])
    parts: list[str] = []
    for name, ratio in zip(of.free, ratios[1:], strict=True):
        if name != pin:
            top = less(name, ratio)
            if bottom != "1":
                parts.append(f"{name} is then ({top}) / ({bottom})")
            elif top != name:
                parts.append(f"{name} is then {top}")
    return " and ".join(parts) or f"estimates hold whatever {pin} is"


def flat_parameter(of: Family, direction: Array) -> str:
    """The free parameter with the largest share of a flat direction (precision first in it)."""
    return of.free[int(np.abs(direction[1:]).round(6).argmax())]


def spell_fixed(of: Family, name: str, value: int = 0) -> str:
    """The spec of the family in which one more parameter is fixed."""
    arguments = [f"{k}={v!r}" for k, v in of.fixed.items()]
    return f"{of.spec.partition('(')[0]}({', '.join([*arguments, f'{name}={value}'])})"


def _range_notes(of: Family, values: Mapping[str, float]) -> list[str]:
    try:
        of.at({k: float(v) for k, v in values.items()})
    except HominesError as rule:
        return [f"outside what the theory allows: {rule}"]
    return []
