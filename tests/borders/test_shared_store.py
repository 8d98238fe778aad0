"""A shared store is anybody's: no mark and no key of it leads out, and each cell is done by one sweep."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path, PureWindowsPath
from types import SimpleNamespace
from typing import Any

import fsspec
import pytest

from homines.cli.sweep import carry_out_sweep
from homines.core.scratch import OWNER, scratch
from homines.core.types import HominesError
from homines.sweeps import claims
from homines.sweeps.cell import Cell, Job, Outcome, brief
from homines.sweeps.grid import parse
from homines.sweeps.options import SweepOptions
from homines.sweeps.store import DONE, FAILED, SharedStore
from homines.sweeps.sweep import sweep
from tests.helpers.running import HOMINES
from tests.helpers.traps import wait_for

ATTEMPTS = [
    "../../../victim",
    "../..",
    "..",
    ".",
    "",
    "/",
    "a",
    "ABCDEF01",
    "abcdef012",
    "abcdef0\n",
    3,
    None,
    ["a"],
]
ENV = {**os.environ, "OMP_NUM_THREADS": "1"}


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> SharedStore:
    if request.param == "memory":
        return SharedStore(f"memory://{tmp_path.name}/a/store")
    return SharedStore(str(tmp_path / "a" / "store"))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "records.jsonl").write_text("")
    return folder


def put(store: SharedStore, path: str, text: str) -> None:
    """As a stranger does who can write there."""
    whole = f"{store.root}/{path}"
    store.fs.makedirs(whole.rpartition("/")[0], exist_ok=True)
    store.fs.pipe_file(whole, text.encode())


def everything(store: SharedStore) -> set[str]:
    top = store.root.rpartition("/")[0].rpartition("/")[0]
    store.fs.invalidate_cache()
    return set(store.fs.find(top))


# --- marks and keys -------------------------------------------------------------------------------


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_a_mark_that_names_no_attempt_counts_for_nothing(
    attempt: Any, store: SharedStore, run: Path, tmp_path: Path
) -> None:
    put(store, "../../victim/mine", "mine")
    put(store, "cells/other/abcdef01/mine", "mine")
    for kind in (DONE, FAILED):
        put(store, f"cells/c/{kind}", json.dumps({"attempt": attempt, "error": "x"}))
    before = everything(store)
    assert store.marks(["c"]) == {}
    assert "counts for nothing: it names" in store.broken[f"cells/c/{DONE}"]
    store.restore("c", tmp_path / "scratch")
    assert not (tmp_path / "scratch").exists()
    store.fail("c", {"error": "x"}, run)
    store.commit("c", run, {})
    gone = {name for name in before - everything(store) if not name.endswith(FAILED)}
    assert gone == set()
    assert set(store.marks(["c"])) == {"c"}


@pytest.mark.parametrize(
    "mark",
    [
        "[]",
        "3",
        "null",
        "[" * 9999,
        '{"attempt": "abcdef01", "results": [1]}',
        "\udc80",
        '{"attempt": 1e999}',
    ],
)
def test_a_mark_that_is_none(mark: str, store: SharedStore) -> None:
    whole = f"{store.root}/cells/c"
    store.fs.makedirs(whole, exist_ok=True)
    store.fs.pipe_file(f"{whole}/{DONE}", mark.encode("utf-8", "surrogateescape"))
    assert store.marks(["c"]) == {}
    assert "counts for nothing" in store.broken[f"cells/c/{DONE}"]


def test_a_key_that_leads_out_is_not_fetched(tmp_path: Path) -> None:
    """An object store has keys, and "../" may be part of one."""
    store = SharedStore(f"memory://{tmp_path.name}")
    put(store, "cells/c/abcdef01/a", "a")
    put(store, "cells/c/abcdef01/../../../../victim", "theirs")
    put(store, f"cells/c/{FAILED}", json.dumps({"attempt": "abcdef01"}))
    folder = tmp_path / "deep" / "scratch" / "run"
    with pytest.raises(HominesError, match="is no name of a file in a folder"):
        store.restore("c", folder)
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


@pytest.mark.parametrize("what", ["attempt", "file", "folder", "cell"])
def test_a_link_in_a_store_is_not_followed(what: str, run: Path, tmp_path: Path) -> None:
    store = SharedStore(str(tmp_path / "store"))
    (tmp_path / "victim" / "abcdef01").mkdir(parents=True)
    (tmp_path / "victim" / "abcdef01" / "mine").write_text("mine")
    cell = tmp_path / "store" / "cells" / "c"
    if what == "cell":
        cell.parent.mkdir(parents=True)
        cell.symlink_to(tmp_path / "victim")
        (tmp_path / "victim" / FAILED).write_text(json.dumps({"attempt": "abcdef01"}))
    else:
        at = {"attempt": "abcdef01", "file": "abcdef01/a", "folder": "abcdef01/a"}[what]
        (cell / at).parent.mkdir(parents=True)
        (cell / at).symlink_to(tmp_path / "victim" / "abcdef01" / ("mine" if what == "file" else ""))
        (cell / FAILED).write_text(json.dumps({"attempt": "abcdef01"}))
    if what == "cell":  # then it has no mark
        store.restore("c", tmp_path / "again")
        assert "is a link" in store.broken[f"cells/c/{FAILED}"]
    else:
        with pytest.raises(HominesError, match="is a link"):
            store.restore("c", tmp_path / "again")
    assert not [p for p in (tmp_path / "again").rglob("*") if p.is_file()]
    for keep in (lambda: store.commit("c", run, {}), lambda: store.fail("c", {"error": "x"}, run)):
        try:
            keep()
        except HominesError as failure:
            told = str(failure)
        else:
            told = "is a link"
        assert "is a link" in told
    assert (tmp_path / "victim" / "abcdef01" / "mine").read_text() == "mine"


@pytest.mark.parametrize("name", ["..", "../victim", ".", "", "/", "a/../../victim"])
def test_nothing_outside_a_store_is_removed_written_or_read(name: str, store: SharedStore) -> None:
    put(store, "../victim/mine", "mine")
    put(store, "a", "ours")
    before = everything(store)
    for use in (store.remove, store.read, lambda name: store.write(name, "x")):
        with pytest.raises(HominesError, match="is no name of a file in a folder"):
            use(name)
    assert everything(store) == before


def test_names_of_a_folder_on_windows_have_no_backslash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SharedStore(str(tmp_path))
    monkeypatch.setattr("homines.sweeps.store.inside", lambda root, name: PureWindowsPath("C:\\store", name))
    assert store._path("cells/c/done.json") == "C:/store/cells/c/done.json"


@pytest.fixture
def leaky(monkeypatch: pytest.MonkeyPatch) -> SharedStore:
    """A bucket whose address holds a key in the user's place, and whose library repeats it."""

    class Leaky(fsspec.get_filesystem_class("memory")):
        protocol = "leaky"

        @classmethod
        def _strip_protocol(cls, path: str) -> str:
            return path.removeprefix("leaky://").rpartition("@")[2]

    fsspec.register_implementation("leaky", Leaky, clobber=True)
    store = SharedStore("leaky://AKIDSECRET@bucket")

    def refuses(path: str, *_: Any, **__: Any) -> None:
        raise OSError("no leaky://AKIDSECRET@bucket for you")

    monkeypatch.setattr(store.fs, "put_file", refuses)
    return store


