"""Structural estimation: which parameters of a preference, and what precision, explain choices best.

    observations x family -> Estimate, or NotIdentified naming what the choices cannot tell apart

Maximum likelihood of the logit choice. Exact probabilities enter as they are and carry no sampling error:
what is uncertain about them is which decisions were asked, so errors are clustered, and misfit is reported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias, cast

import numpy as np
from scipy.optimize import brentq, minimize_scalar
from scipy.stats import binom
from scipy.stats import f as fisher

from homines.columns import Columns, Decisions, Observation, Whole
from homines.core.types import LEGAL_MASS, Array, HominesError, Preference, frozen
from homines.family import PRECISION, RISK, Family, crra, family
from homines.likelihood import Design, Peak, climb, flat, loglik
from homines.theory.choice import Agent, Belief, told

CLUSTERS = ("subject", "game", "decision", "none")
RISKS = (-2.0, 3.0)
"""Where relative risk aversion is looked for."""
HIGHEST_WITH_ZERO = 0.99
"""From 1 on a payoff of 0 has no value."""
GROWTH = 1.3
"""Factor between steps outward: small, as a profile may fall and rise again where the precision goes to 0."""
SEEN = 1e-9
"""Falls of the likelihood, as a share of it, under which float64 shows nothing."""
MANY = 200
"""Choices at a decision from which the expected misfit is taken by its limit."""
PART = 2**20
"""Numbers of the expected misfit that are held at once."""
LARGE = 1e5
"""Choices from which climbs of a profile begin at the maximum; with fewer the way from 0 is short."""
CLOSE = 8
"""Half-widths from the estimate within which they do: farther out all may be flat where a climb begins."""
FARTHEST = 1e6
"""Half-widths from the estimate at which a profile that has not fallen counts as open."""


Take: TypeAlias = Callable[[Design], tuple[Design, Array | float]]
"""From a design to one with something held: the columns left, and what is added to their utility."""


def whole(design: Design) -> tuple[Design, Array | float]:
    """Nothing held."""
    return design, 0.0


class NotIdentified(HominesError):  # noqa: N818 (a finding, as much as an error)
    """The decisions cannot tell these parameters apart."""


@dataclass(frozen=True, eq=False, repr=False)
class Estimate:
    """What explains the choices, and how far that can be trusted.

    names      free parameters of the family, `risk` where asked for, `precision` last (1/lambda, in 1/payoff)
    values     [parameter]; cov, robust to dependence within clusters, [parameter, parameter]
    intervals  profile likelihood, [parameter, (low, high)]; inf: the choices set no bound
    loglik     in nats; `null`: of random choice, `best`: of the shares observed at each decision, less what
               chance alone would have made of samples (so about what the true family would reach)
    misfit     by game, the mean over its decisions of KL(shares observed || fitted), nats, less what sampling
               alone would give; about 0 where the family fits, and wherever there is one choice a decision
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
    misfit: Mapping[str, float]
    converged: bool
    exact: bool
    cluster: str
    clusters: int
    observations: int
    decisions: int
    level: float = 0.95
    mass: float = 1.0
    notes: tuple[str, ...] = ()

    @property
    def se(self) -> Array:
        """Standard errors [parameter]; nan where there are too few clusters to have any."""
        return np.sqrt(np.diag(self.cov))

    @property
    def explained(self) -> float:
        """Share of what could be explained beyond random choice: 1 where the family fits exactly."""
        room = self.best - self.null
        return (self.loglik - self.null) / room if room > 0 else 1.0

    def __getitem__(self, name: str) -> float:
        return float(self.values[self.names.index(name)])

    def __repr__(self) -> str:
        told = "".join(
            f"\n  {name:<10} {value:.4g} [{low:.4g}, {high:.4g}]"
            for name, value, (low, high) in zip(self.names, self.values, self.intervals, strict=True)
        )
        notes = "".join(f"\n  note: {note}" for note in self.notes)
        return (
            f"{self.family.spec}, {self.observations} choices, {self.level:.0%} intervals by profile "
            f"likelihood, clustered by {self.cluster} ({self.clusters}); {self.explained:.0%} explained, "
            f"legal mass {self.mass:.3g}{'' if self.converged else '; not converged'}{told}{notes}"
        )

    @property
    def preference(self) -> Preference:
        """The preference estimated. Raises HominesError where a value lies outside what it takes."""
        return self.family.at({name: self[name] for name in self.family.free})

    @property
    def agent(self) -> Agent:
        """The theory's own player with these parameters."""
        return Agent(self.preference, self[PRECISION])


