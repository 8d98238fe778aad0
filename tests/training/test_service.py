"""Fine-tuning services: the official client against a local server with the real schema and real failures."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from homines.core.progress import Follow
from homines.core.types import HominesError, Interrupted
from homines.datasets.folder import read, write
from homines.datasets.recipe import Recipe
from homines.training.service import Order, finetune, service

pytest.importorskip("openai", reason="the fine-tuning client is in the extra [finetune]")

KEY = "sk-test-0123456789abcdef"


class Service(ThreadingHTTPServer):
    """What OpenAI's fine-tuning endpoints take and give back, and the ways in which they fail."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, dict[str, Any]] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self.failures: list[tuple[int, dict[str, str]]] = []
        """(status, headers) of the next requests, before anything works."""
        self.reject = ""
        """Why the next file is rejected."""
        self.fail = ""
        """Why jobs fail."""
        self.looks = 0
        self.hang_at: int | None = None
        self.uploads = 0
        self.lose = 0
        """Jobs that start while their answer is lost."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Service  # pyright: ignore[reportIncompatibleVariableOverride]

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.refused():
            return
        if self.path == "/v1/files":
            self.upload(body)
        elif self.path == "/v1/fine_tuning/jobs":
            self.create(json.loads(body))
        else:
            self.answer(404, {"error": {"message": f"no {self.path}", "type": "invalid_request_error"}})

    def do_GET(self) -> None:
        if self.refused():
            return
        if self.path.startswith("/v1/fine_tuning/jobs?"):
            self.answer(200, {"object": "list", "data": list(self.server.jobs.values()), "has_more": False})
            return
        kind, _, name = self.path.removeprefix("/v1/").rpartition("/")
        held = {"files": self.server.files, "fine_tuning/jobs": self.server.jobs}.get(kind, {}).get(name)
        if held is None:
            self.answer(404, {"error": {"message": f"no such {kind}", "type": "invalid_request_error"}})
            return
        if kind == "fine_tuning/jobs":
            self.server.looks += 1
            states = ["validating_files", "queued", "running", "failed" if self.server.fail else "succeeded"]
            held["status"] = states[min(self.server.looks, len(states)) - 1]
            if held["status"] == "succeeded":
                held |= {
                    "fine_tuned_model": f"ft:{held['model']}:me:{held['suffix']}:1",
                    "trained_tokens": 1234,
                }
            if held["status"] == "failed":
                held["error"] = {"code": "bad", "message": self.server.fail, "param": None}
        self.answer(200, held)

    def refused(self) -> bool:
        if self.headers.get("Authorization") != f"Bearer {KEY}":
            said = f"Incorrect API key provided: {self.headers.get('Authorization', '')[7:]}."
            self.answer(
                401, {"error": {"message": said, "type": "invalid_request_error", "code": "invalid_api_key"}}
            )
            return True
        if self.server.failures:
            status, headers = self.server.failures.pop(0)
            self.answer(status, {"error": {"message": "try again", "type": "server_error"}}, headers)
            return True
        return False

    def upload(self, body: bytes) -> None:
        kind = self.headers["Content-Type"]
        message: Any = BytesParser().parsebytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body)
        parts = {part.get_param("name", header="content-disposition"): part for part in message.get_payload()}
        assert parts["purpose"].get_payload().strip() == "fine-tune"
        text = parts["file"].get_payload(decode=True).decode()
        rows = [json.loads(line) for line in text.splitlines()]
        for row in rows:
            assert set(row) == {"messages"}
            roles = [turn["role"] for turn in row["messages"]]
            assert roles[-1] == "assistant"
            assert set(roles) <= {"system", "user", "assistant"}
            assert all(isinstance(turn["content"], str) and turn["content"] for turn in row["messages"])
        self.server.uploads += 1
        name = f"file-{self.server.uploads}"
        held = {
            "id": name, "object": "file", "bytes": len(text), "created_at": 1, "purpose": "fine-tune",
            "filename": parts["file"].get_filename(), "rows": len(rows),
            "said": [row["messages"][-1]["content"] for row in rows],
            "status": "error" if self.server.reject else "processed",
            "status_details": self.server.reject or None,
        }  # fmt: skip
        self.server.files[name] = held
        self.answer(200, held)

    def create(self, asked: dict[str, Any]) -> None:
        known = {"model", "training_file", "validation_file", "method", "seed", "suffix"}
        problem = ""
        if set(asked) - known:
            problem = f"unknown fields {set(asked) - known}"
        elif asked["training_file"] not in self.server.files:
            problem = "no such training file"
        elif self.server.files[asked["training_file"]]["rows"] < 10:
            problem = "at least 10 examples"
        elif asked.get("validation_file", asked["training_file"]) not in self.server.files:
            problem = "no such validation file"
        elif asked["method"]["type"] != "supervised" or not isinstance(asked["seed"], int):
            problem = "bad method or seed"
        elif not re.fullmatch(r"[a-z0-9-]{1,64}", asked["suffix"]):
            problem = "bad suffix"
        elif asked["model"] != "gpt-4o-mini":
            problem = f"The model {asked['model']} is not available for fine-tuning"
        if problem:
            self.answer(
                400, {"error": {"message": problem, "type": "invalid_request_error", "code": "invalid"}}
            )
            return
        name = f"ftjob-{len(self.server.jobs) + 1}"
        self.server.jobs[name] = {
            **asked, "id": name, "object": "fine_tuning.job", "created_at": 1, "status": "validating_files",
            "fine_tuned_model": None, "finished_at": None, "trained_tokens": None, "error": None,
            "hyperparameters": {"n_epochs": "auto"}, "organization_id": "org", "result_files": [],
        }  # fmt: skip
        if self.server.lose:
            self.server.lose -= 1
            self.answer(502, {"error": {"message": "bad gateway", "type": "server_error"}})
            return
        self.answer(200, self.server.jobs[name])

    def answer(self, status: int, value: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        for name, text in (headers or {}).items():
            self.send_header(name, text)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    with Service() as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        monkeypatch.setenv("OPENAI_BASE_URL", running.url)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        yield running
        running.shutdown()


@pytest.fixture
def data(tmp_path: Path) -> str:
    write(Recipe("moralis(kappa=1)", train=20, test=5), tmp_path / "data")
    return str(tmp_path / "data")


def order(data: str, **changes: Any) -> Order:
    return Order(**{"model": "gpt-4o-mini", "data": data, **changes})


def now(seconds: float) -> None:
    pass


def clean(folder: Path) -> None:
    """Nothing written holds the key."""
    for path in folder.rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes(), path


def test_a_job_is_uploaded_started_followed_and_named(there: Service, data: str, tmp_path: Path) -> None:
    seen: list[str] = []
    model = finetune(
        order(data, epochs=2),
        tmp_path / "run",
        follow=Follow(step=lambda row: seen.append(row["status"])),
        wait=now,
    )
    assert model == "ft:gpt-4o-mini:me:homines:1"
    assert seen == ["validating_files", "queued", "running", "succeeded"]
    (job,) = there.jobs.values()
    assert job["method"] == {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 2}}}
    assert [there.files[job[part]]["rows"] for part in ("training_file", "validation_file")] == [20, 5]
    clean(tmp_path)


def test_of_soft_targets_a_service_gets_answers_drawn(there: Service, tmp_path: Path) -> None:
    """As often as the logit choice says; reasons stay as they are, and the same order sends the same."""
    recipe = Recipe("economicus", train=200, test=0, targets="logit", precision=0.5)
    write(recipe, tmp_path / "data")
    _, rows, _ = read(tmp_path / "data")
    said: list[str] = []
    finetune(order(str(tmp_path / "data")), tmp_path / "run", follow=Follow(say=said.append), wait=now)
    assert said == ["a service takes one answer a row: they are drawn from the logit choices (seed 0)"]
    ((sent,),) = [[file["said"] for file in there.files.values()]]
    best = [text == row.completion for text, row in zip(sent, rows, strict=True)]
    expected = np.array([row.target[row.answer] for row in rows])
    error = np.sqrt((expected * (1 - expected)).sum()) / len(rows)
    assert 1 - expected.mean() > 0.03
    assert abs(np.mean(best) - expected.mean()) < 3 * error
    assert all(text.startswith(row.stem) for text, row in zip(sent, rows, strict=True))
    assert [r.draw(rng).completion for rng in [np.random.default_rng(0)] for r in rows] == sent


def test_what_was_done_is_not_done_again(there: Service, data: str, tmp_path: Path) -> None:
    looks = iter(range(10))
    with pytest.raises(Interrupted, match="goes on at the service"):
        finetune(order(data), tmp_path / "run", follow=Follow(stop=lambda: next(looks) >= 1), wait=now)
    assert (there.uploads, len(there.jobs)) == (2, 1)
    model = finetune(order(data), tmp_path / "run", wait=now)
    assert model.startswith("ft:")
    assert finetune(order(data), tmp_path / "run", wait=now) == model
    assert (there.uploads, len(there.jobs)) == (2, 1)


def test_a_job_outlives_its_files(there: Service, data: str, tmp_path: Path) -> None:
    looks = iter(range(10))
    with pytest.raises(Interrupted):
        finetune(order(data), tmp_path / "run", follow=Follow(stop=lambda: next(looks) >= 1), wait=now)
    there.files.clear()  # as a user may, once the service has read them
    assert finetune(order(data), tmp_path / "run", wait=now).startswith("ft:")


def test_a_busy_or_broken_service_is_asked_again(there: Service, data: str, tmp_path: Path) -> None:
    there.failures = [(429, {"retry-after-ms": "10"}), (500, {}), (503, {"retry-after-ms": "5"})]
    assert finetune(order(data), tmp_path / "run", wait=now).startswith("ft:")
    assert there.uploads == 2


def test_a_service_that_stays_busy_loses_nothing(
    there: Service, data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("homines.training.service.client.__defaults__", (1,))
    there.failures = [(429, {"retry-after-ms": "1"})] * 4
    with pytest.raises(HominesError, match="still busy after many tries"):
        finetune(order(data), tmp_path / "run", wait=now)
    there.failures = []
    assert finetune(order(data), tmp_path / "run", wait=now).startswith("ft:")


def test_a_job_whose_answer_was_lost_is_found_and_not_paid_twice(
    there: Service, data: str, tmp_path: Path
) -> None:
    there.lose = 1
    assert finetune(order(data), tmp_path / "run", wait=now).startswith("ft:")
    assert len(there.jobs) == 1


def test_a_file_whose_check_failed_is_not_uploaded_again(
    there: Service, data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("homines.training.service.client.__defaults__", (0,))
    check = "homines.training.service._check_accepted"
    monkeypatch.setattr(check, lambda *_: there.failures.append((503, {})))
    with pytest.raises(HominesError):
        finetune(order(data), tmp_path / "run", wait=now)
    monkeypatch.undo()
    monkeypatch.setenv("OPENAI_BASE_URL", there.url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    there.failures = []
    assert finetune(order(data), tmp_path / "run", wait=now).startswith("ft:")
    assert there.uploads == 2


@pytest.mark.parametrize("key", ["sk-t\u00ebst", "sk-a b", "sk-a\n"])
def test_a_key_no_service_gives_is_refused_at_once(
    key: str, data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(HominesError, match="holds characters that no key has") as told:
        finetune(order(data), tmp_path / "run", wait=now)
    assert key not in str(told.value)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", "foo")
    with pytest.raises(HominesError, match="OPENAI_BASE_URL is 'foo'; it must begin with https"):
        finetune(order(data), tmp_path / "run", wait=now)


def test_a_rejected_file_is_told(there: Service, data: str, tmp_path: Path) -> None:
    there.reject = "line 3: content is against the policy"
    with pytest.raises(HominesError, match=r"rejects train.jsonl: line 3: content is against the policy"):
        finetune(order(data), tmp_path / "run", wait=now)
    assert not there.jobs


def test_a_failed_job_is_told(there: Service, data: str, tmp_path: Path) -> None:
    there.fail = "the training file has too few distinct examples"
    with pytest.raises(HominesError, match=r"job ftjob-1 failed: the training file has too few"):
        finetune(order(data), tmp_path / "run", wait=now)
    clean(tmp_path)


def test_a_model_that_cannot_be_tuned_is_told(there: Service, data: str, tmp_path: Path) -> None:
    with pytest.raises(HominesError, match=r"says 400: The model gpt-9 is not available"):
        finetune(order(data, model="gpt-9"), tmp_path / "run", wait=now)


def test_a_key_that_is_missing_or_refused_is_never_printed(
    there: Service, data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-wrong-secret")
    with pytest.raises(HominesError, match="refuses the key") as told:
        finetune(order(data), tmp_path / "run", wait=now)
    assert "sk-wrong" not in str(told.value)
    assert told.value.__cause__ is None
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(HominesError, match="no key: set OPENAI_API_KEY"):
        finetune(order(data), tmp_path / "run2", wait=now)
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or b"sk-wrong" not in path.read_bytes()


def test_no_service_is_told(data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setattr("homines.training.service.client.__defaults__", (0,))
    with pytest.raises(HominesError, match="no connection to the service"):
        finetune(order(data), tmp_path / "run", wait=now)


def test_what_makes_no_sense_is_refused_before_anything_is_sent(data: str, tmp_path: Path) -> None:
    assert service("openai/gpt-4o-mini") == "gpt-4o-mini"
    for spec in ("gpt-4o-mini", "openai/", "bedrock/claude"):
        with pytest.raises(HominesError, match="no fine-tuning service"):
            service(spec)
    with pytest.raises(HominesError, match="epochs must be"):
        order(data, epochs=0)
    write(Recipe("economicus", train=5, test=0), tmp_path / "few")
    with pytest.raises(HominesError, match="5 rows are fewer than the 10"):
        finetune(order(str(tmp_path / "few")), tmp_path / "run", wait=now)
    begun = Recipe("economicus", train=12, test=0, frames=("table(begins='Answer:')",), asks=("bare",))
    write(begun, tmp_path / "so")
    with pytest.raises(HominesError, match="cannot continue an answer that begins 'Answer:'"):
        finetune(order(str(tmp_path / "so")), tmp_path / "run", wait=now)
