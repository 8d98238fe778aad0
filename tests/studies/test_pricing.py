"""The pricing study: the short form on the embedded model, and what it refuses."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.helpers.running import HOMINES, rows, study


@pytest.mark.system
def test_the_short_study(tmp_path: Path) -> None:
    pytest.importorskip("numba")
    said = study("pricing", tmp_path)
    assert "report.html" in said
    prices = {row["agent"]: row for row in rows(tmp_path, "prices")}
    assert list(prices) == ["untrained", "economicus"]
    for row in prices.values():
        assert 1.43 <= float(row["price"]) <= 1.97
        assert 0 <= float(row["legal mass"]) <= 1
    pairs = {(row["firm"], row["with"]): row for row in rows(tmp_path, "pairs")}
    assert len(pairs) == 4
    one, two = pairs["untrained", "economicus"], pairs["economicus", "untrained"]
    assert float(one["profit"]) == pytest.approx(float(two["its profit"]))
    assert {row["rival"] for row in rows(tmp_path, "rivals")} == {"nash", "undercut", "qlearner"}
    for row in rows(tmp_path, "ends"):
        assert float(row["weight"]) > 0
    assert study("pricing", tmp_path) != ""  # a second call finds everything done


def test_what_cannot_be_a_rival_is_said_before_anything_runs(tmp_path: Path) -> None:
    for more, message in (
        (["--rival", "nonsense"], "no opponent called 'nonsense'"),
        (["--rival", "tit_for_tat"], "two players with two actions each"),
        (["--rival", "axelrod:Grudger"], "has a memory of inf rounds"),
        (["--humans", str(tmp_path / "none.csv")], "takes no --humans"),
        (["--periods", "0"], "periods"),
    ):
        done = subprocess.run(
            [*HOMINES, "study", "pricing", "--quick", "--out", str(tmp_path / "x"), *more],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 2
        assert message in done.stderr
        assert not (tmp_path / "x").exists()
