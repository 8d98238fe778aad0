"""Log-probabilities that cannot be, from a real server on loopback: each is told as what it is, and is no
measurement. One row of the table is a reader and a defect."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from homines.cli.fit import FitTask, carry_out_fit
from homines.core.registry import find
from homines.core.run_folder import RunFolder
from homines.core.types import Choice, HominesError
from homines.elicitation.asking import measure
from homines.elicitation.metrics import answered_records, mass
from homines.elicitation.questions import Question, battery, questions
from homines.estimation.options import FitOptions
from homines.inference.api_answers import walk
from homines.inference.impossible import Impossible, counts
from homines.inference.top_logprobs import Reading, Step, Walk, read
from homines.models import load
from homines.models.hf import HuggingFace, to_choice
from homines.reports.run_page import write
from homines.theory.choice import LogitAgent
from tests.helpers.serve import Server, serve
from tests.helpers.tiny import willing

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
TRIAL = "Say yes."
INF, NAN = math.inf, math.nan
ONE, TWO, OTHER = "token_id:33", "token_id:34", "token_id:49000"
"""Tokens of the labels 1 and 2, and one that is in neither."""
SPECS = {CHAT: "openai-api/tests/tiny(read=logprobs, walks=4, retries=0)", COMPLETIONS: "vllm/tiny"}


@pytest.fixture(scope="module")
def net(tokenizer: Any) -> HuggingFace:
    return HuggingFace(willing(tokenizer, "12"), tokenizer, name="tiny", provenance={"revision": "t"})


@pytest.fixture(scope="module")
def running(net: HuggingFace) -> Iterator[Server]:
    with serve(net) as server:
        yield server


@pytest.fixture
def server(running: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    for name, value in addresses(running).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(running, "spoil", lambda path, body, told: told)
    return running


def addresses(server: Server) -> dict[str, str]:
    return {
        "TESTS_API_KEY": server.key,
        "TESTS_BASE_URL": f"{server.url}/v1",
        "VLLM_API_KEY": server.key,
        "VLLM_BASE_URL": server.url,
    }


def asked(model: Any) -> list[Question]:
    frame = find("frames", "table(labels='1,2')")
    return questions(model, {"ipd": battery(find("games", "ipd"))}, [frame])[:1]


# --- what a server may send --------------------------------------------------------------------

Spoil = Callable[[dict[str, Any]], Any]


def drawn(value: Any) -> Spoil:
    """The first drawn token's log-probability is this."""

    def spoil(told: dict[str, Any]) -> None:
        for choice in told["choices"]:
            choice["logprobs"]["content"][0]["logprob"] = value

    return spoil


def listed(value: Any, which: slice = slice(1, 2)) -> Spoil:
    """These of the likeliest have this log-probability."""

    def spoil(told: dict[str, Any]) -> None:
        for choice in told["choices"]:
            for token in choice["logprobs"]["content"][0]["top_logprobs"][which]:
                token["logprob"] = value

    return spoil


def left_out(told: dict[str, Any]) -> None:
    for choice in told["choices"]:
        del choice["logprobs"]["content"][0]["top_logprobs"][1]["logprob"]


def filled(value: float) -> Spoil:
    """All log-probabilities are one."""

    def spoil(told: dict[str, Any]) -> None:
        drawn(value)(told)
        listed(value, slice(None))(told)

    return spoil


def twice(told: dict[str, Any]) -> None:
    for choice in told["choices"]:
        likely = choice["logprobs"]["content"][0]["top_logprobs"]
        likely.append(likely[0] | {"logprob": likely[0]["logprob"] - 3.0})


def elsewhere(told: dict[str, Any]) -> None:
    """The drawn token's own value is another than that in the list."""
    for choice in told["choices"]:
        step = choice["logprobs"]["content"][0]
        step["top_logprobs"] = [{k: step[k] for k in ("token", "bytes", "logprob")}]
        step["logprob"] -= 3.0


def walks_apart(told: dict[str, Any]) -> None:
    """One walk says that 1 is certain at the first position, another that 2 is."""
    for i, choice in enumerate(told["choices"]):
        word = "12"[i % 2]
        token = {"token": word, "bytes": list(word.encode()), "logprob": -0.01}
        choice["logprobs"]["content"] = [token | {"top_logprobs": [token]}]
        choice["message"]["content"], choice["finish_reason"] = word, "stop"


