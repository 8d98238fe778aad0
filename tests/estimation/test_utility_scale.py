"""Scales of outcomes: recovery, invariance, identification, coverage; which pairs are asked."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from homines.core.types import HominesError
from homines.estimation.binary_response import LINKS, Link, Separated, jackknife, maximise, probability
from homines.estimation.likelihood import Design, climb
from homines.estimation.pair_design import all_pairs, connected_design, gains, next_pairs, posterior
from homines.estimation.problem import FlatLikelihood
from homines.estimation.utility_scale import Pairs, held_out, utility_scale

NAMES = [f"o{k}" for k in range(40)]


def pairs_of(
    u: np.ndarray, places: list[tuple[int, int]], link: Link = "logistic", noise: object = 0.0
) -> Pairs:
    i, j = np.array(places).T
    return Pairs(len(u), i, j, probability(link, u[i] - u[j] + np.asarray(noise)))


def answered(n: int, places: list[tuple[int, int]], p: np.ndarray) -> Pairs:
    i, j = np.array(places).T
    return Pairs(n, i, j, p)


@pytest.mark.parametrize("link", LINKS)
@settings(max_examples=15)
@given(u=arrays(float, 7, elements=st.floats(-1.5, 1.5)), seed=st.integers(0, 99))
def test_a_scale_comes_back_from_its_own_probabilities(link: Link, u: np.ndarray, seed: int) -> None:
    places = connected_design(7, 3, np.random.default_rng(seed))
    scale = utility_scale(pairs_of(u, places, link), NAMES, link)
    assert scale.u == pytest.approx(u - u.mean(), abs=1e-6)
    assert scale.fit(scale.pairs).misfit < 1e-9
    ends = scale.interval(np.eye(7)[0])
    assert ends is None or ends[1] - ends[0] < 1e-4  # no pair disagrees


@settings(max_examples=15)
@given(seed=st.integers(0, 999))
def test_names_and_sides_do_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    places = all_pairs(6)
    one = pairs_of(rng.normal(size=6), places, noise=rng.normal(size=len(places)))
    new, turn = rng.permutation(6), rng.random(len(places)) < 0.5
    i, j = np.where(turn, new[one.j], new[one.i]), np.where(turn, new[one.i], new[one.j])
    two = Pairs(6, i, j, np.where(turn, 1 - one.p, one.p))
    a, b = utility_scale(one, NAMES), utility_scale(two, NAMES)
    assert b.u[new] == pytest.approx(a.u, abs=1e-8)
    assert a.covariance is not None
    assert b.covariance is not None
    assert b.covariance[np.ix_(new, new)] == pytest.approx(a.covariance, abs=1e-8)


def test_the_logistic_link_is_the_conditional_logit_of_two_actions() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(30, 3)), rng.random(30)
    design = Design.of([np.stack([row, 0 * row]) for row in x])
    peak = climb(design, np.stack([y, 1 - y], 1))
    ours = maximise(x, y)
    assert ours.g == pytest.approx(peak.g, abs=1e-7)
    assert ours.information == pytest.approx(peak.information, rel=1e-5)


@pytest.mark.parametrize("link", LINKS)
def test_first_order_moves_are_those_of_fits_without_a_choice(link: Link) -> None:
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(60, 2)), rng.uniform(0.3, 0.7, 60)
    whole = maximise(x, y, link)
    moves = whole.moves()
    assert moves is not None
    exact = np.array([whole.g - maximise(np.delete(x, c, 0), np.delete(y, c), link).g for c in range(60)])
    assert moves == pytest.approx(exact, abs=2e-3)
    covariance, groups = jackknife(lambda kept: maximise(x[kept], y[kept], link).g, np.eye(60, dtype=bool))
    assert groups == 60
    assert covariance == pytest.approx(whole.covariance(), rel=0.1, abs=1e-4)


@pytest.mark.parametrize("noise", [0.3, 0.6])
def test_intervals_over_pairs_cover(noise: float) -> None:
    rng = np.random.default_rng(3)
    u, places = np.linspace(-1, 1, 8), all_pairs(8)
    inside: list[bool] = []
    for _ in range(100):
        scale = utility_scale(pairs_of(u, places, noise=noise * rng.normal(size=len(places))), NAMES)
        for k in range(8):
            ends = scale.interval(np.eye(8)[k])
            assert ends is not None
            inside.append(ends[0] <= u[k] <= ends[1])
    assert 0.9 < np.mean(inside) < 0.99


def test_what_has_no_scale_is_refused_and_says_why() -> None:
    u = np.zeros(4)
    with pytest.raises(FlatLikelihood, match=r"no pair that was answered connects o2 with o0 \(2 parts\)"):
        utility_scale(pairs_of(u, [(0, 1), (2, 3)]), NAMES)
    i, j = np.array(all_pairs(4)).T
    certain = Pairs(4, i, j, np.where((i < 2) & (j >= 2), 1.0, 0.6))
    assert certain.classes() == [[0, 1], [2, 3]]
    with pytest.raises(Separated, match=r"2 classes, each always chosen over the next \(the first: o0, o1\)"):
        utility_scale(certain, NAMES)
    always = Pairs(4, i, j, np.ones(6))
    assert always.classes() == [[0], [1], [2], [3]]
    for bad, match in (
        ((1, [], [], []), "needs two or more"),
        ((3, [0], [0], [0.5]), "twice; name two"),
        ((3, [0, 1], [1, 0], [0.5, 0.5]), "a pair is there twice"),
        ((3, [0], [1], [np.nan]), "no probability"),
    ):
        with pytest.raises(HominesError, match=match):
            Pairs(bad[0], np.array(bad[1]), np.array(bad[2]), np.array(bad[3], float))


def test_without_pairs_to_spare_there_is_no_interval() -> None:
    rng = np.random.default_rng(4)
    circle = connected_design(6, 1, rng)
    assert utility_scale(pairs_of(rng.normal(size=6), circle), NAMES).covariance is None
    bridge = [*combinations(range(4), 2), (3, 4)] + [(a, b) for a, b in combinations(range(4, 8), 2)]
    scale = utility_scale(pairs_of(rng.normal(size=8), bridge), NAMES)
    assert scale.spare > 5
    assert scale.covariance is None  # one pair alone connects the two halves


def test_misfit_of_pairs_outside_says_what_a_scale_is_worth() -> None:
    rng = np.random.default_rng(5)
    u, places = rng.normal(size=10), all_pairs(10)
    exact = held_out(pairs_of(u, places), NAMES, "logistic", 5, 0)
    noisy = held_out(pairs_of(u, places, noise=rng.normal(size=45)), NAMES, "logistic", 5, 0)
    none = answered(10, places, rng.random(45))
    assert exact is not None
    assert noisy is not None
    assert exact.misfit < 1e-9 < noisy.misfit
    assert exact.agreement == 1.0
    random = held_out(none, NAMES, "logistic", 5, 0)
    assert random is not None
    assert random.explained < 0.2 < noisy.explained < exact.explained
    assert held_out(pairs_of(u, connected_design(10, 1, rng)), NAMES, "logistic", 5, 0) is None


# --- which pairs -----------------------------------------------------------------------------------


@given(n=st.integers(2, 30), rounds=st.integers(1, 3), seed=st.integers(0, 99))
def test_a_design_connects_all_outcomes(n: int, rounds: int, seed: int) -> None:
    places = connected_design(n, rounds, np.random.default_rng(seed))
    assert len(set(places)) == len(places)
    assert all(a < b for a, b in places)
    assert len(pairs_of(np.zeros(n), places).parts()) == 1
    if n > 2:
        assert np.bincount(np.ravel(places), minlength=n).min() >= 2


def test_a_posterior_is_the_maximum_with_a_prior() -> None:
    u = np.linspace(-1, 1, 5)
    sure, _ = posterior(pairs_of(u, all_pairs(5)), prior=1e4)
    assert sure - sure.mean() == pytest.approx(u, abs=1e-5)
    pulled, covariance = posterior(answered(5, all_pairs(5), np.ones(10)))
    assert np.isfinite(pulled).all()
    assert (np.linalg.eigvalsh(covariance) > 0).all()


def test_the_next_pair_is_the_most_informative_and_none_comes_twice() -> None:
    rng = np.random.default_rng(6)
    u = rng.normal(size=8)
    asked = connected_design(8, 1, rng)
    left = [pair for pair in all_pairs(8) if pair not in asked]
    known = pairs_of(u, asked)
    chosen = next_pairs(known, left, 6)
    assert len(set(chosen)) == 6
    assert set(chosen) <= set(left)
    i, j = np.array(left).T
    assert left[int(np.argmax(gains(*posterior(known), i, j)))] == chosen[0]
    assert next_pairs(known, [], 3) == []


def test_chosen_pairs_tell_more_than_random_ones() -> None:
    rng = np.random.default_rng(7)
    left_over: list[list[float]] = []
    for _ in range(10):
        u = 2 * rng.normal(size=16)
        first = connected_design(16, 1, rng)
        others = [pair for pair in all_pairs(16) if pair not in first]
        chosen, known = [], pairs_of(u, first)
        for _ in range(4):
            chosen += next_pairs(known, [p for p in others if p not in chosen], 6)
            known = pairs_of(u, [*first, *chosen])
        drawn = [others[k] for k in rng.choice(len(others), 24, replace=False)]
        left_over.append(
            [np.linalg.slogdet(posterior(pairs_of(u, [*first, *x]))[1])[1] for x in (chosen, drawn)]
        )
    ours, theirs = np.mean(left_over, axis=0)
    assert ours < theirs - 1  # nats of entropy, twice
