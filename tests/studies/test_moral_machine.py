"""The study of moral dilemmas as a user runs it, in short, on stand-ins without weights."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from homines.core.types import HominesError
from homines.estimation.amce import EFFECTS, EXTRAS
from homines.estimation.published import DILEMMAS
from homines.games.dilemma import DIMENSIONS
from homines.models.mock import HANDLERS, Mock
from homines.reports import radar
from homines.studies.moral_machine import study as study_module
from homines.studies.task import StudyTask
from tests.helpers.running import rows, study

pytest.importorskip("polars")

HOUSE = ("legal mass", "order effect", "instability")


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dilemmas")
    people = folder / "people.csv"
    with open(people, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["Estimates", "se", "Label", "Country"])
        for i, e in enumerate(EFFECTS):
            writer.writerow([0.0, 0.1, e.label, "ZERO"])
            writer.writerow([DILEMMAS["USA"].values[i], 0.1, e.label, "USA"])
    more = ("--model", "mock", "--also", "mock/uniform", "--humans", str(people))
    assert "report.html" in study("moral_machine", folder / "run", *more)
    return folder / "run"


def test_no_rate_stands_without_what_it_is_worth(quick: Path) -> None:
    found = rows(quick, "effects")
    assert len(found) == 2 * (len(EFFECTS) + 1)
    for row in found:
        assert all(row[name] != "" for name in HOUSE)
        if row["effect"] == EXTRAS[3].name:  # no two groups of so few scenarios differ by four
            assert row["estimate"] == ""
            continue
        assert -1 <= float(row["estimate"]) <= 1
        if row["model"] == "mock/uniform":
            assert float(row["estimate"]) == pytest.approx(0, abs=1e-12)
    assert {r["effect"] for r in found if float(r["order effect"]) != 0} == {
        e.name for e in (*EFFECTS, EXTRAS[3])
    }


def test_null_policies_and_people_stand_beside_every_model(quick: Path) -> None:
    apart = {row["policy"]: row for row in rows(quick, "distances")}
    assert len(apart) == 2 + 8
    assert apart["mock/uniform"]["to USA"] == apart["coin (balanced)"]["to USA"]
    assert float(apart["headcount (balanced)"]["to mean of countries"]) == pytest.approx(1.0722, abs=1e-3)
    assert apart["headcount (balanced)"]["to all people"] == ""
    near = [row for row in rows(quick, "countries") if row["model"] == "mock/uniform"]
    assert [row["country"] for row in near] == ["ZERO", "USA"]
    assert float(near[0]["distance"]) == pytest.approx(0, abs=1e-12)


def test_a_coin_has_no_weights(quick: Path) -> None:
    told = [row for row in rows(quick, "lives") if row["model"] == "mock/uniform"]
    assert [row["parameter"] for row in told] == ["not identified"]
    assert "do not rise" in told[0]["why"]
    assert not told[0].get("estimate")


def test_every_part_stands_on_the_page(quick: Path) -> None:
    page = (quick / "report.html").read_text()
    for title in ("Who is saved", "At a glance", "How far from people", "looking at nothing", "In lives"):
        assert title in page
    assert {p.stem for p in (quick / "figures").glob("*.svg")} == {"effects", "radar", "countries"}


def test_a_rerun_asks_nothing(quick: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in quick.rglob("records.jsonl")}
    assert len(before) == 2
    people = str(quick.parent / "people.csv")
    more = ("--model", "mock", "--also", "mock/uniform", "--humans", people, "--json")
    assert Path(json.loads(study("moral_machine", quick, *more))["report"]).exists()
    assert {p: p.stat().st_mtime_ns for p in before} == before


def test_labels_orders_and_groups_are_balanced() -> None:
    task = StudyTask("mock", Path("nowhere"), (0,))
    there = study_module.scenarios(task)
    asked = study_module.scenario_questions(Mock(HANDLERS["uniform"]), there)
    assert len(asked) == 4 * len(there) == 4 * len(DIMENSIONS) * study_module.DRAWS
    for label in ("A", "B", "X", "Y"):
        stands = [q.record.labels.index(label) for q in asked if label in q.record.labels]
        assert sum(stands) * 2 == len(stands) > 0
        first = [q.record.order[0][0] for q in asked if q.record.labels[0] == label]
        assert sum(first) * 2 == len(first)


def test_a_radar_needs_axes_and_draws_every_policy() -> None:
    reference = {"a": 0.1, "b": 0.2, "c": 0.3}
    points = [{"panel": p, "axis": a, "value": v} for p in ("one", "two") for a, v in reference.items()]
    held = radar.radar(points, reference, "three axes", reference_name="people").to_dict()
    values = next(iter(held["datasets"].values())) if "datasets" in held else held["data"]["values"]
    own = [row for row in values if row["series"] == "this policy"]
    assert {row["panel"] for row in own} == {"one", "two"}
    # the policy is the reference here, so both lines lie on each other
    line = [(r["panel"], r["x"], r["y"]) for r in values if r["series"] == "people"]
    assert line == [(r["panel"], r["x"], r["y"]) for r in own]
    with pytest.raises(HominesError, match="three axes"):
        radar.radar(points[:2], reference, "two", reference_name="people")
