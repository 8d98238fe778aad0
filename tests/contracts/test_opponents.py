"""Every file of opponents/: a frozen, spellable policy; most for two players with two actions."""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from dataclasses import is_dataclass
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from homines.core.plugins import describe, factory, names
from homines.core.registry import find, spell
from homines.core.types import Choice, Decision, HominesError, Policy
from homines.games.bos import bos
from homines.games.dictator import dictator
from homines.games.ipd import ipd
from homines.games.public_goods import public_goods
from homines.games.spd import spd
from homines.opponents import opponent
from homines.opponents.extortion import Extortion
from homines.opponents.generous_tit_for_tat import GenerousTitForTat
from homines.opponents.grim import Grim
from homines.opponents.memory_one import MemoryOne
from homines.opponents.random import Random
from homines.opponents.tit_for_tat import TitForTat
from homines.opponents.win_stay_lose_shift import WinStayLoseShift
from homines.theory.chain import chain
from homines.theory.game_forms import NormalForm, Repeated, veil

ALL = names("opponents")
GIVEN: dict[str, Any] = {"float": 0.25, "int": 1, "bool": True, "str": "TitForTat"}
"""Values for parameters without a default, by annotation."""
PICKY = {"axelrod": "both move at once", "extortion": "symmetric prisoner's dilemma"}
"""Those that refuse some games of two players with two actions, and what they ask for."""
RECKON = ("nash", "qlearner", "undercut")
"""Those that reckon with the payoffs of one round, of any number of players and actions."""
PICKY |= dict.fromkeys(RECKON, "choose at the same time")
STATES = ((0, 0), (0, 1), (1, 0), (1, 1))


def made(name: str) -> Policy:
    """The opponent with its defaults, and with GIVEN where it has none."""
    needed = {
        p.name: GIVEN[str(p.annotation)]
        for p in inspect.signature(factory("opponents", name)).parameters.values()
        if p.default is p.empty
    }
    return find("opponents", f"{name}({', '.join(f'{k}={v}' for k, v in needed.items())})")


def rounds() -> list[Decision]:
    """Both seats, no past, one round, two rounds."""
    pasts = [(), *((s,) for s in STATES), *((s, t) for s in STATES for t in STATES)]
    return [ipd().seat(k, past) for k in (0, 1) for past in pasts]


def shares(choices: Sequence[Choice]) -> np.ndarray[Any, Any]:
    return np.array([c.p for c in choices])


@pytest.mark.parametrize("name", ALL)
def test_it_chooses_exactly_and_legally(name: str) -> None:
    choices = made(name)(rounds())
    assert len(choices) == len(rounds())
    for choice in choices:
        assert choice.logp.shape == (2,)
        assert_allclose(choice.p.sum(), 1)
        assert (choice.mass, choice.n) == (1.0, None)


@pytest.mark.parametrize("name", ALL)
def test_a_batch_is_the_decisions_one_by_one(name: str) -> None:
    policy, ds = made(name), rounds()
    assert policy([]) == []
    assert_allclose(shares(policy(ds)), shares([policy([d])[0] for d in ds]))
    assert_allclose(shares(policy(ds[::-1])), shares(policy(ds))[::-1])


@pytest.mark.parametrize("name", ALL)
def test_it_plays_either_seat_alike(name: str) -> None:
    policy = made(name)
    if name == "qlearner":
        pytest.skip("two learners of one session settle on strategies of their own")
    for past in [((a, b),) for a, b in STATES]:
        mirrored = tuple(stage[::-1] for stage in past)
        one, two = policy([ipd().seat(0, past), ipd().seat(1, mirrored)])
        assert_allclose(one.p, two.p)


@pytest.mark.parametrize("name", ALL)
def test_what_it_cannot_play_it_refuses_in_words(name: str) -> None:
    policy = made(name)
    reckons = name in RECKON
    for game in (dictator(), veil(spd(3)), *([] if reckons else [public_goods(3)])):
        d = next(iter(game.due(()).values()))
        with pytest.raises(
            HominesError, match=PICKY[name] if reckons else "two players with two actions each"
        ):
            policy([d])
    if reckons:
        return
    with pytest.raises(HominesError, match="list C first"):
        policy([NormalForm.two(("D", "C"), [[1, 4], [0, 3]]).seat(0)])