def rows(told: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What is told of the first token of labels "1" and "2", by token."""
    for choice in told["choices"]:
        yield choice["logprobs"]["top_logprobs"][0]


def token(value: Any) -> Spoil:
    """A label's own first token has this log-probability."""

    def spoil(told: dict[str, Any]) -> None:
        for here in rows(told):
            here[ONE] = value

    return spoil


def other(value: Any) -> Spoil:
    """Another token there has this log-probability."""

    def spoil(told: dict[str, Any]) -> None:
        for here in rows(told):
            here[OTHER] = value

    return spoil


def every(value: Any) -> Spoil:
    def spoil(told: dict[str, Any]) -> None:
        for here in rows(told):
            here |= dict.fromkeys([*here, OTHER], value)

    return spoil


def no_object(told: dict[str, Any]) -> None:
    for choice in told["choices"]:
        choice["logprobs"]["top_logprobs"][0] = ["one"]


def readings_apart(told: dict[str, Any]) -> None:
    """A token that is left out is nearly certain when it alone is generated."""
    for choice in told["choices"]:
        likely = {ONE: math.log(0.9)} if told["alone"] else {OTHER: math.log(0.9), TWO: math.log(0.05)}
        choice["logprobs"]["top_logprobs"][0] = likely


def name_twice(told: dict[str, Any]) -> str:
    for here in rows(told):
        here["again"] = -7.5
    return json.dumps(told).replace('"again"', f'"{ONE}"')


TABLE: list[tuple[str, str, Spoil, str]] = [
    (CHAT, "drawn above 0", drawn(0.5), "positive"),
    (CHAT, "drawn a little above 0", drawn(1e-4), "positive"),
    (CHAT, "listed above 0", listed(0.5), "positive"),
    (CHAT, "drawn infinite", drawn(INF), "positive"),
    (CHAT, "listed sum above 1", filled(-0.1), "sum"),
    (CHAT, "a token twice", twice, "twice"),
    (CHAT, "the drawn token elsewhere", elsewhere, "twice"),
    (CHAT, "all 0.0", filled(0.0), "filler"),
    (CHAT, "all -9999", filled(-9999.0), "filler"),
    (CHAT, "all -100", filled(-100.0), "filler"),
    (CHAT, "all -inf", filled(-INF), "filler"),
    (CHAT, "drawn a string", drawn("-0.5"), "text"),
    (CHAT, "listed a string", listed("-3"), "text"),
    (CHAT, "a word", listed("high"), "text"),
    (CHAT, "drawn true", drawn(True), "boolean"),
    (CHAT, "listed false", listed(False), "boolean"),
    (CHAT, "drawn null", drawn(None), "null"),
    (CHAT, "listed null", listed(None), "null"),
    (CHAT, "listed left out", left_out, "null"),
    (CHAT, "drawn NaN", drawn(NAN), "nan"),
    (CHAT, "listed NaN", listed(NAN), "nan"),
    (CHAT, "a list", drawn([-0.5]), "other"),
    (CHAT, "an object", listed({"value": -3}), "other"),
    (CHAT, "two walks apart", walks_apart, "contradiction"),
    (COMPLETIONS, "label above 0", token(0.5), "positive"),
    (COMPLETIONS, "other above 0", other(0.5), "positive"),
    (COMPLETIONS, "label infinite", token(INF), "positive"),
    (COMPLETIONS, "sum above 1", other(-0.0001), "sum"),
    (COMPLETIONS, "all 0.0", every(0.0), "filler"),
    (COMPLETIONS, "all -9999", every(-9999.0), "filler"),
    (COMPLETIONS, "all -inf", every(-INF), "filler"),
    (COMPLETIONS, "a string", token("-0.5"), "text"),
    (COMPLETIONS, "true", token(True), "boolean"),
    (COMPLETIONS, "null", token(None), "null"),
    (COMPLETIONS, "NaN", token(NAN), "nan"),
    (COMPLETIONS, "NaN of another", other(NAN), "nan"),
    (COMPLETIONS, "a list", token([-0.5]), "other"),
    (COMPLETIONS, "no object of tokens", no_object, "other"),
    (COMPLETIONS, "an object", token({"logprob": -1.0}), "other"),
    (COMPLETIONS, "a token twice", name_twice, "twice"),
    (COMPLETIONS, "two readings apart", readings_apart, "contradiction"),
]


def spoiling(server: Server, path: str, spoil: Spoil) -> None:
    """Have the server answer so, but for its trial."""

    def instead(at: str, body: dict[str, Any], told: Any) -> Any:
        if at != path or TRIAL in json.dumps(body):
            return told
        told["alone"] = "allowed_token_ids" in body
        return spoil(told) or told

    server.spoil = instead


@pytest.mark.parametrize(("path", "what", "spoil", "kind"), TABLE, ids=[f"{p} {w}" for p, w, _, _ in TABLE])
def test_an_impossible_answer_is_a_record_with_its_kind(
    path: str, what: str, spoil: Spoil, kind: str, server: Server, tmp_path: Path
) -> None:
    model: Any = load(SPECS[path])
    spoiling(server, path, spoil)
    with RunFolder(tmp_path / "run", {}) as run:
        (told,) = measure(model, asked(model), run)
    model.close()
    assert told.choice is None
    assert str(told.error).startswith("Impossible: "), told.error
    assert told.provenance["impossible"] == kind
    assert len(str(told.error).splitlines()) == 1
    (kept,) = RunFolder(tmp_path / "run").records
    assert (kept.error, kept.provenance["impossible"]) == (told.error, kind)


def test_the_table_holds_every_kind() -> None:
    from homines.inference.impossible import Kind

    assert len(TABLE) >= 31
    assert {kind for *_, kind in TABLE} == {kind.value for kind in Kind} - {"bounds"}
    assert all(kind.sentence for kind in Kind)


@pytest.mark.parametrize("path", [CHAT, COMPLETIONS])
def test_what_is_possible_is_measured(path: str, server: Server, net: HuggingFace) -> None:
    """Else the checks could refuse everything."""
    model: Any = load(SPECS[path])
    (question,) = asked(model)
    (told,) = measure(model, [question])
    model.close()
    (exact,) = net.score([question.prompt])
    assert told.choice is not None, told.error
    truncation = told.provenance.get("truncation", 0.0)
    assert abs(told.choice.mass - exact.mass) <= truncation + 1e-3


def test_bounds_the_wrong_way_round_are_refused() -> None:
    with pytest.raises(HominesError, match="lower bound lies above"):
        Reading(Choice.of([0.0, 0.0]), np.array([0.5, 0.1]), np.array([0.4, 0.2]), 0.0)


def test_two_walks_with_the_noise_of_batches_are_read() -> None:
    def walked(p: float) -> Walk:
        top = ((b"X", math.log(p)), (b"Y", math.log(0.99 - p)))
        return Walk((Step(b"X", math.log(p), top), Step(b"</s>", 0.0)), "X", True)

    assert read([walked(0.6), walked(0.7)], ["X", "Y"]).choice.mass > 0.9
    with pytest.raises(HominesError, match="contradict"):
        read([walked(0.1), walked(0.9)], ["X", "Y"])


def test_the_command_counts_them_and_names_the_server(server: Server, tmp_path: Path) -> None:
    def spoil(told: dict[str, Any]) -> None:
        (drawn(0.5) if told["choices"][0]["message"]["content"] == "1" else twice)(told)

    spoiling(server, CHAT, spoil)
    command = [
        *(sys.executable, "-c", "from homines.cli.app import main; main()", "measure", SPECS[CHAT]),
        *("--game", "ipd", "--out", str(tmp_path / "run")),
    ]
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "HF_HUB_OFFLINE": "1"}, capture_output=True, text=True
    )
    assert done.returncode == 1, done.stderr
    said = " ".join(done.stdout.split())
    kinds = [r.provenance["impossible"] for r in RunFolder(tmp_path / "run").records]
    assert len(kinds) == 32
    assert f"the server of {SPECS[CHAT]} gave impossible log-probabilities: " in said
    assert all(f"{kind} {kinds.count(kind)}" in said for kind in set(kinds))
    assert "use sampled answers: read=samples, samples=N" in said


