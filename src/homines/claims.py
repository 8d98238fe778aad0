"""Who does a cell now: of all workers of all sweeps on one store, one.

On a folder a lock of the system, which goes with its process. Elsewhere a lease, claims/NAME.json, which
its holder makes where there is none and renews; one that ran out is anybody's. Clocks of machines may differ
by less than LEASE. In the instant in which a lease runs out two may take it: then the cell is done twice, and
either is whole (shared.py).
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from filelock import FileLock, Timeout

from homines import strict
from homines.core import HominesError
from homines.paths import inside, place
from homines.shared import SharedStore

FOLDER = "claims"
LEASE = 120.0
"""Seconds for which a claim holds unless it is renewed."""
RENEW = 20.0


@contextmanager
def claimed(store: SharedStore, name: str, owner: str) -> Iterator[bool]:
    """Whether this cell is ours to do, held for the time of the work.

    owner   the sweep that asks: its own lease it may take up again where a worker of its died
    """
    if store.local:
        with _locked(store, name) as ours:
            yield ours
        return
    lease = _Lease(store, name, owner)
    if not lease.take():
        yield False
        return
    try:
        lease.begin()
        yield True
    finally:
        lease.end()


def free(store: SharedStore, name: str) -> bool:
    """Whether nobody does this cell."""
    if not store.local:
        return _holder(store, name) is None
    with _locked(store, name) as ours:
        return ours


@contextmanager
def _locked(store: SharedStore, name: str) -> Iterator[bool]:
    place(store.root, FOLDER)
    lock = FileLock(inside(store.root, f"{FOLDER}/{name}.lock"), timeout=0, thread_local=False)
    try:
        lock.acquire()
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def _holder(store: SharedStore, name: str) -> str | None:
    """The owner of a lease that has not run out; one that is no lease, or runs for longer than any does, is
    none."""
    text = store.read(f"{FOLDER}/{name}.json")
    try:
        held = strict.loads(text or "")
        owner, until = held["owner"], float(held["until"])
    except (KeyError, OverflowError, TypeError, ValueError):
        return None
    now = time.time()
    return owner if isinstance(owner, str) and now < until <= now + 2 * LEASE else None


class _Lease:
    """A claim that is renewed until its end, by a thread of its own."""

    def __init__(self, store: SharedStore, name: str, owner: str) -> None:
        self.store, self.name, self.owner = store, name, owner
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._renew, daemon=True)

    def take(self) -> bool:
        """Make it, or take over one that is ours or ran out; whether it is ours now."""
        if (holder := _holder(self.store, self.name)) is not None:
            return holder == self.owner
        self.store.remove(f"{FOLDER}/{self.name}.json")
        self.store.create(f"{FOLDER}/{self.name}.json", self._text())
        return _holder(self.store, self.name) == self.owner

    def begin(self) -> None:
        self.store.write(f"{FOLDER}/{self.name}.json", self._text())
        self.thread.start()

    def end(self) -> None:
        """Let go of it, unless another has it by now."""
        self.over.set()
        if self.thread.ident is not None:
            self.thread.join()
        with suppress(HominesError):  # it runs out by itself
            if _holder(self.store, self.name) == self.owner:
                self.store.remove(f"{FOLDER}/{self.name}.json")

    def _renew(self) -> None:
        while not self.over.wait(RENEW):
            with suppress(HominesError):  # the store is away for a moment: tried again
                self.store.write(f"{FOLDER}/{self.name}.json", self._text())

    def _text(self) -> str:
        return json.dumps({"owner": self.owner, "until": time.time() + LEASE})
