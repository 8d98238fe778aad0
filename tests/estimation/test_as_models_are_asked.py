"""The whole way: a preference answers the questions of `measure`, records are stored, `fit` reads the run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import binom

from homines.core.registry import find
from homines.core.run_folder import RunFolder
from homines.core.types import Array, Choice
from homines.elicitation.asking import measure
from homines.elicitation.questions import battery, questions
from homines.elicitation.survey import PROTOCOLS, Survey
from homines.estimation.columns import Observation
from homines.estimation.family import family
from homines.estimation.fit import Estimate, fit
from homines.estimation.fitting import estimate_one, read_observations
from homines.estimation.likelihood import loglik
from homines.estimation.observations import from_records
from homines.estimation.options import FitOptions
from homines.estimation.problem import NotIdentified, problem
from homines.estimation.strategy_method import points
from homines.estimation.uncertainty import covariance
from tests.helpers.theorist import Theorist

TRUTHS = (
    "economicus",
    "utilitarian",
    "maximin",
    "altruist(weight=0.4)",
    "inequity(alpha=0.3, beta=0.5)",
    "charness_rabin(rho=0.4, sigma=-0.1)",
    "bfs(alpha=0.1, beta=0.3, gamma=0.1, delta=-0.1)",
    "moralis(kappa=0.4)",
    "kantian(alpha=0.0, beta=0.0, kappa=0.4)",
    "kantian(alpha=0.1, beta=0.3, kappa=0.7)",
)


def beliefs(seed: int) -> dict[str, Any]:
    """Other probabilities than 50/50 at every point of every protocol."""
    rng = np.random.default_rng(seed)
    return {
        name: {point: rng.dirichlet([2, 2]) for point in points(find("games", name))} for name in PROTOCOLS
    }


def run_of(theorist: Theorist, folder: Path, *, ask_beliefs: bool) -> Path:
    """The run folder of a theorist that was asked all protocols, in all orders."""
    frames = [find("frames", f"table(labels='X,Y', asks={asks})") for asks in ("choice", "belief")]
    asked = questions(
        theorist, {name: battery(find("games", name)) for name in PROTOCOLS}, frames[: 1 + ask_beliefs]
    )
    theorist.prepare(asked)
    with RunFolder(folder, {"kind": "measure", "model": theorist.name}) as run:
        measure(theorist, asked, run)
    return folder


def estimate(folder: Path, family: str, **options: Any) -> Estimate:
    observations, _, _ = read_observations(folder, None)
    found = estimate_one(observations, family, FitOptions(**options))
    assert isinstance(found, Estimate)
    return found


@pytest.mark.parametrize("precision", [0.02, 0.1])
@pytest.mark.parametrize("stated", [False, True], ids=["uniform", "stated"])
@pytest.mark.parametrize("truth", TRUTHS)
def test_the_parameters_come_back(truth: str, stated: bool, precision: float, tmp_path: Path) -> None:
    theorist = Theorist(truth, precision, beliefs=beliefs(1) if stated else None)
    e = estimate(run_of(theorist, tmp_path / "run", ask_beliefs=stated), truth.partition("(")[0])
    preference = find("preferences", truth)
    for name in e.family.free:
        assert e[name] == pytest.approx(getattr(preference, name), abs=1e-5), name
    assert e["precision"] == pytest.approx(precision, rel=1e-5)
    assert e.explained == pytest.approx(1, abs=1e-6)
    assert max(e.misfit.values()) < 1e-9


SAMPLES = 24


@pytest.mark.statistics
@pytest.mark.parametrize("n", [1, 5, 50])
@pytest.mark.parametrize("stated", [False, True], ids=["uniform", "stated"])
@pytest.mark.parametrize(
    "truth",
    ["inequity(alpha=0.3, beta=0.5)", "moralis(kappa=0.4)", "kantian(alpha=0.1, beta=0.3, kappa=0.7)"],
)
def test_intervals_cover_the_truth(truth: str, stated: bool, n: int, tmp_path: Path) -> None:
    """95% intervals of n draws an answer: as often as they say, within sampling error."""
    precision = 0.05
    theorist = Theorist(truth, precision, beliefs=beliefs(2) if stated else None)
    exact = RunFolder(run_of(theorist, tmp_path / "exact", ask_beliefs=stated)).records
    preference = find("preferences", truth)
    rng = np.random.default_rng(n)
    hits: list[list[bool]] = []
    for _ in range(SAMPLES):
        drawn = [r if r.asks == "belief" else replace(r, choice=draw(r.choice, n, rng)) for r in exact]
        try:
            e = fit(from_records(drawn), truth.partition("(")[0])
        except NotIdentified:
            continue
        if np.isnan(e.intervals).any():  # one game alone identifies a parameter: no interval is given
            continue
        true = [*(getattr(preference, name) for name in e.family.free), precision]
        hits.append([low <= x <= high for x, (low, high) in zip(true, e.intervals, strict=True)])
    least = binom.ppf(1e-4, len(hits), 0.95)
    assert len(hits) >= (SAMPLES if n == 50 else SAMPLES / 4)
    assert np.sum(hits, axis=0).min() >= least


def draw(choice: Choice | None, n: int, rng: np.random.Generator) -> Choice:
    assert choice is not None
    return Choice.at(rng.multinomial(n, choice.p), n=n)


def test_the_battery_of_measure_tells_alpha_beta_and_kappa(tmp_path: Path) -> None:
    theorist = Theorist("kantian(alpha=0.1, beta=0.3, kappa=0.4)", 0.1, beliefs=beliefs(2))
    survey = Survey(theorist.name, ("battery",))
    asked = survey.questions(theorist)
    theorist.prepare(asked)
    with survey.run(tmp_path / "run") as run:
        measure(theorist, asked, run)
    e = estimate(tmp_path / "run", "kantian")
    assert [e[name] for name in ("alpha", "beta", "kappa")] == pytest.approx([0.1, 0.3, 0.4], abs=1e-5)


def test_answers_that_the_family_does_not_fit_have_an_estimate(tmp_path: Path) -> None:
    """The likelihood of answers with misfit bends otherwise than its information says; Newton's step, which
    takes the bend, ends at the maximum, where steps by the information went round and round."""
    folder = run_of(
        Theorist("kantian(alpha=0.0, beta=0.1, kappa=0.4)", 0.05), tmp_path / "run", ask_beliefs=False
    )
    correct = from_records(RunFolder(folder).records, beliefs="correct")
    p = problem(correct, family("kantian"))
    peak, _ = p.peak()
    assert peak.converged
    assert peak.unbounded() is None
    found = minimize(lambda g: -loglik(p.y, p.design.logp(g / 100)), 100 * peak.g + 0.3, method="Nelder-Mead",
                     options={"xatol": 1e-8, "fatol": 1e-14, "maxiter": 4000, "maxfev": 4000})  # fmt: skip
    assert peak.loglik >= -found.fun - 1e-10
    assert peak.g == pytest.approx(found.x / 100, abs=1e-5)
    h = 1e-4
    y, g = p.y, peak.g
    near = [[loglik(y, p.design.logp(g + h * (i * e + j * f))) for i in (1, -1) for j in (1, -1)]
            for e in np.eye(4) for f in np.eye(4)]  # fmt: skip
    bend = -np.array([(a - b - c + d) / (4 * h * h) for a, b, c, d in near]).reshape(4, 4)
    assert p.design.bend(y, g) == pytest.approx(bend, rel=1e-3, abs=1e-2)


def test_errors_rest_on_the_second_derivative(tmp_path: Path) -> None:
    """With misfit it is not the expected information, by which kappa's error was two thirds of its own."""
    truth = Theorist("kantian(alpha=0.1, beta=0.3, kappa=0.7)", 0.05)
    folder = run_of(truth, tmp_path / "run", ask_beliefs=False)
    rng = np.random.default_rng(0)
    odd: list[Observation] = []
    for o in from_records(RunFolder(folder).records):
        assert o.part is not None
        logit = np.log(o.choice.p[0] / o.choice.p[1]) + 0.4 * rng.normal()
        choice = Choice.of(np.array([logit, 0.0]))
        odd.append(replace(o, choice=choice, part=replace(o.part, choice=choice)))
    p = problem(odd, family("kantian"))
    g = p.peak()[0].g
    _, inverse, _, _ = covariance(p, p.design, g, 0.0)
    at, step = np.r_[g[1:] / g[0], g[0]], np.diag([1e-3, 1e-3, 1e-3, 1e-5])

    def height(x: Array) -> float:
        return loglik(p.y, p.design.logp(x[-1] * np.r_[1.0, x[:-1]]))

    bend = np.array(
        [
            [
                -sum(a * b * height(at + a * e + b * f) for a in (1, -1) for b in (1, -1))
                / (4 * e.sum() * f.sum())
                for f in step
            ]
            for e in step
        ]
    )
    assert inverse == pytest.approx(np.linalg.inv(bend), rel=1e-2)
