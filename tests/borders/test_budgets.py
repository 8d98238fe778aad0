"""A budget holds by the server's own count: through retries, false usage, kill -9 and the next commands."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from inspect_ai.model import GenerateConfig

from homines.core.registry import find
from homines.core.run_folder import RunFolder
from homines.core.types import HominesError, Interrupted
from homines.elicitation.asking import measure
from homines.elicitation.questions import Question, battery, questions
from homines.inference.api_budget import METER, Budget, Meter, Price, Size
from homines.inference.api_calls import LONGEST_PAUSE, CallFailed, _pause, call, wait
from homines.models.hf import HuggingFace
from tests.helpers.serve import Fault, Refusal, Server, serve
from tests.helpers.tiny import willing

MOST = 20_000
KILLED = 30_000
SPEC = "openai-api/tests/tiny(read=samples, samples=1, tokens=16, seconds=15, retries=6)"


class Count:
    """Tokens that the server read and wrote, whatever it tells: what a provider would charge for. A request
    that it refuses costs nothing; a reply that it spoils costs all the same."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.tokens = 0
        self.lock = threading.Lock()
        draw = server.draw

        def counted(*how: Any) -> dict[str, Any]:
            choice = draw(*how)
            with self.lock:
                self.tokens += choice["made"]
            return choice

        server.draw = counted  # type: ignore[method-assign]

    def __call__(self, path: str, body: dict[str, Any]) -> None:
        with self.lock:
            self.tokens += len(self.server.tokens(body["messages"], True, {}))


@pytest.fixture(scope="module")
def net(tokenizer: Any) -> HuggingFace:
    return HuggingFace(willing(tokenizer, "12"), tokenizer, name="tiny", provenance={"revision": "t"})


@pytest.fixture
def server(net: HuggingFace, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with serve(net) as running:
        monkeypatch.setenv("TESTS_API_KEY", running.key)
        monkeypatch.setenv("TESTS_BASE_URL", f"{running.url}/v1")
        yield running


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("used", Counter()), ("dollars", 0.0), ("budget", Budget())):
        monkeypatch.setattr(METER, name, value)
    for name in ("before", "counts", "excess"):
        if hasattr(METER, name):
            monkeypatch.setattr(METER, name, type(getattr(METER, name))())


def asked(model: Any, memory: int = 4) -> list[Question]:
    game = find("games", "ipd")
    return questions(model, {"ipd": battery(game, memory)}, [find("frames", f"bare(memory={memory})")])


@pytest.fixture
def spent(server: Server) -> Count:
    return Count(server)


