"""A training goes on past a torn checkpoint, tells what is lost, and runs nothing that lies in one."""

from __future__ import annotations

import errno
import os
import pickle
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import SafetensorError

from homines.core.paths import PathError
from homines.core.progress import Follow
from homines.core.types import HominesError, Interrupted
from homines.models.hf import HuggingFace
from homines.training.checkpoints import READERS, whole_checkpoint
from homines.training.exact import rl
from homines.training.trainer import save
from tests.helpers.tiny import willing
from tests.training.test_exact import QUICK, taught

EVERY = replace(QUICK, save_every=1)


@pytest.fixture(scope="module")
def stopped(tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training of four steps that was stopped after three, with its two last checkpoints."""
    folder = tmp_path_factory.mktemp("stopped")
    model = HuggingFace(willing(tokenizer), tokenizer, name="tiny", provenance={"revision": "t"})
    rows: list[Any] = []
    with pytest.raises(Interrupted, match="step 3 of 4"):
        rl(model, taught(model), EVERY, folder, follow=Follow(step=rows.append, stop=lambda: len(rows) >= 2))
    assert sorted(p.name for p in (folder / "checkpoints").iterdir()) == ["checkpoint-2", "checkpoint-3"]
    return folder


@pytest.fixture
def folder(stopped: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(stopped, tmp_path / "run"))


@pytest.fixture
def student(tokenizer: Any) -> HuggingFace:
    return HuggingFace(willing(tokenizer), tokenizer, name="tiny", provenance={"revision": "t"})


def empty(path: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def zeros(path: Path) -> None:
    """What a file system may leave after the power went."""
    path.write_bytes(bytes(path.stat().st_size))


NEEDED = ("optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json", "adapter_model.safetensors")
TORN = [(name, tear) for name in NEEDED for tear in (empty, cut, zeros)]
GONE = [(name, Path.unlink) for name in ("optimizer.pt", "scheduler.pt", "trainer_state.json")]


@pytest.mark.parametrize(("name", "tear"), [*TORN, *GONE, ("adapter_config.json", cut)])
def test_the_older_whole_checkpoint_is_gone_on_from(
    name: str, tear: Callable[[Path], None], folder: Path
) -> None:
    checkpoints = folder / "checkpoints"
    tear(checkpoints / "checkpoint-3" / name)
    assert whole_checkpoint(checkpoints) == str(checkpoints / "checkpoint-2")
    tear(checkpoints / "checkpoint-2" / name)
    assert whole_checkpoint(checkpoints) is None


def test_what_is_lost_is_told(folder: Path) -> None:
    said: list[str] = []
    checkpoints = folder / "checkpoints"
    assert whole_checkpoint(checkpoints, say=said.append) == str(checkpoints / "checkpoint-3")
    assert said == []
    empty(checkpoints / "checkpoint-3" / "optimizer.pt")
    whole_checkpoint(checkpoints, say=said.append)
    assert len(said) == 1
    assert said[0].startswith("the checkpoint of step 3 cannot be read (optimizer.pt is torn (")
    assert said[0].endswith("; the training goes on from the checkpoint of step 2")
    empty(checkpoints / "checkpoint-2" / "optimizer.pt")
    whole_checkpoint(checkpoints, say=said.append)
    assert said[1].endswith("; the training goes on from the start")


@pytest.mark.parametrize("left", [2, 0])
def test_the_training_itself_goes_on(left: int, folder: Path, student: HuggingFace) -> None:
    for step in range(left + 1, 4):
        if (held := folder / "checkpoints" / f"checkpoint-{step}").exists():
            empty(held / "optimizer.pt")
    rows: list[Any] = []
    rl(student, taught(student), EVERY, folder, follow=Follow(step=rows.append))
    assert [row["step"] for row in rows] == list(range(left + 1, 5))


class Touch:
    """A pickle that makes a file where it is loaded."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("zipped", [True, False], ids=["torch", "bare"])
@pytest.mark.parametrize(
    "name",
    ["optimizer.pt", "scheduler.pt", "rng_state.pth", "training_args.bin", "scaler.pt", "adapter_model.bin"],
)
def test_a_strangers_pickle_is_not_run(
    name: str, zipped: bool, folder: Path, student: HuggingFace, tmp_path: Path
) -> None:
    marker = tmp_path / "marker"
    for path in (folder / "checkpoints").iterdir():
        if zipped:
            torch.save(Touch(marker), path / name)
        else:
            (path / name).write_bytes(pickle.dumps(Touch(marker)))
    held = folder / "checkpoints" / "checkpoint-3" / name
    torch.load(held, weights_only=False) if zipped else pickle.loads(held.read_bytes())
    marker.rmdir()  # it did what it is here for
    rl(student, taught(student), EVERY, folder)
    assert not marker.exists()


@pytest.mark.parametrize("at", ["", "/checkpoint-3", "/checkpoint-3/optimizer.pt"])
def test_a_link_among_checkpoints_is_not_followed(at: str, folder: Path, student: HuggingFace) -> None:
    path = folder / f"checkpoints{at}"
    path.rename(folder.parent / "victim")
    path.symlink_to(folder.parent / "victim")
    with pytest.raises(PathError, match="is a link"):
        rl(student, taught(student), EVERY, folder)


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.EACCES])
@pytest.mark.parametrize("where", ["a library", "we"])
def test_what_the_disk_does_not_give_now_is_not_torn(
    number: int, where: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints = folder / "checkpoints"

    def fails(*_: Any) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        if where == "we":
            patched.setattr("homines.training.checkpoints.open_file", fails)
        else:
            patched.setattr("homines.training.checkpoints.READERS", dict.fromkeys(READERS, fails))
        with pytest.raises(
            HominesError, match=rf"cannot read the .*: {os.strerror(number)}.*so it stays; run"
        ):
            whole_checkpoint(checkpoints)
    assert whole_checkpoint(checkpoints) == str(checkpoints / "checkpoint-3")


def test_no_memory_is_no_tear(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path) -> None:
        raise MemoryError

    checkpoints = folder / "checkpoints"
    with monkeypatch.context() as patched:
        patched.setattr("homines.training.checkpoints.READERS", dict.fromkeys(READERS, full))
        with pytest.raises(MemoryError):
            whole_checkpoint(checkpoints)
    assert whole_checkpoint(checkpoints) == str(checkpoints / "checkpoint-3")


def test_a_torn_checkpoint_is_put_aside(folder: Path) -> None:
    checkpoints = folder / "checkpoints"
    (checkpoints / "torn-checkpoint-3").mkdir()
    size = (checkpoints / "checkpoint-3" / "adapter_model.safetensors").stat().st_size
    empty(checkpoints / "checkpoint-3" / "optimizer.pt")
    whole_checkpoint(checkpoints)
    assert sorted(p.name for p in checkpoints.iterdir()) == ["checkpoint-2", "torn-checkpoint-3"]
    assert (checkpoints / "torn-checkpoint-3" / "adapter_model.safetensors").stat().st_size == size


def test_of_several_processes_the_first_alone_puts_aside(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints = folder / "checkpoints"
    empty(checkpoints / "checkpoint-3" / "optimizer.pt")
    monkeypatch.setenv("RANK", "1")
    assert whole_checkpoint(checkpoints) == str(checkpoints / "checkpoint-2")
    assert (checkpoints / "checkpoint-3").exists()


def test_a_checkpoint_that_another_process_puts_aside_is_passed_over(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints = folder / "checkpoints"
    monkeypatch.setenv("RANK", "1")

    def gone(path: Path) -> None:
        if path.parent.name == "checkpoint-3":
            path.parent.rename(checkpoints / "torn-checkpoint-3")
            path.read_bytes()

    monkeypatch.setattr("homines.training.checkpoints.READERS", dict.fromkeys(READERS, gone))
    assert whole_checkpoint(checkpoints) == str(checkpoints / "checkpoint-2")


def test_names_that_are_no_checkpoints_are_left_alone(folder: Path) -> None:
    for name in ("checkpoint-x", "checkpoint-", "checkpoint-9999999999999", "notes"):
        (folder / "checkpoints" / name).mkdir()
    assert whole_checkpoint(folder / "checkpoints") == str(folder / "checkpoints" / "checkpoint-3")
    assert len(list((folder / "checkpoints").iterdir())) == 6


class Full:
    """A network that cannot be saved."""

    def __init__(self, failure: Exception) -> None:
        self.failure = failure

    def save_pretrained(self, folder: str, **_: Any) -> None:
        Path(folder, "half").write_text("")
        raise self.failure


@pytest.mark.parametrize(
    "failure",
    [
        SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
        RuntimeError("[enforce fail at inline_container.cc:664] . unexpected pos 704 vs 598"),
        OSError(28, "No space left on device"),
    ],
)
def test_a_full_disk_is_one_sentence(failure: Exception, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "before").write_text("")
    with pytest.raises(
        HominesError, match=r"cannot write to .*/model: .*; make room \(or choose another --out"
    ):
        save(Full(failure), None, "tiny", tmp_path / "model")
    assert [p.name for p in tmp_path.rglob("*")] == ["model", "before"]


@pytest.mark.parametrize(
    "failure",
    [
        RuntimeError(),
        RuntimeError("CUDA error: device-side assert triggered"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    ],
)
def test_what_is_no_matter_of_the_disk_is_not_told_as_one(failure: Exception, tmp_path: Path) -> None:
    with pytest.raises(type(failure)) as told:
        save(Full(failure), None, "tiny", tmp_path / "model")
    assert told.value is failure


@pytest.mark.parametrize("failure", [OSError(), SafetensorError("")])
def test_a_failure_without_words_is_told_by_its_name(failure: Exception, tmp_path: Path) -> None:
    with pytest.raises(
        HominesError, match=f"cannot write to .*: {type(failure).__name__}. What was recorded"
    ):
        save(Full(failure), None, "tiny", tmp_path / "model")
