"""Laws of game forms: seats, symmetry, the veil, sequences of moves, immutability, identity."""

from __future__ import annotations

import json
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from homines.core.types import Array, Decision, Game, History, HominesError, frozen
from homines.games.dictator import dictator
from homines.games.spd import spd
from homines.games.trust import trust
from homines.games.ultimatum import ultimatum
from homines.theory.game_forms import (
    NormalForm,
    Repeated,
    Sequential,
    append_stage,
    is_symmetric,
    nodes,
    plan_probability,
    veil,
)

quick = settings(max_examples=40, deadline=None)
money = st.integers(-1000, 1000).map(lambda cents: cents / 100)
CD = ("C", "D")


def tables(*shape: int) -> st.SearchStrategy[Array]:
    n = int(np.prod(shape))
    return st.lists(money, min_size=n, max_size=n).map(lambda x: frozen(np.reshape(x, shape)))


def distributions(n: int) -> st.SearchStrategy[Array]:
    parts = st.lists(st.integers(1, 9), min_size=n, max_size=n)
    return parts.map(lambda x: frozen(np.array(x) / sum(x)))


@st.composite
def sequentials(draw: st.DrawFn) -> Sequential:
    """Two or three moves, two replies, any move may end the game."""
    moves = draw(st.integers(2, 3))
    table = np.array(draw(tables(2, moves, 2)))
    ends = draw(st.sets(st.integers(0, moves - 1)))
    for a in ends:
        table[:, a, 1] = table[:, a, 0]
    return Sequential(tuple("XYZ"[:moves]), ("g", "k"), frozen(table), frozenset(ends))


@quick
@given(tables(2, 2))
def test_seats_of_a_symmetric_game_agree(mine: Array) -> None:
    game = NormalForm.two(CD, mine)
    assert game.symmetric
    zero, one = game.seat(0), game.seat(1)
    assert_allclose(zero.payoffs, one.payoffs)
    assert zero.same is not None
    assert one.same is not None
    assert_allclose(zero.same, np.diag(mine))
    assert_allclose(one.same, np.diag(mine))


@quick
@given(tables(3, 2, 3, 2))
def test_a_seat_puts_me_first_and_keeps_the_others_in_order(table: Array) -> None:
    game = NormalForm((CD, ("x", "y", "z"), CD), table)
    for k, others in ((0, (1, 2)), (1, (0, 2)), (2, (0, 1))):
        d = game.seat(k)
        assert d.theirs == tuple(game.actions[j] for j in others)
        for joint in product(range(2), range(3), range(2)):
            seen = d.payoffs[:, joint[k], joint[others[0]], joint[others[1]]]
            assert_allclose(seen, table[[k, *others]][(slice(None), *joint)])
            assert_allclose(game.payoffs((joint,))[k], seen[0])


@quick
@given(st.tuples(*[st.tuples(money, money, money)] * 2))
def test_a_game_that_only_counts_the_others_is_symmetric(
    pay: tuple[tuple[float, ...], ...],
) -> None:
    table = np.zeros((3, 2, 2, 2))
    for joint in product(range(2), repeat=3):
        for k in range(3):
            table[(k, *joint)] = pay[joint[k]][sum(joint) - joint[k]]
    game = NormalForm((CD,) * 3, frozen(table), symmetric=True)
    same = game.seat(2).same
    assert same is not None
    assert_allclose(same, [pay[0][0], pay[1][2]])
    table[0, 0, 0, 1] += 1
    assert not is_symmetric((CD,) * 3, table)
    with pytest.raises(HominesError, match="not symmetric"):
        NormalForm((CD,) * 3, frozen(table), symmetric=True)


def test_a_symmetric_game_of_many_players_is_checked_at_once() -> None:
    n = 12
    others = np.indices((2,) * n).sum(0)
    assert is_symmetric((CD,) * n, frozen(np.stack([others] * n)))
    assert not is_symmetric((CD,) * n, frozen(np.stack([others] * (n - 1) + [others + 1])))


def test_names_that_differ_are_not_symmetric() -> None:
    table = frozen([[[1, 0], [0, 1]]] * 2)
    assert is_symmetric((CD, CD), table)
    assert not is_symmetric((CD, ("A", "B")), table)
    assert NormalForm((CD, ("A", "B")), table).seat(0).same is None


@quick
@given(tables(2, 2, 2), st.lists(st.tuples(*[st.integers(0, 1)] * 2), max_size=4))
def test_payoffs_of_a_repeated_game_add_up(table: Array, past: list[tuple[int, int]]) -> None:
    game = Repeated(NormalForm((CD, CD), table), 4)
    total = sum((table[:, a, b] for a, b in past), np.zeros(2))
    assert_allclose(game.payoffs(tuple(past)), total, atol=1e-9)
    assert bool(game.due(tuple(past))) == (len(past) < 4)
    for k, d in game.due(tuple(past)).items():
        assert (d.player, d.history, d.rounds) == (k, tuple(past), 4)


