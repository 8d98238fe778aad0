"""Engine `here`: cells one after another in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from homines.sweeps.cell import Job, Outcome, attempt


def run(jobs: Sequence[Job], *, stop: Callable[[], bool], **_: Any) -> Iterator[Outcome]:
    """Do these jobs; one that runs out of memory has failed."""
    for job in jobs:
        if stop():
            return
        try:
            yield attempt(job, stop)
        except MemoryError as failure:
            yield Outcome(job.cell.name, "lost", f"out of memory: {failure or 'no more to be had'}")
