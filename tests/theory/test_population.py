"""The replicator dynamics, invasion, basins and the Moran process are what their equations say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from homines.core.types import Array, HominesError, frozen
from homines.theory.basins import basins, lattice, path
from homines.theory.moran import Moran
from homines.theory.population import (
    assortative,
    invasion,
    invasions,
    rest_points,
    scale,
    uninvaded,
    welfare,
)

PAID = st.integers(-5, 5).map(float)
SIGMA = st.sampled_from([0.0, 0.25, 0.6, 1.0])
RPS = frozen([[0, -1, 1], [1, 0, -1], [-1, 1, 0]])
CHICKEN = frozen([[3, 1], [4, 0]])
STAG = frozen([[4, 0], [3, 2]])


def square(n: int) -> st.SearchStrategy[Array]:
    return st.lists(PAID, min_size=n * n, max_size=n * n).map(lambda x: frozen(np.reshape(x, (n, n))))


MATRICES = st.integers(2, 4).flatmap(square)


def velocity(matrix: Array, sigma: float, x: Array) -> Array:
    """dx/dt, straight from the definition of a meeting: one's own kind with sigma, else anybody."""
    paid = sigma * np.diag(matrix) + (1 - sigma) * (matrix @ x)
    return x * (paid - x @ paid)


# --- assortment ------------------------------------------------------------------------------------


@given(MATRICES, st.floats(0, 1))
def test_assortment_changes_who_is_met_and_not_what_ones_own_kind_pays(matrix: Array, sigma: float) -> None:
    m = assortative(matrix, sigma)
    assert np.allclose(np.diag(m), np.diag(matrix))
    x = np.full(len(matrix), 1 / len(matrix))
    assert np.allclose(m @ x, sigma * np.diag(matrix) + (1 - sigma) * matrix @ x)
    assert welfare(matrix, sigma, x) == pytest.approx(float(x @ (m @ x)))


@given(MATRICES)
def test_with_sigma_one_each_meets_its_own_kind(matrix: Array) -> None:
    own = np.diag(matrix)
    assert np.allclose(assortative(matrix, 1.0), own[:, None])
    for x in invasions(matrix, 1.0):
        assert x.advantage == pytest.approx(own[x.mutant] - own[x.resident])
    assume(len(set(own.tolist())) == len(own))
    best = int(own.argmax())
    assert [i for i, s in uninvaded(matrix, 1.0).items() if s == "stable"] == [best]


@pytest.mark.parametrize("sigma", [-0.1, 1.1, float("nan")])
def test_a_sigma_outside_the_unit_interval_is_refused(sigma: float) -> None:
    with pytest.raises(HominesError, match="sigma must be a number in"):
        assortative(STAG, sigma)


@pytest.mark.parametrize(
    "matrix", [np.ones((1, 1)), np.ones((2, 3)), np.full((2, 2), np.nan), np.ones((13, 13))]
)
def test_a_population_of_one_and_what_is_no_matrix_are_refused(matrix: Array) -> None:
    with pytest.raises(HominesError):
        rest_points(matrix)


# --- invasion --------------------------------------------------------------------------------------


@given(square(2), st.floats(0, 1))
def test_an_outcome_is_that_of_a_small_share_of_mutants(matrix: Array, sigma: float) -> None:
    found = invasion(matrix, sigma, 0, 1)
    assume(
        min(abs(x) for x in (found.advantage, found.later) if x) > 1e-3
        if found.advantage or found.later
        else True
    )
    share = 1e-5
    v = velocity(matrix, sigma, np.array([1 - share, share]))[1] / share
    said = {"invades": 1, "repelled": -1, "neutral": 0}[found.outcome]
    assert said == (np.sign(v) if abs(v) > 1e-10 else 0)


@given(square(2))
def test_the_threshold_is_where_the_advantage_changes_its_sign(matrix: Array) -> None:
    found = invasion(matrix, 0.0, 0, 1)
    ends = [invasion(matrix, sigma, 0, 1).advantage for sigma in (0.0, 1.0)]
    assert (found.threshold is not None) == (ends[0] * ends[1] < 0)
    if found.threshold is not None:
        assert invasion(matrix, found.threshold, 0, 1).advantage == pytest.approx(0, abs=1e-9)


def test_hamilton_s_rule() -> None:
    """Helping costs c and gives b: it invades where sigma b > c (Hamilton 1964)."""
    b, c = 3.0, 1.0
    matrix = frozen([[0, b], [-c, b - c]])  # defect, help
    assert invasion(matrix, 0.0, 0, 1).threshold == pytest.approx(c / b)
    assert invasion(matrix, 0.3, 0, 1).outcome == "repelled"
    assert invasion(matrix, 0.4, 0, 1).outcome == "invades"


# --- rest points -----------------------------------------------------------------------------------


