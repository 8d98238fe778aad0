"""Risk and time preferences from the probabilities of choices, by maximum likelihood.

Lotteries: P(a over b) = F(precision (V_a - V_b) / (u(most) - u(least))), most and least of the amounts of the
two (contextual utility, Wilcox 2011: a precision then means the same at every r). r and g are searched; the
rest is `maximise` of binary_response.py.

Delays: P(a over b) = F(precision (ln V_a - ln V_b)): linear in precision x (1, ln beta, ln delta), so one
climb ends at the maximum. Utility is taken as linear in money: were it x^(1 - r), what is found would be
beta^(1 / (1 - r)) and delta^(1 / (1 - r)), and choices between payments alone cannot tell (Andersen et al.
2008).

An interval is Student's over questions (jackknife): of other questions like these, to the same agent. There
is none for a parameter that the questions do not identify: its estimate at an end of its range, choices that
are certain, or a direction in which the likelihood is flat.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from homines.core.types import Array, HominesError
from homines.estimation.binary_response import FLAT, jackknife, maximise, probability
from homines.estimation.problem import NotIdentified
from homines.estimation.utility_scale import LEVEL, Fit, fit_of
from homines.theory.risk_and_delay import Lottery, Payment, Weighting, crra, lottery_values

RANGES: Mapping[str, tuple[float, float]] = {"r": (-3.0, 6.0), "g": (0.28, 3.0)}
"""Where r and g are searched; w of Tversky & Kahneman does not rise everywhere below g = .28."""
FEWEST = 10
"""Questions from which something is estimated."""
SMALLEST_PRECISION = 1e-3
"""A precision under which choices do not follow the values at all: nothing else is then identified."""
STEP = 1e-4
LINE = ("precision", "precision ln beta", "precision ln delta")
"""What the columns of payments multiply."""


@dataclass(frozen=True)
class Parameter:
    """A parameter with its interval over questions; low and high None where there is none, and `why`."""

    name: str
    value: float
    low: float | None
    high: float | None
    why: str = ""


@dataclass(frozen=True)
class MoneyFit:
    """Parameters of a family, and how well it tells the choices that it was fitted to."""

    family: str
    parameters: tuple[Parameter, ...]
    fit: Fit
    questions: int

    def value(self, name: str) -> float:
        """The estimate of a parameter."""
        return next(p.value for p in self.parameters if p.name == name)


def fit_lotteries(pairs: Sequence[tuple[Lottery, Lottery]], p: Array, form: Weighting = "none") -> MoneyFit:
    """r, the weighting's g where there is one, and precision. p: P(first) [question].

    Raises HominesError for fewer than FEWEST questions, NotIdentified where nothing can be told.
    """
    check_questions(len(pairs), p)
    sides = [np.array([[x.high, x.low, x.p] for x in side], float).T for side in zip(*pairs, strict=True)]
    amounts = np.concatenate([side[:2] for side in sides])
    least, most = amounts.min(0), amounts.max(0)
    searched = ("r",) if form == "none" else ("r", "g")

    def column(theta: Array) -> Array:
        r, g = float(theta[0]), float(theta[1]) if len(theta) > 1 else 1.0
        gap = [lottery_values(high, low, odds, r, g, form) for high, low, odds in sides]
        return (gap[0] - gap[1]) / (crra(most, r) - crra(least, r))

    def estimate(kept: np.ndarray, start: Array | None = None) -> Array:
        return _climb(lambda theta: column(theta)[kept], p[kept], searched, start)

    whole = estimate(np.ones(len(p), dtype=bool))

    def q(theta: Array) -> Array:
        return probability("logistic", theta[-1] * column(theta[:-1]))

    names = (*searched, "precision")
    title = "CRRA" if form == "none" else f"CRRA, weights of {form}"
    return _told(title, names, whole, q, p, lambda kept: estimate(kept, whole))


def _climb(column: Callable[[Array], Array], p: Array, searched: Sequence[str], start: Array | None) -> Array:
    """(searched..., precision) at the highest likelihood; from several starts where none is given."""
    from scipy.optimize import minimize
    from scipy.special import log_expit

    bounds = [RANGES[name] for name in searched] + [(0.0, 200.0)]

    def fall(theta: Array) -> float:
        z = theta[-1] * column(theta[:-1])
        return -float((p * log_expit(z) + (1 - p) * log_expit(-z)).sum())

    starts = [np.array([r, *[0.8] * (len(searched) - 1), 5.0]) for r in (0.0, 0.8, 2.0)]
    starts = starts if start is None else [start]
    tries = [
        minimize(fall, x0, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-14, "gtol": 1e-9})
        for x0 in starts
    ]
    return np.asarray(min(tries, key=lambda t: float(t.fun)).x, float)


def fit_delays(pairs: Sequence[tuple[Payment, Payment]], p: Array) -> MoneyFit:
    """beta, delta (of a year) and precision. p: P(first) [question].

    Raises HominesError for fewer than FEWEST questions, NotIdentified where they do not tell the three apart:
    beta needs payments now and later ones, and delays of several lengths.
    """
    check_questions(len(pairs), p)

    def row(x: Payment) -> Array:
        return np.array([np.log(x.amount), float(x.years > 0), x.years])

    x = np.array([row(a) - row(b) for a, b in pairs])

    def estimate(kept: np.ndarray) -> Array:
        g = maximise(x[kept], p[kept], names=LINE).g
        if g[0] <= SMALLEST_PRECISION:
            raise NotIdentified("larger payments are not chosen more often, so patience has no measure here")
        return np.array([np.exp(g[1] / g[0]), np.exp(g[2] / g[0]), g[0]])

    whole = estimate(np.ones(len(p), dtype=bool))

    def q(theta: Array) -> Array:
        return probability("logistic", theta[2] * (x @ np.array([1.0, np.log(theta[0]), np.log(theta[1])])))

    return _told("beta-delta, linear utility", ("beta", "delta", "precision"), whole, q, p, estimate)


def check_questions(questions: int, p: Array) -> None:
    """Raise HominesError for few questions and answers that are no probabilities."""
    if questions < FEWEST or len(p) != questions:
        raise HominesError(
            f"{questions} questions with {len(p)} answers; give {FEWEST} or more, with an answer each"
        )
    if not (np.isfinite(p) & (p >= 0) & (p <= 1)).all():
        raise HominesError("an answer is no probability in [0, 1]")


def _told(
    family: str,
    names: Sequence[str],
    whole: Array,
    q: Callable[[Array], Array],
    p: Array,
    estimate: Callable[[np.ndarray], Array],
) -> MoneyFit:
    """The parameters with intervals, or why there is none. Raises NotIdentified where nothing is told."""
    if whole[-1] <= SMALLEST_PRECISION:
        raise NotIdentified("choices do not follow these values at all (precision 0): nothing else is told")
    slopes = np.array([(q(whole + h) - q(whole - h)) / (2 * STEP) for h in STEP * np.eye(len(whole))]).T
    spread = np.sqrt(np.maximum(q(whole) * (1 - q(whole)), 1e-12))[:, None]
    size = np.linalg.norm(slopes / spread, axis=0)
    reason = ""
    scaled = slopes / spread / np.maximum(size, 1e-300)
    if (size <= 0).any() or np.linalg.eigvalsh(scaled.T @ scaled)[0] < FLAT:
        reason = "the likelihood is flat in some direction"
    ends = {name: RANGES[name] for name in names if name in RANGES}
    at_end = [
        n for n, (low, high) in ends.items() if not low + 1e-3 < whole[list(names).index(n)] < high - 1e-3
    ]
    covariance = None
    if not reason and not at_end:
        try:
            covariance, _ = jackknife(estimate, np.eye(len(p), dtype=bool))
        except NotIdentified:
            reason = "one question alone identifies a parameter"
    out: list[Parameter] = []
    for k, name in enumerate(names):
        why = f"{name} is at the end of the range that is searched" if name in at_end else reason
        if covariance is None or not np.isfinite(covariance[k, k]):
            out.append(
                Parameter(name, float(whole[k]), None, None, why or f"{', '.join(at_end)} is not identified")
            )
            continue
        half = _critical(len(p) - len(names)) * float(np.sqrt(covariance[k, k]))
        out.append(Parameter(name, float(whole[k]), float(whole[k]) - half, float(whole[k]) + half))
    return MoneyFit(family, tuple(out), fit_of(p, q(whole)), len(p))


def _critical(spare: int) -> float:
    from scipy.stats import t as student

    return float(student.ppf((1 + LEVEL) / 2, spare))
