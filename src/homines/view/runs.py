"""Every run below a folder as a row, read from its config and provenance alone and kept while these stand.

Where a run noted how many questions it was to ask, its answers are counted too, again where they changed.
A symbolic link is never followed: what is listed lies in the folder.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock, Timeout

from homines.core import strict_json
from homines.core.run_folder import SCHEMA
from homines.view.guard import strange

NOT_ENTERED = {"figures", "tables", "adapter", "checkpoints", "node_modules", "__pycache__"}
DEEPEST = 12
KEY = len('{"key": "0123456789abcdef"')
FINISHED = ("examined.json", "scores.json", "played.json")
"""What ends a run that has no page of its own."""
COUNTED = ("asked.json", "records.jsonl")
"""What says how much of the last measurement is answered."""
DONE, RUNNING, STOPPED, BROKEN = STATES = ("done", "in progress", "unfinished", "broken")
LARGEST = 5_000_000
"""Bytes of a config or a note that is read for the list."""
TEXT = 200
LONGEST_COMMAND = 20_000
"""A command that is cut would be another one."""


@dataclass(frozen=True)
class Entry:
    """One run, or the page of a study.

    path     below the folder, parts joined by "/"; "" is the folder itself
    games    what was asked, and the study it belongs to
    state    one of STATES; `why`: what is wrong, or what is missing
    begun    when its config was written, in seconds since 1970
    report   whether it has a page
    """

    path: str
    kind: str = ""
    model: str = ""
    preference: str = ""
    games: str = ""
    begun: float = 0.0
    state: str = DONE
    why: str = ""
    report: bool = False
    command: str = ""

    @property
    def date(self) -> str:
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(self.begun))

    @property
    def text(self) -> str:
        """The text that a search looks through; without the state, or "finished" would match "unfinished"."""
        return " ".join((self.path, self.kind, self.model, self.preference, self.games)).casefold()


class Reading(NamedTuple):
    """A folder as it was last read: a stamp of its files, and its entry."""

    stamp: tuple[int, ...]
    entry: Entry


class Index:
    """The runs below a folder. `entries` reads again only what has changed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._readings: dict[str, Reading] = {}
        self._counts: dict[str, tuple[tuple[int, ...], tuple[int, int] | None]] = {}

    def entries(self) -> list[Entry]:
        """Every run, the latest first."""
        readings: dict[str, Reading] = {}
        counted: dict[str, Mapping[str, os.DirEntry[str]]] = {}
        for path, files in folders(self.root):
            if "config.json" in files or "report.html" in files:
                readings[path] = self._read(path, files)
                if "asked.json" in files:
                    counted[path] = files
        self._readings = readings
        pages = {path for path, reading in readings.items() if reading.entry.report}
        rows = [self._settled(reading.entry, readings, pages) for reading in readings.values()]
        rows = [self._whole(entry, counted[entry.path]) if entry.path in counted else entry for entry in rows]
        return sorted(rows, key=lambda entry: (-entry.begun, entry.path))

    def entry(self, path: str) -> Entry | None:
        """One run as it stands now."""
        return next((entry for entry in self.entries() if entry.path == path), None)

    def _read(self, path: str, files: Mapping[str, os.DirEntry[str]]) -> Reading:
        watched = [files.get(name) for name in ("config.json", "provenance.json", "report.html", *FINISHED)]
        stats = [None if f is None else f.stat(follow_symlinks=False) for f in watched]
        stamp = _stamp(stats)
        stamp += (int("training.json" in files),)
        before = self._readings.get(path)
        if before is not None and before.stamp == stamp:
            return before
        first = stats[0] or stats[2]
        entry = Entry(path, begun=first.st_mtime if first else 0.0, report="report.html" in files)
        if "config.json" not in files:
            return Reading(stamp, replace(entry, kind="study", games=Path(path).name or self.root.name))
        return Reading(stamp, _described(entry, self.root / path, files))

    def _settled(self, entry: Entry, readings: Mapping[str, Reading], pages: set[str]) -> Entry:
        """The entry with what depends on others: its study's page, and whether somebody writes to it now."""
        if entry.kind == "study" or entry.state == BROKEN:
            return entry
        parent = entry.path.rpartition("/")[0]
        study = readings.get(parent) if parent != entry.path else None
        if study is not None and study.entry.kind == "study":
            entry = replace(entry, games=", ".join(filter(None, (entry.games, f"in {study.entry.games}"))))
            if entry.state == STOPPED and parent in pages:
                entry = replace(entry, state=DONE, why="")
        if written_to(self.root / entry.path):
            return replace(entry, state=RUNNING, why="")
        return entry

    def _whole(self, entry: Entry, files: Mapping[str, os.DirEntry[str]]) -> Entry:
        """The entry; unfinished where the last measurement has questions without an answer, even where a page
        was written of the others."""
        if entry.state not in (DONE, STOPPED):
            return entry
        watched = [files.get(name) for name in COUNTED]
        stamp = _stamp([None if f is None else f.stat(follow_symlinks=False) for f in watched])
        before = self._counts.get(entry.path)
        if before is None or before[0] != stamp:
            odd = strange(self.root / entry.path)
            before = stamp, None if odd else progress(self.root / entry.path)
            self._counts[entry.path] = before
        if before[1] is None or before[1][0] >= before[1][1]:
            return entry
        return replace(entry, state=STOPPED, why=f"{before[1][0]} of {before[1][1]} questions answered")


