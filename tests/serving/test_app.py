"""`homines serve` before its clients: both shapes, every type, bounds, keys, and what is refused."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from homines.certificates.certificate import seal
from homines.core.types import Choice, HominesError, Prompt
from homines.models.mock import Mock, hashed
from homines.serving.app import application
from homines.serving.gate import SHORTEST_KEY, check_key
from homines.serving.identity import identity
from homines.serving.request import MOST_BYTES, read_decisions, read_object, read_systemone
from homines.view.guard import Refusal
from tests.helpers.traps import wait_for

HERE = "http://127.0.0.1"
KEY = "k" * SHORTEST_KEY


def client(model: Any = None, **how: Any) -> TestClient:
    model = Mock(hashed) if model is None else model
    return TestClient(application(model, identity(model), **how), base_url=HERE)


def choice(*options: Any, **more: Any) -> dict[str, Any]:
    return {"type": "choice", "instructions": "Which?", "choices": [{"value": o} for o in options], **more}


def decisions(*questions: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"model": "mock", "input": "A ticket.", "questions": list(questions), **more}


def systemone(**questions: dict[str, Any]) -> dict[str, Any]:
    return {"model": "mock", "state": "A ticket.", "questions": questions}


# --- answers -------------------------------------------------------------------------------------


def test_every_type_of_both_shapes_is_answered_with_mass_and_identity() -> None:
    asked = decisions(
        choice("billing", "technical", name="team"),
        {"type": "predicate", "instructions": "It is urgent.", "name": "urgent"},
        {"type": "score", "instructions": "How angry?", "levels": [{"label": "calm"}, {"label": "angry"}]},
    )
    one = client().post("/v1/decisions", json=asked).json()
    team, urgent, anger = one["answers"]
    assert [a["name"] for a in one["answers"]] == ["team", "urgent", None]
    assert [row["value"] for row in team["probabilities"]] == ["billing", "technical"]
    assert [(row["value"], row["label"]) for row in anger["probabilities"]] == [(0, "calm"), (1, "angry")]
    assert anger["score"] == pytest.approx(anger["probabilities"][1]["probability"])
    assert 0 < urgent["probability"] < 1
    for answer in one["answers"]:
        assert 0.6 <= answer["x_label_mass"] <= 1
        assert answer["x_orders"] == 2
    best = max(team["probabilities"], key=lambda row: row["probability"])
    assert team["choice"] == best["value"]
    assert team["confidence"] == pytest.approx(best["probability"] * team["x_label_mass"])
    assert one["homines"] == identity(Mock(hashed))
    asked = systemone(
        team={"type": "choice", "instructions": "Which?", "criteria": {"billing": None, "technical": None}},
        urgent={"type": "noul", "instructions": "It is urgent."},
        anger={"type": "score", "instructions": "How angry?", "criteria": ["calm", "angry"]},
    )
    two = client().post("/v1/systemone", json=asked).json()
    assert two["answers"]["team"]["probabilities"] == {
        row["value"]: row["probability"] for row in team["probabilities"]
    }
    assert two["answers"]["urgent"]["noul"] == urgent["probability"]
    assert two["answers"]["anger"]["legend"] == {"0": "calm", "1": "angry"}
    assert two["answers"]["anger"]["score"] == anger["score"]


@given(st.lists(st.text("abcdefghij", min_size=1, max_size=6), min_size=2, max_size=9, unique=True))
def test_probabilities_sum_to_one_and_follow_the_options_whatever_their_order(names: list[str]) -> None:
    server = client()
    there = server.post("/v1/decisions", json=decisions(choice(*names))).json()["answers"][0]
    p = {row["value"]: row["probability"] for row in there["probabilities"]}
    assert list(p) == names
    assert math.isclose(sum(p.values()), 1, abs_tol=1e-9)
    if len(names) <= 3:  # every permutation is asked: a balanced set of more depends on the first order
        back = server.post("/v1/decisions", json=decisions(choice(*names[::-1]))).json()["answers"][0]
        for row in back["probabilities"]:
            assert math.isclose(row["probability"], p[row["value"]], abs_tol=1e-9)


def test_a_preference_for_the_first_place_is_balanced_and_told() -> None:
    """A model that takes what is listed first has no preference between two options."""

    def takes_first(prompt: Prompt) -> Choice:
        lines = prompt.messages[-1][1].split("\n")
        at = next(line for line in lines if line in prompt.labels)
        return Choice.at([0.9 if label == at else 0.1 for label in prompt.labels], 0.8)

    told = client(Mock(takes_first)).post("/v1/decisions", json=decisions(choice("x", "y"))).json()
    (answer,) = told["answers"]
    assert [row["probability"] for row in answer["probabilities"]] == pytest.approx([0.5, 0.5])
    assert answer["x_order_spread"] == pytest.approx(0.8)
    assert answer["x_label_mass"] == pytest.approx(0.8)


def test_descriptions_are_told_and_typed_values_come_back_as_they_went() -> None:
    seen: list[str] = []

    def handler(prompt: Prompt) -> Choice:
        seen.append(prompt.messages[-1][1])
        return hashed(prompt)

    question = choice(True, False, instructions=[{"type": "input_json", "data": {"a": [1]}}])
    question["choices"][0]["description"] = "it is so"
    told = client(Mock(handler)).post("/v1/decisions", json=decisions(question)).json()
    assert [row["value"] for row in told["answers"][0]["probabilities"]] == [True, False]
    assert any("true: it is so\nfalse\nAnswer with exactly true or false." in text for text in seen)
    assert all('{"a":[1]}' in text for text in seen)


def test_an_answer_that_no_order_allows_is_declined() -> None:
    def silent(prompt: Prompt) -> Choice:
        return Choice.of(np.full(len(prompt.labels), -np.inf))

    server = client(Mock(silent))
    (answer,) = server.post("/v1/decisions", json=decisions(choice("x", "y"))).json()["answers"]
    assert (answer["type"], answer["x_label_mass"]) == ("refusal", 0.0)
    asked = systemone(q={"type": "choice", "criteria": {"x": None, "y": None}})
    reply = server.post("/v1/systemone", json=asked)
    assert reply.status_code == 422
    assert "'q'" in reply.json()["error"]["message"]


def test_equal_words_are_scored_once() -> None:
    asked: list[int] = []

    class Counting(Mock):
        def score(self, prompts: Sequence[Prompt]) -> list[Choice]:
            asked.append(len(prompts))
            return super().score(prompts)

    client(Counting(hashed)).post("/v1/decisions", json=decisions(choice("x", "y"), choice("y", "x")))
    assert asked == [2]


def test_the_public_client_of_openai_reads_it() -> None:
    openai = pytest.importorskip("openai")
    import httpx2

    app = application(Mock(hashed), identity(Mock(hashed)), key=KEY)
    seen: list[Any] = []

    def answer(request: Any) -> Any:
        with TestClient(app, base_url=HERE) as server:
            headers = {k: v for k, v in request.headers.items() if k in ("authorization", "content-type")}
            reply = server.request(request.method, request.url.path, content=request.content, headers=headers)
        seen.append(request.url.path)
        return httpx2.Response(
            reply.status_code, content=reply.content, headers={"content-type": "application/json"}
        )

    http = httpx2.Client(transport=httpx2.MockTransport(answer))
    api = openai.OpenAI(api_key=KEY, base_url=f"{HERE}/v1", http_client=http, max_retries=0)
    told = api.decisions.create(model="mock", input="A ticket.", questions=[choice("x", "y", name="q")])
    assert told.answers[0].type == "choice"
    assert sum(row.probability for row in told.answers[0].probabilities) == pytest.approx(1)
    assert told.usage.total_tokens == 0
    assert seen == ["/v1/decisions"]
    with pytest.raises(openai.NotFoundError, match="has 'mock'"):
        api.decisions.create(model="other", input="A ticket.", questions=[choice("x", "y")])
    assert [m.id for m in api.models.list()] == ["mock"]


# --- refusals of a body ----------------------------------------------------------------------------

BAD: dict[str, dict[str, Any]] = {
    "has 1 items; at least 2": decisions(choice("x")),
    "two equal options, 'x'": decisions(choice("x", "X")),
    "two equal options, 'true'": decisions(choice("true", True)),
    "blank or with spaces": decisions(choice("x ", "y")),
    "control characters": decisions(choice("x\ny", "z")),
    "is no text": decisions(choice(1, 2)),
    "has type 'box'": decisions({"type": "box", "instructions": "?"}),
    "'color', which is not read": decisions(choice("x", "y", color="red")),
    "has no instructions": decisions({"type": "predicate"}),
    "questions has 0 items": decisions(),
    "questions has 65 items": decisions(*[choice("x", "y")] * 65),
    "at most 255": decisions(choice(*map(str, range(256)))),
    "at most 10": decisions(
        {"type": "score", "instructions": "?", "levels": [{"label": str(i)} for i in range(11)]}
    ),
    "two questions are named 'q'": decisions(choice("x", "y", name="q"), choice("x", "y", name="q")),
    "input is blank": decisions(choice("x", "y"), input="  "),
    "only text and JSON": decisions(
        choice("x", "y"),
        input=[{"role": "user", "content": [{"type": "input_image", "image_url": "http://127.0.0.1/"}]}],
    ),
    "only messages are read": decisions(choice("x", "y"), input=[{"type": "function_call", "name": "f"}]),
    "'stream', which is not read": decisions(choice("x", "y"), stream=True),
}


@pytest.mark.parametrize("why", BAD)
def test_a_bad_question_is_refused_with_its_reason(why: str) -> None:
    reply = client().post("/v1/decisions", json=BAD[why])
    assert reply.status_code == 400
    assert why in reply.json()["error"]["message"]


@pytest.mark.parametrize(
    ("question", "why"),
    [
        ({"type": "choice", "criteria": {"x": None}}, "has 1 items"),
        ({"type": "choice", "criteria": {"x": None, "X": None}}, "two equal options"),
        ({"type": "choice", "criteria": ["x", "y"]}, "must be an object"),
        ({"type": "noul"}, "neither instructions nor criteria"),
        ({"type": "noul", "instructions": "?", "criteria": {"maybe": "x"}}, "'maybe'"),
        ({"type": "score", "criteria": ["low", ""]}, "is blank"),
        ({"type": "predicate"}, "has type 'predicate'"),
        ({"type": "choice", "criteria": {"x": 3, "y": None}}, "must be text"),
    ],
)
def test_a_bad_question_of_system_one_is_refused(question: dict[str, Any], why: str) -> None:
    reply = client().post("/v1/systemone", json=systemone(q=question))
    assert reply.status_code == 400
    assert why in reply.json()["error"]["message"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"3", b'{"a":' * 200, b'{"input": NaN}', b"\xff"])
def test_a_body_that_is_no_object_is_refused(body: bytes) -> None:
    reply = client().post("/v1/decisions", content=body, headers={"Content-Type": "application/json"})
    assert reply.status_code == 400
    assert "error" in reply.json()


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(JSON, JSON)
def test_any_json_is_read_or_refused(content: Any, questions: Any) -> None:
    for read, name in ((read_decisions, "input"), (read_systemone, "state")):
        for value in (content, {name: content, "questions": questions}):
            with suppress(Refusal):
                read(read_object(json.dumps(value).encode()))


def test_a_large_body_another_kind_and_another_address_are_refused() -> None:
    server = client()
    large = server.post("/v1/decisions", json=decisions(choice("x", "y"), input="x" * MOST_BYTES))
    assert (large.status_code, "more than 262,144 bytes" in large.text) == (413, True)
    form = server.post("/v1/decisions", data={"input": "x"})
    assert (form.status_code, "send it as application/json" in form.text) == (415, True)
    assert server.get("/v1/decisions").status_code == 405
    assert "GET /health" in server.post("/v1/chat/completions", json={}).json()["error"]["message"]
    wide = decisions(*[choice(*"abcdefgh")] * 64, input="x" * 100_000)
    assert server.post("/v1/decisions", json=wide).status_code == 413


def test_another_model_is_not_found() -> None:
    reply = client().post("/v1/decisions", json=decisions(choice("x", "y"), model="jev-latest"))
    assert (reply.status_code, reply.json()["error"]["type"]) == (404, "not_found_error")
    assert "'mock'" in reply.text


def test_a_model_that_fails_says_so_without_its_words(capsys: pytest.CaptureFixture[str]) -> None:
    def bad(prompt: Prompt) -> Choice:
        raise RuntimeError("inner detail")

    reply = client(Mock(bad)).post("/v1/decisions", json=decisions(choice("x", "y")))
    assert (reply.status_code, "inner" in reply.text) == (500, False)
    assert "inner detail" in capsys.readouterr().err

    def long(prompt: Prompt) -> Choice:
        raise HominesError("a prompt of 9 tokens does not fit")

    reply = client(Mock(long)).post("/v1/decisions", json=decisions(choice("x", "y")))
    assert (reply.status_code, "does not fit" in reply.text) == (400, True)


# --- who may ask -----------------------------------------------------------------------------------


def test_the_key_is_needed_and_compared() -> None:
    server = client(key=KEY, loopback=False)
    asked = decisions(choice("x", "y"))
    for told, why in (({}, "no key was sent"), ({"Authorization": f"Bearer {KEY}x"}, "another key")):
        reply = server.post("/v1/decisions", json=asked, headers=told)
        assert (reply.status_code, reply.json()["error"]["type"]) == (401, "authentication_error")
        assert why in reply.text
        assert KEY not in reply.text
        assert server.get("/v1/models", headers=told).status_code == 401
    assert (
        server.post("/v1/decisions", json=asked, headers={"Authorization": f"Bearer {KEY}"}).status_code
        == 200
    )
    assert server.get("/health").json() == {"status": "ok"}


def test_a_strangers_name_and_a_page_of_a_browser_are_refused() -> None:
    server, asked = client(), decisions(choice("x", "y"))
    assert server.post("/v1/decisions", json=asked, headers={"Host": "evil.example"}).status_code == 400
    assert server.post("/v1/decisions", json=asked, headers={"Origin": "http://127.0.0.1"}).status_code == 403
    assert server.post(f"/v1/decisions?{'x' * 9000}", json=asked).status_code == 414


def test_a_key_is_checked_before_the_model_is_loaded() -> None:
    assert check_key(None, loopback=True) is None
    assert check_key(KEY, loopback=False) == KEY
    with pytest.raises(HominesError, match="HOMINES_SERVE_KEY"):
        check_key(None, loopback=False)
    for short in ("k" * (SHORTEST_KEY - 1), "é" * SHORTEST_KEY, "k" * SHORTEST_KEY + "\n"):
        with pytest.raises(HominesError, match="at least 16"):
            check_key(short, loopback=True)


# --- the queue -------------------------------------------------------------------------------------


def test_a_full_queue_refuses_at_once_and_one_that_emptied_does_not() -> None:
    entered, leave = threading.Event(), threading.Event()

    def handler(prompt: Prompt) -> Choice:
        entered.set()
        assert leave.wait(60)
        return hashed(prompt)

    asked, statuses = decisions(choice("x", "y")), []
    with client(Mock(handler), most_waiting=1) as server:
        asker = threading.Thread(
            target=lambda: statuses.append(server.post("/v1/decisions", json=asked).status_code)
        )
        asker.start()
        assert entered.wait(60)
        refused = server.post("/v1/decisions", json=asked)
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
        leave.set()
        asker.join(60)
        statuses.append(server.post("/v1/decisions", json=asked).status_code)
    assert statuses == [200, 200]


def test_one_pass_at_a_time() -> None:
    """A pass ends once all who are left wait for their turn, or another is inside; the last one ends."""
    app = application(Mock(hashed), identity(Mock(hashed)))
    inside: list[int] = []
    most: list[int] = []

    class Slow(Mock):
        def score(self, prompts: Sequence[Prompt]) -> list[Choice]:
            inside.append(1)
            most.append(len(inside))
            left, serving = 5 - len(most), app.state.serving
            wait_for(
                lambda: (
                    len(inside) > 1 or len(most) == 4 or (serving.turn.locked() and serving.waiting == left)
                )
            )
            inside.pop()
            return super().score(prompts)

    app.state.serving.model = Slow(hashed)
    asked, statuses = decisions(choice("x", "y")), []
    with TestClient(app, base_url=HERE) as server:

        def ask() -> None:
            statuses.append(server.post("/v1/decisions", json=asked).status_code)

        askers = [threading.Thread(target=ask) for _ in range(4)]
        for asker in askers:
            asker.start()
        for asker in askers:
            asker.join(60)
    assert statuses == [200] * 4
    assert most == [1] * 4


# --- the certificate --------------------------------------------------------------------------------


def test_a_certificate_of_this_model_is_told_and_another_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from homines.certificates import certificate as certificates

    monkeypatch.setattr(certificates, "check_schema", lambda raw, name: None)
    for name, revision in (("mock", "mock-1"), ("mock", "mock-0"), ("other", "mock-1")):
        facts = {"model": {"name": name, "revision": revision}, "records": []}
        path = tmp_path / f"{name}-{revision}.json"
        path.write_text(json.dumps(dict(seal(facts).facts)))
        if (name, revision) == ("mock", "mock-1"):
            assert identity(Mock(hashed), path)["certificate"] == json.loads(path.read_text())["sha256"]
            continue
        with pytest.raises(HominesError, match="this model's own certificate"):
            identity(Mock(hashed), path)
    with pytest.raises(HominesError, match="cannot read"):
        identity(Mock(hashed), tmp_path / "none.json")
