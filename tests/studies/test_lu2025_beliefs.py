"""The section on beliefs: kappa is read with the belief an agent gave, an even one, and the correct one."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from homines.core.run_folder import RunFolder
from homines.reports.page import Section
from homines.studies.lu2025.beliefs import beliefs
from homines.studies.omissions import Omission
from tests.estimation.test_as_models_are_asked import beliefs as believed
from tests.estimation.test_as_models_are_asked import run_of
from tests.helpers.theorist import Theorist


def _as_agent(theorist: Theorist, folder: Path) -> SimpleNamespace:
    """An agent of the study with a theorist's answers and beliefs."""
    records = RunFolder(run_of(theorist, folder, ask_beliefs=True)).records
    return SimpleNamespace(
        name="theorist", records=records, answers=lambda game: [r for r in records if r.game.startswith(game)]
    )


def test_kappa_is_read_under_three_beliefs(tmp_path: Path) -> None:
    theorist = Theorist("kantian(alpha=0.0, beta=0.1, kappa=0.4)", 0.1, beliefs=believed(2))
    findings: Any = SimpleNamespace(wide=[_as_agent(theorist, tmp_path / "run")])
    section = beliefs(findings)
    assert isinstance(section, Section)
    rows = {row["family"]: row for row in section.rows}
    row = rows["kantian(alpha=0)"]
    assert row["kappa, elicited"] == pytest.approx(0.4, abs=1e-5)
    assert abs(row["kappa, uniform"] - 0.4) > 0.02
    assert 0 < row["belief"] < 1
    assert row["legal mass"] == 1
    assert "No published estimate of people's kappa" in " ".join(section.text)
    coin: Any = SimpleNamespace(wide=[_as_agent(Theorist("economicus", 0.0), tmp_path / "coin")])
    section = beliefs(coin)
    assert isinstance(section, Section)
    assert all("the same" in row["why"] for row in section.rows)  # no kappa without its reason
    mute: Any = SimpleNamespace(wide=[SimpleNamespace(name="m", records=[], answers=lambda game: [])])
    assert isinstance(beliefs(mute), Omission)