def test_replies_that_are_paid_for_and_lost_stand_in_the_budget(
    opened: Callable[[str], Any],
    server: Server,
    spent: Count,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Four of five replies are no answers, each is made again: without room asked for first it would end far
    beyond."""
    turn = iter(range(10**9))

    def before(path: str, body: dict[str, Any]) -> None:
        spent(path, body)
        if (n := next(turn)) > 0 and n % 5:
            raise Fault(("garbled", "half", "other")[n % 3])

    server.before = before
    monkeypatch.setattr(METER, "budget", Budget(tokens=MOST))
    model = opened(SPEC)
    monkeypatch.setattr("homines.inference.api_calls.LONGEST_PAUSE", 0.05)
    with RunFolder(tmp_path / "run", {}) as run, pytest.raises(Interrupted, match="budget of 20,000"):
        measure(model, asked(model), run)
    assert MOST / 4 < spent.tokens <= MOST


Lie = Callable[[dict[str, Any]], Any]
LIES: dict[str, Lie] = {
    "one token each": lambda usage: dict.fromkeys(usage, 1),
    "none": lambda usage: dict.fromkeys(usage, 0),
    "negative": lambda usage: {name: -n for name, n in usage.items()},
    "negative input alone": lambda usage: usage | {"prompt_tokens": -5},
    "fractions": lambda usage: {name: n + 0.5 for name, n in usage.items()},
    "strings": lambda usage: {name: str(n) for name, n in usage.items()},
    "true": lambda usage: dict.fromkeys(usage, True),
    "null": lambda usage: dict.fromkeys(usage),
    "no object": lambda usage: 7,
    "left out": lambda usage: None,
    "a tenth": lambda usage: {name: n // 10 for name, n in usage.items()},
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_usage_that_cannot_be_counts_as_none_and_is_reckoned(
    opened: Callable[[str], Any], lie: Lie, server: Server, spent: Count, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.before = spent
    server.spoil = lambda path, body, told: told | {"usage": lie(told["usage"])}
    monkeypatch.setattr(METER, "budget", Budget(tokens=3000))
    model = opened(SPEC)
    with pytest.raises(Interrupted, match="budget of 3,000"):
        measure(model, asked(model, 3))
    assert 1000 < spent.tokens <= 3000
    assert 0.8 * spent.tokens < METER.tokens <= 3000


def test_the_ratio_is_learned_from_the_counts_that_can_be(
    opened: Callable[[str], Any], server: Server, spent: Count, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of the answers tell no usage; in all as many tokens are counted as were used."""
    turn = iter(range(10**9))
    server.before = spent
    server.spoil = lambda path, body, told: told | ({"usage": None} if next(turn) % 2 else {})
    model = opened(SPEC)
    measure(model, asked(model, 3))
    assert METER.tokens == pytest.approx(spent.tokens, rel=0.1)


def test_dollars_that_a_provider_understates_are_reckoned() -> None:
    meter = Meter(Budget(dollars=1.0, price=Price(10.0, 10.0)))
    hold = meter.begin(Size(4000, 900, 1, 16))

    class Usage:
        input_tokens, output_tokens, total_tokens, total_cost = 1000, 1, 1001, 1e-9

    meter.add(hold, Usage, ["x"], Counter())
    assert meter.dollars == pytest.approx(0.01001)
    assert (meter.reserved, meter.reserved_dollars) == (0, 0)


def test_a_call_that_passed_what_was_reckoned_makes_the_next_be_reckoned_larger() -> None:
    meter = Meter()
    first = meter.begin(Size(300, 70, 1, 16))

    class Usage:
        input_tokens, output_tokens, total_tokens = 10 * first.tokens_in, 16, 10 * first.tokens_in + 16

    meter.add(first, Usage, ["x"], Counter())
    assert meter.begin(Size(300, 70, 1, 16)).tokens_in == pytest.approx(10 * first.tokens_in, abs=1)


def test_the_sum_survives_kill_9_and_a_rerun_counts_it(server: Server, spent: Count, tmp_path: Path) -> None:
    """The same command is killed again and again; all of its runs together keep one budget."""
    slow, begun = threading.Event(), 0

    def before(path: str, body: dict[str, Any]) -> None:
        spent(path, body)
        if server.asked[path] > begun + 30:
            slow.wait(20)

    server.before = before
    folder = tmp_path / "run"
    command = [
        *(sys.executable, "-c", "from homines.cli.app import main; main()", "measure", SPEC, "--game", "ipd"),
        *("--game", "icd", "--game", "ish", "--frame", "table", "--frame", "story", "--frame", "sentences"),
        *("--max-tokens", str(KILLED), "--out", str(folder)),
    ]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    for _ in range(2):
        begun = server.asked["/v1/chat/completions"]
        child = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
        while server.asked["/v1/chat/completions"] < begun + 32:
            assert child.poll() is None, child.communicate()[1]
            time.sleep(0.02)
        time.sleep(0.5)  # answers that have come are written; others are under way
        child.send_signal(signal.SIGKILL)
        child.communicate()
    slow.set()
    before_the_last = spent.tokens
    assert before_the_last > 5000
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 130
    assert "earlier commands in this folder" in done.stderr
    assert KILLED / 3 < spent.tokens <= KILLED
    lines = [json.loads(line) for line in (folder / "records.jsonl").read_text().splitlines()]
    assert all(line["provenance"]["used"]["calls"] == 1 for line in lines)


def test_a_failed_answer_holds_what_it_cost(
    opened: Callable[[str], Any], server: Server, tmp_path: Path
) -> None:
    """An answer that counts as none was paid for; so were those before a call that failed for good."""
    spec = "openai-api/tests/tiny(read=logprobs, walks=1, retries=0)"

    model: Any = opened(spec)
    model.ready()
    wanted = asked(model, 1)[:1]

    def twice(path: str, body: dict[str, Any], told: Any) -> Any:
        likely = told["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
        likely.append(likely[0] | {"logprob": likely[0]["logprob"] - 2})
        return told

    server.spoil = twice
    (told,) = measure(model, wanted)
    assert told.provenance["impossible"] == "twice"
    assert told.provenance["used"]["calls"] == 1
    assert told.provenance["used"]["input"] > 0


def test_a_book_that_somebody_wrote_gives_no_budget_away(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "spent.log").write_text(
        '\n{"input": -1000000, "output": 5}\n{"input": "7"}\n[1]\nnothing\n{"input": 2, "output": true'
    )
    meter = Meter(Budget(tokens=100))
    with meter.keep(folder, []):
        assert meter.before[folder / "spent.log"] == Counter(output=5)
    (folder / "spent.log").unlink()
    outside = tmp_path / "outside"
    outside.write_text("mine")
    (folder / "spent.log").symlink_to(outside)
    with meter.keep(folder, []), pytest.raises(HominesError, match="another --out"):
        meter.begin(Size(3, 1, 1, 1))
    assert outside.read_text() == "mine"


class Told:
    """A provider's usage."""

    input_tokens, output_tokens, total_tokens = 100, 1, 101


@pytest.mark.parametrize("book", [None, "", '\n{"inp'], ids=["none", "empty", "cut"])
def test_what_records_hold_counts_in_every_later_command(book: str | None, tmp_path: Path) -> None:
    """The book that the first call begins has it too: else the second command would have it all again."""
    if book is not None:
        (tmp_path / "spent.log").write_text(book)
    earlier: list[int] = []
    for _ in range(3):
        meter = Meter(Budget(tokens=50_000))
        with meter.keep(tmp_path, [{"input": 40_000, "output": 10}]):
            meter.add(meter.begin(Size(300, 70, 1, 16)), Told, ["x"], Counter())
        earlier.append(meter.before[tmp_path / "spent.log"].total())
    assert earlier == [40_010, 40_111, 40_212]


@pytest.mark.parametrize("end", ["add", "free", "lose"])
def test_a_book_that_cannot_be_written_holds_nothing_back(end: str, tmp_path: Path) -> None:
    """What a call had set aside is given back: else others would wait for its end for ever."""
    meter, book = Meter(Budget(tokens=1000)), tmp_path / "spent.log"
    with meter.keep(tmp_path, []):
        hold = meter.begin(Size(300, 70, 1, 16))
        book.unlink()
        book.mkdir()
        if end == "add":
            with pytest.raises(HominesError, match=r"cannot write to .*spent.log"):
                meter.add(hold, Told, ["x"], Counter())
        else:
            getattr(meter, end)(hold)  # of a call that failed, which is to be told
    assert (meter.reserved, meter.reserved_dollars) == (0, 0)


def test_a_book_that_is_no_file_is_refused(tmp_path: Path) -> None:
    """A pipe would keep us waiting for ever."""
    os.mkfifo(tmp_path / "spent.log")
    meter = Meter(Budget(tokens=1000))
    with pytest.raises(HominesError, match="neither a file"), meter.keep(tmp_path, []):
        meter.begin(Size(3, 1, 1, 1))


def test_a_book_nested_without_end_counts_by_its_other_lines(tmp_path: Path) -> None:
    (tmp_path / "spent.log").write_text(f'\n{"[" * 100_000}\n{{"input": 2, "output": 5}}')
    meter = Meter()
    with meter.keep(tmp_path, []):
        assert meter.before[tmp_path / "spent.log"] == Counter(input=2, output=5)


class Failing:
    """A model of inspect-ai whose calls all fail so."""

    def __init__(self, failure: Exception) -> None:
        self.failure = failure
        self.api = self

    def should_retry(self, failure: BaseException) -> bool:
        return False

    async def generate(self, *how: Any, **more: Any) -> Any:
        raise self.failure


def failed(name: str, status: int | None) -> Exception:
    kind = type(name, (Exception,), {} if status is None else {"status_code": status})
    return kind("no")


@pytest.mark.parametrize(
    ("failure", "free"),
    [
        *((failed("APIStatusError", n), True) for n in (400, 401, 404, 422, 429)),
        *((failed("APIStatusError", n), False) for n in (500, 502, 503, 504, 529)),
        (failed("APIResponseValidationError", 200), False),
        (failed("APITimeoutError", None), False),
        (failed("ConnectError", None), True),
    ],
    ids=lambda value: f"{type(value).__name__} {getattr(value, 'status_code', '')}",
)
def test_only_a_refusal_or_no_connection_costs_nothing(failure: Exception, free: bool) -> None:
    """A reply that was made, and what a gateway gave up waiting for, may be charged for."""
    with pytest.raises(CallFailed):
        wait(call(Failing(failure), [("user", "1 or 2?")], GenerateConfig(max_tokens=16, max_retries=0)))
    assert (METER.tokens == 0) is free
    assert METER.reserved == 0


def test_pauses_begin_at_3_seconds_and_double(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that starts again takes minutes."""
    monkeypatch.setattr("homines.inference.api_calls.random.uniform", lambda low, high: (low + high) / 2)
    monkeypatch.setattr("homines.inference.api_calls.LONGEST_PAUSE", LONGEST_PAUSE)  # as users have it
    failure = failed("APIStatusError", 503)
    pauses = [_pause(Failing(failure), failure, n) for n in range(7)]
    assert pauses == [3, 6, 12, 24, 48, 96, 120]


def test_old_runs_without_a_book_count_by_their_records(tmp_path: Path) -> None:
    meter = Meter(Budget(tokens=100))
    with (
        meter.keep(tmp_path, [{"input": 70, "output": 20, "calls": 1}, {}]),
        pytest.raises(Interrupted, match="90 tokens by earlier commands"),
    ):
        meter.begin(Size(30, 6, 1, 16))


def test_refusals_cost_nothing(
    opened: Callable[[str], Any], server: Server, spent: Count, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn = iter(range(10**9))

    def before(path: str, body: dict[str, Any]) -> None:
        if next(turn) % 2:
            raise Refusal(429, "not now")
        spent(path, body)

    server.before = before
    monkeypatch.setattr("homines.inference.api_calls.LONGEST_PAUSE", 0.05)
    model = opened(SPEC)
    measure(model, asked(model, 2))
    assert METER.tokens == pytest.approx(spent.tokens, rel=0.15)
    assert METER.usage()["retries"] >= 31  # between 32 answers


@pytest.mark.parametrize(
    "line", ['{"input": -1000000000000, "output": -1000000000000}', "[" * 100_000, "9" * 5000]
)
def test_a_strangers_book_gives_nothing_back(line: str, tmp_path: Path) -> None:
    """What was taken before stays taken, but for as much as one call took; so does what records hold."""
    whole = Meter(Budget(10**6))
    takes = [json.dumps({"input": 1000, "output": 10}) for _ in range(50)]
    (tmp_path / "spent.log").write_text("\n".join([*takes, line, ""]))
    with whole.keep(tmp_path, [{"input": 40_000, "output": 100}]):
        assert whole._all() >= 49 * 1010
    (tmp_path / "spent.log").write_text(f"{line}\n")
    other = Meter(Budget(10**6))
    with other.keep(tmp_path, [{"input": 40_000, "output": 100}]):
        assert other._all() == 40_100
