"""Tiny random networks of many architectures over the embedded model's tokenizer."""

from __future__ import annotations

from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from homines.inference.tokens import terminator

SHAPE: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 512,
}
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "llama": SHAPE,
    "qwen2": SHAPE,
    "qwen3": SHAPE,
    "mistral": {**SHAPE, "sliding_window": None},
    "gemma2": {**SHAPE, "sliding_window": 512},
    "phi3": {**SHAPE, "pad_token_id": 0},
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 512},
    "gpt_neox": {**SHAPE, "num_key_value_heads": None, "head_dim": None},
}


def tiny(kind: str = "llama", vocabulary: int = 49152, seed: int = 0, **changes: Any) -> Any:
    torch.manual_seed(seed)
    shape = {k: v for k, v in (ARCHITECTURES[kind] | changes).items() if v is not None}
    config = AutoConfig.for_model(kind, vocab_size=vocabulary, **shape)
    return AutoModelForCausalLM.from_config(config).eval()


def willing(tokenizer: Any, words: str = "action1action2", **changes: Any) -> Any:
    """A tiny network that says these words now and then, so that what it learns is more than to speak."""
    shape: dict[str, Any] = {"initializer_range": 0.3, **changes}
    net = tiny("llama", **shape)
    said = [*tokenizer(words, add_special_tokens=False).input_ids, terminator(tokenizer)]
    with torch.no_grad():  # one coordinate that no layer writes to: a bias
        net.model.embed_tokens.weight[:, 0] = 1.0
        for layer in net.model.layers:
            layer.self_attn.o_proj.weight[0] = layer.mlp.down_proj.weight[0] = 0.0
        net.model.norm.weight[0] = 50.0
        net.lm_head.weight[:, 0] = 0.0
        net.lm_head.weight[said] *= 0.3
        net.lm_head.weight[said, 0] = 3.0
    return net
