"""The sample size that a plan names gives the error that was wanted, by simulation."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from homines.core.registry import find
from homines.core.types import Choice, Decision, HominesError, frozen
from homines.estimation.columns import Observation
from homines.estimation.family import family
from homines.estimation.problem import problem
from homines.estimation.sample_size import Truth, Wanted, sample_size
from homines.theory.choice import LogitAgent

TRUTH = Truth("inequity(alpha=0.2, beta=0.4)", 0.05)
ODDITY = 0.7


@cache
def game(i: int) -> tuple[Decision, float]:
    """A division of money, and what is odd about it: a part of its log-odds that no preference explains."""
    rng = np.random.default_rng(i)
    paid = rng.integers(10, 100, (2, 2)).astype(float)
    return Decision(("X", "Y"), frozen(paid)), float(rng.normal(0, ODDITY))


def answers(games: range, odd: bool, n: int | None, rng: np.random.Generator) -> list[Observation]:
    agent = LogitAgent(find("preferences", TRUTH.spec), TRUTH.precision)
    out: list[Observation] = []
    for i in games:
        d, oddity = game(i)
        p = Choice.of(agent([d])[0].logp + np.array([oddity * odd, 0.0])).p
        out.append(
            Observation(d, Choice.at(p) if n is None else Choice.at(rng.multinomial(n, p), n=n), "m", str(i))
        )
    return out


def spread(games: int, odd: bool, n: int | None, samples: int = 80) -> float:
    """Standard deviation of beta over samples of so many games and answers."""
    rng = np.random.default_rng(1)
    betas: list[float] = []
    for k in range(1, 1 + samples):
        data = answers(range(k * games, (k + 1) * games), odd, n, rng)
        g = problem(data, family("inequity")).peak()[0].g
        betas.append(float(g[2] / g[0]))
    return float(np.std(betas))


def test_exact_answers_of_so_many_games_have_the_error_that_was_wanted() -> None:
    """Misfit sets the error, which a pilot of a hundred games tells."""
    pilot = answers(range(100), True, None, np.random.default_rng(0))
    plan = sample_size(pilot, "inequity", Wanted.read("se(beta)<.1"))
    (_, games, asked), *_ = plan.rows
    assert games is not None
    assert asked == games
    assert plan.cluster == "game"
    assert 0.07 < spread(games, True, None) < 0.13


def test_drawn_answers_add_their_own_error() -> None:
    pilot = answers(range(100), True, 10, np.random.default_rng(0))
    plan = sample_size(pilot, "inequity", Wanted.read("se(beta)<.1"))
    assert plan.misfit > plan.unseen > 0
    games = {n: g for n, g, _ in plan.rows}
    assert games[5] is not None
    assert 0.07 < spread(games[5], True, 5) < 0.13
    order = [g for g in (games[n] for n in (1, 5, 20, 100, None)) if g is not None]
    assert order == sorted(order, reverse=True)


def test_an_assumed_truth_needs_no_answers() -> None:
    """Uniform answers stand in for none at all: only the questions are read."""
    asked = [
        replace(o, choice=Choice.at([0.5, 0.5]))
        for o in answers(range(50), False, None, np.random.default_rng(0))
    ]
    plan = sample_size(asked, "inequity", Wanted.read("se(beta) < 0.1"), truth=TRUTH)
    assert plan.value == pytest.approx(0.4)
    assert plan.misfit == 0
    assert [n for n, *_ in plan.rows] == [1, 5, 20, 100]
    games = {n: g for n, g, _ in plan.rows}
    assert games[5] is not None
    assert 0.075 < spread(games[5], False, 5) < 0.13
    assert plan.here is not None
    assert plan.sampling / np.sqrt(plan.here) <= 0.1 < plan.sampling / np.sqrt(max(1, plan.here - 1))


def test_chance_is_no_misfit() -> None:
    """Of pilots without misfit, few games some of which tell more than others, one in twenty shows some."""
    rng = np.random.default_rng(2)
    plans = [
        sample_size(
            answers(range(18 * k, 18 * k + 18), False, 20, rng), "inequity", Wanted.read("se(beta)<.02")
        )
        for k in range(150)
    ]
    told = [plan for plan in plans if plan.misfit]
    assert len(told) <= 15  # a binomial of 150 and .05 is above 15 in 1 of 1000
    assert all(plan.here is not None and plan.unseen > 0 for plan in plans if not plan.misfit)


def test_a_width_is_that_of_the_interval() -> None:
    pilot = answers(range(100), True, None, np.random.default_rng(0))
    by_width = sample_size(pilot, "inequity", Wanted.read("width(beta)<.4")).rows[0][1]
    by_error = sample_size(pilot, "inequity", Wanted.read(f"se(beta)<{0.4 / 2 / 1.96}")).rows[0][1]
    assert by_width is not None
    assert by_error is not None
    assert by_error <= by_width <= by_error + 6  # t has wider tails than the normal


def test_with_too_much_misfit_no_number_of_answers_will_do() -> None:
    pilot = answers(range(30), True, None, np.random.default_rng(0))
    assert sample_size(pilot, "inequity", Wanted.read("se(beta)<.001")).here is None
    assert sample_size(pilot, "inequity", Wanted.read("se(beta)<1e-6")).rows[0][1] is None


@pytest.mark.parametrize(
    "text",
    ["kappa", "se(kappa)", "se(kappa)<0", "se(kappa)<-1", "se(kappa)<1e999", "sd(kappa)<.1", "se()<.1"],
)
def test_a_plan_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(HominesError, match="'se"):
        Wanted.read(text)


def test_what_cannot_be_planned_is_refused() -> None:
    pilot = answers(range(30), True, None, np.random.default_rng(0))
    with pytest.raises(HominesError, match="no parameter 'kappa'"):
        sample_size(pilot, "inequity", Wanted.read("se(kappa)<.1"))
    with pytest.raises(HominesError, match="too few for standard errors"):
        sample_size(
            [replace(o, game="one") for o in pilot], "inequity", Wanted.read("se(beta)<.1"), cluster="game"
        )
    with pytest.raises(HominesError, match="lacks a value of beta"):
        Truth("inequity(alpha=0.2)", 0.1)
    with pytest.raises(HominesError, match="must be above 0"):
        Truth("economicus", 0)
