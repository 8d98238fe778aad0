"""Engine `local`: cells in processes of this machine, one each at a time."""

from __future__ import annotations

import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple

from homines.inference.processes import quiet
from homines.sweeps.cell import Job, Outcome, attempt
from homines.sweeps.engines import TRIES

POLL = 0.2
"""Seconds between two looks at whether to stop."""
LEAVE = 5.0
"""Seconds a worker has to leave once nothing is left for it."""


class _Worker(NamedTuple):
    process: Any
    pipe: Connection

    @classmethod
    def begin(cls, context: Any, flag: Any) -> _Worker:
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, flag), daemon=True)
        process.start()
        theirs.close()  # so that the death of the process closes the pipe
        return cls(process, ours)

    def end(self) -> None:
        self.pipe.close()
        self.process.join(LEAVE)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


def run(
    jobs: Sequence[Job], *, workers: int | None, threads: int, stop: Callable[[], bool], **_: Any
) -> Iterator[Outcome]:
    """Do these jobs in so many processes; a job whose process dies is tried in another."""
    context = get_context("spawn")
    flag = context.Event()
    waiting = deque((job, 1) for job in jobs)
    idle: list[_Worker] = []
    busy: dict[Connection, tuple[_Worker, Job, int]] = {}
    room = workers or max(1, cores() // threads)
    try:
        while waiting or busy:
            if stop():
                flag.set()
                waiting.clear()
            while waiting and len(busy) < room:
                job, tried = waiting.popleft()
                worker = idle.pop() if idle else _Worker.begin(context, flag)
                try:
                    worker.pipe.send(job)
                except OSError:  # died while it was idle, which the job is no reason for
                    worker.end()
                    waiting.appendleft((job, tried))
                    continue
                busy[worker.pipe] = worker, job, tried
            for pipe in wait(list(busy), timeout=POLL):
                assert isinstance(pipe, Connection)
                worker, job, tried = busy.pop(pipe)
                try:
                    yield pipe.recv()
                    idle.append(worker)
                except (EOFError, OSError):
                    worker.end()
                    if flag.is_set():
                        yield Outcome(job.cell.name, "stopped", "interrupted")
                    elif tried < TRIES:
                        waiting.append((job, tried + 1))
                    else:
                        yield Outcome(job.cell.name, "lost", died(worker.process.exitcode, tried))
    finally:
        flag.set()
        for worker in (*idle, *(worker for worker, _, _ in busy.values())):
            worker.end()


def cores() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def died(code: int | None, tried: int) -> str:
    """The error of a cell whose worker died."""
    how = f"killed by signal {-code}" if code and code < 0 else f"exit code {code}"
    return f"its worker died {tried} times, at last with {how}; a cell that is out of memory ends so"


def _work(pipe: Connection, flag: Any) -> None:
    """A worker: does cells until no more come, or the process that started it is gone."""
    quiet()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; who started it says when to stop
    parent = parent_process()
    with suppress(EOFError, OSError):
        while True:
            job = pipe.recv()
            try:
                done = attempt(job, lambda: flag.is_set() or parent is None or not parent.is_alive())
            except MemoryError as failure:
                # nobody knows what is left of this process
                print(f"homines: {job.cell.name}: out of memory: {failure}", file=sys.stderr)
                os._exit(os.EX_TEMPFAIL)
            pipe.send(done)
