"""Candidates, choices and the end of an inquiry: laws, refusals, and fewer answers than random games take."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from homines.core.registry import find
from homines.core.types import Choice, HominesError
from homines.design import inquiry as inquiries
from homines.design.candidates import draw_pool
from homines.design.inquiry import Inquiry, begin
from homines.design.options import DesignOptions
from homines.design.stopping import standing, wanted_of
from homines.estimation.columns import Observation
from homines.estimation.family import family
from homines.estimation.fit import fit
from homines.estimation.sample_size import Wanted
from homines.theory.choice import LogitAgent

SMALL = DesignOptions(until="se(kappa)<.2", pool=60, least=12)


def answer(inquiry: Inquiry, agent: LogitAgent, place: int, rng: np.random.Generator) -> Observation:
    d = inquiry.pool.decisions[place]
    p = agent([d])[0].p
    return Observation(
        d, Choice.at(np.eye(len(p))[rng.choice(len(p), p=p)], n=1), "", inquiry.pool.specs[place]
    )


def test_candidates_differ_and_every_family_values_them() -> None:
    pool = draw_pool(("symmetric",), [family("kantian"), family("inequity")], 50, 9, 3)
    assert len({d.key for d in pool.decisions}) == len(pool) == 50
    assert pool.specs == draw_pool(("symmetric",), [family("kantian")], 50, 9, 3).specs
    for spec, d in zip(pool.specs, pool.decisions, strict=True):
        assert find("games", spec).due(())[0].key == d.key
        assert np.ptp(family("kantian").columns(d), axis=0).any()
    assert [design.x.shape for design in pool.designs] == [(50, 2, 4), (50, 2, 3)]
    assert pool.place(pool.specs[7]) == 7
    with pytest.raises(HominesError, match="none of the 50 games drawn"):
        pool.place("symmetric(0, 0, 0, 0)")


def test_kinds_take_turns() -> None:
    pool = draw_pool(("split", "spd"), [family("inequity")], 20, 9, 0)
    assert sum(spec.startswith("split") for spec in pool.specs) in range(8, 13)


@pytest.mark.parametrize(
    ("kinds", "families", "what"),
    [
        (("spd",), ("kantian",), "no candidate is left of spd"),
        (("split",), ("moralis",), "no candidate is left of split"),
        (("pricing",), ("kantian",), "pricing is a repeated game"),
        (("symetric",), ("kantian",), "no game 'symetric' can be drawn; there are"),
        (("ipd(1)",), ("kantian",), "are kinds to draw, without parameters"),
    ],
)
def test_kinds_without_candidates_are_refused(
    kinds: tuple[str, ...], families: tuple[str, ...], what: str
) -> None:
    with pytest.raises(HominesError) as refusal:
        begin(replace(SMALL, families=families), kinds, 0)
    assert what in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("kappa<.1", "must be a standard error or a width"),
        ("se(kappa)<0", "a number above 0"),
        ("se(kappa)<.1; import os", "must be a standard error"),
        ("se(gamma)<.1", "kantian has no free parameter 'gamma'; it has alpha, beta, kappa, precision"),
    ],
)
def test_what_is_wanted_is_read_as_data(text: str, what: str) -> None:
    with pytest.raises(HominesError) as refusal:
        wanted_of(text, family("kantian"))
    assert what in str(refusal.value)


@pytest.mark.parametrize(
    ("values", "what"),
    [
        ({"stake": 20}, "stake bear on a measurement that ends"),
        (
            {"until": "se(kappa)<.1", "least": 50, "pool": 40},
            "--min-games 50 games are more than the 40 drawn",
        ),
        ({"until": "se(kappa)<.1", "families": ()}, "no family is named"),
        ({"until": "se(kappa)<.1", "families": (3,)}, "must be texts"),
        ({"until": "se(kappa)<.1", "pool": 1}, "pool must be a whole number"),
    ],
)
def test_options_that_do_not_fit_are_refused(values: dict[str, object], what: str) -> None:
    with pytest.raises(HominesError) as refusal:
        DesignOptions(**values)  # type: ignore[arg-type]
    assert what in str(refusal.value)


def test_no_game_is_asked_twice_and_the_same_answers_choose_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inquiries, "CONSIDERED", 10)  # fewer than there are, so that some are drawn

    def walk() -> list[int | None]:
        inquiry, places = begin(SMALL, ("symmetric",), 5), []
        for i in range(61):
            place = inquiry.next()
            places.append(place)
            if place is not None:
                inquiry = inquiry.learn(place, None if i % 7 == 3 else np.eye(2)[i % 2])
        return places

    places = walk()
    assert places[-1] is None
    assert len(set(places)) == 61
    assert walk() == places


def test_the_standing_is_the_error_and_the_width_that_fit_gives() -> None:
    inquiry = begin(SMALL, ("symmetric",), 0)
    agent, rng = LogitAgent(find("preferences", "moralis(kappa=0.4)"), 0.5), np.random.default_rng(4)
    seen = [answer(inquiry, agent, place, rng) for place in range(60)]
    e = fit(seen, "moralis")
    low, high = e.intervals[0]
    by_se = standing(seen, family("moralis"), Wanted("se", "kappa", 10.0))
    by_width = standing(seen, family("moralis"), Wanted("width", "kappa", 1e-6))
    assert by_se.value == pytest.approx(e.se[0])
    assert by_width.value == pytest.approx(high - low)
    assert by_se.reached
    assert not by_width.reached
    assert by_se.games == 60
    needed = standing(seen, family("moralis"), Wanted("se", "kappa", float(e.se[0]) / 2)).games_needed
    assert needed == 240
    assert "not reached after 60 games" in by_width.sentence


def test_choices_without_an_estimate_have_no_value_and_say_why() -> None:
    inquiry = begin(SMALL, ("symmetric",), 0)
    same = [
        Observation(d, Choice.at([1.0, 0.0], n=1), "", str(i))
        for i, d in enumerate(inquiry.pool.decisions[:3])
    ]
    now = standing(same, inquiry.family, inquiry.wanted)
    assert now.value is None
    assert not now.reached
    assert now.games_needed is None
    assert "cannot tell the parameters" in now.why


def until_reached(inquiry: Inquiry, agent: LogitAgent, rng: np.random.Generator) -> list[Observation]:
    seen: list[Observation] = []
    while (place := inquiry.next()) is not None:
        seen.append(answer(inquiry, agent, place, rng))
        inquiry = inquiry.learn(place, seen[-1].choice.p)
        if inquiry.standing(seen).reached:
            return seen
    raise AssertionError("all were asked")


def test_it_takes_less_than_half_of_what_random_games_take() -> None:
    begun = begin(DesignOptions(until="se(kappa)<.15", pool=900), ("symmetric",), 0)
    agent = LogitAgent(find("preferences", "kantian(alpha=0.1, beta=0.3, kappa=0.4)"), 1.0)
    seen = until_reached(begun, agent, np.random.default_rng(0))
    rng = np.random.default_rng(1)
    random = [answer(begun, agent, int(i), rng) for i in rng.permutation(len(begun.pool))[: 2 * len(seen)]]
    assert not standing(random, begun.family, begun.wanted).reached
    assert begun.least <= len(seen) < 300


@pytest.mark.statistics
def test_intervals_at_the_end_hold_the_truth_about_as_often_as_they_say() -> None:
    """A stop at a wanted error is a stop at a lucky one: some under-coverage is known, and bounded here."""
    begun = begin(DesignOptions(until="se(kappa)<.15"), ("symmetric",), 0)
    agent = LogitAgent(find("preferences", "moralis(kappa=0.5)"), 1.0)
    held = 0
    for run in range(60):
        seen = until_reached(replace(begun, seed=run), agent, np.random.default_rng(run))
        low, high = fit(seen, "kantian").interval("kappa") or (np.nan, np.nan)
        held += bool(low <= 0.5 <= high)
    assert held >= 48  # of 95% intervals; .8 is where 60 runs would fall below .95 once in 10,000 times
