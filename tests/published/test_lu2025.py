"""Homo moralis in the 18 protocols, in pure strategies and with alpha = beta = 0.

Derived facts about the games of van Leeuwen & Alger (2024) that Lu et al. (2025) build on.
"""

from __future__ import annotations

import numpy as np
import pytest

from homines.core.types import Array
from homines.games.spd import spd
from homines.games.trust import trust
from homines.games.ultimatum import ultimatum
from homines.preferences.moralis import Moralis
from homines.theory.choice import best_response, expected_utility
from homines.theory.game_forms import Veil, nodes, plan_probability, veil

KAPPAS = (0.0, 0.25, 0.5, 0.75, 1.0)
SIX = range(1, 7)


def payoff(v: Veil, kappa: float) -> Array:
    """Expected utility of my plan against the other's, roles equally likely, [mine, other]."""
    d = v.seat()
    assert d.chance is not None
    return Moralis(kappa)(d) @ d.chance


def equilibria(v: Veil, kappa: float) -> set[str]:
    """Pure plans that are best replies to themselves."""
    u = payoff(v, kappa)
    return {name for i, name in enumerate(v.names) if u[i, i] >= u[:, i].max() - 1e-9}


def kantian_optima(v: Veil) -> tuple[set[str], float]:
    """Plans that do best if everyone follows them, and what they give."""
    own = payoff(v, 1)[:, 0]
    return {v.names[i] for i in np.flatnonzero(own >= own.max() - 1e-9)}, float(own.max())


def reply_to_coin_flips(v: Veil, kappa: float) -> set[str]:
    """Best replies where the other chooses 50/50 at every node."""
    d = v.seat()
    points = ((k, h, q) for h, due in nodes(v.game) for k, q in due.items())
    coins = {(k, h): np.full(len(q.actions), 1 / len(q.actions)) for k, h, q in points}
    choice = best_response(expected_utility(Moralis(kappa)(d), [plan_probability(v, coins)], d.chance))
    return {v.names[i] for i in np.flatnonzero(choice.p > 0)}


@pytest.mark.parametrize("protocol", SIX)
def test_homo_economicus_defects_and_keeps(protocol: int) -> None:
    assert equilibria(veil(spd(protocol)), 0) == {"DDD"}
    assert equilibria(veil(trust(protocol)), 0) == {"NK"}


@pytest.mark.parametrize(
    ("kappa", "plans"),
    [
        (0.0, {"DDD"}),
        (0.25, {"DCC", "DDC"}),
        (0.5, {"CCC", "CCD", "DDC"}),
        (0.75, {"CCC", "CCD"}),
        (1.0, {"CCC", "CCD"}),
    ],
)
def test_equilibria_of_spd_3_by_kappa(kappa: float, plans: set[str]) -> None:
    assert equilibria(veil(spd(3)), kappa) == plans


@pytest.mark.parametrize("kappa", KAPPAS)
def test_equilibria_of_trust_5_by_kappa(kappa: float) -> None:
    assert equilibria(veil(trust(5)), kappa) == ({"NK"} if kappa == 0 else {"IG"})


def test_trust_6_has_no_pure_symmetric_equilibrium_at_a_quarter() -> None:
    assert equilibria(veil(trust(6)), 0.25) == set()


@pytest.mark.parametrize("protocol", range(2, 7))
def test_defecting_first_and_cooperating_after_d_is_moral_in_places(protocol: int) -> None:
    assert "DDC" in equilibria(veil(spd(protocol)), 0.5)


@pytest.mark.parametrize("protocol", SIX)
def test_homo_kantiensis_in_the_spd(protocol: int) -> None:
    t, r, s = spd(protocol).table[0].ravel()[[2, 0, 1]]
    if protocol == 1:  # (T + S) / 2 > R: taking turns beats cooperating
        assert kantian_optima(veil(spd(1))) == ({"CDC", "CDD", "DCC", "DDC"}, 50)
        assert (t + s) / 2 > r
    else:
        assert kantian_optima(veil(spd(protocol))) == ({"CCC", "CCD"}, r)
    assert equilibria(veil(spd(protocol)), 1) == kantian_optima(veil(spd(protocol)))[0]


@pytest.mark.parametrize("protocol", SIX)
def test_homo_kantiensis_in_the_trust_game(protocol: int) -> None:
    plans, value = kantian_optima(veil(trust(protocol)))
    assert plans == ({"IG", "IK"} if protocol <= 2 else {"IG"})
    assert value == trust(protocol).table[0, 0, 0]


@pytest.mark.parametrize("protocol", SIX)
def test_the_ultimatum_game_does_not_identify_homo_kantiensis(protocol: int) -> None:
    assert kantian_optima(veil(ultimatum(protocol))) == ({"EA", "ER", "UA"}, 50)


@pytest.mark.parametrize("protocol", SIX)
def test_best_replies_to_coin_flips_in_the_spd(protocol: int) -> None:
    v = veil(spd(protocol))
    assert reply_to_coin_flips(v, 0) == {"DDD"}
    assert reply_to_coin_flips(v, 0.5) == ({"DDC"} if protocol <= 2 else {"CCD"})
