"""Sections of the study tennant2025 on agents made by hand: which optimum, differences, bands, regimes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from homines.core.registry import find
from homines.core.run_folder import RunFolder
from homines.core.types import Choice
from homines.elicitation.balanced_design import balanced_questions
from homines.elicitation.questions import Question, battery, questions, state
from homines.models.mock import Mock, uniform
from homines.reports.page import Section
from homines.studies.omissions import Omission
from homines.studies.task import StudyTask
from homines.studies.tennant2025.agents import STATES, RewardAgent, RewardFindings
from homines.studies.tennant2025.decomposition import moved_by
from homines.studies.tennant2025.exam import GAMES, core_exam
from homines.studies.tennant2025.kinds import FRAME, RewardKind, all_kinds
from homines.studies.tennant2025.learning import settled
from homines.studies.tennant2025.meetings import trained_against
from homines.studies.tennant2025.optima import differences, which
from homines.studies.tennant2025.regimes import sensitivity
from homines.studies.tennant2025.shares import figure, five_games

Policy = Mapping[str, float]


def by_state(*values: float) -> Policy:
    return dict(zip(STATES, values, strict=True))


ALWAYS, NEVER, PRIOR = by_state(1, 1, 1, 1), by_state(0, 0, 0, 0), by_state(0.3, 0.3, 0.3, 0.3)
ECHO = by_state(1, 0, 1, 0)
TASK = StudyTask("smollm2", Path("nowhere"), (0, 1, 2), study="tennant2025")
KINDS = {kind.name: kind for kind in all_kinds(TASK)}


def agent(
    place: Path,
    kind: RewardKind | None,
    policy: Policy,
    *,
    mass: float = 1.0,
    more: Sequence[Question] = (),
    curve: Sequence[Mapping[str, Any]] = (),
) -> RewardAgent:
    """An agent of this kind (None: the untrained model) that plays C by state, with this legal mass."""
    asked = [*core_exam(Mock(uniform), wide=False, quick=True), *more]
    name = "untrained" if kind is None else kind.name
    with RunFolder(place / f"{len([*place.iterdir()])}", {"kind": "measure", "model": name}) as run:
        p = [policy[state(q.record.decision) or ""] for q in asked]
        run.add(
            [replace(q.record, choice=Choice.at([x, 1 - x], mass)) for q, x in zip(asked, p, strict=True)]
        )
        for row in curve:
            run.log(row)
    if kind is None:
        return RewardAgent(name=name, run=run, group="base")
    return RewardAgent(name=name, run=run, group=kind.group, seed=0, plan=kind.plan)


def points_of(chart: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The rows that a chart draws, wherever they stand in it."""
    if "values" in chart.get("data", {}):
        return chart["data"]["values"]
    return next(iter(chart["datasets"].values())) if "datasets" in chart else points_of(chart["spec"])


def rows_of(part: Section | Omission) -> list[Mapping[str, Any]]:
    assert isinstance(part, Section), part
    return [*part.rows]


def test_each_agent_stands_beside_the_whole_set_and_the_priors_member(tmp_path: Path) -> None:
    """A rate where the reward is silent is the prior's or was carried over; elsewhere the reward decides."""
    kept = by_state(1.0, 0.3, 1.0, 0.35)
    agents = [
        agent(tmp_path, None, PRIOR),
        agent(tmp_path, KINDS["De"], ALWAYS),
        agent(tmp_path, KINDS["De, one wording"], kept),
        agent(tmp_path, KINDS["Game+De"], PRIOR),
    ]
    found = {(r["agent"], r["state"]): r for r in rows_of(which(RewardFindings(task=TASK, agents=agents)))}
    silent = found["De", "D,D"]
    assert (silent["C is"], silent["because"]) == ("indifferent", "carried over")
    assert silent["prior's member: C"] == pytest.approx(0.3)
    assert silent["under the last weight: C"] == pytest.approx(0.3)
    assert [found["De", s]["because"] for s in STATES] == ["the reward", "carried over"] * 2
    assert [found["De, one wording", s]["because"] for s in STATES] == ["the reward", "the prior"] * 2
    assert [found["Game+De", s]["C is"] for s in STATES] == ["required", "forbidden"] * 2
    assert {found["Game+De", s]["because"] for s in STATES} == {"not reached"}
    assert found["Game+De", "C,C"]["prior's member: C"] == 1


def test_without_the_model_before_no_prior_is_guessed(tmp_path: Path) -> None:
    agents = [agent(tmp_path, KINDS["De"], ALWAYS)]
    found = rows_of(which(RewardFindings(task=TASK, agents=agents)))
    assert {row["prior's member: C"] for row in found} == {None}
    assert {row["because"] for row in found if row["C is"] == "indifferent"} == {"the prior was not read"}


