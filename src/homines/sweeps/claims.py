"""Locks and leases: of all workers of all sweeps on one store, one does a cell at a time.

On a folder a lock of the system, which goes with its process. Where there is none a lease, claims/NAME.json,
which its holder makes where there is none and renews; one that ran out is anybody's. Clocks of machines may
differ by less than LEASE. In the instant in which a lease runs out two may take it: then the cell is done
twice, and either is whole (store.py).
"""

from __future__ import annotations

import errno
import json
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout

from homines.core import strict_json
from homines.core.paths import inside, make_folder
from homines.core.types import HominesError
from homines.sweeps.store import SharedStore

FOLDER = "claims"
LEASE = 120.0
"""Seconds for which a claim holds unless it is renewed."""
RENEW = 20.0
NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP)
"""What a file system without locks says."""


@contextmanager
def claim(store: SharedStore, name: str, owner: str) -> Iterator[bool]:
    """Whether this cell is ours to do, held for the time of the work.

    owner   the sweep that asks: its own lease it may take up again where a worker of its died
    """
    claim = _claim(store, name, owner)
    try:
        yield claim is not None
    finally:
        if claim is not None:
            claim.release()


def is_free(store: SharedStore, name: str) -> bool:
    """Whether nobody does this cell."""
    try:
        lock = _lock(store, name)
    except _NoLocks:
        return _holder(store.read(f"{FOLDER}/{name}.json")) is None
    if lock is not None:
        lock.release()
    return lock is not None


class _NoLocks(Exception):  # noqa: N818 (nothing went wrong)
    """The system locks no files where the store lies."""


def _claim(store: SharedStore, name: str, owner: str) -> BaseFileLock | _Lease | None:
    """A claim that is ours until its release; None where another holds the cell."""
    try:
        return _lock(store, name)
    except _NoLocks:
        lease = _Lease(store, name, owner)
        return lease if lease.take() else None


def _lock(store: SharedStore, name: str) -> BaseFileLock | None:
    """The system's lock of a cell, ours; None where another holds it. Raises _NoLocks where there is none to
    be had."""
    if not store.local:
        raise _NoLocks
    make_folder(store.root, FOLDER)
    lock: BaseFileLock = FileLock(inside(store.root, f"{FOLDER}/{name}.lock"), timeout=0, thread_local=False)
    try:
        with warnings.catch_warnings(action="ignore"):  # filelock's, that it goes on without
            lock.acquire()
    except Timeout:
        return None
    except (OSError, NotImplementedError) as failure:
        if isinstance(failure, OSError) and failure.errno not in NO_LOCKS:
            raise
        raise _NoLocks from failure
    if isinstance(lock, SoftFileLock):  # filelock's own way out: it may outlive its process
        lock.release()
        raise _NoLocks
    return lock


def _holder(text: str | None) -> str | None:
    """The owner of a lease that has not run out; one that is no lease, or runs for longer than any does, is
    none."""
    try:
        lease = strict_json.loads(text or "")
        owner, until = lease["owner"], float(lease["until"])
    except (KeyError, OverflowError, TypeError, ValueError):
        return None
    now = time.time()
    return owner if isinstance(owner, str) and now < until <= now + 2 * LEASE else None


class _Lease:
    """A claim that is renewed until its end, by a thread of its own."""

    def __init__(self, store: SharedStore, name: str, owner: str) -> None:
        self.store, self.owner = store, owner
        self.file = f"{FOLDER}/{name}.json"
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._renew, daemon=True)

    def take(self) -> bool:
        """Make it, or take over one that is ours or ran out; whether it is ours now.

        What is removed was read, and read again: another sweep may have made its own in between.
        """
        text = self._read()
        if (holder := _holder(text)) is None:
            if text is not None and self._read() == text:
                self.store.remove(self.file)
            self.store.create(self.file, self._text())
            holder = _holder(self._read())
        if holder != self.owner:
            return False
        self.store.write(self.file, self._text())
        self.thread.start()
        return True

    def release(self) -> None:
        """Release the lease, unless another has it by now."""
        self.over.set()
        self.thread.join()
        with suppress(HominesError):  # it runs out by itself
            if _holder(self._read()) == self.owner:
                self.store.remove(self.file)

    def _renew(self) -> None:
        while not self.over.wait(RENEW):
            with suppress(HominesError):  # the store is away for a moment: tried again
                self.store.write(self.file, self._text())

    def _read(self) -> str | None:
        return self.store.read(self.file)

    def _text(self) -> str:
        return json.dumps({"owner": self.owner, "until": time.time() + LEASE})
