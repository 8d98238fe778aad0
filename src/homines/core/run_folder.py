"""A run folder: resolved config, provenance, records. A rerun does only what is missing.

config.json       the resolved settings; a run continues only under the same ones
provenance.json   schema, package version and commit, machine, libraries
records.jsonl     one answered question a line, appended and flushed; a torn last line is dropped. A line ends
                  with a checksum of what stands before it (lines of older versions have none)
prompts.jsonl     what was asked, each prompt once; a record has its hash (older runs have no such file)
curve.jsonl       one training step a line, where something was trained

A folder may come from anybody: everything read is checked, and no link below it is followed (paths.py).
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType
from typing import Any, cast

from filelock import FileLock, Timeout

import homines
from homines.core import registry, strict_json
from homines.core.format import abbreviate
from homines.core.line_files import drop_torn_line, numbered_lines
from homines.core.paths import LOCK, PathError, inside, open_file, read, tidy, write_whole
from homines.core.prompt_json import prompt_from_json, prompt_to_json
from homines.core.record_json import (
    RecordCache,
    checksum_fits,
    json_line,
    record_from_json,
    record_to_json,
    with_checksum,
)
from homines.core.strict_json import simplify
from homines.core.types import HominesError, Prompt, Record, digest

SCHEMA = 1
FREE_SETTINGS = (
    *("command", "settings.save_every", "settings.report_to", "rules.periods", "rewordings", "benchmark"),
)
"""Settings that may differ between a run and its rerun, because no result depends on them."""
EARLIER_SETTINGS = {"course.products": "float32"} | dict.fromkeys(
    ("settings.until", "settings.text_kl", "settings.kl_steps", "course.plain", "course.text_kl"), 0
)
"""Values that settings had before they could be chosen: those of a folder whose config lacks them."""
PROMPTS = "prompts.jsonl"
LOGS = ("records.jsonl", PROMPTS, "curve.jsonl", "periods.jsonl")
"""Files that a run appends to; only these are cut after a torn last line."""

LONGEST_NAME = 200
"""Bytes of a run folder's name before its digest; file systems take 255."""


NO_DISTRIBUTION = "the stored answer is no distribution"


class StoreError(HominesError):
    """The run folder cannot be used as asked."""


