"""Temporary folders; those of killed processes are removed when the next one is created.

A lock in each folder shows whether its process still runs: the lock ends with the process.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

PREFIX = "homines-"
OWNER = ".owner"


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder of this process alone; it is removed at the end."""
    sweep_out(Path(tempfile.gettempdir()))
    folder, lock = _begin()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        lock.release()


def sweep_out(place: Path) -> None:
    """Remove this user's folders whose owners are dead; one without a lock file is not ours, and stays."""
    for folder in place.glob(f"{PREFIX}*"):
        with suppress(OSError, Timeout):
            if folder.is_symlink() or folder.stat().st_uid != _user() or not (folder / OWNER).is_file():
                continue
            with FileLock(folder / OWNER, timeout=0):
                shutil.rmtree(folder)


def _begin() -> tuple[Path, FileLock]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        lock = FileLock(folder / OWNER, timeout=0, thread_local=False)
        with suppress(OSError, Timeout):  # another process saw it between its making and its locking
            lock.acquire()
            if (folder / OWNER).is_file():
                return folder, lock
            lock.release()


def _user() -> int:
    return os.getuid() if hasattr(os, "getuid") else 0
