"""A small server on loopback over a model in process: OpenAI's chat completions with log-probabilities, and
what is used of vLLM, SGLang and llama.cpp (protocols.py). A real server and a real network; only small.

    with serve(model) as server:   # server.url, server.key, server.model
        ...

Sampled tokens are drawn from the network's own probabilities at the temperature asked for. The end of a turn
stands among the log-probabilities, as vLLM has it; `tells_end=False` leaves it out, as OpenAI does.
"""

from __future__ import annotations

import copy
import json
import select
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import torch

from homines.core.types import HominesError, Prompt
from homines.inference.tokens import terminator
from homines.models.hf import HuggingFace
from tests.helpers.protocols import Engine, Refusal, llamacpp, sglang, vllm

KEY = "key-of-the-test-server"


class Fault(Exception):  # noqa: N818
    """Something else than an answer. kind: half (of a body, then an end), garbled (no JSON), other (JSON of
    another form), hung (nothing at all, until the caller goes)."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


KEPT = 100
"""Beginnings whose log-probabilities a server keeps: each takes .4 MB, and 5 with the embedded model."""


@dataclass(eq=False)
class Server:
    """A model behind HTTP.

    most_top    log-probabilities at a position, at most; 0: asking for any is refused
    many        whether `n` is heeded
    tells_end   whether the end of a turn stands among the log-probabilities
    tells_usage whether tokens are counted in answers
    tells       whether an answer has its log-probabilities
    thinks      tokens that are told, from those of the answer: where thinking is cut out of the text
    engine      how servers of vLLM, SGLang and llama.cpp treat log-probabilities
    before      called with each request's path and body first: to refuse it, to wait
    spoil       what is sent instead of an answer: called with path, body and it; text is sent as it is
    """

    model: HuggingFace
    name: str = "tiny"
    most_top: int = 20
    many: bool = True
    tells_end: bool = True
    tells_usage: bool = True
    tells: Callable[[], bool] = lambda: True
    thinks: Callable[[list[dict[str, Any]]], list[dict[str, Any]]] = lambda told: told
    before: Callable[[str, dict[str, Any]], None] = lambda path, body: None
    spoil: Callable[[str, dict[str, Any], Any], Any] = lambda path, body, told: told
    engine: Engine = field(default_factory=Engine)
    url: str = ""
    key: str = KEY
    asked: Counter[str] = field(default_factory=Counter[str])
    lock: Any = field(default_factory=threading.Lock)
    closed: threading.Event = field(default_factory=threading.Event)
    known: dict[tuple[int, ...], Any] = field(default_factory=dict[tuple[int, ...], Any])
    """What follows a beginning, and the network's state there, for the last KEPT: walks begin alike."""

    def next(self, ids: tuple[int, ...]) -> torch.Tensor:
        """Log-probabilities of the next token, [vocabulary]."""
        with self.lock, torch.no_grad():
            if ids not in self.known:
                before = copy.deepcopy(self.known[ids[:-1]][1]) if ids[:-1] in self.known else None
                fresh = torch.tensor([ids if before is None else ids[-1:]])
                out = self.model.net(fresh, past_key_values=before, use_cache=True)
                self.known[ids] = out.logits[0, -1].double().log_softmax(-1), out.past_key_values
                if len(self.known) > KEPT:
                    del self.known[next(iter(self.known))]
            else:
                self.known[ids] = self.known.pop(ids)
            return self.known[ids][0]

    def answer(self, path: str, body: dict[str, Any]) -> Any:
        self.asked[path] += 1
        self.before(path, body)
        if path == "/v1/models":
            held = {"id": self.name, "root": self.name, "max_model_len": self.model.window}
            return {"data": [held, {"id": "adapter", "root": "folder", "parent": self.name}]}
        told = {
            "/get_model_info": {"model_path": self.name, "tokenizer_path": self.name},
            "/lora-adapters": [{"id": 0, "path": "/somewhere/adapter.gguf", "scale": 1.0}],
            "/props": {
                "default_generation_settings": {"n_ctx": self.model.window},
                "bos_token": self.model.tokenizer.bos_token or "",
                "model_path": self.name,
                "build_info": "b1-tests",
            },
        }
        if path in told:
            return told[path]
        if body.get("model", self.name) not in (self.name, "adapter"):
            raise Refusal(404, f"The model `{body['model']}` does not exist.", "model_not_found")
        paths = {
            "/v1/chat/completions": self.chat,
            "/v1/completions": self.completions,
            "/tokenize": self.tokenize,
            "/detokenize": self.detokenize,
            "/generate": self.generate,
            "/completion": self.llama,
            "/apply-template": self.template,
            "/v1/decisions": self.decide,
            "/v1/systemone": self.decide,
        }
        if path not in paths:
            raise Refusal(404, f"no {path}")
        return paths[path](body)

    # --- decisions ------------------------------------------------------------------------------

    def decide(self, body: dict[str, Any]) -> dict[str, Any]:
        """Choices of either shape: those of the input as it stands, without words of its own."""
        content = body.get("input", body.get("state"))
        turns = content if isinstance(content, list) else [{"role": "user", "content": content}]
        messages = tuple((turn["role"], turn["content"]) for turn in turns)
        asked = body["questions"]
        options = (
            {q["name"]: [c["value"] for c in q["choices"]] for q in asked}
            if isinstance(asked, list)
            else {name: list(q["criteria"]) for name, q in asked.items()}
        )
        try:
            with self.lock:
                choices = self.model.score([Prompt(messages, tuple(labels)) for labels in options.values()])
        except HominesError as failure:
            raise Refusal(400, str(failure)) from None
        answers: list[dict[str, Any]] = []
        for (name, labels), c in zip(options.items(), choices, strict=True):
            rows = [{"value": label, "probability": float(p)} for label, p in zip(labels, c.p, strict=True)]
            head = {"type": "choice", "name": name, "choice": labels[int(c.p.argmax())], "confidence": 0.5}
            answers.append({**head, "probabilities": rows, "x_label_mass": c.mass})
        usage = {"input_tokens": 20, "output_tokens": 1, "total_tokens": 21}
        if isinstance(asked, list):
            return {"model": self.name, "answers": answers, "usage": usage}
        by_name = {
            a["name"]: {**a, "probabilities": {r["value"]: r["probability"] for r in a["probabilities"]}}
            for a in answers
        }
        return {"model": self.name, "answers": by_name, "usage": usage}

    # --- OpenAI ---------------------------------------------------------------------------------

    def chat(self, body: dict[str, Any]) -> dict[str, Any]:
        top = body.get("top_logprobs") or 0
        if top > self.most_top or (body.get("logprobs") and not self.most_top):
            raise Refusal(
                400, "logprobs are not supported" if not self.most_top else "top_logprobs too large"
            )
        ids = self.tokens(body["messages"], True, {})
        if len(ids) + body["max_tokens"] > self.model.window:
            raise Refusal(400, f"maximum context length is {self.model.window}", "context_length_exceeded")
        drawn = torch.Generator().manual_seed(body.get("seed") or 0)
        many = (body.get("n") or 1) if self.many else 1
        choices = [self.draw(ids, body, drawn, i) for i in range(many)]
        made = sum(choice.pop("made") for choice in choices)
        usage = {"prompt_tokens": len(ids), "completion_tokens": made, "total_tokens": len(ids) + made}
        told = {"usage": usage} if self.tells_usage else {}
        return {
            **told,
            "id": "chat",
            "object": "chat.completion",
            "created": 0,
            "model": f"{self.name}-served",
            "choices": choices,
        }

    def draw(
        self, ids: list[int], body: dict[str, Any], drawn: torch.Generator, index: int
    ) -> dict[str, Any]:
        end, decode = terminator(self.model.tokenizer), self.model.tokenizer.decode
        said: list[int] = []
        told: list[dict[str, Any]] = []
        while len(said) < body["max_tokens"]:
            logp = self.next((*ids, *said))
            hot = body.get("temperature", 1.0)
            p = (
                (logp / hot).softmax(-1)
                if hot
                else torch.nn.functional.one_hot(logp.argmax(), len(logp)).double()
            )
            token = int(torch.multinomial(p, 1, generator=drawn))
            if token != end or self.tells_end:
                likely = logp.topk(body.get("top_logprobs") or 0).indices.tolist()
                told.append(self.spelt(token, logp) | {"top_logprobs": [self.spelt(t, logp) for t in likely]})
            if token == end:
                break
            said.append(token)
        else:
            token = -1
        return {
            "index": index,
            "message": {"role": "assistant", "content": decode(said)},
            "finish_reason": "stop" if token == end else "length",
            "logprobs": {"content": self.thinks(told)} if body.get("logprobs") and self.tells() else None,
            "made": len(said),
        }

    def spelt(self, token: int, logp: torch.Tensor) -> dict[str, Any]:
        raw = self.bytes(token)
        text = raw.decode(errors="replace")
        return {"token": text, "bytes": list(raw), "logprob": float(logp[token])}

    def bytes(self, token: int) -> bytes:
        """A token's own bytes: of a byte-level BPE they are written as one character each."""
        word = self.model.tokenizer.convert_ids_to_tokens(token) or ""
        if token in self.model.tokenizer.added_tokens_decoder:
            return word.encode()
        return bytes(BYTES[c] for c in word)

    # --- vLLM, SGLang, llama.cpp ----------------------------------------------------------------

    def completions(self, body: dict[str, Any]) -> dict[str, Any]:
        return vllm(self, self.engine, body, lambda ids, i: self.completion(ids, body, i))

    def generate(self, body: dict[str, Any]) -> Any:
        sampling = {"max_tokens": body["sampling_params"].get("max_new_tokens")} | body["sampling_params"]
        return sglang(self, self.engine, body, lambda ids, i: self.completion(ids, sampling, i))

    def completion(self, ids: list[int], body: dict[str, Any], index: int) -> dict[str, Any]:
        return self.draw(ids, body, torch.Generator().manual_seed(body.get("seed") or 0), index)

    def llama(self, body: dict[str, Any]) -> dict[str, Any]:
        return llamacpp(self, self.engine, body)

    def template(self, body: dict[str, Any]) -> dict[str, Any]:
        """llama.cpp leaves an assistant's turn at the end open, to be continued."""
        *before, last = body["messages"]
        opened = last["role"] == "assistant"
        text = self.model.tokenizer.apply_chat_template(
            before if opened else body["messages"],
            tokenize=False,
            add_generation_prompt=True,
            **(body.get("chat_template_kwargs") or {}),
        )
        return {"prompt": text + (last["content"] if opened else "")}

    def tokenize(self, body: dict[str, Any]) -> dict[str, Any]:
        if "content" in body:  # llama.cpp
            special = body.get("parse_special", True)
            return {
                "tokens": self.model.tokenizer(
                    body["content"],
                    add_special_tokens=body.get("add_special", False),
                    split_special_tokens=not special,
                ).input_ids
            }
        if "prompt" in body:
            ids = self.model.tokenizer(
                body["prompt"], add_special_tokens=body["add_special_tokens"]
            ).input_ids
        else:
            more = body.get("chat_template_kwargs") or {}
            ids = self.tokens(body["messages"], body["add_generation_prompt"], more)
        return {"tokens": ids, "count": len(ids), "max_model_len": self.model.window}

    def detokenize(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"prompt": self.model.tokenizer.decode(body["tokens"])}

    def tokens(self, messages: list[dict[str, str]], prompt: bool, more: dict[str, Any]) -> list[int]:
        text = self.model.tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=prompt, **more
        )
        return list(self.model.tokenizer(text, add_special_tokens=False).input_ids)


