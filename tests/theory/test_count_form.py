"""Games told by counts: the normal form they stand for, and the exact chain of n players."""

from __future__ import annotations

from collections import Counter
from itertools import permutations, product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import stats

from homines.core.types import Decision, History, HominesError, NotDefined, Policy
from homines.games.commons_iterated import commons_iterated
from homines.games.ipd import ipd
from homines.games.public_goods import public_goods
from homines.games.public_goods_iterated import public_goods_iterated
from homines.opponents.conditional_contributor import ConditionalContributor
from homines.opponents.linear_contributor import LinearContributor
from homines.opponents.nash import Nash
from homines.opponents.random import Random
from homines.opponents.tit_for_tat import TitForTat
from homines.preferences.inequity import Inequity
from homines.preferences.maximin import Maximin
from homines.preferences.moralis import Moralis
from homines.preferences.utilitarian import Utilitarian
from homines.theory.chain import chain, play, value
from homines.theory.choice import LogitAgent, expected_utility, uniform_beliefs
from homines.theory.count_form import CountForm
from homines.theory.crowd import binomial
from homines.theory.game_forms import NormalForm, Repeated, is_symmetric

NUMBER = st.floats(-5, 5).map(lambda x: round(x, 3))
PREFERENCES = (Utilitarian(), Inequity(0.5, 0.3), Maximin(), Moralis(0.4))


@st.composite
def forms(draw: Any, least: int = 2, most: int = 4) -> CountForm:
    n = draw(st.integers(least, most))
    return CountForm(
        ("C", "D"), np.array(draw(st.lists(NUMBER, min_size=2 * n, max_size=2 * n))).reshape(2, n)
    )


@st.composite
def policies(draw: Any) -> Policy:
    base, slope = draw(st.floats(0.05, 0.9)), draw(st.floats(-1, 1))
    share, error = draw(st.floats(0, 1)), draw(st.floats(0.05, 0.5))
    return draw(
        st.sampled_from(
            [LinearContributor(base, slope), ConditionalContributor(share, error=error), Random(base)]
        )
    )


def normal_form(form: CountForm) -> NormalForm:
    """The same game with an axis for each player."""
    n = form.players
    table = np.zeros((n, *[2] * n))
    for acts in product(range(2), repeat=n):
        table[(slice(None), *acts)] = [form.pays[a, sum(acts) - a] for a in acts]
    return NormalForm(form.actions, table, symmetric=True)


def counted(history: History) -> History:
    """Rounds as (player 0's action, how many others took the second)."""
    acts = [[a or 0 for a in stage] for stage in history]
    return tuple((stage[0], sum(stage[1:])) for stage in acts)


@given(forms())
def test_it_is_the_normal_form_of_a_symmetric_game(form: CountForm) -> None:
    full = normal_form(form)
    assert is_symmetric(full.actions, full.table)
    for acts in product(range(2), repeat=form.players):
        assert_allclose(form.payoffs((acts,)), full.payoffs((acts,)))
        for k in range(form.players):
            mine, others = acts[k], [a for i, a in enumerate(acts) if i != k]
            counts, whole = form.seat(k), full.seat(k)
            assert_allclose(
                sorted(counts.payoffs[1:, mine, sum(others)]),
                sorted(whole.payoffs[(slice(1, None), mine, *others)]),
            )
            assert counts.same is not None
            assert whole.same is not None
            assert_allclose(counts.same, whole.same)
            for u in PREFERENCES:
                assert_allclose(
                    np.broadcast_to(u(counts), counts.payoffs.shape[1:])[mine, sum(others)],
                    np.broadcast_to(u(whole), whole.payoffs.shape[1:])[(mine, *others)],
                )


@given(forms())
def test_beliefs_that_others_act_alike_are_the_same_in_both(form: CountForm) -> None:
    counts, whole = form.seat(0), normal_form(form).seat(0)
    for u in PREFERENCES:
        assert_allclose(
            expected_utility(u(counts) + np.zeros(counts.payoffs.shape[1:]), uniform_beliefs(counts)),
            expected_utility(u(whole) + np.zeros(whole.payoffs.shape[1:]), uniform_beliefs(whole)),
        )


@given(forms(3), st.data())
def test_whoever_did_and_saw_the_same_faces_the_same(form: CountForm, data: Any) -> None:
    acts = data.draw(st.lists(st.integers(0, 1), min_size=form.players, max_size=form.players))
    keys = {
        form.seat(order.index(0), (tuple(acts[k] for k in order),)).key
        for order in permutations(range(form.players))
    }
    assert len(keys) == 1
    seen = Counter(form.seat(k, (tuple(acts),)).key for k in range(form.players))
    assert sorted(seen.values()) == sorted(Counter(acts).values())