class RunFolder:
    """An open run folder, held by this process alone (as a context manager)."""

    def __init__(self, folder: str | Path, config: Mapping[str, Any] | None = None) -> None:
        """Open the folder, and create it where it is missing. config None: read an existing run only.

        Raises StoreError where the folder holds answers under another config (the command's spelling
        aside), is in use, or was made by a newer schema.
        """
        self.folder = Path(folder)
        self._known = registry.trust_from(folder)
        self.done: dict[str, Record] = {}
        self.unsound = 0
        """Stored answers that are no distribution or have a mass outside [0, 1]; they count as failed."""
        self._lock: FileLock | None = None
        self._stored: set[str] | None = None
        """Keys of the prompts in this folder; None: not read yet."""
        self.provenance: dict[str, Any] = {}
        try:
            if config is None:
                if not inside(self.folder, "config.json").exists():
                    raise StoreError(
                        f"{self.folder} is no run folder (no config.json); "
                        "make one with `homines measure` or `homines align`"
                    )
            else:
                _check_folder(self.folder)
                self.folder.mkdir(parents=True, exist_ok=True)
                self._hold()
                tidy(self.folder)
                self._settle(simplify(dict(config)))
            self.config: dict[str, Any] = self._known(read_json(self.folder, "config.json"))
            self.provenance = read_json(self.folder, "provenance.json")
            self._check_schema()
            self._load()
        except OSError as failure:
            self.close()
            raise _disk_error(self.folder, failure) from failure
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        failure: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        if self._lock is not None:
            self._lock.release()

    @property
    def records(self) -> list[Record]:
        """All records, answers and errors, in the order of the first attempt."""
        return list(self.done.values())

    def missing(self, records: Iterable[Record]) -> list[Record]:
        """The records without an answer in this folder, each once; failed ones are asked again."""
        wanted = {record.key: record for record in records}
        return [r for k, r in wanted.items() if k not in self.done or self.done[k].error]

    def add(self, records: Iterable[Record]) -> None:
        """Append answers and flush them to the disk."""
        records = list(records)
        self._append("records.jsonl", map(with_checksum, map(json_line, map(record_to_json, records))))
        for record in records:
            self.done[record.key] = record

    def keep(self, prompts: Iterable[Prompt]) -> None:
        """Append the prompts that the folder does not hold yet, each once, and flush them to the disk."""
        if self._stored is None:
            self._stored = {key for key, _ in self._prompts()}
        new = {prompt.key: prompt for prompt in prompts if prompt.key not in self._stored}
        if new:
            self._append(PROMPTS, map(json_line, map(prompt_to_json, new.values())))
            self._stored |= new.keys()

    def prompts(self, keys: Iterable[str]) -> dict[str, Prompt]:
        """The prompts of these keys, without those that the folder does not hold as they were written."""
        wanted = set(keys)
        return {key: prompt for key, prompt in self._prompts() if key in wanted}

    def _prompts(self) -> Iterator[tuple[str, Prompt]]:
        """Every prompt of the folder; a line that is none is left out, and written anew where it is asked."""
        for _, line in numbered_lines(self.folder, PROMPTS):
            with suppress(ValueError):
                if (prompt := prompt_from_json(strict_json.loads(line))) is not None:
                    yield prompt.key, prompt

    def log(self, row: Mapping[str, Any], name: str = "curve.jsonl") -> None:
        """Append one row, such as a training step's figures."""
        self._append(name, [json_line(row)])

    def rows(self, name: str = "curve.jsonl") -> list[dict[str, Any]]:
        """The rows of a log; of two with the same phase and step (after a resumed training) the later one."""
        latest: dict[Any, dict[str, Any]] = {}
        for i, (number, line) in enumerate(numbered_lines(self.folder, name)):
            row = _parse_row(self.folder / name, number, line)
            at = (row.get("phase"), row["step"]) if "step" in row else i
            try:
                latest[at] = row
            except TypeError as failure:
                raise StoreError(
                    f"{self.folder / name} line {number} has a phase or step that is no number or word; "
                    "remove that line"
                ) from failure
        return list(latest.values())

    def note(self, name: str, value: Mapping[str, Any]) -> None:
        """Write a small JSON file of the run, whole or not at all."""
        try:
            write_json(self.folder, name, simplify(dict(value)))
        except OSError as failure:
            raise _disk_error(self.folder, failure) from failure

    def noted(self, name: str) -> dict[str, Any] | None:
        """A file written by `note`, or None."""
        exists = inside(self.folder, name).exists()
        return self._known(read_json(self.folder, name)) if exists else None

    # --- the folder ----------------------------------------------------------------------------

    def _hold(self) -> None:
        # a page lets go in another thread
        self._lock = FileLock(inside(self.folder, LOCK), thread_local=False)
        try:
            self._lock.acquire(timeout=0.3)  # `homines view` tries it for an instant
        except Timeout as failure:
            raise StoreError(
                f"{self.folder} is being written by another process; wait for it, or use another --out"
            ) from failure

    def _settle(self, config: dict[str, Any]) -> None:
        """Write the config, or compare it with the one there; with nothing recorded, replace that."""
        if inside(self.folder, "config.json").exists():
            self.provenance = read_json(self.folder, "provenance.json")
            self._check_schema()
            stored_config = read_json(self.folder, "config.json")
            was, now = _leaves(stored_config), _leaves(config)
            earlier = {name: x for name, x in EARLIER_SETTINGS.items() if name in now and name not in was}
            was |= earlier
            names = [k for k in {**was, **now} if k not in FREE_SETTINGS and was.get(k) != now.get(k)]
            if not names:
                return
            if any(path.name != PROMPTS for path in self.folder.glob("*.jsonl")):
                differences = "; ".join(
                    f"{k}: {abbreviate(was.get(k))} there, {abbreviate(now.get(k))} asked" for k in names
                )
                remedy = "the config that made it"
                if config.get("kind") == "align" and earlier.keys() >= {*names}:  # demo has none
                    remedy = f"go on with {' '.join(_option(k, earlier[k]) for k in names)}"
                raise StoreError(
                    f"{self.folder} was made with another config ({differences}); use another --out, or "
                    f"{remedy}"
                )
        write_json(self.folder, "provenance.json", provenance())
        write_json(self.folder, "config.json", config)

    def _check_schema(self) -> None:
        schema = self.provenance.get("schema")
        if type(schema) is not int or not 1 <= schema <= SCHEMA:  # True is an int, and no schema
            maker = self.provenance.get("homines")
            raise StoreError(
                f"{self.folder} has schema {str(schema)[:40]}, this homines {homines.__version__} reads up "
                f"to {SCHEMA}; install the version that made it ({str(maker)[:40]}) or newer"
            )

    def _load(self) -> None:
        if self._lock is not None:
            for name in LOGS:
                if inside(self.folder, name).exists():
                    drop_torn_line(self.folder, name)
        path, cache = self.folder / "records.jsonl", RecordCache(self._known)
        for number, line in numbered_lines(self.folder, path.name):
            raw = _parse_row(path, number, line)
            if not checksum_fits(line, raw):
                raise StoreError(
                    f"{path} line {number} is no record as it was written: it was changed since (its "
                    "checksum does not fit); remove that line and run again, only it will be asked anew"
                )
            try:
                record = record_from_json(raw, cache)
                if record.choice is not None and not record.choice.fits(record.decision):
                    record = replace(record, choice=None, error=NO_DISTRIBUTION)
                    self.unsound += 1
                self.done[record.key] = record
            except (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError) as failure:
                raise StoreError(
                    f"{path} holds a line that is no record ({abbreviate(failure)}, line {number}): "
                    f"{str(raw)[:200]}; remove that line and run again, only it will be asked anew"
                ) from failure

    def _append(self, name: str, lines: Iterable[bytes]) -> None:
        data = memoryview(b"".join(lines))
        try:
            with open_file(self.folder, name, "ab") as file:
                before = file.seek(0, os.SEEK_END)
                try:
                    while data:
                        data = data[file.write(data) :]
                    os.fsync(file.fileno())
                except OSError:
                    os.ftruncate(file.fileno(), before)
                    raise
        except OSError as failure:
            raise _disk_error(self.folder, failure) from failure


