"""`vllm/NAME`, `vllm/NAME+ADAPTER`: a model on a server of vLLM, read exactly (prompt log-probabilities).

VLLM_BASE_URL is the address of the server (`vllm serve NAME`; default http://127.0.0.1:8000), VLLM_API_KEY
its key if it needs one. An adapter is one that the server has loaded (`--lora-modules ADAPTER=FOLDER`). The
server's tokenizer and chat template make the tokens, by the rules of logits.py; every label is a prompt of
its own:

    log P(label, end) = sum of the prompt log-probabilities of the label's tokens and of the end of the turn

Without prompt log-probabilities SAMPLES answers in words are read (answer_reader.py) and counted.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Sequence
from functools import cached_property
from types import SimpleNamespace
from typing import Any

import numpy as np

from homines.core.progress import Stop, never
from homines.core.redaction import redact, redacted
from homines.core.types import Choice, HominesError, Prompt, digest
from homines.inference.answer_reader import read
from homines.inference.api_calls import CallFailed, raise_first, wait
from homines.inference.http import MOST, Unacceptable, fetch
from homines.inference.impossible import (
    Impossible,
    Kind,
    check_agreement,
    check_logp,
    check_position,
    check_total,
)
from homines.inference.reasoning import ReasoningOptions
from homines.inference.sampled_answers import count_answers, reading_notes
from homines.inference.tokens import MARK, Encoded, TemplateError, encode, render
from homines.models import refuse_placement

ADDRESS = "http://127.0.0.1:8000"
TRIES = 3
"""Tries of a call whose failure may be temporary: TEMPORARY, a broken connection, a reply that is no JSON."""
TEMPORARY = (408, 409, 429, 500, 502, 503, 504)
SECONDS = 600.0
"""Seconds of one try, at most: a batch may wait for others on its server."""
SAMPLES, IN_WORDS = 20, 256
"""Answers to a prompt that are counted where no log-probabilities come, and tokens of each, at most."""
BYTES = 1024
"""Bytes of a reply for each of its tokens, at most."""


class Server:
    """HTTP calls of a vLLM server. Each ends after SECONDS, or where `stop` is true."""

    def __init__(self, address: str, key: str | None) -> None:
        import httpx

        self.address = address
        self.stop: Stop = never
        try:
            url = httpx.URL(address)
        except httpx.InvalidURL as failure:
            raise HominesError(
                f"VLLM_BASE_URL {redact(address)!r} is no address ({failure}); write http://HOST:PORT"
            ) from None
        headers = {"Accept-Encoding": "gzip"}
        if key:  # a user name in the address would replace the header
            headers["Authorization"] = f"Bearer {key}"
            url = url.copy_with(userinfo=b"")
        self.http = httpx.AsyncClient(
            base_url=url.copy_with(path=url.path.rstrip("/").removesuffix("/v1"), query=None, fragment=None),
            params=url.params,
            headers=headers,
            timeout=None,
        )

    def get(self, path: str) -> Any:
        return self._sent("GET", path)

    def post(self, path: str, body: dict[str, Any], most: int = MOST) -> Any:
        """The reply to this body. most: its bytes, at most."""
        return self._sent("POST", path, most, json=body)

    def close(self) -> None:
        """Close its connections."""
        wait(self.http.aclose())

    def _sent(self, method: str, path: str, most: int = MOST, **more: Any) -> Any:
        """JSON of a reply. Raises CallFailed where the last try fails, Interrupted where `stop` is true."""
        import httpx

        for attempt in range(TRIES):
            try:
                reply = wait(self._reply(method, path, most, **more), self.stop)
                if reply.is_success:
                    return json.loads(reply.content, object_pairs_hook=_once)
                failed = CallFailed(self.address, Refused(reply.text.strip(), reply.status_code))
                if reply.status_code not in TEMPORARY:
                    raise failed
            except TimeoutError:
                raise CallFailed(
                    self.address, TimeoutError(f"no whole reply came within {SECONDS:g} s")
                ) from None
            except Unacceptable as failure:
                raise CallFailed(self.address, failure) from None
            except (CallFailed, Impossible):
                raise
            except (httpx.HTTPError, ValueError, RecursionError) as failure:
                failed = CallFailed(self.address, failure)
            if attempt + 1 == TRIES:
                raise failed from None
            wait(asyncio.sleep(2.0**attempt), self.stop)
        raise AssertionError("the last attempt returns or raises")

    async def _reply(self, method: str, path: str, most: int, **more: Any) -> Any:
        request = self.http.build_request(method, path, **more)
        async with asyncio.timeout(SECONDS):
            return await fetch(await self.http.send(request, stream=True, follow_redirects=False), most)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object from its pairs. Raises Impossible where a name occurs twice with two values: neither of
    two log-probabilities of a token is the right one."""
    fields: dict[str, Any] = {}
    for name, value in pairs:
        if name in fields and fields[name] != value:
            raise Impossible(Kind.TWICE, name)
        fields[name] = value
    return fields