@pytest.mark.parametrize("name", ALL)
def test_it_replies_and_plays_unequal_places_or_says_why_not(name: str) -> None:
    policy = made(name)
    second = spd(3).due(((1, None),))[1]
    if name in PICKY:
        with pytest.raises(HominesError, match=PICKY[name]):
            policy([second, bos().seat(1)])
    else:
        assert_allclose(shares(policy([second, bos().seat(1)])).sum(1), 1)


@pytest.mark.parametrize("name", ALL)
def test_it_looks_back_as_far_as_it_says(name: str) -> None:
    policy: Any = made(name)
    k = policy.memory
    assert k == math.inf or (isinstance(k, int) and k >= 0)
    assert "memory" not in spell(policy).removeprefix("memory_one")
    pasts = [past for n in range(4) for past in product(STATES, repeat=n)]
    p = dict(zip(pasts, shares(policy([ipd().seat(0, past) for past in pasts])), strict=True))
    for past in pasts:
        assert_allclose(p[past], p[past[max(len(past) - min(k, 3), 0) :]], atol=1e-12)


@pytest.mark.parametrize("name", ALL)
def test_opponent_takes_every_spec_that_find_takes(name: str) -> None:
    assert opponent(spell(made(name))) == made(name)


@pytest.mark.parametrize("name", ALL)
def test_it_is_spelt(name: str) -> None:
    policy = made(name)
    assert is_dataclass(policy)
    assert type(policy).__module__ == f"homines.opponents.{name}"
    assert find("opponents", spell(policy)) == policy == made(name)
    assert hash(policy) == hash(made(name))


@pytest.mark.parametrize("entry", describe("opponents"), ids=lambda e: e.name)
def test_it_says_what_it_does(entry: Any) -> None:
    assert entry.summary.endswith(".")


def moves(spec: str, past: tuple[tuple[int, int], ...], player: int = 0) -> float:
    """Probability of C."""
    return float(find("opponents", spec)([ipd().seat(player, past)])[0].p[0])


def test_what_each_classic_does() -> None:
    for past in ((), *(((a, b),) for a, b in STATES)):
        assert moves("always_cooperate", past) == 1
        assert moves("always_defect", past) == 0
        assert moves("random", past) == 0.5
        assert moves("random(p=0.25)", past) == pytest.approx(0.25)
    assert moves("tit_for_tat", ()) == 1
    assert moves("tit_for_tat", ((0, 0), (0, 1))) == 0
    assert moves("tit_for_tat", ((1, 1), (1, 0))) == 1
    assert moves("tit_for_tat", ((0, 1),), player=1) == 1
    assert moves("tit_for_tat", ((1, 0),), player=1) == 0


def test_memory_one_reads_my_move_first() -> None:
    spec = "memory_one(0.5, 0.1, 0.2, 0.3, 0.4)"
    assert moves(spec, ()) == pytest.approx(0.5)
    for (mine, other), p in zip(STATES, (0.1, 0.2, 0.3, 0.4), strict=True):
        assert moves(spec, ((1 - mine, other), (mine, other))) == pytest.approx(p)
        assert moves(spec, ((other, mine),), player=1) == pytest.approx(p)


def test_classics_are_memory_one() -> None:
    for classic, same in (
        (TitForTat(), MemoryOne(1, 1, 0, 1, 0)),
        (find("opponents", "always_cooperate"), MemoryOne(1, 1, 1, 1, 1)),
        (find("opponents", "always_defect"), MemoryOne(0, 0, 0, 0, 0)),
        (Random(0.3), MemoryOne(*[0.3] * 5)),
        (Grim(), MemoryOne(1, 1, 0, 0, 0)),
        (WinStayLoseShift(), MemoryOne(1, 1, 0, 0, 1)),
        (GenerousTitForTat(0.2), MemoryOne(1, 1, 0.2, 1, 0.2)),
        (GenerousTitForTat(0), TitForTat()),
    ):
        assert_allclose(shares(classic(rounds())), shares(same(rounds())))


def test_one_who_answers_moves_answers_one_it_has_seen() -> None:
    for policy in (TitForTat(), Grim(), GenerousTitForTat(0)):
        for move in (0, 1):
            (choice,) = policy([spd(3).due(((move, None),))[1]])
            assert choice.p[move] == 1


