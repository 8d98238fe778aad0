"""The store that the workers of a sweep share: a folder or fsspec URL, in which a cell marked done is whole.

    cells/NAME/ATTEMPT/...   one attempt's run folder; no two attempts write into the same one
    cells/NAME/done.json     which attempt holds, its config and results; written last: this commits
    cells/NAME/failed.json   the last error of a cell that is not done, and what the next attempt goes on from
    claims/NAME              held by who does this cell now (claims.py)

Object stores have no rename, so nothing is moved into place: an attempt without a mark does not count. Where
a cell is done twice (a node was lost, and was not), the last mark wins, and either is whole.

What lies there may be anybody's: a mark that names no attempt, or anything else than one, is none, and of an
attempt only files below it are fetched (paths.py).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from homines.core import strict_json
from homines.core.paths import files, inside, open_file, relative, sync_tree, write_whole
from homines.core.redaction import redact
from homines.core.types import HominesError

DONE, FAILED = "done.json", "failed.json"
AT_ONCE = 16
"""Marks read at the same time."""
LEFT = (".lock",)
"""Of a run folder, not kept: they serve the process that writes it."""
CHECKPOINTS, WHOLE = "checkpoints", "trainer_state.json"
"""Where a training that is under way stands, and the file that is written last of each."""

Mark = dict[str, Any]


class SharedStore:
    """A folder or fsspec URL that every worker of a sweep reads and writes."""

    def __init__(self, url: str) -> None:
        """Raises HominesError for no URL at all, one that holds a password, an unknown protocol, or one whose
        library is not installed. Nothing is written."""
        from fsspec.core import url_to_fs

        if not url.strip() or url.strip() == "file://":
            raise HominesError(
                f"the store is {url!r}, which names no place (is the variable that should name it not set?); "
                "give a folder or a URL"
            )
        if urlsplit(url).password:
            bare = redact(url).rpartition("@")[2]
            raise HominesError(f"the store ...@{bare} holds a password; leave it to the environment")
        try:
            place: tuple[Any, str] = url_to_fs(url)
        except (ImportError, ValueError) as failure:
            raise HominesError(
                f"no store {redact(url)!r}: {redact(str(failure))}; give a folder, or a URL whose fsspec "
                "library is installed (s3:// needs s3fs)"
            ) from failure
        self.fs, root = place
        self.root = root.rstrip("/")
        kinds = self.fs.protocol
        kinds = (kinds,) if isinstance(kinds, str) else kinds
        self.local = "file" in kinds
        self.private = "memory" in kinds
        """This process alone sees what it holds."""
        self.url = self.root if self.local else url.rstrip("/")
        self.redacted_url = self.url if self.local else redact(self.url)
        """The URL as it may be printed: a key that stands in it is hidden. A folder is printed as it is."""
        self.broken: dict[str, str] = {}
        """Marks that were read and count as none: file, and what is wrong with it."""

    def check(self) -> None:
        """Write, read and remove a file. Raises HominesError where one of these is not allowed."""
        probe = self.leave()
        try:
            if not self.holds(probe):
                raise HominesError(f"the store {self.redacted_url} does not give back what was written to it")
        finally:
            self.remove(probe)

    def leave(self) -> str:
        """Write a small file for others to see; its name."""
        name = f".probe-{uuid4().hex}"
        self.write(name, "here")
        return name

    def holds(self, name: str) -> bool:
        """Whether this store has a file of this name."""
        return self._read(name) is not None

    def read(self, name: str) -> str | None:
        """The text of a file, bytes that are no UTF-8 replaced; None where there is no file."""
        data = self._read(name)
        return None if data is None else data.decode(errors="replace")

    def remove(self, name: str) -> None:
        """Remove a file or folder of the store, where it is there and may be removed; no link is followed.

        Raises PathError where the name leads out of the store.
        """
        path = self._path(name)
        try:
            self.fs.rm(path, recursive=True)
        except Exception:  # each file system raises its own; what is left counts for nothing
            return

    def write(self, name: str, text: str) -> None:
        """Write a file, whole or not at all. Raises HominesError where it cannot be written, or leads out."""
        path = self._path(name)
        try:
            self.fs.makedirs(path.rpartition("/")[0], exist_ok=True)
            if self.local:  # an object is put whole, a file is not
                write_whole(self.root, name, text)
            else:
                self.fs.pipe_file(path, text.encode())
        except HominesError:
            raise
        except Exception as failure:
            raise self._refused("write to", failure) from failure

    def create(self, name: str, text: str) -> None:
        """Write a file where there is none, as far as the store can tell; else do nothing.

        Raises HominesError where it cannot be written, or leads out.
        """
        path = self._path(name)
        try:
            self.fs.makedirs(path.rpartition("/")[0], exist_ok=True)
            if self.local:
                with open_file(self.root, name, "xb") as file:
                    file.write(text.encode())
            else:
                self.fs.pipe_file(path, text.encode(), mode="create")
        except FileExistsError:
            return
        except HominesError:
            raise
        except Exception as failure:
            if self.local:
                raise self._refused("write to", failure) from failure
            if not self.holds(name):  # not every library or server knows this mode; each says so in its way
                self.write(name, text)

    def marks(self, names: Iterable[str], kind: str = DONE) -> dict[str, Mark]:
        """The marks of this kind that these cells have, by cell.

        A mark that is broken (by a full disk, a crash, or on purpose) is left out, and stands in `broken`.
        """

        def mark(name: str) -> Mark | None:
            file = f"cells/{name}/{kind}"
            try:
                data = self._read(file)
                content = None if data is None else _mark(data, kind)
            except ValueError as failure:
                self.broken[file] = f"{self.redacted_url}/{file} counts for nothing: {failure}"
                return None
            self.broken.pop(file, None)
            return content

        names = list(names)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            marks = dict(zip(names, pool.map(mark, names), strict=True))
        return {name: content for name, content in marks.items() if content is not None}

    def commit(self, name: str, folder: Path, facts: Mapping[str, Any]) -> None:
        """Keep a run folder, without checkpoints, and mark the cell done."""
        before = self.marks([name], FAILED).get(name)
        results = [path for path in _files(folder) if CHECKPOINTS not in path.relative_to(folder).parts]
        self._mark(name, DONE, {**facts, "attempt": self._keep(name, folder, results)})
        if before is not None:
            self.remove(f"cells/{name}/{FAILED}")
            if before.get("attempt"):
                self.remove(f"cells/{name}/{before['attempt']}")

    def fail(self, name: str, facts: Mapping[str, Any], folder: Path | None = None) -> None:
        """Record why a cell is not done; with a folder, the next attempt goes on from what it holds, of
        checkpoints the newest that is whole."""
        before = self.marks([name], FAILED).get(name, {})
        attempt = None
        if folder is not None and folder.is_dir():
            older = _older(folder)
            attempt = self._keep(name, folder, [p for p in _files(folder) if not older & set(p.parents)])
        self._mark(name, FAILED, {**facts, "attempt": attempt})
        if before.get("attempt"):
            self.remove(f"cells/{name}/{before['attempt']}")

    def lose(self, name: str, facts: Mapping[str, Any]) -> None:
        """Record that a cell's worker was lost. What an earlier attempt left to go on from stays."""
        before = self.marks([name], FAILED).get(name, {})
        self._mark(name, FAILED, {**facts, "attempt": before.get("attempt")})

    def restore(self, name: str, folder: Path) -> None:
        """Fetch the run folder of an attempt that did not end, where there is one, to go on from it."""
        attempt = self.marks([name], FAILED).get(name, {}).get("attempt")
        if not attempt:
            return
        source = self._path(f"cells/{name}/{attempt}")
        folder.mkdir(parents=True, exist_ok=True)
        try:
            for part in self._below(source):
                target = inside(folder, part)
                target.parent.mkdir(parents=True, exist_ok=True)
                self.fs.get_file(f"{source}/{part}", str(target))
        except HominesError:
            raise
        except Exception as failure:
            raise self._refused("read", failure) from failure

    def _below(self, root: str) -> list[str]:
        """Names of the files below a folder of the store. Raises PathError where one leads out of it."""
        if self.local:
            paths = files(Path(root)) if Path(root).is_dir() else ()
            return [path.relative_to(root).as_posix() for path in paths]
        self.fs.invalidate_cache()
        parts = [path.removeprefix(f"{root}/") for path in self.fs.find(root)]
        for part in parts:
            relative(part)
        return parts

    def _path(self, name: str) -> str:
        """Where a name of the store lies. Raises PathError where it leads out; no link is on its way."""
        relative(name)
        return inside(self.root, name).as_posix() if self.local else f"{self.root}/{name}"

    def _keep(self, name: str, folder: Path, paths: list[Path]) -> str:
        """Copy these files of a run folder into one of its own."""
        attempt = uuid4().hex[:8]
        target = self._path(f"cells/{name}/{attempt}")
        try:
            for at in sorted({path.parent.relative_to(folder).as_posix() for path in paths}):
                self.fs.makedirs(f"{target}/{at}" if at != "." else target, exist_ok=True)
            for path in paths:
                self.fs.put_file(str(path), f"{target}/{path.relative_to(folder).as_posix()}")
            if self.local:
                sync_tree(Path(target))
        except HominesError:
            raise
        except Exception as failure:
            raise self._refused("write to", failure) from failure
        return attempt

    def _mark(self, name: str, kind: str, facts: Mapping[str, Any]) -> None:
        self.write(f"cells/{name}/{kind}", json.dumps(facts, indent=1))

    def _read(self, name: str) -> bytes | None:
        try:
            return bytes(self.fs.cat_file(self._path(name)))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except HominesError:
            raise
        except Exception as failure:
            raise self._refused("read", failure) from failure

    def _refused(self, what: str, failure: Exception) -> HominesError:
        error = redact(f"{type(failure).__name__}: {failure}".splitlines()[0])[:300]
        return HominesError(
            f"cannot {what} the store {self.redacted_url} ({error}); give --store a place where you may read "
            "and write. What is marked done there is safe"
        )


