"""Adapters by their id on the Hub: a small Hub on loopback, its cache, and the errors a user meets."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import constants

import homines as hm
from homines.core.types import HominesError, Prompt
from homines.inference.adapters import find_adapter, note_base, same_model
from homines.models import hf, load
from homines.sweeps import grid
from tests.helpers.hub import COMMIT, Hub, Repository, serve
from tests.helpers.tiny import tiny

ASK = Prompt((("user", "A or B?"),), ("A", "B"))
OTHER = "f" * 40


@pytest.fixture(scope="module")
def sound(tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model, and an adapter that moves its answers."""
    from peft import LoraConfig, get_peft_model

    place = tmp_path_factory.mktemp("sound")
    net = tiny("llama")
    net.save_pretrained(place / "llama")
    tokenizer.save_pretrained(place / "llama")
    lora: Any = get_peft_model(net, LoraConfig(r=2, target_modules="all-linear", task_type="CAUSAL_LM"))
    with torch.no_grad():
        for name, p in lora.named_parameters():
            if "lora_" in name:
                p.fill_(0.3)
    lora.save_pretrained(str(place / "moral"))
    settings = place / "moral" / "adapter_config.json"
    fields = json.loads(settings.read_text())
    settings.write_text(json.dumps({**fields, "base_model_name_or_path": "org/llama"}))
    return place


def reach(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}"
    )


