"""Lapses: they come back with the rest, through the records a model gives; without them kappa is wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom

from homines.core.registry import find
from homines.core.run_folder import RunFolder
from homines.core.types import Array, Choice, Decision, HominesError, frozen
from homines.elicitation.asking import measure
from homines.elicitation.questions import battery, questions
from homines.estimation.columns import Observation
from homines.estimation.cross_validation import cross_validate
from homines.estimation.family import family
from homines.estimation.fit import fit
from homines.estimation.lapse import GRID, climb_lapse, lapse_bend, lapse_slope
from homines.estimation.likelihood import Design, climb, loglik
from homines.estimation.observations import from_records
from homines.estimation.options import FitOptions
from homines.estimation.problem import NearIndifference, Separated, SeparatedByLapses, problem
from homines.studies.lu2025.dose_games import PRECISION, kappa_design
from homines.theory.choice import LogitAgent, lapsing
from tests.estimation.test_as_models_are_asked import beliefs, draw, estimate, run_of
from tests.helpers.theorist import Theorist

TRUTH = "kantian(alpha=0.1, beta=0.3, kappa=0.4)"


def divisions(many: int = 60, seed: int = 0) -> list[Decision]:
    paid = np.random.default_rng(seed).integers(10, 100, (many, 2, 2)).astype(float)
    return [Decision(("X", "Y"), frozen(p)) for p in paid]


def chosen(spec: str, precision: float, lapse: float, ds: list[Decision]) -> list[Observation]:
    agent = LogitAgent(find("preferences", spec), precision, lapse=lapse)
    return [Observation(d, c, "agent", str(i)) for i, (d, c) in enumerate(zip(ds, agent(ds), strict=True))]


RHO = "charness_rabin(rho=0.4, sigma=-0.1)"


def test_a_lapse_is_a_choice_at_random() -> None:
    assert lapsing(Choice.at([1, 0, 0]), 0.3).p == pytest.approx([0.8, 0.1, 0.1])
    with_lapses, without = (
        LogitAgent(find("preferences", RHO), 0.2, lapse=lapse)(divisions(5)) for lapse in (0.1, 0.0)
    )
    for a, b in zip(with_lapses, without, strict=True):
        assert a.p == pytest.approx(0.9 * b.p + 0.05)


@pytest.mark.parametrize("lapse", [0.0, 0.1, 0.4])
@pytest.mark.parametrize("precision", [0.05, 0.2])
def test_lapses_come_back_from_whole_choices(lapse: float, precision: float) -> None:
    e = fit(chosen(RHO, precision, lapse, divisions()), "charness_rabin", lapse=True)
    assert e.names == ("rho", "sigma", "lapse", "precision")
    assert [e[name] for name in e.names] == pytest.approx([0.4, -0.1, lapse, precision], abs=1e-5)
    assert e.explained == pytest.approx(1, abs=1e-6)
    again = e.agent(divisions(3, seed=1))
    want = LogitAgent(find("preferences", RHO), precision, lapse=lapse)(divisions(3, seed=1))
    assert np.array([c.p for c in again]) == pytest.approx(np.array([c.p for c in want]), abs=1e-5)


@pytest.mark.parametrize("stated", [False, True], ids=["uniform", "stated"])
def test_lapses_come_back_from_answers_that_are_parts_of_plans(stated: bool, tmp_path: Path) -> None:
    theorist = Theorist(TRUTH, 0.1, beliefs=beliefs(1) if stated else None, lapse=0.1)
    folder = run_of(theorist, tmp_path / "run", ask_beliefs=stated)
    e = estimate(folder, "kantian", lapse=True)
    assert [e[name] for name in e.names] == pytest.approx([0.1, 0.3, 0.4, 0.1, 0.1], abs=1e-5)
    plain = estimate(folder, "kantian")
    assert abs(plain["kappa"] - 0.4) > 0.02  # without lapses kappa is wrong


def _derivative(height, at: Array, h: float = 1e-5) -> Array:
    return np.array([(height(at + h * e) - height(at - h * e)) / (2 * h) for e in np.eye(len(at))])


@pytest.mark.parametrize("parts", [False, True], ids=["whole", "parts of plans"])
def test_slopes_and_bends_are_those_of_the_likelihood(parts: bool) -> None:
    rng = np.random.default_rng(0)
    answer = rng.integers(0, 2, (12, 4)) if parts else None
    d = Design(rng.normal(size=(12, 4, 3)), np.ones((12, 4), dtype=np.bool_), answer, 0.2)
    y = rng.random((12, 4)) * d.answers
    at = np.r_[0.8, -0.3, 0.5, 0.2]

    def height(x: Array) -> float:
        return loglik(y, replace(d, lapse=float(x[-1])).logp(x[:-1]))

    def slopes(x: Array) -> Array:
        here = replace(d, lapse=float(x[-1]))
        q = np.exp(here.logp(x[:-1]))
        by_lapse = (y * lapse_slope(here, here.action_logp(x[:-1]))).sum()
        return np.r_[here.near(x[:-1]).gradient(y, q), by_lapse]

    assert np.exp(d.logp(at[:-1])).sum(-1) == pytest.approx(np.ones(12))
    assert slopes(at) == pytest.approx(_derivative(height, at), abs=1e-7)
    assert lapse_bend(d, y, at[:-1]) == pytest.approx(-_derivative(slopes, at), abs=1e-6)


def test_the_climb_ends_at_the_highest_point() -> None:
    observations = chosen(RHO, 0.2, 0.15, divisions(40))
    p = problem(observations, family("charness_rabin"), lapse=True)
    peak, share = p.peak()
    heights = [climb_lapse(p.design, p.y, around=share)[0].loglik for share in GRID]
    assert max(heights) <= peak.loglik + 1e-12
    assert share == pytest.approx(0.15, abs=1e-6)


def sixty_choices(rng: np.random.Generator) -> tuple[Design, Array]:
    """A design with a share of lapses of .15, and choices drawn from it."""
    design = Design(rng.normal(size=(60, 4, 3)), np.ones((60, 4), dtype=np.bool_), lapse=0.15)
    p = np.exp(design.logp(np.array([1.5, -0.8, 0.6])))
    return design, np.eye(4)[[rng.choice(4, p=row / row.sum()) for row in p]]


@pytest.mark.parametrize("draws", [31, 37, 48])
def test_no_share_is_higher_than_the_maximum(draws: int) -> None:
    """The last of so many has several maxima over the share, and over g given a share."""
    rng = np.random.default_rng(1)
    design, y = [sixty_choices(rng) for _ in range(draws)][-1]
    top, _ = climb_lapse(design, y)
    cold = [climb(replace(design, lapse=share), y).loglik for share in np.linspace(0, 0.6, 31)]
    assert top.loglik >= max(cold) - 1e-9


def test_an_answer_of_next_to_no_probability_has_a_slope_that_is_a_number() -> None:
    design = Design(np.array([[[0.0], [-740.0]]]), np.ones((1, 2), dtype=np.bool_))
    slope = lapse_slope(design, design.action_logp(np.ones(1)))
    assert np.isfinite(slope).all()
    assert slope[0, 1] > 1e299


def test_near_indifference_lapses_are_refused() -> None:
    """All of what 60 small stakes say on lapses they say on the precision too."""
    with pytest.raises(NearIndifference, match="far from indifference"):
        fit(chosen(RHO, 0.005, 0.1, divisions()), "charness_rabin", lapse=True)
    alike = [Decision(("X", "Y"), frozen([[10.0, 0.0], [k, k]])) for k in (4.0, 16.0) for _ in range(9)]
    with pytest.raises(NearIndifference):  # one distance from indifference
        fit(chosen("economicus", 0.3, 0.1, alike), "economicus", lapse=True)


def test_choices_certain_but_for_lapses_have_no_precision() -> None:
    """Without lapses the same choices have an estimate, and the error says so; choices that are certain are
    separated either way."""
    ds = divisions()
    slips = chosen(RHO, 50.0, 0.1, ds)
    assert fit(slips, "charness_rabin")["precision"] > 0
    with pytest.raises(SeparatedByLapses, match="leave out --lapse"):
        fit(slips, "charness_rabin", lapse=True)
    with pytest.raises(Separated) as certain:
        fit(chosen(RHO, 50.0, 0.0, ds), "charness_rabin", lapse=True)
    assert type(certain.value) is Separated


def test_no_lapses_are_an_edge_with_an_interval() -> None:
    """Choices with fewer lapses than none: the share is 0, and the interval says how many there may be."""
    rng = np.random.default_rng(3)
    exact = chosen(RHO, 0.05, 0.0, divisions())
    drawn = [[replace(o, choice=draw(o.choice, 20, rng)) for o in exact] for _ in range(6)]
    edge = [e for each in drawn if (e := fit(each, "charness_rabin", lapse=True))["lapse"] == 0]
    assert edge
    for e in edge:
        low, high = e.intervals[e.names.index("lapse")]
        assert low == 0 < high < 0.5
        assert np.isfinite(e.se).all()


def test_held_out_choices_are_judged_with_lapses() -> None:
    """An outright slip in a game left out is no catastrophe to a family that knows slips."""
    rng = np.random.default_rng(1)
    ds = divisions()
    drawn = [replace(o, choice=draw(o.choice, 10, rng)) for o in chosen(RHO, 0.3, 0.1, ds)]
    with_lapses, without = (cross_validate(drawn, "charness_rabin", lapse=lapse) for lapse in (True, False))
    assert with_lapses is not None
    assert without is not None
    assert with_lapses.held_out > without.held_out + 0.02


def test_risk_and_lapses_are_not_estimated_together() -> None:
    with pytest.raises(HominesError, match="together"):
        FitOptions(risk=True, lapse=True)
    with pytest.raises(HominesError, match="together"):
        fit(chosen(RHO, 0.2, 0.1, divisions()), "charness_rabin", risk=True, lapse=True)
    with pytest.raises(HominesError, match="--lapse"):
        FitOptions(lapse=True, random=True)
    with pytest.raises(HominesError, match="--lapse"):
        FitOptions(lapse=True, classes=2)


SAMPLES = 40


@pytest.mark.statistics
@pytest.mark.parametrize("n", [5, 20])
def test_intervals_of_kappa_cover_it_with_lapses_and_not_without(n: int, tmp_path: Path) -> None:
    """Homo moralis (kappa 1), a tenth of whose n drawn answers to each of the 36 dose games are slips. 95%
    intervals that know of slips hold kappa as often as they say; without slips its estimate is far above."""
    theorist = Theorist("kantian(alpha=0.0, beta=0.0, kappa=1.0)", 2 * PRECISION, lapse=0.1)
    games = {spec: battery(find("games", spec)) for spec in kappa_design()}
    asked = questions(theorist, games, [find("frames", "table(labels='X,Y')")])
    theorist.prepare(asked)
    with RunFolder(tmp_path / "run", {"kind": "measure", "model": theorist.name}) as run:
        measure(theorist, asked, run)
    exact = from_records(RunFolder(tmp_path / "run").records)
    rng = np.random.default_rng(n)
    hits: list[bool] = []
    values: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(SAMPLES):
        drawn = [replace(o, choice=draw(o.choice, n, rng)) for o in exact]
        for lapse in values:
            e = fit(drawn, "kantian", lapse=lapse)
            values[lapse].append(e["kappa"])
            if lapse:
                low, high = e.intervals[e.names.index("kappa")]
                hits.append(bool(low <= 1 <= high))
    error = {lapse: np.std(each, ddof=1) / np.sqrt(SAMPLES) for lapse, each in values.items()}
    off = {lapse: np.mean(each) - 1 for lapse, each in values.items()}
    assert sum(hits) >= binom.ppf(1e-3, SAMPLES, 0.95)
    assert abs(off[True]) < 3.3 * error[True]
    assert off[False] > 0.15