def _mark(data: bytes, kind: str) -> Mark:
    """The content of a mark. Raises ValueError where it is none."""
    content = strict_json.loads(data)
    if not isinstance(content, dict):
        raise ValueError("it is no object of JSON")
    attempt = content.get("attempt")
    if not (attempt is None and kind != DONE) and not (
        isinstance(attempt, str) and re.fullmatch("[0-9a-f]{8}", attempt)
    ):
        raise ValueError(f"it names {str(attempt)[:80]!r} as its attempt; 8 of 0-9 and a-f are one")
    for name, kinds in MARKED.items():
        if not isinstance(content.get(name), kinds):
            raise ValueError(f"its {name} is {str(content[name])[:80]!r}")
    return content


MARKED: dict[str, Any] = {
    "error": str | None,
    "machine": str | None,
    "seconds": int | float | None,
    "results": dict | None,
    "interrupted": bool | None,
}
"""What the summary shows of a mark, and its kinds."""


def _files(folder: Path) -> list[Path]:
    """Of a run folder, what another process may need. Raises PathError where one is a link."""
    return [path for path in files(folder) if path.name not in LEFT]


def _older(folder: Path) -> set[Path]:
    """Checkpoints that nothing goes on from: those not written to their end, and all but the newest."""
    out: set[Path] = set()
    for checkpoints in folder.rglob(CHECKPOINTS):
        paths = [
            path for path in checkpoints.iterdir() if re.fullmatch("(torn-)?checkpoint-[0-9]{1,9}", path.name)
        ]
        whole = [path for path in paths if path.name.startswith("checkpoint-") and (path / WHOLE).exists()]
        newest = max(whole, key=lambda path: int(path.name.rpartition("-")[2]), default=None)
        out |= {path for path in paths if path != newest}
    return out
