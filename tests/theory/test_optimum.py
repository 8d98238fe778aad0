"""Laws of the set of optimal policies: members earn the most, all others less, the prior picks one."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from homines.core.types import Array, Choice, HominesError, Policy
from homines.games.bos import bos
from homines.games.icd import icd
from homines.games.ipd import ipd
from homines.games.ish import ish
from homines.games.public_goods import public_goods
from homines.opponents.alternator import Alternator
from homines.opponents.grim import Grim
from homines.opponents.memory_one import MemoryOne
from homines.opponents.random import Random
from homines.opponents.tit_for_tat import TitForTat
from homines.opponents.two_tits_for_tat import TwoTitsForTat
from homines.preferences.deontological import Deontological
from homines.preferences.economicus import Economicus
from homines.preferences.game_deontological import GameDeontological
from homines.preferences.utilitarian import Utilitarian
from homines.theory.chain import chain
from homines.theory.game_forms import Repeated
from homines.theory.optimum import Optimum, optimum, regularised

quick = settings(max_examples=30, deadline=None)
inner = st.integers(1, 9).map(lambda x: x / 10)
whole = st.integers(0, 10).map(lambda x: x / 10)
others = st.one_of(
    st.builds(MemoryOne, *[whole] * 5), st.sampled_from([TitForTat(), Grim(), Random(), Alternator()])
)
lively = st.builds(MemoryOne, *[inner] * 5)
games = st.sampled_from([ipd(), ish(), icd()])
preferences = st.sampled_from([Economicus(), Deontological(), Utilitarian(), GameDeontological()])
gammas = st.sampled_from([0.0, 0.5, 0.9])
seeds = st.integers(0, 2**16)


def member(found: Optimum, seed: int) -> list[Choice]:
    """An optimal policy drawn at random, mixed where it may be."""
    weights = np.random.default_rng(seed).dirichlet([1.0] * len(found.actions), len(found.states))
    return [Choice.at(w * best) for w, best in zip(weights, found.best, strict=True)]


def worth(game: Repeated, choices: list[Choice], other: Policy, preference: Any, gamma: float) -> Array:
    play = chain(game, [lambda _: choices, other])
    return play.worth(play.utility(preference), gamma)


@quick
@given(games, preferences, others, gammas, seeds)
def test_every_member_earns_the_most_from_every_state(
    game: Repeated, preference: Any, other: Any, gamma: float, seed: int
) -> None:
    found = optimum(game, preference, other, gamma=gamma)
    top = found.values.max(1)
    assert_allclose(worth(game, member(found, seed), other, preference, gamma), top, atol=1e-7)
    assert found.forbidden_mass(member(found, seed)).max() == 0


@quick
@given(games, preferences, others, gammas, lively)
def test_who_plays_what_is_forbidden_earns_less_there(
    game: Repeated, preference: Any, other: Any, gamma: float, policy: MemoryOne
) -> None:
    found = optimum(game, preference, other, gamma=gamma)
    choices = policy(game.memory_one())
    paid = worth(game, choices, other, preference, gamma)
    assert (paid <= found.values.max(1) + 1e-7).all()
    forbidden = found.forbidden_mass(choices)
    assert (paid[forbidden > 0] < found.values.max(1)[forbidden > 0] - 1e-9).all()


@quick
@given(games, preferences, others, lively)
def test_without_a_future_it_is_the_best_reply_of_the_chain(
    game: Repeated, preference: Any, other: Any, policy: MemoryOne
) -> None:
    found = optimum(game, preference, other)
    play = chain(game, [policy, other])
    gaps = found.values.max(1) - play.utility(preference)
    weights = np.full(4, 0.25)
    assert_allclose(play.regret(preference, weights), weights @ gaps, atol=1e-12)


@quick
@given(games, preferences, others, gammas, lively, seeds)
def test_the_priors_member_is_the_nearest_one(
    game: Repeated, preference: Any, other: Any, gamma: float, prior: MemoryOne, seed: int
) -> None:
    found = optimum(game, preference, other, gamma=gamma)
    before = prior(game.memory_one())

    def distance(choices: list[Choice]) -> float:
        terms = [c.p[c.p > 0] @ (c.logp - b.logp)[c.p > 0] for c, b in zip(choices, before, strict=True)]
        return float(np.sum(terms))

    nearest = found.nearest(before)
    assert found.forbidden_mass(nearest).max() == 0
    assert distance(nearest) <= distance(member(found, seed)) + 1e-9


@quick
@given(preferences, others, lively)
def test_the_priors_member_is_the_limit_of_training_under_a_kl(
    preference: Any, other: Any, prior: MemoryOne
) -> None:
    found = optimum(ipd(), preference, other)
    before = prior(ipd().memory_one())
    trained = [regularised(b, q, 1e5) for b, q in zip(before, found.values, strict=True)]
    for end, near in zip(trained, found.nearest(before), strict=True):
        assert_allclose(end.p, near.p, atol=1e-4)


@pytest.mark.parametrize(
    ("preference", "want", "members"),
    [  # C after CC, CD, DC, DD
        (Economicus(), ("forbidden",) * 4, 1),
        (Utilitarian(), ("required",) * 4, 1),
        (Deontological(), ("required", "indifferent") * 2, 4),
        (GameDeontological(), ("required", "forbidden") * 2, 1),
    ],
)
@pytest.mark.parametrize("other", [TitForTat(), Random(), MemoryOne(0, 0, 0, 0, 0)])
def test_the_four_rewards_by_hand(preference: Any, want: Any, members: int, other: Any) -> None:
    """One round at a time the opponent changes nothing in this dilemma: C costs 1 whatever it does."""
    found = optimum(ipd(), preference, other)
    assert tuple(found.rules(s)[0] for s in range(4)) == want
    assert found.members == members


def test_the_threshold_of_tit_for_tat() -> None:
    """Own payoff 4, 3, 1, 0: above gamma 1/3 C is required in every state, below it D; at it neither."""
    for gamma, rule in ((0.3, "forbidden"), (1 / 3, "indifferent"), (0.4, "required")):
        found = optimum(ipd(), Economicus(), TitForTat(), gamma=gamma)
        assert {found.rules(s)[0] for s in range(4)} == {rule}


def test_a_longer_past_pays_where_the_opponent_has_one() -> None:
    """Against two tits for tat the best reply to a past of two rounds is of no use with one."""
    with pytest.raises(HominesError, match="memory of 2 rounds, this chain of 1"):
        optimum(ipd(), Economicus(), TwoTitsForTat(), gamma=0.9)
    assert optimum(ipd(), Economicus(), TwoTitsForTat(), gamma=0.9, memory=2).members >= 1
    for other in (Grim(), Alternator()):
        short, long = (optimum(ipd(), Economicus(), other, gamma=0.9, memory=m).values.max(1) for m in (1, 2))
        assert_allclose(long, np.tile(short, 4))  # the last round is the last digit of a past


def test_a_set_is_a_product_over_states() -> None:
    found = optimum(ipd(), Deontological(), TitForTat())
    pure = list(product(*(np.flatnonzero(row) for row in found.best)))
    assert len(pure) == found.members


def test_what_has_no_set_is_refused() -> None:
    with pytest.raises(HominesError, match="two players"):
        optimum(Repeated(public_goods(3)), Economicus(), Random())
    with pytest.raises(HominesError, match="gamma 1"):
        optimum(bos(), Economicus(), Random(), gamma=1.0)
    with pytest.raises(HominesError, match="3 choices for 4 states"):
        optimum(ipd(), Economicus(), Random()).forbidden_mass([Choice.at([1, 0])] * 3)
