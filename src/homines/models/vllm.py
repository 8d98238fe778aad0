"""`vllm/NAME`, `vllm/NAME+ADAPTER`: a model on a server of vLLM, read exactly (inference/served.py).

VLLM_BASE_URL is the address of the server (`vllm serve NAME`; default http://127.0.0.1:8000), VLLM_API_KEY
its key if it needs one. An adapter is one that the server has loaded (`--lora-modules ADAPTER=FOLDER`). The
server's tokenizer and chat template make the tokens, by the rules of logits.py.

Requests are those of /v1/completions, with prompts of token ids. `logprob_token_ids` names the tokens (vLLM
pull request 43463, merged in 2026; 128 of them at most, 20 by the default of --max-logprobs). An older vLLM
ignores that field and gives the likeliest tokens; a token that is missing is then the only one in
`allowed_token_ids`, and its log-probability is that before the restriction, as `--logprobs-mode raw_logprobs`
has it, the default. A server in another mode is refused. Prompt log-probabilities are not used: they bypass
the prefix cache (vLLM pull request 23399), and with it they depend on the order of requests (issue 42019).

Without log-probabilities SAMPLES answers in words are read (answer_reader.py) and counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from homines.core.redaction import redact, redacted
from homines.core.types import Choice, HominesError, Prompt, digest
from homines.inference.answer_reader import read
from homines.inference.api_calls import CallFailed
from homines.inference.http import MOST
from homines.inference.reasoning import ReasoningOptions
from homines.inference.sampled_answers import count_answers, reading_notes
from homines.inference.served import (
    BYTES,
    NoLogprobs,
    Reading,
    ServedModel,
    ServedTokenizer,
    check_name,
    check_served,
    connect,
)
from homines.inference.server import Server
from homines.inference.tokens import TemplateError, encode
from homines.models import refuse_placement

ADDRESS = "http://127.0.0.1:8000"
SAMPLES, IN_WORDS = 20, 256
"""Answers to a prompt that are counted where no log-probabilities come, and tokens of each, at most."""
TOKEN = "token_id:"
"""What a token's id follows where `return_tokens_as_token_ids` is asked for."""
PLAIN = {"temperature": 0.0, "top_p": 1.0, "top_k": 0, "min_p": 0.0, "repetition_penalty": 1.0} | {
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
}
"""Sampling of the likeliest token: all that a model's generation_config.json may set otherwise."""
NEVER = -9999.0
"""vLLM's log-probability of a token that is excluded."""


class VllmTokenizer(ServedTokenizer):
    """The tokenizer and chat template of a model on a server of vLLM."""

    def __init__(self, server: Server, model: str) -> None:
        self.server = server
        self.model = model

    @cached_property
    def chat_template(self) -> bool:
        """True. Raises HominesError without a template: an answer then has no known beginning and end."""
        try:
            self._template_ids([{"role": "user", "content": "?"}], True, {})
        except CallFailed as failure:
            raise HominesError(
                f"{self.model} is served without a chat template ({failure}); give `vllm serve` a "
                "--chat-template, or read the model by hf/"
            ) from failure
        return True

    def apply_chat_template(
        self, turns: list[dict[str, str]], *, tokenize: bool, add_generation_prompt: bool, **more: Any
    ) -> str:
        try:
            ids = self._template_ids(turns, add_generation_prompt, more)
        except CallFailed as failure:
            raise TemplateError(
                f"the chat template of {self.model} refuses these turns: {failure}; give `vllm serve` another"
                " --chat-template"
            ) from failure
        return self.server.field("/detokenize", {"model": self.model, "tokens": ids}, "prompt", str)

    def ids(self, text: str, special: bool) -> list[int]:
        body = {"model": self.model, "prompt": text, "add_special_tokens": special}
        return self.server.field("/tokenize", body, "tokens", list)

    def _template_ids(self, turns: list[dict[str, str]], prompt: bool, more: dict[str, Any]) -> list[int]:
        body = {"model": self.model, "messages": turns, "add_generation_prompt": prompt}
        return self.server.field("/tokenize", {**body, "chat_template_kwargs": more}, "tokens", list)


