"""Random coefficients come back from simulated subjects, and their errors cover."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy.stats import binom

from homines.core.types import Choice, Decision, HominesError, frozen
from homines.estimation.columns import Observation
from homines.estimation.family import family
from homines.estimation.fit import fit
from homines.estimation.problem import NotIdentified, problem
from homines.estimation.random_coefficients import RandomCoefficients, random_coefficients
from homines.estimation.simulated_likelihood import Draws, Panel, normal_draws

MEAN = np.array([0.2, 0.4, np.log(0.08)])
SD = np.array([0.25, 0.3, 0.5])


@cache
def menus(times: int) -> tuple[Decision, ...]:
    paid = np.random.default_rng(1).integers(10, 100, (times, 2, 2)).astype(float)
    return tuple(Decision(("X", "Y"), frozen(p)) for p in paid)


def crowd(
    seed: int, subjects: int = 100, times: int = 20, sd: Sequence[float] | np.ndarray = SD
) -> list[Observation]:
    """Choices of subjects whose alpha, beta and ln precision are drawn from normals."""
    rng = np.random.default_rng(seed)
    columns = np.stack([family("inequity").columns(d) for d in menus(times)])
    out: list[Observation] = []
    for i in range(subjects):
        *theta, log_precision = rng.normal(MEAN, sd)
        v = columns @ (np.exp(log_precision) * np.r_[1.0, theta])
        first = 1 / (1 + np.exp(v[:, 1] - v[:, 0]))
        out += [
            Observation(d, Choice.at(np.eye(2)[int(rng.random() > p)], n=1), f"s{i}")
            for d, p in zip(menus(times), first, strict=True)
        ]
    return out


def numbers(e: RandomCoefficients) -> np.ndarray:
    return np.r_[e.mean, e.sd]


def test_the_distribution_comes_back() -> None:
    e = random_coefficients(crowd(0, 200, 30), "inequity", draws=200)
    assert e.names == ("alpha", "beta", "ln precision")
    assert (abs(numbers(e) - np.r_[MEAN, SD]) < 3 * e.se.ravel()).all()
    assert e.converged
    assert e.simulation.max() < 0.2
    assert e.null < e.pooled < e.loglik


@pytest.mark.statistics
def test_errors_cover_as_often_as_they_say() -> None:
    samples = 100
    inside = np.zeros(6)
    for seed in range(samples):
        e = random_coefficients(crowd(seed), "inequity", draws=150)
        inside += abs(numbers(e) - np.r_[MEAN, SD]) < 1.98 * e.se.ravel()
    low, high = binom.ppf([3e-5, 1 - 3e-5], samples, 0.94)
    assert ((inside >= low) & (inside <= high)).all(), inside


def test_a_spread_that_is_not_there_is_none() -> None:
    e = random_coefficients(crowd(0, sd=(0.0, 0.3, 0.5)), "inequity", draws=150)
    assert e.sd[0] == 0
    assert np.isnan(e.se[1, 0])
    assert np.isfinite(np.delete(e.se.ravel(), 3)).all()
    assert abs(e.mean[0] - MEAN[0]) < 3 * e.se[0, 0]
    assert "no spread of alpha" in " ".join(e.notes)


def test_one_preference_for_all_is_never_beaten_by_less_than_itself() -> None:
    """Subjects alike, few draws: the simulated maximum may fall below its nested model, which is then it."""
    edges = 0
    for seed in range(4):
        data = crowd(seed, 60, 20, sd=(0.0, 0.0, 0.0))
        e = random_coefficients(data, "inequity", draws=30)
        assert e.loglik >= e.pooled
        numbers_free = 3 + (e.sd > 0).sum()
        assert e.bic == pytest.approx(-2 * e.loglik + numbers_free * np.log(60))
        if not e.sd.any():
            edges += 1
            pooled = fit(data, "inequity", cluster="subject")
            assert e.loglik == e.pooled == pytest.approx(pooled.loglik)
            assert e.mean[:2] == pytest.approx(pooled.values[:2])
            assert e.se[0, :2] == pytest.approx(pooled.se[:2])
    assert edges


def test_the_likelihood_is_the_integral() -> None:
    """Against a fine grid, of one parameter beside the precision, for subjects with many choices."""
    data = crowd(3, 5, 60)
    p = problem(data, family("inequity(alpha=0.2)"), cluster="subject")
    panel = Panel.of(p)
    point = np.array([0.4, -2.5, 0.3, 0.5])
    z = np.linspace(-5, 5, 151)
    grid = np.stack(np.meshgrid(z, z, indexing="ij"), -1).reshape(1, -1, 2).repeat(5, 0)
    height, _ = panel.heights(point[:2] + point[2:] * grid)
    area = (z[1] - z[0]) ** 2 / (2 * np.pi)
    exact = np.log((np.exp(height - 0.5 * (grid**2).sum(-1)) * area).sum(1))
    fresh = normal_draws(5, 500, 2, 0)
    d = Draws.normal(panel, point, fresh)
    assert d.contributions(point)[0] == pytest.approx(exact, abs=0.5)  # from the normal alone
    for _ in range(3):
        d = d.moved(panel, point, fresh)
    assert d.contributions(point)[0] == pytest.approx(exact, abs=0.02)


def test_both_scores_are_the_derivative_of_the_likelihood() -> None:
    panel = Panel.of(problem(crowd(4, 5, 30), family("inequity"), cluster="subject"))
    point = np.r_[MEAN, SD]
    d = Draws.normal(panel, point, normal_draws(5, 4000, 3, 0))
    d = d.moved(panel, point, normal_draws(5, 4000, 3, 0))
    slope = [(d.contributions(point + h)[0] - d.contributions(point - h)[0]) / 2e-5 for h in 1e-5 * np.eye(6)]
    assert d.contributions(point)[1] == pytest.approx(np.array(slope).T, rel=1e-5, abs=1e-5)
    assert d.scores(point) == pytest.approx(np.array(slope).T, rel=0.1, abs=0.1)


def test_it_is_the_same_again_and_whatever_the_order_of_rows() -> None:
    data = crowd(5, 40)
    one, two = (random_coefficients(data, "inequity", draws=60) for _ in range(2))
    assert numbers(one) == pytest.approx(numbers(two), rel=1e-12)
    rows = np.random.default_rng(0).permutation(len(data))
    turned = random_coefficients(
        sorted((data[i] for i in rows), key=lambda o: int(o.subject[1:])), "inequity", draws=60
    )
    assert numbers(turned) == pytest.approx(numbers(one), rel=1e-6)


def test_there_is_no_answer_where_there_is_none() -> None:
    data = crowd(6, 20)
    with pytest.raises(HominesError, match="there is one"):
        random_coefficients([replace(o, subject="a") for o in data], "inequity")
    exact = [replace(o, choice=Choice.at([0.6, 0.4])) for o in data]
    with pytest.raises(HominesError, match="exact probabilities"):
        random_coefficients(exact, "inequity")
    with pytest.raises(NotIdentified, match=r"vary over subjects|cannot tell|do not rise|separated"):
        random_coefficients(crowd(6, 20, 1), "inequity")
    few = random_coefficients(crowd(7, 6, 60), "inequity", draws=60)
    assert np.isnan(few.se).all()
    assert "too few for standard errors" in " ".join(few.notes)
