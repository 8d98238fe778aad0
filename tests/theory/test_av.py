"""Laws of the self-driving car: who sacrifices when, by theory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from homines.core.registry import find
from homines.core.types import Decision, HominesError
from homines.games.av import ABOARD, MOST_SAVED, PERSPECTIVES, av
from homines.games.av_rating import av_rating
from homines.preferences.altruist import Altruist
from homines.preferences.economicus import Economicus
from homines.preferences.moralis import Moralis
from homines.preferences.utilitarian import Utilitarian
from homines.studies.av_dilemma.theory import THEORIES, place, stance, threshold
from homines.theory.choice import expected_utility, stated_beliefs

saved = st.integers(1, MOST_SAVED)
aboard = st.sampled_from(ABOARD)
asked = st.sampled_from(PERSPECTIVES)
LIVES = {"self": 1, "family": 2, "stranger": 1}


def gain(preference: Any, d: Decision) -> float:
    """What sacrificing is worth more than protecting."""
    u = expected_utility(preference(d), stated_beliefs(d))
    return float(u[0] - u[1])


@given(asked, saved, aboard)
def test_lives_add_up_whoever_i_am(q: str, s: int, who: str) -> None:
    d = av(q, s, who).decision
    assert_allclose(d.payoffs.sum(0), [s, LIVES[who]])
    assert d.same is not None
    assert_allclose(d.same, d.payoffs.sum(0) / (s + LIVES[who]))
    assert (d.payoffs >= 0).all()


@given(asked, saved, aboard)
def test_utilitarians_count_lives_and_full_moralists_agree_with_them(q: str, s: int, who: str) -> None:
    d = av(q, s, who).decision
    assert gain(Utilitarian(), d) == pytest.approx(s - LIVES[who])
    assert gain(Moralis(1.0), d) == pytest.approx((s - LIVES[who]) / (s + LIVES[who]))


@given(saved, aboard)
def test_economicus_buys_what_it_would_not_vote_for(s: int, who: str) -> None:
    judging, buying, regulating = (gain(Economicus(), av(q, s, who).decision) for q in PERSPECTIVES)
    assert judging == 0
    assert buying == (0 if who == "stranger" else -1)
    assert np.sign(regulating) == np.sign(s - LIVES[who])


@given(saved, st.sampled_from(["self", "family"]))
def test_homo_moralis_is_indifferent_at_its_threshold(s: int, who: str) -> None:
    d = av("buying", s, who).decision
    kappa = threshold(s, who)
    assert kappa is not None
    assert kappa == pytest.approx((s + LIVES[who]) / (2 * s))
    for k in (0.0, 0.3, 0.5, 0.7, 1.0):
        assert gain(Moralis(k), d) == pytest.approx((k - kappa) * 2 * s / (s + LIVES[who]))


def test_one_for_one_is_a_tie_and_a_stranger_has_no_threshold() -> None:
    for q in PERSPECTIVES:
        assert gain(Utilitarian(), av(q, 1, "stranger").decision) == 0
    assert threshold(1, "self") == 1
    assert threshold(10, "stranger") == pytest.approx(0)


@given(asked, st.integers(1, MOST_SAVED - 1), aboard, st.floats(0, 1), st.floats(0, 1))
def test_the_more_are_saved_the_more_speaks_for_it(q: str, s: int, who: str, k: float, w: float) -> None:
    one, two = av(q, s, who).decision, av(q, s + 1, who).decision
    for preference in (Economicus(), Moralis(k), Utilitarian(), Altruist(w)):
        assert gain(preference, two) >= gain(preference, one) - 1e-9


def test_the_table_of_theories() -> None:
    assert stance("economicus", "judging", "self") == "no view"
    assert stance("economicus", "buying", "family") == "never"
    assert stance("economicus", "regulating", "family") == "from 3 on, a tie at 2"
    assert stance("moralis(kappa=0.6)", "buying", "self") == "from 6 on, a tie at 5"
    assert stance("altruist(weight=0.1)", "buying", "self") == "from 11 on, a tie at 10"
    for q in PERSPECTIVES:
        for who in ABOARD:
            assert stance("utilitarian", q, who) == stance("moralis(kappa=1)", q, who)
            assert all(stance(theory, q, who) for theory in THEORIES)


@pytest.mark.parametrize("q", PERSPECTIVES)
@pytest.mark.parametrize("who", ABOARD)
@pytest.mark.parametrize("s", [1, 2, 100])
def test_what_is_told_names_no_act_and_both_numbers(q: str, who: str, s: int) -> None:
    d = av(q, s, who).decision
    for text in d.does:
        assert (f"{s} pedestrians" if s > 1 else "1 pedestrian ") in text
        assert ("you " in text) == (q == "buying" and who != "stranger")
    assert len(set(d.does)) == 2
    text = f"{d.rule} {' '.join(d.does)}".lower()
    assert not any(word in text for word in ("sacrific", "protect", "should", "good", "right", "{"))
    assert place(f"av(asked={q}, saved={s}, aboard={who})") == (q, s, who)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("av(asked=guessing)", "asked is 'guessing'; it must be one of judging, buying, regulating"),
        ("av(aboard=dog)", "aboard is 'dog'; it must be one of self, family, stranger"),
        ("av(saved=0)", r"saved must be a whole number in \[1, 100\], got 0"),
        ("av(saved=101)", r"saved must be a whole number in \[1, 100\], got 101"),
        ("av(saved=many)", "saved must be a whole number"),
        ("av(spared=2)", "has no parameter 'spared'"),
    ],
)
def test_cars_that_cannot_be(spec: str, message: str) -> None:
    with pytest.raises(HominesError, match=message):
        find("games", spec)


@given(asked, saved, aboard, st.sampled_from([Economicus(), Moralis(1.0), Moralis(0.7), Utilitarian()]))
def test_a_preference_rates_by_what_it_would_do(q: str, s: int, who: str, preference: Any) -> None:
    act, rated = (game(q, s, who).decision for game in (av, av_rating))
    u = expected_utility(preference(rated), stated_beliefs(rated))
    better = gain(preference, act)
    assert_allclose(np.diff(u), better / 10, atol=1e-12)
    assert rated.actions[:: len(rated.actions) - 1] == ("0", "100")
    for line in (*act.does, "0:", "100:"):
        assert line in rated.rule
