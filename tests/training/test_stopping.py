"""An exact training ends at its target of regret, at the same step after a kill, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from homines.core.progress import Follow
from homines.core.run_folder import read_json
from homines.core.types import Interrupted
from homines.frames.table import Table
from homines.games.ipd import ipd
from homines.models.hf import HuggingFace
from homines.opponents.tit_for_tat import TitForTat
from homines.preferences.utilitarian import Utilitarian
from homines.reports.run_page import write
from homines.training.exact import rl
from homines.training.lifecycle import align
from homines.training.prompt_sets import PromptSets, prompt_sets
from homines.training.schedule import Phase
from homines.training.settings import AlignmentPlan, Settings
from homines.training.stopping import StopRule
from homines.training.trainer import Trained

Fresh = Callable[[], HuggingFace]
QUICK = Settings(rank=4, lr=1e-2, save_every=2, until=0.0, text_kl=0.0)
STEPS = 9


def sets_of(model: HuggingFace, phases: int = 1) -> PromptSets:
    return prompt_sets(
        model, [ipd()], [Phase(Utilitarian(), STEPS)] * phases, [Table("action1,action2")], TitForTat()
    )


def train(model: HuggingFace, settings: Settings, place: Path, **more: Any) -> tuple[Trained, list[Any]]:
    rows: list[Any] = []
    return rl(model, sets_of(model), settings, place, follow=Follow(step=rows.append), **more), rows


def test_the_rule_looks_at_the_newest_reading_of_every_set() -> None:
    rule = StopRule(0.05, [1, 0, 2, 0, 1, 2, 2, 1, 0], a_step=1, count=3)
    assert not rule.holds({})
    assert not rule.holds({1: 0.0, 2: 0.0})  # set 2 was never read
    assert rule.holds({1: 0.0, 2: 0.05, 3: 0.0})
    assert not rule.holds({1: 0.0, 2: 0.06, 3: 0.0})
    assert rule.holds({1: 0.0, 2: 0.06, 3: 0.0, 4: 0.0})  # set 0 once more
    assert not rule.holds({1: 0.0, 2: 0.0, 3: 0.0, 4: 0.06})  # and worse than before
    assert not rule.holds({1: 0.0, 2: 0.0, 3: -0.0, 4: float("nan")})
    two = StopRule(0.05, [0, 1, 2, 0], a_step=2, count=3)
    assert not two.holds({1: 0.0})
    assert two.holds({1: 0.9, 2: 0.0}) is False  # set 1 was read in the first step
    assert two.holds({1: 0.05, 2: 0.0})


def test_a_training_stops_at_the_rules_step_and_so_does_one_that_was_killed(
    fresh: Fresh, tmp_path: Path
) -> None:
    free, rows = train(fresh(), QUICK, tmp_path / "free")
    assert free.reached is None
    assert [row["step"] for row in rows] == [*range(1, STEPS + 1)]
    sets = sets_of(fresh())
    best = float(sets.offered().max(-1).values.mean())
    regrets = [row["regret"] for row in rows]
    assert regrets == pytest.approx([best - row["reward"] for row in rows])  # every set has the same states
    least = min(range(4, STEPS), key=lambda step: max(regrets[step - 4 : step]))
    due = next(k for k in range(4, STEPS) if max(regrets[k - 4 : k]) <= max(regrets[least - 4 : least]))
    until = max(regrets[due - 4 : due]) * (1 + 1e-4)  # sets are read four at a round: this is one at 4 or 8

    ended, whole = train(fresh(), replace(QUICK, until=until), tmp_path / "whole")
    stop = ended.last["step"]
    assert ended.reached
    assert whole[-1]["step"] == stop
    assert stop < STEPS
    assert [row["loss"] for row in whole] == pytest.approx([row["loss"] for row in rows[:stop]])

    model, part = fresh(), []
    with pytest.raises(Interrupted):
        rl(
            model,
            sets_of(model),
            replace(QUICK, until=until),
            tmp_path / "killed",
            follow=Follow(step=part.append, stop=lambda: len(part) == stop - 2),
        )
    assert part[-1]["step"] < stop
    again, rest = train(fresh(), replace(QUICK, until=until), tmp_path / "killed")
    assert (again.reached, again.last["step"]) == (True, stop)
    assert [row["step"] for row in (*part, *rest)] == [*range(1, stop + 1)]
    assert not (tmp_path / "killed" / "checkpoints" / f"checkpoint-{stop}").exists()

    far, every = train(fresh(), replace(QUICK, until=min(regrets) / 2), tmp_path / "far")
    assert (far.reached, len(every)) == (False, STEPS)


PLAN: dict[str, Any] = {"model": "mock", "preference": "utilitarian", "game": "ipd"}


@pytest.mark.parametrize(
    ("changes", "until"),
    [
        ({}, 0.05),
        ({"opponent": "self"}, 0.05),
        ({"preference": "utilitarian:30"}, 0.0),
        ({"preference": "economicus -> utilitarian"}, 0.0),
        ({"rival": "utilitarian"}, 0.0),
        ({"by": "grpo"}, 0.0),
        ({"settings": Settings(sample=8)}, 0.0),
        ({"settings": Settings(objective="discounted")}, 0.0),
        ({"settings": Settings(until=0.0)}, 0.0),
    ],
)
def test_only_one_preference_learned_exactly_in_all_states_has_a_target(
    changes: dict[str, Any], until: float
) -> None:
    assert AlignmentPlan(**(PLAN | changes)).settings.until == until


def test_how_a_training_ended_is_recorded_and_shown(folder: Path, tmp_path: Path) -> None:
    """A target that every answer meets ends it once all four sets were read."""
    plan = AlignmentPlan(
        f"hf/{folder}",
        "utilitarian",
        settings=Settings(rank=4, until=100.0),
        rewordings=False,
        side_effects=False,
        device="cpu",
    )
    said: list[str] = []
    trained = align(plan, tmp_path / "run", follow=Follow(say=said.append))
    noted = read_json(tmp_path / "run", "training.json")
    assert (noted["steps"], noted["most_steps"], noted["reached"]) == (4, 24, True)
    assert noted["regret"] == trained.last["regret"] < 100
    sentence = "at step 4 of at most 24, once each training prompt had a regret of at most 100.00 points"
    assert f"training ended {sentence}" in said
    assert sentence in (trained.folder / "README.md").read_text()
    page = write(tmp_path / "run").read_text()
    assert f"Training ended {sentence}" in page
    assert np.isfinite(noted["last"]["text_kl"])
