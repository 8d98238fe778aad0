"""A run folder: resolved config, provenance, records. A rerun does only what is missing.

config.json       what was asked, resolved; a run continues only under the same one
provenance.json   schema, package version and commit, machine, libraries
records.jsonl     one answered question a line, appended and flushed; a torn last line is dropped
curve.jsonl       one training step a line, where something was trained
"""

from __future__ import annotations

import json
import math
import os
import platform
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType
from typing import Any, cast

from filelock import FileLock, Timeout

import homines
from homines.core import Choice, Decision, HominesError, Record, digest, frozen

SCHEMA = 1
FREE = ("command", "settings.save_every", "settings.report_to", "rules.periods")
"""What may differ between a run and its rerun: it bears on no result."""


NO_DISTRIBUTION = "the stored answer is no distribution"


class StoreError(HominesError):
    """The run folder cannot be used as asked."""


class Run:
    """An open run folder, held by this process alone (as a context manager)."""

    def __init__(self, folder: str | Path, config: Mapping[str, Any] | None = None) -> None:
        """Open, making it where missing. config None: read only what is there.

        Raises StoreError where the folder holds answers under another config (the command's spelling
        aside), is in use, or was made by a newer schema.
        """
        self.folder = Path(folder)
        self.done: dict[str, Record] = {}
        self.unsound = 0
        """Stored answers that are no distribution, or have a mass outside [0, 1]; they count as none."""
        self._lock: FileLock | None = None
        self.provenance: dict[str, Any] = {}
        try:
            if config is None:
                if not (self.folder / "config.json").exists():
                    raise StoreError(
                        f"{self.folder} is no run folder (no config.json); "
                        "make one with `homines measure` or `homines align`"
                    )
            else:
                _check_folder(self.folder)
                self.folder.mkdir(parents=True, exist_ok=True)
                self._hold()
                self._settle(plain(dict(config)))
            self.config: dict[str, Any] = _read_json(self.folder / "config.json")
            self.provenance = _read_json(self.folder / "provenance.json")
            self._check_schema()
            self._load()
        except OSError as failure:
            self.close()
            raise _disk(self.folder, failure) from failure
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Run:
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
        """Everything recorded, answers and errors, in the order first asked."""
        return list(self.done.values())

    def missing(self, records: Iterable[Record]) -> list[Record]:
        """Those not answered yet (failed ones are asked again), each once."""
        wanted = {record.key: record for record in records}
        return [r for k, r in wanted.items() if k not in self.done or self.done[k].error]

    def add(self, records: Iterable[Record]) -> None:
        """Append answers and flush them to the disk."""
        records = list(records)
        self._append("records.jsonl", [record_json(r) for r in records])
        for record in records:
            self.done[record.key] = record

    def log(self, row: Mapping[str, Any], name: str = "curve.jsonl") -> None:
        """Append one row, such as a training step's figures."""
        self._append(name, [dict(row)])

    def rows(self, name: str = "curve.jsonl") -> list[dict[str, Any]]:
        """Rows logged so far; of two with the same phase and step (a resumed training) the later."""
        latest: dict[Any, dict[str, Any]] = {}
        for i, row in enumerate(_read_lines(self.folder / name)):
            latest[(row.get("phase"), row["step"]) if "step" in row else i] = row
        return list(latest.values())

    def note(self, name: str, value: Mapping[str, Any]) -> None:
        """Write a small JSON file of the run, whole or not at all."""
        try:
            _write_json(self.folder / name, plain(dict(value)))
        except OSError as failure:
            raise _disk(self.folder, failure) from failure

    def noted(self, name: str) -> dict[str, Any] | None:
        """A file written by `note`, or None."""
        path = self.folder / name
        return _read_json(path) if path.exists() else None

    # --- the folder ----------------------------------------------------------------------------

    def _hold(self) -> None:
        self._lock = FileLock(self.folder / ".lock", thread_local=False)  # a page lets go in another thread
        try:
            self._lock.acquire(timeout=0.3)  # `homines view` tries it for an instant
        except Timeout as failure:
            raise StoreError(
                f"{self.folder} is being written by another process; wait for it, or use another --out"
            ) from failure

    def _settle(self, config: dict[str, Any]) -> None:
        """Write the config, or compare it with the one there; with nothing recorded, replace that."""
        path = self.folder / "config.json"
        if path.exists():
            self.provenance = _read_json(self.folder / "provenance.json")
            self._check_schema()
            there = _read_json(path)
            was, now = _leaves(there), _leaves(config)
            names = [k for k in {**was, **now} if k not in FREE and was.get(k) != now.get(k)]
            if not names:
                return
            if any(self.folder.glob("*.jsonl")):
                told = "; ".join(
                    f"{k}: {_short(was.get(k))} there, {_short(now.get(k))} asked" for k in names
                )
                raise StoreError(
                    f"{self.folder} was made with another config ({told}); use another --out, or the "
                    "config that made it"
                )
        _write_json(self.folder / "provenance.json", provenance())
        _write_json(path, config)

    def _check_schema(self) -> None:
        schema = self.provenance.get("schema")
        if not isinstance(schema, int) or schema > SCHEMA:
            raise StoreError(
                f"{self.folder} has schema {schema}, this homines {homines.__version__} reads up to "
                f"{SCHEMA}; install the version that made it ({self.provenance.get('homines')}) or newer"
            )

    def _load(self) -> None:
        path = self.folder / "records.jsonl"
        if self._lock is not None:
            for log in self.folder.glob("*.jsonl"):
                _drop_torn_line(log)
        shared = Shared()
        for raw in _read_lines(path):
            try:
                record = record_from(raw, shared)
            except (KeyError, TypeError, ValueError) as failure:
                raise StoreError(
                    f"{path} holds a line that is no record ({failure!r}): {str(raw)[:200]}; "
                    "remove that line and run again, only it will be asked anew"
                ) from failure
            if record.choice is not None and not record.choice.fits(record.decision):
                record = replace(record, choice=None, error=NO_DISTRIBUTION)
                self.unsound += 1
            self.done[record.key] = record

    def _append(self, name: str, rows: list[dict[str, Any]]) -> None:
        text = "".join(json.dumps(plain(row), ensure_ascii=True) + "\n" for row in rows)
        path = self.folder / name
        before = path.stat().st_size if path.exists() else 0
        try:
            with open(path, "ab", buffering=0) as file:
                data = memoryview(text.encode("ascii"))
                while data:
                    data = data[file.write(data) :]
                os.fsync(file.fileno())
        except OSError as failure:
            if path.exists():
                os.truncate(path, before)
            raise _disk(self.folder, failure) from failure


