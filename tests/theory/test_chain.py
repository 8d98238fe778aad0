"""Laws of play: samples, trees and chains say the same; long runs and thresholds in closed form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from homines.core.capabilities import memory_of
from homines.core.types import Array, Choice, Decision, History, HominesError, Policy
from homines.games.bos import bos
from homines.games.ipd import ipd
from homines.games.public_goods import public_goods
from homines.games.trust import trust
from homines.opponents.always_cooperate import AlwaysCooperate
from homines.opponents.always_defect import AlwaysDefect
from homines.opponents.memory_one import MemoryOne
from homines.opponents.random import Random
from homines.opponents.tit_for_tat import TitForTat
from homines.preferences.deontological import Deontological
from homines.preferences.economicus import Economicus
from homines.preferences.utilitarian import Utilitarian
from homines.theory.chain import Chain, chain, long_run, play, value
from homines.theory.choice import LogitAgent
from homines.theory.game_forms import NormalForm, Repeated, stage_index

quick = settings(max_examples=30, deadline=None)
sure = settings(max_examples=5, deadline=None, derandomize=True)
"""For statistics: the same examples every time, so that a bound of 5 standard errors is kept."""
CC, CD, DC, DD = range(4)
chances = st.integers(0, 20).map(lambda x: x / 20)
inner = st.integers(1, 9).map(lambda x: x / 10)
rules = st.builds(MemoryOne, *[chances] * 5)
lively = st.builds(MemoryOne, *[inner] * 5)
games = st.sampled_from([ipd(), bos()])
gammas = st.integers(0, 99).map(lambda x: x / 100)


@dataclass(frozen=True)
class Noisy:
    """Tit for tat that errs with probability e, however small."""

    e: float

    def __call__(self, ds: Sequence[Decision]) -> list[Choice]:
        copies = [1 - self.e, self.e]
        return [Choice.at(copies[::-1] if d.history[-1][1 - d.player] else copies) for d in ds]


@dataclass(frozen=True)
class TwoTats:
    """Tit for two tats that errs with probability e: defects after two defections in a row."""

    e: float
    memory = 2

    def __call__(self, ds: Sequence[Decision]) -> list[Choice]:
        kind = [1 - self.e, self.e]
        return [Choice.at(kind[::-1] if self.betrayed(d) else kind) for d in ds]

    @staticmethod
    def betrayed(d: Decision) -> bool:
        return len(d.history) > 1 and all(stage[1 - d.player] == 1 for stage in d.history[-2:])


def first_state(game: Repeated, policies: Sequence[Policy], memory: int = 1) -> Array:
    """Distribution of the first `memory` rounds, before which nothing happened."""

    def chance(past: History) -> float:
        faced = ((k, t, a) for t, stage in enumerate(past) for k, a in enumerate(stage_index(stage)))
        return float(np.prod([policies[k]([game.seat(k, past[:t])])[0].p[a] for k, t, a in faced]))

    return np.array([chance(past) for past in game.pasts(memory)])


def summed(game: Repeated, policies: Sequence[Policy], rounds: int, memory: int = 1) -> Array:
    """Expected total payoffs of the first rounds, at least `memory` of them, by the chain."""
    c = chain(game, policies, memory=memory)
    weight = first_state(game, policies, memory)
    total = weight @ np.array([game.payoffs(past) for past in c.states])
    for _ in range(rounds - memory):
        total = total + c.payoffs @ weight
        weight = weight @ c.transition
    return total


def pays(game: Repeated, policies: Sequence[Policy], rounds: int, seed: int) -> Array:
    """Total payoffs of one sampled play."""
    rng = np.random.default_rng(seed)
    moves = play(game, dict(enumerate(policies)), rng, rounds=rounds)
    n = len(policies)
    history = tuple(tuple(m.action for m in moves[i : i + n]) for i in range(0, len(moves), n))
    return game.payoffs(history)


# --- the three ways of playing agree -------------------------------------------------------------


@quick
@given(rules, rules, games, st.integers(1, 4))
def test_the_tree_and_the_chain_expect_the_same(a: MemoryOne, b: MemoryOne, game: Repeated, n: int) -> None:
    short = Repeated(game.stage, n)
    assert_allclose(value(short, {0: a, 1: b}), summed(game, [a, b], n), atol=1e-9)


@sure
@given(lively, lively, games)
def test_samples_tend_to_what_the_chain_expects(a: MemoryOne, b: MemoryOne, game: Repeated) -> None:
    totals = np.array([pays(game, [a, b], 6, seed) for seed in range(150)])
    error = totals.std(0) / np.sqrt(len(totals))
    assert (np.abs(totals.mean(0) - summed(game, [a, b], 6)) < 5 * error).all()


@sure
@given(lively, lively)
def test_samples_spend_their_time_as_the_long_run_says(a: MemoryOne, b: MemoryOne) -> None:
    moves = play(ipd(), {0: a, 1: b}, np.random.default_rng(1), rounds=1500)
    states = [2 * x.action + y.action for x, y in zip(moves[::2], moves[1::2], strict=True)]
    share = np.bincount(states, minlength=4) / len(states)
    # 0.07: five standard errors of a share, and more than twice as much for the rounds' correlation
    assert_allclose(share, chain(ipd(), [a, b]).long_run(), atol=0.07)


def test_samples_of_a_sequential_game_tend_to_its_value() -> None:
    policies: dict[int, Policy] = {0: Random(0.7), 1: Random(0.4)}
    expected = 0.7 * (0.4 * np.array([60, 60]) + 0.6 * np.array([20, 80])) + 0.3 * np.array([30, 30])
    assert_allclose(value(trust(3), policies), expected)
    rng = np.random.default_rng(0)
    plays = [play(trust(3), policies, rng) for _ in range(300)]
    assert {len(moves) for moves in plays} == {1, 2}
    paid = np.array(
        [trust(3).payoffs(((m[0].action, None), *((None, x.action) for x in m[1:]))) for m in plays]
    )
    error = paid.std(0) / np.sqrt(len(paid))
    assert (np.abs(paid.mean(0) - expected) < 5 * error).all()


def test_a_move_tells_what_was_faced_and_chosen() -> None:
    moves = play(ipd(3), {0: TitForTat(), 1: AlwaysDefect()}, np.random.default_rng(0))
    assert [m.action for m in moves] == [0, 1, 1, 1, 1, 1]
    assert [m.decision.player for m in moves] == [0, 1] * 3
    assert moves[-1].decision.history == ((0, 1), (1, 1))
    assert all(m.choice.p[m.action] == 1 for m in moves)


@dataclass(frozen=True)
class Lookup:
    """P(first action) by the last joint action; any number of players."""

    start: float
    after: tuple[float, ...]

    def __call__(self, ds: Sequence[Decision]) -> list[Choice]:
        ps = [self.after[int("".join(map(str, d.history[-1])), 2)] if d.history else self.start for d in ds]
        return [Choice.at([p, 1 - p]) for p in ps]


@sure
@given(st.lists(st.builds(Lookup, inner, st.tuples(*[inner] * 8)), min_size=3, max_size=3))
def test_three_players_make_a_chain_too(policies: list[Lookup]) -> None:
    game = Repeated(public_goods(3, endowment=10, step=10))
    c = chain(game, policies)
    assert c.transition.shape == (8, 8)
    assert_allclose(c.transition.sum(1), 1)
    assert_allclose(
        value(Repeated(game.stage, 2), dict(enumerate(policies))), summed(game, policies, 2), atol=1e-9
    )
    totals = np.array([pays(game, policies, 5, seed) for seed in range(100)])
    error = totals.std(0) / np.sqrt(len(totals))
    assert (np.abs(totals.mean(0) - summed(game, policies, 5)) < 5 * error).all()
    assert_allclose(c.utility(Economicus(), 2), c.payoffs[2], atol=1e-9)
    assert_allclose(summed(game, policies, 5, memory=2), summed(game, policies, 5), atol=1e-9)
    with pytest.raises(HominesError, match="two players; this chain has 3"):
        c.action_types(c.long_run())


# --- memory beyond one round ---------------------------------------------------------------------


@quick
@given(rules, rules, games, st.integers(2, 3), gammas, st.integers(0, 2**32 - 1))
def test_a_longer_memory_changes_nothing_for_who_looks_one_round_back(
    a: MemoryOne, b: MemoryOne, game: Repeated, memory: int, gamma: float, seed: int
) -> None:
    one, more = chain(game, [a, b]), chain(game, [a, b], memory=memory)
    assert one.states == (((0, 0),), ((0, 1),), ((1, 0),), ((1, 1),))
    assert more.states == game.pasts(memory)
    assert_allclose(more.transition.sum(1), 1)
    start = np.random.default_rng(seed).dirichlet(np.ones(4**memory))
    last = start.reshape(-1, 4).sum(0)  # the last round is the last digit

    share, long = one.long_run(last.tolist()), more.long_run(start.tolist())
    assert_allclose(long @ more.transition, long, atol=1e-9)
    assert_allclose(long.reshape(-1, 4).sum(0), share, atol=1e-9)
    assert_allclose(more.payoffs @ long, one.payoffs @ share, atol=1e-9)
    soon, sooner = one.discounted(gamma, last.tolist()), more.discounted(gamma, start.tolist())
    assert_allclose(sooner.reshape(-1, 4).sum(0), soon, atol=1e-9)
    for k in (0, 1):
        assert more.action_types(long, k) == pytest.approx(one.action_types(share, k), abs=1e-9)
        worth = one.worth(one.payoffs[k], gamma)
        assert_allclose(
            more.worth(more.payoffs[k], gamma), np.tile(worth, 4 ** (memory - 1)), rtol=1e-9, atol=1e-12
        )
        assert_allclose(more.regret(Economicus(), sooner, k), one.regret(Economicus(), soon, k), atol=1e-9)


@quick
@given(inner, lively, games, st.integers(2, 5))
def test_the_tree_and_the_chain_of_two_rounds_expect_the_same(
    e: float, other: MemoryOne, game: Repeated, n: int
) -> None:
    pair = [TwoTats(e), other]
    short = Repeated(game.stage, n)
    assert_allclose(value(short, dict(enumerate(pair))), summed(game, pair, n, memory=2), atol=1e-9)
    # and a memory longer than both need
    if n > 2:
        assert_allclose(summed(game, pair, n, memory=2), summed(game, pair, n, memory=3), atol=1e-9)


@sure
@given(st.integers(1, 4).map(lambda x: x / 10), lively)
def test_samples_of_a_memory_of_two_tend_to_its_chain(e: float, other: MemoryOne) -> None:
    pair = [TwoTats(e), other]
    totals = np.array([pays(ipd(), pair, 6, seed) for seed in range(150)])
    error = totals.std(0) / np.sqrt(len(totals))
    assert (np.abs(totals.mean(0) - summed(ipd(), pair, 6, memory=2)) < 5 * error).all()

    moves = play(ipd(), dict(enumerate(pair)), np.random.default_rng(1), rounds=1500)
    last = [2 * x.action + y.action for x, y in zip(moves[::2], moves[1::2], strict=True)]
    states = [4 * before + now for before, now in pairwise(last)]
    share = np.bincount(states, minlength=16) / len(states)
    assert_allclose(share, chain(ipd(), pair, memory=2).long_run(), atol=0.07)


def test_tit_for_two_tats_forgives_who_errs_once() -> None:
    """Without noise: one defection is let pass, two in a row are answered, by states of two rounds."""
    c = chain(ipd(), [TwoTats(0), TwoTats(0)], memory=2)
    for past, there in (
        (((0, 0), (0, 1)), [3, 3]),
        (((1, 1), (0, 0)), [3, 3]),
        (((0, 1), (1, 0)), [3, 3]),
        (((1, 1), (1, 1)), [1, 1]),
        (((0, 1), (0, 1)), [3, 3]),  # answered once, and both are kind again
    ):
        assert_allclose(c.payoffs @ c.long_run(np.eye(16)[c.states.index(past)].tolist()), there)
    assert_allclose(c.payoffs[:, c.states.index(((0, 1), (0, 1)))], [4, 0])


def test_a_memory_longer_than_the_chains_is_refused() -> None:
    assert [memory_of(p) for p in (TitForTat(), TwoTats(0.1))] == [1, 2]
    message = r"player 1's policy has a memory of 2 rounds, this chain of 1; give memory=2, or use play\(\)"
    with pytest.raises(HominesError, match=message):
        chain(ipd(), [TitForTat(), TwoTats(0.1)])

    class Grudge(Noisy):
        memory = np.inf

    with pytest.raises(HominesError, match=r"memory of inf rounds, this chain of 3; use play\(\)"):
        chain(ipd(), [Grudge(0.1), TitForTat()], memory=3)
    with pytest.raises(HominesError, match=r"memory 6 makes .* 4096 states, more than 1024"):
        chain(ipd(), [TitForTat(), TitForTat()], memory=6)
    with pytest.raises(HominesError, match="memory must be a whole number of at least 1, got 0"):
        chain(ipd(), [TitForTat(), TitForTat()], memory=0)


# --- discounting ---------------------------------------------------------------------------------


@quick
@given(rules, rules, gammas)
def test_discounted_time_is_the_series(a: MemoryOne, b: MemoryOne, gamma: float) -> None:
    c = chain(ipd(), [a, b])
    start = first_state(ipd(), [a, b])
    weight, series = start, np.zeros(4)
    for t in range(2000):
        series += (1 - gamma) * gamma**t * weight
        weight = weight @ c.transition
    found = c.discounted(gamma, start.tolist())
    assert_allclose(found.sum(), 1)
    assert_allclose(found, series, atol=1e-7)
    assert_allclose(c.discounted(0, start.tolist()), start, atol=1e-12)


@quick
@given(rules, rules, gammas)
def test_worth_is_the_discounted_sum_of_utility(a: MemoryOne, b: MemoryOne, gamma: float) -> None:
    c = chain(ipd(), [a, b])
    for k in (0, 1):
        worth = c.worth(c.payoffs[k], gamma)
        assert_allclose(worth, c.payoffs[k] + gamma * c.transition @ worth, atol=1e-9)
        for s in range(4):
            start = np.eye(4)[s].tolist()
            assert_allclose((1 - gamma) * worth[s], c.discounted(gamma, start) @ c.payoffs[k], atol=1e-9)


@quick
@given(rules, rules)
def test_patience_without_end_is_the_long_run(a: MemoryOne, b: MemoryOne) -> None:
    """Abel's limit equals Cesaro's, for cycling and reducible chains as well."""
    c = chain(ipd(), [a, b])
    for s in range(4):
        start = np.eye(4)[s].tolist()
        assert_allclose(c.discounted(1 - 1e-9, start), c.long_run(start), atol=1e-5)


# --- the long run --------------------------------------------------------------------------------


@quick
@given(lively, lively)
def test_an_ergodic_chain_forgets_its_start(a: MemoryOne, b: MemoryOne) -> None:
    c = chain(ipd(), [a, b])
    values, vectors = np.linalg.eig(c.transition.T)
    left = np.real(vectors[:, np.argmin(np.abs(values - 1))])
    for s in range(4):
        assert_allclose(c.long_run(np.eye(4)[s].tolist()), left / left.sum(), atol=1e-9)


@quick
@given(st.data())
def test_the_long_run_is_the_mean_over_time(data: st.DataObject) -> None:
    """Any chain, cycles and several ends included, against a long average."""
    n = data.draw(st.integers(1, 6))
    entry = st.sampled_from([0, 0, 0, 1, 2])
    rows = np.array([data.draw(st.lists(entry, min_size=n, max_size=n)) for _ in range(n)], dtype=float)
    rows[:, 0] += rows.sum(1) == 0
    p = rows / rows.sum(1, keepdims=True)
    start = np.full(n, 1 / n)
    lazy = (np.eye(n) + p) / 2  # no cycles, the same long run
    found = long_run(p, start)
    assert_allclose(found.sum(), 1)
    assert_allclose(found @ p, found, atol=1e-9)
    assert_allclose(found, start @ np.linalg.matrix_power(lazy, 2**20), atol=1e-6)


def test_a_cycle_is_averaged_over() -> None:
    p = np.roll(np.eye(3), 1, axis=1)
    assert_allclose(long_run(p, np.array([1.0, 0, 0])), [1 / 3] * 3)


def test_of_several_ends_the_start_decides() -> None:
    p = np.array([[0, 0.25, 0.75, 0], [0, 1, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]], dtype=float)
    assert_allclose(long_run(p, np.array([1.0, 0, 0, 0])), [0, 0.25, 0.375, 0.375])
    assert_allclose(long_run(p, np.array([0, 1.0, 0, 0])), [0, 1, 0, 0])
    assert_allclose(long_run(p, np.array([0, 0, 0, 1.0])), [0, 0, 0.5, 0.5])


@pytest.mark.parametrize("e", [1e-17, 1e-100, 1e-300])
def test_chances_almost_nil_decide_the_long_run_all_the_same(e: float) -> None:
    two = np.array([[1 - e, e], [3 * e, 1 - 3 * e]])
    assert_allclose(long_run(two, np.array([1.0, 0])), [0.75, 0.25])
    # into an end through two doors that hardly open
    through = np.array([[1, e, 0], [1, 0, e], [0, 0, 1]])
    assert_allclose(long_run(through, np.array([1.0, 0, 0])), [0, 0, 1])
    # out of the middle state only by e after e, back by e alone
    rare = np.array([[1, e, 0], [0, 1, e], [e, 1, 0]])
    assert_allclose(long_run(rare, np.array([1.0, 0, 0])), [e, 1, e], atol=0)
    for states in ([0, 1, 2], [2, 0, 1], [1, 2, 0]):  # in whatever order they are numbered
        again = long_run(rare[np.ix_(states, states)], np.array([1.0, 0, 0]))
        assert_allclose(again, np.array([e, 1, e])[states], atol=0)


@pytest.mark.parametrize("e", [0.5, 0.1, 1e-9, 1e-17, 1e-150])
def test_tit_for_tat_with_any_noise_meets_every_state_alike(e: float) -> None:
    """The rows and the columns of its transitions both sum to one, so the uniform share is kept."""
    c = chain(ipd(), [Noisy(e), Noisy(e)])
    assert_allclose(c.long_run([1, 0, 0, 0]), 1 / 4)
    assert_allclose(c.payoffs @ c.long_run(), [2, 2])
    types = c.action_types(c.long_run())
    assert_allclose(types["C|C"], (1 - e) / 2)
    assert_allclose(types["D|C"], e / 2)


def test_tit_for_tat_without_noise_keeps_what_it_starts_with() -> None:
    c = chain(ipd(), [TitForTat(), TitForTat()])
    for s, there in ((CC, [1, 0, 0, 0]), (DD, [0, 0, 0, 1]), (CD, [0, 0.5, 0.5, 0]), (DC, [0, 0.5, 0.5, 0])):
        assert_allclose(c.long_run(np.eye(4)[s].tolist()), there)
    assert_allclose(c.long_run(), 1 / 4)
    # alternating exploitation, discounted: 0 now, 4 the next round, and so on
    assert_allclose(c.worth(c.payoffs[0], 0.5)[DC], 4 * 0.5 / (1 - 0.25))
    assert_allclose(c.worth(c.payoffs[0], 0.5)[CD], 4 / (1 - 0.25))


# --- classics in closed form ---------------------------------------------------------------------


@quick
@given(rules)
def test_always_defect_lives_on_the_others_kindness(other: MemoryOne) -> None:
    assume((other.cd, other.dd) != (1, 0))  # else the start decides
    c = chain(ipd(), [AlwaysDefect(), other])
    share = c.long_run()
    # the other is kind with chance cd after its own C, dd after its own D
    kind = other.dd / (1 - other.cd + other.dd)
    want = {"C|C": 0, "C|D": 0, "D|C": kind, "D|D": 1 - kind}
    assert c.action_types(share) == pytest.approx(want, abs=1e-9)
    assert_allclose(c.payoffs @ share, [4 * kind + (1 - kind), 1 - kind], atol=1e-9)


@quick
@given(chances)
def test_always_cooperate_against_a_coin(p: float) -> None:
    c = chain(ipd(), [AlwaysCooperate(), Random(p)])
    share = c.long_run()
    assert_allclose(share, [p, 1 - p, 0, 0], atol=1e-12)
    want = {"C|C": p, "C|D": 1 - p, "D|C": 0, "D|D": 0}
    assert c.action_types(share) == pytest.approx(want, abs=1e-12)
    assert_allclose(c.payoffs @ share, [3 * p, 3 * p + 4 * (1 - p)])


@quick
@given(rules, rules, st.lists(st.integers(0, 9), min_size=4, max_size=4))
def test_action_types_share_out_the_whole(a: MemoryOne, b: MemoryOne, parts: list[int]) -> None:
    weights = (np.array(parts) + 1) / (np.sum(parts) + 4)
    c = chain(ipd(), [a, b])
    for k, rule in ((0, a), (1, b)):
        types = c.action_types(weights, k)
        assert_allclose(sum(types.values()), 1)
        after_c = rule.cc * weights[CC] + rule.dc * weights[(DC, CD)[k]]
        assert_allclose(types["C|C"], after_c, atol=1e-12)
    swapped = chain(ipd(), [b, a]).action_types(weights[[CC, DC, CD, DD]], 1)
    assert c.action_types(weights, 0) == pytest.approx(swapped)


# --- preferences along the chain -----------------------------------------------------------------


@quick
@given(rules, rules, games)
def test_utility_along_the_chain(a: MemoryOne, b: MemoryOne, game: Repeated) -> None:
    c = chain(game, [a, b])
    for k in (0, 1):
        assert_allclose(c.utility(Economicus(), k), c.payoffs[k], atol=1e-9)
        assert_allclose(c.utility(Utilitarian(), k), c.payoffs.sum(0), atol=1e-9)
        share = c.long_run()
        betrayed = c.action_types(share, k)["D|C"]
        assert_allclose(share @ c.utility(Deontological(), k), -3 * betrayed, atol=1e-9)


@quick
@given(lively, st.integers(0, 50).map(lambda x: x / 10))
def test_no_regret_for_who_replies_best_to_the_state(other: MemoryOne, precision: float) -> None:
    """State by state, nobody earns more than the best reply to the other's very choice."""

    def mirrored(d: Decision) -> list[Array]:
        return [other([ipd().seat(1, d.history)])[0].p]

    top = chain(ipd(), [LogitAgent(Utilitarian(), np.inf, mirrored), other]).utility(Utilitarian())
    some = chain(ipd(), [LogitAgent(Utilitarian(), precision, mirrored), other]).utility(Utilitarian())
    coin = chain(ipd(), [LogitAgent(Utilitarian(), 0, mirrored), other]).utility(Utilitarian())
    assert (top >= some - 1e-9).all()
    assert (some >= coin - 1e-9).all()


