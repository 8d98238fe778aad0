"""A GGUF file becomes a folder of transformers: its tensors one after the other, its settings and tokenizer.

Numbers, names and order of the tensors are those of transformers' own reading of the file, which holds the
network in memory several times; here the largest tensor alone is held.
"""

from __future__ import annotations

import json
import math
import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from homines.core.progress import Follow
from homines.inference.model_folder import WEIGHTS

EMBEDDING, OUTPUT = "token_embd.weight", "output.weight"
KEPT = {"F32": "<f4", "F16": "<f2"}
"""GGUF types that are written as they are, and their numpy types; any other is dequantised to F32."""
ROWS = 2048
"""Rows of a matrix that are dequantised at once."""


class Piece(NamedTuple):
    """A tensor of the file to be written: its name in the network, and what GGUF calls it and holds."""

    name: str
    tensor: Any

    @property
    def type(self) -> str:
        kind = self.tensor.tensor_type.name
        return kind if kind in KEPT else "F32"

    @property
    def shape(self) -> list[int]:
        return [int(extent) for extent in reversed(self.tensor.shape)]

    @property
    def size(self) -> int:
        return math.prod(self.shape) * np.dtype(KEPT[self.type]).itemsize


def convert(source: Path, folder: Path, follow: Follow) -> None:
    """Write the settings, the tokenizer and the weights of a GGUF file into `folder`."""
    import gguf
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
    from transformers.modeling_gguf_pytorch_utils import (
        TENSOR_PROCESSORS,
        TensorProcessor,
        get_gguf_hf_weights_map,
    )

    tell = follow.begin(f"reading the vocabulary of {source.name}", 3)
    reader = gguf.GGUFReader(source)
    tell(1)
    file = {"pretrained_model_name_or_path": str(source.parent), "gguf_file": source.name}
    with _reading(reader):
        config: Any = AutoConfig.from_pretrained(**file)
        tell(2)
        tokenizer: Any = AutoTokenizer.from_pretrained(**file)
        tell(3)
    tensors: dict[str, Any] = {tensor.name: tensor for tensor in reader.tensors}
    if is_tied(tensors):
        config.tie_word_embeddings = True
        tensors.pop(OUTPUT, None)
    config.dtype = torch.float32
    with torch.device("meta"):
        network: Any = AutoModelForCausalLM.from_config(config)
    architecture: Any = reader.fields["general.architecture"].contents()
    processor: Any = TENSOR_PROCESSORS.get(architecture, TensorProcessor)(config=config.to_dict())
    names: dict[str, str] = get_gguf_hf_weights_map(network, processor)
    pieces = [Piece(names[name], tensor) for name, tensor in tensors.items() if name in names]
    folder.mkdir(parents=True)
    network.config.architectures = [type(network).__name__]
    network.config.save_pretrained(folder)
    network.generation_config.save_pretrained(folder)
    tokenizer.init_kwargs["local_files_only"] = False  # else the files tell whether this machine was online
    tokenizer.save_pretrained(folder)
    pieces.sort(key=lambda piece: (piece.type != "F32", piece.name))  # as the safetensors library does
    write_weights(pieces, folder / WEIGHTS, processor, follow)


@contextmanager
def _reading(reader: Any) -> Iterator[None]:
    """Give transformers this reader: it opens the file for the settings and again for the tokenizer, and
    150,000 words take some seconds every time. It has no setting for that."""
    import gguf

    own = gguf.GGUFReader
    gguf.GGUFReader = lambda _: reader  # pyright: ignore[reportAttributeAccessIssue]
    try:
        yield
    finally:
        gguf.GGUFReader = own


def is_tied(tensors: Mapping[str, Any]) -> bool:
    """Whether the output matrix is the embedding: it is not in the file, or has the same numbers."""
    if OUTPUT not in tensors:
        return True
    output, embedding = tensors[OUTPUT], tensors[EMBEDDING]
    pairs = zip(_blocks(output), _blocks(embedding), strict=False)
    return list(output.shape) == list(embedding.shape) and all(np.array_equal(a, b) for a, b in pairs)


def write_weights(pieces: Sequence[Piece], path: Path, processor: Any, follow: Follow) -> None:
    """Write a safetensors file: 8 bytes of length, a header in JSON, the tensors without gaps.

    processor   transformers' own, which undoes how GGUF orders the rows of some architectures
    """
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for piece in pieces:
        start, end = end, end + piece.size
        header[piece.name] = {"dtype": piece.type, "shape": piece.shape, "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    tell = follow.begin("converting, in MB", end // 10**6)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        written = 0
        for piece in pieces:
            whole = np.empty(piece.shape, KEPT[piece.type])
            row = 0
            for block in _blocks(piece.tensor):
                whole[row : row + len(block)] = block
                row += len(block)
            file.write(np.ascontiguousarray(processor.process(whole, piece.tensor.name).weights).data)
            written += piece.size
            tell(written // 10**6)
        file.flush()
        os.fsync(file.fileno())


def _blocks(tensor: Any) -> Iterator[np.ndarray]:
    """The numbers of a tensor, ROWS rows at a time."""
    from gguf import dequantize

    for start in range(0, len(tensor.data), ROWS):
        rows = tensor.data[start : start + ROWS]
        yield rows if tensor.tensor_type.name in KEPT else dequantize(rows, tensor.tensor_type)
