"""Keys and the secrets of addresses are in no error, record, page, provenance or log."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from homines.core.registry import find
from homines.core.run_folder import RunFolder
from homines.core.types import HominesError, Prompt
from homines.elicitation.asking import measure
from homines.elicitation.questions import Question, battery, questions
from homines.models import load
from homines.models.hf import HuggingFace
from homines.reports.run_page import write
from tests.helpers.serve import Refusal, Server, serve
from tests.helpers.tiny import willing

KEY = "not-a-key-by-its-looks-77"
TOKEN = "query-secret-5f3a"
WORD = "pass/word+of=mine"
HOMINES = [sys.executable, "-c", "from homines.cli.app import main; main()"]
SHOWN = [KEY, TOKEN, WORD, "pass%2Fword%2Bof%3Dmine"]


@pytest.fixture(scope="module")
def net(tokenizer: Any) -> HuggingFace:
    return HuggingFace(willing(tokenizer, "12"), tokenizer, name="tiny", provenance={"revision": "t"})


@pytest.fixture
def seen() -> list[str]:
    """Paths that were asked for, with their queries."""
    return []


@pytest.fixture
def server(net: HuggingFace, seen: list[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with serve(net, key=KEY) as running:
        address = running.url.removeprefix("http://")
        for name, value in {
            "TESTS_API_KEY": KEY,
            "TESTS_BASE_URL": f"{running.url}/v1",
            "VLLM_API_KEY": KEY,
            "VLLM_BASE_URL": f"http://me:pass%2Fword%2Bof%3Dmine@{address}/v1?token={TOKEN}&x=1",
        }.items():
            monkeypatch.setenv(name, value)
        answer = running.answer

        def without_query(path: str, body: dict[str, Any]) -> dict[str, Any]:
            seen.append(path)
            return answer(path.partition("?")[0], body)

        running.answer = without_query  # type: ignore[method-assign]
        yield running


def asked(model: Any) -> list[Question]:
    frame = find("frames", "table(labels='1,2')")
    return questions(model, {"ipd": battery(find("games", "ipd"))}, [frame])


def leaks(folder: Path, *said: str) -> list[str]:
    written = {str(path): path.read_text(errors="replace") for path in folder.rglob("*") if path.is_file()}
    return [
        f"{secret!r} in {where}"
        for where, text in {**written, **dict(zip("abcdefgh", said, strict=False))}.items()
        for secret in SHOWN
        if secret in text
    ]


CASES = [
    ("s3://SECRET-OF-S3@bucket/x", "SECRET-OF-S3"),
    ("https://me:mine@h.example/x", "mine"),
    ("https://h.example/x?X-Amz-Signature=abcdef", "abcdef"),
    ("see http://h/v1?sig=one&key=two, then", "two"),
    ("Authorization: Bearer abc.def-ghi", "abc.def-ghi"),
    ("key sk-abcdefgh12345", "sk-abcdefgh12345"),
    (f"you sent {KEY}", KEY),
    (json.dumps({"why": WORD}), WORD),
    ("pass%2Fword%2Bof%3Dmine", "pass%2Fword"),
    (f"a value of a query {TOKEN}", TOKEN),
]


@pytest.mark.parametrize(("text", "secret"), CASES)
def test_secrets_are_redacted_in_every_spelling(text: str, secret: str, server: Server) -> None:
    from homines.core.redaction import redact, redacted

    assert secret not in redact(text)
    assert secret not in json.dumps(redacted({text: [text, {"a": (text, 1)}]}))


def test_other_text_stays() -> None:
    from homines.core.redaction import redact

    for text in ("see https://example.org/docs, or ask a@b.org?", "1 of 2: what? key", "s3://bucket/folder"):
        assert redact(text) == text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OPENAI_API_KEY", "ollama"),
        ("OPENAI_API_KEY", "lm-studio"),
        ("LMSTUDIO_API_KEY", "Not-Needed"),
        ("MAX_TOKENS", "100000000"),
        ("TOKENIZERS_PARALLELISM", "disabled-by-me"),
        ("KEYBOARD_LAYOUT", "english-us"),
        ("MY_TOKEN", "100000000"),
    ],
)
def test_no_secrets_are_placeholders_numbers_and_names_that_only_begin_so(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a recorded command would name the variable where it names the model."""
    from homines.core.redaction import redact

    monkeypatch.setenv(name, value)
    text = f"homines measure {value}/llama3 --max-tokens 100000000"
    assert redact(text) == text


@pytest.mark.parametrize(
    "name",
    [
        *("OPENAI_API_KEY", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "my_password"),
        *("PGPASSWORD", "SERVICE_APIKEY", "API_KEYS", "CLIENT_SECRET", "GOOGLE_CREDENTIALS", "KEY"),
    ],
)
def test_secrets_are_known_by_the_words_of_a_variable(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from homines.core.redaction import redact

    monkeypatch.setenv(name, "quite-secret-9")
    assert redact("is quite-secret-9 right?") == f"is [{name}] right?"


def echoing(path: str, body: dict[str, Any]) -> None:
    if "/v1/c" in path and body["messages" if "chat" in path else "prompt"] and "Say yes" not in str(body):
        raise Refusal(400, f"bad: Bearer {KEY}; token={TOKEN}; user me:{WORD}")


@pytest.mark.parametrize("spec", ["openai-api/tests/tiny(retries=0)", "vllm/tiny"])
def test_a_server_that_echoes_secrets_in_errors(spec: str, server: Server, tmp_path: Path) -> None:
    server.before = echoing
    done = subprocess.run(
        [*HOMINES, "measure", spec, "--game", "ipd", "--out", str(tmp_path / "run")],
        cwd=tmp_path,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stderr
    assert all(r.error for r in RunFolder(tmp_path / "run").records)
    assert "bad: Bearer" in str(RunFolder(tmp_path / "run").records[0].error)
    assert leaks(tmp_path, done.stdout, done.stderr) == []


def test_a_server_that_echoes_secrets_into_answers(server: Server, tmp_path: Path) -> None:
    """Illegal answers are kept in records, reasons too; the name that the server gives its model as well."""

    def spoil(path: str, body: dict[str, Any], told: dict[str, Any]) -> dict[str, Any]:
        for choice in told["choices"]:
            choice["message"]["content"] = f"You are {KEY}"
            choice["finish_reason"] = "stop"
        return told | {"model": f"tiny-{KEY}"}

    server.spoil = spoil
    model: Any = load("openai-api/tests/tiny(read=samples, samples=2)")
    with RunFolder(tmp_path / "run", {}) as run:
        told = measure(model, asked(model), run)
    (text,) = model.write([Prompt((("user", "Who am I?"),), ("x",))], model.reasoning)
    model.close()
    write(tmp_path / "run")
    assert told[0].provenance["illegal"] == {"You are [TESTS_API_KEY]": 2}
    assert KEY not in text
    assert leaks(tmp_path) == []


def test_an_address_with_secrets_serves_and_is_not_shown(
    server: Server, seen: list[str], tmp_path: Path
) -> None:
    model: Any = load("vllm/tiny")
    with RunFolder(tmp_path / "run", {}) as run:
        assert {r.error for r in measure(model, asked(model)[:1], run)} == {None}
    model.close()
    assert all(f"token={TOKEN}" in path for path in seen)
    for spec, match in (("vllm/other", "serves no 'other'"), ("vllm/tiny", "no server of vLLM")):
        if spec == "vllm/tiny":
            server.key = "another"
        with pytest.raises(HominesError, match=match) as told:
            load(spec)
        assert leaks(tmp_path, str(told.value), repr(told.value)) == []
