"""`homines doctor`: what it measures, what it says of a machine that is otherwise, and its JSON."""

from __future__ import annotations

import json
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest
import torch

from homines.cli import doctor
from homines.cli.app import main
from homines.core import extras
from homines.inference import machine, memory
from homines.inference.machine import describe_machine, product_rates
from tests.helpers.tiny import willing

TYPES = ("float32", "bfloat16", "float16", "int8")
FAST = [
    {"type": name, "thread": 50.0, "all": rate} for name, rate in zip(TYPES, (60, 30, 55, 500), strict=True)
]


def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str
) -> tuple[Any, ...]:
    monkeypatch.setattr(sys, "argv", ["homines", "doctor", *arguments])
    with pytest.raises(SystemExit) as left:
        main()
    printed = capsys.readouterr()
    return left.value.code, printed.out, printed.err


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No product is made."""
    monkeypatch.setattr(machine, "product_rates", lambda device: FAST)


def test_rates_are_measured_and_threads_left_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "LARGEST", 128)
    before = torch.get_num_threads()
    rows = product_rates("cpu", 0.002)
    assert torch.get_num_threads() == before
    assert [row["type"] for row in rows] == list(TYPES)
    assert all(row["thread"] > 0 and row["all"] > 0 for row in rows if row["type"] == "float32")


def test_a_type_without_a_product_has_no_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: Any) -> Any:
        raise RuntimeError("not implemented for 'Char'")

    monkeypatch.setattr(machine, "LARGEST", 128)
    monkeypatch.setattr(torch, "_int_mm", none)
    assert product_rates("cpu", 0.0)[-1] == {"type": "int8", "thread": None, "all": None}


def test_a_rate_is_operations_by_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_fastest", lambda *_: 0.5)
    assert product_rates("cpu")[0]["thread"] == pytest.approx(2 * 128**3 / 0.5 / 1e9)


def test_the_machine_is_described_as_the_system_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = describe_machine(tmp_path / "not" / "there")
    assert facts["threads"] == torch.get_num_threads()
    assert 0 < facts["memory_free"] <= facts["memory"]
    assert facts["disk_free"] > 0
    assert facts["cores"] == machine.usable_cores() >= 1
    assert [d["device"] for d in facts["devices"]][-1] == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    card = type("Properties", (), {"name": "NVIDIA H200", "total_memory": 2**37})
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda i: card)
    assert machine.devices()[0] == {"device": "cuda:0", "title": "NVIDIA H200", "memory": 2**37}


def test_it_prints_less_than_a_screen_and_the_same_as_json(
    quick: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, _ = run(capsys, monkeypatch)
    assert code == 0
    assert out.count("\n") < 40
    for word in ("processor", "memory", "cache", "devices", "float32", "smollm2", "extras", "Take float32"):
        assert word in out
    code, out, _ = run(capsys, monkeypatch, "--json")
    state = json.loads(out)
    assert state["default"] == "float32"
    assert state["products"] == FAST
    assert state["device"] == "cpu"
    assert {"models", "extras", "machine", "versions", "advice"} < set(state)
    assert state["model"] is None


def test_the_advice_follows_the_rates() -> None:
    slow, fast = (
        doctor.advise("cpu", FAST),
        doctor.advise("cpu", [{**row, "all": 240.0} for row in FAST[1:2]] + FAST[:1]),
    )
    assert slow[0] == fast[0] == "Take float32, the default here: it loses nothing of the weights."
    assert slow[1] == "bfloat16 is no faster here; it halves the memory."
    assert fast[1].startswith("bfloat16's products are 4.0 times as fast; a model's passes may not")
    assert ".10 in bfloat16, .009 in float16, .26 in int8" in slow[-1]
    assert "the type in which the weights were saved" in doctor.advise("cuda", FAST)[0]


def test_a_model_that_does_not_fit_is_marked(
    quick: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert doctor.model_sizes(10**6)[0]["fits"] == []
    assert doctor.model_sizes(300_000_000)[0]["fits"] == ["bfloat16"]
    assert doctor.model_sizes(10**12)[0]["fits"] == ["float32", "bfloat16", "trained"]
    monkeypatch.setattr(memory, "free_bytes", lambda place: 600_000_000)
    line = next(line for line in run(capsys, monkeypatch)[1].splitlines() if line.startswith("  smollm2"))
    assert line.split()[2:] == ["0.5", "GB", "0.3", "GB", "(2.2", "GB)"]


def test_what_an_extra_lacks_is_named_with_its_command(
    quick: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    versions = {"openai": "2.1.0", "inspect-ai": "0.3.9", "trl": "1.16.0rc1"}

    def version(package: str) -> str:
        if package not in versions:
            raise PackageNotFoundError(package)
        return versions[package]

    wanted = [
        *("numpy>=2.0", "openai>=2.0; extra == 'api'", 'inspect-ai>=0.3.250; extra == "api"'),
        *(
            "trl>=1.16; extra == 'sft'",
            "ray[default]>=2.50 ; extra == 'scale'",
            "openai>=2.0; extra == 'finetune'",
        ),
    ]
    monkeypatch.setattr(extras, "requires", lambda name: wanted)
    monkeypatch.setattr(extras, "version", version)
    listed = {extra.name: extra.missing for extra in extras.extras()}
    assert listed == {
        "api": ("inspect-ai>=0.3.250",),
        "finetune": (),
        "scale": ("ray[default]>=2.50",),
        "sft": (),
    }
    out = run(capsys, monkeypatch)[1]
    assert "here: finetune, sft" in out
    assert "[scale] sweeps on a Ray cluster: needs ray[default]>=2.50" in out
    assert "[api]'" in extras.install_command("api")
    assert "--editable" in extras.install_command("api")
    monkeypatch.setattr(
        extras, "__file__", str(tmp_path / "site-packages" / "homines" / "core" / "extras.py")
    )
    assert extras.install_command("api") == f"{sys.executable} -m pip install 'homines[api]'"


def test_every_extra_has_a_purpose() -> None:
    assert [extra.name for extra in extras.extras() if not extra.purpose] == []


@pytest.fixture
def model(tokenizer: Any, tmp_path: Path) -> str:
    willing(tokenizer).save_pretrained(tmp_path / "net")
    tokenizer.save_pretrained(tmp_path / "net")
    return f"hf/{tmp_path / 'net'}"


def test_a_model_is_read_in_every_type_that_is_fast_here(
    model: str, quick: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    exact, rough, fine = doctor.compare_types(model, "cpu", FAST, ("table",))
    assert [row["type"] for row in (exact, rough, fine)] == list(TYPES[:3])
    assert exact["largest"] == exact["mean"] == 0.0
    assert 0 < fine["largest"] < rough["largest"] < 0.5
    assert exact["mass"] > 0
    assert exact["prompts"] == 8
    assert exact["decisions_a_second"] > 0
    sluggish = [FAST[0], FAST[1], {**FAST[2], "all": 1.0}, FAST[3]]
    assert doctor.compare_types(model, "cpu", sluggish, ("table",))[2] == {"type": "float16", "slow": True}
    out = run(capsys, monkeypatch, "--model", model)[1]
    assert out.count("\n") < 50
    assert "largest shift of P" in out


@pytest.mark.parametrize("name", ["mock", "openai/gpt-4o"])
def test_a_model_without_weights_here_is_refused(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, _, err = run(capsys, monkeypatch, "--model", name)
    assert code == 2
    assert f"{name} has no weights here" in err
