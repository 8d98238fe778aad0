"""Transitivity: circles and stochastic transitivity of choice probabilities."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import expit

from homines.theory.transitivity import transitivity


def matrix(ab: float, bc: float, ac: float) -> np.ndarray:
    p = np.full((3, 3), np.nan)
    for i, j, x in ((0, 1, ab), (1, 2, bc), (0, 2, ac)):
        p[i, j], p[j, i] = x, 1 - x
    return p


@pytest.mark.parametrize(
    ("triple", "broken"),
    [
        ((0.7, 0.8, 0.9), (0, 0, 0)),
        ((0.7, 0.8, 0.75), (0, 0, 1)),
        ((0.7, 0.8, 0.6), (0, 1, 1)),
        ((0.7, 0.8, 0.4), (1, 1, 1)),
        ((0.3, 0.2, 0.1), (0, 0, 0)),
        ((0.3, 0.2, 0.6), (1, 1, 1)),
        ((0.7, 0.3, 0.6), (0, 0, 0)),  # a over c over b, by .6 and .7: the long leg, a to b, has .7
        ((0.65, 0.3, 0.6), (0, 0, 1)),
    ],
)
def test_a_triple_by_hand(triple: tuple[float, float, float], broken: tuple[int, int, int]) -> None:
    t = transitivity(matrix(*triple))
    assert (t.triples, t.weak, t.moderate, t.strong) == (1, *broken)
    if t.weak:
        assert t.circle is not None
        i, j, k = t.circle
        p = matrix(*triple)
        assert min(p[i, j], p[j, k], p[k, i]) > 0.5


def test_even_pairs_and_pairs_not_asked_are_in_no_count() -> None:
    assert transitivity(matrix(0.5, 0.8, 0.9)).even == 1
    assert transitivity(matrix(np.nan, 0.8, 0.9)).triples == 0
    assert transitivity(np.full((2, 2), np.nan)).share("weak") is None


@settings(max_examples=30)
@given(u=arrays(float, 7, elements=st.floats(-4, 4)))
def test_every_scale_is_strongly_transitive(u: np.ndarray) -> None:
    p = expit(u[:, None] - u[None, :])
    t = transitivity(p)
    assert (t.weak, t.moderate, t.strong) == (0, 0, 0)
    assert t.triples + t.even == 35


@settings(max_examples=20)
@given(seed=st.integers(0, 999))
def test_names_do_not_matter_and_counts_nest(seed: int) -> None:
    rng = np.random.default_rng(seed)
    upper = np.triu(rng.random((6, 6)), 1)
    p = upper + np.tril(1 - upper.T, -1)
    order = rng.permutation(6)
    one, two = transitivity(p), transitivity(p[np.ix_(order, order)])
    assert (one.triples, one.weak, one.moderate, one.strong) == (
        two.triples,
        two.weak,
        two.moderate,
        two.strong,
    )
    assert one.weak <= one.moderate <= one.strong <= one.triples