def said(*likely: tuple[str, float], drawn: int = 0) -> Any:
    """inspect-ai's choice of one token and the end, with the likeliest there."""

    def told(text: str, p: float, top: Any = ()) -> Any:
        return SimpleNamespace(token=text, bytes=list(text.encode()), logprob=math.log(p), top_logprobs=top)

    content = [told(*likely[drawn], top=[told(*one) for one in likely]), told("</s>", 1.0)]
    return SimpleNamespace(
        logprobs=SimpleNamespace(content=content),
        message=SimpleNamespace(text=likely[drawn][0]),
        stop_reason="stop",
    )


def test_a_token_told_twice_with_nearly_one_value_counts_once() -> None:
    told = read([walk(said(("1", 0.3), ("1", 0.30015), ("2", 0.2)), "12")], "12")
    assert told.low.tolist() == pytest.approx([0.3, 0], abs=1e-3)
    assert told.choice.mass <= 0.51


def test_two_tokens_of_one_spelling_and_two_values_are_refused() -> None:
    """Servers that tell no ids do not tell them from one token told twice."""
    with pytest.raises(Impossible, match="stands twice"):
        walk(said(("1", 0.5), ("1", 0.05), ("2", 0.2)), "12")


def test_log_probabilities_that_were_not_asked_for_are_not_looked_at(server: Server) -> None:
    """Some servers fill the field with nulls."""
    empty = {"content": [{"token": "1", "bytes": None, "logprob": None, "top_logprobs": None}]}

    def spoil(path: str, body: dict[str, Any], told: Any) -> Any:
        assert path != CHAT or not body.get("logprobs")
        return told | {"choices": [choice | {"logprobs": empty} for choice in told["choices"]]}

    server.spoil = spoil
    model: Any = load("openai-api/tests/tiny(read=samples, samples=2, retries=0)")
    (answer,) = measure(model, asked(model))
    model.close()
    assert answer.error is None
    assert answer.choice is not None


