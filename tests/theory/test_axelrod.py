"""homines.opponents.axelrod against the library itself."""

from __future__ import annotations

import math
import sys
import warnings
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from homines.core.registry import find, spell
from homines.core.types import HominesError
from homines.games.bos import bos
from homines.games.ipd import ipd
from homines.opponents import opponent
from homines.opponents.axelrod import Axelrod
from homines.opponents.grim import Grim
from homines.opponents.tit_for_tat import TitForTat
from homines.opponents.win_stay_lose_shift import WinStayLoseShift
from homines.theory.chain import chain, play
from homines.theory.game_forms import NormalForm, Repeated

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import axelrod as axl

ROUNDS = 50
STATES = ((0, 0), (0, 1), (1, 0), (1, 1))
AXELRODS = Repeated(NormalForm.two(("C", "D"), [[3, 0], [5, 1]]))
OURS = axl.Game(r=3, s=0, t=4, p=1)
ACTIONS = (axl.Action.C, axl.Action.D)

PAIRS = [
    ("TitForTat", "Alternator"),
    ("Grudger", "CyclerDC"),
    ("WinStayLoseShift", "CyclerCCD"),
    ("TitFor2Tats", "AntiTitForTat"),
    ("Adaptive", "TitForTat"),
    ("Punisher", "CyclerCCCD"),
    ("FirstByDowning", "Forgiver"),
    ("SecondByGraaskampKatzen", "Bully"),
    ("FirstByTidemanAndChieruzzi", "CyclerDDC"),
    ("BackStabber", "DoubleCrosser"),
    ("EvolvedFSM16", "Gradual"),
]


def moves_here(one: str, two: str, rounds: int | None = None) -> list[tuple[int, ...]]:
    made = play(
        ipd(rounds), {0: opponent(one), 1: opponent(two)}, np.random.default_rng(0), rounds=rounds or ROUNDS
    )
    actions = [move.action for move in made]
    return list(zip(actions[::2], actions[1::2], strict=True))


def moves_there(one: str, two: str, rounds: int | None = None) -> list[tuple[int, ...]]:
    told = {"length": rounds or math.inf, "game": OURS, "noise": 0}
    players = (getattr(axl, one)(), getattr(axl, two)())
    match = axl.Match(players, turns=rounds or ROUNDS, game=OURS, match_attributes=told, seed=1)
    return [tuple(map(ACTIONS.index, stage)) for stage in match.play()]


@pytest.mark.parametrize(("one", "two"), PAIRS)
def test_it_makes_the_moves_of_a_match(one: str, two: str) -> None:
    if axl.Classifiers["stochastic"](getattr(axl, two)()):
        pytest.fail(f"{two} draws; this compares what is certain")
    assert moves_here(f"axelrod:{one}", f"axelrod:{two}") == moves_there(one, two)


def test_an_announced_end_is_told() -> None:
    """BackStabber defects in the last two rounds when it knows them."""
    known = moves_here("axelrod:BackStabber", "axelrod:Cooperator", rounds=12)
    assert known == moves_there("BackStabber", "Cooperator", rounds=12)
    assert [one for one, _ in known] == [0] * 10 + [1] * 2
    assert {one for one, _ in moves_here("axelrod:BackStabber", "axelrod:Cooperator")} == {0}


def test_payoffs_are_told() -> None:
    """ZDExtort2 computes its probabilities from them; here and in axelrod."""
    theirs = axl.ZDExtort2()
    theirs.set_match_attributes(game=OURS)
    ds = [ipd().seat(0, (past,)) for past in STATES]
    ps = [choice.p[0] for choice in Axelrod("ZDExtort2")(ds)]
    assert_allclose(ps, list(theirs._four_vector.values()))
    theirs.set_match_attributes(game=axl.Game())
    assert not np.allclose(ps, list(theirs._four_vector.values()))


@pytest.mark.parametrize("name", ["FirmButFair", "StochasticCooperator", "SoftJoss", "ZDExtort3", "GTFT"])
def test_memory_one_is_exact(name: str) -> None:
    theirs = getattr(axl, name)()
    theirs.set_match_attributes(game=OURS)
    choices = Axelrod(name)([ipd().seat(1, (past[::-1],)) for past in STATES])
    assert_allclose([c.p[0] for c in choices], list(theirs._four_vector.values()), atol=1e-12)
    assert {c.n for c in choices} == {None}
    assert Axelrod(name).memory == 1