def test_a_key_in_the_address_of_a_store_is_shown_nowhere(leaky: SharedStore, run: Path) -> None:
    assert leaky.url == "leaky://AKIDSECRET@bucket"
    assert leaky.redacted_url == "leaky://[hidden]@bucket"
    with pytest.raises(HominesError, match="cannot write to the store") as told:
        leaky.commit("c", run, {})
    assert "AKIDSECRET" not in str(told.value)
    put(leaky, f"cells/c/{DONE}", "[]")
    assert leaky.marks(["c"]) == {}
    assert "AKIDSECRET" not in str(leaky.broken)


def test_a_sweep_tells_no_key_of_its_store(
    leaky: SharedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("homines.sweeps.cell.write", lambda folder: None)
    file = tmp_path / "g.toml"
    file.write_text('models = ["mock"]\n[measure]\ngames = ["ipd"]\nframes = ["table"]\n')
    for as_json in (True, False):
        with pytest.raises(SystemExit):
            carry_out_sweep(file, leaky.url, SweepOptions(), dry_run=False, as_json=as_json)
    said = capsys.readouterr()
    assert "leaky://[hidden]@bucket" in said.out
    files = {path: leaky.fs.cat_file(path) for path in leaky.fs.find(leaky.root)}
    assert any("cells.csv" in path for path in files)
    assert "AKIDSECRET" not in said.out + said.err + repr(files)


@pytest.mark.parametrize(
    "failure", [ValueError("no s3://AKIDSECRET@b"), HominesError("no s3://AKIDSECRET@b")]
)
def test_an_error_in_one_line_tells_no_key(failure: Exception) -> None:
    assert brief(failure).endswith("no s3://[hidden]@b")


def test_a_cell_of_long_words_has_a_name_that_files_may_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cell,) = parse({"models": ["mock"], "measure": {"games": ["ipd"]}}, "g").cells
    assert cell.name.startswith("measure-mock-ipd-")
    monkeypatch.setattr(Cell, "columns", {str(i): "漢" * 24 for i in range(5)})
    store = SharedStore(str(tmp_path))
    with claims.claim(store, cell.name, "me") as mine:
        assert mine
    store.fail(cell.name, {"error": "x"})
    assert set(store.marks([cell.name], FAILED)) == {cell.name}


