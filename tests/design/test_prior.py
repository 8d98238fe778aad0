"""Particles are the posterior: beside sums on a fine grid, and the same after the same answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from homines.core.types import Decision, HominesError, frozen
from homines.design.information import entropy, family_weights, gain
from homines.design.prior import Particles
from homines.estimation.columns import group_decisions
from homines.estimation.family import family
from homines.games.symmetric import symmetric
from homines.theory.choice import stated_beliefs

GAMES = ((5, 1, 7, 2), (4, 1, 5, 2), (9, 2, 8, 6), (3, 3, 3, 3), (6, 5, 9, 1))


def decisions() -> list[Decision]:
    return [symmetric(*map(float, paid), rounds=1).due(())[0] for paid in GAMES]


def particles(spec: str, seed: int = 0) -> Particles:
    of = family(spec)
    return Particles.draw(of, group_decisions(decisions()).design(of, stated_beliefs), 9, seed)


def test_the_posterior_is_that_of_a_fine_grid() -> None:
    posterior = particles("moralis")
    answers = [(0, 0), (1, 1), (0, 0), (4, 1), (2, 0), (0, 0), (1, 0)]
    for place, act in answers:
        posterior = posterior.learn(place, np.eye(2)[act])
    kappa = np.linspace(0.0005, 0.9995, 400)
    log_precision = np.linspace(-6, 6, 400)
    k, precision = np.meshgrid(kappa, np.exp(log_precision), indexing="ij")
    height = -0.5 * (((k - 0.25) / 0.5) ** 2 + (np.log(precision) / 1.5) ** 2)
    prior = np.exp(height) / np.exp(height).sum()
    for place, act in answers:
        x = posterior.design.x[place]
        v = precision * ((x[act] - x[1 - act])[0] + k * (x[act] - x[1 - act])[1])
        height = height - np.logaddexp(0, -v)
    p = np.exp(height - height.max())
    evidence = np.log(
        (
            prior
            * np.exp(
                height
                - np.log(prior)
                - np.log(np.exp(-0.5 * (((k - 0.25) / 0.5) ** 2 + (np.log(precision) / 1.5) ** 2)).sum())
            )
        ).sum()
    )
    p /= p.sum()
    mean, sd = float((p * k).sum()), float(np.sqrt((p * k**2).sum() - (p * k).sum() ** 2))
    w, values = posterior.weights, posterior.values("kappa")
    assert w @ values == pytest.approx(mean, abs=0.06)
    assert np.sqrt(w @ values**2 - (w @ values) ** 2) == pytest.approx(sd, abs=0.06)
    assert posterior.evidence == pytest.approx(evidence, abs=0.25)
    assert ((values >= 0) & (values <= 1)).all()


def test_the_same_answers_give_the_same_particles_and_another_seed_others() -> None:
    def after(seed: int) -> Particles:
        posterior = particles("kantian", seed)
        for i in range(12):
            posterior = posterior.learn(i % 3, np.eye(2)[i % 2])
        return posterior

    assert np.array_equal(after(1).z, after(1).z)
    assert not np.array_equal(after(1).z, after(2).z)


def test_an_answer_that_tells_nothing_changes_no_weight() -> None:
    before = particles("kantian")
    after = before.learn(3, np.array([0.0, 1.0]))
    assert after.weights == pytest.approx(before.weights)
    assert after.evidence == pytest.approx(np.log(0.5))


def test_a_family_that_takes_no_parameter_near_the_prior_is_refused() -> None:
    of = family("kantian")
    bad = type(of)(of.spec, _refuse, of.free, {})
    with pytest.raises(HominesError, match="takes hardly any parameters"):
        Particles.draw(bad, group_decisions(decisions()).design(of, stated_beliefs), 9, 0)


def _refuse(**_: float) -> Any:
    raise HominesError("no")


@pytest.mark.parametrize("spec", ["kantian", "moralis"])
def test_the_gain_is_the_variance_that_answers_take_away(spec: str) -> None:
    """By the two posteriors that an answer can lead to, weighed by how likely each is."""
    before = particles(spec)
    w, theta = before.weights, before.values("kappa")
    variance = float(w @ theta**2 - (w @ theta) ** 2)
    found = gain([before], "kappa", [0, 1, 2, 3, 4])
    for place in range(5):
        left = 0.0
        for act in range(2):
            p = np.exp(before.logp([place])[0, act])
            share = float(w @ p)
            after = w * p / share
            left += share * float(after @ theta**2 - (after @ theta) ** 2)
        assert found[place] == pytest.approx(-0.5 * np.log(left / variance), abs=1e-9)
    assert found[3] == pytest.approx(0, abs=1e-9)
    assert (found[[0, 1, 2, 4]] > 0).all()


def test_two_families_add_what_an_answer_tells_of_which_is_true() -> None:
    both = [particles("kantian"), particles("inequity(alpha=0.9, beta=0.9)")]
    places = [0, 1, 2, 3, 4]
    predicted = np.stack([np.exp(b.logp(places)) @ b.weights for b in both])
    mixed = predicted.mean(0)
    kl = (predicted * np.log(predicted / mixed)).sum(-1).mean(0)
    assert gain(both, "kappa", places) - gain(both[:1], "kappa", places) == pytest.approx(kl, abs=1e-9)
    assert family_weights(both) == pytest.approx([0.5, 0.5])
    assert entropy(frozen([[0.5, 0.5], [1.0, 0.0]])) == pytest.approx([np.log(2), 0.0])