def named(what: str, settings: Mapping[str, Any]) -> Path:
    """A run folder in runs/ of its own for these settings, so that the same wish has the same folder."""
    words = "".join(c if c.isalnum() or c in "-_." else "-" for c in what)
    return Path("runs") / f"{words}-{digest(dict(settings))[:6]}"


def provenance() -> dict[str, Any]:
    """Where a result comes from: schema, package and commit, Python, machine, libraries."""
    libraries: dict[str, str] = {}
    for name in ("numpy", "scipy", "torch", "transformers", "peft", "accelerate", "inspect-ai"):
        try:
            libraries[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "schema": SCHEMA,
        "homines": homines.__version__,
        "commit": commit(),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "libraries": libraries,
    }


def commit() -> str | None:
    """The commit of the source tree this package runs from ("+" after it: with changes), or None."""
    root = Path(homines.__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    try:
        said = subprocess.run(
            ["git", "-C", str(root), "describe", "--always", "--dirty=+", "--abbrev=12"],
            capture_output=True,
            text=True,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return said.stdout.strip() or None


def record_json(record: Record) -> dict[str, Any]:
    """A record as a JSON value (but for infinities), with its key; `record_from` reads it back."""
    choice = record.choice
    return {
        "key": record.key,
        "game": record.game,
        "decision": record.decision.to_json(),
        "frame": record.frame,
        "order": record.order,
        "labels": record.labels,
        "model": record.model,
        "choice": None
        if choice is None
        else {"logp": choice.logp.tolist(), "mass": choice.mass, "n": choice.n},
        "error": record.error,
        "provenance": dict(record.provenance),
    }


class Shared:
    """What was read before, which equal records share: a decision asked many times is parsed once."""

    def __init__(self) -> None:
        self._decisions: dict[str, Decision] = {}
        self._words: dict[Any, Any] = {}

    def decision(self, raw: Mapping[str, Any]) -> Decision:
        """The decision of this JSON value."""
        text = json.dumps(raw)
        if text not in self._decisions:
            self._decisions[text] = Decision.from_json(raw)
        return self._decisions[text]

    def words(self, value: Any) -> Any:
        """A name, or a tuple of labels or places."""
        return self._words.setdefault(value, value)


def record_from(raw: Mapping[str, Any], shared: Shared | None = None) -> Record:
    """The inverse of `record_json`. Raises KeyError, TypeError or ValueError where it is no record."""
    shared = shared or Shared()
    choice = raw["choice"]
    return Record(
        shared.decision(raw["decision"]),
        shared.words(raw["frame"]),
        shared.words(tuple(tuple(place) for place in raw["order"])),
        shared.words(tuple(raw["labels"])),
        shared.words(raw["model"]),
        shared.words(raw.get("game", "")),
        None
        if choice is None
        else Choice(
            frozen([-math.inf if x is None else x for x in choice["logp"]]), choice["mass"], choice["n"]
        ),
        raw.get("error"),
        raw.get("provenance") or {},
    )


def _leaves(value: Any, name: str = "") -> dict[str, Any]:
    """A nested config as one level: {'settings.lr': 0.0003, ...}."""
    if not isinstance(value, Mapping):
        return {name: value}
    held = cast(Mapping[str, Any], value).items()
    return {k: v for key, x in held for k, v in _leaves(x, f"{name}.{key}" if name else key).items()}


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:117]}..."


