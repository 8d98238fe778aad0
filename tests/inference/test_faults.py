"""A provider that fails in every way it can, and a run through it: no decision is lost, none is doubled, no
budget is passed, no key is written."""

from __future__ import annotations

import json
import os
import random
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

from homines.core.registry import find
from homines.core.run_folder import RunFolder
from homines.core.types import Interrupted
from homines.elicitation.asking import CALLS, measure
from homines.elicitation.questions import Question, battery, questions
from homines.inference.api_budget import METER, Budget, Price
from homines.models.hf import HuggingFace
from tests.helpers.serve import Fault, Refusal, Server, serve
from tests.helpers.tiny import willing

HOMINES = str(Path(sys.executable).with_name("homines"))
TRIAL = "Say yes."
"""The words of the first call."""
ONE = "openai-api/tests/tiny(read=samples, samples=1, seconds=15, retries=4)"
"""One call a decision."""


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
def unlimited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(METER, "used", Counter())
    monkeypatch.setattr(METER, "dollars", 0.0)
    monkeypatch.setattr(METER, "budget", Budget())
    monkeypatch.setattr(METER, "before", {})
    monkeypatch.setattr("homines.inference.api_calls.LONGEST_PAUSE", 0.5)


def asked(model: Any, memory: int) -> list[Question]:
    """2 * 4^memory decisions of the prisoner's dilemma, in two orders."""
    game = find("games", "ipd")
    return questions(model, {"ipd": battery(game, memory)}, [find("frames", f"bare(memory={memory})")])