def _bytes() -> dict[str, int]:
    """The characters by which byte-level tokenizers (GPT-2's and after) write bytes."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    rest = [b for b in range(256) if b not in plain]
    return {chr(b): b for b in plain} | {chr(256 + i): b for i, b in enumerate(rest)}


BYTES = _bytes()


@contextmanager
def serve(model: HuggingFace, **how: Any) -> Iterator[Server]:
    """The server, running while the block does."""
    server = Server(model, **how)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 65536  # head and body in one packet: else each reply waits 40 ms for an acknowledgement

        def do_GET(self) -> None:
            self.reply({})

        def do_POST(self) -> None:
            self.reply(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def reply(self, body: dict[str, Any]) -> None:
            after: int | None = None
            cut = False
            try:
                if self.headers.get("Authorization") != f"Bearer {server.key}":
                    raise Refusal(401, f"Incorrect API key provided: {self.headers.get('Authorization')}")
                status, told = 200, server.spoil(self.path, body, server.answer(self.path, body))
            except Refusal as refusal:
                error = {"message": str(refusal), "type": "invalid_request_error", "code": refusal.code}
                status, told, after = refusal.status, {"error": error}, refusal.after
            except Fault as fault:
                if fault.kind == "hung":
                    while not server.closed.wait(0.1) and not self.gone():
                        pass
                    self.close_connection = True
                    return
                status, told = 200, {"busy": True} if fault.kind == "other" else "<html>busy"
                cut = fault.kind == "half"
            data = told.encode() if isinstance(told, str) else json.dumps(told).encode()
            try:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(2 * len(data) if cut else len(data)))
                if after is not None:
                    self.send_header("Retry-After", str(after))
                self.end_headers()
                self.close_connection |= cut
                self.wfile.write(data)
            except OSError:  # the caller went away
                self.close_connection = True

        def gone(self) -> bool:
            """Whether the caller has closed its end."""
            ready, _, _ = select.select([self.connection], [], [], 0)
            return bool(ready) and not self.connection.recv(1, socket.MSG_PEEK)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Threads(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

    http = Threads(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{http.server_address[1]}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.closed.set()
        http.shutdown()
        http.server_close()
        thread.join()
