"""A stranger's model folder and adapter: one sentence for what cannot be, before it is built."""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import PreTrainedTokenizerBase

from homines.core.types import HominesError, Prompt
from homines.inference.memory import shapes
from homines.inference.model_folder import (
    check_adapter,
    check_repeats,
    count_weights,
    read_config,
    weight_files,
)
from homines.inference.tokens import render
from homines.models import load
from homines.training.sampled import render_turns
from tests.helpers.tiny import tiny

ASK = Prompt((("system", "Be brief."), ("user", "A or B?")), ("A", "B"))


@pytest.fixture(scope="module")
def sound(tokenizer: PreTrainedTokenizerBase, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound model folder, and a sound adapter in it."""
    from peft import LoraConfig, get_peft_model

    place = tmp_path_factory.mktemp("made")
    net = tiny("llama")
    net.save_pretrained(place / "model")
    tokenizer.save_pretrained(place / "model")
    lora: Any = get_peft_model(net, LoraConfig(r=2, target_modules="all-linear", task_type="CAUSAL_LM"))
    lora.save_pretrained(place / "adapter")
    return place


@pytest.fixture
def place(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "place"))


@pytest.fixture
def model(place: Path) -> Path:
    return place / "model"


@pytest.fixture
def adapter(place: Path) -> Path:
    return place / "adapter"


def change(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def write_header(path: Path, header: Any) -> None:
    data = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(data)) + data + bytes(64))


def test_a_sound_folder_and_adapter_load(place: Path) -> None:
    read = load(f"hf/{place / 'model'}+{place / 'adapter'}", device="cpu")
    assert 0 < read.score([ASK])[0].mass < 1


@pytest.mark.parametrize(
    "text",
    [
        *("{", "{}", "[]", '{"weight_map": [1]}', '{"weight_map": {"a": 1, "b": "c"}}', '{"weight_map": {}}'),
        *('{"weight_map": {"a": "../../x.safetensors"}}', '{"weight_map": {"a": "/etc/passwd"}}'),
        *('{"weight_map": {"a": "none.safetensors"}}', "[" * 5000 + "]" * 5000),
    ],
)
def test_an_index_that_is_none_is_one_sentence(model: Path, text: str) -> None:
    (model / "model.safetensors.index.json").write_text(text)
    with pytest.raises(HominesError, match=r"model\.safetensors\.index\.json"):
        load(f"hf/{model}", device="cpu")


def test_an_index_names_the_files(model: Path) -> None:
    (model / "model.safetensors").rename(model / "a.safetensors")
    (model / "model.safetensors.index.json").write_text('{"weight_map": {"x": "a.safetensors"}}')
    assert weight_files(model) == [model / "a.safetensors"]


@pytest.mark.parametrize(
    "entry",
    [
        *({"dtype": "F32", "shape": some} for some in (["x", -5], [-5], [True], 3, "ab", [2**40], None)),
        *({"dtype": ["F32"], "shape": [1]}, [], 3, {}),
    ],
)
def test_a_header_of_impossible_shapes_is_one_sentence(tmp_path: Path, entry: Any) -> None:
    write_header(tmp_path / "model.safetensors", {"w": entry})
    with pytest.raises(HominesError, match="no whole safetensors file"):
        shapes([tmp_path / "model.safetensors"])


@pytest.mark.parametrize("key", ["num_hidden_layers", "num_labels", "num_local_experts", "n_layer"])
def test_more_layers_than_tensors_are_refused_before_anything_is_built(model: Path, key: str) -> None:
    change(model / "config.json", **{key: 10**7})
    with pytest.raises(HominesError, match=f"{key} 1e\\+07, and the weights hold"):
        check_repeats(read_config(model / "config.json"), weight_files(model), "hf/it")


@pytest.mark.parametrize("key", ["hidden_size", "intermediate_size", "vocab_size"])
def test_more_weights_than_the_files_hold_are_refused(model: Path, key: str) -> None:
    change(model / "config.json", **{key: 10**6 * 4})
    with pytest.raises(HominesError, match=r"describes .* weights, and its files hold"):
        count_weights(str(model), weight_files(model))


def test_these_are_asked_before_a_model_is_loaded(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import AutoModelForCausalLM

    def loaded(*_: Any, **__: Any) -> None:
        raise AssertionError("it was loaded")

    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", loaded)
    whole = (model / "config.json").read_text()
    for key, match in (("num_hidden_layers", "tensors"), ("intermediate_size", "describes")):
        (model / "config.json").write_text(whole)
        change(model / "config.json", **{key: 10**6})
        with pytest.raises(HominesError, match=match):
            load(f"hf/{model}", device="cpu")


@pytest.mark.parametrize("changes", [{"num_hidden_layers": 3}, {"model_type": "gpt2"}])
def test_weights_that_the_files_lack_are_not_filled_with_chance(model: Path, changes: dict[str, Any]) -> None:
    change(model / "config.json", **changes)
    with pytest.raises(HominesError, match="its files lack"):
        load(f"hf/{model}", device="cpu")


@pytest.mark.parametrize("key", ["attn_implementation", "_attn_implementation"])
def test_attention_from_the_hub_is_refused(model: Path, key: str) -> None:
    change(model / "config.json", text_config={key: "somebody/kernel"})
    with pytest.raises(HominesError, match=f"{key} is 'somebody/kernel'"):
        load(f"hf/{model}", device="cpu")


def test_an_adapter_among_a_models_files_is_not_followed(place: Path, model: Path) -> None:
    shutil.copy(place / "adapter" / "adapter_config.json", model)
    with pytest.raises(HominesError, match=r"MODEL\+"):
        load(f"hf/{model}", device="cpu")


@pytest.mark.parametrize(
    "template",
    [
        *("{{ 1/0 }}", "{{ 1 + 'a' }}", "{{ range(9999999) | list }}", "{{ messages[99].content.x }}"),
        *("{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}", "{% for", "{{ raise_exception('no') }}"),
    ],
)
def test_a_template_that_fails_is_one_sentence(tokenizer: Any, template: str) -> None:
    kept = tokenizer.chat_template
    tokenizer.chat_template = template
    try:
        for read in (render, render_turns):
            with pytest.raises(HominesError, match="the chat template refuses these turns"):
                read(tokenizer, ASK)
    finally:
        tokenizer.chat_template = kept


@pytest.mark.parametrize(
    "changes",
    [
        *({"target_modules": some} for some in ("(([a-z_.0-9]+)+)+X", "all", ["(a+)+"], [1], 5, {"a": 1})),
        {"exclude_modules": "(([a-z_.0-9]+)+)+X"},
        {"modules_to_save": ["(([a-z_.0-9]+)+)+X"]},
        {"rank_pattern": {"(([a-z_.0-9]+)+)+X": 2}},
        {"rank_pattern": {"q_proj": 10**9}},
        {"alpha_pattern": {"(([a-z_.0-9]+)+)+X": 2}},
        {"layers_pattern": "(([a-z_.0-9]+)+)+X"},
        {"layer_replication": [[0, 10**9]]},
        {"megatron_config": {"a": 1}, "megatron_core": "antigravity"},
        *({"peft_type": some} for some in ("PROMPT_TUNING", "X", None, ["LORA"])),
        *({"r": some} for some in (10**9, -1, 0, "2", None, 1.5)),
    ],
)
def test_settings_of_an_adapter_that_are_patterns_or_too_large_are_refused(
    adapter: Path, changes: dict[str, Any]
) -> None:
    change(adapter / "adapter_config.json", **changes)
    with pytest.raises(HominesError, match="it must be"):
        check_adapter(adapter)


def test_they_are_asked_before_an_adapter_is_put_on(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from peft import PeftModel

    def loaded(*_: Any, **__: Any) -> None:
        raise AssertionError("it was loaded")

    monkeypatch.setattr(PeftModel, "from_pretrained", loaded)
    change(place / "adapter" / "adapter_config.json", target_modules="(([a-z_.0-9]+)+)+X")
    with pytest.raises(HominesError, match="target_modules"):
        load(f"hf/{place / 'model'}+{place / 'adapter'}", device="cpu")


@pytest.mark.parametrize("text", ["{", "[]", "null", '{"r": NaN}', "[" * 5000 + "]" * 5000])
def test_settings_of_an_adapter_that_are_none_are_one_sentence(adapter: Path, text: str) -> None:
    (adapter / "adapter_config.json").write_text(text)
    with pytest.raises(HominesError, match=r"adapter_config\.json cannot be read"):
        check_adapter(adapter)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_weights_of_an_adapter_that_are_no_numbers_are_refused(place: Path, value: float) -> None:
    file = place / "adapter" / "adapter_model.safetensors"
    tensors = load_file(file)
    name = min(tensors)
    tensors[name] = torch.full_like(tensors[name], value)
    save_file(tensors, file)
    with pytest.raises(HominesError, match="NaN or infinity"):
        load(f"hf/{place / 'model'}+{place / 'adapter'}", device="cpu")