class Trouble:
    """One request in so many fails, in every way in turn; the next tries of what failed do not."""

    ways = ("429", "429 after 1", "500", "503", "slow", "half", "garbled", "other", "hung")

    def __init__(self, every: int) -> None:
        self.every = every
        self.seen = 0
        self.met: Counter[str] = Counter()
        self.lock = threading.Lock()

    def __call__(self, path: str, body: dict[str, Any]) -> None:
        with self.lock:
            self.seen += 1
            if self.seen % self.every:
                return
            way = self.ways[self.seen // self.every % len(self.ways)]
            self.met[way] += 1
        if way == "slow":
            time.sleep(1)
        elif way in ("half", "garbled", "other", "hung"):
            raise Fault(way)
        else:
            status, _, after = way.partition(" after ")
            raise Refusal(int(status), "not now", after=int(after) if after else None)


def test_two_thousand_decisions_through_every_fault(
    server: Server, opened: Callable[[str], Any], tmp_path: Path
) -> None:
    trouble = Trouble(every=37)
    server.before = trouble
    model = opened(ONE)
    wanted = asked(model, 5)
    assert len(wanted) == 2048
    with RunFolder(tmp_path / "run", {"name": "faults"}) as run:
        records = measure(model, wanted, run)
    assert set(trouble.met) == set(Trouble.ways)
    assert trouble.met.total() > 50
    assert [r.error for r in records if r.error] == []
    lines = [json.loads(line) for line in (tmp_path / "run" / "records.jsonl").read_text().splitlines()]
    keys = Counter(r.key for r in RunFolder(tmp_path / "run").records)
    assert len(lines) == len(keys) == 2048
    assert set(keys) == {q.record.key for q in wanted}
    used = RunFolder(tmp_path / "run").noted(CALLS)
    assert used is not None
    assert used["calls"] == 2048 + 1  # the trial, which is of no decision
    assert used["retries"] >= trouble.met.total() - trouble.met["slow"]
    beside = used["input"] - sum(r.provenance["used"]["input"] for r in records)
    lost = sum(trouble.met[way] for way in ("garbled", "other", "half", "hung"))  # at the most they may cost
    assert lost < beside < 400 * (lost + 1)


def test_a_provider_that_stays_down_costs_only_what_it_refused(
    server: Server, opened: Callable[[str], Any], tmp_path: Path
) -> None:
    """What fails for good is a record with its error; the same command asks it again, and nothing else."""
    model = opened(ONE.replace("retries=4", "retries=0"))
    wanted = asked(model, 2)
    refused = Refusal(400, "no such prompt today")

    def before(path: str, body: dict[str, Any]) -> None:
        if "action1, action2" in json.dumps(body) or random.Random(json.dumps(body)).random() < 0.3:
            raise refused

    model.ready()  # its trial is answered
    server.before = before
    with RunFolder(tmp_path / "run", {"name": "down"}) as run:
        first = measure(model, wanted, run)
    failed = [r for r in first if r.error]
    assert 0 < len(failed) < len(first)
    server.before = lambda path, body: None
    server.asked.clear()
    with RunFolder(tmp_path / "run", {"name": "down"}) as run:
        second = measure(model, wanted, run)
    assert not [r for r in second if r.error]
    assert server.asked["/v1/chat/completions"] == len(failed)


@pytest.mark.parametrize("budget", [Budget(tokens=3000), Budget(dollars=0.003, price=Price(1.0, 2.0))])
def test_a_budget_is_kept_and_the_rest_goes_on(
    budget: Budget,
    server: Server,
    opened: Callable[[str], Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = opened(ONE)
    wanted = asked(model, 3)
    monkeypatch.setattr(METER, "budget", budget)
    with (
        RunFolder(tmp_path / "run", {"name": "b"}) as run,
        pytest.raises(Interrupted, match=r"budget of 3,|0\.003"),
    ):
        measure(model, wanted, run)
    assert METER.tokens <= 3000
    assert METER.dollars <= 0.003
    done = len(RunFolder(tmp_path / "run").records)
    assert 5 < done < len(wanted)
    monkeypatch.setattr(METER, "budget", Budget())
    with RunFolder(tmp_path / "run", {"name": "b"}) as run:
        assert len(measure(model, wanted, run)) == len(wanted)
    used = RunFolder(tmp_path / "run").noted(CALLS)
    assert used is not None
    assert used["calls"] == len(wanted) + 1


def test_what_a_budget_paid_for_is_kept(
    server: Server, opened: Callable[[str], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a question whose answers did not all come, those that did count."""
    monkeypatch.setattr(server, "many", False)
    model = opened(ONE.replace("samples=1", "samples=5"))
    monkeypatch.setattr(METER, "budget", Budget(tokens=3000))
    with (
        RunFolder(tmp_path / "run", {"name": "b"}) as run,
        pytest.raises(Interrupted, match="budget of 3,000"),
    ):
        measure(model, asked(model, 3), run)
    choices = [r.choice for r in RunFolder(tmp_path / "run").records]
    assert sum(c.n or 0 for c in choices if c) == METER.used["calls"] - 1  # the trial
    assert all(c is not None and 0 < (c.n or 0) <= 5 for c in choices)


def test_a_budget_is_kept_where_no_usage_is_told(
    server: Server, opened: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(METER, "budget", Budget(tokens=1000))
    monkeypatch.setattr(server, "tells_usage", False)
    with pytest.raises(Interrupted, match="budget of 1,000"):
        measure(model := opened(ONE), asked(model, 3))
    assert 300 < METER.tokens <= 1000


def test_no_key_is_ever_written(server: Server, tmp_path: Path) -> None:
    """A server that tells the key in its errors, a run that ends in failures, one that goes on, one by
    Inspect's tasks, a traceback: what was printed and written is searched."""
    key = "sk-never-to-be-seen-8d1f"
    server.key = key

    def before(path: str, body: dict[str, Any]) -> None:
        asked = body["messages"][-1]["content"]
        if asked != TRIAL and random.Random(asked).random() < 0.3:
            raise Refusal(400, f"bad request with Authorization: Bearer {key}")

    environment = {**os.environ, "TESTS_API_KEY": key, "HF_HUB_OFFLINE": "1"}
    folder = tmp_path / "run"
    command = ["measure", ONE.replace("retries=4", "retries=0"), "--game", "ipd", "--out", str(folder)]
    said: list[str] = []

    def call(*words: str) -> int:
        done = subprocess.run(
            [HOMINES, *words], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        said.append(done.stdout + done.stderr)
        return done.returncode

    server.before = before
    assert call(*command) == 1, said
    assert any(r.error for r in RunFolder(folder).records)
    server.before = lambda path, body: None
    assert call(*command) == 0, said
    server.key = "another"
    assert call(*command[:-1], str(tmp_path / "refused")) == 2  # the server tells the key that it refuses
    assert "key was refused" in said[-1]
    assert "TESTS_API_KEY" in said[-1]
    written = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert len(written) > 5
    assert [path for path, data in written.items() if key.encode() in data] == []
    assert [text for text in said if key in text] == []


def test_ctrl_c_gives_up_calls_under_way_and_the_same_command_goes_on(server: Server, tmp_path: Path) -> None:
    """The calls under way hang, and no limit of time ends them: the command ends as it gives them up."""
    hanging, release = threading.Event(), threading.Event()

    def before(path: str, body: dict[str, Any]) -> None:
        if server.asked["/v1/chat/completions"] > 10:
            hanging.set()
            release.wait()

    server.before = before
    folder = tmp_path / "run"
    patient = ONE.replace("seconds=15", "seconds=3600")
    command = [HOMINES, "measure", patient, "--game", "ipd", "--game", "ish", "--out", str(folder)]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    child = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        while not (folder / "records.jsonl").exists() or not hanging.is_set():
            assert child.poll() is None
            time.sleep(0.05)
        child.send_signal(signal.SIGINT)
        _, said = child.communicate()
    finally:
        child.kill()
        release.set()  # not before: the server has answered none of the calls under way
    assert child.returncode == 130
    assert "nothing is lost" in said
    kept = len(RunFolder(folder).records)
    assert kept > 0
    server.asked.clear()
    again = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert again.returncode == 0, again.stderr
    assert server.asked["/v1/chat/completions"] == len(RunFolder(folder).records) - kept + 1  # the trial