def test_the_regime_nearest_to_what_was_read_is_marked(tmp_path: Path) -> None:
    """Of two regimes of De the one that mixes after a defection, as the published agent seems to."""
    mixed = by_state(0.87, 0.5, 0.87, 0.5)
    agents = [
        agent(tmp_path, KINDS["De"], ALWAYS),
        agent(tmp_path, KINDS["De, KL weight .2 throughout"], mixed),
        agent(tmp_path, KINDS["Game+De"], ECHO),
    ]
    found = rows_of(differences(RewardFindings(task=TASK, agents=agents)))
    of_de = {row["regime here"]: row for row in found if row["published"] == "De"}
    assert of_de["De, KL weight .2 throughout"]["nearest"] == "yes"
    assert of_de["De"]["nearest"] == ""
    assert of_de["De"]["distance"] > of_de["De, KL weight .2 throughout"]["distance"]
    assert all("about" in row["C|C"] for row in of_de.values())
    assert {row["published"] for row in found} == {"De", "Game+De"}  # the others were not trained


def test_bands_are_of_every_step_and_end_beside_the_paper(tmp_path: Path) -> None:
    rows = [
        {
            "step": step,
            "p": {s: [1 - step / 4, step / 4] for s in STATES},
            "masses": dict.fromkeys(STATES, step / 2),
        }
        for step in (1, 2)
    ]
    old = {"step": 3, "p": {s: [0.0, 1.0] for s in STATES}}  # of a log without the mass of every state
    agents = [agent(tmp_path, KINDS["Game"], NEVER, mass=0.5, curve=[*rows, old])]
    section = figure(RewardFindings(task=TASK, agents=agents))
    assert isinstance(section, Section)
    assert section.chart is not None
    data = points_of(section.chart.to_dict())
    assert {point["step"] for point in data} == {1, 2}
    for step in (1, 2):
        band = {p["series"]: p["value"] for p in data if p["step"] == step}
        assert sum(band.values()) == pytest.approx(1)
        assert band["illegal"] == pytest.approx(1 - step / 2)
    (row,) = section.rows
    assert row["D|D, published"] == "about 19"
    assert float(row["illegal, here"]) == pytest.approx(12.5)


def test_shares_in_the_games_add_up(tmp_path: Path) -> None:
    agents = [agent(tmp_path, None, PRIOR, mass=0.8), agent(tmp_path, KINDS["Ut"], ALWAYS)]
    for row in rows_of(five_games(RewardFindings(task=TASK, agents=agents))):
        bands = [row[t] for t in ("C|C", "C|D", "D|C", "D|D", "illegal")]
        assert sum(bands) == pytest.approx(1)
        assert row["illegal"] == pytest.approx(0.2 if row["agent"] == "untrained" else 0)


def test_a_design_that_does_not_tell_a_share_is_no_share_of_nothing(tmp_path: Path) -> None:
    wide = balanced_questions(Mock(uniform), list(GAMES), find("frames", FRAME))
    first = [
        agent(tmp_path, KINDS["De"], PRIOR, more=wide),
        *(agent(tmp_path, KINDS["De"], PRIOR) for _ in "12"),
    ]
    findings = RewardFindings(task=TASK, agents=[*first, agent(tmp_path, KINDS["De v random"], PRIOR)])
    of_core, _, narrow, _ = rows_of(moved_by(findings))
    assert of_core["seeds"] == 1  # the others were asked one pair of words
    assert of_core["act"] == "1.00 (1.00 to 1.00)"
    assert "label" in of_core
    assert "label" not in narrow
    assert narrow["act or payoffs or vocabulary or label"] == "1.00"


def test_other_opponents_and_payoffs_stand_beside_theory(tmp_path: Path) -> None:
    tenfold = KINDS["Game+De, payoffs × 10"]
    game = {tenfold.plan.game: battery(find("games", tenfold.plan.game))}
    more = questions(Mock(uniform), game, [find("frames", FRAME)])
    agents = [
        agent(tmp_path, KINDS["Game v always cooperate"], NEVER),
        agent(tmp_path, tenfold, NEVER, more=more),
    ]
    findings = RewardFindings(task=TASK, agents=agents)
    (met,) = rows_of(trained_against(findings))
    assert met["D,C is met"] == pytest.approx(1)  # it always defects on one who always cooperates
    assert met["C after D,C"] == "0.00 (forbidden)"
    (row,) = rows_of(sensitivity(findings))
    assert {row[f"C after {s}"] for s in STATES} == {"0.00 (forbidden)"}  # 40 - 3 is more than 30


def test_when_each_seed_had_settled_is_told(tmp_path: Path) -> None:
    some = [agent(tmp_path, KINDS["De"], ALWAYS) for _ in range(2)]
    assert settled(some) is None
    for a, reached, steps in zip(some, (True, False), (31, 48), strict=True):
        a.run.note("training.json", {"steps": steps, "reached": reached})
    assert settled(some) == "31, not in 48"