def selfish_optima(gamma: float) -> list[set[tuple[int, ...]]]:
    """By state: the deterministic memory-one rules worth most against tit for tat, as P(C) by state."""
    worth: dict[tuple[int, ...], Array] = {}
    for rule in product((0, 1), repeat=4):
        c = chain(ipd(), [MemoryOne(1, *map(float, rule)), TitForTat()])
        worth[rule] = c.worth(c.payoffs[0], gamma)
    return [
        {r for r, w in worth.items() if w[s] > max(x[s] for x in worth.values()) - 1e-9} for s in range(4)
    ]


def test_above_a_third_patience_makes_the_selfish_cooperate_with_tit_for_tat() -> None:
    """C costs 1 now and earns 3 a round later, whatever the state: it pays where gamma > 1/3."""
    always, never = (1, 1, 1, 1), (0, 0, 0, 0)
    for gamma in (0.0, 0.2, 1 / 3 - 1e-4):
        assert all(never in rules for rules in selfish_optima(gamma))
        assert not any(always in rules for rules in selfish_optima(gamma))
    for gamma in (1 / 3 + 1e-4, 0.5, 0.9):
        assert all(always in rules for rules in selfish_optima(gamma))
        assert not any(never in rules for rules in selfish_optima(gamma))
    assert all(len(rules) == 16 for rules in selfish_optima(1 / 3))


