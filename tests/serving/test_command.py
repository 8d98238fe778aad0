"""`homines serve` as it is typed: refusals before a model is loaded; a real socket, a key, a client."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

from homines.cli.app import main
from homines.models import load
from homines.models.mock import Mock, hashed
from homines.serving.gate import VARIABLE
from tests.helpers.running import HOMINES
from tests.serving.test_round_trip import PROMPTS, SHAPES, by_hand

KEY = "a-key-of-these-tests-alone"


def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *typed: str) -> str:
    """What a refused `homines serve` says; its exit code is 2."""
    monkeypatch.setattr(sys, "argv", ["homines", "serve", *typed])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        (["mock", "--host", "0.0.0.0", "--port", "0"], "set HOMINES_SERVE_KEY"),
        (["mock", "--host", "everywhere", "--port", "0"], "no IPv4 address"),
        (["openai/gpt-4o", "--port", "0"], "behind an API"),
        (["decisions/mock", "--port", "0"], "behind an API"),
        (["nomodel", "--port", "0"], "no model called"),
        (["mock", "--port", "0", "--certificate", "none.json"], "cannot read none.json"),
    ],
)
def test_what_cannot_be_served_is_refused(
    typed: list[str], why: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert why in said(monkeypatch, capsys, *typed)


def test_a_short_key_and_a_port_in_use_are_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert f"port {port} cannot be used" in said(monkeypatch, capsys, "nomodel", "--port", port)
    monkeypatch.setenv(VARIABLE, "short")
    assert "at least 16" in said(monkeypatch, capsys, "mock", "--port", "0")


# --- a real socket -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """`homines serve mock` in a process of its own, with a key."""
    process = subprocess.Popen(
        [*HOMINES, "serve", "mock", "--port", "0", "--json"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, VARIABLE: KEY},
    )
    assert process.stdout is not None
    told = json.loads(process.stdout.readline())
    assert (told["model"], told["revision"]) == ("mock", "mock-1")
    yield told["address"]
    process.send_signal(signal.SIGINT)
    assert process.wait() == 0
    process.stdout.close()


@pytest.mark.system
@pytest.mark.parametrize("shape", SHAPES)
def test_over_a_socket_the_probabilities_are_the_models_own(
    shape: str, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DECISIONS_BASE_URL", address)
    monkeypatch.setenv("DECISIONS_API_KEY", KEY)
    model: Any = load(f"decisions/mock(shape={shape})")
    for prompt, told in zip(PROMPTS, model.score(PROMPTS), strict=True):
        want = by_hand(Mock(hashed), prompt, shape)
        assert np.abs(told.p - want.p).max() < 1e-12
        assert abs(told.mass - want.mass) < 1e-12
    model.close()


@pytest.mark.system
def test_over_a_socket_the_public_client_of_openai_is_answered(address: str) -> None:
    import openai

    question: Any = {
        "type": "choice",
        "name": "team",
        "instructions": "Which team?",
        "choices": [{"value": "billing"}, {"value": "technical"}],
    }
    with openai.OpenAI(api_key=KEY, base_url=f"{address}/v1", max_retries=0) as api:
        told = api.decisions.create(model="mock", input="Charged twice.", questions=[question])
        (answer,) = told.answers
        assert answer.type == "choice"
        assert sum(row.probability for row in answer.probabilities) == pytest.approx(1)
        assert [m.id for m in api.models.list()] == ["mock"]
    stranger = openai.OpenAI(api_key="another", base_url=f"{address}/v1", max_retries=0)
    with stranger, pytest.raises(openai.AuthenticationError, match="another key"):
        stranger.decisions.create(model="mock", input="Charged twice.", questions=[question])


@pytest.mark.system
def test_over_a_socket_a_large_body_is_refused_and_the_server_goes_on(address: str) -> None:
    host = urlsplit(address).netloc
    head = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    for path, body, status in (
        ("/v1/decisions", b"x" * (1 << 20), 413),
        ("/v1/decisions", b"{", 400),
        ("/health", None, 200),
    ):
        connection = http.client.HTTPConnection(host, timeout=60)
        try:
            connection.request("GET" if body is None else "POST", path, body, head)
            reply = connection.getresponse()
            assert reply.status == status
        except (ConnectionError, BrokenPipeError):
            assert status == 413  # refused before all of it was sent
        finally:
            connection.close()