@given(MATRICES, SIGMA)
def test_the_dynamics_rests_at_rest_points(matrix: Array, sigma: float) -> None:
    found = rest_points(matrix, sigma)
    for point in found:
        assert point.shares.min() >= 0
        assert point.shares.sum() == pytest.approx(1)
        assert np.abs(velocity(matrix, sigma, point.shares)).max() < 1e-8 * scale(matrix)
        assert point.payoff == pytest.approx(welfare(matrix, sigma, point.shares))
    assert [p.support for p in found if len(p.support) == 1] == [(k,) for k in range(len(matrix))]


@given(MATRICES, SIGMA)
@settings(max_examples=40)
def test_eigenvalues_are_those_of_the_numerical_derivative(matrix: Array, sigma: float) -> None:
    n, h = len(matrix), 1e-6
    basis = np.linalg.svd(np.ones((1, n)))[2][1:]
    for point in rest_points(matrix, sigma):
        columns = [
            (velocity(matrix, sigma, point.shares + h * b) - velocity(matrix, sigma, point.shares - h * b))
            / (2 * h)
            for b in basis
        ]
        numeric = np.trace(basis @ np.array(columns).T)
        assert point.eigenvalues.sum().real == pytest.approx(numeric, abs=1e-4 * scale(matrix))


def test_rest_points_of_known_games() -> None:
    (inner,) = [p for p in rest_points(CHICKEN) if len(p.support) == 2]
    assert inner.shares == pytest.approx([0.5, 0.5])
    assert inner.stability == "stable"
    (split,) = [p for p in rest_points(STAG) if len(p.support) == 2]
    assert split.shares == pytest.approx([2 / 3, 1 / 3])
    assert split.stability == "unstable"
    centre = rest_points(RPS)[-1]
    assert centre.shares == pytest.approx([1 / 3] * 3)
    assert centre.stability == "neutral"  # closed orbits
    assert np.abs(centre.eigenvalues.imag) == pytest.approx(1 / np.sqrt(3))


def test_a_continuum_of_rest_points_is_said_to_be_one() -> None:
    alike = frozen([[3, 3, 1], [3, 3, 0], [1, 4, 1]])  # tit for tat, cooperate, defect
    many = [p for p in rest_points(alike) if not p.isolated]
    assert [p.support for p in many] == [(0, 1)]
    assert many[0].stability in ("neutral", "unstable")
    assert len([p for p in rest_points(np.ones((3, 3))) if not p.isolated]) == 1  # the largest alone


# --- paths and basins ------------------------------------------------------------------------------


@given(MATRICES, SIGMA, st.integers(0, 10**6))
@settings(max_examples=25)
def test_a_path_stays_on_the_simplex_and_follows_the_dynamics(matrix: Array, sigma: float, seed: int) -> None:
    n = len(matrix)
    start = np.random.default_rng(seed).dirichlet(np.ones(n))
    start[0] = 0.0 if n > 2 else start[0]
    start = start / start.sum()
    h = 1e-3
    shares = path(matrix, sigma, start, [0.0, h, 50.0])
    assert (shares >= 0).all()
    assert shares.sum(axis=1) == pytest.approx(1)
    if n > 2:
        assert (shares[:, 0] == 0).all()  # what is not there does not appear
    moved = (shares[1] - shares[0]) / h
    assert moved == pytest.approx(velocity(matrix / scale(matrix), sigma, start), abs=2e-3)


def test_basins_of_two_types_are_exact() -> None:
    found = basins(STAG)
    assert found.starts is None
    assert [(b.share, b.end and b.end.shares.tolist()) for b in found.basins] == [
        (pytest.approx(2 / 3), [0, 1]),
        (pytest.approx(1 / 3), [1, 0]),
    ]
    (inner,) = basins(CHICKEN).basins
    assert inner.end is not None
    assert inner.end.shares == pytest.approx([0.5, 0.5])
    (anywhere,) = basins(np.ones((2, 2))).basins
    assert (anywhere.end, anywhere.types) == (None, (0, 1))
    for order in ([0, 1], [1, 0]):  # equal where rare, and better the more there are
        tie = frozen([[1, 1], [1, 3]])[np.ix_(order, order)]
        (only,) = basins(tie).basins
        assert only.end is not None
        assert only.end.support == (order.index(1),)


@given(square(2), SIGMA)
@settings(max_examples=25)
def test_exact_basins_are_those_of_paths(matrix: Array, sigma: float) -> None:
    for basin in basins(matrix, sigma).basins:
        if basin.end is None or basin.end.stability != "stable":
            continue
        starts = lattice(2, 40)
        ends = path(matrix, sigma, starts, [0.0, 20_000.0])[-1]
        reached = np.abs(ends - basin.end.shares).max(axis=1) < 1e-2
        assert abs(reached.mean() - basin.share) <= 1.5 / 40


def test_basins_of_three_types_add_up_and_turn_with_the_types() -> None:
    coordination = np.diag([1.0, 2.0, 3.0])
    found = basins(coordination)
    assert sum(b.share for b in found.basins) == pytest.approx(1)
    assert [b.end.support for b in found.basins if b.end] == [(2,), (1,), (0,)]
    even = basins(np.eye(3))
    settled = [b.share for b in even.basins if b.end is not None]
    assert len(settled) == 3
    assert np.ptp(settled) < 1e-9  # the lattice is symmetric, and so is the game
    (orbits,) = basins(RPS).basins
    assert orbits.end is None


