"""The interval of a rate over decisions of the same games."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from homines.estimation.clustered_rate import clustered_rate, independent_draws
from homines.inference.sampled_answers import rate_interval

CLUSTERS = st.lists(
    st.integers(1, 4).flatmap(lambda n: st.tuples(st.just(n), st.floats(0, n))), min_size=1, max_size=20
)


@given(CLUSTERS)
def test_no_more_draws_than_decisions(clusters: list[tuple[int, float]]) -> None:
    rate = clustered_rate(clusters)
    assert rate is not None
    assert 0 < independent_draws(clusters) <= rate.sample.n == sum(n for n, _ in clusters)
    assert rate.sample.lower <= rate + 1e-9
    assert rate <= rate.sample.upper + 1e-9


@given(CLUSTERS, st.randoms())
def test_the_order_of_clusters_does_not_matter(clusters: list[tuple[int, float]], random: object) -> None:
    shuffled = list(clusters)
    random.shuffle(shuffled)  # pyright: ignore
    assert independent_draws(shuffled) == pytest.approx(independent_draws(clusters))


def test_no_decision_has_no_rate() -> None:
    assert clustered_rate([]) is None


@pytest.mark.parametrize(("p", "alike", "games"), [(0.9, 0.5, 15), (0.8, 0.3, 40), (0.95, 0.6, 40)])
def test_intervals_cover_where_decisions_of_a_game_are_alike(p: float, alike: float, games: int) -> None:
    rng, hits, naive, times = np.random.default_rng(0), 0, 0, 400
    for _ in range(times):
        n = rng.integers(1, 4, games)
        own = rng.beta(p * (1 / alike - 1), (1 - p) * (1 / alike - 1), games)
        rate = clustered_rate([(int(a), float(b)) for a, b in zip(n, rng.binomial(n, own), strict=True)])
        assert rate is not None
        hits += rate.sample.lower <= p <= rate.sample.upper
        low, high = rate_interval(rate, rate.sample.n)
        naive += low <= p <= high
    assert hits / times > 0.93  # of .95, less three standard errors of 400 draws would be .917
    assert naive < hits  # as if independent