# --- what cannot be played -----------------------------------------------------------------------


def coins() -> Chain:
    return chain(ipd(), [Random(), Random()])


def test_a_game_without_an_end_needs_a_number_of_rounds() -> None:
    both: dict[int, Policy] = {0: Random(), 1: Random()}
    with pytest.raises(HominesError, match=r"announces no end; say how many rounds"):
        play(ipd(), both, np.random.default_rng(0))
    with pytest.raises(HominesError, match=r"announces no end; give it rounds, or use chain\(\)"):
        value(ipd(), both)
    assert len(play(ipd(), both, np.random.default_rng(0), rounds=3)) == 6
    assert len(play(ipd(5), both, np.random.default_rng(0), rounds=3)) == 6
    assert len(play(ipd(2), both, np.random.default_rng(0), rounds=3)) == 4
    assert_allclose(value(ipd(2), both), [4, 4])


def test_every_player_needs_a_policy() -> None:
    with pytest.raises(HominesError, match="player 1 is to move and has no policy"):
        play(ipd(2), {0: Random()}, np.random.default_rng(0))
    with pytest.raises(HominesError, match="player 0 is to move and has no policy"):
        value(ipd(2), {1: Random()})
    with pytest.raises(HominesError, match="1 policies for a game of 2 players"):
        chain(ipd(), [Random()])