@pytest.mark.parametrize("n", range(2, 13))
def test_the_lattice_is_even_and_within_the_simplex(n: int) -> None:
    starts = lattice(n)
    assert n <= len(starts) <= 400
    assert (starts > 0).all()
    assert starts.sum(axis=1) == pytest.approx(1)
    assert starts.mean(axis=0) == pytest.approx(1 / n)


# --- the Moran process -----------------------------------------------------------------------------


def chain_fixation(m: Moran, matrix: Array, mutant: int, resident: int) -> float:
    """The same probability from the transition matrix of the process, by linear equations."""
    n, (a, b) = m.size, (mutant, resident)
    up, down = np.zeros(n + 1), np.zeros(n + 1)
    for j in range(1, n):
        met_a = [(j - 1) / (n - 1), (n - j) / (n - 1)]
        met_b = [j / (n - 1), (n - j - 1) / (n - 1)]
        paid_a = m.sigma * matrix[a, a] + (1 - m.sigma) * (met_a[0] * matrix[a, a] + met_a[1] * matrix[a, b])
        paid_b = m.sigma * matrix[b, b] + (1 - m.sigma) * (met_b[0] * matrix[b, a] + met_b[1] * matrix[b, b])
        weights = j * np.exp(m.selection * paid_a), (n - j) * np.exp(m.selection * paid_b)
        copied = weights[0] / sum(weights)
        up[j], down[j] = copied * (n - j) / n, (1 - copied) * j / n
    system, right = np.eye(n + 1), np.zeros(n + 1)
    for j in range(1, n):
        system[j, j] = up[j] + down[j]
        system[j, j + 1], system[j, j - 1] = -up[j], -down[j]
    right[n] = 1.0
    return float(np.linalg.solve(system, right)[1])


@given(square(2), st.integers(2, 12), st.floats(0, 2), st.floats(0, 1))
def test_the_product_formula_solves_the_chain(
    matrix: Array, size: int, selection: float, sigma: float
) -> None:
    m = Moran(size, selection, sigma)
    table = m.fixations(matrix)
    assert table[1, 0] == pytest.approx(chain_fixation(m, matrix, 0, 1), rel=1e-6, abs=1e-12)
    assert table[0, 1] == pytest.approx(chain_fixation(m, matrix, 1, 0), rel=1e-6, abs=1e-12)


@given(MATRICES, st.integers(2, 200))
def test_a_neutral_mutant_takes_over_with_chance(matrix: Array, size: int) -> None:
    assert Moran(size, 0.0).fixations(matrix) == pytest.approx(1 / size)
    assert Moran(size, 1.0).fixations(np.ones_like(matrix)) == pytest.approx(1 / size)
    assert Moran(size, 0.0).rare_mutations(matrix) == pytest.approx(1 / len(matrix))


def test_a_constant_advantage_has_the_classic_probability() -> None:
    """rho = (1 - 1/r) / (1 - 1/r^N), r = exp(w (1 - 0)) (Moran 1958)."""
    m, r = Moran(20, 0.1), np.exp(0.1)
    found = m.fixations(frozen([[0, 0], [1, 1]]))[0, 1]
    assert found == pytest.approx((1 - 1 / r) / (1 - r**-20))


@given(MATRICES, st.integers(2, 60), st.floats(0, 0.5), SIGMA)
@settings(max_examples=40)
def test_rare_mutations_are_stationary_and_for_two_types_in_balance(
    matrix: Array, size: int, selection: float, sigma: float
) -> None:
    m = Moran(size, selection, sigma)
    time, rho = m.rare_mutations(matrix), m.fixations(matrix)
    assert time.sum() == pytest.approx(1)
    flow = time[:, None] * rho * (1 - np.eye(len(matrix)))
    assert flow.sum(axis=0) == pytest.approx(flow.sum(axis=1), abs=1e-9)
    if len(matrix) == 2:
        assert time[0] * rho[0, 1] == pytest.approx(time[1] * rho[1, 0], abs=1e-12)


def test_strong_selection_in_a_large_population_does_not_overflow() -> None:
    m = Moran(10_000, 50.0)
    time = m.rare_mutations(frozen([[3, 0], [4, 1]]))
    assert time == pytest.approx([0, 1])
    assert np.isfinite(m.fixations(frozen([[3, 0], [4, 1]]))).all()


@pytest.mark.parametrize(
    ("size", "selection", "sigma"), [(1, 0.1, 0), (2.5, 0.1, 0), (10, -1, 0), (10, 0.1, 2)]
)
def test_a_population_of_less_than_two_and_other_nonsense_is_refused(
    size: int, selection: float, sigma: float
) -> None:
    with pytest.raises(HominesError, match="must be a"):
        Moran(size, selection, sigma)
