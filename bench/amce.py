"""The estimator on a generated file: rows a second and peak memory, beside pandas reading the same columns.

    python bench/amce.py [--megabytes 300] [--folder /tmp]

Either runs in a process of its own on the same file, one after the other. pandas only reads the columns that
the estimator needs and makes no estimate. Writes bench/amce.json.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from homines.estimation.amce_clusters import SCENARIO
from homines.estimation.amce_rows import REQUIRED_COLUMNS, amce_of_file
from homines.games.dilemma import DIMENSIONS, dilemma

HERE = Path(__file__).parent
FILLED = 24
"""Columns that nobody reads, as the original has them beside the ones that are."""


def generate(path: Path, megabytes: int) -> int:
    """A file of about this size, with ids of its own for every scenario; rows written."""
    rng = np.random.default_rng(0)
    pairs = [dilemma(kind, draw).outcomes() for kind in DIMENSIONS for draw in range(200)]
    heads = [SCENARIO, "UserCountry3", *REQUIRED_COLUMNS, *(f"Column{i}" for i in range(FILLED))]
    filled = ",0" * FILLED
    rows = 0
    with open(path, "w", encoding="utf-8") as file:
        file.write(",".join(heads) + "\n")
        while file.tell() < megabytes * 2**20:
            for at, saved in zip(
                rng.integers(len(pairs), size=10_000), rng.integers(2, size=10_000), strict=True
            ):
                name = f"r{rows:016x},{('USA', 'DEU', 'JPN')[at % 3]}"
                for row, y in zip(pairs[at], (saved, 1 - saved), strict=True):
                    told = ",".join(str(row[column]) for column in REQUIRED_COLUMNS[:-1])
                    file.write(f"{name},{told},{y}{filled}\n")
                rows += 2
    return rows


def ours(path: str) -> int:
    return amce_of_file(path).rows


def pandas(path: str) -> int:
    import pandas

    return len(pandas.read_csv(path, usecols=[SCENARIO, *REQUIRED_COLUMNS]))


def measured(reader: str, path: Path) -> dict[str, float]:
    """Seconds and peak memory of one reader in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "--reader", reader, "--file", str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--megabytes", type=int, default=300)
    parser.add_argument("--folder", type=Path, default=Path("/tmp"))
    parser.add_argument("--reader", choices=["ours", "pandas"])
    parser.add_argument("--file")
    asked = parser.parse_args()
    if asked.reader:
        start = time.perf_counter()
        rows = {"ours": ours, "pandas": pandas}[asked.reader](asked.file)
        seconds = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"rows": rows, "seconds": round(seconds, 1), "peak_mb": round(peak)}))
        return
    path = asked.folder / f"amce-{asked.megabytes}.csv"
    generate(path, asked.megabytes)
    found = {reader: measured(reader, path) for reader in ("ours", "pandas")}
    size = path.stat().st_size / 2**20
    path.unlink()
    for reader, row in found.items():
        speed = row["rows"] / row["seconds"]
        print(
            f"{reader:<7} {size:.0f} MB, {row['rows']} rows: {speed:.0f} rows/s, peak {row['peak_mb']:.0f} MB"
        )
    (HERE / "amce.json").write_text(json.dumps({"megabytes": round(size), **found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
