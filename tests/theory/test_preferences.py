"""Laws of preferences: nesting, symmetry, relabelling, affine payoffs, mirror images, the veil."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from homines.core.registry import TrustedSpec
from homines.core.types import Decision, History, HominesError, Preference, frozen
from homines.games.public_goods import public_goods
from homines.games.spd import spd
from homines.games.trust import trust
from homines.preferences.altruist import Altruist
from homines.preferences.anti_deontological import AntiDeontological
from homines.preferences.anti_equality import AntiEquality
from homines.preferences.anti_kindness import AntiKindness
from homines.preferences.anti_utilitarian import AntiUtilitarian
from homines.preferences.charness_rabin import CharnessRabin
from homines.preferences.deontological import Deontological, betrayal
from homines.preferences.economicus import Economicus
from homines.preferences.game_deontological import GameDeontological
from homines.preferences.inequity import Inequity
from homines.preferences.kantian import Kantian
from homines.preferences.maximin import Maximin
from homines.preferences.moralis import Moralis
from homines.preferences.utilitarian import Utilitarian
from homines.preferences.virtue_equality import VirtueEquality
from homines.preferences.virtue_kindness import VirtueKindness
from homines.preferences.virtue_mixed import VirtueMixed
from homines.theory.game_forms import NormalForm, Repeated, append_stage, veil

quick = settings(max_examples=40, deadline=None)

money = st.integers(-1000, 1000).map(lambda cents: cents / 100)
unit = st.integers(0, 100).map(lambda percent: percent / 100)
weights = st.integers(-200, 200).map(lambda percent: percent / 100)
CD = ("C", "D")


def numbers(n: int, low: float = -10) -> st.SearchStrategy[list[float]]:
    return st.lists(money.map(lambda x: max(x, low)), min_size=n, max_size=n)


@st.composite
def pairs(draw: st.DrawFn, low: float = -10) -> Decision:
    """A symmetric two-player decision, C or D, with a history or without."""
    mine = np.reshape(draw(numbers(4, low)), (2, 2))
    past: History = tuple(draw(st.lists(st.tuples(*[st.integers(0, 1)] * 2), max_size=2)))
    player = draw(st.integers(0, 1))
    return NormalForm.two(CD, mine).seat(player, past)


@st.composite
def trios(draw: st.DrawFn) -> Decision:
    """Three players without any symmetry."""
    table = np.reshape(draw(numbers(24)), (3, 2, 2, 2))
    return NormalForm((CD,) * 3, frozen(table)).seat(0)


@st.composite
def veiled(draw: st.DrawFn) -> Decision:
    return veil(spd(draw(st.integers(1, 6)))).seat()


def same_as(left: Preference, right: Preference, d: Decision) -> None:
    assert_allclose(left(d), right(d), atol=1e-9)


@quick
@given(st.one_of(pairs(), veiled()), weights, weights, unit)
def test_nested_families_on_two_players(d: Decision, alpha: float, beta: float, kappa: float) -> None:
    same_as(Kantian(0, 0, 0), Economicus(), d)
    same_as(Kantian(alpha, beta, 0), Inequity(alpha, beta), d)
    same_as(Kantian(0, 0, kappa), Moralis(kappa), d)
    same_as(Moralis(0), Economicus(), d)
    same_as(CharnessRabin(0.5, 0.5), Inequity(-0.5, 0.5), d)
    assert_allclose(Inequity(-0.5, 0.5)(d), Utilitarian()(d) / 2, atol=1e-9)
    assert_allclose(Kantian(1, 1, kappa)(d), Moralis(kappa)(d) - np.abs(np.diff(d.payoffs, axis=0))[0])


@quick
@given(st.one_of(pairs(), trios()), weights, weights)
def test_nested_families_on_any_number_of_players(d: Decision, rho: float, sigma: float) -> None:
    same_as(CharnessRabin(rho, sigma), Inequity(-sigma, rho), d)
    same_as(Inequity(0, 0), Economicus(), d)
    same_as(Altruist(0), Economicus(), d)
    same_as(Altruist(1), Utilitarian(), d)
    assert_allclose(GameDeontological()(d), Economicus()(d) + Deontological()(d), atol=1e-9)
    assert (Maximin()(d) <= Utilitarian()(d) / len(d.payoffs) + 1e-9).all()


@quick
@given(pairs(low=0), unit)
def test_virtue_mixed_lies_between_its_virtues(d: Decision, weight: float) -> None:
    same_as(VirtueMixed(1), VirtueEquality(), d)
    same_as(VirtueMixed(0), VirtueKindness(1), d)
    mix = weight * VirtueEquality()(d) + (1 - weight) * VirtueKindness(1)(d)
    assert_allclose(VirtueMixed(weight)(d), mix, atol=1e-9)


@quick
@given(st.one_of(pairs(), veiled()))
def test_homo_kantiensis_looks_at_own_action_only(d: Decision) -> None:
    u = Moralis(1)(d)
    assert_allclose(u, np.broadcast_to(u[:, :1], u.shape))
    assert d.same is not None
    assert_allclose(u[:, 0], d.same)


def test_kantian_does_not_scale_inequity_by_kappa() -> None:
    d = NormalForm.two(CD, [[3, 0], [4, 1]]).seat(0)
    # at (C, D): pi(x, x) = 3 less 2 * behindness 4; at (D, C): 1 less 0.5 * aheadness 4
    assert_allclose(Kantian(2, 0.5, 1)(d), [[3, 3 - 8], [1 - 2, 1]])


def test_inequity_averages_over_the_others() -> None:
    d = Decision(("a",), frozen([[5], [9], [2]]))
    assert_allclose(Inequity(1, 0)(d), [5 - 4 / 2])
    assert_allclose(Inequity(0, 1)(d), [5 - 3 / 2])
    assert_allclose(CharnessRabin(1, 0)(d), [5 - 3 / 2])


@pytest.mark.parametrize(
    ("preference", "shift"),
    [
        (Economicus(), 1.0),
        (Moralis(0.3), 1.0),
        (Inequity(0.8, 0.3), 1.0),
        (Kantian(0.8, 0.3, 0.4), 1.0),
        (CharnessRabin(0.4, -0.2), 1.0),
        (Altruist(0.6), 1.6),
        (Utilitarian(), 2.0),
        (AntiUtilitarian(), -2.0),
        (Maximin(), 1.0),
    ],
)
@quick
@given(pairs(), st.integers(1, 50).map(lambda x: x / 10), money)
def test_affine_payoffs_give_affine_utility(
    preference: Preference, shift: float, d: Decision, scale: float, by: float
) -> None:
    assert d.same is not None
    moved = replace(d, payoffs=scale * d.payoffs + by, same=scale * d.same + by)
    assert_allclose(preference(moved), scale * preference(d) + shift * by, atol=1e-8)


@quick
@given(pairs(low=0), st.integers(1, 50).map(lambda x: x / 10))
def test_equality_is_free_of_the_unit(d: Decision, scale: float) -> None:
    same_as(VirtueEquality(), lambda e: VirtueEquality()(replace(e, payoffs=scale * e.payoffs)), d)
    assert ((VirtueEquality()(d) >= 0) & (VirtueEquality()(d) <= 1)).all()


def relabelled(d: Decision) -> Decision:
    """The same decision with D listed first."""
    assert d.same is not None
    return replace(
        d,
        actions=d.actions[::-1],
        payoffs=d.payoffs[:, ::-1, ::-1],
        theirs=tuple(names[::-1] for names in d.theirs),
        same=d.same[::-1],
        history=tuple(tuple(None if a is None else 1 - a for a in s) for s in d.history),
    )


@pytest.mark.parametrize(
    "preference",
    [
        Economicus(),
        Moralis(0.3),
        Inequity(0.8, 0.3),
        Kantian(0.8, 0.3, 0.4),
        CharnessRabin(0.4, -0.2),
        Altruist(0.6),
        Utilitarian(),
        Maximin(),
        Deontological(),
        GameDeontological(),
        AntiDeontological(),
        AntiUtilitarian(),
        AntiEquality(),
        AntiKindness(),
        VirtueEquality(),
        VirtueKindness(),
        VirtueMixed(0.3),
    ],
)
@quick
@given(pairs(low=0))
def test_the_order_of_the_actions_is_no_matter(preference: Preference, d: Decision) -> None:
    assert_allclose(preference(relabelled(d)), preference(d)[::-1, ::-1], atol=1e-9)


@pytest.mark.parametrize("preference", [Inequity(0.8, 0.3), Utilitarian(), Maximin(), Altruist(0.6)])
@quick
@given(trios())
def test_the_others_are_anonymous(preference: Preference, d: Decision) -> None:
    exchanged = replace(d, payoffs=d.payoffs[[0, 2, 1]].swapaxes(2, 3))
    assert_allclose(preference(exchanged), preference(d).swapaxes(1, 2), atol=1e-9)


@quick
@given(pairs(low=0), unit)
def test_mirror_images(d: Decision, xi: float) -> None:
    zero = np.zeros(d.payoffs.shape[1:])
    assert_allclose(AntiUtilitarian()(d) + Utilitarian()(d), zero)
    assert_allclose(AntiDeontological(reward=xi)(d) + Deontological(penalty=xi)(d), zero)
    assert_allclose(AntiEquality()(d) + VirtueEquality()(d), zero + 1)
    assert_allclose(AntiKindness(xi)(d) + VirtueKindness(xi)(d), zero + xi)


def test_equality_of_nothing_is_one() -> None:
    d = Decision(("a", "b", "c"), frozen([[0, 4, 3], [0, 0, 1]]))
    assert_allclose(VirtueEquality()(d), [1, 0, 0.5])
    assert_allclose(AntiEquality()(d), [0, 1, 0.5])


def test_inequity_behind_the_veil_is_felt_in_each_role() -> None:
    d = veil(trust(3)).seat()  # T, R, P, S = 80, 60, 30, 20
    keep = d.actions.index("IK")
    u = Inequity(0.5, 0.25)(d)
    assert_allclose(u[keep, keep], [20 - 0.5 * 60, 80 - 0.25 * 60])
    # on payoffs averaged over roles nobody would be ahead or behind
    flat = replace(d, payoffs=d.payoffs.mean(-1), chance=None, same=None)
    assert_allclose(Inequity(0.5, 0.25)(flat)[keep, keep], 50)
    assert d.chance is not None
    assert not np.allclose(u @ d.chance, Inequity(0.5, 0.25)(flat))


@pytest.mark.parametrize("player", [0, 1])
@pytest.mark.parametrize("mine", [0, 1])
@pytest.mark.parametrize("other", [0, 1])
def test_betrayal_is_defecting_on_who_cooperated_last(player: int, mine: int, other: int) -> None:
    stage = (mine, other) if player == 0 else (other, mine)
    d = NormalForm.two(CD, [[3, 0], [4, 1]]).seat(player, ((1, 1), stage))
    assert betrayal(d).tolist() == [False, other == 0]
    assert_allclose(Deontological(penalty=2)(d), [[0, 0], [-2 * (other == 0)] * 2])


def test_betrayal_looks_at_everyone_who_moved() -> None:
    table = np.zeros((3, 2, 2, 2))
    trio = NormalForm((CD,) * 3, frozen(table))

    def wrong(stage: tuple[int | None, ...]) -> bool:
        return bool(betrayal(trio.seat(1, (stage,)))[1])

    assert wrong((0, 1, 0))
    assert wrong((0, 0, 0))
    assert wrong((0, 1, None))
    assert not wrong((0, 1, 1))
    assert not wrong((1, 0, 0))
    assert not wrong((None, 0, None))


def test_betrayal_reads_each_others_own_names() -> None:
    game = NormalForm((CD, ("C", "D"), ("D", "C")), frozen(np.zeros((3, 2, 2, 2))))
    for stage, forbidden in (((0, 0, 1), True), ((0, 0, 0), False), ((0, 1, 1), False)):
        assert betrayal(game.seat(0, (stage,)))[1] == forbidden
    # from the middle seat the others are players 0 and 2
    assert betrayal(game.seat(1, ((0, 1, 1),)))[1]
    assert not betrayal(game.seat(1, ((0, 1, 0),)))[1]


def test_betrayal_by_the_second_mover() -> None:
    game = spd(3)
    for move, forbidden in ((0, [False, True]), (1, [False, False])):
        assert betrayal(game.due(append_stage((), {0: move}, 2))[1]).tolist() == forbidden


def test_nothing_is_forbidden_without_history() -> None:
    assert not betrayal(spd(3).due(())[0]).any()


def test_a_rule_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_rules.py").write_text(
        "import numpy as np\n"
        "def no_defection(d): return np.array([name == 'D' for name in d.actions])\n"
        "def broken(d): return [True]\n"
        "number = 3\n"
    )
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    d = NormalForm.two(CD, [[3, 0], [4, 1]]).seat(0)
    assert_allclose(Deontological(TrustedSpec("my_rules:no_defection"), 1)(d), [[0, 0], [-1, -1]])
    with pytest.raises(HominesError, match="one bool for each of C, D"):
        Deontological(TrustedSpec("my_rules:broken"))(d)
    with pytest.raises(HominesError, match="'my_rules:number' is no function"):
        Deontological(TrustedSpec("my_rules:number"))


@pytest.mark.parametrize(
    ("preference", "d", "message"),
    [
        (Moralis(), spd(3).due(())[0], r"veil\(\)"),
        (Kantian(0, 0, 0.5), trust(3).due(())[0], r"veil\(\)"),
        (VirtueKindness(), trust(3).due(())[0], "needs an action called 'C'.* offers I, N"),
        (AntiKindness(), trust(3).due(())[0], "needs an action called 'D'"),
        (VirtueMixed(), public_goods(2).due(())[0], "offers 0, 20"),
        (Deontological(), trust(3).due(())[0], "'betrayal' needs an action called 'C'"),
        (
            VirtueEquality(),
            NormalForm.two(CD, [[1, -2], [3, 0]]).seat(0),
            "payoff -2: .*needs non-negative payoffs",
        ),
        (VirtueEquality(), Decision(("a",), frozen([[1]])), "only I am paid"),
    ],
)
def test_decisions_a_preference_cannot_judge(preference: Preference, d: Decision, message: str) -> None:
    with pytest.raises(HominesError, match=message):
        preference(d)


@pytest.mark.parametrize("bad", [-0.1, 1.1, float("nan"), float("inf")])
def test_shares_lie_in_the_unit_interval(bad: float) -> None:
    for make in (
        lambda: Moralis(bad),
        lambda: VirtueMixed(bad),
        lambda: Kantian(0, 0, bad),
    ):
        with pytest.raises(HominesError, match=r"must be a number in \[0, 1\], got"):
            make()


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_weights_are_finite(bad: float) -> None:
    for name, make in (
        ("alpha", lambda: Inequity(bad, 0)),
        ("beta", lambda: Kantian(0, bad, 0)),
        ("rho", lambda: CharnessRabin(bad, 0)),
        ("sigma", lambda: CharnessRabin(0, bad)),
        ("weight", lambda: Altruist(bad)),
    ):
        with pytest.raises(HominesError, match=f"{name} must be a finite number"):
            make()


def test_penalties_are_at_least_zero() -> None:
    for make in (
        lambda: Deontological(penalty=-1),
        lambda: GameDeontological(penalty=-1),
        lambda: AntiDeontological(reward=-1),
        lambda: VirtueKindness(-1),
        lambda: AntiKindness(-1),
    ):
        with pytest.raises(HominesError, match="must be a number of at least 0, got -1"):
            make()


@quick
@given(pairs(low=0))
def test_payoffs_are_not_touched(d: Decision) -> None:
    writable = replace(d, payoffs=d.payoffs.copy())
    for preference in (Economicus(), Kantian(1, 1, 0.5), GameDeontological(), VirtueMixed()):
        preference(writable)
    assert_allclose(writable.payoffs, d.payoffs, atol=0)


def test_a_repeated_game_carries_the_duty_from_round_to_round() -> None:
    game = Repeated(NormalForm.two(CD, [[3, 0], [4, 1]]), 3)
    for state, d in zip(game.states, game.memory_one(1), strict=True):
        assert_allclose(GameDeontological()(d)[1] - d.payoffs[0][1], -3.0 * (state[0] == 0))
