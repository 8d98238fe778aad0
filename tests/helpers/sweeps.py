"""Grids of cells that cost nothing, cells that go wrong once, and the bytes that a sweep must end with."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from homines.core.registry import TrustedPath, trust
from homines.sweeps.grid import Grid, parse, read
from homines.sweeps.store import SharedStore
from homines.sweeps.sweep import rows, sweep
from tests.helpers.running import HOMINES

ROOT = Path(__file__).parents[2]
GAMES = ["ipd", "ish", "icn"]


def asks(*games: str, model: str = "mock", frame: str = "table", **more: Any) -> Grid:
    table = {"models": [model], "measure": {"games": list(games or GAMES), "frames": [frame]}, **more}
    return parse(trust(table), "g")


def trapped(folder: Path, how: str, games: list[str] = GAMES) -> Grid:
    folder.mkdir(exist_ok=True)
    return asks(*games, frame=f"tests.helpers.traps:Trap(folder='{folder}', how={how})")


def bytes_of(store: SharedStore, grid: Grid) -> dict[str, bytes]:
    """What must not differ: every record of every cell, and the summary."""
    marks = store.marks(cell.name for cell in grid.cells)
    out = {"sweep.csv": bytes(store.fs.cat_file(f"{store.root}/{grid.name}/sweep.csv"))}
    for name, mark in marks.items():
        there = f"{store.root}/cells/{name}/{mark['attempt']}"
        for path in store.fs.find(there):
            if path.endswith("records.jsonl"):
                out[f"{name}{path.rpartition(mark['attempt'])[2]}"] = bytes(store.fs.cat_file(path))
    return out


def alone(grid: Grid, folder: Path) -> dict[str, bytes]:
    """The bytes of a run in this process that nothing happened to."""
    store = SharedStore(str(folder))
    sweep(grid, store)
    assert {row["state"] for row in rows(grid, store)} == {"done"}
    return bytes_of(store, grid)


def begin(file: Path, store: Path, *more: str) -> subprocess.Popen[str]:
    command = [*HOMINES, "sweep", str(file), "--store", str(store), "--trust-modules", *more]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=file.parent
    )


def written(folder: Path) -> tuple[Path, Grid]:
    """A file whose second cell to be begun may hang, and its grid."""
    (folder / "trap").mkdir()
    file = folder / "g.toml"
    file.write_text(
        'models = ["mock"]\n[measure]\n'
        f"games = {GAMES}\nframes = [\"tests.helpers.traps:Trap(folder='{folder / 'trap'}', how=hang)\"]\n"
    )
    return file, read(TrustedPath(file))
