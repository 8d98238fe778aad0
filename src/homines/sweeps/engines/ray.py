"""Engine `ray`: cells as tasks on a Ray cluster (extra [scale]).

We start no Ray: a cluster is there already, its nodes have this version of homines, and see the store.
Retries are counted here and not by Ray (max_retries=0), as Ray tries a task that is out of memory for ever.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from homines.core.types import HominesError
from homines.sweeps.cell import Job, Outcome, SourceTree, attempt, brief
from homines.sweeps.engines import TRIES
from homines.sweeps.store import SharedStore

POLL = 0.5
"""Seconds between two looks at whether to stop."""
REACH = 20.0
"""Seconds for the cluster to answer at its address."""
GREET = 120.0
"""Seconds for a node to say which homines it has."""
SETTLE = 15.0
"""Seconds for the cluster to learn that a node which failed us has left."""
GRACE = 60.0
"""Seconds for interrupted cells to keep what they have."""


def run(
    jobs: Sequence[Job],
    *,
    workers: int | None,
    address: str | None,
    threads: int,
    gpus: float,
    stop: Callable[[], bool],
) -> Iterator[Outcome]:
    """Do these jobs on the cluster at `address` (None: the one that RAY_ADDRESS or this machine has)."""
    ray = _joined(address)
    try:
        _check(ray, jobs[0], threads, gpus)
        task = ray.remote(num_cpus=threads, num_gpus=gpus, max_retries=0)(attempt)
        waiting = deque((job, 1) for job in jobs)
        busy: dict[Any, tuple[Job, int]] = {}
        left: float | None = None
        while waiting or busy:
            if left is None and stop():
                left = time.monotonic() + GRACE
                waiting.clear()
                for ref in busy:
                    ray.cancel(ref, force=False)
            if left is not None and time.monotonic() > left:
                return
            while waiting and (workers is None or len(busy) < workers):
                job, tried = waiting.popleft()
                busy[task.remote(job)] = job, tried
            for ref in ray.wait(list(busy), timeout=POLL)[0] if busy else ():
                job, tried = busy.pop(ref)
                try:
                    yield ray.get(ref)
                except ray.exceptions.TaskCancelledError:
                    yield Outcome(job.cell.name, "stopped", "interrupted")
                except (ray.exceptions.RayError, MemoryError) as failure:
                    if left is not None:
                        yield Outcome(job.cell.name, "stopped", "interrupted")
                    elif tried < TRIES:
                        waiting.append((job, tried + 1))
                    else:
                        error = f"its worker died {tried} times, at last with {brief(failure)}"
                        yield Outcome(job.cell.name, "lost", error)
    finally:
        ray.shutdown()


def _joined(address: str | None) -> Any:
    """Ray, connected to a cluster."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # nothing leaves the machine
    try:
        import ray
    except ImportError as failure:
        raise HominesError(
            f"--engine ray needs Ray ({failure}); pip install 'homines[scale]', or use --engine local"
        ) from failure
    where = f"at {address}" if address else "on this machine (nor in RAY_ADDRESS)"
    try:
        if address and "://" not in address:  # Ray itself would try for minutes
            host, _, port = address.rpartition(":")
            socket.create_connection((host, int(port)), timeout=REACH).close()
        ray.init(address=address or "auto", log_to_driver=False, logging_level=logging.CRITICAL)
    except Exception as failure:  # no cluster, another Python or Ray there, no authority
        raise HominesError(
            f"no Ray cluster that can be joined {where}: {brief(failure)}; start one with "
            "`ray start --head`, name one with --address, or use --engine local"
        ) from failure
    return ray


def _check(ray: Any, job: Job, threads: int, gpus: float) -> None:
    """HominesError where no node has room for a cell, or a node has other code or does not see the store."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    nodes = [node for node in ray.nodes() if node["Alive"]]
    if not any(
        n["Resources"].get("CPU", 0) >= threads and n["Resources"].get("GPU", 0) >= gpus for n in nodes
    ):
        raise HominesError(
            f"no node of the cluster has {threads} cores and {gpus:g} GPUs, which a cell takes; ask for less "
            "in [worker], or add a larger node"
        )

    def greet(url: str, probe: str) -> tuple[str | None, str | None, bool, str]:
        """Sent as it is written, so that it runs beside any homines, or none."""
        try:
            import homines
        except ImportError as failure:
            return None, None, False, str(failure)
        commit: str | None = None
        try:
            from homines.core.run_folder import source_commit
            from homines.sweeps.store import SharedStore

            commit = source_commit()
            return homines.__version__, commit, SharedStore(url).holds(probe), ""
        except Exception as failure:
            return homines.__version__, commit, False, f"{type(failure).__name__}: {failure}"

    store = SharedStore(job.store)
    probe = store.leave()
    try:
        greetings = [
            ray.remote(num_cpus=0, max_retries=1)(greet)
            .options(scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False))
            .remote(store.url, probe)
            for node in nodes
        ]
        for ref, node in zip(greetings, nodes, strict=True):
            if (answer := _answer(ray, ref, node)) is None:
                continue
            version, commit, sees, error = answer
            name = _called(node)
            if version is None:
                raise HominesError(
                    f"node {name} has no homines ({error}); install {job.home} there, nothing was run"
                )
            if (tree := SourceTree(version, commit)) != job.home:
                raise HominesError(
                    f"node {name} has {tree}, this is {job.home}; install the same on every node, nothing "
                    "was run"
                )
            if not sees:
                why = f" ({error})" if error else ""
                raise HominesError(
                    f"node {name} does not see the store {store.redacted_url}{why}; give --store a "
                    "folder that all nodes share, or a URL such as s3://bucket/sweeps; nothing was run"
                )
    finally:
        store.remove(probe)


def _called(node: dict[str, Any]) -> str:
    """A node as errors name it."""
    return f"{node['NodeManagerAddress']} ({node['NodeID'][:8]})"


def _answer(ray: Any, ref: Any, node: dict[str, Any]) -> Any:
    """The greeting of a node; None where the node has left, which a cluster may learn after our question."""
    end = time.monotonic() + GREET
    while True:
        try:
            return ray.get(ref, timeout=POLL)
        except ray.exceptions.RayError as failure:
            if not any(n["Alive"] for n in ray.nodes() if n["NodeID"] == node["NodeID"]):
                return None
            if not isinstance(failure, ray.exceptions.GetTimeoutError):  # an end, which no waiting changes
                end = min(end, time.monotonic() + SETTLE)
            if time.monotonic() > end:
                raise HominesError(f"node {_called(node)} does not answer: {brief(failure)}") from failure
        time.sleep(POLL)
