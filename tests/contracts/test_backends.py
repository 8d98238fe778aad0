"""Every back-end answers by the same contract, beside the exact reading of the same network in process.

Exact and log-probability answers agree within 1e-3 (of the latter, past what it says it does not know);
counted ones lie within an interval of level 1 - 1e-6. With under 500 such checks a false alarm comes in less
than one run of 1,000; only those of `transformers serve` are drawn anew each run.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest

from homines.core.registry import find
from homines.core.run_folder import RunFolder
from homines.core.types import Choice, Decision, HominesError, Interrupted, Prompt, Record
from homines.elicitation.asking import measure
from homines.elicitation.metrics import answered_records
from homines.elicitation.questions import Question, battery, questions
from homines.inference.api_options import ApiOptions
from homines.inference.reasoning import ReasoningOptions
from homines.models import load
from homines.models.hf import HuggingFace
from homines.models.inspect import Inspect
from tests.helpers.serve import KEY, Fault, Server, serve
from tests.helpers.tiny import willing

WORDS = "12été日本"
FALSE_ALARM = 1e-6
WALKED, COUNTED = (
    "openai-api/tests/tiny(read=logprobs, walks=8)",
    "openai-api/tests/tiny(samples=40, read=samples)",
)


def ask(text: str, *labels: str) -> Prompt:
    return Prompt((("user", text),), labels)


@pytest.fixture(scope="module")
def net(tokenizer: Any) -> HuggingFace:
    """A tiny network that often says 1, 2 and what is made of them."""
    return HuggingFace(
        willing(tokenizer, WORDS, seed=7), tokenizer, name="tiny", provenance={"revision": "t"}
    )


@pytest.fixture(scope="module")
def server(net: HuggingFace) -> Iterator[Server]:
    with serve(net) as running:
        yield running


@pytest.fixture(autouse=True)
def environment(
    server: Server,
    net: HuggingFace,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path_factory.getbasetemp() / "tokenizer"
    net.tokenizer.save_pretrained(folder)
    monkeypatch.setenv("SGLANG_TOKENIZER", str(folder))
    for name, value in addresses(server).items():
        monkeypatch.setenv(name, value)


def addresses(server: Server) -> dict[str, str]:
    keys = {f"{name}_API_KEY": server.key for name in ("TESTS", "VLLM", "SGLANG", "LLAMACPP", "DECISIONS")}
    urls = {f"{name}_BASE_URL": server.url for name in ("VLLM", "SGLANG", "LLAMACPP", "DECISIONS")}
    return {"TESTS_BASE_URL": f"{server.url}/v1", **keys, **urls}


def mock(net: HuggingFace, server: Server) -> Inspect:
    """inspect-ai's mock, which says what the network would."""
    import torch
    from inspect_ai.model import get_model

    def say(messages: Any, tools: Any, choice: Any, config: Any) -> Any:
        ids = server.tokens([{"role": m.role, "content": m.text} for m in messages], True, {})
        drawn = torch.Generator().manual_seed(config.seed)
        told = server.draw(ids, {"max_tokens": config.max_tokens, "temperature": 1.0}, drawn, 0)
        reason = "stop" if told["finish_reason"] == "stop" else "max_tokens"
        return spoken(told["message"]["content"], reason)

    return Inspect(
        get_model("mockllm/model", custom_outputs=say), ApiOptions(samples=40), name="mockllm/model"
    )


def spoken(text: str, reason: Any = "stop") -> Any:
    """An answer of inspect-ai's mock; with its usage, which it else counts by a table it fetches."""
    from inspect_ai.model import ModelOutput, ModelUsage

    made = ModelOutput.from_content("mockllm", text, stop_reason=reason)
    made.usage = ModelUsage(input_tokens=1, output_tokens=len(text), total_tokens=1 + len(text))
    return made