@pytest.mark.parametrize("gamma", [1.0, 1.5, -0.1, float("nan")])
def test_gamma_lies_below_one(gamma: float) -> None:
    for call in (lambda: coins().discounted(gamma), lambda: coins().worth(coins().payoffs[0], gamma)):
        with pytest.raises(HominesError, match=r"gamma .* must lie in \[0, 1\); for 1 use long_run"):
            call()


@pytest.mark.parametrize("start", [[1, 0, 0], [2, 0, 0, 0], [-1, 2, 0, 0], [float("nan"), 0, 0, 1], []])
def test_a_start_is_a_distribution_over_the_states(start: list[float]) -> None:
    for call in (lambda: coins().long_run(start), lambda: coins().discounted(0.5, start)):
        with pytest.raises(HominesError, match=r"start .* is no distribution over the 4 states"):
            call()


def test_utility_where_no_player_is_like_another() -> None:
    table = np.random.default_rng(0).uniform(0, 10, (3, 2, 3, 2))
    game = Repeated(NormalForm((("a", "b"), ("c", "d", "e"), ("f", "g")), table))
    policies = [LogitAgent(Economicus(), precision) for precision in (0.1, 0.5, 2.0)]
    c = chain(game, policies)
    assert c.transition.shape == (12, 12)
    for k in range(3):
        assert_allclose(c.utility(Economicus(), k), c.payoffs[k])


