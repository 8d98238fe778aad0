"""Games that tell doses of kappa, and the slope of kappa on its dose."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from homines.core.registry import find
from homines.core.types import Choice, Record
from homines.estimation.bounds import bounds
from homines.estimation.columns import Observation
from homines.estimation.fit import fit
from homines.reports.page import Section
from homines.studies.lu2025.agents import kappa_games, stated_games
from homines.studies.lu2025.curriculum import KAPPAS
from homines.studies.lu2025.dose_games import HIGHEST, PRECISION, kappa_design
from homines.studies.lu2025.response import EVEN, KAPPA, PLAIN, SET, TooFewAgents, dose, slope, slopes
from homines.studies.lu2025.response import readings as readings_of
from homines.theory.choice import LogitAgent

FRAME = "table(labels='X,Y', goal='', asks=aloud)"


def decisions(specs: Any) -> list[Any]:
    return [find("games", spec).stage.due(())[0] for spec in specs]


def choices(preference: str, precision: float, lapse: float = 0.0) -> list[Observation]:
    agent = LogitAgent(find("preferences", preference), precision, lapse=lapse)
    ds = decisions(kappa_design())
    return [Observation(d, c, "", spec) for d, c, spec in zip(ds, agent(ds), kappa_design(), strict=True)]


def test_indifference_spreads_evenly_and_favours_both_actions() -> None:
    design = kappa_design()
    assert len(design) == 36
    assert len(kappa_games()) == 12
    assert len(stated_games()) == 24
    for specs in (list(kappa_games()), list(stated_games())):
        kappas = np.array([design[spec] for spec in specs])
        gaps = np.diff(np.r_[0, np.sort(kappas), 1])
        assert gaps.max() < 0.26
        moralis = [
            LogitAgent(find("preferences", f"moralis(kappa={k})"), 0.05)(decisions(specs)) for k in (0, 1)
        ]
        rises = [high.p[0] > low.p[0] for low, high in zip(*moralis, strict=True)]
        assert rises == [i % 2 == 0 for i in range(len(specs))]
    kappas = np.sort(list(design.values()))
    assert np.diff(np.r_[0, kappas, 1]).max() < 0.1
    assert kappas[-1] > 0.95  # above 7/9, where payoffs to 9 end
    assert np.abs(kappas[:, None] - KAPPAS).min() > 0.01
    for d in decisions(design):
        assert d.payoffs.min() >= 1
        assert d.payoffs.max() <= HIGHEST


@pytest.mark.parametrize("kappa", KAPPAS)
def test_doses_are_told_from_inequity_and_slips(kappa: float) -> None:
    e = fit(choices(f"kantian(alpha=0.1, beta=0.2, kappa={kappa})", PRECISION, 0.1), "kantian", lapse=True)
    assert [e[n] for n in e.names] == pytest.approx([0.1, 0.2, kappa, 0.1, PRECISION], abs=1e-4)


@pytest.mark.parametrize("kappa", KAPPAS)
def test_certain_choices_bound_a_dose(kappa: float) -> None:
    best = bounds(choices(f"moralis(kappa={kappa})", np.inf), "moralis")
    low, high = np.clip([best.low, best.high], 0, 1)
    assert best.share == 1
    assert low <= kappa <= high
    assert high - low < 0.1


@pytest.mark.parametrize("idle", [[1, 0], [0, 1], [1, 1]])
def test_an_idle_agent_fits_no_kappa(idle: list[float]) -> None:
    ds = decisions(kappa_design())
    same = [Observation(d, Choice.at(idle), "", s) for d, s in zip(ds, kappa_design(), strict=True)]
    assert bounds(same, "moralis").share < 0.6


# --- slopes ---------------------------------------------------------------------------------------


def points(slopes: Any, noise: float = 0.0, seed: int = 0) -> list[tuple[float, int, float]]:
    rng = np.random.default_rng(seed)
    return [(k, s, 0.1 + b * k + noise * rng.normal()) for s, b in enumerate(slopes) for k in KAPPAS]


def test_a_slope_is_the_mean_over_seeds_with_an_interval_over_seeds() -> None:
    s = slope(points([0.8, 1.0, 1.2]))
    assert (s.value, s.intercept, s.seeds, s.agents) == pytest.approx((1.0, 0.1, 3, 15))
    assert s.high - s.value == pytest.approx(4.303 * 0.2 / np.sqrt(3), abs=1e-3)
    assert s.high_agents - s.value < s.high - s.value
    exact = slope(points([1.0, 1.0, 1.0]))
    assert (exact.low, exact.high, exact.low_agents) == pytest.approx((1, 1, 1))


def test_intervals_over_seeds_hold_where_seeds_differ_and_those_over_agents_do_not() -> None:
    rng = np.random.default_rng(0)
    sets = [points(1 + 0.2 * rng.normal(size=3), 0.03, seed) for seed in range(400)]
    found = [slope(p) for p in sets]
    seeds = np.mean([s.low <= 1 <= s.high for s in found])
    agents = np.mean([s.low_agents <= 1 <= s.high_agents for s in found])
    assert seeds == pytest.approx(0.95, abs=0.03)
    assert agents < 0.85


def test_the_interval_over_agents_is_around_the_slope_and_leaves_the_seeds_their_intercepts() -> None:
    """Every seed has other doses and another intercept: one line through all agents has another slope."""
    doses = [KAPPAS[:3], KAPPAS[1:4], KAPPAS[2:]]
    rng = np.random.default_rng(0)

    def drawn(noise: float) -> list[tuple[float, int, float]]:
        return [(k, s, 0.9 * k + 0.2 * s + noise * rng.normal()) for s, own in enumerate(doses) for k in own]

    exact = slope(drawn(0.0))
    assert (exact.low_agents, exact.value, exact.high_agents) == pytest.approx((0.9, 0.9, 0.9))
    found = [slope(drawn(0.1)) for _ in range(400)]
    assert all(s.low_agents + s.high_agents == pytest.approx(2 * s.value) for s in found)
    assert np.mean([s.low_agents <= 0.9 <= s.high_agents for s in found]) == pytest.approx(0.95, abs=0.03)


@pytest.mark.parametrize("left", [{0, 1}, set()])
def test_two_seeds_or_two_doses_have_no_slope(left: set[int]) -> None:
    every = points([1.0, 1.0, 1.0])
    few = [p for p in every if p[1] in left] if left else [p for p in every if p[0] in (0.0, 1.0)]
    with pytest.raises(TooFewAgents, match="--seeds 3"):
        slope(few)


@dataclass(eq=False)
class Stub:
    """An agent of a dose, by its answers."""

    kappa: float
    seed: int
    records: list[Record]

    def kappa_answers(self, *, aloud: bool) -> list[Record]:
        return [r for r in self.records if r.game in set(kappa_games())]

    def stated_answers(self, *, aloud: bool) -> list[Record]:
        return [r for r in self.records if r.game in set(stated_games())]


def agent(kappa: float, seed: int, *, certain: bool = False) -> Stub:
    """Its kappa is a tenth short of the dose, a twentieth of its answers are slips."""
    own = f"moralis(kappa={0.9 * kappa})"
    answers = choices(own, np.inf) if certain else choices(own, PRECISION * (1 + 0.1 * seed), 0.05)
    return Stub(
        kappa,
        seed,
        [
            Record(o.decision, FRAME, ((0, 1),), ("X", "Y"), "m", o.game, o.choice, asks="aloud")
            for o in answers
        ],
    )


def test_the_sections_have_every_reading_of_kappa() -> None:
    agents = [agent(kappa, seed, certain=kappa == 1) for kappa in (0.25, 0.5, 1.0) for seed in range(3)]
    findings: Any = SimpleNamespace(doses=agents)
    section = dose(findings)
    assert isinstance(section, Section)
    by = {(row["target"], row["seed"]): row for row in section.rows}
    row = by[0.5, 0]
    assert [row[n] for n in (KAPPA, "lapse", "alpha", "beta")] == pytest.approx([0.45, 0.05, 0, 0], abs=1e-4)
    assert row["games"] == 36
    assert row["share best"] > row["idle share"]
    assert by[1.0, 0].get(KAPPA) is None
    assert "certain" in by[1.0, 0][f"why no {KAPPA}"]
    assert by[1.0, 0][SET] == pytest.approx(0.9, abs=0.05)
    assert by[0.25, 0][EVEN] == pytest.approx(0.225, abs=0.05)
    lines = slopes(findings)
    assert isinstance(lines, Section)
    readings = {row["reading"]: row for row in lines.rows}
    assert "seeds" in readings[KAPPA]["why"]  # of two doses there is no line
    assert readings[PLAIN]["agents with a value"] == 6
    assert readings[KAPPA]["agents with a value"] == 6
    assert readings[SET]["slope"] == pytest.approx(0.9, abs=0.1)
    more: Any = SimpleNamespace(doses=[*agents, agent(0.5, 3)])  # a seed of one dose has no line
    row = next(row for row in slopes(more).rows if row["reading"] == SET)  # pyright: ignore
    assert (row["agents with a value"], row["in the line"], row["seeds"]) == (10, 9, 3)
    for muffled in agents[::3]:  # the first seed hardly ever gives a legal answer
        muffled.records = [
            replace(r, choice=Choice.at(r.choice.p, 0.01)) for r in muffled.records if r.choice
        ]
        readings_of.cache_clear()
    row = next(row for row in slopes(findings).rows if row["reading"] == SET)  # pyright: ignore
    assert (row["agents with a value"], "slope" in row) == (6, False)
    few: Any = SimpleNamespace(doses=agents[:2])
    refused = slopes(few)
    assert isinstance(refused, Section)
    assert all("why" in row for row in refused.rows)
