"""Sweeps on a Ray cluster of two nodes: a node dies, a worker is out of memory, the driver dies.

Ray listens on loopback alone, without its dashboard and without a word to anybody.
"""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from inspect import signature
from pathlib import Path
from typing import Any

import pytest

from homines.core.types import HominesError
from homines.sweeps.cell import Outcome
from homines.sweeps.options import SweepOptions
from homines.sweeps.store import DONE, SharedStore
from homines.sweeps.sweep import rows, sweep
from tests.helpers.sweeps import ROOT, alone, asks, begin, bytes_of, trapped, written
from tests.helpers.traps import NODE, arm, wait_for

pytestmark = pytest.mark.system

pytest.importorskip("ray")

STARTS = 4
"""Tries at a further node: Ray gives it half a minute to start, which a busy machine may not have."""


def node(**more: Any) -> dict[str, Any]:
    """A node of one core. Its agents are told their ports: for those they find Ray waits 15 seconds."""
    agents = ("metrics_agent_port", "metrics_export_port", "runtime_env_agent_port")
    with ExitStack() as stack:
        bound = [stack.enter_context(socket.socket()) for _ in agents]
        for some in bound:
            some.bind(("127.0.0.1", 0))
        ports = [some.getsockname()[1] for some in bound]
    return {
        "num_cpus": 1,
        "include_dashboard": False,
        "node_ip_address": "127.0.0.1",
        "object_store_memory": 80 * 2**20,
        "include_log_monitor": False,
        "no_monitor": True,
        **dict(zip(agents, ports, strict=True)),
        **more,
    }


def at_once(start: Callable[..., Any]) -> Callable[..., Any]:
    """Ray's start of a node, not waiting 15 seconds for its agent to say that it has no dashboard."""

    def starts(*values: Any, **named: Any) -> Any:
        given = signature(start).bind(*values, **named).arguments
        said = Path(given["session_dir"]) / f"dashboard_agent_listen_port_{given['node_id']}"
        said.write_text("-1")
        return start(*values, **named)

    return starts


