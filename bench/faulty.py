"""A provider on loopback whose true answers are known, and the ways in which its replies can be wrong.

It speaks OpenAI's chat completions with log-probabilities. An answer is one token, then the end of the turn;
the distribution over the labels is fixed by the prompt's words, so that what is recorded can be compared with
it.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import math
import random
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Body = dict[str, Any]
Change = Callable[[Body], Any]
KEY = "key-of-the-faulty-server"
END = "<|im_end|>"
TRIAL = "Say yes."
"""The words of a first call; it is answered well, so that the faults meet decisions."""
BOMB = 64 << 20
"""Bytes that a small body unpacks to."""
DRIP = 0.2
"""Seconds between two bytes of a slow body."""


def truth(words: str, labels: tuple[str, ...]) -> dict[str, float]:
    """The provider's probability of each label, and of everything else under ""."""
    rng = random.Random(hashlib.sha256(words.encode()).digest())
    weights = [rng.uniform(0.2, 1) for _ in labels]
    mass = rng.uniform(0.7, 0.95)
    return {label: mass * w / sum(weights) for label, w in zip(labels, weights, strict=True)} | {"": 1 - mass}


def steps(choice: Body) -> list[Body]:
    """Positions of a choice that has log-probabilities."""
    return choice["logprobs"]["content"]


def first(change: Callable[[list[Body]], Any]) -> Change:
    """Change the likeliest tokens at the first position of every choice."""

    def work(body: Body) -> Body:
        for choice in body["choices"]:
            change(steps(choice)[0]["top_logprobs"])
        return body

    return work


def every(value: Any) -> Change:
    """This in the place of every log-probability."""

    def work(body: Body) -> Body:
        for choice in body["choices"]:
            for step in steps(choice):
                for token in (step, *step["top_logprobs"]):
                    token["logprob"] = value
        return body

    return work


def put(value: Any, *path: str | int) -> Change:
    """This at a place of the body."""

    def work(body: Body) -> Body:
        place: Any = body
        for part in path[:-1]:
            place = place[part]
        place[path[-1]] = value
        return body

    return work


def set_first(value: Any) -> Change:
    """This in the place of the first token's log-probability, at the first position."""
    return first(lambda top: top[0].update(logprob=value))


def twice(top: list[Body]) -> None:
    """One token twice, in the place of the other."""
    top[1] = dict(top[0])


def contradict(body: Body) -> Body:
    """Walks of one prompt that tell different distributions of its first token."""
    for i, choice in enumerate(body["choices"]):
        for token in steps(choice)[0]["top_logprobs"]:
            token["logprob"] = math.log(0.9 if (len(token["token"]) + i) % 2 else 0.05)
    return body


def nested(body: Body) -> str:
    return "[" * 100_000


ALTERED: dict[str, Change] = {
    "positive log-probability": set_first(0.7),
    "sum above one": first(lambda top: [token.update(logprob=-0.05) for token in top]),
    "a token twice": first(twice),
    "filler -9999": every(-9999.0),
    "filler 0.0": every(0.0),
    "log-probability NaN": set_first(math.nan),
    "log-probability Infinity": set_first(math.inf),
    "log-probability a string": set_first("-0.5"),
    "log-probability null": set_first(None),
    "log-probability true": set_first(True),
    "walks that contradict": contradict,
    "no log-probabilities": lambda body: [c.update(logprobs=None) for c in body["choices"]] and body,
    "log-probabilities a list": put([], "choices", 0, "logprobs"),
    "no choices": put([], "choices"),
    "choices null": put(None, "choices"),
    "content null": put(None, "choices", 0, "message", "content"),
    "content of other tokens": put("something else", "choices", 0, "message", "content"),
    "cut by length": lambda body: [c.update(finish_reason="length") for c in body["choices"]] and body,
    "more choices than asked": lambda body: body["choices"].extend(body["choices"] * 20) or body,
    "usage negative": put({"prompt_tokens": -9, "completion_tokens": -9, "total_tokens": -18}, "usage"),
    "usage of strings": put({"prompt_tokens": "9", "completion_tokens": "x", "total_tokens": None}, "usage"),
    "an error within 200": lambda body: {"error": {"message": "not now", "code": 500}},
    "other JSON": lambda body: {"busy": True},
    "JSON a number": lambda body: 7,
    "no JSON": lambda body: "<html>busy</html>",
    "JSON nested deep": nested,
    "empty body": lambda body: "",
}
"""Replies with status 200, by what is wrong with them."""
STATUSES = {
    "status 400": 400,
    "status 401": 401,
    "status 404": 404,
    "status 429": 429,
    "status 500": 500,
    "status 503": 503,
}
SENT = ("429 with Retry-After", "half a body", "no reply", "slow drip", "gzip bomb", "no gzip", "redirect")
"""What is wrong with how a reply is sent. redirect: to a server under another name, which answers falsely."""
KINDS = (*ALTERED, *STATUSES, *SENT)


