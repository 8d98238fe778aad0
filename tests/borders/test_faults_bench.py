"""The counts of bench/faults.py, a few of each: nothing is lost, doubled or invented."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.system

BENCH = Path(__file__).parents[2] / "bench" / "faults.py"
Row = dict[str, int]


@pytest.fixture(scope="module")
def counts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Row]:
    if not hasattr(os, "fork"):
        pytest.skip("kills need fork")
    done = subprocess.run(
        [sys.executable, str(BENCH), "--quick", "--json"],
        cwd=tmp_path_factory.mktemp("bench"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_every_kind_was_tried(counts: dict[str, Row]) -> None:
    assert set(counts) == {"kills", "full disks", "truncations", "changed bytes", "faulty replies"}
    assert all(row["tries"] > 0 for row in counts.values())
    assert counts["truncations"]["tries"] == 60
    assert counts["faulty replies"]["tries"] >= 80
    assert counts["full disks"]["of"] == {}  # each ended in one sentence, exit 2


def test_nothing_is_lost_or_doubled(counts: dict[str, Row]) -> None:
    assert {name: (row["lost"], row["doubled"]) for name, row in counts.items()} == dict.fromkeys(
        counts, (0, 0)
    )


@pytest.mark.parametrize("name", ["kills", "full disks", "truncations"])
def test_nothing_is_invented_by_a_stop(counts: dict[str, Row], name: str) -> None:
    assert counts[name]["invented"] == 0, counts[name]


@pytest.mark.parametrize("name", ["changed bytes", "faulty replies"])
def test_nothing_impossible_is_believed(counts: dict[str, Row], name: str) -> None:
    assert counts[name]["invented"] == 0, counts[name]
