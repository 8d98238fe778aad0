"""Every study is a plan whose specs are all there."""

from __future__ import annotations

from importlib import import_module

import pytest

from homines.align import Made, Plan
from homines.lookup import names
from homines.train import Settings


@pytest.mark.parametrize("name", names("studies"))
def test_a_study_is_a_plan_that_can_be_made(name: str) -> None:
    plan = import_module(f"homines.studies.{name}").plan()
    assert isinstance(plan, Plan)
    made = Made.of(plan)
    assert len(made.frames) == len(plan.frames) > 0
    assert isinstance(plan.settings, Settings)
    assert Plan(**{f: getattr(plan, f) for f in plan.__dataclass_fields__}) == plan