@pytest.fixture(scope="module")
def served(net: HuggingFace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The network behind `transformers serve`: its folder and address."""
    folder = tmp_path_factory.mktemp("served") / "tiny"
    net.net.save_pretrained(folder)
    net.tokenizer.save_pretrained(folder)
    with transformers_serve(folder) as address:
        yield str(folder), address


class transformers_serve:  # noqa: N801 (used as a function)
    """`transformers serve FOLDER` on loopback, as a process of its own, while the block runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> str:
        # Without it the server answers greedily at any temperature.
        (self.folder / "generation_config.json").write_text(
            json.dumps({"do_sample": True, "top_k": 0, "top_p": 1.0, "eos_token_id": 2, "pad_token_id": 2})
        )
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = "from transformers.cli.transformers import main; main()"
        options = ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
        self.log = open(self.folder / "serve.log", "wb")
        self.process = subprocess.Popen(
            [sys.executable, "-c", command, "serve", str(self.folder), *options],
            stdout=self.log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
        )
        while self.process.poll() is None:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                    return f"http://127.0.0.1:{port}/v1"
            except OSError:
                time.sleep(0.2)  # nothing tells when another process listens
        self.__exit__()
        raise AssertionError((self.folder / "serve.log").read_text()[-3000:])

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()


BACKENDS = (
    "in process",
    "vllm",
    "vllm adapter",
    "sglang",
    "sglang adapter",
    "llamacpp",
    "llamacpp adapter",
    "log-probabilities",
    "samples",
    "mockllm",
    "decisions",
    "system one",
    pytest.param("transformers serve", marks=pytest.mark.system),
)


@pytest.fixture(scope="module")
def backends(net: HuggingFace, server: Server) -> Iterator[dict[str, Any]]:
    made: dict[str, Any] = {}
    yield made
    for model in made.values():
        if hasattr(model, "close"):
            model.close()


@pytest.fixture(params=BACKENDS)
def model(
    request: pytest.FixtureRequest,
    backends: dict[str, Any],
    net: HuggingFace,
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
) -> Any:
    name = str(request.param)
    if name not in backends:
        if name == "transformers serve":
            folder, address = request.getfixturevalue("served")
            monkeypatch.setenv("TESTS_BASE_URL", address)
            backends[name] = load(f"openai-api/tests/{folder}(samples=40, connections=4)")
        else:
            makers: dict[str, Callable[[], Any]] = {
                "in process": lambda: net,
                "vllm": lambda: load("vllm/tiny"),
                "vllm adapter": lambda: load("vllm/tiny+adapter"),
                "sglang": lambda: load("sglang/tiny"),
                "sglang adapter": lambda: load("sglang/tiny+adapter"),
                "llamacpp": lambda: load("llamacpp/tiny"),
                "llamacpp adapter": lambda: load("llamacpp/tiny+adapter.gguf"),
                "log-probabilities": lambda: load(WALKED),
                "samples": lambda: load(COUNTED),
                "mockllm": lambda: mock(net, server),
                "decisions": lambda: load("decisions/tiny"),
                "system one": lambda: load("decisions/tiny(shape=systemone)"),
            }
            backends[name] = makers[name]()
    return backends[name]


def agrees(model: Any, prompt: Prompt, told: Choice, exact: Choice) -> None:
    """This answer is that of the network, as near as its kind can be."""
    beside = model.notes(prompt) if hasattr(model, "notes") else {}
    want, got = exact.p * exact.mass, told.p * told.mass
    assert np.isclose(told.p.sum(), 1)
    assert 0 <= told.mass <= 1
    if told.n is not None:
        assert told.n >= 40
        for p, q in (*zip(want, got, strict=True), (exact.mass, told.mass)):
            k = round(q * told.n)
            assert abs(k - q * told.n) < 1e-6, "a share of answers that are whole"
            assert binomtest(k, told.n, min(1.0, p)).pvalue > FALSE_ALARM, (p, q, told.n)
        assert sum(beside["illegal"].values()) <= told.n - round(told.mass * told.n)
        return
    assert np.abs(want - got).max() <= 1e-3 + beside.get("truncation", 0.0), (want, got, beside)
    for p, (low, high) in zip(want, beside.get("bounds", []), strict=False):
        assert low - 1e-3 <= p <= high + 1e-3


ORDERED = [ask(f"Round {i}: 1 or 2?", *labels) for i in range(2) for labels in (("1", "2"), ("2", "1"))]
BEGINS_ALIKE = [ask("Which number?", "1", "12"), ask("Which number?", "12", "1", "121")]
UNICODE = [ask("Quand ?", "été", "日本"), ask("Quand ?", "1", "é", "été")]


@pytest.mark.parametrize("prompts", [ORDERED, BEGINS_ALIKE, UNICODE], ids=["order", "terminators", "unicode"])
def test_labels_in_any_order_of_one_beginning_and_of_any_script(
    model: Any, net: HuggingFace, prompts: list[Prompt]
) -> None:
    if model is net:
        pytest.skip("compared with itself")
    for prompt, told, exact in zip(prompts, model.score(prompts), net.score(prompts), strict=True):
        agrees(model, prompt, told, exact)


BEGUN = [Prompt((("user", "Which number?"),), ("1", "12"), begins=words) for words in ("Answer:", "I say")]


def test_an_answer_begun_is_continued_or_refused_before_the_first_call(
    model: Any, net: HuggingFace, server: Server, tmp_path: Path
) -> None:
    exact = net.score(BEGUN)
    assert exact[0].mass != exact[1].mass
    if getattr(model, "continues", False):
        for prompt, told, want in zip(BEGUN, model.score(BEGUN), exact, strict=True):
            agrees(model, prompt, told, want)
        return
    frame, called = find("frames", "table(begins='Answer:')"), server.asked.total()
    with pytest.raises(HominesError, match=r"cannot continue .* begins .Answer:.: .*smollm2, .*hf/"):
        questions(model, {"ipd": battery(find("games", "ipd"))}, [frame])
    with pytest.raises(HominesError, match="cannot continue"):
        model.score(BEGUN)
    assert server.asked.total() == called


def test_the_network_has_something_to_agree_on(net: HuggingFace) -> None:
    """Were all of it illegal, any back-end would agree."""
    ordered, alike, script = (net.score(prompts) for prompts in (ORDERED, BEGINS_ALIKE, UNICODE))
    assert min(c.mass for c in ordered) > 0.02
    assert np.abs(ordered[0].p[0] - ordered[1].p[1]) < 1e-5
    assert alike[0].p.min() > 0.02
    assert max(c.mass for c in script) > 1e-3


def test_a_refusal_is_illegal_and_no_answer(model: Any, net: HuggingFace) -> None:
    prompt = ask("Left or right?", "left", "right")
    record = Record(find("games", "ipd").due(())[0], "table", (), prompt.labels, model.name)
    (told,) = measure(model, [Question(record, prompt)])
    assert told.error is None
    assert told.choice is not None
    assert told.choice.mass <= 0.01
    assert told.choice.mass > 0 or not answered_records([told])


def test_many_at_once_are_answered_each_its_own(model: Any, net: HuggingFace) -> None:
    if model is net:
        pytest.skip("compared with itself")
    n = 6 if "/served" in model.name else 12
    prompts = [ask(f"{'x' * (i % 5)} number {i}?", "1", "2") for i in range(n)]
    exact = net.score(prompts)
    assert np.ptp([c.mass * c.p[0] for c in exact]) > 0.01  # else a mix-up would not show
    for prompt, told, right in zip(prompts, model.score(prompts), exact, strict=True):
        agrees(model, prompt, told, right)


def test_what_does_not_fit_the_context_costs_itself_alone(model: Any, net: HuggingFace) -> None:
    if model.name == "mockllm/model" or "/served" in model.name:
        pytest.skip("this server reads on past what the network was trained for")
    long = ask("word " * net.window, "1", "2")
    decision = find("games", "ipd").due(())[0]
    asked = [
        Question(Record(decision, frame, (), p.labels, model.name, frame), p)
        for frame, p in (("a", ORDERED[0]), ("b", long), ("c", ORDERED[1]))
    ]
    first, failed, last = measure(model, asked)
    assert failed.choice is None
    assert "context" in str(failed.error)
    assert first.choice is not None is not last.choice


def table(model: Any) -> list[Question]:
    return questions(model, {"ipd": battery(find("games", "ipd"))}, [find("frames", "table(labels='1,2')")])


def test_a_stop_between_batches_keeps_what_is_answered(model: Any, tmp_path: Path) -> None:
    if hasattr(model, "stream"):
        pytest.skip("it has no batches; tests/inference/test_faults.py stops it in mid call")
    asked = table(model)[:4]
    with RunFolder(tmp_path / "run", {"model": model.name}) as run:
        with pytest.raises(Interrupted):
            measure(model, asked, run, batch=2, stop=lambda: bool(run.records))
        assert len(run.records) == 2
        before = {r.key: r.choice for r in run.records}
        done = measure(model, asked, run, batch=2)
        assert [r.error for r in done] == [None] * 4
        assert all(r.choice is before[r.key] for r in done[:2])


# --- behind an API -----------------------------------------------------------------------------


@pytest.fixture
def remote(backends: dict[str, Any]) -> Any:
    if "log-probabilities" not in backends:
        backends["log-probabilities"] = load(WALKED)
    return backends["log-probabilities"]


def test_ctrl_c_in_mid_call_leaves_the_records(server: Server, tmp_path: Path) -> None:
    remote: Any = load("openai-api/tests/tiny(read=logprobs, walks=1, connections=1)")
    asked = table(remote)[:6]
    with RunFolder(tmp_path / "run", {}) as run:

        def interrupt(path: str, body: dict[str, Any]) -> None:
            if run.records:
                server.before = lambda path, body: None
                os.kill(os.getpid(), signal.SIGINT)

        server.before = interrupt
        with pytest.raises(KeyboardInterrupt):
            measure(remote, asked, run)
        assert 0 < len(run.records) < 6
        assert {r.error for r in measure(remote, asked, run)} == {None}
    remote.close()


def test_it_answers_inside_a_running_loop_as_outside(remote: Any) -> None:
    async def inside() -> list[Choice]:
        return remote.score(ORDERED)

    outside = remote.score(ORDERED)
    for one, two in zip(asyncio.run(inside()), outside, strict=True):
        assert np.array_equal(one.logp, two.logp)  # the seeds are the prompts' own


def test_one_failed_call_is_one_record_and_nothing_is_asked_twice(remote: Any, server: Server) -> None:
    bad = table(remote)[1].prompt.text

    def refuse(path: str, body: dict[str, Any]) -> None:
        from tests.helpers.serve import Refusal

        if body["messages"][0]["content"] == bad:
            raise Refusal(400, f"no, by {server.key}")

    asked = table(remote)[:4]
    remote.ready()  # its trial is no call of these
    server.before, before = refuse, server.asked["/v1/chat/completions"]
    try:
        told = measure(remote, asked)
    finally:
        server.before = lambda path, body: None
    assert [r.error is not None for r in told] == [False, True, False, False]
    assert "no, by [TESTS_API_KEY]" in str(told[1].error)
    calls = sum(r.provenance["used"]["calls"] for r in told if r.choice is not None)
    assert server.asked["/v1/chat/completions"] - before == calls + 1


def test_the_reading_follows_what_the_provider_gives(
    net: HuggingFace, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds: list[tuple[dict[str, Any], tuple[int, bool]]] = [
        ({}, (20, True)),
        ({"most_top": 5, "many": False}, (5, False)),
        ({"most_top": 0}, (0, True)),
    ]
    for how, gives in kinds:
        with serve(net, **how) as other:
            monkeypatch.setenv("TESTS_BASE_URL", f"{other.url}/v1")
            model: Any = load("openai-api/tests/tiny(samples=5)")
            (choice,) = model.score(ORDERED[:1])
            assert model.features[:2] == gives
            assert (choice.n is None) == (gives[0] > 0)
            model.close()
            if not gives[0]:
                asking: Any = load("openai-api/tests/tiny(read=logprobs)")
                with pytest.raises(
                    HominesError, match="gives no log-probabilities, which read=logprobs asks"
                ):
                    measure(asking, table(asking))
                asking.close()


def test_log_probabilities_that_are_not_of_the_answer_are_not_read(
    net: HuggingFace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A router may pass a call to a provider that gives none; a reasoning model's are of its thinking too."""
    (exact,) = net.score(ORDERED[:1])
    gave = iter([True])  # at the trial alone
    thought = {"token": "<think>hm</think>", "bytes": None, "logprob": -0.1, "top_logprobs": []}
    ways: list[dict[str, Any]] = [
        {"tells": lambda: next(gave, False)},
        {"thinks": lambda told: [thought, *told]},
    ]
    for how in ways:
        with serve(net, **how) as other:
            monkeypatch.setenv("TESTS_BASE_URL", f"{other.url}/v1")
            model: Any = load("openai-api/tests/tiny(samples=40)")
            (told,) = model.score(ORDERED[:1])
            assert model.features.top > 0
            assert told.n == 40
            agrees(model, ORDERED[0], told, exact)
            model.close()


@pytest.mark.timeout(500)  # without its own second the client waits 600
def test_a_hung_first_call_ends_in_its_time_and_at_a_stop(
    net: HuggingFace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hang(path: str, body: dict[str, Any]) -> None:
        raise Fault("hung")

    with serve(net, before=hang) as other:
        monkeypatch.setenv("TESTS_BASE_URL", f"{other.url}/v1")
        model: Any = load("openai-api/tests/tiny(seconds=1, retries=0, read=samples)")
        with pytest.raises(HominesError, match="does the server run"):
            model.ready()
        with pytest.raises(Interrupted, match="stopped"):
            model.ready(lambda: True)
        model.close()


def test_empty_answers_are_illegal() -> None:
    from inspect_ai.model import get_model

    silent = get_model("mockllm/model", custom_outputs=lambda *_: spoken(""))
    model = Inspect(silent, ApiOptions(samples=4), name="mockllm/model")
    (choice,) = model.score(ORDERED[:1])
    assert (choice.mass, choice.n) == (0.0, 4)
    assert model.notes(ORDERED[0])["illegal"] == {"": 4}


def test_it_thinks_aloud_and_writes() -> None:
    from inspect_ai.model import get_model

    texts = ("2 and 2 are 4. Answer: 1", "Answer: 2", "I cannot say.", "so Answer:1.")
    said = iter([texts[1], *texts, *texts])
    mouth = get_model("mockllm/model", custom_outputs=map(spoken, said))
    model = Inspect(mouth, ApiOptions(samples=1), name="mockllm/model")
    model.reasoning = ReasoningOptions(4, 1.0)
    prompt = Prompt((("user", "Think, then 1 or 2?"),), ("1", "2"), "Answer:")
    (choice,) = model.score([prompt])
    assert (choice.n, choice.mass) == (4, 0.75)
    assert choice.p == pytest.approx([2 / 3, 1 / 3])
    beside = model.notes(prompt)
    assert sorted(beside["counted"]) == [-1, 0, 0, 1]
    assert beside["read"] == {"exact": 2, "stripped": 1, "none": 1}
    assert beside["illegal"] == {"I cannot say.": 1}
    assert sum(reason is None for reason in beside["reasons"]) == 1
    assert sorted(map(str, model.write([prompt] * 4, ReasoningOptions(1, 1.0)))) == sorted(texts)


def test_bad_models_are_told_before_the_first_question(
    monkeypatch: pytest.MonkeyPatch, server: Server, tmp_path: Path
) -> None:
    for spec, message in [
        ("inspect/nope/x", "no provider 'nope'"),
        ("openai-api/tests/tiny(read=guess)", "read is 'guess'; it must be one of auto, logprobs, samples"),
        ("openai-api/tests/tiny(draws=3)", "no parameter 'draws'; its parameters are: read="),
        ("openai-api/tests/tiny+adapter", "takes no adapter"),
        ("openai-api/nowhere/x", "NOWHERE_API_KEY"),
        ("groq/x", "pip install groq"),
        ("vllm/other", "serves no 'other'; it serves tiny, adapter"),
        ("vllm/tiny+none", "serves no 'none'"),
        ("sglang/other", "serves no 'other'"),
        ("sglang/tiny+a+b", "takes one served adapter"),
        ("llamacpp/other", "serves no 'other'"),
        ("llamacpp/tiny+none", "serves no 'none'; it serves adapter.gguf"),
        ("open-ai/x", "no model called 'open-ai/x'.*openai/, anthropic/"),
    ]:
        with pytest.raises(HominesError, match=message):
            load(spec)
    with pytest.raises(HominesError, match="--device cuda bears on nothing"):
        load("openai-api/tests/tiny", device="cuda")
    with RunFolder(tmp_path / "run", {}) as run:
        for name, value, message in [
            ("TESTS_API_KEY", "wrong-key-of-mine", "the key was refused"),
            ("TESTS_BASE_URL", "http://127.0.0.1:9/v1", "does the server run"),
        ]:
            with monkeypatch.context() as other:
                other.setenv(name, value)
                model: Any = load("openai-api/tests/tiny")
                with pytest.raises(HominesError, match=message) as told:
                    measure(model, table(model), run)
                model.close()
                assert "wrong-key-of-mine" not in str(told.value)
        model = load("openai-api/tests/huge")
        with pytest.raises(HominesError, match=r"does not exist.*is the model's name right"):
            measure(model, table(model), run)
        model.close()
        assert run.records == []


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "inspect_ai.model", None)
    with pytest.raises(HominesError, match=r"pip install 'homines\[api\]'"):
        load("openai/gpt-4o")


@pytest.mark.system
def test_smollm2_behind_transformers_serve(
    smollm2: HuggingFace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The embedded model itself, sampled behind a real server and exact in process."""
    from homines.models.catalogue import cache_folder

    folder = tmp_path / "smollm2"
    folder.mkdir()
    for file in (cache_folder() / "smollm2").iterdir():
        if file.name != "generation_config.json":
            (folder / file.name).symlink_to(file)
    prompt = ask("Which is larger, 3 or 7? Answer with one digit.", "3", "7")
    (exact,) = smollm2.score([prompt])
    with transformers_serve(folder) as address:
        monkeypatch.setenv("TESTS_BASE_URL", address)
        model: Any = load(f"openai-api/tests/{folder}(samples=40, connections=2)")
        (told,) = model.score([prompt])
        agrees(model, prompt, told, exact)
        assert model.features[:2] == (0, False)
        model.close()


def test_smollm2_by_log_probabilities_of_each_server(
    smollm2: HuggingFace, monkeypatch: pytest.MonkeyPatch
) -> None:
    from homines.models.catalogue import cache_folder

    prompt = ask("Which is larger, 3 or 7? Answer with one digit.", "3", "7")
    (exact,) = smollm2.score([prompt])
    with serve(smollm2, name="smollm2") as other:
        for name, value in addresses(other).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("SGLANG_TOKENIZER", str(cache_folder() / "smollm2"))
        served = (f"{kind}/smollm2" for kind in ("vllm", "sglang", "llamacpp"))
        for spec in ("openai-api/tests/smollm2(walks=2)", *served):
            model: Any = load(spec)
            (told,) = model.score([prompt])
            agrees(model, prompt, told, exact)
            model.close()


def test_the_key_of_the_test_server_is_needed(server: Server) -> None:
    """Else the checks of keys above would pass with any."""
    assert server.key == KEY
    with pytest.raises(urllib.error.HTTPError, match="401"):  # noqa: SIM117
        with urllib.request.urlopen(f"{server.url}/v1/models"):
            pass
    assert isinstance(find("games", "ipd").due(())[0], Decision)