@pytest.fixture
def hub(sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A Hub with one adapter, and an empty cache."""
    place = Path(shutil.copytree(sound / "moral", tmp_path / "served"))
    (place / "modeling.py").write_text("raise SystemExit('code of a stranger')")
    with serve({"org/moral": Repository(place)}) as hub:
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        reach(monkeypatch, hub.url)
        yield hub


def test_an_adapter_of_the_hub_answers_as_its_folder_does(hub: Hub, sound: Path) -> None:
    by_folder = load(f"hf/{sound / 'llama'}+{sound / 'moral'}", device="cpu")
    by_id = load(f"hf/{sound / 'llama'}+org/moral", device="cpu")
    assert by_id.score([ASK])[0].logp.tolist() == by_folder.score([ASK])[0].logp.tolist()
    assert by_id.name == f"hf/{sound / 'llama'}+org/moral"
    base = load(f"hf/{sound / 'llama'}", device="cpu").provenance["revision"]
    assert by_id.provenance["revision"] == f"{base}+{COMMIT}"
    fetched = {line.rpartition("/")[2] for line in hub.asked if "/resolve/" in line}
    assert fetched == {"adapter_config.json", "adapter_model.safetensors"}
    weights = {line.split("/")[4] for line in hub.asked if line.endswith("adapter_model.safetensors")}
    assert weights == {COMMIT}  # those of the settings, should main move in between


def test_two_files_lie_in_the_cache_and_it_answers_without_a_network(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = find_adapter("org/moral")
    assert sorted(path.name for path in first.folder.iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    reach(monkeypatch, "http://127.0.0.1:9")
    start = time.monotonic()
    assert find_adapter("org/moral") == find_adapter(f"org/moral@{COMMIT}") == first
    assert time.monotonic() - start < 6
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert find_adapter("org/moral@main") == first
    reach(monkeypatch, hub.url)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    (asked := hub.asked).clear()
    assert find_adapter(f"org/moral@{COMMIT}") == first
    assert asked == []  # a commit never changes


def test_a_new_commit_is_fetched_and_its_records_are_others(hub: Hub, sound: Path) -> None:
    spec = f"hf/{sound / 'llama'}+org/moral"
    before = load(spec, device="cpu").provenance["revision"]
    hub.repositories["org/moral"].commit = OTHER
    after = load(spec, device="cpu")
    assert after.provenance["revision"] == before.replace(COMMIT, OTHER) != before
    assert find_adapter(f"org/moral@{COMMIT}").commit == COMMIT  # the old one stands in the cache


def test_a_folder_goes_before_the_hub(hub: Hub, sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(sound / "moral", Path(sound / "here" / "org" / "moral"))
    monkeypatch.chdir(sound / "here")
    assert find_adapter("org/moral").commit is None
    assert hub.asked == []


@pytest.mark.parametrize(
    ("name", "match"),
    [
        (
            "org/none",
            "no folder 'org/none' here, and no such repository on the Hub; check the name",
        ),
        ("org/moral@v9", r"org/moral has no revision 'v9' on the Hub; give a branch, tag or commit"),
        ("org/gated", "org/gated is gated: ask for access on its page of the Hub, then .* HF_TOKEN"),
        ("org/pickled", r"holds no adapter_model.safetensors, and no other format is loaded; save it"),
        (
            "org/model",
            "holds no adapter_config.json, so it is no adapter; a whole model is named hf/",
        ),
        ("org/odd", "adapter_config.json: peft_type is 'PROMPT_TUNING', and it must be LORA"),
        (
            "./runs/adapter",
            r"no PEFT adapter in './runs/adapter': .* or a Hub id as ORG/NAME or",
        ),
        ("a..b/--c", "no PEFT adapter in|cannot fetch the adapter"),
    ],
)
def test_what_cannot_be_loaded_is_a_sentence(
    hub: Hub, sound: Path, tmp_path: Path, name: str, match: str
) -> None:
    pickled, whole, odd = (Path(shutil.copytree(sound / "moral", tmp_path / n)) for n in ("p", "w", "o"))
    (pickled / "adapter_model.safetensors").rename(pickled / "adapter_model.bin")
    (whole / "adapter_config.json").unlink()
    (odd / "adapter_config.json").write_text(json.dumps({"peft_type": "PROMPT_TUNING"}))
    hub.repositories.update(  # pyright: ignore[reportAttributeAccessIssue]
        {
            "org/pickled": Repository(pickled),
            "org/model": Repository(whole),
            "org/odd": Repository(odd),
            "org/gated": Repository(odd, gated=True),
        }
    )
    with pytest.raises(HominesError, match=match) as failure:
        load(f"hf/{sound / 'llama'}+{name}", device="cpu")
    assert "\n" not in str(failure.value)


def test_a_mistyped_path_is_said_before_anything_is_loaded_or_asked(
    hub: Hub, sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    network = hf._network
    monkeypatch.setattr(hf, "_network", lambda *_: pytest.fail("loaded"))
    (tmp_path / "org").mkdir()
    for name in ("org/moral", f"{sound / 'moral'}+org/moral"):
        with pytest.raises(HominesError, match=r"no folder 'org/moral', though .*org/moral@main"):
            load(f"hf/{sound / 'llama'}+{name}", device="cpu")
    assert hub.asked == []
    with pytest.raises(HominesError, match="no such repository"):
        load(f"hf/{sound / 'llama'}+nobody/moral", device="cpu")
    monkeypatch.setattr(hf, "_network", network)
    capsys.readouterr()
    load(f"hf/{sound / 'llama'}+org/moral@main", device="cpu")
    assert f"adapter org/moral@main from the Hub, commit {COMMIT}\n" in capsys.readouterr().err


def test_a_hub_out_of_reach_is_said_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    reach(monkeypatch, "http://127.0.0.1:9")
    start = time.monotonic()
    with pytest.raises(HominesError, match=r"here, the Hub cannot be reached, and the Hub's cache has no"):
        find_adapter("org/moral")
    assert time.monotonic() - start < 6


def test_another_base_is_said(
    sound: Path, hub: Hub, tokenizer: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    adapter = find_adapter("org/moral")
    note_base(adapter, "org/moral", f"hf/{sound / 'llama'}")
    assert capsys.readouterr().err == ""
    other = Path(shutil.copytree(sound / "llama", tmp_path / "other"))
    load(f"hf/{other}+org/moral", device="cpu")
    assert f"org/moral was trained on 'org/llama' and is put on hf/{other}" in capsys.readouterr().err
    assert same_model("HuggingFaceTB/SmolLM2-135M-Instruct", "smollm2")
    assert same_model("smollm2", "smollm2")
    assert not same_model("google/gemma-2-2b-it", "smollm2")
    assert same_model("smollm2+runs/a/adapter", "smollm2")


def test_every_door_takes_it(hub: Hub, sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Measured twice with the Hub and without it, nothing is asked again; sweeps and trainings too."""
    spec = f"hf/{sound / 'llama'}+org/moral"
    more: dict[str, Any] = {"labels": ["X,Y"], "out": tmp_path / "run", "progress": False}
    first = hm.measure(spec, ["ipd"], **more)
    reach(monkeypatch, "http://127.0.0.1:9")
    (tmp_path / "run" / "records.jsonl").chmod(0o444)
    again = hm.measure(spec, ["ipd"], **more)
    assert [r.key for r in first.records] == [r.key for r in again.records]
    assert len({r.key for r in again.records}) == len(again.records) > 0
    grid.parse({"models": [spec, "smollm2+org/moral@refs/pr/1"], "measure": {"games": ["ipd"]}}, "doors")
    with pytest.raises(HominesError, match="is no folder here"):
        grid.parse({"models": ["smollm2+./org/moral"], "measure": {"games": ["ipd"]}}, "doors")
    reach(monkeypatch, hub.url)
    done = hm.align(
        spec,
        to="economicus",
        out=tmp_path / "aligned",
        steps=1,
        labels=["X,Y"],
        rewordings=False,
        progress=False,
    )
    settings = json.loads((tmp_path / "aligned" / "adapter" / "adapter_config.json").read_text())
    assert settings["base_model_name_or_path"] == spec
    assert done.run is not None