def test_memory_one_states_come_in_table_order() -> None:
    game = Repeated(NormalForm.two(CD, [[3, 0], [4, 1]]))
    assert game.states == ((0, 0), (0, 1), (1, 0), (1, 1))
    assert [d.history for d in game.memory_one(1)] == [(state,) for state in game.states]
    assert {d.player for d in game.memory_one(1)} == {1}


@pytest.mark.parametrize(("actions", "memory"), [(2, 1), (2, 2), (2, 5), (3, 2), (3, 3)])
def test_what_is_remembered_comes_in_the_order_of_counting(actions: int, memory: int) -> None:
    """Oldest round first: the index of a history, digit by digit, is its index."""
    game = Repeated(NormalForm.two("abc"[:actions], np.zeros((actions, actions))))
    pasts, n = game.pasts(memory), actions**2
    assert len(pasts) == n**memory
    for i, past in enumerate(pasts):
        assert sum(game.states.index(s) * n**t for t, s in enumerate(reversed(past))) == i  # pyright: ignore[reportArgumentType]
    for k in (0, 1):
        assert [d.history for d in game.remembered(k, memory)] == list(pasts)
        assert {d.player for d in game.remembered(k, memory)} == {k}


def test_memory_one_is_a_memory_of_one_round() -> None:
    game = Repeated(NormalForm.two(CD, [[3, 0], [4, 1]]), 7)
    for k in (0, 1):
        assert [d.key for d in game.memory_one(k)] == [d.key for d in game.remembered(k, 1)]
    assert game.pasts() == tuple((s,) for s in game.states)


@pytest.mark.parametrize(
    ("memory", "message"),
    [
        (6, r"memory 6 makes 4\^6 = 4096 states, more than 1024; use a smaller memory, or train on sampled"),
        (10**9, r"memory 1000000000 makes 4\^1000000000 states, more than 1024"),
        (0, "memory must be a whole number of at least 1, got 0"),
        (1.5, "memory must be a whole number of at least 1, got 1.5"),
        (True, "memory must be a whole number of at least 1, got True"),
    ],
)
def test_a_memory_that_cannot_be_listed(memory: int, message: str) -> None:
    game = Repeated(NormalForm.two(CD, [[3, 0], [4, 1]]))
    for call in (game.pasts, lambda m: game.remembered(0, m)):
        with pytest.raises(HominesError, match=message):
            call(memory)


@quick
@given(sequentials())
def test_the_veil_is_symmetric(game: Sequential) -> None:
    v = veil(game)
    n = len(v.plans)
    replies = len(game.first) - len(game.ends)
    assert n == len(game.first) * 2**replies == len(set(v.names))
    # what I get as player 0 against you is what you get as player 1 against me, and so on
    assert_allclose(v.table[0], v.table[1].transpose(1, 0, 2)[..., ::-1])
    assert_allclose(v.table[1], v.table[0].transpose(1, 0, 2)[..., ::-1])
    assert is_symmetric((v.names,) * 2, v.table.mean(-1))
    d = v.seat()
    assert d.same is not None
    for x in range(n):
        assert_allclose(d.same[x], d.payoffs[0, x, x])
        assert_allclose(v.payoffs(((x, x),))[0], v.payoffs(((x, x),))[1])


@quick
@given(st.data())
def test_product_over_nodes_equals_direct_play(data: st.DataObject) -> None:
    """sum over plans of p(x) q(y) pays what walking the tree node by node does."""
    game = data.draw(sequentials())
    v = veil(game)
    points = [(k, h, len(d.actions)) for h, due in nodes(game) for k, d in due.items()]
    p = {(k, h): data.draw(distributions(n)) for k, h, n in points}
    q = {(k, h): data.draw(distributions(n)) for k, h, n in points}
    x, y = plan_probability(v, p), plan_probability(v, q)
    assert_allclose(x.sum(), 1)
    by_plan = np.einsum("x,kxyw,y->kw", x, v.table, y)
    direct = np.stack([walked(game, p, q), walked(game, q, p)[::-1]], axis=-1)
    assert_allclose(by_plan, direct, atol=1e-9)


def walked(
    game: Game,
    zero: dict[tuple[int, History], Array],
    one: dict[tuple[int, History], Array],
    history: History = (),
) -> Array:
    """Expected payoffs of players 0 and 1 from here on."""
    due = game.due(history)
    if not due:
        return game.payoffs(history)
    ((k, d),) = due.items()
    chances = (zero, one)[k][k, history]
    after = [walked(game, zero, one, append_stage(history, {k: a}, 2)) for a in range(len(d.actions))]
    return np.tensordot(chances, np.array(after), 1)


def test_names_of_plans() -> None:
    assert veil(spd(3)).names == ("CCC", "CCD", "CDC", "CDD", "DCC", "DCD", "DDC", "DDD")
    assert veil(trust(3)).names == ("IG", "IK", "NG", "NK")
    assert veil(ultimatum(3)).names == ("EA", "ER", "UA", "UR")
    assert veil(dictator(10, 5)).names == ("0", "5", "10")
    assert veil(NormalForm.two(CD, [[3, 0], [4, 1]])).names == ("CC", "CD", "DC", "DD")