# --- each cell once -------------------------------------------------------------------------------

GAMES = ["ipd", "ish", "icn", "bos", "imp"]


def grid_file(folder: Path) -> Path:
    file = folder / "g.toml"
    file.write_text(f'models = ["mock/slow"]\n[measure]\ngames = {GAMES[:4]}\nframes = ["table"]\n')
    return file


def begin(file: Path, *more: str) -> subprocess.Popen[str]:
    command = [*HOMINES, "sweep", str(file), "--store", str(file.parent / "store"), *more]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=file.parent, env=ENV
    )


def carried_out(store: Path) -> dict[str, int]:
    """How many attempts each cell took."""
    return {cell.name: sum(p.is_dir() for p in cell.iterdir()) for cell in (store / "cells").iterdir()}


def test_two_sweeps_at_once_do_each_cell_once(tmp_path: Path) -> None:
    file = grid_file(tmp_path)
    both = [begin(file) for _ in range(2)]
    ends = [(process.communicate(), process.returncode) for process in both]
    assert [code for _, code in ends] == [0, 0], ends
    assert list(carried_out(tmp_path / "store").values()) == [1] * 4


def test_the_cells_of_a_killed_sweep_are_taken_over(tmp_path: Path) -> None:
    file = grid_file(tmp_path)
    first = begin(file)
    wait_for(lambda: list((tmp_path / "store" / "claims").glob("*.lock")), first)
    first.kill()
    first.communicate()
    second = begin(file)
    _, said = second.communicate()
    assert second.returncode == 0, said
    assert list(carried_out(tmp_path / "store").values()) == [1] * 4


def lease(store: SharedStore, name: str, until: float) -> None:
    put(store, f"claims/{name}.json", json.dumps({"owner": "another", "until": until}))


def test_a_lease_on_an_object_store(tmp_path: Path) -> None:
    store = SharedStore(f"memory://{tmp_path.name}")
    with claims.claim(store, "c", "me") as mine:
        assert mine
        assert not claims.is_free(store, "c")
        with claims.claim(store, "c", "you") as yours:
            assert not yours
        with claims.claim(store, "c", "me") as again:  # a worker of mine that died
            assert again
    assert claims.is_free(store, "c")
    now = time.time()
    lease(store, "c", now + claims.LEASE)
    assert not claims.is_free(store, "c")
    for until in (now - 1, now + 1e6, float("inf")):  # ran out, or is no lease that one of us makes
        lease(store, "c", until)
        assert claims.is_free(store, "c")
        with claims.claim(store, "c", "me") as mine:
            assert mine


