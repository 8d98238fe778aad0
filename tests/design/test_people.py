"""A person is asked the next best game: the end, a sitting that goes on, and plans that do not fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from homines.core.registry import find
from homines.core.run_folder import RunFolder
from homines.core.types import HominesError
from homines.design.options import DesignOptions
from homines.people.plan import SessionPlan
from homines.people.session import Sitting, start
from homines.people.terminal import achieved
from homines.theory.choice import LogitAgent

DESIGN = DesignOptions(until="se(kappa)<.25", pool=150, least=12, max_questions=60)
PLAN = SessionPlan(("symmetric",), "always_cooperate", "table(labels='X,Y', goal='')", seed=2, design=DESIGN)


def played(sitting: Sitting, most: int = 1000) -> Sitting:
    """Answers as an agent with a known preference, each drawn by the number of the question."""
    agent = LogitAgent(find("preferences", "moralis(kappa=0.6)"), 1.0)
    while (turn := sitting.progress.turn) is not None and turn.number < most:
        p = agent([turn.decision])[0].p
        sitting.answer(int(np.random.default_rng([7, turn.number]).random() > p[0]))
    return sitting


def test_it_ends_where_what_was_wanted_is_reached_or_the_questions_are_spent() -> None:
    sitting = played(start(PLAN))
    games = [turn.game for turn, _ in sitting.progress.answered]
    assert len(set(games)) == len(games) >= DESIGN.least
    end = achieved(sitting)
    assert end.games == len(games)
    assert end.reached or len(games) == DESIGN.max_questions
    assert "wanted 0.25" in end.sentence


def test_a_sitting_that_was_left_goes_on_with_the_same_games(tmp_path: Path) -> None:
    whole = played(start(PLAN))
    with RunFolder(tmp_path / "run", PLAN.config()) as run:
        played(start(PLAN, run), 5)
    assert len(RunFolder(tmp_path / "run").records) >= 5
    with RunFolder(tmp_path / "run", PLAN.config()) as run:
        again = played(start(PLAN, run))
    assert [t.game for t, _ in again.progress.answered] == [t.game for t, _ in whole.progress.answered]
    assert SessionPlan.of(RunFolder(tmp_path / "run").config) == PLAN


@pytest.mark.parametrize("more", [{"seat": 1}, {"both": True}, {"rounds": 3}])
def test_seats_and_rounds_do_not_fit(more: dict[str, Any]) -> None:
    with pytest.raises(HominesError, match="games drawn"):
        replace(PLAN, **more)


def test_a_plan_without_design_writes_the_config_that_it_wrote_before() -> None:
    assert "design" not in SessionPlan(("ipd",)).config()
