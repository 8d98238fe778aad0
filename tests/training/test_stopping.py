"""An exact training ends at its target of regret, at the same step after a kill, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from homines.core.progress import Follow
from homines.core.run_folder import read_json
from homines.core.types import Interrupted
from homines.frames.table import Table
from homines.games.ipd import ipd
from homines.models.hf import HuggingFace
from homines.opponents.tit_for_tat import TitForTat
from homines.preferences.utilitarian import Utilitarian
from homines.reports.run_page import write
from homines.reports.training_end import training_end
from homines.training.exact import rl
from homines.training.lifecycle import align
from homines.training.objective import Signals, objective
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
    rule = StopRule(0.05, 3)
    assert not rule.holds([])
    assert not rule.holds([(1, 0.0), (0, 0.0)])  # set 2 was never read
    good = [(1, 0.0), (0, 0.05), (2, 0.0)]
    assert rule.holds(good)
    assert not rule.holds([(1, 0.0), (0, 0.06), (2, 0.0)])
    assert rule.holds([(1, 0.0), (0, 0.06), (2, 0.0), (0, 0.0)])  # set 0 once more
    assert not rule.holds([*good, (0, 0.06)])  # and worse than before
    assert not rule.holds([*good, (0, float("nan"))])


def test_over_many_words_readings_in_a_row_suffice() -> None:
    """As many as there are wordings; one bad reading among them, and they are counted anew."""
    rule = StopRule(0.05, 52, 3)
    good = [(1, 0.0), (2, 0.05), (3, 0.0)]
    assert not rule.holds(good[:2])
    assert rule.holds([(0, 0.9), *good])
    assert not rule.holds([*good, (0, 0.06)])
    assert not rule.holds([*good, (0, 0.06), (4, 0.0), (5, 0.0)])
    assert not rule.holds([*good, (0, float("nan"))])


def test_many_words_are_more_sets_than_are_waited_for(fresh: Fresh) -> None:
    words = ("action1,action2", "A,B", "X,Y", "0,1", "1,2")
    some = [
        prompt_sets(
            fresh(), [ipd()], [Phase(Utilitarian(), STEPS)], [Table(w) for w in words[:n]], TitForTat()
        )
        for n in (4, 5)
    ]
    assert [(len(x.sets), x.wordings) for x in some] == [(16, 4), (20, 5)]
    settings = replace(QUICK, until=0.05)
    assert [StopRule.of(settings, x, None) for x in some] == [StopRule(0.05, 16), StopRule(0.05, 20, 5)]


def test_one_prompt_above_the_target_is_hidden_by_no_mean() -> None:
    """Action 0 pays 1 and action 1 nothing: the regret of a state is P(action 1)."""
    p = torch.tensor([[0.999, 0.999, 0.999, 0.82], [1.0, 0.99, 0.99, 0.98]])
    utility = torch.zeros(2, 4, 2, 2, dtype=torch.float64)
    utility[:, :, 0] = 1
    replies = torch.full((2, 4, 2), 0.5, dtype=torch.float64)
    outcome = objective(Settings(), Signals(torch.stack([p, 1 - p], -1).log(), utility, replies))
    assert outcome.highest is not None
    assert outcome.highest == pytest.approx((0.18, 0.02), abs=1e-6)
    assert outcome.regret == pytest.approx(0.223 / 8, abs=1e-6)
    assert not StopRule(0.05, 2).holds(zip((0, 1), outcome.highest, strict=True))
    assert objective(Settings(objective="discounted"), _chained(p, utility, replies)).highest is None


def _chained(p: torch.Tensor, utility: torch.Tensor, replies: torch.Tensor) -> Signals:
    follows = torch.zeros(4, 2, 2, dtype=torch.long)
    return Signals(torch.stack([p, 1 - p], -1).log(), utility, replies, follows)


def test_a_training_stops_at_the_rules_step_and_so_does_one_that_was_killed(
    fresh: Fresh, tmp_path: Path
) -> None:
    free, rows = train(fresh(), QUICK, tmp_path / "free")
    assert free.reached is None
    assert [row["step"] for row in rows] == [*range(1, STEPS + 1)]
    sets = sets_of(fresh())
    best = float(sets.offered().max(-1).values.mean())
    assert [row["regret"] for row in rows] == pytest.approx([best - row["reward"] for row in rows])
    regrets = [row["highest_regret"] for row in rows]
    assert all(row["highest_regret"] > row["regret"] for row in rows)
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


def test_settings_that_do_nothing_are_those_of_folders_that_lack_them() -> None:
    sampled = AlignmentPlan(**PLAN, by="grpo").settings
    assert (sampled.until, sampled.text_kl, sampled.kl_steps) == (0.0, 0.0, 0)
    warm = AlignmentPlan(**PLAN, by="grpo", warmup=2).settings
    assert (warm.text_kl, warm.kl_steps) == (Settings().text_kl, 0)


def test_a_training_that_missed_its_target_says_by_how_much() -> None:
    noted = {"steps": 24, "most_steps": 24, "reached": False, "regret": 0.01, "highest_regret": 0.18}
    end = training_end(noted, {"settings": {"until": 0.05}})
    assert end.endswith("at most .05 points (the highest in the last step: .18)")


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
    assert noted["regret"] == trained.last["regret"] < noted["highest_regret"] < 100
    sentence = "at step 4 of at most 24, once each training prompt had a regret of at most 100.00 points"
    assert f"training ended {sentence}" in said
    assert sentence in (trained.folder / "README.md").read_text()
    page = write(tmp_path / "run").read_text()
    assert f"Training ended {sentence}" in page
    assert np.isfinite(noted["last"]["text_kl"])