def test_of_two_sweeps_that_both_see_no_holder_one_takes_the_cell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other is between its look and its own lease when the first takes the cell."""
    store, taken = SharedStore(f"memory://{tmp_path.name}"), []
    other, first = claims.claim(store, "c", "other"), claims.claim(store, "c", "first")
    remove, create = store.remove, store.create

    def late(use: Callable[..., None]) -> Callable[..., None]:
        def used(*given: str) -> None:
            monkeypatch.setattr(store, "remove", remove)
            monkeypatch.setattr(store, "create", create)
            taken.append(first.__enter__())
            use(*given)

        return used

    monkeypatch.setattr(store, "remove", late(remove))
    monkeypatch.setattr(store, "create", late(create))
    with other as ours:
        taken.append(ours)
        assert taken == [True, False]
        first.__exit__(None, None, None)


def test_a_lease_that_ran_out_is_read_again_before_it_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SharedStore(f"memory://{tmp_path.name}")
    lease(store, "c", time.time() - 1)
    read, reads = store.read, []

    def renewed(name: str) -> str | None:
        """Another takes it right after our first look."""
        text = read(name)
        if not reads:
            lease(store, "c", time.time() + claims.LEASE)
        reads.append(name)
        return text

    monkeypatch.setattr(store, "read", renewed)
    with claims.claim(store, "c", "me") as mine:
        assert not mine


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP])
def test_a_folder_without_locks_has_leases(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    def none(*_: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", none)
    store = SharedStore(str(tmp_path))
    assert claims.is_free(store, "c")
    with claims.claim(store, "c", "me") as mine:
        assert mine
        assert (tmp_path / "claims" / "c.json").exists()
        assert not claims.is_free(store, "c")
        with claims.claim(store, "c", "you") as yours:
            assert not yours
    assert claims.is_free(store, "c")


def test_a_lease_that_is_no_text_is_none(tmp_path: Path) -> None:
    store = SharedStore(f"memory://{tmp_path.name}")
    store.fs.pipe_file(f"{store.root}/claims/c.json", b"\xff\xfe")
    assert claims.is_free(store, "c")
    with claims.claim(store, "c", "me") as mine:
        assert mine


@pytest.mark.parametrize("failure", [TypeError("mode"), NotImplementedError(), OSError("501")])
def test_a_store_that_knows_no_exclusive_write_is_written_plainly(
    failure: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SharedStore(f"memory://{tmp_path.name}")
    plain = store.fs.pipe_file

    def pipe_file(path: str, value: bytes, **more: Any) -> None:
        if more:
            raise failure
        plain(path, value)

    monkeypatch.setattr(store.fs, "pipe_file", pipe_file)
    store.create("claims/a", "mine")
    store.create("claims/a", "yours")
    assert store.read("claims/a") == "mine"


def test_a_lost_worker_loses_nothing_that_an_earlier_attempt_left(
    tmp_path: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SharedStore(f"memory://{tmp_path.name}")
    grid = parse({"models": ["mock"], "measure": {"games": ["ipd"]}}, "g")
    (name,) = (cell.name for cell in grid.cells)
    (run / "answers").write_text("paid for")
    store.fail(name, {"error": "interrupted"}, run)

    def dies(jobs: list[Job], **_: Any) -> list[Outcome]:
        return [Outcome(job.cell.name, "lost", "its worker died: http://h/?sig=abcdef") for job in jobs]

    monkeypatch.setattr("homines.sweeps.engines.here.run", dies)
    (row,) = sweep(grid, store)
    assert row["state"] == "failed"
    assert row["error"] == "its worker died: http://h/?[hidden]"
    store.restore(name, tmp_path / "again")
    assert (tmp_path / "again" / "answers").read_text() == "paid for"


def test_a_cell_that_another_sweep_does_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("homines.sweeps.cell.write", lambda folder: None)
    store = SharedStore(f"memory://{tmp_path.name}")
    grid = parse({"models": ["mock"], "measure": {"games": ["ipd", "ish"]}}, "g")
    first, second = (cell.name for cell in grid.cells)
    lease(store, first, time.time() + claims.LEASE)
    said: list[str] = []

    def pause(seconds: float) -> None:
        """The other sweep ends: its cell is not done."""
        assert set(store.marks([first, second])) == {second}
        store.remove(f"claims/{first}.json")

    monkeypatch.setattr("homines.sweeps.sweep.time", SimpleNamespace(sleep=pause))
    found = sweep(grid, store, say=said.append)
    assert [row["state"] for row in found] == ["done", "done"]
    assert said == ["another sweep is doing 1 of these cells; waiting for them"]


# --- scratch folders ------------------------------------------------------------------------------


def test_scratch_folders_of_the_dead_go_and_those_of_the_living_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    hold = (
        "import sys, pathlib; from homines.core.scratch import scratch\n"
        "with scratch() as folder: print(folder, flush=True); sys.stdin.read()"
    )
    some = [
        subprocess.Popen(
            [sys.executable, "-c", hold],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**ENV, "TMPDIR": str(tmp_path)},
        )
        for _ in range(2)
    ]
    dead, alive = (Path((process.stdout or sys.stdin).readline().strip()) for process in some)
    (dead / "big").write_text("x")
    some[0].send_signal(signal.SIGKILL)
    some[0].communicate()
    (tmp_path / "homines-mine").mkdir()  # nobody's we know
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim" / OWNER).write_text("")
    (tmp_path / "homines-link").symlink_to(tmp_path / "victim")
    with scratch() as mine:
        assert mine.parent == tmp_path
        assert not dead.exists()
        assert alive.exists()
    assert not mine.exists()
    assert (tmp_path / "homines-mine").exists()
    assert (tmp_path / "victim" / OWNER).exists()
    some[1].communicate()
    assert not alive.exists()