class Refused(Exception):  # noqa: N818
    """A reply with a status of failure, and its text."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(f"{status}: {text}")
        self.status_code = status


class NoLogprobs(CallFailed):
    """A reply without prompt log-probabilities."""


class ServedTokenizer:
    """The server's tokenizer and chat template, with the part of transformers' interface that we use."""

    eos_token_id = None
    all_special_ids: Sequence[int] = ()

    def __init__(self, server: Server, model: str) -> None:
        self.server = server
        self.model = model

    @cached_property
    def chat_template(self) -> bool:
        """True. Raises HominesError without a template: an answer then has no known beginning and end."""
        try:
            self._ids([{"role": "user", "content": "?"}], True, {})
        except CallFailed as failure:
            raise HominesError(
                f"{self.model} is served without a chat template ({failure}); give `vllm serve` a "
                "--chat-template, or read the model by hf/"
            ) from failure
        return True

    @cached_property
    def added_tokens_decoder(self) -> dict[int, str]:
        """The token that ends a turn: the first token of the template after an answer."""
        after = render(self, Prompt((("user", "?"),), ("x",)), MARK).partition(MARK)[2]
        ids = self(after).input_ids
        return {ids[0]: after} if ids else {}

    def apply_chat_template(
        self, turns: list[dict[str, str]], *, tokenize: bool, add_generation_prompt: bool, **more: Any
    ) -> str:
        try:
            ids = self._ids(turns, add_generation_prompt, more)
        except CallFailed as failure:
            raise TemplateError(
                f"the chat template of {self.model} refuses these turns: {failure}; give `vllm serve` another"
                " --chat-template"
            ) from failure
        return str(self.server.post("/detokenize", {"model": self.model, "tokens": ids})["prompt"])

    def __call__(self, text: str | list[str], *, add_special_tokens: bool = False) -> Any:
        one = isinstance(text, str)
        rows = [
            self.server.post(
                "/tokenize", {"model": self.model, "prompt": t, "add_special_tokens": add_special_tokens}
            )["tokens"]
            for t in ([text] if one else text)
        ]
        return SimpleNamespace(input_ids=rows[0] if one else rows)

    def _ids(self, turns: list[dict[str, str]], prompt: bool, more: dict[str, Any]) -> list[int]:
        body = {"model": self.model, "messages": turns, "add_generation_prompt": prompt}
        return self.server.post("/tokenize", {**body, "chat_template_kwargs": more})["tokens"]


class Vllm:
    """A served model behind the `Model` protocol; exact where the server gives prompt log-probabilities."""

    batch = 64
    continues = True

    def __init__(self, server: Server, served: str, *, name: str, window: int, root: str | None) -> None:
        self.server = server
        self.served = served
        self.name = name
        self.window = window
        self.tokenizer = ServedTokenizer(server, served)
        self.provenance: dict[str, Any] = {"revision": root, "served": served, "reading": "prompt logprobs"}
        self._notes: dict[str, dict[str, Any]] = {}

    def ready(self, stop: Stop = never) -> None:
        """Later calls are cancelled where `stop` is true."""
        self.server.stop = stop

    def score(self, prompts: Sequence[Prompt]) -> list[Choice]:
        """Exact choices. Raises the first failure after all prompts were tried."""
        return raise_first(self.answers(prompts))

    def answers(self, prompts: Sequence[Prompt]) -> list[Choice | Exception]:
        """Exact choices from one request; an exception in the place of a choice that cannot be read."""
        encoded = [self._encoded(prompt) for prompt in prompts]
        items = [item for item in encoded if not isinstance(item, Exception)]
        answers = iter(self._tried(items))
        out = [item if isinstance(item, Exception) else next(answers) for item in encoded]
        self._notes = {}
        for i, (prompt, item) in enumerate(zip(prompts, encoded, strict=True)):
            if isinstance(out[i], NoLogprobs) and isinstance(item, Encoded):
                out[i] = self._count(prompt, item)
        return out

    def notes(self, prompt: Prompt) -> dict[str, Any]:
        """How the texts of the latest answer to this prompt were read; empty where it was read exactly."""
        return self._notes.get(prompt.key, {})

    def _count(self, prompt: Prompt, item: Encoded) -> Choice | Exception:
        """The choice of sampled answers, read as words; the exception of a failed call."""
        self.provenance["reading"] = "samples"
        seed = int(digest([prompt.key, "samples"]), 16) % 2**31
        most = MOST + SAMPLES * IN_WORDS * BYTES
        sampling = {"n": SAMPLES, "max_tokens": IN_WORDS, "temperature": 1.0, "seed": seed}
        try:
            said = self._complete([list(item.prompt)], most, **sampling)
            texts = [c["text"] for c in said]
            readings = [read(c["text"], prompt.labels, finished=c["finish_reason"] == "stop") for c in said]
        except (CallFailed, LookupError, TypeError, AttributeError) as failure:
            return failure if isinstance(failure, CallFailed) else CallFailed(self.server.address, failure)
        self._notes[prompt.key] = {"counted": True, **reading_notes(texts, readings)}
        return count_answers([reading.label for reading in readings], len(prompt.labels))

    def _tried(self, items: Sequence[Encoded]) -> list[Choice | Exception]:
        """Choices from one request, or from one each if the server refuses it or replies in another form."""
        try:
            return self._read(items) if items else []
        except NoLogprobs as failure:
            return [failure] * len(items)
        except (CallFailed, LookupError, TypeError, ValueError) as failure:
            refused = not isinstance(failure, CallFailed) or failure.status in (400, 413, 422)
            if len(items) == 1 or not refused:
                own = isinstance(failure, HominesError)
                return [failure if own else CallFailed(self.server.address, failure)] * len(items)
        return [answer for item in items for answer in self._tried([item])]

    def close(self) -> None:
        """Close the connections; the end of the process closes them too."""
        self.server.close()

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

    def _complete(self, prompts: list[list[int]], most: int, **sampling: Any) -> list[dict[str, Any]]:
        """One completion of each prompt, from a reply of at most `most` bytes."""
        body = {"model": self.served, "prompt": prompts, **sampling}
        return sorted(self.server.post("/v1/completions", body, most)["choices"], key=lambda c: c["index"])

    def _encoded(self, prompt: Prompt) -> Encoded | HominesError:
        """Tokens of prompt and labels, or the reason why the prompt cannot be asked."""
        if prompt.cue:
            return HominesError(f"{self.name} does not think aloud; use asks=choice, or hf/")
        try:
            (item,) = encode(self.tokenizer, [prompt])
        except HominesError as failure:
            return failure
        long = len(item.prompt) + max(map(len, item.labels)) + 1  # the server adds a token, which is ignored
        if long > self.window:
            return HominesError(
                f"a prompt of {long} tokens does not fit the context of {self.name}, {self.window}; "
                "shorten the frame or choose a model with a longer context"
            )
        return item

    def _read(self, items: Sequence[Encoded]) -> list[Choice | Exception]:
        """Choices; an Impossible in the place of a choice whose log-probabilities cannot be right."""
        prompts = [[*item.prompt, *label] for item in items for label in item.labels]
        most = MOST + BYTES * sum(map(len, prompts))
        try:
            completions = self._complete(prompts, most, prompt_logprobs=1, max_tokens=1, temperature=0.0)
        except CallFailed as failure:
            if failure.status in (400, 422) and "prompt_logprobs" in str(failure):
                raise NoLogprobs(self.server.address, failure) from None
            raise
        if any(not c.get("prompt_logprobs") for c in completions):
            raise NoLogprobs(
                self.server.address, ValueError("it sent no prompt_logprobs; is it a server of vLLM?")
            )
        row = iter(completions)
        out: list[Choice | Exception] = []
        for item in items:
            rows = [next(row)["prompt_logprobs"][len(item.prompt) :] for _ in item.labels]
            try:
                out.append(to_choice(np.array(label_logprobs(item.labels, rows))))
            except Impossible as failure:
                out.append(failure)
        return out


def label_logprobs(labels: Sequence[tuple[int, ...]], rows: Sequence[Any]) -> list[float]:
    """Log-probability of each label, from the server's log-probabilities of its tokens.

    rows   for each label and each of its tokens {token id: {"logprob": ...}}: this token and the likeliest

    Raises Impossible where they cannot be right, LookupError, TypeError or ValueError for another form.
    """
    nodes: dict[tuple[int, ...], dict[Any, float]] = {}
    sums: list[float] = []
    for label, row in zip(labels, rows, strict=True):
        logp = 0.0
        for i, (token, here) in enumerate(zip(label, row, strict=True)):
            if not isinstance(here, dict):
                raise Impossible(Kind.OTHER, here)
            logps = check_position([(name, name, _logp(entry)) for name, entry in here.items()])
            p = {name: float(np.exp(value)) for name, value in logps.items()}
            check_agreement(nodes.setdefault(label[:i], p), p)
            logp += logps[str(token)]
        sums.append(logp)
    check_total(np.exp(sums))
    return sums


def _logp(entry: Any) -> float:
    return check_logp(entry.get("logprob") if isinstance(entry, dict) else entry)


def to_choice(logp: np.ndarray[Any, Any]) -> Choice:
    """The Choice of these log-probabilities of labels, terminator included, with its legal mass."""
    return Choice(Choice.of(logp).logp, min(1.0, float(np.exp(logp).sum())))


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
    if len(adapters) > 1:
        raise HominesError(f"vllm/{rest} takes one served adapter, got {', '.join(adapters)}")
    refuse_placement(f"vllm/{rest}, which its server runs", device=device, dtype=dtype)
    server = Server(os.environ.get("VLLM_BASE_URL") or ADDRESS, os.environ.get("VLLM_API_KEY"))
    try:
        models = {model["id"]: model for model in server.get("/v1/models")["data"]}
    except (LookupError, TypeError) as failure:
        raise HominesError(
            f"what answers at {redact(server.address)} is no server of vLLM (its list of models has another "
            f"form: {failure!r}); set VLLM_BASE_URL to one"
        ) from None
    except CallFailed as failure:
        raise HominesError(
            f"no server of vLLM for vllm/{rest}: {failure}; {failure.remedy} "
            f"Start one with `vllm serve {rest}`"
        ) from None
    for wanted in (rest, *adapters):
        if wanted not in models:
            raise HominesError(
                redact(f"the server at {server.address} serves no {wanted!r}; it serves {', '.join(models)}")
            )
    served = adapters[0] if adapters else rest
    entry = models[served]
    window = entry.get("max_model_len") or models[rest].get("max_model_len") or 2**31
    name = "+".join((f"vllm/{rest}", *adapters))
    root = redacted(entry.get("root"))
    return Vllm(server, served, name=name, window=int(window), root=root)
