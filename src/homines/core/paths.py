"""Paths from names in files; reading and writing the files of a folder. The only place for both.

    inside(folder, name)   folder/name, where no link and no ".." leads out
    write_whole(folder, name, data)   a file, whole or not at all

The user chooses the folder, which may be a link. Its content may come from anybody: no link below the folder
is followed, and temporary files have random names that nobody can prepare a link for.
"""

from __future__ import annotations

import errno
import math
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

from homines.core.types import HominesError

NAME = re.compile(r"(?!\.\.?/)[^/\\\x00-\x1f\x7f]{1,255}/")
"""A part of a name, and the slash after it."""
LONGEST = 255
"""Bytes of a part of a name that file systems hold."""
ASIDE = ".making"
YOUNG = 3600
"""Seconds; no process still writes a temporary file that is older."""
LOCK = ".lock"
"""A process that writes a run folder locks this file in it."""
_LEFT = re.compile(r"\..+\.[0-9a-f]{16}\.making")


class PathError(HominesError):
    """A name leads out of its folder, or a link or something that is no file stands in its place."""


def relative(name: str) -> tuple[str, ...]:
    """The parts of a name below a folder. Raises PathError where it is absolute, empty, has "..", or holds
    what no name has."""
    parts = tuple(name.split("/"))
    if not re.fullmatch(f"(?:{NAME.pattern})+", f"{name}/") or any(_bytes(part) > LONGEST for part in parts):
        raise PathError(
            f"{name[:200]!r} is no name of a file in a folder: it must be relative, of printable characters, "
            f"without .. and backslashes, its parts of at most {LONGEST} bytes; rename what it stands for, "
            "or do not use this folder"
        )
    return parts


def _bytes(part: str) -> float:
    """The length of a part of a name in bytes on the disk; infinite where it cannot be encoded."""
    try:
        return len(os.fsencode(part))
    except UnicodeEncodeError:
        return math.inf


def inside(folder: str | Path, name: str) -> Path:
    """The path of a name (parts separated by "/") in a folder; the file need not exist.

    Raises PathError for a name that leads out, and where it or a folder on its way is a link.
    """
    path = Path(folder)
    for part in relative(name):
        path /= part
        if path.is_symlink():
            raise _link_error(path)
    if not path.resolve().is_relative_to(Path(folder).resolve()):
        raise PathError(f"{path} leads out of {folder}; rename it, or do not use this folder")
    return path


def open_file(folder: str | Path, name: str, mode: str = "rb") -> FileIO:
    """Open a file of a folder, in binary and without a buffer. Raises PathError for what is a link or no file
    (a pipe, a device), OSError as `open` does."""
    return FileIO(inside(folder, name), mode, opener=_open)


def read(folder: str | Path, name: str) -> bytes:
    """The bytes of a file. Raises PathError as `open_file`, OSError where it cannot be read."""
    with open_file(folder, name) as file:
        return file.read()


def make_folder(folder: str | Path, name: str) -> Path:
    """A folder in a folder, made where it is missing. Raises PathError as `inside`, OSError as `mkdir`."""
    path = inside(folder, name)
    path.mkdir(parents=True, exist_ok=True)
    return path


def write_whole(folder: str | Path, name: str, data: bytes | str) -> Path:
    """Write a file of a folder whole or not at all, and onto the disk; its path.

    Raises PathError as `inside`, OSError where it cannot be written (then nothing is left of it).
    """
    path = inside(folder, name)
    aside = _aside(path)
    try:
        with open(aside, "xb", buffering=0, opener=_open) as file:
            rest = memoryview(data.encode() if isinstance(data, str) else data)
            while rest:
                rest = rest[file.write(rest) :]
            os.fsync(file.fileno())
        os.replace(aside, path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)
    return path


@contextmanager
def write_whole_folder(folder: str | Path, name: str) -> Iterator[Path]:
    """A new folder to be filled, which then takes the place of folder/name, on the disk; whole or not at all.

    Raises PathError as `inside`, OSError where it cannot be written (then nothing is left of it).
    """
    path = inside(folder, name)
    aside = _aside(path)
    aside.mkdir(parents=True)
    try:
        yield aside
        sync_tree(aside)
        if path.exists():
            shutil.rmtree(path)
        os.replace(aside, path)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    sync_folder(path.parent)


def tidy(folder: Path) -> None:
    """Remove temporary files of killed processes. The caller holds the lock of the folder.

    In subfolders, files younger than YOUNG stay, because pages are written without the lock; so does
    everything in a subfolder that has a lock of its own.
    """
    for at, folders, names in os.walk(folder):
        left = [name for name in (*folders, *names) if _LEFT.fullmatch(name)]
        for path in (Path(at, name) for name in left):
            with suppress(OSError):  # it is in nobody's way
                if Path(at) != folder and path.lstat().st_mtime > time.time() - YOUNG:
                    continue
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink()
        folders[:] = [name for name in folders if name not in left and not Path(at, name, LOCK).exists()]


def files(folder: Path) -> Iterator[Path]:
    """The files below a folder, in order. Raises PathError where one is a link, or no file either."""
    for path in sorted(folder.iterdir()):
        kind = path.lstat().st_mode
        if stat.S_ISDIR(kind):
            yield from files(path)
        elif stat.S_ISREG(kind):
            yield path
        else:
            raise _link_error(path) if stat.S_ISLNK(kind) else _not_a_file_error(path)


def sync_folder(folder: Path) -> None:
    """Flush the names in a folder to the disk, where the system can."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # folders that cannot be opened for reading, as on Windows
        return
    try:
        _sync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Flush every file and name below a folder to the disk, where the system can."""
    for path in files(folder):
        with open_file(path.parent, path.name) as file:
            _sync(file.fileno())
    for path, _, _ in os.walk(folder, topdown=False):
        sync_folder(Path(path))


def _sync(descriptor: int) -> None:
    """Flush a file that is open for reading to the disk. Raises OSError where the disk fails, but not on a
    system that cannot flush, such as Windows."""
    try:
        os.fsync(descriptor)
    except OSError as failure:
        if failure.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES):
            raise


def _aside(path: Path) -> Path:
    stem = os.fsdecode(os.fsencode(path.name)[:200])
    return path.with_name(f".{stem}.{secrets.token_hex(8)}{ASIDE}")


def _open(path: str, flags: int) -> int:
    """Open a plain file and nothing else: opening a pipe would block."""
    own = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    try:
        descriptor = os.open(path, flags | own, 0o666)
    except OSError as failure:
        if failure.errno == errno.ELOOP:
            raise _link_error(Path(path)) from failure
        if failure.errno == errno.ENXIO:
            raise _not_a_file_error(Path(path)) from failure
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _not_a_file_error(Path(path))
    return descriptor


def _link_error(path: Path) -> PathError:
    return PathError(
        f"{path} is a link, and links in a folder are not followed; replace it with what it points to"
    )


def _not_a_file_error(path: Path) -> PathError:
    return PathError(f"{path} is neither a file nor a folder; remove it")
