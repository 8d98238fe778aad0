"""A goal and a beginning are treatments: compared with the same questions without, and mixed with no rate."""

from __future__ import annotations

from pathlib import Path

import pytest

from homines.core.registry import find
from homines.core.run_folder import RunFolder
from homines.core.types import Choice, HominesError, Prompt, Record
from homines.elicitation.asking import measure
from homines.elicitation.survey import Survey
from homines.elicitation.treatments import effects, untreated
from homines.estimation.fitting import read_observations
from homines.estimation.observations import from_records, plain_records
from homines.models.mock import Mock

GOAL = "You want the highest score in points."


def obedient(prompt: Prompt) -> Choice:
    """C with .4, with .7 under a goal in action1,action2 and .3 in other words; a begun answer is legal."""
    first = prompt.labels[0] == "action1"
    p = 0.4 if GOAL not in prompt.text else 0.7 if first else 0.3
    return Choice.at([p, 1 - p], mass=0.9 if prompt.begins else 0.1)


def asked(**settings: object) -> tuple[Survey, list[Record]]:
    survey = Survey("mock", **settings)  # pyright: ignore[reportArgumentType]
    model = Mock(obedient, "mock")
    return survey, measure(model, survey.questions(model))


def test_what_a_goal_moves_is_the_difference_over_the_same_questions() -> None:
    _, records = asked(goal="highest score", begins="Answer:")
    goal, begun = effects(records)
    assert (goal.treatment, goal.text, goal.game, goal.action) == ("goal", GOAL, "ipd", "C")
    assert goal.rates == pytest.approx((0.4, 0.5))
    assert goal.moved == pytest.approx(0.2)
    assert goal.masses == pytest.approx((0.1, 0.1))
    assert goal.instabilities == pytest.approx((0.0, 0.4))
    assert goal.questions == 32  # 4 states, 4 orders, 2 sets of labels
    assert (begun.treatment, begun.text) == ("begins", "Answer:")
    assert begun.rates == pytest.approx((0.4, 0.4))
    assert begun.masses == pytest.approx((0.1, 0.9))


def test_treated_answers_stay_out_of_rates_unless_they_are_all_there_is() -> None:
    _, records = asked(goal="highest score", begins="Answer:")
    plain = untreated(records)
    assert len(records) == 3 * len(plain) == 96
    assert not any(GOAL in r.frame or "begins" in r.frame for r in plain)
    _, alone = asked(frames=("table(goal='highest score')", "story"))
    assert untreated(alone) == alone
    assert effects(alone) == []
    _, both = asked(frames=("table(goal='highest score', begins='Answer:')", "table(begins='Answer:')"))
    assert [e.treatment for e in effects(both)] == ["goal"]
    assert len(untreated(both)) == 32


def test_a_fit_reads_one_way_of_asking(tmp_path: Path) -> None:
    survey, records = asked(goal="highest score", begins="Answer:", swap=False)
    with survey.run(tmp_path / "run") as run:
        run.add(records)
    observations, _, _ = read_observations(tmp_path / "run", None)
    assert len(observations) == 4
    assert {float(o.choice.p[0].round(6)) for o in observations} == {0.4}
    # what was trained on is reported, whatever its words; a fit of it reads answers of enough legal mass
    trained = {**survey.settings(), "kind": "align"}
    assert len(from_records(plain_records(records, trained))) == 12
    with RunFolder(tmp_path / "other", trained) as run:
        run.add(records)
    assert [o.choice.mass for o in read_observations(tmp_path / "other", None)[0]] == [0.9] * 4


def test_a_survey_adds_each_treatment_to_each_frame() -> None:
    words = Survey("mock", frames=("table", "story"), goal="highest score", begins="Answer:").words()["ipd"]
    assert len(words) == len(set(words)) == 12
    frames = [find("frames", spec) for spec in words]
    assert sum(f.goal == GOAL for f in frames) == sum(f.begins == "Answer:" for f in frames) == 4
    assert not any(f.goal and f.begins for f in frames)
    again = Survey("mock", frames=("table(goal='highest score')",), goal="highest score").words()["ipd"]
    assert len(again) == 2
    with pytest.raises(HominesError, match="has a goal of its own, so nothing is asked without one"):
        Survey("mock", frames=("table(goal='lose')",), goal="win").words()
    with pytest.raises(HominesError, match="starts or ends with a space"):
        Survey("mock", begins="Answer: ").words()
