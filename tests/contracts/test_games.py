"""Every file of games/: pure, and each decision shows what the game then pays."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from homines.core.plugins import describe, factory, names
from homines.core.registry import find
from homines.core.types import Decision, Game, History, HominesError
from homines.estimation.published import AMOUNTS
from homines.games.dictator import dictator
from homines.games.public_goods import public_goods
from homines.games.symmetric import symmetric
from homines.theory.game_forms import NormalForm, Repeated, append_stage, veil

ALL = names("games")
GIVEN: dict[str, Any] = {"float": 1.0, "int": 3, "str": "word", "bool": True}
"""Values for parameters without a default, by annotation; and by name."""
NAMED: dict[str, Any] = {"reward": 3, "sucker": 0.5, "temptation": 5, "punishment": 1}
PLAYS, STAGES = 20, 4


def made(name: str) -> Game:
    """The game with its defaults, and with GIVEN where it has none."""
    needed = {
        p.name: NAMED.get(p.name, GIVEN[str(p.annotation)])
        for p in inspect.signature(factory("games", name)).parameters.values()
        if p.default is p.empty
    }
    return find("games", f"{name}({', '.join(f'{k}={v}' for k, v in needed.items())})")


def players(game: Game) -> int:
    (d, *_) = game.due(()).values()
    return len(d.payoffs)


def seen(d: Decision, k: int, history: History) -> tuple[int, History]:
    """(player, history) of a decision; among a crowd it is (own action, how many others took the second)."""
    if not d.crowd:
        return k, history
    acts = [[a or 0 for a in stage] for stage in history]
    return 0, tuple((stage[k], sum(stage) - stage[k]) for stage in acts)


def plays(game: Game) -> Iterator[list[tuple[History, dict[int, Decision], dict[int, int]]]]:
    """Random plays of a few stages: the history, who decides what, and what they do."""
    rng = np.random.default_rng(0)
    for _ in range(PLAYS):
        history: History = ()
        stages: list[tuple[History, dict[int, Decision], dict[int, int]]] = []
        while len(stages) < STAGES and (due := dict(game.due(history))):
            acts = {k: int(rng.integers(len(d.actions))) for k, d in due.items()}
            stages.append((history, due, acts))
            history = append_stage(history, acts, players(game))
        yield stages


@pytest.mark.parametrize("name", ALL)
def test_decisions_fit_the_history(name: str) -> None:
    game = made(name)
    for stages in plays(game):
        assert stages
        for history, due, _ in stages:
            for k, d in due.items():
                assert (d.player, d.history) == seen(d, k, history)
                assert len(d.payoffs) == players(game)
                assert len(set(d.actions)) == len(d.actions)
                assert all(d.actions)
                assert d.payoffs.dtype == np.float64
                assert not d.payoffs.flags.writeable
                json = d.to_json()
                assert Decision.from_json(json).to_json() == json


@pytest.mark.parametrize("name", ALL)
def test_a_game_is_pure(name: str) -> None:
    game, again = made(name), made(name)
    for history, due, _ in (stage for stages in plays(game) for stage in stages):
        for other in (game.due(history), again.due(history)):
            assert {k: d.key for k, d in other.items()} == {k: d.key for k, d in due.items()}


@pytest.mark.parametrize("name", ALL)
def test_a_decision_shows_what_the_game_then_pays(name: str) -> None:
    """What seat 0 sees at [its action, the others'] is what the stage adds to its total."""
    game = made(name)
    checked = 0
    for stages in plays(game):
        for i, (history, due, acts) in enumerate(stages):
            for k, d in due.items():
                later = stages[i + 1][2] if d.reply and i + 1 < len(stages) else {}
                moved = {**later, **acts}
                if len(d.theirs) > len(moved) - 1 and not d.reply:
                    continue
                # a move that ends the game is followed by no reply, and any entry will do
                others = [moved.get(j, 0) for j in range(players(game)) if j != k][: len(d.theirs)]
                if d.crowd:  # seats are told apart by what they do alone
                    shown = d.payoffs[:, acts[k], sum(others := [acts[j] for j in acts if j != k])]
                    paid = game.payoffs(append_stage(history, acts, players(game))) - game.payoffs(history)
                    assert_allclose(paid[k], shown[0], atol=1e-9)
                    assert_allclose(sorted(paid), sorted(shown), atol=1e-9)
                    checked += 1
                    continue
                shown = d.payoffs[(slice(None), acts[k], *others)]
                if d.chance is not None:
                    shown = shown @ d.chance
                after = append_stage(history, acts, players(game))
                after = append_stage(after, later, players(game)) if later else after
                before = game.payoffs(history) if isinstance(game, Repeated) else 0.0
                order = [k, *(j for j in range(players(game)) if j != k)]
                assert_allclose((game.payoffs(after) - before)[order], shown, atol=1e-9)
                checked += 1
    assert checked >= PLAYS


@pytest.mark.parametrize("name", ALL)
def test_universalising_is_everyone_doing_the_same(name: str) -> None:
    """Where others choose too; where a rule tells a situation, it says what everyone would then face."""
    game = made(name)
    for _, due, _ in (stage for stages in plays(game) for stage in stages):
        for d in due.values():
            if d.crowd:
                assert d.same is not None
                assert_allclose(d.same, [d.payoffs[0, 0, 0], d.payoffs[0, 1, -1]])
            elif d.same is not None and not d.does and (d.theirs or not d.rule):
                assert all(theirs == d.actions for theirs in d.theirs)
                for a in range(len(d.actions)):
                    index = (0, a, *[a] * len(d.theirs))
                    assert_allclose(d.same[a], d.payoffs[index])


@pytest.mark.parametrize("name", ALL)
def test_unknown_parameters_are_refused(name: str) -> None:
    with pytest.raises(HominesError, match="has no parameter 'nonsense'"):
        find("games", f"{name}(nonsense=1)")


@pytest.mark.parametrize("entry", describe("games"), ids=lambda e: e.name)
def test_it_says_what_it_is(entry: Any) -> None:
    assert len(entry.summary) > 20


TABLE = {  # payoffs at CC, CD, DC, DD: row, column (Tennant et al. 2025)
    "ipd": ((3, 3), (0, 4), (4, 0), (1, 1)),
    "ish": ((4, 4), (0, 3), (3, 0), (1, 1)),
    "icn": ((2, 2), (1, 4), (4, 1), (0, 0)),
    "bos": ((3, 2), (0, 0), (0, 0), (2, 3)),
    "icd": ((1, 1), (0, 0), (0, 0), (4, 4)),
    "ivd": ((3, 3), (1, 4), (4, 1), (0, 0)),
}


@pytest.mark.parametrize("name", TABLE)
def test_iterated_games_pay_as_published(name: str) -> None:
    game: Repeated = find("games", name)
    assert game.stage.actions == (("C", "D"),) * 2
    assert game.rounds is None
    assert [tuple(game.payoffs((s,))) for s in game.states] == [*TABLE[name]]
    assert game.stage.symmetric == (name != "bos")
    assert len(find("games", f"{name}(rounds=2)").due(((0, 0),))) == 2
    assert not find("games", f"{name}(rounds=2)").due(((0, 0), (1, 1)))
    for bad in ("0", "-1"):
        with pytest.raises(HominesError, match="rounds must be a whole number of at least 1"):
            find("games", f"{name}(rounds={bad})")


payoff = st.floats(-1e6, 1e6)


@given(payoff, payoff, payoff, payoff)
def test_a_symmetric_game_pays_as_told(r: float, s: float, t: float, p: float) -> None:
    game = symmetric(r, s, t, p)
    assert [tuple(game.payoffs((state,))) for state in game.states] == [(r, r), (s, t), (t, s), (p, p)]
    assert game.stage.symmetric
    assert symmetric(r, s, t, p, rounds=2).rounds == 2


def test_the_prisoners_dilemma_is_a_symmetric_game() -> None:
    made = find("games", "symmetric(reward=3, sucker=0, temptation=4, punishment=1)")
    assert [d.key for d in made.memory_one()] == [d.key for d in find("games", "ipd").memory_one()]


PROTOCOLS = {  # T, R, P, S of protocols 1 to 6 (van Leeuwen & Alger 2024)
    "spd": "90,45,15,10 90,55,20,10 80,65,25,20 90,65,25,10 80,75,30,20 90,75,30,10",
    "trust": "80,50,30,20 90,50,30,10 80,60,30,20 90,60,30,10 80,70,30,20 90,70,30,10",
    "ultimatum": "60,50,10,40 65,50,10,35 70,50,10,30 75,50,10,25 80,50,10,20 85,50,10,15",
}


@pytest.mark.parametrize("protocol", range(1, 7))
def test_protocols_pay_as_published(protocol: int) -> None:
    def paid(name: str, *moves: int) -> tuple[float, ...]:
        history: History = tuple((m, None) if i == 0 else (None, m) for i, m in enumerate(moves))
        game: Game = find("games", f"{name}({protocol})")
        assert not game.due(history)
        return tuple(game.payoffs(history))

    def numbers(name: str) -> list[float]:
        return [float(x) for x in PROTOCOLS[name].split()[protocol - 1].split(",")]

    t, r, p, s = numbers("spd")
    assert t + s == 100
    assert [paid("spd", a, b) for a in (0, 1) for b in (0, 1)] == [(r, r), (s, t), (t, s), (p, p)]
    t, r, p, s = numbers("trust")
    assert t + s == 100
    assert [paid("trust", 0, 0), paid("trust", 0, 1), paid("trust", 1)] == [(r, r), (s, t), (p, p)]
    t, r, p, s = numbers("ultimatum")
    assert t + s == 100
    ultimatum = [paid("ultimatum", 0), paid("ultimatum", 1, 0), paid("ultimatum", 1, 1)]
    assert ultimatum == [(r, r), (t, s), (p, p)]


@pytest.mark.parametrize("name", PROTOCOLS)
@pytest.mark.parametrize("bad", ["0", "7"])
def test_there_are_six_protocols(name: str, bad: str) -> None:
    with pytest.raises(HominesError, match=rf"protocol must be a whole number in \[1, 6\], got {bad}"):
        find("games", f"{name}({bad})")


def test_the_dictator_divides_the_total() -> None:
    game = dictator(total=10, step=2.5)
    (d,) = game.due(()).values()
    assert d.actions == ("0", "2.5", "5", "7.5", "10")
    assert d.theirs == ()
    assert_allclose(d.payoffs, [[10, 7.5, 5, 2.5, 0], [0, 2.5, 5, 7.5, 10]])
    assert game.due(((0, None),)) == {}
    assert_allclose(game.payoffs(((1, None),)), [7.5, 2.5])
    same = veil(game).seat().same
    assert same is not None
    assert_allclose(same.sum(-1), 10)
    assert dictator(total=1_000_000, step=500_000).actions == ("0", "500000", "1000000")


@pytest.mark.parametrize(
    ("total", "step", "message"),
    [
        (100, 7, "step 7 must divide total 100"),
        (100, 0, "both be above 0"),
        (0, 1, "both be above 0"),
        (10, 20, "must divide"),
        (100, 0.01, "10001 actions"),
        (-1, 1, "total must be a number of at least 0"),
    ],
)
def test_amounts_that_cannot_be_divided(total: float, step: float, message: str) -> None:
    with pytest.raises(HominesError, match=message):
        dictator(total, step)


@pytest.mark.parametrize("contributed", [(0, 0, 0), (1, 0, 0), (0, 2, 1), (2, 2, 2)])
def test_public_goods_are_shared_by_all(contributed: tuple[int, int, int]) -> None:
    game = public_goods(3, endowment=10, multiplier=1.5, step=5)
    gifts = np.array(contributed) * 5.0
    assert_allclose(game.payoffs((contributed,)), 10 - gifts + 1.5 * gifts.sum() / 3)
    assert game.actions[0] == ("0", "5", "10")


def test_public_goods_are_symmetric_whatever_the_number_of_players() -> None:
    game: NormalForm = public_goods(10)
    d = game.seat(7)
    assert d.same is not None
    assert_allclose(d.same, [20, 32])


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("public_goods(players=20)", "20 players with 2 contributions make .* fewer players"),
        ("public_goods(players=1)", r"players must be a whole number in \[2, 20\], got 1"),
        ("public_goods(step=3)", "step 3 must divide endowment 20"),
        ("public_goods(multiplier=-1)", "multiplier must be a number of at least 0"),
        ("symmetric(3, 0, 5)", "missing a required argument: 'punishment'"),
        ("symmetric(3, x, 5, 1)", "sucker must be a number, got 'x'"),
        ("symmetric(3, 0, inf, 1)", "temptation must be .*number.*, got inf"),
        ("symmetric(3, 0, 5, 1, rounds=0)", "rounds must be a whole number of at least 1, got 0"),
        ("ordinal(0, 1)", r"row must be a whole number in \[1, 12\], got 0"),
        ("ordinal(1, 13)", r"column must be a whole number in \[1, 12\], got 13"),
    ],
)
def test_games_that_cannot_be_built(spec: str, message: str) -> None:
    with pytest.raises(HominesError, match=message):
        find("games", spec)


