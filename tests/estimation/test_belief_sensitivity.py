"""The same estimate under uniform, elicited and correct beliefs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from homines.core.registry import find
from homines.core.types import Choice, Decision
from homines.elicitation.questions import battery
from homines.estimation.belief_sensitivity import (
    UnderBelief,
    sensitivity,
    with_correct_beliefs,
    with_uniform_beliefs,
)
from homines.estimation.columns import Observation
from homines.estimation.fit import fit
from homines.estimation.fitting import read_agents
from homines.estimation.observations import from_records
from homines.preferences.moralis import Moralis
from homines.theory.choice import LogitAgent
from homines.theory.game_forms import NormalForm
from tests.estimation.test_agent_estimates import answered
from tests.estimation.test_as_models_are_asked import beliefs, run_of
from tests.helpers.theorist import Theorist

TABLES = ([[60, 10], [90, 20]], [[70, 10], [80, 30]], [[50, 40], [80, 20]], [[90, 5], [60, 40]])


def choices(believed: float) -> list[Observation]:
    """Exact choices of moralis(0.4) in symmetric games, told that the other plays C with this probability."""
    agent = LogitAgent(Moralis(0.4), 0.05)
    seats = [NormalForm.two("CD", table).seat(0) for table in TABLES]
    told = [replace(d, others=(np.array([believed, 1 - believed]),)) for d in seats]
    return [Observation(d, c, "m", str(i)) for i, (d, c) in enumerate(zip(told, agent(told), strict=True))]


def test_the_true_belief_gives_the_truth_and_another_does_not() -> None:
    data = choices(0.8)
    found = {
        u.belief: u for u in sensitivity({"uniform": with_uniform_beliefs(data), "elicited": data}, "moralis")
    }
    assert found["elicited"].values["kappa"] == pytest.approx(0.4)
    assert found["elicited"].explained == pytest.approx(1)
    assert found["uniform"].values["kappa"] != pytest.approx(0.4, abs=0.01)
    assert found["uniform"].explained is not None
    assert found["uniform"].explained < 0.999


def drawn(n: int, *, unreadable: bool = False) -> list[Observation]:
    """Samples of those choices, n of each; none legal in a further game."""
    rng = np.random.default_rng(0)
    data = [replace(o, choice=Choice.at(rng.multinomial(n, o.choice.p), n=n)) for o in 3 * choices(0.8)]
    if unreadable:
        data += [replace(data[0], choice=Choice.at([0.5, 0.5], mass=0.0, n=5), game="unread")]
    return data


def under_two(data: list[Observation]) -> dict[str, UnderBelief]:
    rows = sensitivity({"uniform": with_uniform_beliefs(data), "elicited": data}, "moralis")
    return {row.belief: row for row in rows}


@pytest.mark.parametrize("unreadable", [False, True])
def test_of_samples_explained_means_what_it_means_of_an_estimate(unreadable: bool) -> None:
    data = drawn(4, unreadable=unreadable)
    by_belief = under_two(data)
    assert by_belief["elicited"].explained == pytest.approx(fit(data, "moralis").explained)
    assert by_belief["uniform"].explained is not None
    assert by_belief["uniform"].explained < 1


def test_one_choice_a_decision_shows_no_fit() -> None:
    """Nothing is explained or not where every choice is at a decision of its own."""
    rng = np.random.default_rng(1)
    data: list[Observation] = []
    for i in range(60):
        table = rng.integers(10, 90, (2, 2)).tolist()
        d = replace(NormalForm.two("CD", table).seat(0), others=(np.array([0.8, 0.2]),))
        p = LogitAgent(Moralis(0.4), 0.05)([d])[0].p
        data.append(Observation(d, Choice.at(rng.multinomial(1, p), n=1), "m", str(i)))
    by_belief = under_two(data)
    assert all(row.values and row.explained is None for row in by_belief.values())


def test_a_belief_that_gives_no_choices_has_a_why() -> None:
    data = choices(0.8)
    rows = sensitivity({"elicited": data, "correct": []}, "moralis")
    assert [(row.belief, row.why) for row in rows] == [
        ("elicited", ""),
        ("correct", "no observations to fit"),
    ]


def test_correct_beliefs_are_the_choices_of_all_in_the_same_place() -> None:
    (d,) = (NormalForm.two("CD", TABLES[0]).seat(0),)
    told = replace(d, others=(np.array([0.9, 0.1]),))
    data = [
        Observation(d, Choice.at([3, 1], n=4), "a"),
        Observation(told, Choice.at([1, 3], n=4), "b"),
        Observation(told, Choice.at([2, 0], n=2), "c"),
    ]
    for o in with_correct_beliefs(data):
        assert o.decision.others is not None
        assert o.decision.others[0] == pytest.approx([0.6, 0.4])
    alone = Decision(("X", "Y"), np.array([[1.0, 2.0], [3.0, 4.0]]))
    assert with_correct_beliefs([Observation(alone, Choice.at([1, 1], n=2))])[0].decision.others is None


def test_where_beliefs_change_nothing_there_are_none() -> None:
    alone = Observation(Decision(("X", "Y"), np.array([[10.0, 20.0], [30.0, 4.0]])), Choice.at([0.4, 0.6]))
    variants = {"uniform": with_uniform_beliefs([alone]), "correct": with_correct_beliefs([alone])}
    assert sensitivity(variants, "inequity") == []


def test_a_run_has_its_own_choices_as_correct_beliefs(tmp_path: Path) -> None:
    """A theorist is found by the beliefs that it holds: as elicited, or uniform."""
    truth = "inequity(alpha=0.3, beta=0.5)"
    asked = run_of(Theorist(truth, 0.05, beliefs=beliefs(1)), tmp_path / "asked", ask_beliefs=True)
    by_belief = {u.belief: u for u in sensitivity(read_agents(asked, None)[0][0].variants, "inequity")}
    assert list(by_belief) == ["uniform", "elicited", "correct"]
    assert by_belief["elicited"].values["beta"] == pytest.approx(0.5, abs=1e-5)
    assert by_belief["uniform"].values["beta"] != pytest.approx(0.5, abs=1e-3)
    unasked = run_of(Theorist(truth, 0.05), tmp_path / "unasked", ask_beliefs=False)
    silent = sensitivity(read_agents(unasked, None)[0][0].variants, "inequity")
    assert [u.belief for u in silent] == ["uniform", "correct"]
    assert silent[0].values["beta"] == pytest.approx(0.5, abs=1e-5)


def test_in_a_repeated_game_the_other_stands_on_the_other_side() -> None:
    """After (C, D) the other has seen (D, C): what it does is what this model does there."""
    share = {(): 0.5, ((0, 0),): 0.9, ((0, 1),): 0.2, ((1, 0),): 0.6, ((1, 1),): 0.1}
    records = [
        replace(r, choice=Choice.at([share[r.decision.history], 1 - share[r.decision.history]]))
        for r in answered(Moralis(0.4), "ipd")
    ]
    own = {o.decision.history: o.choice.p for o in from_records(records, beliefs="uniform")}
    correct = {o.decision.history: o.decision.others for o in from_records(records, beliefs="correct")}
    assert set(own) == {o.history for o in battery(find("games", "ipd"))}
    for history, others in correct.items():
        assert others is not None
        assert others[0] == pytest.approx(own[tuple(stage[::-1] for stage in history)])
