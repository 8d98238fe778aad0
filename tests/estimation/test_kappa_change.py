"""The change of kappa between two sets of answers, with its jackknife interval or the reason for none."""

from __future__ import annotations

import numpy as np
import pytest

from homines.core.registry import find
from homines.core.types import Choice, Record
from homines.elicitation.questions import battery
from homines.estimation.kappa_change import NOWHERE, kappa_change
from homines.preferences.kantian import Kantian
from homines.theory.choice import LogitAgent
from homines.training.persistence_plan import KAPPA_GAMES


def answers(kappa: float, beta: float = 0.2, precision: float = 0.5, noise: float = 0.0) -> list[Record]:
    """Exact answers of a theory, their log odds moved by noise that each game keeps."""
    out: list[Record] = []
    agent = LogitAgent(Kantian(0.0, beta, kappa), precision)
    for i, spec in enumerate(KAPPA_GAMES):
        for d in battery(find("games", spec)):
            (choice,) = agent([d])
            moved = Choice.of(choice.logp + noise * np.array([np.sin(5 * i), 0.0]))
            out.append(Record(d, "table(labels=(A, B))", ((0, 1),) * 2, ("A", "B"), "m", spec, moved))
    return out


def test_a_change_of_kappa_is_recovered_with_beta_in_play() -> None:
    estimate = kappa_change(answers(0.7), answers(0.2))
    assert estimate.family == "kantian(alpha=0)"
    assert estimate.value == pytest.approx(0.2, abs=1e-4)
    assert estimate.change is not None
    assert estimate.change.change == pytest.approx(-0.5, abs=1e-4)
    assert estimate.change.games == len(KAPPA_GAMES)


def test_what_a_game_does_to_both_sides_alike_cancels() -> None:
    estimate = kappa_change(answers(0.5, noise=0.4), answers(0.5, noise=0.4))
    assert estimate.change is not None
    assert estimate.change.change == pytest.approx(0, abs=1e-6)
    assert estimate.change.alike  # an interval from 0 to 0 would be no certainty
    assert (estimate.change.low, estimate.change.high) == (None, None)
    apart = kappa_change(answers(0.5), answers(0.5, noise=0.4)).change
    assert apart is not None
    assert apart.low is not None
    assert apart.high is not None
    assert apart.low < 0 < apart.high
    assert apart.high - apart.low > 0.05


def test_without_a_value_there_is_a_reason() -> None:
    flat = [Record(r.decision, r.frame, r.order, r.labels, r.model, r.game, Choice.of([0.0, 0.0]))
            for r in answers(0.5)]  # fmt: skip
    lost = kappa_change(answers(0.5), flat)
    assert lost.value is None
    assert lost.change is None
    assert lost.why
    kept = kappa_change(flat, answers(0.5))
    assert kept.value == pytest.approx(0.5, abs=1e-4)
    assert kept.change is None
    assert kept.why
    dictator = [
        Record(d, "table", ((0, 1, 2),) * 2, d.actions, "m", "dictator", Choice.of(np.arange(len(d.actions))))
        for d in battery(find("games", "dictator"))
    ]
    assert kappa_change(dictator, dictator).why == NOWHERE