def test_probabilities_lie_in_the_unit_interval() -> None:
    for spec in ("random(p=1.5)", "memory_one(0, 0, -0.1, 0, 0)", "random(p=inf)", "generous_tit_for_tat(2)"):
        with pytest.raises(HominesError, match=r"must be a number in \[0, 1\]"):
            find("opponents", spec)


def test_generosity_is_that_of_axelrods_payoffs() -> None:
    def most(t: float, r: float, p: float, s: float) -> float:
        return min(1 - (t - r) / (r - s), (r - p) / (t - p))

    assert GenerousTitForTat().generosity == pytest.approx(most(5, 3, 1, 0))
    (r, s), (t, p) = ipd().seat(0).payoffs[0]
    assert most(t, r, p, s) == pytest.approx(2 / 3)  # as the docstring says


PROBABILITY = st.floats(0.05, 0.95)
GAPS = st.floats(0.2, 5)


@given(
    other=st.tuples(*[PROBABILITY] * 5),
    factor=st.floats(1, 20),
    share=st.floats(0.05, 1),
    gaps=st.tuples(GAPS, GAPS, GAPS),
    low=st.floats(-5, 5),
    seat=st.sampled_from([0, 1]),
)
def test_extortion_fixes_the_line_between_payoffs(
    other: Any, factor: float, share: float, gaps: Any, low: float, seat: int
) -> None:
    """own - P = factor * (other - P) against any memory-one strategy, in any prisoner's dilemma."""
    s, p, r, t = low, low + gaps[0], low + gaps[0] + gaps[1], low + sum(gaps)
    game = Repeated(NormalForm.two(("C", "D"), [[r, s], [t, p]]))
    middle = Extortion(factor).strategy(game.seat(0))
    most = 2 * middle.dc / ((t - p) + factor * (p - s))
    policies: list[Policy] = [MemoryOne(*other)] * 2
    policies[seat] = Extortion(factor, share * most)
    c = chain(game, policies)
    paid = c.payoffs @ c.long_run() - p
    assert_allclose(paid[seat], factor * paid[1 - seat], atol=1e-8, rtol=1e-8)


def test_extortion_of_the_paper() -> None:
    """Press & Dyson (2012), below equation 14: factor 3, phi 1/26, payoffs (5, 3, 1, 0)."""
    axelrods = NormalForm.two(("C", "D"), [[3, 0], [5, 1]]).seat(0)
    for phi in (1 / 26, None):  # the middle
        p = Extortion(3, phi).strategy(axelrods)
        assert_allclose([p.cc, p.cd, p.dc, p.dd], [11 / 13, 1 / 2, 7 / 26, 0])
    assert p.start == 0
    t, s = 4, 0
    fair = Extortion(1, 1 / (t - s)).strategy(ipd().seat(0))
    assert_allclose([fair.cc, fair.cd, fair.dc, fair.dd], [1, 0, 1, 0], atol=1e-12)


def test_extortion_refuses_what_it_cannot_do() -> None:
    for spec in ("extortion(factor=0.5)", "extortion(phi=-1)", "extortion(phi=0)"):
        with pytest.raises(HominesError, match=r"at least 1|at least 0|above 0"):
            opponent(spec)
    with pytest.raises(HominesError, match=r"phi 1 makes a probability leave \[0, 1\].* at most 0\.1;"):
        Extortion(3, 1.0)([ipd().seat(0)])
    with pytest.raises(HominesError, match=r"T, R, P, S = 3, 4, 1, 0 are no prisoner's dilemma"):
        Extortion()([NormalForm.two(("C", "D"), [[4, 0], [3, 1]]).seat(0)])
    with pytest.raises(HominesError, match="simultaneous"):
        Extortion()([bos().seat(0)])


def test_the_alternator_alternates_and_two_tits_come_for_one_tat() -> None:
    assert [moves("alternator", past) for past in ((), ((0, 1),), ((1, 0),))] == [1, 0, 1]
    assert moves("two_tits_for_tat", ()) == 1
    for past, p in (
        (((0, 1),), 0), (((0, 0),), 1), (((0, 1), (1, 0)), 0), (((1, 0), (0, 0)), 1),
        (((0, 1), (1, 0), (1, 0)), 1),
    ):  # fmt: skip
        assert moves("two_tits_for_tat", past) == p
