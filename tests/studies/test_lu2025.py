"""The short form of the Lu study as a user runs it, on the embedded model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from homines.core.run_folder import RunFolder
from homines.core.types import Choice, Decision, Record, frozen
from homines.datasets.folder import read
from homines.studies.lu2025.agents import observations
from tests.helpers.running import rows, study

PARTS = ("implied", "estimates", "plans", "sensitivity", "amounts", "pairs", "effects")


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lu2025") / "run"
    assert "report.html" in study("lu2025", folder)
    return folder


@pytest.mark.system
def test_every_part_stands_on_the_page(quick: Path) -> None:
    page = (quick / "report.html").read_text()
    assert {p.stem for p in (quick / "tables").glob("*.csv")} >= set(PARTS)
    for title in ("What the utility implies", "Estimated preferences", "could not be known"):
        assert title in page


@pytest.mark.system
def test_both_ends_are_tuned_asked_and_told_before_and_after(quick: Path) -> None:
    found = rows(quick, "implied")
    assert {row["agent"] for row in found} == {"homo economicus", "homo moralis"}
    for row in found:
        for when in ("before", "after"):
            assert 0 <= float(row[f"legal mass {when}"]) <= 1
            if row[when]:
                assert 0 <= float(row[when]) <= 1
            else:  # never came to an answer
                assert float(row[f"legal mass {when}"]) == 0


@pytest.mark.system
def test_what_was_trained_on_is_not_what_was_asked(quick: Path) -> None:
    for folder in (quick / "data").iterdir():
        _, train, test = read(folder)
        assert {r.decision.key for r in train}.isdisjoint(r.decision.key for r in test)


@pytest.mark.system
def test_people_and_older_models_stand_beside(quick: Path) -> None:
    first = rows(quick, "amounts")[0]
    assert first["game"] == "dictator, given"
    assert float(first["people"]) == 25.70
    for agent in ("untrained", "homo economicus", "homo moralis"):
        assert 0 <= float(first[agent]) <= 100
        assert 0 < float(first[f"{agent}, mass"]) <= 1


@pytest.mark.system
def test_provenance_and_data_are_kept_with_the_result(quick: Path) -> None:
    with RunFolder(quick / "kappa-1-s0") as run:
        assert run.config["preference"] == "moralis(kappa=1.0)"
        assert run.config["course"]["by"] == "sft"
        assert (run.noted("training.json") or {})["rows"] > 0
        assert run.provenance


def test_an_agent_that_never_came_to_an_answer_has_no_observations() -> None:
    d = Decision(("C", "D"), frozen([[1, 0]]))
    mute = Record(d, "table(asks='aloud')", ((0, 1),), ("A", "B"), "m", choice=Choice.of([0.0, 0.0], 0.0))
    assert observations([mute]) == []
    assert observations([]) == []


@pytest.mark.system
def test_a_rerun_asks_and_trains_nothing(quick: Path) -> None:
    before = {p: p.stat().st_size for p in quick.rglob("*.jsonl")}
    (quick / "report.html").unlink()
    told = study("lu2025", quick, "--json")
    assert Path(json.loads(told)["report"]).exists()
    assert {p: p.stat().st_size for p in quick.rglob("*.jsonl")} == before
