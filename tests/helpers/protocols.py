"""What vLLM, SGLang and llama.cpp's server answer to a request for the log-probabilities of a next token.

Requests are held to the schemas of these servers (vLLM CompletionRequest and SamplingParams, SGLang
GenerateReqInput, llama.cpp tools/server/README.md; read in October 2026): an unknown field, a name beyond the
limit or a missing switch is refused. Each counts the prompt tokens that its prefix cache did not hold.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any, Protocol

import torch

Body = dict[str, Any]
LOWEST = float(torch.finfo(torch.float32).min)
"""What SGLang and llama.cpp write for a log-probability of -inf; vLLM writes -9999."""


class Refusal(Exception):  # noqa: N818
    """after: seconds to wait, in a header Retry-After."""

    def __init__(self, status: int, message: str, code: str | None = None, after: int | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.after = status, code, after


class Network(Protocol):
    """What a protocol needs of a server: the log-probabilities of the next token, and the context."""

    model: Any

    def next(self, ids: tuple[int, ...]) -> torch.Tensor: ...


@dataclass(eq=False)
class Engine:
    """How a server treats log-probabilities.

    names      whether the version knows tokens by name (vLLM)
    strict     whether an unknown field is refused; else it is ignored, as by vLLM
    mode       "raw": before the restriction of sampling to some tokens; "processed": after it
    block      tokens of a block of the prefix cache; 0: there is no cache
    read       prompt tokens read so far, without those in the cache
    """

    names: bool = True
    strict: bool = True
    mode: str = "raw"
    block: int = 16
    read: int = 0
    cache: set[tuple[int, ...]] = field(default_factory=set[tuple[int, ...]])
    earlier: list[Body] = field(default_factory=list[Body])
    """The latest rows of prompt log-probabilities."""
    slot: list[int] = field(default_factory=list[int])
    drift: float = 0.0
    """The latest prompt, and what its kernels did to log-probabilities (llama.cpp)."""

    def cached(self, ids: Sequence[int]) -> int:
        """Tokens of this prompt in the prefix cache, which holds all of its blocks afterwards."""
        if not self.block:
            self.read += len(ids)
            return 0
        blocks = [tuple(ids[:n]) for n in range(self.block, len(ids), self.block)]
        hit = max((len(b) for b in blocks if b in self.cache), default=0)
        self.cache.update(blocks)
        self.read += len(ids) - hit
        return hit


VLLM = {
    *("model", "prompt", "echo", "logit_bias", "logprobs", "max_tokens", "n", "seed", "stop", "temperature"),
    *("top_p", "top_k", "min_p", "repetition_penalty", "presence_penalty", "frequency_penalty"),
    *("allowed_token_ids", "prompt_logprobs", "return_tokens_as_token_ids", "return_token_ids"),
}
NEW = "logprob_token_ids"


def vllm(net: Network, engine: Engine, body: Body, draw: Callable[[list[int], int], Body]) -> Body:
    """/v1/completions. draw: a choice with the text of an answer to these tokens."""
    known = VLLM | ({NEW} if engine.names else set())
    if engine.strict:
        refuse_unknown(body, known)
    body = {name: value for name, value in body.items() if name in known}
    named, logprobs, allowed = body.get(NEW), body.get("logprobs"), body.get("allowed_token_ids")
    vocabulary = net.model.net.config.vocab_size
    if len(body["prompt"]) > 1024:
        raise Refusal(400, f"prompt list length {len(body['prompt'])} exceeds the maximum")
    if logprobs is not None and logprobs > 20:
        raise Refusal(400, f"Requested sample logprobs of {logprobs}, which is greater than max allowed: 20")
    if named is not None and (not named or logprobs != len(named) or len(named) > 128):
        raise Refusal(400, "logprobs must equal len(logprob_token_ids)")
    if allowed is not None and not allowed:
        raise Refusal(400, "allowed_token_ids is not None and empty!")
    if not all(0 <= t < vocabulary for t in [*(named or ()), *(allowed or ())]):
        raise Refusal(400, "a token id is out of the vocabulary")
    choices: list[Body] = []
    for i, ids in enumerate(ids for ids in body["prompt"] for _ in range(body.get("n") or 1)):
        check_window(net, ids, body["max_tokens"])
        if logprobs is not None and body["max_tokens"] == 1:
            engine.cached(ids)
            raw = net.next(tuple(ids))
            masked = restricted(raw, allowed)
            told = masked.log_softmax(-1) if engine.mode == "processed" else raw
            token = int(masked.argmax())
            listed = dict.fromkeys([token, *(named or told.topk(logprobs).indices.tolist())])
            spell = net.model.tokenizer.decode
            key = (lambda t: f"token_id:{t}") if body.get("return_tokens_as_token_ids") else spell
            top = {key(t): max(float(told[t]), -9999.0) for t in listed}
            choice: Body = {"text": spell(token), "finish_reason": "length"}
            choice["logprobs"] = {
                "tokens": [key(token)],
                "token_logprobs": [top[key(token)]],
                "top_logprobs": [top],
            }
        else:
            drawn = draw(ids, i)
            choice = {"text": drawn["message"]["content"], "finish_reason": drawn["finish_reason"]}
        if body.get("prompt_logprobs") is not None:
            choice["prompt_logprobs"] = [None, *prompted(net, engine, ids, body["prompt_logprobs"])]
        choices.append({"index": i, **choice})
    return {"id": "c", "object": "text_completion", "model": body["model"], "choices": choices}


def prompted(net: Network, engine: Engine, ids: list[int], most: int) -> list[Body]:
    """Prompt log-probabilities. Those of cached positions are left from whatever was asked before, as in vLLM
    issue 42019: a caller that uses them depends on the order of requests."""
    hit = engine.cached(ids)
    with torch.no_grad():
        logp = net.model.net(torch.tensor([ids])).logits[0].double().log_softmax(-1)
    rows: list[Body] = []
    for i, (row, token) in enumerate(zip(logp, ids[1:], strict=False)):
        if i < min(hit, len(engine.earlier)):
            rows.append(engine.earlier[i])
            continue
        listed = dict.fromkeys([token, *row.topk(most).indices.tolist()])
        rows.append({str(t): {"logprob": float(row[t]), "rank": 1} for t in listed})
    engine.earlier = rows
    return rows


SGLANG = {
    *("input_ids", "text", "sampling_params", "return_logprob", "logprob_start_len", "top_logprobs_num"),
    *("token_ids_logprob", "return_text_in_logprobs", "stream", "lora_path", "rid"),
}
SGLANG_SAMPLING = {
    *("max_new_tokens", "temperature", "top_p", "top_k", "min_p", "stop", "stop_token_ids", "n"),
    *("repetition_penalty", "presence_penalty", "frequency_penalty", "ignore_eos", "skip_special_tokens"),
}


def sglang(net: Network, engine: Engine, body: Body, draw: Callable[[list[int], int], Body]) -> Any:
    """/generate with lists of token ids."""
    refuse_unknown(body, SGLANG)
    sampling = body.get("sampling_params") or {}
    refuse_unknown(sampling, SGLANG_SAMPLING)
    prompts, named = body["input_ids"], body.get("token_ids_logprob")
    if named is not None and (len(named) != len(prompts) or not all(isinstance(n, list) for n in named)):
        raise Refusal(400, "token_ids_logprob must be a list of lists, one for each prompt")
    if body.get("lora_path") not in (None, "adapter"):
        raise Refusal(400, f"Got LoRA adapter that has never been loaded: {body['lora_path']}")
    replies: list[Body] = []
    for i, ids in enumerate(prompts):
        check_window(net, ids, sampling.get("max_new_tokens", 128))
        engine.cached(ids)
        logp = net.next(tuple(ids))
        meta: Body = {"id": str(i), "prompt_tokens": len(ids), "finish_reason": {"type": "length"}}
        text = ""
        if sampling.get("max_new_tokens") != 1:
            drawn = draw(ids, i)
            text, meta["finish_reason"] = drawn["message"]["content"], {"type": drawn["finish_reason"]}
        elif sampling.get("temperature") != 0.0:
            raise Refusal(400, "the likeliest token is not generated at this temperature")
        if body.get("return_logprob"):
            if body.get("logprob_start_len", -1) != -1:
                engine.read += len(ids)  # input log-probabilities need the whole prompt again
            told = logp.clamp_min(LOWEST)
            meta["output_token_logprobs"] = [[float(told.max()), int(told.argmax()), None]]
            if named is not None:
                meta["output_token_ids_logprobs"] = [[[float(told[t]), t, None] for t in named[i]]]
        replies.append({"text": text, "meta_info": meta})
    return replies


LLAMACPP = {
    *("prompt", "n_predict", "n_probs", "temperature", "logit_bias", "cache_prompt", "post_sampling_probs"),
    *("lora", "seed", "stream", "stop", "top_k", "top_p", "min_p", "samplers", "return_tokens", "id_slot"),
    *("response_fields", "repeat_penalty"),
}


def llamacpp(net: Network, engine: Engine, body: Body) -> Body:
    """/completion with token ids and at most one generated token. What the cache holds of the prompt moves
    log-probabilities a little, as other kernels do there: a caller that leaves it to chance depends on order.
    """
    refuse_unknown(body, LLAMACPP)
    ids = body["prompt"]
    check_window(net, ids, body["n_predict"])
    if [one["id"] for one in body.get("lora", ()) if one["id"] != 0]:
        raise Refusal(400, "invalid adapter id")
    before = engine.slot if body.get("cache_prompt", True) else []
    alike = (one == two for one, two in zip(before, ids[:-1], strict=False))
    hit = sum(takewhile(bool, alike))
    engine.slot, engine.drift = ids, (engine.drift if hit else 0.0) + 1e-6 * hit
    engine.read += len(ids) - hit
    reply: Body = {"index": 0, "content": "", "stop": True, "truncated": False}
    if not body["n_predict"]:
        return reply
    logp = net.next(tuple(ids)) - engine.drift
    biased = logp.clone()
    for token, bias in body.get("logit_bias", ()):
        biased[token] += bias
    if body.get("temperature") != 0.0:
        raise Refusal(400, "the likeliest token is not generated at this temperature")
    token = int(biased.argmax())

    def spelt(t: int) -> Body:
        return {"id": t, "token": net.model.tokenizer.decode(t), "logprob": max(float(logp[t]), LOWEST)}

    likely = [spelt(t) for t in logp.topk(body.get("n_probs", 0)).indices.tolist()]
    reply["content"] = net.model.tokenizer.decode(token)
    if body.get("n_probs"):
        reply["completion_probabilities"] = [spelt(token) | {"top_logprobs": likely}]
    return reply


def restricted(logp: torch.Tensor, allowed: list[int] | None) -> torch.Tensor:
    """Log-probabilities with -inf for all tokens but these."""
    if allowed is None:
        return logp
    masked = torch.full_like(logp, -torch.inf)
    masked[allowed] = logp[allowed]
    return masked


def refuse_unknown(body: Body, known: set[str]) -> None:
    if unknown := set(body) - known:
        raise Refusal(400, f"Extra inputs are not permitted: {', '.join(sorted(unknown))}")


def check_window(net: Network, ids: list[int], most: int) -> None:
    if len(ids) + most > net.model.window:
        raise Refusal(400, f"maximum context length is {net.model.window}")