def plain(value: Any) -> Any:
    """A value that strict JSON can hold: tuples as lists, infinities and NaN as null."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in cast(Mapping[Any, Any], value).items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in cast(Sequence[Any], value)]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as failure:
        raise StoreError(f"{path} cannot be read ({failure}); restore it, or use another --out") from failure


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    aside = path.with_suffix(".making")
    with open(aside, "w", encoding="utf-8") as file:
        json.dump(value, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    os.replace(aside, path)


def _read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """A line at a time, for the file may be large; what stands after the last newline is torn."""
    if not path.exists():
        return
    with open(path, "rb") as file:
        for i, line in enumerate(file):
            if not line.endswith(b"\n"):
                return
            try:
                yield json.loads(line)
            except ValueError as failure:
                raise StoreError(f"{path} line {i + 1} is no JSON ({failure}); remove that line") from failure


def _drop_torn_line(path: Path) -> None:
    """What a killed process left after the last newline was never a record."""
    if path.exists():
        data = path.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            os.truncate(path, whole)


def _check_folder(folder: Path) -> None:
    """StoreError where a file stands in the way: as the folder, or as one that it would lie in."""
    for path in (folder, *folder.parents):
        if path.exists() and not path.is_dir():
            raise StoreError(f"{path} is a file, not a folder; choose another --out")


def _disk(folder: Path, failure: OSError) -> StoreError:
    return StoreError(
        f"cannot write to {folder}: {failure.strerror or failure}. What was recorded before is safe; "
        "make room (or choose another --out) and run the same command again, only the rest will run"
    )