def _stamp(stats: Sequence[os.stat_result | None]) -> tuple[int, ...]:
    """A number for each file that changes when the file does."""
    return tuple(-1 if s is None else s.st_mtime_ns ^ s.st_size for s in stats)


def progress(folder: Path) -> tuple[int, int] | None:
    """(answered, in all) of the measurement begun last, failed questions among those answered; None where
    nobody noted it.

    A line is searched and not parsed: `record_json` writes the key first, and escapes quotes within a JSON
    text.
    """
    try:
        noted = _object(folder / "asked.json")
        total, model = noted.get("questions"), noted.get("model")
        if not isinstance(total, int) or total < 1 or not isinstance(model, str):
            return None
        of_it = f'"model": {json.dumps(model)}, "choice": '.encode()
        keys: set[bytes] = set()
        path = folder / "records.jsonl"
        if path.is_file():
            with open(path, "rb") as file:
                keys.update(line[:KEY] for line in file if of_it in line and line.endswith(b"\n"))
    except (OSError, ValueError):
        return None  # its page shows what cannot be read
    return min(total, len(keys)), total


def folders(root: Path) -> Iterator[tuple[str, dict[str, os.DirEntry[str]]]]:
    """Every folder below and with the root: its path there, and its plain files."""
    queue = [("", root, 0)]
    for path, place, depth in queue:
        files: dict[str, os.DirEntry[str]] = {}
        try:
            with os.scandir(place) as items:
                for item in items:
                    if item.is_file(follow_symlinks=False):
                        files[item.name] = item
                    elif item.is_dir(follow_symlinks=False) and depth < DEEPEST and _entered(item.name):
                        queue.append((f"{path}/{item.name}".lstrip("/"), Path(item.path), depth + 1))
        except OSError:
            continue  # gone, or not ours to read
        yield path, files


def _entered(name: str) -> bool:
    return not name.startswith(".") and name not in NOT_ENTERED


def _described(entry: Entry, folder: Path, files: Mapping[str, os.DirEntry[str]]) -> Entry:
    """The entry with what the config and the provenance say; broken, and why, where they cannot be read."""
    try:
        config = _object(folder / "config.json")
        if "provenance.json" not in files:
            raise ValueError("it has no provenance.json")
        schema = _object(folder / "provenance.json").get("schema")
        if not isinstance(schema, int) or isinstance(schema, bool) or schema > SCHEMA:
            raise ValueError(f"its schema is {schema}, and this homines reads up to {SCHEMA}")
    except (OSError, ValueError) as failure:
        return replace(entry, state=BROKEN, why=str(failure))
    names = config.get("games") or config.get("game") or config.get("data") or ""
    games = names if isinstance(names, str) else ", ".join(map(str, names)) if isinstance(names, list) else ""
    entry = replace(
        entry,
        kind=_text(config.get("kind")) or "run",
        model=_text(config.get("model")),
        preference=_text(config.get("schedule") or config.get("preference")),
        games=_text(games),
        command=_text(config.get("command"), LONGEST_COMMAND),
    )
    trains = isinstance(config.get("settings"), dict) or isinstance(config.get("course"), dict)
    if trains and "training.json" not in files:
        return replace(entry, state=STOPPED, why="its training has not ended")
    if not entry.report and not any(name in files for name in FINISHED):
        return replace(entry, state=STOPPED, why="it has no report yet")
    return entry


def _text(value: Any, longest: int = TEXT) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= longest else f"{text[:longest]}…"


def _object(path: Path) -> dict[str, Any]:
    """The object in a run's file. Raises ValueError where it is none, OSError where it is unreadable."""
    with open(path, "rb") as file:
        text = file.read(LARGEST + 1)
    if len(text) > LARGEST:
        raise ValueError(f"its {path.name} is larger than {LARGEST / 1e6:.0f} MB")
    try:
        value = strict_json.loads(text)
    except strict_json.TooDeep:
        raise ValueError(f"its {path.name} is nested too deeply") from None
    except ValueError as failure:
        raise ValueError(f"its {path.name} is no JSON ({failure})") from None
    if not isinstance(value, dict):
        raise ValueError(f"its {path.name} is no JSON object")
    return value


def written_to(folder: Path) -> bool:
    """Whether a process holds the run open for writing. Its lock is tried for an instant, which
    `RunFolder` waits out."""
    path = folder / ".lock"
    if path.is_symlink() or not path.is_file():
        return False
    try:
        with FileLock(path, timeout=0):
            return False
    except Timeout:
        return True
    except OSError:
        return False