@given(forms(2, 2), policies(), policies(), st.sampled_from([1, 2]))
@settings(max_examples=40)
def test_of_two_players_the_chain_is_the_ordinary_one(
    form: CountForm, mine: Policy, other: Policy, memory: int
) -> None:
    counts = chain(Repeated(form), [mine, other], memory=memory)
    whole = chain(Repeated(normal_form(form)), [mine, other], memory=memory)
    assert counts.states == whole.states
    assert_allclose(counts.transition, whole.transition)
    assert_allclose(counts.payoffs, whole.payoffs)
    weights = counts.long_run()
    named = {"C": "1", "D": "0"}
    types = {f"{key[0]}|{named[key[2]]}": p for key, p in whole.action_types(weights).items()}
    assert counts.action_types(weights) == pytest.approx(types)
    assert counts.regret(Utilitarian(), weights) == pytest.approx(whole.regret(Utilitarian(), weights))


@given(forms(3), st.data())
@settings(max_examples=40)
def test_the_long_run_is_that_of_the_joint_chain(form: CountForm, data: Any) -> None:
    """All 2^n joint actions, with some of the others alike and some not."""
    kinds = data.draw(st.lists(policies(), min_size=2, max_size=2))
    everyone = [data.draw(policies()), *(data.draw(st.sampled_from(kinds)) for _ in range(form.players - 1))]
    counts, whole = chain(Repeated(form), everyone), chain(Repeated(normal_form(form)), everyone)
    share, joint = counts.long_run(), whole.long_run()
    assert_allclose(counts.payoffs[0] @ share, whole.payoffs[0] @ joint, atol=1e-9)
    assert_allclose(counts.payoffs.sum(0) @ share, whole.payoffs.sum(0) @ joint, atol=1e-9)
    spent, brute = Counter[Any](), Counter[Any]()
    for (stage,), x in zip(counts.states, share, strict=True):
        spent[counted((stage,))] += x
    for (stage,), x in zip(whole.states, joint, strict=True):
        brute[counted((stage,))] += x
    assert spent == pytest.approx(dict(brute), abs=1e-9)
    for u in PREFERENCES:
        assert counts.regret(u, share) == pytest.approx(whole.regret(u, joint), abs=1e-9)
    discounted = [c.discounted(0.8) for c in (counts, whole)]
    if len({*everyone[1:]}) == 1:  # the same first states, but weighed by how many joint ones each stands for
        start = Counter(map(counted, whole.states))
        weights = [start[s] / len(whole.states) for s in counts.states]
        mine = counts.discounted(0.8, weights)
        assert_allclose(counts.payoffs[0] @ mine, whole.payoffs[0] @ discounted[1], atol=1e-9)


@given(forms(3), policies(), st.data())
@settings(max_examples=30)
def test_who_of_the_others_is_who_does_not_matter(form: CountForm, mine: Policy, data: Any) -> None:
    others = [data.draw(policies()) for _ in range(form.players - 1)]
    turned = data.draw(st.permutations(others))
    game = Repeated(form)
    one, two = chain(game, [mine, *others]), chain(game, [mine, *turned])
    assert_allclose(one.payoffs[0] @ one.long_run(), two.payoffs[0] @ two.long_run(), atol=1e-9)
    assert one.action_types(one.long_run()) == pytest.approx(two.action_types(two.long_run()), abs=1e-9)


def test_a_learner_of_two_rounds_meets_others_of_one() -> None:
    class Deep:
        memory = 2

        def __call__(self, ds: Any) -> Any:
            return [LinearContributor(0.1 if d.history[0][1] else 0.7)([d])[0] for d in ds]

    form = public_goods_iterated(3).stage
    assert isinstance(form, CountForm)
    others = [LinearContributor()] * 2
    counts = chain(Repeated(form), [Deep(), *others], memory=2)

    class Joint(Deep):
        def __call__(self, ds: Any) -> Any:
            return super().__call__([form.remember(counted(d.history)) for d in ds])

    whole = chain(Repeated(normal_form(form)), [Joint(), *others], memory=2)
    assert len(counts.states) == 36
    assert_allclose(counts.payoffs[0] @ counts.long_run(), whole.payoffs[0] @ whole.long_run())


def test_sampled_play_follows_the_chain() -> None:
    game, everyone = public_goods_iterated(3, rounds=2), [LinearContributor()] * 3
    exact = value(game, dict(enumerate(everyone)))
    rng = np.random.default_rng(0)
    paid = np.zeros(3)
    for _ in range(400):
        moves = play(game, dict(enumerate(everyone)), rng)
        acts = [tuple(m.action for m in moves[i : i + 3]) for i in (0, 3)]
        paid += game.payoffs(tuple(acts)) / 400
    assert_allclose(paid, exact, atol=0.6)
    assert_allclose(exact, exact[0])  # exchangeable


@given(st.integers(0, 60), st.floats(1e-300, 1) | st.just(0.0))
def test_the_binomial_is_scipys(n: int, p: float) -> None:
    assert_allclose(binomial(n, p), stats.binom.pmf(np.arange(n + 1), n, p), atol=1e-12)


def test_fifty_players_are_a_hundred_states() -> None:
    game = public_goods_iterated(50)
    play = chain(game, [LinearContributor()] * 50)
    assert len(play.states) == 100
    assert_allclose(play.transition.sum(1), 1)
    # all of one kind: everyone cooperates as often, so a player's share is that of the others
    share = play.long_run()
    mine = sum(x for (stage,), x in zip(play.states, share, strict=True) if stage[0] == 0)
    others = sum(x * (49 - (stage[1] or 0)) / 49 for (stage,), x in zip(play.states, share, strict=True))
    assert mine == pytest.approx(others)


