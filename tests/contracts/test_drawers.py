"""Every drawer of games/: specs that are read back, payoffs within the stake, many games, none measured."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from homines.core.plugins import names
from homines.core.registry import find
from homines.core.types import Decision, HominesError
from homines.datasets.best_answers import implied_answers
from homines.datasets.measured_games import measured_keys, payoff_keys
from homines.datasets.recipe import NotAnswered, Recipe, drawable, drawer
from homines.elicitation.questions import battery
from homines.estimation.published import AMOUNTS, PAIRS
from homines.games.symmetric import SHARES
from homines.theory.stakes import StakeTooLow

STAKES = (9, 99)
FEW = {  # distinct games by stake, of kinds with few whole numbers below it
    ("av", 9): 45,
    ("dictator", 9): 10,
    ("icn", 9): 45,
    ("ivd", 9): 45,
    ("public_goods", 9): 10,
    ("public_goods_round", 9): 10,
    ("trust_menu", 9): 7,
    ("trust_return", 9): 35,
    ("ultimatum", 9): 45,
    ("ultimatum_menu", 9): 10,
}
NO_ROWS = {"promise", "contract", "reputation", "public_goods_iterated", "commons_iterated"}
"""Of two stages, or with a bystander: what a first act is worth hangs on an own later one, which no row sums
up, and one who is paid and does nothing has no role to walk through (docs/decisions.md). Of a crowd: reasons
have no words for how many of the others do what."""
NOT_WHOLE = {"av", "av_rating", "pricing"}
"""Lives that votes divide, and money to the cent."""


def draws(kind: str, most: int, many: int, seed: int = 0) -> list[str]:
    draw = drawer(kind)
    assert draw is not None
    rng = np.random.default_rng(seed)
    return [draw(rng, most) for _ in range(many)]


def decisions(spec: str) -> tuple[Decision, ...]:
    """Every decision of one round of a game."""
    game: Any = find("games", spec)
    return battery(getattr(game, "stage", game))


def test_no_game_is_out_of_reach() -> None:
    assert {*drawable()} | NO_ROWS == {*names("games")}
    assert not NO_ROWS & {*drawable()}


@pytest.mark.parametrize("most", STAKES)
@pytest.mark.parametrize("kind", drawable())
def test_a_drawer_gives_many_games_of_its_kind_within_the_stake(kind: str, most: int) -> None:
    specs = draws(kind, most, 200)
    assert draws(kind, most, 200) == specs
    found: set[frozenset[str]] = set()
    for spec in dict.fromkeys(specs):
        game: Any = find("games", spec)
        assert spec.partition("(")[0] == kind
        found.add(frozenset(payoff_keys(game)))
        for d in decisions(spec):
            assert d.payoffs.max() <= most
            assert d.payoffs.min() >= (-1 if kind == "dilemma" else 0)
            assert kind in NOT_WHOLE or not (d.payoffs % 1).any()
    assert len(found) >= FEW.get((kind, most), 50)


@pytest.mark.parametrize("kind", drawable())
def test_a_stake_too_low_is_refused_with_the_lowest_that_is_enough(kind: str) -> None:
    (draw,) = [drawer(kind)]
    assert draw is not None
    with pytest.raises(
        StakeTooLow, match=rf"no game of {kind} has whole payoffs of at most 1; give"
    ) as failure:
        draw(np.random.default_rng(0), 1)
    assert (failure.value.kind, failure.value.most) == (kind, 1)
    with pytest.raises(StakeTooLow):
        draw(np.random.default_rng(0), failure.value.least - 1)
    assert find("games", draw(np.random.default_rng(0), failure.value.least)) is not None


ORDERS = {  # of T, R, P, S
    "spd": lambda t, r, p, s: t > r > p > s,
    "trust": lambda t, r, p, s: t > r > p > s,
    "ultimatum": lambda t, r, p, s: t > r > s > p and t + s == 2 * r,
    "ipd": lambda t, r, p, s: t > r > p > s,
    "ish": lambda t, r, p, s: r > t > p > s,
    "icn": lambda t, r, p, s: t > r > s > p and t + s > 2 * r,
    "ivd": lambda t, r, p, s: t > r > s > p and t + s < 2 * r,
    "icd": lambda t, r, p, s: p > r > t == s,
}


@pytest.mark.parametrize("most", STAKES)
@pytest.mark.parametrize("kind", ORDERS)
def test_drawn_payoffs_have_the_order_of_their_kind(kind: str, most: int) -> None:
    for spec in draws(kind, most, 100):
        game: Any = find("games", spec)
        table = getattr(game, "stage", game).table[0]
        if kind == "ultimatum":  # E pays R; U then A pays T, U then R pays P; S is the responder's
            t, r, p, s = table[1, 0], table[0, 0], table[1, 1], game.table[1, 1, 0]
        elif kind == "trust":  # I then G pays R, I then K pays S and the other T; N pays P
            t, r, p, s = game.table[1, 0, 1], table[0, 0], table[1, 0], table[0, 1]
        else:
            (r, s), (t, p) = table
        assert ORDERS[kind](t, r, p, s), spec
        if most == 99 and kind in ("spd", "trust", "ultimatum"):
            assert t + s == 100


def test_named_games_without_payoffs_stay_those_of_the_paper() -> None:
    for kind in ("ipd", "ish", "icn", "ivd", "icd"):
        (r, s), (t, p) = find("games", kind).stage.table[0]
        assert ORDERS[kind](t, r, p, s)


def test_a_third_of_symmetric_games_state_a_share() -> None:
    stated = [d.others for spec in draws("symmetric", 99, 600) for d in decisions(spec)]
    shares = [float(others[0][0]) for others in stated if others is not None]
    assert 150 < len(shares) < 250
    assert {round(share, 2) for share in shares} == set(SHARES)


def test_menus_have_three_to_six_amounts_or_eleven_where_one_chooses() -> None:
    for kind in ("dictator", "ultimatum_menu", "trust_menu", "trust_return"):
        sizes = {len(d.actions) for spec in draws(kind, 99, 100) for d in decisions(spec)}
        assert sizes == {3, 4, 5, 6} | ({11} if kind in ("dictator", "trust_return") else set())


def test_a_public_good_is_a_dilemma_or_not() -> None:
    """To give is not always what pays all, and to keep not always what pays oneself."""
    own: set[bool] = set()
    together: set[bool] = set()
    for spec in draws("public_goods", 99, 100):
        (d,) = decisions(spec)
        assert d.same is not None
        own.add(bool(d.payoffs[0, -1].mean() > d.payoffs[0, 0].mean()))
        together.add(bool(d.same[-1] > d.same[0]))
    assert own == together == {True, False}


def test_a_duopoly_pays_the_profits_of_its_market() -> None:
    """By the formula of Calvano et al. (2020): quality 2, cost 1, mu 1/4; pN and pM from pricing.md."""
    low, high = 1.4729267, 1.9249809
    prices = np.linspace(low, high, 3)
    pull = np.exp((2 - prices) / 0.25)
    mine, other = pull[:, None], pull[None, :]
    profit = 100 * (prices[:, None] - 1) * mine / (mine + other + 1)
    game = find("games", "duopoly(points=3, size=100)")
    assert_allclose(game.table[0], np.round(profit))
    assert_allclose(game.table[1], game.table[0].T)
    assert_allclose(game.table[0].diagonal(), [22, 30, 34])  # .2229 at Nash, .3375 in the cartel
    assert game.actions == (("K", "L", "M"),) * 2
    wide = find("games", "duopoly(points=2, size=10000, xi=0.5)")
    ends = np.array([low - 0.5 * (high - low), high + 0.5 * (high - low)])
    pull = np.exp((2 - ends) / 0.25)
    assert_allclose(wide.table[0, 0, 1], 10000 * (ends[0] - 1) * pull[0] / (pull.sum() + 1), atol=0.51)


@pytest.mark.parametrize("most", [9, 99])
def test_homo_economicus_and_homo_moralis_differ_in_a_duopoly(most: int) -> None:
    def answer(preference: str, spec: str) -> tuple[int, ...]:
        (found,) = implied_answers(find("preferences", preference), find("games", spec))
        return found.answers

    specs = draws("duopoly", most, 60)
    differ = [answer("economicus", s) != answer("moralis(kappa=1)", s) for s in specs]
    assert np.mean(differ) > 0.9
    assert answer("economicus", "duopoly") == (0,)
    assert answer("moralis(kappa=1)", "duopoly") == (1,)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("duopoly(points=5)", r"points must be a whole number in \[2, 4\], got 5"),
        ("duopoly(size=1)", "size 1 makes two of 2 prices pay the same in whole points"),
        ("duopoly(size=0)", "size is 0"),
        ("bos(payoffs=(3, 2))", "must be three numbers"),
        ("ipd(payoffs=(3, 2, 1))", "must be four numbers"),
        ("ordinal(1, 1, values=(1, 2, 2, 4))", "must be 4 numbers that rise"),
        ("ordinal(1, 1, values=(1, 2, 4))", "must be 4 numbers that rise"),
        ("trust_menu(parts=0)", r"parts must be a whole number in \[1, 100\], got 0"),
    ],
)
def test_what_cannot_be_made_is_refused(spec: str, message: str) -> None:
    with pytest.raises(HominesError, match=message):
        find("games", spec)


def test_lives_alone_answers_in_dilemmas() -> None:
    lives = "lives(human=1, female=0, fit=0, status=0, young=0, inaction=0, pedestrians=0, lawful=0)"
    assert Recipe(lives, ("dilemma",)).games == ("dilemma",)
    for preference in ("economicus", "utilitarian", "moralis(kappa=1)"):
        with pytest.raises(NotAnswered, match="has no answer in dilemma"):
            Recipe(preference, ("symmetric", "dilemma"))


MEASURED = (
    *(f"{kind}({k})" for kind in ("spd", "trust", "ultimatum") for k in range(1, 7)),
    *(game for game, _ in PAIRS.values()),
    *(amount.game for amount in AMOUNTS),
    *("dictator", "ultimatum_menu", "trust_menu", "trust_return", "public_goods", "public_goods_round"),
    *("pricing", "pricing(customers=True)", "pricing(points=5, customers=True)"),
    *("ipd", "ish", "icn", "bos", "icd", "ivd"),
)


@pytest.mark.parametrize("kind", drawable())
def test_no_row_is_made_of_a_game_that_models_are_measured_on(kind: str) -> None:
    """Of 2,000 draws those not set aside have no decision of a game that is measured."""
    measured = {d.payoffs.tobytes() for spec in MEASURED for d in decisions(spec)}
    aside = measured_keys()
    for most in (9, 99):
        for spec in dict.fromkeys(draws(kind, most, 1000)):
            if not payoff_keys(find("games", spec)) & aside:
                assert not measured & {d.payoffs.tobytes() for d in decisions(spec)}, spec
    assert all(payoff_keys(find("games", spec)) & aside for spec in MEASURED)
