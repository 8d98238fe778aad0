"""Models on servers of vLLM, SGLang and llama.cpp, whose protocols tests/helpers/protocols.py enforces.

One answer whatever the version, the order of questions and the cache; a prompt read once; nothing invented.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from homines.core.types import Choice, HominesError, Prompt
from homines.inference.impossible import Impossible
from homines.inference.served import label_trie
from homines.inference.tokens import Encoded, encode
from homines.models import load
from homines.models.hf import HuggingFace
from homines.training import student
from homines.training.settings import AlignmentPlan
from tests.helpers.protocols import Engine, vllm
from tests.helpers.serve import Server, serve
from tests.helpers.tiny import willing

SPECS = ("vllm/tiny", "sglang/tiny", "llamacpp/tiny")
LETTERS = tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
AMOUNTS = tuple(str(i) for i in range(41))


def ask(text: str, *labels: str) -> Prompt:
    return Prompt((("user", text),), labels)


PAIRS = (("1", "2"), ("2", "12"))
PROMPTS = [
    ask(f"Round {i}: one or the other?", *labels) for i in range(3) for labels in (("1", "2"), ("2", "12"))
]
MENUS = [ask("How much?", *AMOUNTS), ask("Which letter?", *LETTERS)]


@pytest.fixture(scope="module")
def net(tokenizer: Any) -> HuggingFace:
    return HuggingFace(willing(tokenizer, "12", seed=3), tokenizer, name="tiny", provenance={"revision": "t"})


@pytest.fixture(scope="module")
def exact(net: HuggingFace) -> list[Choice]:
    return net.score([*PROMPTS, *MENUS])


Serve = Callable[..., Any]


@pytest.fixture
def served(net: HuggingFace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Serve:
    """Run a server with these settings and load a model on it: (server, model)."""
    net.tokenizer.save_pretrained(tmp_path)
    monkeypatch.setenv("SGLANG_TOKENIZER", str(tmp_path))

    @contextmanager
    def running(spec: str, **how: Any) -> Iterator[tuple[Server, Any]]:
        with serve(net, **how) as server:
            for name in ("VLLM", "SGLANG", "LLAMACPP"):
                monkeypatch.setenv(f"{name}_BASE_URL", server.url)
                monkeypatch.setenv(f"{name}_API_KEY", server.key)
            model: Any = load(spec)
            yield server, model
            model.close()

    return running


def agree(told: list[Choice], right: list[Choice], within: float) -> None:
    for one, two in zip(told, right, strict=True):
        assert one.n is None
        assert np.abs(one.p * one.mass - two.p * two.mass).max() < within


# --- exact, in any version -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "engine"),
    [
        *((spec, {}) for spec in SPECS),
        ("vllm/tiny", {"names": False, "strict": False}),
        ("vllm/tiny", {"names": False}),
        ("vllm/tiny", {"mode": "processed"}),
    ],
    ids=[*SPECS, "older, which ignores names", "older, which refuses them", "processed, unrestricted"],
)
def test_labels_and_long_menus_are_read_exactly(
    spec: str, engine: dict[str, Any], served: Serve, exact: list[Choice]
) -> None:
    with served(spec, engine=Engine(**engine)) as (_, model):
        agree(model.score([*PROMPTS, *MENUS]), exact, 1e-3)
        assert model.notes(MENUS[0]) == {
            "reading": "forced tokens" if spec == "llamacpp/tiny" else "named logprobs"
        }


def test_log_probabilities_after_a_restriction_are_refused_with_the_flag(served: Serve) -> None:
    with served("vllm/tiny", engine=Engine(names=False, strict=False, mode="processed")) as (_, model):
        (failure,) = model.answers(MENUS[1:])
    assert isinstance(failure, HominesError)
    assert "--logprobs-mode raw_logprobs" in str(failure)
    assert str(failure).count("; ") == 1  # no status, no list of causes: a sentence


def test_a_trie_names_the_tokens_after_each_beginning_once() -> None:
    trie = label_trie(Encoded((7, 8), ((1, 0), (1, 2, 0), (3, 0))))
    assert {at: (node.ids, node.tokens) for at, node in trie.items()} == {
        (): ((7, 8), (1, 3)),
        (1,): ((7, 8, 1), (0, 2)),
        (1, 2): ((7, 8, 1, 2), (0,)),
        (3,): ((7, 8, 3), (0,)),
    }


# --- caches --------------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", SPECS)
def test_answers_do_not_depend_on_what_was_asked_before(spec: str, served: Serve) -> None:
    bodies: list[dict[str, Any]] = []
    with served(spec, before=lambda path, body: bodies.append(body)) as (_, model):
        forth = model.score(PROMPTS)
        back = model.score(PROMPTS[::-1])[::-1]
    for one, two in zip(forth, back, strict=True):
        assert np.array_equal(one.logp, two.logp)
        assert one.mass == two.mass
    assert not any("prompt_logprobs" in body for body in bodies)
    assert {body["logprob_start_len"] for body in bodies if "input_ids" in body} <= {-1}


def test_the_order_effects_are_there_to_be_met(served: Serve, net: HuggingFace) -> None:
    """Else the test above would pass with any client."""
    with served("vllm/tiny") as (server, _):
        rows = [list(item.prompt) for item in encode(net.tokenizer, PROMPTS[:3:2])]

        def prompt_logprobs(engine: Engine, ids: list[int]) -> Any:
            body = {"model": "tiny", "prompt": [ids], "max_tokens": 1, "logprobs": 1, "prompt_logprobs": 1}
            return vllm(server, engine, body, server.completion)["choices"][0]["prompt_logprobs"]

        alone, engine = prompt_logprobs(Engine(), rows[1]), Engine()
        prompt_logprobs(engine, rows[1][:20] + rows[0])
        assert prompt_logprobs(engine, rows[1]) != alone
    with served("llamacpp/tiny") as (server, _):
        body = {"prompt": rows[0], "n_predict": 1, "n_probs": 1, "temperature": 0.0}
        first, second = (server.llama(body)["completion_probabilities"][0]["logprob"] for _ in range(2))
        assert first != second


@pytest.mark.parametrize("spec", SPECS)
def test_a_prompt_is_read_once(spec: str, served: Serve, net: HuggingFace) -> None:
    long = [ask("word " * 100 + str(i), "1", "2", "12", "121") for i in range(3)]
    items = encode(net.tokenizer, long)
    nodes = sum(len(label_trie(item)) for item in items)
    requests: list[list[list[int]]] = []

    def count(path: str, body: dict[str, Any]) -> None:
        if path in ("/v1/completions", "/generate"):
            requests.append(body["prompt" if "prompt" in body else "input_ids"])

    with served(spec, before=count) as (server, model):
        model.score(long)
        if requests:  # the first caches the prompts for the others
            assert requests[0] == [list(item.prompt) for item in items]
        assert server.engine.read <= sum(len(item.prompt) for item in items) + nodes * 2 * server.engine.block


# --- what a server may lack, and refuse ------------------------------------------------------------


def test_an_adapter_is_asked_for_in_the_words_of_its_server(served: Serve) -> None:
    for spec, field, value in (
        ("vllm/tiny+adapter", "model", "adapter"),
        ("sglang/tiny+adapter", "lora_path", "adapter"),
        ("llamacpp/tiny+adapter.gguf", "lora", [{"id": 0, "scale": 1.0}]),
        ("llamacpp/tiny", "lora", []),
    ):
        bodies: list[dict[str, Any]] = []
        with served(spec, before=lambda path, body, to=bodies: to.append(body)) as (_, model):
            model.score(PROMPTS[:1])
        asked = [b for b in bodies if {"prompt", "input_ids"} & set(b) and "add_special_tokens" not in b]
        assert asked
        assert all(body[field] == value for body in asked)


def test_an_end_of_turn_in_plain_text_is_refused(served: Serve) -> None:
    def foreign(path: str, body: dict[str, Any], reply: Any) -> Any:
        if path != "/apply-template":
            return reply
        return {"prompt": reply["prompt"].replace("<|im_end|>", "<end>")}

    with served("llamacpp/tiny", spoil=foreign) as (_, model):
        (failure,) = model.answers(PROMPTS[:1])
    assert "no token of it" in str(failure)
    assert "--chat-template-file" in str(failure)


def test_a_tokenizer_without_a_template_is_refused(
    served: Serve, net: HuggingFace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served("sglang/tiny") as _:
        (tmp_path / "chat_template.jinja").unlink()
        with pytest.raises(HominesError, match=r"no chat template.*SGLANG_TOKENIZER"):
            load("sglang/tiny")
        monkeypatch.setenv("SGLANG_TOKENIZER", str(tmp_path / "nowhere"))
        with pytest.raises(HominesError, match="no tokenizer in"):
            load("sglang/tiny")


def position(path: str, reply: Any) -> list[Any]:
    """The place of the second label's log-probability in a reply: a list or object, and its key."""
    if path == "/generate":
        return [[meta["output_token_ids_logprobs"][0][1], 0] for meta in (one["meta_info"] for one in reply)]
    return [[step["top_logprobs"][1], "logprob"] for step in reply.get("completion_probabilities", ())]