def test_a_server_that_gives_them_from_the_first_is_told_by_name(server: Server) -> None:
    def spoil(path: str, body: dict[str, Any], told: Any) -> Any:
        drawn(0.5)(told)
        return told

    server.spoil = spoil
    model: Any = load(SPECS[CHAT])
    with pytest.raises(Impossible, match=r"^the server of openai-api/tests/tiny.* gave impossible") as why:
        model.ready()
    model.close()
    assert why.value.kind.value == "positive"


def test_the_page_and_fit_tell_each_kind(
    net: HuggingFace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = find("frames", "table(labels='1,2')")
    wanted = questions(net, {"ipd": battery(find("games", "ipd"))}, [frame])
    chosen = LogitAgent(find("preferences", "economicus"), 0.5)([q.record.decision for q in wanted])
    told = [replace(q.record, choice=choice) for q, choice in zip(wanted, chosen, strict=True)]
    kinds = ["positive", "positive", "sum", "no kind of ours", ["sum"]]
    spoilt = [
        replace(r, choice=None, error="Impossible: ...", provenance={**r.provenance, "impossible": kind})
        for r, kind in zip(told, kinds, strict=False)
    ]
    with RunFolder(tmp_path / "run", {}) as run:
        run.add([*spoilt, *told[len(kinds) :]])
    assert counts(RunFolder(tmp_path / "run").records) == {"tiny": {"positive": 2, "sum": 1}}
    page = write(tmp_path / "run").read_text()
    assert "The server of tiny gave 2 answers that count as none: a log-probability is above 0" in page
    assert "The server of tiny gave 1 answer that counts as none: probabilities of different" in page
    for as_json in (False, True):
        carry_out_fit(FitTask(tmp_path / "run", ("economicus",)), FitOptions(), as_json=as_json)
        out = capsys.readouterr().out
        if as_json:
            assert json.loads(out)["impossible"] == {"tiny": {"positive": 2, "sum": 1}}
        else:
            assert "The server of tiny gave 2 answers that count as none" in out


# --- exact mass 0 ------------------------------------------------------------------------------


def test_no_legal_answer_at_all_is_a_measurement_of_mass_0(server: Server, tmp_path: Path) -> None:
    """The server is asked once; the uniform conditional is read by nothing."""

    def spoil(told: dict[str, Any]) -> None:
        for here in rows(told):
            here |= dict.fromkeys(here, -INF) | {OTHER: -0.001}

    spoiling(server, COMPLETIONS, spoil)
    model: Any = load(SPECS[COMPLETIONS])
    with RunFolder(tmp_path / "run", {}) as run:
        (told,) = measure(model, asked(model), run)
    with RunFolder(tmp_path / "run", {}) as run:
        server.asked.clear()
        measure(model, asked(model), run)
        assert server.asked[COMPLETIONS] == 0
        assert run.missing(run.records) == []
    model.close()
    assert told.error is None
    assert told.choice is not None
    assert told.choice.mass == 0.0
    assert told.choice.p.tolist() == [0.5, 0.5]
    assert answered_records([told]) == []
    assert mass([told]) == 0.0


def test_mass_0_of_a_network_and_of_choices() -> None:
    import torch

    never = to_choice(torch.tensor([-INF, -INF, -INF]))
    assert (never.mass, never.p.round(6).tolist()) == (0.0, [0.333333] * 3)
    assert Choice.at([0.0, 0.0]).mass == 0.0
    half = to_choice(torch.tensor([math.log(0.5), -INF]))
    assert (half.p.tolist(), half.mass) == ([1.0, 0.0], pytest.approx(0.5))
    for bad in ([NAN, 0.0], [INF, 0.0]):
        with pytest.raises(HominesError, match="no finite maximum"):
            Choice.of(bad)
