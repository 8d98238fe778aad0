"""Choices that are certain bound a parameter."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homines.core.registry import find
from homines.core.types import Choice, HominesError
from homines.elicitation.questions import battery
from homines.estimation.bounds import bounds
from homines.estimation.columns import Observation
from homines.estimation.fit import fit
from homines.estimation.problem import NotIdentified
from homines.games.symmetric import draw_even
from homines.preferences.moralis import Moralis
from homines.theory.choice import best_response, expected_utility, stated_beliefs


def certain(kappa: float, many: int = 80, seed: int = 0, wrong: int = 0) -> list[Observation]:
    """Best answers of homo moralis in games drawn at random, some turned round."""
    rng = np.random.default_rng(seed)
    out: list[Observation] = []
    while len(out) < many:
        game = draw_even(rng)
        (d, *_) = battery(find("games", game))
        p = best_response(expected_utility(Moralis(kappa)(d), stated_beliefs(d), d.chance)).p
        if p.max() > 0.9:
            out.append(Observation(d, Choice.at(p[::-1] if len(out) < wrong else p), "", game))
    return out


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 20).map(lambda k: k / 20), st.integers(0, 99))
def test_the_true_value_lies_in_the_set(kappa: float, seed: int) -> None:
    found = bounds(certain(kappa, seed=seed), "moralis")
    assert found.share == 1
    assert found.low - 1e-9 <= kappa <= found.high + 1e-9
    assert len(found.parts) == 1
    inside = [k for k in np.linspace(0, 1, 101) if found.low < k < found.high]
    truth = [o.choice.p.argmax() for o in certain(kappa, seed=seed)]
    for k in inside[::10]:  # anywhere in it the same answers are best
        for o, a in zip(certain(kappa, seed=seed), truth, strict=True):
            u = Moralis(k)(o.decision)
            assert best_response(expected_utility(u, stated_beliefs(o.decision), o.decision.chance)).p[a] > 0
    assert found.name == "kappa"


def test_certain_choices_have_bounds_where_they_have_no_estimate() -> None:
    some = certain(0.5)
    with pytest.raises(NotIdentified, match="separated"):
        fit(some, "moralis")
    found = bounds(some, "moralis")
    assert 0.3 < found.low <= 0.5 <= found.high < 0.7


def test_some_wrong_answers_move_it_little_and_are_counted() -> None:
    found = bounds(certain(0.5, wrong=8), "moralis")
    assert 0.85 < found.share <= 0.95
    assert 0.3 < found.low < found.high < 0.7


def test_a_choice_at_random_says_nothing() -> None:
    """Undecided choices count half either way: the others decide, whatever rounding does to the halves."""
    some = certain(0.5)
    coin = [Observation(o.decision, Choice.at([0.5, 0.5]), "", o.game) for o in certain(0.5, 30, seed=9)]
    mixed, alone = bounds([*some, *coin], "moralis"), bounds(some, "moralis")
    assert mixed.low >= alone.low
    assert mixed.high <= alone.high
    assert mixed.share == pytest.approx((80 + 15) / 110)


def test_what_has_no_bounds_is_refused() -> None:
    with pytest.raises(HominesError, match="leaves alpha, beta free; bounds take one"):
        bounds(certain(0.5, 2), "inequity")
    with pytest.raises(HominesError, match="no observations"):
        bounds([], "moralis")
