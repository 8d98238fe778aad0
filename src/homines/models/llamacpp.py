"""`llamacpp/NAME`, `llamacpp/NAME+ADAPTER`: a GGUF file on llama.cpp's server, read exactly.

LLAMACPP_BASE_URL is the address of the server (`llama-server -m FILE`; default http://127.0.0.1:8080),
LLAMACPP_API_KEY its key if it needs one. An adapter is one that the server has loaded (`--lora ADAPTER`). The
server's tokenizer and chat template make the tokens, by the rules of served.py.

Requests are those of /completion, with a prompt of token ids and one generated token. The server names no
tokens: it gives the likeliest (`n_probs`) and, beside them, the generated token, with log-probabilities
before sampling. So a token that is not among the likeliest is generated, by a `logit_bias` beyond all logits.
"Exact" means the model as this server computes it: with activations rounded to 8 bits (docs/models.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import PurePath
from typing import Any

from homines.core.redaction import redact
from homines.core.types import Choice, HominesError
from homines.inference.api_calls import CallFailed
from homines.inference.served import (
    NoLogprobs,
    Reading,
    ServedModel,
    ServedTokenizer,
    check_name,
    check_served,
    connect,
)
from homines.inference.server import Server
from homines.inference.tokens import Encoded, TemplateError
from homines.models import refuse_placement

ADDRESS = "http://127.0.0.1:8080"
LIKELIEST = 20
"""Likeliest tokens that a reply holds, at least: enough for the labels that a model may well choose."""
BIAS = 1000.0
"""Added to the logit of the token that is to be generated; logits lie within tens of each other."""


class LlamaCppTokenizer(ServedTokenizer):
    """The tokenizer and chat template of a model on llama.cpp's server. bos: the text of its beginning."""

    chat_template = True

    def __init__(self, server: Server, bos: str) -> None:
        self.server = server
        self.bos = bos if self.ids("a", True) != self.ids("a", False) else ""

    @cached_property
    def added_tokens_decoder(self) -> dict[int, str]:
        """The token that ends a turn. Raises HominesError where a turn ends in plain text: the server reads a
        model without a template by that of another, whose signs this model does not know."""
        ends = super().added_tokens_decoder
        for token, after in ends.items():
            body = {"content": after, "add_special": False, "parse_special": False}
            if self.server.field("/tokenize", body, "tokens", list)[:1] == [token]:
                raise HominesError(
                    f"the model at {redact(self.server.address)} is served with a chat template whose end of "
                    f"turn is no token of it ({after[:20]!r}); give `llama-server` a --chat-template-file"
                )
        return ends

    def apply_chat_template(
        self, turns: list[dict[str, str]], *, tokenize: bool, add_generation_prompt: bool, **more: Any
    ) -> str:
        # the server leaves an assistant's turn at the end open; a turn after it closes it
        closing = [] if add_generation_prompt else [{"role": "user", "content": "?"}]
        body = {"messages": [*turns, *closing], "chat_template_kwargs": more}
        try:
            text = self.server.field("/apply-template", body, "prompt", str)
        except CallFailed as failure:
            raise TemplateError(
                f"the server's chat template refuses these turns: {failure}; give `llama-server` another "
                "--chat-template-file"
            ) from failure
        return text if text.startswith(self.bos) else self.bos + text

    def ids(self, text: str, special: bool) -> list[int]:
        return self.server.field("/tokenize", {"content": text, "add_special": special}, "tokens", list)


class LlamaCpp(ServedModel):
    """A model on llama.cpp's server. lora: the scales of its adapters, as its requests have them.

    Many rows and one row are multiplied by different kernels, which round differently, so an answer would
    depend on how much of its prompt the server has in its cache. Therefore every prompt is read anew, and its
    nodes continue it one by one, in one slot of the server.
    """

    batch = 1
    most_named = 1024
    reading = "forced tokens"

    def __init__(self, server: Server, tokenizer: Any, *, lora: list[dict[str, Any]], **more: Any) -> None:
        super().__init__(server, tokenizer, **more)
        self.lora = lora

    def read(self, items: Sequence[Encoded]) -> list[Choice | Exception]:
        out: list[Choice | Exception] = []
        for item in items:
            self._post(list(item.prompt), n_predict=0, cache_prompt=False)
            out += super().read([item])
        return out

    def ask(
        self, prompts: list[list[int]], tokens: tuple[int, ...], forced: int | None = None
    ) -> Sequence[Reading]:
        first = tokens[0] if forced is None else forced
        sampling = {
            "n_predict": 1,
            "temperature": 0.0,
            "n_probs": max(LIKELIEST, 2 * len(tokens)),
            "logit_bias": [[first, BIAS]],
        }
        return [self._reading(self._post(ids, **sampling)) for ids in prompts]

    def _post(self, ids: list[int], **sampling: Any) -> Any:
        return self.server.post("/completion", {"prompt": ids, "id_slot": 0, "lora": self.lora, **sampling})

    def _reading(self, reply: Any) -> Any:
        if not reply.get("completion_probabilities"):
            raise NoLogprobs(self.server.address, ValueError("it sent no completion_probabilities"))
        step = reply["completion_probabilities"][0]
        return tuple((one["id"], one.get("logprob")) for one in (*step["top_logprobs"], step))


def load(
    rest: str,
    adapters: tuple[str, ...],
    *,
    device: str | None = None,
    dtype: str | None = None,
    trust_remote_code: bool = False,
) -> LlamaCpp:
    """Find NAME, and ADAPTER among the adapters loaded, on the server. Raises HominesError where there is no
    server, or it refuses the key, or serves another model or adapter (the error names those it has)."""
    model = f"llamacpp/{rest}"
    check_name(model, adapters)
    refuse_placement(f"{model}, which its server runs", device=device, dtype=dtype)
    server, models = connect(model, "llama.cpp", "LLAMACPP", ADDRESS, "llama-server -m FILE")
    files = {PurePath(name).name: entry for name, entry in models.items()}
    check_served(server, (rest,), files | models if rest in models else files)
    props, loras = server.get("/props"), server.get("/lora-adapters")
    try:
        window = int(props["default_generation_settings"]["n_ctx"])
        loaded = {PurePath(entry["path"]).name: entry["id"] for entry in loras}
    except (LookupError, TypeError, ValueError) as failure:
        raise server.foreign(f"its /props or /lora-adapters has another form: {failure!r}") from None
    check_served(server, adapters, loaded)
    return LlamaCpp(
        server,
        LlamaCppTokenizer(server, props.get("bos_token") or ""),
        lora=[{"id": loaded[name], "scale": 1.0} for name in adapters],
        name="+".join((model, *adapters)),
        window=window,
        provenance={
            "revision": redact(str(props.get("model_path"))),
            "served": rest,
            "server": redact(str(props.get("build_info"))),
        },
    )
