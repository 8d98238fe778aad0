"""Alger & Weibull (2013): homo moralis with kappa = sigma is stable, and others that act otherwise not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from homines.core.registry import find
from homines.core.types import HominesError, NotDefined
from homines.theory.choice import LogitAgent
from homines.theory.game_forms import NormalForm
from homines.theory.homo_moralis import MixedGame, who_invades
from homines.theory.pair_payoffs import payoff_matrix
from homines.theory.population import invasions

SHARE = st.floats(0.02, 0.98)
SLOPE = st.floats(-5, 5)


@st.composite
def games(draw: st.DrawFn) -> MixedGame:
    """Games in which an act is worth less the more the other does the same, c < 0."""
    return MixedGame(draw(SLOPE), draw(SLOPE), draw(SLOPE), draw(st.floats(-5, -0.1)))


@given(games(), st.floats(0, 1), st.floats(0, 1))
def test_the_formula_is_the_payoff_of_mixed_acts(game: MixedGame, x: float, y: float) -> None:
    s, t = game.a + game.base, game.b + game.base
    r = game.c + s + t - game.base
    stage = NormalForm.two(("C", "D"), [[r, s], [t, game.base]])
    p, q = np.array([x, 1 - x]), np.array([y, 1 - y])
    assert MixedGame.of(stage).payoff(x, y) == pytest.approx(float(p @ stage.table[0] @ q), abs=1e-9)


@given(games(), SHARE, SHARE)
def test_what_homo_moralis_plays_is_its_best_reply_to_itself(
    game: MixedGame, kappa: float, sigma: float
) -> None:
    x = game.alone(kappa)
    own = game.utility(kappa, x, x)
    assert all(game.utility(kappa, z, x) <= own + 1e-9 for z in np.linspace(0, 1, 41))
    y = game.rare(kappa, x, sigma)
    grid = np.linspace(0, 1, 41)
    reply = [sigma * game.utility(kappa, z, y) + (1 - sigma) * game.utility(kappa, z, x) for z in (*grid, y)]
    assert max(reply) == pytest.approx(reply[-1], abs=1e-9)


@given(games(), SHARE, st.floats(0, 1))
def test_kappa_equal_to_sigma_is_invaded_by_no_act(game: MixedGame, sigma: float, mutant: float) -> None:
    """Against every type, whatever it plays: it earns strictly less, unless it plays the same."""
    x = game.alone(sigma)
    gain = game.advantage(x, mutant, sigma)
    assert gain <= 1e-9
    # u_sigma is strictly concave in the mutant's act, with curvature 2 sigma c
    assert gain <= -sigma * abs(game.c) * (mutant - x) ** 2 + 1e-9


@given(games(), SHARE, st.floats(0, 1))
def test_another_kappa_that_acts_otherwise_is_invaded(game: MixedGame, sigma: float, kappa: float) -> None:
    """The mutant that always acts as homo moralis with kappa = sigma would best do among them invades."""
    x = game.alone(kappa)
    assume(abs(x - game.alone(sigma)) > 1e-3)
    best = max(game.advantage(x, y, sigma) for y in (*np.linspace(0, 1, 401), game.alone(sigma)))
    assert best > 0


CHICKEN = MixedGame(base=0, a=1, b=4, c=-2)


@given(games(), SHARE, SHARE)
@example(CHICKEN, 0.3, 0.05)
@example(CHICKEN, 0.1, 0.9)
@settings(max_examples=60)
def test_with_few_mutants_kappa_equal_to_sigma_earns_more(
    game: MixedGame, sigma: float, kappa: float
) -> None:
    """The definition of stability itself: in every Bayesian Nash equilibrium at a small share of mutants."""
    epsilon = 1e-6
    found = game.equilibria((sigma, kappa), sigma, epsilon)
    assert found
    for x, y in found:
        residents, mutants = game.earnings((x, y), sigma, epsilon)
        assert residents >= mutants - 1e-5
        if abs(x - y) > 0.1:  # nearer, a share at which the sign is that of the limit is smaller still
            assert residents > mutants


def test_the_stable_kappa_and_others_do_act_otherwise() -> None:
    """Were all of these equal, the law above would hold of anything."""
    ((x, y),) = CHICKEN.equilibria((0.3, 0.05), 0.3, 1e-6)
    assert x == pytest.approx(CHICKEN.alone(0.3), abs=1e-4)
    assert x - y > 0.1


@given(games(), SHARE, SHARE, SHARE)
@settings(max_examples=60)
def test_equilibria_tend_to_the_play_of_a_rare_mutant(
    game: MixedGame, sigma: float, resident: float, mutant: float
) -> None:
    x = game.alone(resident)
    y = game.rare(mutant, x, sigma)
    found = game.equilibria((resident, mutant), sigma, 1e-7)
    assert min(abs(a - x) + abs(b - y) for a, b in found) < 1e-3


@pytest.mark.parametrize("sigma", [0.0, 0.2, 0.3, 0.5, 0.9])
def test_a_map_of_invasion_has_no_gain_in_the_row_of_sigma(sigma: float) -> None:
    kappas = [k / 10 for k in range(11)]
    for spec in ("symmetric(reward=3, sucker=1, temptation=4, punishment=0)", "ipd", "icn"):
        table = who_invades(MixedGame.of(find("games", spec).stage), kappas, sigma)
        row = table[kappas.index(sigma)]
        assert np.nanmax(row) <= 1e-9
        if spec == "symmetric(reward=3, sucker=1, temptation=4, punishment=0)" and sigma == 0.3:
            others = [i for i, k in enumerate(kappas) if k != sigma]
            assert all(np.nanmax(table[i]) > 0 for i in others if kappas[i] < 0.5)


@given(st.floats(0.1, 4), st.floats(0.1, 4), st.sampled_from([k / 10 for k in range(11)]))
def test_theory_agents_where_one_act_dominates(cost: float, more: float, sigma: float) -> None:
    """Helping costs c and gives b, and one act dominates: theory agents as the package makes them are in
    equilibrium whatever they believe, and nobody invades that with kappa = sigma."""
    b = cost + more
    kappas = [k / 10 for k in range(11)]
    assume(min(abs(k * b - cost) for k in (*kappas, sigma)) > 1e-6)
    game = NormalForm.two(("C", "D"), [[b - cost, -cost], [b, 0.0]])
    agents = [LogitAgent(find("preferences", f"moralis(kappa={k})"), np.inf) for k in kappas]
    matrix = payoff_matrix(game, agents)
    i = kappas.index(sigma)
    assert "invades" not in {x.outcome for x in invasions(matrix, sigma) if x.resident == i}
    helps = [k * b > cost for k in kappas]
    told = {x.mutant: x.outcome for x in invasions(matrix, sigma) if x.resident == i}
    assert all((told[j] == "repelled") == (helps[j] != helps[i]) for j in told)


def test_what_the_closed_form_does_not_tell_is_said() -> None:
    with pytest.raises(NotDefined, match="several equilibria"):
        MixedGame.of(find("games", "ish").stage)
    with pytest.raises(NotDefined, match="as glad of either"):
        MixedGame(0, -1, 2, 0).alone(0.5)
    with pytest.raises(HominesError, match="two actions"):
        MixedGame.of(find("games", "pricing").stage)
