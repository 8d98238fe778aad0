"""Weights in four bits (extra [4bit]): measured and recorded as what they are, never merged into."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from homines.core.registry import find
from homines.core.types import HominesError
from homines.elicitation.questions import battery, questions
from homines.inference import memory
from homines.inference.dtypes import pick_dtype
from homines.inference.memory import EMBEDDINGS, check_memory, count_numbers
from homines.models import load
from homines.models.hf import HuggingFace
from homines.training.lifecycle import align
from homines.training.settings import AlignmentPlan, Settings
from homines.training.trainer import trainable
from tests.helpers.tiny import willing

pytest.importorskip("bitsandbytes")


@pytest.fixture(scope="module")
def folder(tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("tiny")
    # rows of 64: bitsandbytes holds weights in blocks of that
    willing(tokenizer, hidden_size=64, head_dim=16, max_position_embeddings=1024).save_pretrained(made)
    tokenizer.save_pretrained(made)
    return made


@pytest.fixture(scope="module")
def four(folder: Path) -> HuggingFace:
    model = load(f"hf/{folder}", device="cpu", dtype="nf4")
    assert isinstance(model, HuggingFace)
    return model


def round_to_four_bits(net: Any) -> None:
    """The linear layers of its blocks to the values that four bits hold, in float."""
    from bitsandbytes.functional import dequantize_4bit, quantize_4bit

    for layer in net.model.layers.modules():
        if isinstance(layer, torch.nn.Linear):
            packed, scales = quantize_4bit(layer.weight.data, compress_statistics=True, quant_type="nf4")
            layer.weight.data = dequantize_4bit(packed, scales)


def test_answers_are_those_of_the_weights_that_four_bits_can_hold(folder: Path, four: HuggingFace) -> None:
    """The float network, its linear layers replaced by what bitsandbytes makes of their four bits."""
    whole = load(f"hf/{folder}", device="cpu")
    assert isinstance(whole, HuggingFace)
    assert (four.provenance["dtype"], whole.provenance["dtype"]) == ("nf4", "float32")
    asked = questions(four, {"ipd": battery(find("games", "ipd"))}, [find("frames", "table")])
    prompts = [q.prompt for q in asked]
    before = whole.score(prompts)
    round_to_four_bits(whole.net)
    want, found = whole.score(prompts), four.score(prompts)
    apart = [max(abs(a.p[0] - b.p[0]) for a, b in zip(found, some, strict=True)) for some in (want, before)]
    assert apart[0] < 0.1  # on a processor its products are rounded to bfloat16
    assert apart[1] > 0.3  # four bits are another network


def test_an_adapter_stays_beside_them(folder: Path, tmp_path: Path) -> None:
    plan = AlignmentPlan(f"hf/{folder}", "economicus", settings=Settings(steps=2, rank=4), side_effects=False)
    trained = align(plan, tmp_path / "run")
    after = load(f"hf/{folder}", str(trained.folder), device="cpu", dtype="nf4")
    assert isinstance(after, HuggingFace)
    assert after.provenance["dtype"] == "nf4"
    assert "default" in after.net.peft_config
    with pytest.raises(HominesError, match="no adapter on an adapter"):
        trainable(after, Settings(rank=4))


def adapter(folder: Path, where: Path) -> Path:
    """An untrained adapter on this model whose weights are far from zero."""
    from peft import LoraConfig, get_peft_model

    whole = load(f"hf/{folder}", device="cpu")
    assert isinstance(whole, HuggingFace)
    torch.manual_seed(1)
    config = LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False)
    put: Any = get_peft_model(whole.net, config)
    put.save_pretrained(str(where))
    return where


def test_an_adapter_beside_them_answers(folder: Path, four: HuggingFace, tmp_path: Path) -> None:
    """As the four bits' own float values answer with that adapter, and not as without it."""
    on = adapter(folder, tmp_path / "a")
    put = load(f"hf/{folder}", str(on), device="cpu", dtype="nf4")
    whole = load(f"hf/{folder}", device="cpu")
    assert isinstance(put, HuggingFace)
    assert isinstance(whole, HuggingFace)
    round_to_four_bits(whole.net)
    from peft import PeftModel

    whole.net = PeftModel.from_pretrained(whole.net, str(on)).eval()
    asked = questions(four, {"ipd": battery(find("games", "ipd"))}, [find("frames", "table")])
    prompts = [q.prompt for q in asked]
    found = put.score(prompts)
    apart = [
        sum(abs(a.p[0] - b.p[0]) for a, b in zip(found, some.score(prompts), strict=True)) / len(prompts)
        for some in (whole, four)
    ]
    assert apart[0] < 0.1  # bfloat16, as above
    assert apart[1] > 3 * apart[0]


def test_two_adapters_on_them_are_refused(folder: Path, tmp_path: Path) -> None:
    two = [str(adapter(folder, tmp_path / name)) for name in ("a", "b")]
    with pytest.raises(HominesError, match=r"in four bits and 2 adapters are named .* use --dtype bfloat16"):
        load(f"hf/{folder}", *two, device="cpu", dtype="nf4")
    assert load(f"hf/{folder}", *two, device="cpu").name.count("+") == 2


def test_on_a_processor_they_are_not_trained(four: HuggingFace) -> None:
    """There bitsandbytes takes single rows through a product without a gradient of its own."""
    with pytest.raises(HominesError, match="trained on CUDA only"):
        trainable(four, Settings(rank=4))


def test_all_weights_in_four_bits_are_not_trained(four: HuggingFace) -> None:
    with pytest.raises(HominesError, match="in four bits stay as they are"):
        trainable(four, Settings(rank=0))


def test_what_they_take_is_reckoned(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = list(folder.glob("*.safetensors"))
    kept = count_numbers(files, EMBEDDINGS)
    assert 0 < kept < count_numbers(files)
    monkeypatch.setattr(memory, "free_bytes", lambda place: 2**30)
    check_memory("m", 10**9, "nf4", "cpu", whole=10**8)  # .9 billion of .52 bytes, .1 of 4 bytes: .87 GB
    with pytest.raises(HominesError, match=r"takes about 1\.6 GB \(1 billion weights in nf4\)"):
        check_memory("m", 10**9, "nf4", "cpu", whole=3 * 10**8)


def test_without_bitsandbytes_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("homines.inference.dtypes.find_spec", lambda name: None)
    with pytest.raises(HominesError, match=r"pip install 'homines\[4bit\]'"):
        pick_dtype("nf4", "cpu")