def test_a_chain_of_a_stage_with_three_actions() -> None:
    """Rock, paper, scissors by coins of three sides: every state a ninth, payoffs nil."""
    pays = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]])
    game = Repeated(NormalForm.two(("r", "p", "s"), pays))
    c = chain(game, [LogitAgent(Economicus()), LogitAgent(Economicus())])
    assert_allclose(c.long_run(), 1 / 9)
    assert_allclose(c.payoffs, 0, atol=1e-12)
    assert len(c.action_types(c.long_run())) == 9


def test_regret_in_the_long_run_by_hand() -> None:
    """A defector betrays a cooperator every round; what it forgoes depends on what is counted."""
    c = chain(ipd(), [AlwaysDefect(), AlwaysCooperate()])
    weights = c.long_run()
    assert c.regret(Deontological(), weights) == pytest.approx(3)
    assert c.regret(Economicus(), weights) == pytest.approx(0)
    assert c.regret(Utilitarian(), weights) == pytest.approx(6 - 4)
    assert c.regret(Economicus(), weights, player=1) == pytest.approx(1)


@given(lively, lively, gammas)
@quick
def test_regret_is_never_negative_and_nil_for_the_best_reply(
    one: MemoryOne, two: MemoryOne, gamma: float
) -> None:
    c = chain(ipd(), [one, two])
    assert c.regret(Utilitarian(), c.discounted(gamma)) >= -1e-12
    best = chain(ipd(), [AlwaysDefect(), two])  # D pays more, whatever the other does
    assert best.regret(Economicus(), best.discounted(gamma)) == pytest.approx(0, abs=1e-12)
