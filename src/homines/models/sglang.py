"""`sglang/NAME`, `sglang/NAME+ADAPTER`: a model on a server of SGLang, read exactly (inference/served.py).

SGLANG_BASE_URL is the address of the server (`python -m sglang.launch_server --model-path NAME`; default
http://127.0.0.1:30000), SGLANG_API_KEY its key if it needs one. An adapter is one that the server has loaded
(`--lora-paths ADAPTER=FOLDER`). Tokens are made here, since not every version renders chat templates: by the
tokenizer in the folder or of the Hub id NAME, or, where NAME is a --served-model-name, of SGLANG_TOKENIZER.

Requests are those of /generate (GenerateReqInput): `input_ids`, one generated token, and `token_ids_logprob`,
which names tokens; `logprob_start_len` is -1, so no prompt position is read again and the radix cache serves.
At temperature 0 the likeliest token is generated, and log-probabilities are those of the unchanged logits.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from homines.core.redaction import redacted
from homines.core.types import HominesError
from homines.inference.http import MOST
from homines.inference.served import (
    BYTES,
    NoLogprobs,
    Reading,
    ServedModel,
    check_name,
    check_served,
    connect,
)
from homines.inference.server import Server
from homines.models import refuse_placement
from homines.models.hf import load_tokenizer

ADDRESS = "http://127.0.0.1:30000"


class SGLang(ServedModel):
    """A model on a server of SGLang. adapter: its LoRA adapter, by name."""

    most_named = 1024

    def __init__(self, server: Server, tokenizer: Any, *, adapter: str | None, **more: Any) -> None:
        super().__init__(server, tokenizer, **more)
        self.adapter = adapter

    def ask(
        self, prompts: list[list[int]], tokens: tuple[int, ...], forced: int | None = None
    ) -> Sequence[Reading]:
        if forced is not None:
            failure = f"it gave no log-probability of token {forced}; update SGLang"
            raise NoLogprobs(self.server.address, ValueError(failure))
        body = {
            "input_ids": prompts,
            "sampling_params": {"max_new_tokens": 1, "temperature": 0.0},
            "return_logprob": True,
            "logprob_start_len": -1,
            "token_ids_logprob": [list(tokens)] * len(prompts),
        }
        if self.adapter:
            body["lora_path"] = self.adapter
        replies = self.server.post("/generate", body, MOST + BYTES * len(prompts) * (len(tokens) + 1))
        if not isinstance(replies, list):
            raise self.server.foreign("its reply to /generate is no list")
        if len(replies) != len(prompts):
            raise ValueError(f"{len(replies)} replies to {len(prompts)} prompts")
        return [self._reading(reply["meta_info"]) for reply in replies]

    def _reading(self, meta: dict[str, Any]) -> Any:
        named, likeliest = (meta.get(f"output_token{kind}_logprobs") for kind in ("_ids", ""))
        if not named or not likeliest:
            raise NoLogprobs(self.server.address, ValueError("it sent no output_token_ids_logprobs"))
        return tuple((token, logp) for logp, token, *_ in (*named[0], likeliest[0]))


def load(
    rest: str,
    adapters: tuple[str, ...],
    *,
    device: str | None = None,
    dtype: str | None = None,
    trust_remote_code: bool = False,
) -> SGLang:
    """Find NAME on the server, and its tokenizer here. Raises HominesError where there is no server, or it
    refuses the key, or serves another model, or there is no tokenizer."""
    model = f"sglang/{rest}"
    check_name(model, adapters)
    refuse_placement(f"{model}, which its server runs", device=device, dtype=dtype)
    start = f"python -m sglang.launch_server --model-path {rest}"
    server, models = connect(model, "SGLang", "SGLANG", ADDRESS, start)
    check_served(server, (rest,), models)
    tokenizer = load_tokenizer(os.environ.get("SGLANG_TOKENIZER") or rest, trust_remote_code)
    if not tokenizer.chat_template:
        raise HominesError(
            f"the tokenizer of {rest} has no chat template, so an answer has no known beginning and end; "
            "name one that has by SGLANG_TOKENIZER, or read the model by hf/"
        )
    root = redacted(models[rest].get("root"))
    return SGLang(
        server,
        tokenizer,
        adapter=adapters[0] if adapters else None,
        name="+".join((model, *adapters)),
        window=int(models[rest].get("max_model_len") or 2**31),
        provenance={"revision": root, "served": rest},
    )