@dataclass(frozen=True, eq=False)
class Problem:
    """Observations as arrays, for one family.

    design    columns of `Family.columns` at no risk aversion; `sampled` [observation]: not exact
    rows      [observation, action] choices; `at` [observation] their decision, `group` their cluster
    """

    family: Family
    decisions: Decisions
    games: tuple[str, ...]
    belief: Belief
    design: Design
    rows: Array
    at: np.ndarray
    group: np.ndarray
    cluster: str
    sampled: np.ndarray
    risk: bool = False
    scale: float = 1.0
    mass: float = 1.0
    held: dict[float, Design] = field(default_factory=dict[float, Design])

    @cached_property
    def y(self) -> Array:
        """Choices at each decision [decision, action]."""
        total = np.zeros(self.design.legal.shape)
        np.add.at(total, self.at, self.rows)
        return total

    def at_risk(self, risk: float) -> Design:
        """The design where payoffs are valued at this risk attitude."""
        if risk == 0.0:
            return self.design
        if risk not in self.held:
            if len(self.held) > 200:
                self.held.clear()
            self.held[risk] = self.decisions.design(
                self.family, self.belief, lambda paid: crra(paid, risk, self.scale)
            )
        return self.held[risk]

    def peak(
        self, take: Take = whole, near: float | None = None, start: Array | None = None
    ) -> tuple[Peak, float]:
        """The highest likelihood of the design that `take` makes, and the risk attitude where it lies.

        near   look for that around here only; start: coefficients to climb from
        """

        def at(risk: float) -> Peak:
            design, offset = take(self.at_risk(float(risk)))
            return climb(design, self.y, offset=offset, start=start)

        if not self.risk:
            return at(0.0), 0.0
        low, high = self.risks
        if near is None:
            grid = np.linspace(low, high, 11)
            top = int(np.argmax([at(r).loglik for r in grid]))
            low, high = grid[max(top - 1, 0)], grid[min(top + 1, 10)]
        else:
            low, high = max(low, near - 0.5), min(high, near + 0.5)
        found = minimize_scalar(
            lambda r: -at(r).loglik, bounds=(low, high), method="bounded", options={"xatol": 1e-6}
        )
        return at(found.x), float(found.x)

    @cached_property
    def risks(self) -> tuple[float, float]:
        """Where risk aversion is looked for."""
        return RISKS if self.decisions.least > 0 else (RISKS[0], HIGHEST_WITH_ZERO)


def problem(
    observations: Sequence[Observation],
    of: Family,
    *,
    belief: Belief = told,
    cluster: str | None = None,
    risk: bool = False,
) -> Problem:
    """Observations as arrays. Raises HominesError where there is nothing to choose or to cluster by."""
    held = Columns.of(observations)
    if not len(held):
        raise HominesError("no observations to fit; measure a model first, or give a CSV with rows")
    cluster = cluster or _cluster(held)
    if cluster not in CLUSTERS:
        raise HominesError(f"no cluster called {cluster!r}; there are {', '.join(CLUSTERS)}")
    groups: dict[str, Callable[[], Whole]] = {
        "subject": lambda: held.subject,
        "game": lambda: held.game_of[held.at],
        "decision": lambda: held.at,
        "none": lambda: np.arange(len(held)),
    }
    return Problem(
        of,
        held.decisions,
        tuple(held.games[i] for i in held.game_of),
        belief,
        held.decisions.design(of, belief),
        held.counts,
        held.at,
        groups[cluster](),
        cluster,
        held.n > 0,
        risk,
        float(np.mean(held.decisions.largest)) or 1.0,
        float(np.mean(held.mass)),
    )


def _cluster(held: Columns) -> str:
    """Subjects where several chose; else games, else decisions."""
    if len(held.subjects) > 1:
        return "subject"
    return "game" if len(held.games) > 1 else "decision"


