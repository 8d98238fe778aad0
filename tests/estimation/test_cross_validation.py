"""Families are judged on games that they were not fitted to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from homines.core.registry import find
from homines.core.types import Choice, Decision, frozen
from homines.estimation.columns import Observation
from homines.estimation.cross_validation import EACH_UP_TO, FOLDS, cross_validate
from homines.estimation.family import family
from homines.estimation.fit import fit
from homines.estimation.likelihood import loglik
from homines.estimation.problem import NotIdentified, problem
from homines.theory.choice import LogitAgent


def divisions(
    many: int, truth: str = "inequity(alpha=0.3, beta=0.5)", n: int | None = 10
) -> list[Observation]:
    rng = np.random.default_rng(1)
    agent = LogitAgent(find("preferences", truth), 0.05)
    out: list[Observation] = []
    for i in range(many):
        d = Decision(("X", "Y"), frozen(rng.integers(10, 100, (2, 2)).astype(float)))
        p = agent([d])[0].p
        out.append(
            Observation(d, Choice.at(p) if n is None else Choice.at(rng.multinomial(n, p), n=n), "m", f"g{i}")
        )
    return out


def test_each_game_is_judged_by_the_fit_of_the_others() -> None:
    """Against the same, written out once more."""
    data = divisions(12)
    h = cross_validate(data, "inequity")
    assert h is not None
    assert (h.folds, h.clusters, h.cluster) == (12, 12, "game")
    total = 0.0
    for i, left in enumerate(data):
        e = fit([o for k, o in enumerate(data) if k != i], "inequity")
        g = e["precision"] * np.r_[1.0, e["alpha"], e["beta"]]
        alone = problem([left], family("inequity"))
        total += loglik(alone.y, alone.design.logp(g))
    assert h.held_out == pytest.approx(total / 120, rel=1e-6)
    assert h.in_sample == pytest.approx(fit(data, "inequity").loglik / 120, rel=1e-9)
    assert h.random == pytest.approx(-np.log(2))
    assert h.held_out < h.in_sample


def test_exact_choices_of_the_family_are_foretold() -> None:
    h = cross_validate(divisions(12, n=None), "inequity")
    assert h is not None
    assert h.held_out == pytest.approx(h.in_sample, abs=1e-9)


def test_a_parameter_too_many_costs() -> None:
    """Held out, the true family does better than a wider one; in sample it cannot."""
    gaps: list[float] = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        truth = divisions(16, "economicus", None)
        data = [replace(o, choice=Choice.at(rng.multinomial(12, o.choice.p), n=12)) for o in truth]
        narrow, wide = (cross_validate(data, spec) for spec in ("economicus", "inequity"))
        assert narrow is not None
        assert wide is not None
        assert wide.in_sample >= narrow.in_sample
        if not wide.why:
            gaps.append(narrow.held_out - wide.held_out)
    assert len(gaps) > 25
    assert np.mean(gaps) > 2 * np.std(gaps) / np.sqrt(len(gaps))


def test_many_clusters_are_left_out_in_parts() -> None:
    many = cross_validate(divisions(EACH_UP_TO + 1), "inequity")
    assert many is not None
    assert many.folds == FOLDS
    people = [replace(o, subject=f"s{i}", game="one") for i in range(3) for o in divisions(12)]
    by_subject = cross_validate(people, "inequity")
    assert by_subject is not None
    assert (by_subject.cluster, by_subject.folds) == ("subject", 3)


def test_a_game_that_alone_identifies_a_parameter_is_named() -> None:
    ahead = [o for o in divisions(40, n=None) if (o.decision.payoffs[0] >= o.decision.payoffs[1]).all()]
    behind = [o for o in divisions(40, n=None) if (o.decision.payoffs[0] <= o.decision.payoffs[1]).all()]
    h = cross_validate([*ahead, *(replace(o, game="envy") for o in behind)], "inequity")
    assert h is not None
    assert np.isnan(h.held_out)
    assert h.why.startswith("without envy: ")


def test_one_game_leaves_nothing_to_judge_by() -> None:
    data = [replace(o, game="one") for o in divisions(12)]
    assert cross_validate(data, "inequity", cluster="game") is None
    with pytest.raises(NotIdentified):
        cross_validate(
            [replace(o, choice=Choice.at(o.choice.p[::-1])) for o in divisions(12, n=None)], "inequity"
        )
