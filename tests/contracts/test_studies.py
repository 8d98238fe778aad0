"""Every study is one plan, or runs many: their specs are all there."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest

from homines.core.plugins import names
from homines.core.types import Choice
from homines.datasets.generator import generate
from homines.estimation.bounds import bounds
from homines.estimation.columns import Observation
from homines.models.mock import HANDLERS, Mock
from homines.studies.lu2025.questions import doses
from homines.studies.task import StudyTask
from homines.training.plan import Alignment
from homines.training.settings import AlignmentPlan, Settings


def plans(name: str, quick: bool = False) -> dict[str, AlignmentPlan]:
    """All that a study trains, by folder."""
    study = import_module(f"homines.studies.{name}.study")
    assert callable(study.run)
    if not hasattr(study, "kinds"):  # it trains nothing
        return {}
    task = StudyTask("smollm2", Path("nowhere"), (0, 1, 2), quick=quick)
    there = [(kind, seed) for kind in study.kinds(task) for seed in kind.seeds]
    made = [(kind.folder(seed), kind.seeded(seed)) for kind, seed in there if hasattr(kind, "seeded")]
    assert len(dict(made)) == len(made)  # no two share a folder
    return dict(made)


PLANNED = [name for name in names("studies") if plans(name)]
"""Studies that train on games; the others tune on data."""
ASKING = [
    name for name in names("studies") if not hasattr(import_module(f"homines.studies.{name}.study"), "kinds")
]
ASKING = [name for name in ASKING if name not in PLANNED]
"""Studies that train nothing."""
TUNED = [name for name in names("studies") if name not in (*PLANNED, *ASKING)]


@pytest.mark.parametrize("name", ASKING)
def test_a_study_that_trains_nothing_says_whom_it_asks(name: str) -> None:
    study = import_module(f"homines.studies.{name}.study")
    one = StudyTask("smollm2", Path("nowhere"), (0,), quick=True)
    assert study.outline(one) == []
    assert [exam.model for exam in study.exams(one)] == ["smollm2"]
    two = study.exams(replace(one, also=("mock", "smollm2")))
    assert [exam.model for exam in two] == ["smollm2", "mock"]


@pytest.mark.parametrize("name", TUNED)
def test_every_recipe_of_a_study_can_be_made(name: str) -> None:
    study = import_module(f"homines.studies.{name}.study")
    for quick in (False, True):
        task = StudyTask("smollm2", Path("nowhere"), (0, 1), quick=quick)
        there = [(kind, seed) for kind in study.kinds(task) for seed in kind.seeds]
        assert len({kind.folder(seed) for kind, seed in there}) == len(there) > 0
        assert len(study.outline(task)) >= len(study.kinds(task))
        for kind, seed in there:
            if not hasattr(kind, "recipe"):  # its rows are those of the study itself
                assert kind.rows()
                continue
            recipe = kind.recipe(seed)
            assert recipe.seed == seed
            train, test, _ = generate(replace(recipe, train=8, test=2))
            assert len(train) == 8
            assert len(test) == 2


@pytest.mark.parametrize("quick", [False, True])
def test_an_agent_that_looks_at_nothing_fits_no_dose_well(quick: bool) -> None:
    """In the games that tell kappa, always one action, or a coin, is best in at most one game over half."""
    every = doses(Mock(HANDLERS["uniform"]), "choice", quick=quick)
    asked = [q for q in every if "share=" not in q.record.game]
    assert len(asked) < len(every)
    games = len({q.record.game for q in asked})
    for p in ([1, 0], [0, 1], [1, 1]):
        idle = [Observation(q.record.decision, Choice.at(p)) for q in asked]
        assert 0.5 <= bounds(idle, "moralis").share <= (0.75 if quick else 0.5 + 1 / games + 1e-9)


@pytest.mark.parametrize("name", PLANNED)
def test_every_plan_of_a_study_can_be_made(name: str) -> None:
    there = plans(name)
    assert there
    for plan in there.values():
        made = Alignment.of(plan)
        assert len(made.frames) == len(plan.frames) > 0
        assert isinstance(plan.settings, Settings)
        assert AlignmentPlan(**{f: getattr(plan, f) for f in plan.__dataclass_fields__}) == plan
        if made.rival is not None:
            assert sum(phase.steps for phase in made.rival) == plan.steps


@pytest.mark.parametrize("name", PLANNED)
def test_a_study_in_short_trains_nothing_else_in_the_same_folders(name: str) -> None:
    """What is shortened itself, and not only done less often, has folders of its own: `-short`."""
    full, short = plans(name), plans(name, quick=True)
    assert short
    assert all(full.get(folder, plan) == plan for folder, plan in short.items())
    assert all("-short-s" in folder for folder in short.keys() - full.keys())


def test_seeds_differ_in_nothing_but_the_seed() -> None:
    there = plans("tennant2025")
    for name, plan in there.items():
        seed = int(name.rpartition("-s")[2])
        assert plan.settings.seed == seed
        first = there[name.rpartition("-s")[0] + "-s0"]
        assert {**vars(plan), "settings": None} == {**vars(first), "settings": None}
