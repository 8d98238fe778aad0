"""Every file of preferences/: a frozen, spellable dataclass, a utility for every outcome."""

from __future__ import annotations

import inspect
from contextlib import suppress
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import pytest

from homines.core.plugins import describe, factory, names
from homines.core.registry import find, spell
from homines.core.types import Array, Decision, HominesError, Preference
from homines.games.bos import bos
from homines.games.dictator import dictator
from homines.games.dilemma import dilemma
from homines.games.icn import icn
from homines.games.ipd import ipd
from homines.games.public_goods import public_goods
from homines.games.spd import spd
from homines.games.trust import trust
from homines.theory.game_forms import Repeated, veil

ALL = names("preferences")
GIVEN: dict[str, Any] = {"float": 0.25, "int": 1, "str": "word", "bool": True}
"""Values for parameters without a default, by annotation."""


def made(name: str) -> Preference:
    """The preference with its defaults, and with GIVEN where it has none."""
    needed = {
        p.name: GIVEN[str(p.annotation)]
        for p in inspect.signature(factory("preferences", name)).parameters.values()
        if p.default is p.empty
    }
    return find("preferences", f"{name}({', '.join(f'{k}={v}' for k, v in needed.items())})")


SEATED = {"lives": dilemma}
"""Preferences over seats that only one game has."""


def everyday(name: str) -> list[Decision]:
    """Symmetric, C and D, payoffs of at least 0, with and without a past: nothing to refuse. For a preference
    over the seats of one game, decisions of that."""
    if name in SEATED:
        return [SEATED[name](draw=draw).due(())[0] for draw in range(6)]
    games: list[Repeated] = [ipd(), icn(), ipd(3)]
    return [d for g in games for k in (0, 1) for d in (g.seat(k), *g.memory_one(k))]


def unusual() -> list[Decision]:
    """Asymmetric, sequential, of many players, under a veil, with one who never moves."""
    second = spd(3).due(((0, None),))[1]
    one_shot = (spd(3), trust(3), public_goods(3), dictator())
    several = [next(iter(game.due(()).values())) for game in one_shot]
    return [*several, second, bos().seat(1), veil(spd(3)).seat(), veil(trust(3)).seat()]


def check(u: Array, d: Decision) -> None:
    assert u.shape == d.payoffs.shape[1:]
    assert u.dtype == np.float64
    assert np.isfinite(u).all()


@pytest.mark.parametrize("name", ALL)
def test_every_outcome_has_a_utility(name: str) -> None:
    preference = made(name)
    for d in everyday(name):
        check(preference(d), d)


@pytest.mark.parametrize("name", ALL)
def test_any_other_decision_it_judges_or_refuses(name: str) -> None:
    preference = made(name)
    for d in unusual():
        with suppress(HominesError):
            check(preference(d), d)


@pytest.mark.parametrize("name", ALL)
def test_it_looks_at_the_decision_and_nothing_else(name: str) -> None:
    preference = made(name)
    for d in everyday(name):
        before = d.key
        u = preference(d).copy()
        again = preference(Decision.from_json(d.to_json()))
        assert np.array_equal(u, again)
        assert d.key == before
        # beliefs are the choice's business, not the preference's
        if d.theirs:
            told = replace(d, others=(np.array([0.9, 0.1]),))
            assert np.array_equal(u, preference(told))


@pytest.mark.parametrize("name", [name for name in ALL if name not in SEATED])
def test_both_players_of_a_symmetric_game_are_judged_alike(name: str) -> None:
    preference = made(name)
    for a in (0, 1):
        for b in (0, 1):
            zero, one = ipd().seat(0, ((a, b),)), ipd().seat(1, ((b, a),))
            assert np.array_equal(preference(zero), preference(one))


@pytest.mark.parametrize("name", ALL)
def test_its_fields_are_its_parameters(name: str) -> None:
    preference = made(name)
    kind = type(preference)
    assert is_dataclass(kind)
    assert kind.__module__ == f"homines.preferences.{name}"
    assert [f.name for f in fields(kind)] == list(inspect.signature(kind).parameters)
    assert hash(preference) == hash(made(name))
    assert preference == made(name)
    for field in fields(kind):
        with pytest.raises(AttributeError):
            setattr(preference, field.name, 0)
    assert find("preferences", spell(preference)) == preference


@pytest.mark.parametrize("entry", describe("preferences"), ids=lambda e: e.name)
def test_its_docstring_gives_the_formula(entry: Any) -> None:
    assert entry.summary.startswith(("u =", "u(x, y) ="))