def test_it_pays_as_the_game_played_once() -> None:
    once, form = (
        public_goods(3, endowment=20, multiplier=2.4),
        public_goods_iterated(3, endowment=20, multiplier=2.4).stage,
    )
    for acts in product(range(2), repeat=3):  # there the first action is to keep
        assert_allclose(form.payoffs((acts,)), once.payoffs((tuple(1 - a for a in acts),)))


@pytest.mark.parametrize(
    ("game", "best"),
    [
        (public_goods_iterated(5, multiplier=6), 0),  # a share of more than is given: dominant
        (public_goods_iterated(5, multiplier=0), 1),  # worthless
        (public_goods_iterated(5, multiplier=0.9), 1),
        (public_goods_iterated(5, multiplier=1.6), 1),
        (commons_iterated(5, decline=0), 1),  # no harm is done
    ],
)
def test_nulls(game: Repeated, best: int) -> None:
    pays = game.stage.table[0]
    assert (pays[best] > pays[1 - best]).all()
    welfare = np.broadcast_to(Utilitarian()(game.remember(0, ())), pays.shape)
    dilemma = welfare[0, 0] > welfare[1, -1] and best == 1
    assert dilemma == (game.stage.table[0, 0, 0] > game.stage.table[0, 1, -1] and best == 1)


def test_in_a_dilemma_all_gain_where_all_cooperate() -> None:
    for game in (public_goods_iterated(6), commons_iterated(4)):
        pays = game.stage.table[0]
        assert (pays[1] > pays[0]).all()
        assert pays[0, 0] > pays[1, -1]


def test_conditional_contributors() -> None:
    pair = [ipd().seat(k, ((a, b),)) for k in (0, 1) for a in (0, 1) for b in (0, 1)]
    for mine, other in zip(ConditionalContributor()(pair), TitForTat()(pair), strict=True):
        assert_allclose(mine.p, other.p)
    form = public_goods_iterated(5).stage
    assert isinstance(form, CountForm)
    states = [form.remember(((0, j),)) for j in range(5)]  # 4, 3, 2, 1, 0 of 4 cooperated
    assert [c.p[0] for c in ConditionalContributor(0.5)(states)] == [1, 1, 1, 0, 0]
    assert_allclose(
        [c.p[0] for c in ConditionalContributor(threshold=3, error=0.1)(states)], [0.9] * 2 + [0.1] * 3
    )
    assert_allclose([c.p[0] for c in LinearContributor(0.1, 0.8)(states)], [0.9, 0.7, 0.5, 0.3, 0.1])
    assert_allclose([c.p[0] for c in LinearContributor(0.5, -1)(states)], [0, 0, 0, 0.25, 0.5])
    with pytest.raises(HominesError, match="at most as many"):
        ConditionalContributor(threshold=5)(states)


def test_what_does_not_fit_is_said() -> None:
    for game in (public_goods_iterated, commons_iterated):
        with pytest.raises(HominesError, match=r"2000000000 states of one round, .* use at most 512 players"):
            game(10**9)
        with pytest.raises(HominesError, match="players must be a whole number of at least 2, got 1"):
            game(1)
    with pytest.raises(HominesError, match="1026 states of one round"):
        CountForm(("C", "D"), np.zeros((2, 513)))
    game = public_goods_iterated(20)
    with pytest.raises(HominesError, match=r"40\^2 = 1600 states.*fewer players"):
        game.remembered(0, 2)
    with pytest.raises(HominesError, match=r"40\^2 = 1600 states.*fewer players"):
        chain(game, [LinearContributor()] * 20, memory=2)
    kinds = [LinearContributor(x / 20) for x in range(1, 11)]
    with pytest.raises(HominesError, match=r"2048 states.*fewer kinds"):
        chain(public_goods_iterated(11), [Random(), *kinds])
    with pytest.raises(NotDefined, match="how many of 19"):
        Nash()(game.remembered(0))
    with pytest.raises(HominesError, match="everyone moves"):
        game.payoffs(((0, 1),))
    with pytest.raises(HominesError, match=r"must be \[n, 2, n\]"):
        Decision(("C", "D"), np.zeros((3, 2, 2)), (("1", "0"),), crowd=1)

    class Deep:
        memory = 2

        def __call__(self, ds: Any) -> Any:
            return Random()(ds)

    with pytest.raises(NotDefined, match="remember one"):
        chain(game, [Random(), *[Deep()] * 19])


def test_a_theory_plays_among_its_like() -> None:
    """Logit players of one preference: a contributor's share rises with what others gain by it."""
    game = public_goods_iterated(4)
    shares = []
    for preference in (Inequity(0, 0), Utilitarian()):
        play = chain(game, [LogitAgent(preference, 0.5)] * 4)
        shares.append(play.long_run() @ np.array([c.p[0] for c in play.choices[0]]))
    assert shares[0] < 0.5 < shares[1]
