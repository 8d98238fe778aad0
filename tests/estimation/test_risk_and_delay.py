"""Risk and time preferences: true parameters come back, intervals cover, what is not identified says so."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit

from homines.core.types import HominesError
from homines.estimation.problem import NotIdentified
from homines.estimation.risk_and_delay import fit_delays, fit_lotteries
from homines.theory.risk_and_delay import (
    WEIGHTINGS,
    Lottery,
    Payment,
    Weighting,
    crra,
    log_payment_values,
    lottery_values,
    weight,
)

LOTTERIES = [
    (Lottery(high, low, p), Lottery(sure, sure, 1.0))
    for (high, low), p, share in product(((40, 4), (100, 20)), (0.05, 0.25, 0.5, 0.75, 0.95), (0.3, 0.5, 0.7))
    for sure in [low + share * (high - low)]
]
DELAYS = [
    (Payment(100, start), Payment(100 * more, start + wait))
    for start, wait, more in product((0, 0.5), (0.25, 0.5, 1, 2), (1.05, 1.2, 1.6))
]


def lottery_answers(r: float, g: float, form: Weighting, precision: float = 6.0) -> np.ndarray:
    out: list[float] = []
    for a, b in LOTTERIES:
        v = [
            float(lottery_values(np.array(x.high), np.array(x.low), np.array(x.p), r, g, form))
            for x in (a, b)
        ]
        span = float(crra(np.array(a.high), r) - crra(np.array(min(a.low, b.low)), r))
        out.append(float(expit(precision * (v[0] - v[1]) / span)))
    return np.array(out)


def delay_answers(beta: float, delta: float, precision: float = 5.0) -> np.ndarray:
    v = [
        [log_payment_values(np.array(x.amount), np.array(x.years), beta, delta) for x in pair]
        for pair in DELAYS
    ]
    return np.array([float(expit(precision * (a - b))) for a, b in v])


@pytest.mark.parametrize(
    ("r", "g", "form"),
    [
        (0.5, 1, "none"),
        (1.0, 1, "none"),
        (2.0, 1, "none"),
        (-0.5, 1, "none"),
        (0.4, 0.65, "tversky-kahneman"),
        (0.3, 0.6, "prelec"),
        (0.3, 1.4, "prelec"),
    ],
)
def test_risk_comes_back(r: float, g: float, form: Weighting) -> None:
    found = fit_lotteries(LOTTERIES, lottery_answers(r, g, form), form)
    assert found.value("r") == pytest.approx(r, abs=1e-3)
    assert found.value("precision") == pytest.approx(6, abs=1e-2)
    if form != "none":
        assert found.value("g") == pytest.approx(g, abs=1e-3)
    assert found.fit.misfit < 1e-7
    low, high = found.parameters[0].low, found.parameters[0].high
    assert low is not None
    assert high is not None
    assert high - low < 0.01


@settings(max_examples=10)
@given(beta=st.floats(0.6, 1.05), delta=st.floats(0.5, 1.0))
def test_patience_comes_back(beta: float, delta: float) -> None:
    found = fit_delays(DELAYS, delay_answers(beta, delta))
    assert found.value("beta") == pytest.approx(beta, abs=1e-5)
    assert found.value("delta") == pytest.approx(delta, abs=1e-5)
    assert found.fit.misfit < 1e-9


def test_intervals_over_questions_cover() -> None:
    rng = np.random.default_rng(0)
    inside: list[bool] = []
    for _ in range(60):
        noisy = expit(logit(delay_answers(0.8, 0.9)) + 0.3 * rng.normal(size=len(DELAYS)))
        for p, true in zip(fit_delays(DELAYS, noisy).parameters, (0.8, 0.9), strict=False):
            assert p.low is not None
            assert p.high is not None
            inside.append(p.low <= true <= p.high)
    assert 0.88 < np.mean(inside) <= 1


def test_a_weighting_is_told_by_its_misfit() -> None:
    p = lottery_answers(0.4, 0.6, "prelec")
    assert fit_lotteries(LOTTERIES, p, "prelec").fit.misfit < 1e-7 < fit_lotteries(LOTTERIES, p).fit.misfit


def test_what_is_not_identified_is_not_told() -> None:
    now = [(Payment(100, 0), Payment(100 * m, t)) for t, m in product((0.5,), np.linspace(1.1, 2, 12))]
    with pytest.raises(NotIdentified, match="flat"):  # one delay from now: beta and delta are one
        fit_delays(now, np.linspace(0.9, 0.1, 12))
    with pytest.raises(NotIdentified, match="larger payments are not chosen more often"):
        fit_delays(DELAYS, 1 - delay_answers(0.9, 0.9))
    with pytest.raises(NotIdentified, match="precision 0"):
        fit_lotteries(LOTTERIES, np.full(len(LOTTERIES), 0.5))
    sure = fit_lotteries(LOTTERIES, np.full(len(LOTTERIES), 0.001))  # always the sure amount
    assert sure.parameters[0].low is None
    assert "range" in sure.parameters[0].why
    with pytest.raises(HominesError, match="3 questions with 3 answers"):
        fit_delays(DELAYS[:3], np.full(3, 0.5))
    with pytest.raises(HominesError, match="no probability"):
        fit_delays(DELAYS, np.full(len(DELAYS), 1.5))


@given(p=st.floats(0.01, 0.99), g=st.floats(0.4, 2.0))
def test_weights_are_weights(p: float, g: float) -> None:
    for form in WEIGHTINGS:
        w = weight(np.array([0.0, p, min(p + 0.005, 1.0), 1.0]), g, form)
        assert w[0] == pytest.approx(0)
        assert w[-1] == pytest.approx(1)
        assert (np.diff(w) >= -1e-12).all()
        assert weight(np.array([p]), 1.0, form) == pytest.approx(p)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Lottery(1, 2, 0.5), "low 2 is above high 1"),
        (lambda: Lottery(1, 0, 0.5), "an amount of a lottery is 0"),
        (lambda: Lottery(2, 1, 1.5), r"must be a number in \[0, 1\]"),
        (lambda: Payment(0, 1), "a payment is 0"),
        (lambda: Payment(1, -1), "must be a number of at least 0"),
        (lambda: Payment(float("nan"), 1), "got nan"),
    ],
)
def test_bad_prospects_are_refused(make: object, match: str) -> None:
    with pytest.raises(HominesError, match=match):
        make()  # type: ignore[operator]
