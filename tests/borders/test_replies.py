"""Replies that do not end, are too large, unfold to too much or point elsewhere; and Ctrl-C amid one."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from homines.core.registry import find
from homines.core.run_folder import RunFolder
from homines.core.types import Interrupted, Prompt
from homines.elicitation.asking import measure
from homines.elicitation.questions import battery, questions
from homines.models import load
from homines.models.hf import HuggingFace
from tests.helpers.serve import Server, serve
from tests.helpers.tiny import willing

API = "openai-api/tests/tiny(read=samples, samples=1, retries=0, seconds=60)"
PROMPT = Prompt((("user", "1 or 2?"),), ("1", "2"))
MIB = 1 << 20


@pytest.fixture(scope="module")
def net(tokenizer: Any) -> HuggingFace:
    return HuggingFace(willing(tokenizer, "12"), tokenizer, name="tiny", provenance={"revision": "t"})


Reply = Callable[[BaseHTTPRequestHandler], None]


class Between:
    """What stands between a caller and the server: it passes on what is asked, until `reply` is set for the
    questions of a battery."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.reply: Reply | None = None
        self.after = 0
        """Questions that are passed on before."""
        self.url = ""
        self.over = threading.Event()
        self.seen: list[str] = []


@contextmanager
def between(server: Server) -> Iterator[Between]:
    here = Between(server)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.pass_on({})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asks = self.path.startswith("/v1/c") and "Say yes" not in str(body)
            if asks and here.reply is not None:
                here.after -= 1
                if here.after < 0:
                    here.seen.append(self.path)
                    with suppress(OSError):  # the caller went away
                        here.reply(self)
                    return
            self.pass_on(body)

        def pass_on(self, body: dict[str, Any]) -> None:
            data = json.dumps(here.server.answer(self.path, body)).encode()
            head(self, {"Content-Length": str(len(data)), "Content-Type": "application/json"})
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Threads(ThreadingHTTPServer):
        daemon_threads = True

    http = Threads(("127.0.0.1", 0), Handler)
    here.url = f"http://127.0.0.1:{http.server_address[1]}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield here
    finally:
        here.over.set()
        http.shutdown()
        http.server_close()
        thread.join()


@pytest.fixture
def middle(net: HuggingFace, monkeypatch: pytest.MonkeyPatch) -> Iterator[Between]:
    with serve(net) as server, between(server) as here:
        for name, value in {
            "TESTS_API_KEY": server.key,
            "TESTS_BASE_URL": f"{here.url}/v1",
            "VLLM_API_KEY": server.key,
            "VLLM_BASE_URL": here.url,
        }.items():
            monkeypatch.setenv(name, value)
        yield here


def head(handler: BaseHTTPRequestHandler, headers: dict[str, str], status: int = 200) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()


def endless(handler: BaseHTTPRequestHandler) -> None:
    """A body of 300 MiB, as long as somebody reads."""
    head(handler, {"Content-Type": "application/json"})
    for _ in range(300):
        handler.wfile.write(b" " * MIB)


def bomb(encoding: str, packed: Callable[[bytes], bytes]) -> Reply:
    """A body of some KiB that unfolds to 300 MiB."""

    def reply(handler: BaseHTTPRequestHandler) -> None:
        data = packed(b" " * (300 * MIB))
        head(handler, {"Content-Encoding": encoding, "Content-Length": str(len(data))})
        handler.wfile.write(data)

    return reply


def odd(handler: BaseHTTPRequestHandler) -> None:
    head(handler, {"Content-Encoding": "br", "Content-Length": "4"})
    handler.wfile.write(b"abcd")


@pytest.mark.parametrize("spec", [API, "vllm/tiny"])
@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (endless, "reply of more than"),
        (bomb("gzip", gzip.compress), "reply of more than"),
        (bomb("deflate", zlib.compress), "reply of more than"),
        (odd, "compresses its reply as 'br'"),
    ],
    ids=["endless", "gzip", "deflate", "br"],
)
def test_a_reply_is_bounded_before_and_after_decompression(
    reply: Reply, why: str, spec: str, middle: Between
) -> None:
    model: Any = load(spec)
    if hasattr(model, "ready"):
        model.ready()
    middle.reply = reply
    (told,) = model.answers([PROMPT])
    model.close()
    assert why in str(told)
    assert len(middle.seen) == 1  # it would be the same again