def fit(
    observations: Sequence[Observation],
    of: Family | str | type,
    *,
    belief: Belief = told,
    cluster: str | None = None,
    risk: bool = False,
    level: float = 0.95,
) -> Estimate:
    """Maximum-likelihood estimate of a family: max over parameters and precision of sum counts * log p.

    belief   about the others: what a decision states, uniform where it states nothing
    cluster  what choices depend within: subject, game, decision or none. None: subjects where there are
             several, else games, else decisions
    risk     estimate relative risk aversion of payoffs too (`family.valued`)
    level    of the intervals

    Raises NotIdentified where the choices cannot tell parameters apart, where they are separated (precision
    would grow without bound), and where they do not rise with what the family values.
    """
    of = of if isinstance(of, Family) else family(of)
    p = problem(observations, of, belief=belief, cluster=cluster, risk=risk)
    if not 0 < level < 1:
        raise HominesError(f"level {level} must lie between 0 and 1, such as 0.95")
    check_design(p)
    peak, r = p.peak()
    check_peak(p, peak)
    design = p.at_risk(r)
    theta, precision = natural(peak.g)
    names = (*of.free, *((RISK,) if risk else ()), PRECISION)
    values = np.r_[theta, *([r] if risk else []), precision]
    cov, bare, groups, notes = covariance(p, design, peak.g, r)
    if p.mass < LEGAL_MASS:
        notes = [*notes, f"legal mass {p.mass:.2g}: these are parameters of answers that are rarely given"]
    notes = [*notes, *_outside(of, dict(zip(of.free, theta, strict=True)))]
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
                start=peak.g if p.y.sum() >= LARGE else None,
            )
            for i, (name, value, ratio) in enumerate(zip(names, values, shape, strict=True))
        ]
    )
    q = np.exp(design.logp(peak.g))
    share = p.y / p.y.sum(-1, keepdims=True)
    chance = expected_misfit(p, q)
    return Estimate(
        of,
        names,
        values,
        cov,
        intervals,
        peak.loglik,
        loglik(p.y, np.log(np.where(p.design.legal, 1.0, np.nan) / p.design.legal.sum(-1, keepdims=True))),
        loglik(p.y, np.log(np.where(share > 0, share, 1.0))) - float(p.y.sum(-1) @ chance),
        misfit(p.games, share, q, chance),
        peak.converged,
        not p.sampled.any(),
        p.cluster,
        groups,
        len(p.rows),
        len(p.decisions),
        level,
        p.mass,
        tuple(notes),
    )


def natural(g: Array) -> tuple[Array, float]:
    """(parameters, precision) of a coefficient vector g = precision * (1, parameters)."""
    return g[1:] / g[0], float(g[0])