def default_folder(what: str, settings: Mapping[str, Any]) -> Path:
    """The run folder in runs/ for these settings; equal settings have the same folder."""
    words = "".join(c if c.isalnum() or c in "-_." else "-" for c in what)
    words = words.encode()[:LONGEST_NAME].decode(errors="ignore")
    return Path("runs") / f"{words}-{digest(dict(settings))[:6]}"


def trained_folder(folder: Path, noted: Mapping[str, Any], key: str = "result") -> Path | None:
    """The folder that training.json (`noted`) names as a training's result; None without a name or folder.

    Raises StoreError where the name leads to no folder of this run folder.
    """
    name = noted.get(key)
    if name is None:
        return None
    if not isinstance(name, str) or "/" in name:
        raise StoreError(
            f"{folder / 'training.json'} names {abbreviate(name)} as its {key}, which is no name of a "
            "folder; restore the file, or use another run folder"
        )
    path = inside(folder, name)
    return path if path.is_dir() else None


def provenance() -> dict[str, Any]:
    """The origin of a result: schema, package and commit, Python, machine, libraries."""
    libraries: dict[str, str] = {}
    for name in ("numpy", "scipy", "torch", "transformers", "peft", "accelerate", "inspect-ai"):
        try:
            libraries[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "schema": SCHEMA,
        "homines": homines.__version__,
        "commit": source_commit(),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "libraries": libraries,
    }


def source_commit() -> str | None:
    """The commit of the source tree this package runs from ("+" after it: with changes), or None."""
    root = Path(homines.__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    try:
        git = subprocess.run(
            ["git", "-C", str(root), "describe", "--always", "--dirty=+", "--abbrev=12"],
            capture_output=True,
            text=True,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return git.stdout.strip() or None


def _option(name: str, value: float | str) -> str:
    """A setting as the command line takes it: '--text-kl 0'."""
    return f"--{name.rpartition('.')[2].replace('_', '-')} {value}"


def _leaves(value: Any, name: str = "") -> dict[str, Any]:
    """A nested config as one level: {'settings.lr': 0.0003, ...}."""
    if not isinstance(value, Mapping):
        return {name: value}
    items = cast(Mapping[str, Any], value).items()
    return {k: v for key, x in items for k, v in _leaves(x, f"{name}.{key}" if name else key).items()}


def read_json(folder: Path, name: str) -> dict[str, Any]:
    """A small JSON file of a run folder, which holds an object. Raises StoreError where it cannot be read,
    PathError where it is a link."""
    path = folder / name
    try:
        value = strict_json.loads(read(folder, name))
        if not isinstance(value, dict):
            raise ValueError(f"it is no object of JSON but a {type(value).__name__}")
        return cast(dict[str, Any], value)
    except PathError:
        raise
    except (OSError, ValueError) as failure:
        raise StoreError(f"{path} cannot be read ({failure}); restore it, or use another --out") from failure


def write_json(folder: Path, name: str, value: Mapping[str, Any]) -> None:
    """Write a small JSON file of a run folder, whole or not at all. Raises OSError; PathError for a link."""
    write_whole(folder, name, json.dumps(value, indent=1))


def _parse_row(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        row = strict_json.loads(line)
    except ValueError as failure:
        raise StoreError(f"{path} line {number} is no JSON ({failure}); remove that line") from failure
    if not isinstance(row, dict):
        raise StoreError(
            f"{path} holds a line that is no record (line {number}): {str(row)[:200]}; remove that line and "
            "run again, only it will be asked anew"
        )
    return cast(dict[str, Any], row)


def _check_folder(folder: Path) -> None:
    """StoreError where a file stands in the way: as the folder, or as one that it would lie in."""
    for path in (folder, *folder.parents):
        if path.exists() and not path.is_dir():
            raise StoreError(f"{path} is a file, not a folder; choose another --out")


def _disk_error(folder: Path, failure: OSError) -> StoreError:
    return StoreError(
        f"cannot write to {folder}: {failure.strerror or failure}. What was recorded before is safe; "
        "make room (or choose another --out) and run the same command again, only the rest will run"
    )