def test_coins_of_other_short_memories_are_exact() -> None:
    assert Axelrod("Random", (("p", 0.3),))([ipd().seat(0)])[0].p[0] == pytest.approx(0.3)
    naive = Axelrod("NaiveProber", (("p", 0.2),))
    assert naive([ipd().seat(0, ((0, 0),))])[0].p[0] == pytest.approx(0.8)
    assert naive([ipd().seat(0, ((0, 1),))])[0].p[0] == 0
    repeat = Axelrod("ALLCorALLD")
    assert_allclose([repeat([ipd().seat(0, past)])[0].p[0] for past in ((), ((1, 0),))], [0.6, 0])


@pytest.mark.parametrize(
    ("name", "same"), [("WinStayLoseShift", WinStayLoseShift()), ("TitForTat", TitForTat())]
)
def test_the_classics_of_both_are_the_same(name: str, same: Any) -> None:
    other = opponent("random(p=0.3)")
    one, two = (chain(ipd(), [policy, other]) for policy in (Axelrod(name), same))
    assert_allclose(one.transition, two.transition)
    assert Axelrod(name).memory == same.memory


def test_grudger_is_grim_where_its_past_is_its_own() -> None:
    for replies in ((0, 0, 0), (0, 1, 0), (1, 0, 0)):
        mine = [0, *(int(1 in replies[: i + 1]) for i in range(3))]
        past = tuple(zip(mine[:3], replies, strict=True))
        for policy in (Axelrod("Grudger"), Grim()):
            assert policy([ipd().seat(0, past)])[0].p[mine[3]] == 1


def test_memory_is_the_librarys_unless_belied() -> None:
    assert Axelrod("Cooperator").memory == 0
    assert Axelrod("TitFor2Tats").memory == 2
    assert Axelrod("Grudger").memory == axl.Classifiers["memory_depth"](axl.Grudger())
    for name in ("Adaptive", "CyclerDC", "RandomTitForTat", "RemorsefulProber"):
        assert Axelrod(name).memory == math.inf
    assert axl.Classifiers["memory_depth"](axl.CyclerDC()) == 1  # it counts rounds


@pytest.mark.parametrize(
    "name",
    [
        "CyclerCCD",
        "CyclerDDC",
        "CyclerCCCD",
        "CyclerCCCCCD",
        "CyclerCCCDCD",
        "SecondByColbert",
        "Fortress3",
        "Fortress4",
        "SolutionB1",
        "NTitsForMTats",
        "Ripoff",
        "ContriteTitForTat",
    ],
)
def test_a_declared_depth_that_the_moves_belie_is_not_believed(name: str) -> None:
    """They count rounds or keep a state, and would be another policy in a chain of their depth."""
    assert 1 < axl.Classifiers["memory_depth"](getattr(axl, name)()) < 6
    assert Axelrod(name).memory == math.inf


@pytest.mark.parametrize(
    ("name", "depth"), [("TwoTitsForTat", 2), ("AON2", 2), ("FirstByNydegger", 3), ("GoByMajority5", 5)]
)
def test_a_declared_depth_that_holds_is_kept(name: str, depth: int) -> None:
    assert Axelrod(name).memory == depth


def test_a_deep_one_that_draws_is_one_player_by_its_seed() -> None:
    name, seeds = "Inverse", range(6)
    seen = set[tuple[int, ...]]()
    for seed in seeds:
        policy = opponent(f"axelrod:{name}(seed={seed})")
        made = play(ipd(), {0: policy, 1: opponent("axelrod:CyclerCCD")}, np.random.default_rng(0), rounds=30)
        assert {move.choice.n for move in made[::2]} == {1}
        ours = tuple(move.action for move in made[::2])
        player, other = getattr(axl, name)(), axl.CyclerCCD()
        player.set_seed(seed)
        theirs: list[int] = []
        for _ in range(30):
            a, b = player.strategy(other), other.strategy(player)
            player.update_history(a, b)
            other.update_history(b, a)
            theirs.append(ACTIONS.index(a))
        assert ours == tuple(theirs)
        seen.add(ours)
    assert len(seen) > 1
    assert Axelrod(name).seeded(5) == opponent(f"axelrod:{name}(seed=5)")


def test_it_leaves_the_librarys_randomness_alone() -> None:
    draws: list[float] = []
    for ask in (False, True):
        axl._module_random.seed(3)
        if ask:
            Axelrod("Inverse")([ipd().seat(0, ((0, 1), (0, 1)))])
        draws.append(float(axl._module_random.random()))
    assert draws[0] == draws[1]


