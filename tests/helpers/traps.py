"""Frames that go wrong once, for sweeps: each file `armed*` of their folder is sprung by one prompt.

They are found as tests.helpers.traps:Trap by workers that have the root of this repository on their path.
"""

from __future__ import annotations

import os
import resource
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import parent_process
from pathlib import Path
from typing import Any

import numpy as np

from homines.core.registry import find
from homines.core.types import Decision, Order, Prompt

NODE = "HOMINES_TEST_NODE"


def kill(folder: Path) -> None:
    """As the system kills a process when it is out of memory."""
    os.kill(os.getpid(), signal.SIGKILL)


def fail(folder: Path) -> None:
    raise RuntimeError("the trap was sprung")


def exhaust(folder: Path) -> None:
    """Allocate a gigabyte where a tenth of that is left, by a real limit."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 2**27, before[1]))
    try:
        np.ones(2**30, dtype=np.uint8)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def hang(folder: Path) -> None:
    """Not come back before whoever started this process is gone; a file `begun` says so."""
    parent = os.getppid()
    (folder / "begun").touch()
    while os.getppid() == parent:
        time.sleep(0.05)


HOW: dict[str, Callable[[Path], None]] = {"kill": kill, "fail": fail, "exhaust": exhaust, "hang": hang}


@dataclass(frozen=True)
class Trap:
    """The table frame, but for what happens where its folder is armed. One that hangs does so only in spawned
    processes, and where NODE is set in the environment."""

    folder: str
    how: str
    places: int = 2

    def __call__(self, d: Decision, order: Order) -> Prompt:
        if self.how != "hang" or NODE in os.environ or parent_process() is not None:
            for armed in sorted(Path(self.folder).glob("armed*"))[:1]:
                armed.unlink(missing_ok=True)
                HOW[self.how](Path(self.folder))
        return find("frames", "table")(d, order)


def arm(folder: Path, times: int = 1) -> None:
    """So many prompts will spring the traps of this folder."""
    for i in range(times):
        (folder / f"armed{i}").touch()


def wait_for(condition: Callable[[], object], process: Any = None) -> None:
    """Wait until this holds. AssertionError where the process ends before; pytest-timeout ends what hangs."""
    while not condition():
        assert process is None or process.poll() is None, "ended before it could be killed"
        time.sleep(0.02)
