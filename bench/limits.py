"""How far it goes: rows a second and peak memory of `homines fit` on a CSV and of a run's page.

    python bench/limits.py [--rows 10000 100000 1000000] [--records 10000 50000 200000] [--folder /tmp]

Each size is worked in a process of its own, whose peak memory the system tells. The time of a further row, of
the last step between sizes to the first, should be about 1 or less: time grows no faster than rows. Writes
bench/limits.json.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from homines.core.registry import find
from homines.core.run_folder import RunFolder
from homines.core.types import Choice, Record, digest
from homines.elicitation.orders import orders
from homines.elicitation.questions import battery

HERE = Path(__file__).parent
WORDS = ("X,Y", "A,B", "P,Q", "J,K", "M,N")
MODELS = ("mock/a", "mock/b")
DECISIONS = 200
PART = 5000


def choices(path: Path, rows: int, *, unlike: bool = False) -> None:
    """A tidy CSV of two options a decision, chosen by an inequity-averse logit; `unlike`: hardly any two
    decisions are the same."""
    rng = np.random.default_rng(0)
    many = rows // 2
    pool = rng.integers(10, 100, (many if unlike else DECISIONS, 2, 2))
    with open(path, "w", encoding="utf-8") as file:
        file.write("subject,game,decision,option,own,other,chosen\n")
        for start in range(0, many, PART):
            which = np.arange(start, min(start + PART, many))
            paid = pool[which if unlike else which % DECISIONS]
            own, other = paid[:, 0], paid[:, 1]
            value = own - 0.1 * np.maximum(other - own, 0) - 0.3 * np.maximum(own - other, 0)
            first = rng.random(len(which)) < 1 / (1 + np.exp(0.1 * (value[:, 1] - value[:, 0])))
            for i, (one, two), (a, b), x in zip(which, own, other, first, strict=True):
                subject, decision = divmod(int(i), DECISIONS)
                head = f"s{subject},g{decision % 10},{decision}"
                file.write(f"{head},X,{one},{a},{int(x)}\n{head},Y,{two},{b},{int(not x)}\n")


def records(many: int) -> Iterator[Record]:
    """Answers of two models: every state of many games, in every frame and order."""
    rng = np.random.default_rng(0)
    left = many
    for game in _games():
        for d in battery(find("games", game)):
            for words in WORDS:
                frame = f"table(labels='{words}')"
                for order in orders(2, find("frames", frame).places):
                    for model in MODELS:
                        if not left:
                            return
                        left -= 1
                        choice = Choice.of(rng.uniform(-2, 2, 2), mass=float(rng.uniform(0.6, 1)))
                        told = {"revision": "1", "prompt": digest([game, d.history, words, order])}
                        labels = tuple(words.split(","))
                        yield Record(d, frame, order, labels, model, game, choice, None, told)


def _games() -> Iterator[str]:
    for i in range(9**4):
        r, s, t, p = (i // 9**k % 9 + 1 for k in range(4))
        yield f"symmetric(reward={r}, sucker={s}, temptation={t}, punishment={p})"


def run_of(folder: Path, many: int) -> None:
    """A run folder with so many records."""
    with RunFolder(folder, {"kind": "measure", "model": "mock"}) as run:
        some: list[Record] = []
        for record in records(many):
            some.append(record)
            if len(some) == PART:
                run.add(some)
                some = []
        run.add(some)


def alone(arguments: list[str]) -> dict[str, float]:
    """Wall and CPU seconds, and peak memory in MiB, of the command line in a process of its own."""
    code = "from homines.cli.app import main; main()"
    start = time.perf_counter()
    with open(os.devnull, "w") as nothing:
        child = os.posix_spawn(
            sys.executable,
            [sys.executable, "-c", code, *arguments],
            os.environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, nothing.fileno(), 1)],
        )
        _, status, used = os.wait4(child, 0)
    if status:
        sys.exit(f"homines {' '.join(arguments)} failed ({os.waitstatus_to_exitcode(status)})")
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return {
        "seconds": round(time.perf_counter() - start, 2),
        "cpu seconds": round(used.ru_utime + used.ru_stime, 2),
        "peak MiB": round(used.ru_maxrss / unit),
    }


def series(what: str, sizes: list[int], work: Any) -> dict[str, Any]:
    """One line a size, and how the time of a further row grew: of the largest step between sizes to the
    smallest, so that the start of the process is in neither."""
    found = {}
    for n in sizes:
        found[n] = row = work(n)
        row["rows a second"] = round(n / row["seconds"])
        print(f"{what:<22} {n:>9}  " + "  ".join(f"{name} {x}" for name, x in row.items()), flush=True)
    steps = [(found[b]["seconds"] - found[a]["seconds"]) / (b - a) for a, b in pairwise(sizes)]
    if len(steps) < 2 or steps[0] <= 0:
        return {"sizes": found}
    growth = steps[-1] / steps[0]
    print(f"{what:<22} time of a further row, last step to first: {growth:.2f}", flush=True)
    return {"sizes": found, "time of a further row, last step to first": round(growth, 3)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, nargs="*", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--records", type=int, nargs="*", default=[10_000, 50_000, 200_000])
    parser.add_argument("--folder", default=None)
    given = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="limits-bench-", dir=given.folder))

    def fit(n: int, *, unlike: bool) -> dict[str, float]:
        path = root / "choices.csv"
        choices(path, n, unlike=unlike)
        return alone(["fit", str(path), "--family", "inequity", "--json"])

    def page(n: int) -> dict[str, float]:
        folder = root / f"run-{n}"
        run_of(folder, n)
        try:
            return alone(["report", str(folder)])
        finally:
            shutil.rmtree(folder)

    try:
        told: dict[str, Any] = {}
        if given.rows:
            told["fit"] = series("fit, rows", given.rows, lambda n: fit(n, unlike=False))
            told["fit, unlike"] = series("fit, unlike, rows", given.rows, lambda n: fit(n, unlike=True))
        if given.records:
            told["page"] = series("page, records", given.records, page)
    finally:
        shutil.rmtree(root)
    (HERE / "limits.json").write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