@pytest.mark.parametrize("spec", [API, "vllm/tiny"])
def test_a_zipped_reply_is_read(spec: str, middle: Between) -> None:
    def zipped(handler: BaseHTTPRequestHandler) -> None:
        data = gzip.compress(b'{"choices": "none"}')
        head(handler, {"Content-Encoding": "gzip", "Content-Length": str(len(data))})
        handler.wfile.write(data)

    model: Any = load(spec)
    model.ready()
    middle.reply = zipped
    (told,) = model.answers([PROMPT])
    model.close()
    assert isinstance(told, Exception)
    assert "decompress" not in str(told)


@pytest.mark.parametrize("spec", [API, "vllm/tiny"])
def test_a_redirect_is_refused_and_nothing_is_sent_there(
    spec: str, middle: Between, net: HuggingFace
) -> None:
    with serve(net) as other:

        def elsewhere(handler: BaseHTTPRequestHandler) -> None:
            head(
                handler, {"Location": f"{other.url}{handler.path}?token=abcdefgh", "Content-Length": "0"}, 307
            )

        model: Any = load(spec)
        model.ready()
        middle.reply = elsewhere
        (told,) = model.answers([PROMPT])
        model.close()
        assert other.asked.total() == 0
        assert "which is not followed" in str(told)
        assert "abcdefgh" not in str(told)


def drip(over: threading.Event) -> Reply:
    """A byte a second, without end."""

    def reply(handler: BaseHTTPRequestHandler) -> None:
        head(handler, {"Content-Type": "application/json"})
        while not over.wait(0.5):
            handler.wfile.write(b" ")

    return reply


@pytest.mark.parametrize("spec", [API.replace("seconds=60", "seconds=2"), "vllm/tiny"])
def test_a_drip_ends_in_its_time(spec: str, middle: Between, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("homines.inference.server.SECONDS", 2.0)
    model: Any = load(spec)
    model.ready()
    middle.reply = drip(middle.over)
    found: list[Any] = []
    asking = threading.Thread(target=lambda: found.extend(model.answers([PROMPT])), daemon=True)
    asking.start()
    asking.join(30)
    assert not asking.is_alive()
    model.close()
    assert isinstance(found[0], Exception)
    assert len(middle.seen) == 1


def test_a_stop_ends_a_drip_and_keeps_what_was_answered(middle: Between, tmp_path: Path) -> None:
    model: Any = load("vllm/tiny")
    asked = questions(model, {"ipd": battery(find("games", "ipd"))}, [find("frames", "table(labels='1,2')")])
    middle.reply, middle.after = drip(middle.over), 2  # a batch is two requests: prompts, then labels
    with RunFolder(tmp_path / "run", {}) as run:
        with pytest.raises(Interrupted, match="stopped after 2 of 16"):
            measure(model, asked, run, batch=2, stop=lambda: bool(middle.seen))
        assert len(run.records) == 2
    model.close()


@pytest.mark.parametrize("spec", [API, "vllm/tiny"])
def test_the_first_ctrl_c_ends_a_drip(spec: str, middle: Between, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    middle.reply, middle.after = (
        drip(middle.over),
        3 if spec == "vllm/tiny" else 5,
    )  # "action", its number, its end
    batch = ["--batch", "8"] if spec == "vllm/tiny" else []
    child = subprocess.Popen(
        [
            *(
                sys.executable,
                "-c",
                "from homines.cli.app import main; main()",
                "measure",
                spec,
                "--game",
                "ipd",
            ),
            *("--out", str(folder), *batch),
        ],
        cwd=tmp_path,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )
    while not middle.seen or not (folder / "records.jsonl").exists():
        assert child.poll() is None, child.communicate()[1]
        time.sleep(0.05)
    child.send_signal(signal.SIGINT)
    _, said = child.communicate()  # the drip has no end
    assert child.returncode == 130
    assert "nothing is lost" in said
    assert len(RunFolder(folder).records) > 0