def started(start: Callable[[], Any]) -> Any:
    """What `start` makes, tried again where a node did not come up in Ray's time."""
    for _ in range(STARTS - 1):
        try:
            return start()
        except Exception as failure:
            if "timed out during startup" not in str(failure):
                raise
    return start()


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """One node of one core; tests add the second."""
    told = {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # the one switch by which Ray stays on 127.0.0.1
        "RAY_worker_niceness": "0",  # else 15: on a busy machine workers would hardly run
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in told.items():
            patch.setenv(name, value)
        import ray._private.ray_constants
        import ray._private.services
        from ray.cluster_utils import Cluster

        # read when Ray is imported, which another test may have done
        patch.setattr("ray._private.ray_constants.ENABLE_RAY_CLUSTER", False)
        # as where Ray is installed without its dashboard: the agents of a node are light
        patch.setattr("ray._private.utils.get_dashboard_dependency_error", lambda: ImportError("not wanted"))
        patch.setattr("ray._private.services.start_raylet", at_once(ray._private.services.start_raylet))
        made = Cluster(initialize_head=True, head_node_args=node())
        try:
            yield made
        finally:
            made.shutdown()


@pytest.fixture
def two(cluster: Any) -> Iterator[Any]:
    """The cluster with its second node, which hangs where a trap says so."""
    second = started(lambda: cluster.add_node(**node(env_vars={NODE: "second"})))
    try:
        yield cluster
    finally:
        if second in cluster.worker_nodes:
            cluster.remove_node(second)


def test_every_server_listens_on_loopback(two: Any) -> None:
    table = subprocess.run(["ss", "-ltnpH"], capture_output=True, text=True, check=True).stdout
    ours = [line.split()[3] for line in table.splitlines() if "raylet" in line or "gcs_server" in line]
    assert len(ours) >= 3
    assert all("127.0.0.1" in place or "[::1]" in place for place in ours), ours


def test_a_node_and_a_worker_die_and_every_cell_is_done_once(two: Any, tmp_path: Path) -> None:
    """The second node hangs in its first cell and is killed; a worker of the first is killed; another is out
    of memory, by a real limit."""
    hung, killed = (trapped(tmp_path / how, how, ["ipd", "ish"]) for how in ("hang", "kill"))
    full = trapped(tmp_path / "exhaust", "exhaust", ["icn"])
    grid = replace(hung, cells=(*hung.cells, *killed.cells, *full.cells, *asks("bos", "icd").cells))
    want = alone(grid, tmp_path / "alone")
    for how in ("hang", "kill", "exhaust"):
        arm(tmp_path / how)
    (second,) = two.worker_nodes
    ended: list[str] = []

    def tell(finished: int, outcome: Outcome | None) -> None:
        ended.extend([outcome.name] if outcome else [])
        if (tmp_path / "hang" / "begun").exists() and second in two.worker_nodes:
            two.remove_node(second, allow_graceful=False)

    store = SharedStore(str(tmp_path / "store"))
    found = sweep(grid, store, SweepOptions("ray", address=two.address), tell=tell)
    assert [row["state"] for row in found] == ["done"] * 7
    assert second not in two.worker_nodes
    assert not list(tmp_path.glob("*/armed*"))
    assert sorted(ended) == sorted(cell.name for cell in grid.cells)
    assert bytes_of(store, grid) == want


def test_a_cell_that_kills_every_worker_has_failed_and_the_others_are_done(
    cluster: Any, tmp_path: Path
) -> None:
    grid = trapped(tmp_path / "trap", "kill", ["ipd"])
    grid = replace(grid, cells=(*grid.cells, *asks("ish").cells))
    arm(tmp_path / "trap", times=3)
    found = sweep(grid, SharedStore(str(tmp_path / "store")), SweepOptions("ray", address=cluster.address))
    assert [row["state"] for row in found] == ["failed", "done"]
    assert found[0]["error"].startswith("its worker died 3 times, at last with WorkerCrashedError")


def test_the_driver_is_killed_and_the_same_command_goes_on(two: Any, tmp_path: Path) -> None:
    file, grid = written(tmp_path)
    want = alone(grid, tmp_path / "alone")
    store = tmp_path / "store"
    arm(tmp_path / "trap")
    driver = begin(file, store, "--engine", "ray", "--address", two.address)
    wait_for((tmp_path / "trap" / "begun").exists, driver)
    wait_for(lambda: list(store.glob(f"cells/*/{DONE}")), driver)
    driver.kill()
    driver.communicate()
    again = begin(file, store, "--engine", "ray", "--address", two.address)
    _, said = again.communicate()
    assert again.returncode == 0, said
    assert bytes_of(SharedStore(str(store)), grid) == want


def test_a_node_with_another_homines_is_refused_before_any_work(cluster: Any, tmp_path: Path) -> None:
    (tmp_path / "old/homines").mkdir(parents=True)
    (tmp_path / "old/homines/__init__.py").write_text('__version__ = "0.0.1"\n')  # an older layout
    path = {"PYTHONPATH": str(tmp_path / "old")}
    other = started(lambda: cluster.add_node(**node(env_vars=path)))
    grid, store = asks("ipd"), SharedStore(str(tmp_path / "store"))
    try:
        with pytest.raises(
            HominesError, match=r"node 127.0.0.1 .* has homines 0.0.1, this is homines .* not"
        ):
            sweep(grid, store, SweepOptions("ray", address=cluster.address))
    finally:
        cluster.remove_node(other)
    assert [row["state"] for row in rows(grid, store)] == ["missing"]


def test_a_cell_larger_than_any_node_is_refused_before_any_work(cluster: Any, tmp_path: Path) -> None:
    store = SharedStore(str(tmp_path / "store"))
    with pytest.raises(HominesError, match="no node of the cluster has 64 cores and 0 GPUs"):
        sweep(asks("ipd", worker={"threads": 64}), store, SweepOptions("ray", address=cluster.address))


def test_no_cluster_is_told_with_what_to_do(tmp_path: Path) -> None:
    store = SharedStore(str(tmp_path / "store"))
    with socket.socket() as bound:  # a port where nobody listens
        bound.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{bound.getsockname()[1]}"
        with pytest.raises(
            HominesError, match=rf"no Ray cluster that can be joined at {address}: .*ray start"
        ):
            sweep(asks("ipd"), store, SweepOptions("ray", address=address))
    with pytest.raises(HominesError, match="no Ray cluster that can be joined at nowhere"):
        sweep(asks("ipd"), store, SweepOptions("ray", address="nowhere"))