def test_the_last_round_of_a_public_good_is_that_of_the_table() -> None:
    """What the whole table pays where the others give as before; the rule tells the round and the past."""
    whole = find("games", "public_goods(players=4, multiplier=2, step=5)")
    last = find("games", "public_goods_round(step=5, before=10)")
    (d,) = last.due(()).values()
    assert_allclose(d.payoffs[0], whole.table[0, :, 2, 2, 2])
    assert_allclose(d.payoffs[1], whole.table[1, :, 2, 2, 2])
    for words in ("You and 3 others", "multiplied by 2", "This is round 3, the last", "everybody put in 10"):
        assert words in d.rule
    with pytest.raises(HominesError, match="before 30 must be at most the endowment, 20"):
        find("games", "public_goods_round(before=30)")


def test_people_are_compared_in_the_game_that_they_played() -> None:
    """MobLab's: four people, a return of a half, round 3 of 3, any whole number of 20 points."""
    (good,) = (b for b in AMOUNTS if b.name.startswith("public goods"))
    (d,) = find("games", good.game).due(()).values()
    assert d.actions == tuple(str(i) for i in range(21))
    assert np.diff(d.payoffs[0]) == pytest.approx(-0.5)
    assert np.diff(d.payoffs[1]) == pytest.approx(0.5)
    for b in AMOUNTS:
        assert float(find("games", b.game).due(())[b.seat].actions[-1]) == b.most