def test_a_move_that_ends_the_game_asks_for_no_reply() -> None:
    game = trust(1)
    ended = append_stage((), {0: 1}, 2)
    assert game.due(ended) == {}
    assert_allclose(game.payoffs(ended), [30, 30])
    with pytest.raises(HominesError, match="move N ends the game"):
        Sequential(("I", "N"), ("G", "K"), spd(1).table, frozenset({1}))


@pytest.mark.parametrize(
    "game", [spd(1), trust(1), ultimatum(1), dictator(), NormalForm.two(CD, [[1, 2], [3, 4]])]
)
def test_nothing_can_be_written_to(game: Game) -> None:
    for _, due in nodes(game):
        for d in due.values():
            arrays = [a for a in (d.payoffs, d.same, d.chance) if a is not None]
            for array in arrays:
                with pytest.raises(ValueError, match="read-only"):
                    array[0] = 9
            with pytest.raises(AttributeError):
                d.player = 3  # pyright: ignore[reportAttributeAccessIssue]


@st.composite
def decisions(draw: st.DrawFn) -> Decision:
    """Any decision: one to three players, chance, beliefs, history, odd names."""
    names = st.lists(st.text(max_size=3), min_size=1, max_size=3, unique=True).map(tuple)
    actions = draw(names)
    theirs = tuple(draw(st.lists(names, max_size=2)))
    chance = draw(st.none() | distributions(2))
    shape = (len(actions), *map(len, theirs), *(() if chance is None else (2,)))
    same = (len(actions), *(() if chance is None else (2,)))
    reply = draw(st.booleans())
    beliefs = tuple(
        np.tile(draw(distributions(len(t))), (len(actions), 1)) if reply else draw(distributions(len(t)))
        for t in theirs
    )
    moves = st.none() | st.integers(0, 2)
    return Decision(
        actions,
        draw(tables(1 + len(theirs), *shape)),
        theirs,
        draw(st.none() | tables(*same)),
        beliefs if draw(st.booleans()) else None,
        chance,
        reply,
        draw(st.none() | st.integers(1, 5)),
        tuple(draw(st.lists(st.tuples(moves, moves), max_size=3))),
        draw(st.integers(0, 2)),
    )


@quick
@given(decisions())
def test_json_gives_the_decision_back(d: Decision) -> None:
    again = Decision.from_json(json.loads(json.dumps(d.to_json())))
    assert again.to_json() == d.to_json()
    assert again.key == d.key
    for name in ("actions", "theirs", "reply", "rounds", "history", "player"):
        assert getattr(again, name) == getattr(d, name)
    for name in ("payoffs", "same", "chance"):
        left, right = getattr(again, name), getattr(d, name)
        assert (left is None) == (right is None)
        assert left is None or np.array_equal(left, right)
    assert (again.others is None) == (d.others is None)
    for left, right in zip(again.others or (), d.others or (), strict=True):
        assert np.array_equal(left, right)


def test_the_key_is_the_same_in_every_version() -> None:
    d = NormalForm.two(CD, [[3, 0], [4, 1]]).seat(0)
    # stored records are found by it: a change of this value breaks every run directory
    assert d.key == "064184f7c4bb0f45"


def test_the_key_tells_decisions_apart() -> None:
    stage = NormalForm.two(CD, [[3, 0], [4, 1]])
    game, other = Repeated(stage), Repeated(NormalForm.two(CD, [[3, 0], [5, 1]]))
    told = stage.seat(0, (), (frozen([0.5, 0.5]),))
    several = [*game.memory_one(0), *game.memory_one(1), *other.memory_one(0), told]
    several += [game.seat(0), game.seat(1), game.stage.seat(0), Repeated(game.stage, 2).seat(0)]
    assert len({d.key for d in several}) == len(several)
    assert game.seat(0).key == Repeated(game.stage).seat(0).key


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: NormalForm((CD, CD), frozen(np.zeros((2, 2)))), "does not fit actions"),
        (lambda: NormalForm.two(CD, [1, 2]), "no matrix"),
        (lambda: NormalForm.two(CD, [[1, 2], [3, float("nan")]]), "not finite"),
        (lambda: NormalForm.two(CD, [[1, 2], [3, 4]], [[1, 2, 3]]), "must be the same"),
        (lambda: NormalForm.two(CD, [[3, 0], [4, 1]]).payoffs(((0, None),)), "everyone moves"),
        (lambda: Sequential(CD, CD, frozen(np.zeros((2, 2)))), "shape"),
        (lambda: veil(NormalForm((CD,) * 3, frozen(np.zeros((3, 2, 2, 2))))), "two-player"),
        (lambda: veil(Repeated(NormalForm.two(CD, [[3, 0], [4, 1]]), 3)), "plans are more than"),
    ],
)
def test_errors_say_what_is_wrong(make: object, message: str) -> None:
    assert callable(make)
    with pytest.raises(HominesError, match=message):
        make()