@pytest.mark.parametrize("spec", SPECS[1:])
@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (0.5, "positive"),
        (math.nan, "nan"),
        ("-1", "text"),
        (True, "boolean"),
        (None, "null"),
        ([-1], "other"),
    ],
)
def test_an_impossible_log_probability_is_told_as_what_it_is(
    spec: str, value: Any, kind: str, served: Serve
) -> None:
    def spoil(path: str, body: dict[str, Any], reply: Any) -> Any:
        if path in ("/generate", "/completion"):
            for place, key in position(path, reply):
                place[key] = value
        return reply

    with served(spec, spoil=spoil) as (_, model):
        (failure,) = model.answers(PROMPTS[:1])
    assert isinstance(failure, Impossible)
    assert failure.kind.value == kind


@pytest.mark.parametrize("spec", SPECS[1:])
@pytest.mark.parametrize(
    "reply", [{"error": "busy"}, [], {}, [{"meta_info": {}}], {"completion_probabilities": []}]
)
def test_a_reply_in_another_form_is_no_answer(spec: str, reply: Any, served: Serve) -> None:
    def spoil(path: str, body: dict[str, Any], told: Any) -> Any:
        return reply if path in ("/generate", "/completion") else told

    with served(spec, spoil=spoil) as (_, model):
        (failure,) = model.answers(PROMPTS[:1])
    assert isinstance(failure, HominesError)
    assert "127.0.0.1" in str(failure)


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("reply", [{}, {"hello": 1}, {"tokens": None}])
def test_a_server_of_other_software_is_told_in_a_sentence(spec: str, reply: Any, served: Serve) -> None:
    def spoil(path: str, body: dict[str, Any], told: Any) -> Any:
        return told if path == "/v1/models" else reply

    def first_failure() -> Any:
        with served(spec, spoil=spoil) as (_, model):
            return model.answers(PROMPTS[:1])[0]

    try:  # llama.cpp's properties are read when it is loaded, vLLM's tokens with the first question
        failure = first_failure()
    except HominesError as at_once:
        failure = at_once
    assert "is no server of" in str(failure)


@pytest.mark.parametrize("kind", ["vllm", "sglang", "llamacpp"])
def test_a_served_model_needs_a_name(kind: str) -> None:
    for spec in (f"{kind}/", kind):
        with pytest.raises(HominesError, match="needs the name of a model"):
            load(spec)


def test_a_model_on_a_server_is_not_trained_and_not_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(student, "load", pytest.fail)
    with pytest.raises(HominesError, match="cannot be trained here"):
        student.load_student(AlignmentPlan(model="llamacpp/x.gguf", preference="economicus"))