class Vllm(ServedModel):
    """A model on a server of vLLM; exact where it gives log-probabilities."""

    def __init__(self, server: Server, served: str, *, name: str, window: int, root: str | None) -> None:
        provenance = {"revision": root, "served": served}
        super().__init__(
            server, VllmTokenizer(server, served), name=name, window=window, provenance=provenance
        )
        self.served = served
        self.names_tokens = True
        self._notes: dict[str, dict[str, Any]] = {}

    def answers(self, prompts: Sequence[Prompt]) -> list[Choice | Exception]:
        """Exact choices, or counted ones where the server gives no log-probabilities; an exception in the
        place of a choice that cannot be read."""
        self._notes = {}
        return [
            self._count(prompt) if isinstance(answer, NoLogprobs) else answer
            for prompt, answer in zip(prompts, super().answers(prompts), strict=True)
        ]

    def notes(self, prompt: Prompt) -> dict[str, Any]:
        """How the latest answer to this prompt was read; its texts too, where they were counted."""
        return self._notes.get(prompt.key) or super().notes(prompt)

    def write(self, prompts: Sequence[Prompt], how: ReasoningOptions) -> list[str]:
        """The text after each prompt; empty where its turn does not end within `how.most` tokens."""
        completions = self._complete(
            [list(item.prompt) for item in encode(self.tokenizer, prompts)],
            MOST + len(prompts) * how.most * BYTES,
            max_tokens=how.most,
            temperature=how.temperature,
            seed=how.seed % 2**31,
        )
        return [redact(c["text"]) if c["finish_reason"] == "stop" else "" for c in completions]

    def ask(
        self, prompts: list[list[int]], tokens: tuple[int, ...], forced: int | None = None
    ) -> Sequence[Reading]:
        sampling: dict[str, Any] = PLAIN | {
            "max_tokens": 1,
            "return_tokens_as_token_ids": True,
            "logprobs": len(tokens) if forced is None else 2,
        }
        if forced is not None:
            sampling["allowed_token_ids"] = [forced]
        elif self.names_tokens:
            sampling["logprob_token_ids"] = list(tokens)
        try:
            completions = self._complete(prompts, MOST + BYTES * len(prompts) * (len(tokens) + 2), **sampling)
        except CallFailed as failure:
            if failure.status in (400, 422) and "logprob_token_ids" in str(failure) and self.names_tokens:
                self.names_tokens = False
                return self.ask(prompts, tokens, forced)
            if failure.status in (400, 422) and "logprobs" in str(failure):
                raise NoLogprobs(self.server.address, failure) from None
            raise
        if any(not c.get("logprobs") for c in completions):
            raise NoLogprobs(self.server.address, ValueError("it sent no logprobs"))
        readings = [_reading(c["logprobs"]["top_logprobs"][0]) for c in completions]
        if forced is not None:
            for reading in readings:
                self._check_raw(reading, forced)
        return readings

    def _check_raw(self, reading: Reading, forced: int) -> None:
        """Raises HominesError where the restriction to one token shows in its log-probability."""
        if all(value == 0.0 if token == forced else value <= NEVER for token, value in reading):
            raise HominesError(
                f"the server at {redact(self.server.address)} gives log-probabilities after sampling's "
                "restrictions; start it with `vllm serve --logprobs-mode raw_logprobs`, or update vLLM"
            )

    def _count(self, prompt: Prompt) -> Choice | Exception:
        """The choice of sampled answers, read as words; the exception of a failed call."""
        (item,) = encode(self.tokenizer, [prompt])
        seed = int(digest([prompt.key, "samples"]), 16) % 2**31
        most = MOST + SAMPLES * IN_WORDS * BYTES
        sampling = {"n": SAMPLES, "max_tokens": IN_WORDS, "temperature": 1.0, "seed": seed}
        try:
            said = self._complete([list(item.prompt)], most, **sampling)
            texts = [c["text"] for c in said]
            readings = [read(c["text"], prompt.labels, finished=c["finish_reason"] == "stop") for c in said]
        except (CallFailed, LookupError, TypeError, AttributeError) as failure:
            return failure if isinstance(failure, CallFailed) else CallFailed(self.server.address, failure)
        self._notes[prompt.key] = {"reading": "samples", "counted": True, **reading_notes(texts, readings)}
        return count_answers([reading.label for reading in readings], len(prompt.labels))

    def _complete(self, prompts: list[list[int]], most: int, **sampling: Any) -> list[dict[str, Any]]:
        """One completion of each prompt, from a reply of at most `most` bytes."""
        body = {"model": self.served, "prompt": prompts, **sampling}
        return sorted(self.server.post("/v1/completions", body, most)["choices"], key=lambda c: c["index"])


def _reading(top: Any) -> Any:
    """A reading of vLLM's likeliest tokens, {"token_id:ID": log-probability}; another form as it is."""
    if not isinstance(top, dict):
        return top
    return tuple((int(str(name).removeprefix(TOKEN)), value) for name, value in top.items())


def load(
    rest: str,
    adapters: tuple[str, ...],
    *,
    device: str | None = None,
    dtype: str | None = None,
    trust_remote_code: bool = False,
) -> Vllm:
    """Find NAME, or the served ADAPTER, on the server. Raises HominesError where there is no server, or it
    refuses the key, or it does not serve this model (the error names those that it serves)."""
    model = f"vllm/{rest}"
    check_name(model, adapters)
    refuse_placement(f"{model}, which its server runs", device=device, dtype=dtype)
    server, models = connect(model, "vLLM", "VLLM", ADDRESS, f"vllm serve {rest}")
    check_served(server, (rest, *adapters), models)
    served = adapters[0] if adapters else rest
    entry = models[served]
    window = entry.get("max_model_len") or models[rest].get("max_model_len") or 2**31
    root = redacted(entry.get("root"))
    return Vllm(server, served, name="+".join((model, *adapters)), window=int(window), root=root)
