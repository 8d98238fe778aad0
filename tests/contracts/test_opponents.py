"""Every file of opponents/: a frozen, spellable policy for two players with two actions."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import is_dataclass
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from homines.core import Choice, Decision, HominesError, Policy
from homines.forms import NormalForm, veil
from homines.games.bos import bos
from homines.games.dictator import dictator
from homines.games.ipd import ipd
from homines.games.public_goods import public_goods
from homines.games.spd import spd
from homines.lookup import describe, factory, find, names, spell
from homines.opponents.memory_one import MemoryOne
from homines.opponents.random import Random
from homines.opponents.tit_for_tat import TitForTat

ALL = names("opponents")
GIVEN: dict[str, Any] = {"float": 0.25, "int": 1, "bool": True}
"""Values for parameters without a default, by annotation."""
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
    for past in [((a, b),) for a, b in STATES]:
        mirrored = tuple(stage[::-1] for stage in past)
        one, two = policy([ipd().seat(0, past), ipd().seat(1, mirrored)])
        assert_allclose(one.p, two.p)


@pytest.mark.parametrize("name", ALL)
def test_what_it_cannot_play_it_refuses_in_words(name: str) -> None:
    policy = made(name)
    second = spd(3).due(((1, None),))[1]
    assert_allclose(policy([second, bos().seat(1)])[0].p.sum(), 1)
    for game in (public_goods(3), dictator(), veil(spd(3))):
        d = next(iter(game.due(()).values()))
        with pytest.raises(HominesError, match="two players with two actions each"):
            policy([d])
    with pytest.raises(HominesError, match="list C first"):
        policy([NormalForm.two(("D", "C"), [[1, 4], [0, 3]]).seat(0)])


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
    ):
        assert_allclose(shares(classic(rounds())), shares(same(rounds())))


def test_tit_for_tat_answers_a_move_it_has_seen() -> None:
    for move in (0, 1):
        (choice,) = TitForTat()([spd(3).due(((move, None),))[1]])
        assert choice.p[move] == 1


def test_probabilities_lie_in_the_unit_interval() -> None:
    for spec in ("random(p=1.5)", "memory_one(0, 0, -0.1, 0, 0)", "random(p=inf)"):
        with pytest.raises(HominesError, match=r"must be a number in \[0, 1\]"):
            find("opponents", spec)
