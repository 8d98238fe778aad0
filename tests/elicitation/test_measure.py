"""Laws of measuring: balance of orders, what each reading finds in known choosers, errors as records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from homines.core.capabilities import memory_of
from homines.core.run_folder import RunFolder
from homines.core.types import (
    Array,
    Choice,
    Decision,
    HominesError,
    Interrupted,
    Order,
    Policy,
    Preference,
    Prompt,
    Record,
    frozen,
)
from homines.elicitation.asking import measure
from homines.elicitation.metrics import (
    action_types,
    average_by_decision,
    best_response_rate,
    group_by,
    instability,
    mass,
    moral_regret,
    order_effect,
    payoff_sensitivity,
    summary,
)
from homines.elicitation.orders import few_orders, orders
from homines.elicitation.policies import ModelPolicy
from homines.elicitation.questions import Question, battery, questions, situation, state
from homines.frames.sentences import Sentences
from homines.frames.story import Story
from homines.frames.table import Table
from homines.games.bos import bos
from homines.games.dictator import dictator
from homines.games.ipd import ipd
from homines.games.ordinal import all_ordinal
from homines.games.public_goods import public_goods
from homines.games.spd import spd
from homines.games.trust import trust
from homines.inference.sampled_answers import count_answers
from homines.models import load
from homines.models.mock import HANDLERS, Mock
from homines.opponents.memory_one import MemoryOne
from homines.preferences.altruist import Altruist
from homines.preferences.deontological import Deontological
from homines.preferences.economicus import Economicus
from homines.preferences.moralis import Moralis
from homines.preferences.utilitarian import Utilitarian
from homines.theory.chain import chain
from homines.theory.choice import LogitAgent, average_choice, logit, uniform_beliefs
from homines.theory.game_forms import NormalForm, Repeated, veil

quick = settings(max_examples=30, deadline=None)
chances = st.integers(0, 20).map(lambda x: x / 20)
preferences: st.SearchStrategy[Preference] = st.sampled_from(
    [Economicus(), Utilitarian(), Moralis(0.5), Deontological(), Altruist(0.3)]
)
FRAMES = [Table("X,Y"), Table("Y,X"), Sentences("X,Y"), Story("red,blue")]
IPD = {"ipd": battery(ipd())}
ORDINAL = all_ordinal()

Chooser = Callable[[Record], Choice]


def ask(
    chooser: Chooser, batteries: dict[str, tuple[Decision, ...]], frames: Sequence[object]
) -> list[Record]:
    """Every question of the batteries, answered by a function of the record (what a model cannot see)."""
    asked = questions(Mock(HANDLERS["uniform"]), batteries, frames)  # pyright: ignore[reportArgumentType]
    return [replace(q.record, choice=chooser(q.record)) for q in asked]


def rule(p: Callable[[Decision], float], mass: float = 1.0) -> Chooser:
    """One that looks at the decision alone: its first action with probability p."""
    return lambda r: Choice.at([p(r.decision), 1 - p(r.decision)], mass)


# --- orders and averages -------------------------------------------------------------------------


@pytest.mark.parametrize("places", [1, 2, 3])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 8, 9, 101])
def test_orders_are_balanced(n: int, places: int) -> None:
    """Each is a permutation at every place, none comes twice, and positions are shared out evenly."""
    shown = orders(n, places)
    assert len(set(shown)) == len(shown)
    assert len(shown) <= max(16, 2**places)
    for order in shown:
        assert len(order) == places
        assert all(sorted(place) == list(range(n)) for place in order)
    for j in range(places):
        assert {order[j] for order in shown} >= {tuple(range(n)), tuple(range(n))[::-1]}
        if n <= 8:
            at = Counter((position, a) for order in shown for position, a in enumerate(order[j]))
            assert set(at.values()) == {len(shown) // n}
    if n == 2:  # the places vary independently
        assert len(shown) == 2**places


def test_questions_ask_everything_once_in_every_order() -> None:
    games = {"ipd": battery(ipd()), "pg": battery(public_goods(3, step=10)), "trust": battery(trust())}
    frames = [Table(), Story()]
    asked = questions(Mock(HANDLERS["uniform"]), games, frames)
    assert len({q.record.key for q in asked}) == len(asked)
    for (game, frame), group in group_by([q.record for q in asked], "game", "frame").items():
        places = 2 if frame.startswith("table") else 1
        for d in games[game]:
            here = [r.order for r in group if r.decision.key == d.key]
            assert here == list(orders(len(d.actions), places))
    for q in asked:
        assert q.record.labels == q.prompt.labels
        assert q.record.provenance["prompt"] == q.prompt.key


sizes = st.tuples(st.integers(2, 12), st.integers(1, 3), st.integers(0, 50))


@quick
@given(sizes)
def test_one_order_a_turn_shows_every_order_once_in_as_many_turns(size: tuple[int, int, int]) -> None:
    n, places, turn = size
    shown = orders(n, places)
    turns = [few_orders(n, places, 1, turn + i) for i in range(len(shown))]
    assert all(len(some) == 1 for some in turns)
    assert sorted(some[0] for some in turns) == sorted(shown)


@quick
@given(sizes)
def test_two_orders_are_balanced_at_each_place(size: tuple[int, int, int]) -> None:
    """What stands first in one stands last in the other; over all turns every order is shown alike."""
    n, places, turn = size
    shown = orders(n, places)
    pair = few_orders(n, places, 2, turn)
    assert len(set(pair)) == 2
    assert set(pair) <= set(shown)
    for one, other in zip(*pair, strict=True):
        assert one == other[::-1]
    seen = Counter(order for i in range(len(shown)) for order in few_orders(n, places, 2, turn + i))
    assert seen == dict.fromkeys(shown, 2)


def test_few_orders_are_one_two_or_all() -> None:
    assert few_orders(2, 1, 2, 5) == orders(2, 1)
    assert few_orders(2, 2, 9, 5) == orders(2, 2)
    for most in (0, 3, -1):
        with pytest.raises(HominesError, match=rf"{most} orders of 4 cannot be balanced; ask 1, 2 or all"):
            few_orders(2, 2, most, 0)


def test_few_questions_are_balanced_over_frames_and_alike_for_all_decisions_of_a_game() -> None:
    frames = [Table(labels) for labels in ("X,Y", "A,E", "red,blue", "1,2")]
    model = Mock(HANDLERS["uniform"])
    one, two, every = (questions(model, IPD, frames, most=most) for most in (1, 2, None))
    assert (len(one), len(two), len(every)) == (16, 32, 64)
    keys = [{q.record.key for q in asked} for asked in (one, two, every)]
    assert keys[0] < keys[2]
    assert keys[1] < keys[2]
    for same in by_decision(one).values():
        assert Counter(same) == dict.fromkeys(orders(2, 2), 1)
    for same in by_frame(one).values():
        assert len(set(same)) == 1  # an order effect must not look like a difference between states


def by_frame(asked: Sequence[Question]) -> dict[str, list[Order]]:
    out: dict[str, list[Order]] = {}
    for q in asked:
        out.setdefault(q.record.frame, []).append(q.record.order)
    return out


def by_decision(asked: Sequence[Question]) -> dict[str, list[Order]]:
    out: dict[str, list[Order]] = {}
    for q in asked:
        out.setdefault(q.record.decision.key, []).append(q.record.order)
    return out


@pytest.mark.parametrize("place", [0, 1])
def test_two_orders_are_enough_to_take_out_a_liking_for_a_position(place: int) -> None:
    """Half of its answers go to each action, in every decision and frame."""
    asked = questions(Mock(HANDLERS["uniform"]), IPD, FRAMES[:2], most=2)
    liked = [q.record.order[place][0] for q in asked]
    records = [
        replace(q.record, choice=Choice.at([0.9, 0.1][:: 1 - 2 * first]))
        for q, first in zip(asked, liked, strict=True)
    ]
    for same in group_by(records, "frame").values():
        for _, choice in average_by_decision(same):
            assert_allclose(choice.p, 0.5)


def test_a_battery_is_every_point_of_decision() -> None:
    assert [state(d) for d in battery(ipd())] == ["C,C", "C,D", "D,C", "D,D"]
    assert [state(d) for d in battery(bos())] == ["C,C", "C,D", "D,C", "D,D"]
    assert len(battery(public_goods(4))) == 1
    assert len(battery(NormalForm.two(("a", "b"), [[1, 2], [3, 4]], [[0, 1], [0, 1]]))) == 2
    assert [(d.player, len(d.history)) for d in battery(spd(3))] == [(0, 0), (1, 1), (1, 1)]
    assert [d.player for d in battery(trust(3))] == [0, 1]
    assert len(battery(dictator())) == 1
    with pytest.raises(HominesError, match=r"'nonsense' is no game: it lacks due\(history\)"):
        battery("nonsense")


def test_a_battery_of_several_rounds() -> None:
    ds = battery(ipd(), memory=2)
    rounds = ("C,C", "C,D", "D,C", "D,D")
    assert [situation(d) for d in ds] == [f"{before} {last}" for before in rounds for last in rounds]
    assert [state(d) for d in ds] == [last for _ in rounds for last in rounds]
    assert [d.key for d in battery(ipd(), 1)] == [d.key for d in battery(ipd())]
    assert len(battery(ipd(), 5)) == 1024
    # what has no past is measured as ever
    assert [d.key for d in battery(spd(3), 2)] == [d.key for d in battery(spd(3))]
    with pytest.raises(HominesError, match="memory must be a whole number of at least 1, got 0"):
        battery(spd(3), 0)


def test_situations_are_named_from_my_seat_oldest_round_first() -> None:
    assert situation(ipd().seat(0, ((0, 0), (0, 1)))) == "C,C C,D"
    assert situation(ipd().seat(1, ((0, 0), (0, 1)))) == "C,C D,C"
    assert situation(ipd().seat(1, ((0, 1),))) == "D,C"
    three = Repeated(public_goods(3, endowment=10, step=10))
    assert situation(three.seat(1, ((0, 1, 0), (1, 0, 0)))) == "10,0,0 0,10,0"
    assert len({situation(d) for d in battery(three, 2)}) == 64
    assert [situation(d) for d in battery(spd(3))] == ["first move", "after C", "after D"]
    assert situation(bos().seat(1)) == "player 1"


def test_summary_tells_states_of_two_rounds_apart() -> None:
    (row,) = summary(ask(rule(lambda d: 0.25), {"ipd": battery(ipd(), 2)}, [Table("X,Y", memory=2)]))
    assert len(row["p"]) == 16
    assert row["p"]["C,D D,C"] == pytest.approx({"C": 0.25, "D": 0.75})


def test_a_speaker_remembers_what_its_frame_tells() -> None:
    mock = Mock(HANDLERS["uniform"])
    assert [memory_of(ModelPolicy(mock, frame)) for frame in (Table("X,Y"), Story("X,Y", memory=2))] == [1, 2]
    far = ModelPolicy(mock, Table("X,Y", memory=2))
    with pytest.raises(HominesError, match="memory of 2 rounds, this chain of 1"):
        chain(ipd(), [far, far])
    assert chain(ipd(), [far, ModelPolicy(mock, Table("X,Y"))], memory=2).transition.shape == (16, 16)


@quick
@given(st.lists(st.tuples(chances, chances), min_size=1, max_size=5))
def test_mixing_weighs_each_choice_the_same_whatever_its_mass(parts: list[tuple[float, float]]) -> None:
    found = average_choice([Choice.at([p, 1 - p], m) for p, m in parts])
    assert_allclose(found.p[0], np.mean([p for p, _ in parts]), atol=1e-12)
    assert_allclose(found.mass, np.mean([m for _, m in parts]))


def test_an_agent_that_never_came_to_an_answer_has_no_rate_but_a_mass() -> None:
    records = ask(lambda r: Choice.of([1.0, 0.0]), IPD, FRAMES[:1])
    silent = [replace(r, choice=Choice.of([0.0, 0.0], 0.0)) for r in records]
    every = {r.decision.key for r in records}
    assert average_by_decision(silent) == []
    assert set(action_types(silent)) == {"illegal|C", "illegal|D"}
    assert action_types(silent)["illegal|C"] == 1
    half = [r if i % 2 else s for i, (r, s) in enumerate(zip(records, silent, strict=True))]
    mixed_in = average_by_decision(half)
    assert {d.key for d, _ in mixed_in} == every
    assert all(c.p == pytest.approx(Choice.of([1.0, 0.0]).p) for _, c in mixed_in)
    assert np.mean([c.mass for _, c in mixed_in]) == pytest.approx(0.5)
    assert mass(silent) == 0


def test_an_average_rests_on_as_many_legal_answers_as_leave_it_as_uncertain() -> None:
    """Two orders of a hundred samples each. Equal numbers of legal answers add up; two beside a hundred are
    worth 7.84, as the mean of variances p (1 - p) / 2 and p (1 - p) / 100 over two says."""
    for (one, two), legal in {
        (100, 100): 200,
        (50, 50): 100,
        (2, 2): 4,
        (2, 100): 7.84,
        (0, 100): 100,
    }.items():
        counts = [count_answers([0] * n + [None] * (100 - n), 2) for n in (one, two)]
        records = [
            replace(r, choice=c)
            for r, c in zip(ask(rule(lambda d: 0.5), IPD, FRAMES[:1]), counts, strict=False)
        ]
        ((_, found),) = average_by_decision(replace(r, decision=records[0].decision) for r in records)
        assert found.mass == pytest.approx((one + two) / 200)
        assert found.legal == pytest.approx(legal, abs=0.5)


@quick
@given(st.lists(chances, min_size=4, max_size=4), chances)
def test_averages_and_mass_are_over_orders_and_frames(ps: list[float], m: float) -> None:
    table = dict(zip((d.key for d in IPD["ipd"]), ps, strict=True))
    records = ask(rule(lambda d: table[d.key], m), IPD, FRAMES)
    assert len(records) == 4 * (3 * 4 + 2)
    for d, c in average_by_decision(records):
        assert_allclose(c.p[0], table[d.key], atol=1e-12)
    assert mass(records) == pytest.approx(m, abs=1e-12)
    broken = [*records, replace(records[0], choice=None, error="no")]
    assert mass(broken) == mass(records)
    assert mass([]) is None
    assert average_by_decision([]) == []


# --- action types --------------------------------------------------------------------------------


@quick
@given(st.lists(chances, min_size=4, max_size=4), chances.filter(bool))
def test_action_types_are_the_mean_over_states(ps: list[float], m: float) -> None:
    cc, cd, dc, dd = ps
    types = action_types(ask(answers(MemoryOne(0, *ps), m), IPD, [Table("X,Y")]))
    want = {"C|C": (cc + dc) / 2, "C|D": (cd + dd) / 2, "illegal|C": 1 - m, "illegal|D": 1 - m}
    for name, x in want.items():
        assert_allclose(types[name], x, atol=1e-12)
    for last in "CD":
        assert_allclose(types[f"C|{last}"] + types[f"D|{last}"], 1)
    # the chain weighs states; from equal weights on it says the same, but for conditioning on the other
    along = chain(ipd(), [MemoryOne(0, *ps), MemoryOne(0, *ps)]).action_types(np.full(4, 1 / 4))
    for name in ("C|C", "D|C", "C|D", "D|D"):
        assert_allclose(along[name], types[name] / 2, atol=1e-12)


def answers(policy: Policy, mass: float = 1.0) -> Chooser:
    return lambda r: Choice(policy([r.decision])[0].logp, mass)


def test_action_types_read_the_others_names_and_my_seat() -> None:
    battle = NormalForm((("opera", "fight"), ("silk", "leather")), frozen(np.zeros((2, 2, 2))))
    seats = [replace(battle.seat(k), history=((0, 1),)) for k in (0, 1)]
    assert [state(d) for d in seats] == ["opera,leather", "leather,opera"]
    records = ask(rule(lambda d: 0.9), {"battle": (seats[0],)}, [Table()])
    assert_allclose(action_types(records)["opera|leather"], 0.9)
    assert state(ipd().seat(0)) is None
    assert action_types(ask(rule(lambda d: 0.5), {"one": (ipd().seat(0),)}, [Table()])) == {}


# --- position and words --------------------------------------------------------------------------


def first_shown(bias: float, j: int = 0) -> Chooser:
    """Gives `bias` more to whatever stands first at place j than to the others."""

    def choose(r: Record) -> Choice:
        n = len(r.labels)
        p = np.full(n, (1 - bias) / n)
        p[r.order[j][0]] += bias
        return Choice.at(p)

    return choose


GAMES = {"ipd": battery(ipd()), "three": battery(public_goods(2, step=10)), "many": battery(dictator())}


@pytest.mark.parametrize("bias", [0.0, 0.25, 1.0])
def test_order_effect_of_a_position_chooser(bias: float) -> None:
    three = {"three": GAMES["three"]}
    for name, decisions in GAMES.items():
        found = order_effect(ask(first_shown(bias), {name: decisions}, [Story()]))
        assert found == pytest.approx(bias, abs=1e-12)
    first_and_middle = ask(lambda r: Choice.at(np.array([5, 4, 1])[np.argsort(r.order[0])]), three, [Story()])
    assert order_effect(first_and_middle) == pytest.approx(0.4)
    last = ask(lambda r: first_shown(1.0)(replace(r, order=(r.order[0][::-1],))), IPD, [Story()])
    assert order_effect(last) == pytest.approx(-1, abs=1e-12)
    # a bias at one of two places that vary on their own is half a bias
    for j in (0, 1):
        assert order_effect(ask(first_shown(bias, j), IPD, [Table()])) == pytest.approx(bias / 2, abs=1e-12)


@quick
@given(chances)
def test_order_effect_of_who_does_not_look_at_the_order(p: float) -> None:
    by_label = ask(lambda r: Choice.at([p, 1 - p][:: 1 if r.labels[0] < r.labels[1] else -1]), IPD, FRAMES)
    by_state = ask(rule(lambda d: p if d.history[0][1] else 1 - p), IPD, FRAMES)
    for records in (by_label, by_state):
        assert order_effect(records) == pytest.approx(0, abs=1e-12)


def test_without_balance_there_is_no_order_effect() -> None:
    some = [r for r in ask(first_shown(1.0), IPD, [Story()]) if r.order == ((0, 1),)]
    assert order_effect(some) is None
    assert order_effect([]) is None


def test_instability_limits() -> None:
    swapped = [Table("X,Y"), Table("Y,X")]
    by_label = ask(lambda r: Choice.at([1, 0] if r.labels[0] == "X" else [0, 1]), IPD, swapped)
    assert instability(by_label) == pytest.approx(1, abs=1e-12)  # the words decide everything
    by_state = ask(rule(lambda d: 0.3 if d.history[0][1] else 0.9), IPD, FRAMES)
    assert instability(by_state) == pytest.approx(0, abs=1e-12)
    by_place = ask(first_shown(1.0), IPD, swapped)
    assert instability(by_place) == pytest.approx(0, abs=1e-12)  # position is the order effect's business
    assert instability(ask(first_shown(1.0), IPD, [Table()])) is None


@quick
@given(st.lists(chances, min_size=4, max_size=4))
def test_instability_is_the_spread_over_frames(ps: list[float]) -> None:
    def by_frame(r: Record) -> Choice:
        p = ps[("table", "sentences", "story").index(r.frame.partition("(")[0])]
        return Choice.at([p, 1 - p])

    found = instability(ask(by_frame, IPD, [Table("X,Y"), Sentences("X,Y"), Story("X,Y")]))
    assert found == pytest.approx(max(ps[:3]) - min(ps[:3]), abs=1e-12)


# --- regret, best response, sensitivity ----------------------------------------------------------


def ordinals(seed: int, n: int = 12) -> list[Decision]:
    """Seats of random 2x2 games that state what the other does."""
    rng = np.random.default_rng(seed)
    seats: list[Decision] = []
    for i in rng.choice(144, n, replace=False):
        d = ORDINAL[int(i)].seat(int(rng.integers(2)))
        seats.append(replace(d, others=(frozen(rng.dirichlet([1, 1])),)))
    return seats


def told_pairs(policy: Policy, ds: Sequence[Decision]) -> list[tuple[Decision, Choice]]:
    return list(zip(ds, policy(ds), strict=True))


@quick
@given(st.sampled_from([Economicus(), Utilitarian(), Altruist(0.3)]), st.integers(0, 999), chances)
def test_exact_regret_is_never_negative_and_nil_for_the_best_reply(
    preference: Preference, seed: int, p: float
) -> None:
    ds = ordinals(seed)
    some = moral_regret(preference, [(d, Choice.at([p, 1 - p])) for d in ds])
    top = moral_regret(preference, told_pairs(LogitAgent(preference, np.inf), ds))
    assert some.regret >= -1e-12
    assert_allclose(top.regret, 0, atol=1e-12)
    assert_allclose(some.best, top.achieved)
    published = moral_regret(preference, [(d, Choice.at([p, 1 - p])) for d in ds], published=True)
    assert published.regret >= some.regret - 1e-12
    assert published.achieved == some.achieved
    assert 0 <= (published.share or 0) <= 1


@quick
@given(preferences, st.lists(chances, min_size=4, max_size=4), chances)
def test_regret_on_states_by_hand(preference: Preference, ps: list[float], m: float) -> None:
    pairs = [(d, Choice.at([p, 1 - p], m)) for d, p in zip(IPD["ipd"], ps, strict=True)]
    earned = [
        p * u[0].mean() + (1 - p) * u[1].mean() for p, u in zip(ps, map(preference, IPD["ipd"]), strict=True)
    ]
    top = [preference(d).mean(1).max() for d in IPD["ipd"]]
    plain = moral_regret(preference, pairs)
    assert_allclose(plain.regret, np.mean(top) - np.mean(earned), atol=1e-12)
    punished = moral_regret(preference, pairs, illegal=-15)
    assert_allclose(punished.achieved, np.mean([m * x - 15 * (1 - m) for x in earned]), atol=1e-9)
    assert punished.share == pytest.approx(punished.regret / (np.mean(top) + 15))
    no_better = moral_regret(preference, pairs, illegal=plain.best)
    assert no_better.share is None


def test_regret_of_nothing_is_refused() -> None:
    with pytest.raises(HominesError, match="no answered decisions to take regret over"):
        moral_regret(Utilitarian(), [])


def test_regret_behind_the_veil() -> None:
    d = veil(spd(3)).seat()
    agent = LogitAgent(Moralis(0.5), np.inf, uniform_beliefs)
    assert_allclose(moral_regret(Moralis(0.5), told_pairs(agent, [d])).regret, 0, atol=1e-12)
    assert (
        moral_regret(Moralis(0.5), told_pairs(LogitAgent(Economicus(), np.inf, uniform_beliefs), [d])).regret
        > 1
    )


@quick
@given(st.integers(0, 999), chances)
def test_best_response_rate(seed: int, p: float) -> None:
    ds = ordinals(seed)
    assert_allclose(best_response_rate(Economicus(), told_pairs(LogitAgent(Economicus(), np.inf), ds)), 1)
    mixture = [
        (d, Choice.at(p * best.p + (1 - p) * best.p[::-1]))
        for d, best in told_pairs(LogitAgent(Economicus(), np.inf), ds)
    ]
    assert_allclose(best_response_rate(Economicus(), mixture), p, atol=1e-9)
    flat = [(Decision(("a", "b"), frozen([[2, 2]])), Choice.at([p, 1 - p]))]
    assert_allclose(best_response_rate(Economicus(), flat), 1)  # between equals every action is best


def advantage(d: Decision) -> float:
    eu: Array = d.payoffs[0] @ (d.others or uniform_beliefs(d))[0]
    return float(eu[0] - eu[1])


@quick
@given(
    st.integers(0, 999),
    st.integers(-15, 15).map(lambda x: x / 100),
    st.integers(45, 55).map(lambda x: x / 100),
)
def test_payoff_sensitivity_finds_a_linear_rule(seed: int, slope: float, intercept: float) -> None:
    ds = ordinals(seed)
    pairs = [(d, Choice.at([x := intercept + slope * advantage(d), 1 - x])) for d in ds]
    found = payoff_sensitivity(pairs)
    assert found is not None
    assert_allclose((found.slope, found.intercept), (slope, intercept), atol=1e-9)
    assert found.decisions == len(ds)
    assert found.r2 == (pytest.approx(1, abs=1e-6) if slope else None)


def test_payoff_sensitivity_of_the_careless_and_the_noisy() -> None:
    ds = ordinals(3, 40)
    careless = payoff_sensitivity([(d, Choice.at([0.3, 0.7])) for d in ds])
    assert careless is not None
    assert_allclose(careless.slope, 0, atol=1e-12)
    assert careless.r2 is None  # nothing varies, so nothing is explained
    keen = payoff_sensitivity([(d, logit(np.array([advantage(d), 0]), 1.0)) for d in ds])
    assert keen is not None
    assert 0.1 < keen.slope < 0.25
    assert keen.r2 is not None
    assert 0.5 < keen.r2 < 1


def test_payoff_sensitivity_that_is_not_identified() -> None:
    ds = ipd().memory_one()  # the same stage game in every state
    assert payoff_sensitivity([(d, Choice.at([i / 5, 1 - i / 5])) for i, d in enumerate(ds)]) is None
    assert payoff_sensitivity([(ds[0], Choice.at([0.5, 0.5]))]) is None
    assert payoff_sensitivity([]) is None
    alone = Decision(("only",), frozen([[1]]))
    assert payoff_sensitivity([(alone, Choice.at([1])), (alone, Choice.at([1]))]) is None


# --- asking --------------------------------------------------------------------------------------


class Counting(Mock):
    """Remembers every prompt it was asked; fails where `fails` says so."""

    def __init__(self, fails: Callable[[Prompt], bool] = lambda p: False) -> None:
        super().__init__(HANDLERS[""], "counting")
        self.asked: list[str] = []
        self.fails = fails

    def score(self, prompts: Sequence[Prompt]) -> list[Choice]:
        self.asked += [p.key for p in prompts]
        if any(map(self.fails, prompts)):
            raise RuntimeError("out of order")
        return super().score(prompts)


def test_one_bad_prompt_costs_itself_only() -> None:
    asked = questions(load("mock/broken"), IPD, FRAMES)
    records = measure(load("mock/broken"), asked, batch=8)
    failed = [r for r in records if r.error]
    assert [r.key for r in records] == [q.record.key for q in asked]
    assert 0 < len(failed) < len(records)
    for record, question in zip(records, asked, strict=True):
        assert (record.choice is None) == bool(record.error)
        if record.choice is not None:
            assert np.array_equal(record.choice.logp, HANDLERS[""](question.prompt).logp)
        else:
            assert record.error == "RuntimeError: this mock fails on a quarter of the prompts"
    rows = summary(records)
    assert sum(row["errors"] for row in rows) == len(failed)
    assert sum(row["questions"] for row in rows) == len(records)


def test_a_rerun_asks_only_what_failed(tmp_path: Path) -> None:
    asked = questions(Counting(), IPD, [Table("X,Y"), Story("X,Y")])
    bad = {q.prompt.key for q in asked[::5]}
    with RunFolder(tmp_path / "run", {"a": 1}) as run:
        first = measure(Counting(lambda p: p.key in bad), asked, run, batch=4)
    assert sum(r.error is not None for r in first) == len(bad)
    again = Counting()
    with RunFolder(tmp_path / "run", {"a": 1}) as run:
        second = measure(again, asked, run, batch=4)
        assert sorted(again.asked) == sorted(bad)
        assert not any(r.error for r in second)
        assert len(run.records) == len(asked)
    nobody = Counting(lambda p: True)
    with RunFolder(tmp_path / "run", {"a": 1}) as run:
        third = measure(nobody, asked, run)
    assert nobody.asked == []
    for a, b in zip(second, third, strict=True):
        assert a.choice is not None
        assert b.choice is not None
        assert np.array_equal(a.choice.logp, b.choice.logp)


@pytest.mark.parametrize(
    "answer",
    [
        Choice.at([1, 1, 1]),
        Choice(frozen([np.nan, 0.0])),
        Choice(frozen([0.0, 0.0])),
        Choice(frozen([-np.inf, -np.inf])),
        Choice.at([1, 1], mass=1.5),
        Choice.at([1, 1], mass=float("nan")),
    ],
    ids=["one too many", "nan", "sums to two", "nothing", "mass above one", "no mass"],
)
def test_an_answer_that_is_no_distribution_is_an_error(answer: Choice) -> None:
    asked = questions(Mock(lambda p: answer), IPD, [Story("X,Y")])
    for record in measure(Mock(lambda p: answer), asked):
        assert record.choice is None
        assert str(record.error).startswith("HominesError: the model gave probabilities")


def test_a_model_that_answers_too_little_is_an_error() -> None:
    class Short(Mock):
        def score(self, prompts: Sequence[Prompt]) -> list[Choice]:
            return super().score(prompts)[1:]

    model = Short(HANDLERS[""])
    records = measure(model, questions(model, IPD, [Story("X,Y")]))
    assert all(r.error and r.choice is None for r in records)


def test_a_question_asked_twice_is_answered_once() -> None:
    model = Counting()
    asked = questions(model, IPD, [Story("X,Y")])
    seen: list[tuple[int, int]] = []
    records = measure(model, [*asked, *asked], progress=lambda done, of: seen.append((done, of)), batch=3)
    assert len(records) == len(asked) == len(model.asked)
    assert seen == [(0, 8), (3, 8), (6, 8), (8, 8)]


def test_stopping_keeps_what_is_answered(tmp_path: Path) -> None:
    model = Counting()
    asked = questions(model, IPD, [Story("X,Y")])
    with RunFolder(tmp_path / "run", {}) as run:
        with pytest.raises(Interrupted, match="stopped after 6 of 8 questions"):
            measure(model, asked, run, batch=3, stop=lambda: len(model.asked) >= 6)
        assert len(run.records) == 6
    with RunFolder(tmp_path / "run", {}) as run:
        assert len(measure(model, asked, run)) == 8
    assert len(model.asked) == 8


@pytest.mark.parametrize("changed", ["weights", "words", "game"])
def test_answers_to_other_questions_are_not_mixed_in(tmp_path: Path, changed: str) -> None:
    """A folder from before the weights, a frame or a game changed under the same name."""
    asked = questions(Counting(), IPD, [Story("X,Y")])
    with RunFolder(tmp_path / "run", {}) as run:
        measure(Counting(), asked, run)
    model = Counting()
    if changed == "weights":
        model.provenance = {"revision": "another"}
    frame = replace(Story("X,Y"))
    if changed == "words":
        object.__setattr__(frame, "_opening", lambda scene: "Once upon a time.")
    games = {"ipd": battery(bos() if changed == "game" else ipd())}
    anew = questions(model, games, [frame])
    assert {q.record.key for q in anew}.isdisjoint(q.record.key for q in asked)
    with (
        RunFolder(tmp_path / "run", {}) as run,
        pytest.raises(HominesError, match="holds 8 answers of counting to other questions than these"),
    ):
        measure(model, anew, run)
    assert model.asked == []


def test_another_model_may_share_a_folder(tmp_path: Path) -> None:
    """As the model before and after a training do."""
    after = Mock(HANDLERS[""], "after")
    with RunFolder(tmp_path / "run", {}) as run:
        measure(Counting(), questions(Counting(), IPD, [Story("X,Y")]), run)
        measure(after, questions(after, IPD, [Story("X,Y")]), run)
        assert len(run.records) == 16
        assert len(summary(run.records)) == 2


# --- a speaker -----------------------------------------------------------------------------------


def test_a_speaker_is_a_policy() -> None:
    speaker = ModelPolicy(load("mock"), Table("X,Y"))
    ds = [*ipd().memory_one(), *bos().memory_one(1)]
    choices = speaker(ds)
    assert_allclose([c.p for c in choices], [speaker([d])[0].p for d in ds])
    assert speaker([]) == []
    records = measure(load("mock"), questions(load("mock"), {"ipd": ipd().memory_one()}, [Table("X,Y")]))
    for (_, c), spoken in zip(average_by_decision(records), choices, strict=False):
        assert_allclose(c.p, spoken.p)
        assert_allclose(c.mass, spoken.mass)
    c = chain(ipd(), [speaker, MemoryOne(1, 1, 0, 1, 0)])
    assert_allclose(c.long_run().sum(), 1)


@quick
@given(chances)
def test_a_speaker_takes_every_order_and_so_loses_its_position_bias(bias: float) -> None:
    def biased(prompt: Prompt) -> Choice:
        first = prompt.labels.index(prompt.text.split("now: ")[1].split(" ")[0])
        return Choice.at(np.eye(2)[first] * bias + np.array([0.8, 0.2]) * (1 - bias))

    for choice in ModelPolicy(Mock(biased), Story("X,Y"))(ipd().memory_one()):
        assert_allclose(choice.p[0], 0.5 * bias + 0.8 * (1 - bias), atol=1e-12)


def test_summary_has_a_row_for_every_model_game_and_frame() -> None:
    games = {"ipd": battery(ipd()), "bos": battery(bos()), "dictator": battery(dictator(step=25))}
    records = [
        replace(r, model=m) for m in ("a", "b") for r in ask(first_shown(0.5), games, [Story(), Table()])
    ]
    rows = summary(records)
    keys = [(row["model"], row["game"], row["frame"].split("(")[0]) for row in rows]
    assert sorted(keys) == sorted(product(("a", "b"), games, ("story", "table")))
    for row in rows:
        assert row["mass"] == 1
        assert row["errors"] == 0
        assert ("C|C" in row) == (row["game"] != "dictator")
        assert len(row["p"]) == len(games[row["game"]])