def test_unequal_places() -> None:
    assert Axelrod("TitForTat")([bos().seat(1, ((1, 0),))])[0].p[1] == 1
    with pytest.raises(HominesError, match=r"GTFT cannot play payoffs .* choose another"):
        Axelrod("GTFT")([bos().seat(1)])


def test_what_its_payoffs_forbid_is_said() -> None:
    low = Repeated(NormalForm.two(("C", "D"), [[30, 0], [50, 10]])).seat(0)
    with pytest.raises(HominesError, match=r"ZDExtort3 cannot play payoffs .*ValueError"):
        Axelrod("ZDExtort3")([low])
    assert AXELRODS.seat(0).payoffs.shape == (2, 2, 2)
    assert Axelrod("ZDExtort3")([AXELRODS.seat(0)])[0].p[0] == 1


def test_specs() -> None:
    assert opponent("axelrod:TitForTat") == Axelrod("TitForTat") == opponent(" axelrod:TitForTat() ")
    assert find("opponents", "axelrod(strategy=TitForTat)") == Axelrod("TitForTat")
    for spec, made in (
        ("axelrod:GTFT(p=0.5)", Axelrod("GTFT", (("p", 0.5),))),
        ("axelrod:SoftJoss( q=1, seed=7 )", Axelrod("SoftJoss", (("q", 1),), 7)),
        ("axelrod:FirmButFair", Axelrod("FirmButFair")),
        ("axelrod:WinShiftLoseStay(initial=C)", Axelrod("WinShiftLoseStay", (("initial", "C"),))),
        (
            "axelrod:ZDExtort2(s=0.5, phi=0.1)",
            Axelrod("ZDExtort2", (("phi", 0.1), ("s", 0.5))),
        ),
    ):
        assert opponent(spec) == made
        assert opponent(spell(made)) == find("opponents", spell(made)) == made
        assert hash(opponent(spell(made))) == hash(made)
    assert opponent("axelrod:WinShiftLoseStay(initial=C)")([ipd().seat(0)])[0].p[0] == 1
    assert opponent("axelrod:WinShiftLoseStay")([ipd().seat(0)])[0].p[0] == 0
    listed: Any = Axelrod("GTFT", [["p", 0.5]])  # type: ignore[arg-type]
    assert listed == Axelrod("GTFT", (("p", 0.5),))


@pytest.mark.parametrize(
    ("spec", "rule"),
    [
        ("axelrod:TitForTats", r"no strategy 'TitForTats'; did you mean .*TitForTat"),
        ("axelrod:tit_for_tat", r"did you mean TitForTat"),
        ("axelrod:Qqqqqq", r"none has a name like it"),
        ("axelrod:Darwin", r"Darwin \(manipulates_state, inspects_source\).*choose another"),
        ("axelrod:GTFT(q=1)", r"GTFT does not take .*its parameters are: p"),
        ("axelrod:SoftJoss(q=3)", r"SoftJoss does not take .*between 0 and 1"),
        ("axelrod:GTFT(0.5)", r"too many positional"),
        ("axelrod:GTFT(p=print(1))", r"is not a value"),
        ("axelrod:GTFT(p=0.5", r"names no opponent; write axelrod:NAME"),
        ("axelrod:a.b", r"names no opponent"),
        ("axelrod:GTFT(p=1) #)", r"cannot read"),
        ("axelrod:GTFT(seed=-1)", r"seed must be a whole number"),
        ("axelrod(strategy=GTFT, parameters=(p, 0.5))", r"must be pairs"),
        ("axelrod(strategy=GTFT, parameters=((1, 2),))", r"begin with a name"),
        ("axelrod", r"missing a required argument"),
    ],
)
def test_what_cannot_be_made_is_refused_in_words(spec: str, rule: str) -> None:
    with pytest.raises(HominesError, match=rule):
        opponent(spec)


def test_without_the_library_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "axelrod", None)
    with pytest.raises(HominesError, match=r"pip install 'homines\[opponents\]'"):
        opponent("axelrod:TitForTat")


def test_a_declared_depth_is_not_trusted_of_those_that_draw() -> None:
    """EvolvedHMM5 says 5, but what it does after one past depends on what it drew in it."""
    d = ipd().seat(0, tuple((i % 2, i // 3 % 2) for i in range(12)))
    assert axl.Classifiers["memory_depth"](axl.EvolvedHMM5()) == 5
    assert Axelrod("EvolvedHMM5")([d])[0].n == 1
    assert Axelrod("EvolvedHMM5").memory == math.inf
