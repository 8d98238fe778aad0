"""The command line in a process of its own, as a user runs it."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

HOMINES = [sys.executable, "-c", "from homines.cli.app import main; main()"]


def study(name: str, folder: Path, *more: str) -> str:
    """What the short form of a study prints, one seed, in this folder; it must succeed."""
    done = subprocess.run(
        [*HOMINES, "study", name, "--quick", "--seeds", "1", "--out", str(folder), *more],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def rows(folder: Path, name: str) -> list[dict[str, str]]:
    """A table of a study's page."""
    with open(folder / "tables" / f"{name}.csv", newline="") as file:
        return list(csv.DictReader(file))
