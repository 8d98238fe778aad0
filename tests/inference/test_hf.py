"""Loading any model: folders, adapters, devices; and the errors a user meets."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from homines.core.types import HominesError, Prompt
from homines.elicitation import capability
from homines.inference.dtypes import pick_dtype
from homines.models import load
from homines.models.hf import HuggingFace, pick_device, to_choice
from homines.training.trainer import check_device
from tests.helpers.tiny import tiny

ASK = Prompt((("user", "A or B?"),), ("A", "B"))


@pytest.fixture
def folder(smollm2: HuggingFace, tmp_path: Path) -> Path:
    where = tmp_path / "a model"
    tiny("llama").save_pretrained(where)
    smollm2.tokenizer.save_pretrained(where)
    return where


def adapter(folder: Path, where: Path, scale: float) -> Path:
    from peft import LoraConfig, get_peft_model

    net = get_peft_model(tiny("llama"), LoraConfig(r=2, target_modules="all-linear", task_type="CAUSAL_LM"))
    with torch.no_grad():
        for name, p in net.named_parameters():
            if "lora_" in name:
                p.fill_(scale)
    net.save_pretrained(str(where))
    return where


def test_a_folder_loads_and_its_revision_is_the_hash_of_its_weights(folder: Path) -> None:
    one, two = load(f"hf/{folder}", device="cpu"), load(f"hf/{folder}", device="cpu")
    assert one.provenance["revision"] == two.provenance["revision"] != None  # noqa: E711
    assert one.provenance["dtype"] == "float32"
    assert np.allclose(one.score([ASK])[0].logp, two.score([ASK])[0].logp)


def test_an_adapter_changes_the_model_and_its_revision(folder: Path, tmp_path: Path) -> None:
    base = load(f"hf/{folder}", device="cpu")
    nothing = load(f"hf/{folder}+{adapter(folder, tmp_path / 'zero', 0.0)}", device="cpu")
    something = load(f"hf/{folder}+{adapter(folder, tmp_path / 'one', 0.3)}", device="cpu")
    p = [model.score([ASK])[0].logp for model in (base, nothing, something)]
    assert np.allclose(p[0], p[1], atol=1e-5)
    assert not np.allclose(p[0], p[2], atol=1e-3)
    assert len({model.provenance["revision"] for model in (base, nothing, something)}) == 3
    assert something.name.endswith("one")


@pytest.mark.parametrize(
    ("harm", "match"),
    [
        ("config.json", "no config.json"),
        ("model.safetensors", "safetensors only"),
        ("tokenizer", "no tokenizer"),
    ],
)
def test_a_folder_without_a_part_says_which(folder: Path, harm: str, match: str) -> None:
    for path in folder.glob(f"{harm}*"):
        path.unlink()
    with pytest.raises(HominesError, match=match):
        load(f"hf/{folder}", device="cpu")


def test_pickled_weights_are_not_loaded(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save(tiny("llama").state_dict(), folder / "pytorch_model.bin")
    with pytest.raises(HominesError, match="safetensors only"):
        load(f"hf/{folder}", device="cpu")


def test_torn_weights_are_an_error_not_a_traceback(folder: Path) -> None:
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(HominesError, match="cannot load"):
        load(f"hf/{folder}", device="cpu")


def test_a_model_without_a_chat_template_is_read_as_plain_text(folder: Path) -> None:
    (folder / "chat_template.jinja").unlink()
    config = json.loads((folder / "tokenizer_config.json").read_text())
    config.pop("chat_template", None)
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    model = load(f"hf/{folder}", device="cpu")
    assert model.provenance["chat_template"] is False
    assert 0 < model.score([ASK])[0].mass < 1


def test_missing_things_are_named(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for spec, match in [
        ("smolm2", "no model called"),
        ("hf/", "needs a folder or hub id"),
        (f"hf/{tmp_path}/none", "no tokenizer"),
        (f"hf/{folder}+{tmp_path}", "adapter_config.json"),
        ("smollm2/135", "takes no name"),
    ]:
        with pytest.raises(HominesError, match=match):
            load(spec, device="cpu")
    with pytest.raises(HominesError, match="no device 'tpu'"):
        pick_device("tpu")
    with pytest.raises(HominesError, match="float32"):
        pick_dtype("int3", "cpu")


def test_devices_and_types_are_chosen() -> None:
    assert pick_device("cpu") == "cpu"
    assert pick_dtype(None, "cpu") is torch.float32
    assert pick_dtype(None, "cuda") == "auto"
    assert pick_dtype("bfloat16", "cpu") is torch.bfloat16


def test_each_process_takes_its_own_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert [pick_device(given) for given in (None, "cuda", "cuda:1")] == ["cuda", "cuda", "cuda:1"]
    check_device(torch.device("cuda:0"))
    with pytest.raises(HominesError, match=r"trains on GPU 0 of those in sight, not on cuda:1"):
        check_device(torch.device("cuda:1"))
    monkeypatch.setenv("WORLD_SIZE", "2")
    for rank in ("0", "1"):
        monkeypatch.setenv("LOCAL_RANK", rank)
        assert [pick_device(given) for given in (None, "cuda", "cpu")] == [f"cuda:{rank}"] * 2 + ["cpu"]
        check_device(torch.device(f"cuda:{rank}"))
        check_device(torch.device("cpu"))
    with pytest.raises(HominesError, match=r"trains on GPU 1 of those in sight, not on cuda:0"):
        check_device(torch.device("cuda:0"))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)  # as where each process sees its own alone
    assert pick_device(None) == "cuda:0"


def test_bfloat16_answers_nearly_alike(smollm2: HuggingFace) -> None:
    small = load("smollm2", device="cpu", dtype="bfloat16")
    assert small.provenance["dtype"] == "bfloat16"
    exact, rough = smollm2.score([ASK])[0], small.score([ASK])[0]
    assert np.abs(exact.p - rough.p).max() < 0.1


def test_mass_is_the_sum_over_labels() -> None:
    choice = to_choice(torch.tensor([0.1, 0.3]).log())
    assert choice.mass == pytest.approx(0.4)
    assert np.allclose(choice.p, [0.25, 0.75])


def test_perplexity_is_that_of_the_plain_loss(smollm2: HuggingFace) -> None:
    text = "The cat sat on the mat, and the dog lay by the door."
    ids = torch.tensor([smollm2.tokenizer(text).input_ids])
    with torch.no_grad():
        loss = smollm2.net(input_ids=ids, labels=ids).loss
    assert smollm2.perplexity(text) == pytest.approx(float(loss.exp()), rel=1e-4)


def test_side_effects_see_a_broken_model(smollm2: HuggingFace) -> None:
    """The embedded model is clearly better than guessing, a random network is not."""
    good = capability.measure_capability(smollm2)
    assert good["questions"] == 60 == len(good["answers"])
    guess = sum(1 / len(prompt.labels) for prompt in capability.items())
    assert good["right"] > 1.5 * guess
    random = HuggingFace(tiny("llama"), smollm2.tokenizer, name="random", provenance={})
    bad = capability.measure_capability(random)
    assert bad["right"] < good["right"] - 5
    assert bad["perplexity"] > 100 * good["perplexity"]
    assert len({prompt.key for prompt in capability.items()}) == 60
