"""Payoffs of pairs: exact averages are those of play, and begin with the agents' own first moves."""

from __future__ import annotations

import numpy as np
import pytest

from homines.core.registry import find
from homines.core.types import HominesError, NotDefined
from homines.opponents import opponent
from homines.theory.chain import play, value
from homines.theory.game_forms import NormalForm, Repeated
from homines.theory.pair_payoffs import Lapsing, opening, pair_payoffs, payoff_matrix, shared_memory

SPECS = ("tit_for_tat", "two_tits_for_tat", "win_stay_lose_shift", "random", "always_defect", "grim")


@pytest.mark.parametrize("rounds", [1, 2, 3, 5])
def test_announced_rounds_are_averaged_as_the_game_tree_has_them(rounds: int) -> None:
    game = find("games", f"ipd(rounds={rounds})")
    for one in SPECS:
        for two in SPECS:
            pair = opponent(one), opponent(two)
            if one == two == "random" and rounds > 3:
                continue  # a large tree
            exact = value(game, dict(enumerate(pair))) / rounds
            assert pair_payoffs(game, pair) == pytest.approx(exact.tolist()), (one, two)


def test_the_long_run_is_the_limit_of_many_rounds() -> None:
    policies = [Lapsing(opponent(spec), 0.05) for spec in SPECS]
    endless = payoff_matrix(find("games", "ipd"), policies)
    many = payoff_matrix(find("games", "ipd(rounds=4000)"), policies)
    assert np.abs(endless - many).max() < 0.02


def test_play_begins_with_the_agents_own_first_moves() -> None:
    game = find("games", "ipd")
    tit, defect = opponent("tit_for_tat"), opponent("always_defect")
    assert pair_payoffs(game, (tit, tit)) == (3, 3)  # started anywhere it would be 2
    suspicious = opponent("memory_one(start=0, cc=1, cd=0, dc=1, dd=0)")
    assert pair_payoffs(game, (suspicious, suspicious)) == (1, 1)
    assert pair_payoffs(game, (tit, suspicious)) == (2, 2)
    start, paid = opening(game, (tit, defect), 2)
    assert start.tolist() == [1.0 if past == ((0, 1), (1, 1)) else 0.0 for past in game.pasts(2)]
    assert paid.tolist() == [[0, 1], [4, 1]]


def test_play_sampled_long_earns_what_is_computed() -> None:
    game = find("games", "ipd")
    pair = Lapsing(opponent("tit_for_tat"), 0.2), Lapsing(opponent("win_stay_lose_shift"), 0.2)
    moves = play(game, dict(enumerate(pair)), np.random.default_rng(0), rounds=4000)
    acts = np.array([m.action for m in moves]).reshape(-1, 2)
    paid = game.stage.table[:, acts[:, 0], acts[:, 1]].mean(axis=1)
    assert paid == pytest.approx(pair_payoffs(game, pair), abs=0.1)


def test_a_game_played_once() -> None:
    stage = NormalForm.two(("C", "D"), [[3, 1], [4, 0]])
    coin, defect = opponent("random"), opponent("always_defect")
    assert payoff_matrix(stage, [coin, defect]).tolist() == [[2.0, 0.5], [2.0, 0.0]]


@pytest.mark.parametrize("spec", ["spd", "dictator", "public_goods_iterated(players=3)", "trust(1)"])
def test_a_game_of_another_form_is_refused(spec: str) -> None:
    with pytest.raises(HominesError, match="two players who choose at the same time"):
        payoff_matrix(find("games", spec), [opponent("random")] * 2)


def test_a_game_whose_places_differ_is_refused() -> None:
    with pytest.raises(HominesError, match="places differ"):
        payoff_matrix(
            Repeated(NormalForm.two(("C", "D"), [[2, 0], [0, 1]], [[1, 0], [0, 2]])), [opponent("random")] * 2
        )


def test_a_policy_without_end_of_memory_is_refused() -> None:
    assert shared_memory([opponent("always_defect")]) == 1
    assert shared_memory([opponent("two_tits_for_tat")]) == 2
    with pytest.raises(NotDefined, match="remembers the whole past"):
        shared_memory([opponent("axelrod:Grudger")])