@dataclass(eq=False)
class Provider:
    """The provider. `fault`: what is wrong with its next replies; None: nothing is."""

    url: str = ""
    fault: str | None = None
    faulty: Counter[str] = field(default_factory=Counter[str])
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, asked: Body, lies: bool) -> Body:
        """The whole answer to a request. lies: with the distribution the wrong way round."""
        words = asked["messages"][-1]["content"]
        labels = offered(words)
        p = truth("\n".join(m["content"] for m in asked["messages"]), labels)
        if lies:
            p = dict(zip(p, [*reversed([p[label] for label in labels]), p[""]], strict=True))
        rng = random.Random(asked.get("seed") or 0)
        choices = [choice(i, p, rng, asked) for i in range(asked.get("n") or 1)]
        usage = {"prompt_tokens": 50, "completion_tokens": len(choices), "total_tokens": 50 + len(choices)}
        told = {"id": "x", "object": "chat.completion", "created": 0, "model": "truth"}
        return {**told, "choices": choices, "usage": usage}


def offered(words: str) -> tuple[str, ...]:
    """The labels that a prompt of the frame `bare` offers, in alphabetical order."""
    found = re.search(r"Answer with exactly (\w+) or (\w+)", words)
    return tuple(sorted(found.groups())) if found else ("yes", "no")


def choice(i: int, p: dict[str, float], rng: random.Random, asked: Body) -> Body:
    told = rng.choices([label or "other" for label in p], list(p.values()))[0]
    top = [{"token": label or "other", "logprob": math.log(x), "bytes": None} for label, x in p.items()]
    mine = next(token for token in top if token["token"] == told)
    end = {"token": END, "logprob": 0.0, "bytes": None}
    content = [{**mine, "top_logprobs": top}, {**end, "top_logprobs": [end]}]
    return {
        "index": i,
        "message": {"role": "assistant", "content": told},
        "finish_reason": "stop",
        "logprobs": {"content": content} if asked.get("logprobs") else None,
    }


class Threads(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that goes away is no fault of this server's."""


@contextmanager
def provide() -> Iterator[Provider]:
    """The provider, running while the block does."""
    provider = Provider()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 65536

        def do_GET(self) -> None:
            self.do_POST()

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked = json.loads(raw) if raw else {"messages": [{"content": ""}], "logprobs": True}
            fault = None if asked["messages"][-1]["content"] == TRIAL else provider.fault
            lies = self.path.startswith("/elsewhere")
            body = provider.answer(asked, lies)
            if fault is None or lies:
                self.send(200, json.dumps(body).encode())
                return
            with provider.lock:
                provider.faulty[fault] += 1
            try:
                self.spoil(fault, body)
            except OSError:  # the caller went away
                self.close_connection = True

        def spoil(self, fault: str, body: Body) -> None:
            whole = json.dumps(body).encode()
            if fault in ALTERED:
                told = ALTERED[fault](body)
                self.send(200, (told if isinstance(told, str) else json.dumps(told)).encode())
            elif fault in STATUSES:
                self.send(STATUSES[fault], json.dumps({"error": {"message": "not now"}}).encode())
            elif fault == "429 with Retry-After":
                self.send(429, b'{"error": {"message": "not now"}}', {"Retry-After": "1"})
            elif fault == "redirect":
                there = provider.url.replace("127.0.0.1", "localhost")
                self.send(307, b"", {"Location": f"{there}/elsewhere/v1/chat/completions"})
            elif fault == "gzip bomb":
                packed = gzip.compress(whole[:-1] + b" " * BOMB + b"}")
                self.send(200, packed, {"Content-Encoding": "gzip"})
            elif fault == "no gzip":
                self.send(200, whole, {"Content-Encoding": "gzip"})
            elif fault == "half a body":
                self.send(200, whole[: len(whole) // 2], {"Content-Length": str(len(whole))})
                self.close_connection = True
            elif fault == "slow drip":
                self.head(200, len(whole), {})
                for i in range(len(whole)):
                    self.wfile.write(whole[i : i + 1])
                    self.wfile.flush()
                    time.sleep(DRIP)
            else:
                self.close_connection = True  # no reply

        def head(self, status: int, length: int, more: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in (
                {"Content-Type": "application/json", "Content-Length": str(length)} | more
            ).items():
                self.send_header(name, value)
            self.end_headers()

        def send(self, status: int, data: bytes, more: dict[str, str] | None = None) -> None:
            self.head(status, len(data), more or {})
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    http = Threads(("127.0.0.1", 0), Handler)
    provider.url = f"http://127.0.0.1:{http.server_address[1]}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