def expected_misfit(p: Problem, q: Array) -> Array:
    """What KL(shares observed || q) would be on average if q were true, nats [decision]; 0 for exact choices.

    With y_a ~ Binomial(n, q_a), the sum over actions of E[(y_a / n) ln(y_a / (n q_a))]; (A - 1) / (2 n) from
    MANY choices on.
    """
    n = np.zeros(len(p.decisions))
    np.add.at(n, p.at, np.where(p.sampled, p.rows.sum(-1), 0.0))
    options = p.design.legal.sum(-1)
    out = np.where(n > MANY, (options - 1) / np.maximum(2 * n, 1), 0.0)
    few = (n >= 1) & (n <= MANY)
    for many, mine in sorted(set(zip(n[few].tolist(), options[few].tolist(), strict=True))):
        at = np.flatnonzero(few & (n == many) & (options == mine))
        for part in np.array_split(at, -(-len(at) * round(many) * mine // PART)):
            some = q[part][p.design.legal[part]].reshape(len(part), 1, mine)
            out[part] = _misfit_of_chance(many, some)
    return out


def _misfit_of_chance(many: float, q: Array) -> Array:
    """The sum over actions of E[(y_a / n) ln(y_a / (n q_a))] of n choices, [decision]; q: [decision, 1,
    action]."""
    y = np.arange(1, round(many) + 1)[:, None]
    odds = binom.pmf(y, round(many), q)
    with np.errstate(divide="ignore", invalid="ignore"):
        each = odds * (y / many) * (np.log(y / many) - np.log(q))
    return np.where(odds > 0, each, 0.0).reshape(len(q), -1).sum(-1)


def misfit(games: Sequence[str], share: Array, q: Array, chance: Array) -> dict[str, float]:
    """By game, the mean over decisions of KL(share || q) - chance, nats."""
    with np.errstate(divide="ignore", invalid="ignore"):
        kl = np.where(share > 0, share * np.log(share / q), 0.0).sum(-1) - chance
    places: dict[str, list[int]] = {}
    for i, g in enumerate(games):
        places.setdefault(g, []).append(i)
    return {g: float(kl[some].mean()) for g, some in places.items()}


# --- is there an answer ------------------------------------------------------------------------


def check_design(p: Problem) -> None:
    """NotIdentified where no choices at these decisions could tell the parameters apart."""
    x = p.design
    equal = x.legal / x.legal.sum(-1, keepdims=True)
    direction = flat(x.information(equal, np.ones(len(x.x))))
    if direction is None:
        return
    told = _spelt(p.family, direction)
    roots = np.linalg.eigvalsh(x.information(equal, np.ones(len(x.x))))
    others = int((roots <= 1e-9 * roots[-1]).sum()) - 1
    told += f" (and {others} more direction{'s' * (others > 1)})" if others > 0 else ""
    if not x.centred(equal)[:, :, 0].any() and len(direction) > 1:
        only = p.family.free[int(np.abs(direction[1:]).argmax())]
        raise NotIdentified(
            f"{p.family.spec} values nothing but what {only} weighs, so {only} and the precision are only "
            f"known as a product; write {only}=1, as in {_fixed(p.family, direction, 1)}"
        )
    if abs(direction[0]) > 0.05 and len(direction) == 1:
        raise NotIdentified(
            f"{p.family.spec} values every option of these {len(x.x)} decisions alike, so its precision is "
            "not identified; ask decisions in which the options differ"
        )
    raise NotIdentified(
        f"these {len(x.x)} decisions cannot tell the parameters of {p.family.spec} apart: the likelihood is "
        f"flat along {told}. Vary the games or the stated beliefs, or fix a parameter by writing its value, "
        f"as in {_fixed(p.family, direction)}"
    )


def check_peak(p: Problem, peak: Peak) -> None:
    """NotIdentified where the likelihood has no highest point, or where it lies at no precision."""
    direction = peak.unbounded()
    if direction is not None:
        raise NotIdentified(
            f"the choices are separated: the likelihood of {p.family.spec} rises without bound along "
            f"{_spelt(p.family, direction)}. Choices that are (nearly) certain everywhere set bounds on the "
            "parameters but no values; ask decisions nearer to indifference, or fix a parameter"
        )
    if not peak.g[0] > 0:
        raise NotIdentified(
            f"the choices do not rise with what {p.family.spec} values (precision {peak.g[0]:.3g}), so its "
            "parameters, which are relative to that, have no values. Nearly certain choices can end here "
            "too, however good: homines.bounds says what those tell"
        )


def _spelt(of: Family, direction: Array) -> str:
    """'+1.00*alpha -0.50*kappa', precision last."""
    parts = [(name, x) for name, x in zip((PRECISION, *of.free), direction, strict=True) if abs(x) > 0.05]
    return " ".join(f"{x:+.2f}*{name}" for name, x in sorted(parts, key=lambda part: part[0] == PRECISION))


def _fixed(of: Family, direction: Array, value: int = 0) -> str:
    """How to fix the parameter that moves most along a flat direction."""
    name = of.free[int(np.abs(direction[1:]).argmax())]
    written = [f"{k}={v!r}" for k, v in of.fixed.items()]
    return f"{of.spec.partition('(')[0]}({', '.join([*written, f'{name}={value}'])})"


def _outside(of: Family, values: Mapping[str, float]) -> list[str]:
    try:
        of.at({k: float(v) for k, v in values.items()})
    except HominesError as rule:
        return [f"outside what the theory allows: {rule}"]
    return []


# --- how sure ----------------------------------------------------------------------------------


def columns_at(p: Problem, design: Design, g: Array, r: float) -> Array:
    """Derivatives of x . g by the natural parameters, [decision, action, parameter], precision last."""
    theta, precision = natural(g)
    by_theta = precision * design.x[:, :, 1:]
    by_precision = (design.x @ np.r_[1.0, theta])[:, :, None]
    parts = [by_theta]
    if p.risk:
        h = 1e-5
        parts.append(((p.at_risk(r + h).x - p.at_risk(r - h).x) @ g)[:, :, None] / (2 * h))
    return np.concatenate([*parts, by_precision], axis=-1)


def covariance(p: Problem, design: Design, g: Array, r: float) -> tuple[Array, Array, int, list[str]]:
    """(clustered covariance, inverse information, clusters, notes) of the natural parameters.

    The sandwich H^-1 (sum_c s_c s_c') H^-1 * G / (G - 1), with s_c the score of a cluster and G clusters; nan
    where G does not exceed the number of parameters. Raises NotIdentified where H is singular.
    """
    q = np.exp(design.logp(g))
    d = Design(columns_at(p, design, g, r), design.legal)
    information = d.information(q, p.y.sum(-1))
    direction = flat(information)
    if direction is not None:
        names = (*p.family.free, *((RISK,) if p.risk else ()), PRECISION)
        told = " ".join(f"{x:+.2f}*{n}" for n, x in zip(names, direction, strict=True) if abs(x) > 0.05)
        raise NotIdentified(f"at its maximum the likelihood of {p.family.spec} is flat along {told}")
    bread = frozen(np.linalg.inv(information))
    scores = cluster_scores(d, p.rows, p.at, p.group, q)
    groups = len(scores)
    if groups <= len(bread):
        note = (
            f"{groups} clusters ({p.cluster}) for {len(bread)} parameters: too few for standard errors; "
            "measure more games, or cluster by something finer"
        )
        return np.full_like(bread, np.nan), bread, groups, [note]
    meat = scores.T @ scores * groups / (groups - 1)
    return bread @ meat @ bread, bread, groups, []


def cluster_scores(design: Design, rows: Array, at: np.ndarray, group: np.ndarray, q: Array) -> Array:
    """Sum of scores by cluster, [cluster, column]."""
    left = rows - rows.sum(-1, keepdims=True) * q[at]
    each = np.einsum("na,nak->nk", left, design.x[at])
    total = np.zeros((int(group.max()) + 1, each.shape[1]))
    np.add.at(total, group, each)
    return total


def profile(
    p: Problem,
    name: str,
    value: float,
    rule: tuple[float, float],
    *,
    half: float,
    risk: float = 0.0,
    start: Array | None = None,
) -> tuple[float, float]:
    """Where twice the fall of the profile likelihood from its maximum reaches a critical value.

    rule   (the maximum, the critical value). The critical value is that of F(1, clusters - 1), times the
           ratio of the clustered to the model's own variance (Kent 1982), so that dependence within clusters
           widens the interval as it widens the standard error.
    half   half the width of the interval by the standard error: where the search begins, and what stands
           where the fall is too small for float64 to see
    start  coefficients at the maximum, from which climbs near it begin; None: all begin at 0
    """
    top, crit = rule
    if not np.isfinite(crit) or not np.isfinite(half):
        return float("nan"), float("nan")
    if crit <= SEEN * abs(top):
        return value - half, value + half

    def fall(at: float) -> float:
        return (
            2 * (top - constrained(p, name, at, risk, start if abs(at - value) < CLOSE * half else None))
            - crit
        )

    ends: list[float] = []
    for sign in (-1, 1):
        near, step = value, half / 4
        end = sign * np.inf
        while step < FARTHEST * half:
            far = value + sign * step
            if name == PRECISION and far <= 0:
                far = 0.0
            if name == RISK and not p.risks[0] <= far <= p.risks[1]:
                far = p.risks[0] if sign < 0 else p.risks[1]
                if near == far:
                    break
            if fall(far) > 0:
                end = cast("float", brentq(fall, near, far, xtol=1e-10 * max(1.0, abs(value))))
                break
            if name == PRECISION and far == 0.0:
                end = 0.0
                break
            near, step = far, GROWTH * step
        ends.append(end)
    return ends[0], ends[1]


def constrained(p: Problem, name: str, at: float, near: float = 0.0, start: Array | None = None) -> float:
    """The highest log-likelihood with one parameter held, at no negative precision; the risk attitude, where
    it is estimated, near to this. start: coefficients of all columns to climb from."""
    if name == RISK:
        return climb(p.at_risk(at), p.y, start=start).loglik

    def left(*held: int) -> Array | None:
        return None if start is None else np.delete(start, held)

    k = p.design.x.shape[-1]
    if name == PRECISION:
        # what multiplies the rest stays free: g = (at, free)
        rest = np.delete(np.eye(k), 0, axis=1)
        peak, _ = p.peak(lambda d: (d.take(rest), at * d.x[:, :, 0]), near, left(0))
        return peak.loglik
    j = 1 + p.family.free.index(name)
    mix = np.delete(np.eye(k), j, axis=1)
    mix[j, 0] = at
    peak, _ = p.peak(lambda d: (d.take(mix), 0.0), near, left(j))
    if peak.g[0] > 0:
        return peak.loglik
    none = np.delete(np.eye(k), [0, j], axis=1)  # the precision stops at 0
    return p.peak(lambda d: (d.take(none), 0.0), near, left(0, j))[0].loglik
