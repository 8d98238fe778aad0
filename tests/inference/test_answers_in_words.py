"""Answers in words: one reader for every back-end that answers in text; what is illegal is kept and shown; a
rate from a sample carries it; and no legal answer is a result."""

from __future__ import annotations

import csv
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from homines.cli.app import main
from homines.core.rates import sample_of
from homines.core.run_folder import RunFolder
from homines.core.types import Choice, Prompt, Record
from homines.elicitation.answers_in_words import remedies
from homines.elicitation.metrics import action_types, mass
from homines.games.ipd import ipd
from homines.inference.answer_reader import (
    BOTH,
    EXACT,
    ILLEGAL,
    LAST,
    LEGAL,
    LONGEST,
    NONE,
    SENTENCE,
    STRIPPED,
    TRUNCATED,
    read,
)
from homines.inference.sampled_answers import excerpt, rate_interval, sound_notes
from homines.models import load
from homines.models.hf import HuggingFace
from homines.reports import run_page
from tests.helpers.serve import Refusal, serve
from tests.helpers.tiny import willing

Case = tuple[str, int | None, str]
TABLES: dict[tuple[str, ...], list[Case]] = {
    ("action1", "action2"): [
        ("action1", 0, EXACT),
        (" action2\n", 1, EXACT),
        ("Action1", 0, STRIPPED),
        ("**action1**", 0, STRIPPED),
        ('"action1"', 0, STRIPPED),
        ("“action2”.", 1, STRIPPED),
        ("«action1»", 0, STRIPPED),
        ("`action1`", 0, STRIPPED),
        ("_action1_", 0, STRIPPED),
        ("- action1", 0, STRIPPED),
        ("> **action1**!", 0, STRIPPED),
        ("# action1", 0, STRIPPED),
        ("(action1)", 0, STRIPPED),
        ("[action2]", 1, STRIPPED),
        ("action1.", 0, STRIPPED),
        ("action1..", None, NONE),
        ("action1?", None, NONE),
        ("\\boxed{action1}", 0, STRIPPED),
        ("$\\boxed{\\text{action2}}$", 1, STRIPPED),
        ("$action1$", 0, STRIPPED),
        ("<answer>action1</answer>", 0, STRIPPED),
        ('{"choice": "action1"}', 0, STRIPPED),
        ('```json\n{\n "reasoning": "action2 pays more",\n "my_choice": "action1"\n}\n```', 0, STRIPPED),
        ('{"choice": "action1", "answer": "action2"}', None, BOTH),
        ('{"action1": 0.5}', None, NONE),
        ("```\naction1\n```", 0, STRIPPED),
        ("I choose action1.", 0, SENTENCE),
        ("I choose **action1**.", 0, SENTENCE),
        ("I'd choose action1", 0, SENTENCE),
        ("I’ll go with “action2”!", 1, SENTENCE),
        ("I will play action1 because it is fair.", 0, SENTENCE),
        ("I choose action1, as it pays more.", 0, SENTENCE),
        ("My choice is action2.", 1, SENTENCE),
        ("My answer: action1", 0, SENTENCE),
        ("Answer: action1", 0, SENTENCE),
        ("The answer is action1.", 0, SENTENCE),
        ("So, I would choose action1 (cooperate).", 0, SENTENCE),
        ("Option action1", 0, SENTENCE),
        ("action1 is my choice.", 0, SENTENCE),
        ("action2 it is!", 1, SENTENCE),
        ("Since the other chose action1, I choose action1.", 0, SENTENCE),
        ("Given that I don't trust them, I will choose action2.", 1, SENTENCE),
        ("action1. It gives the best joint payoff.", 0, SENTENCE),
        ("**action1**\n\nIt is fair and it keeps the peace.", 0, SENTENCE),
        ("I choose: action1", 0, SENTENCE),
        ("Let's go with action1.", 0, SENTENCE),
        ("I have decided to play action1", 0, SENTENCE),
        ("I am going with action1", 0, SENTENCE),
        ("The answer is \\boxed{action1}.", 0, SENTENCE),
        ("Reasoning about payoffs.\n\nAnswer: action1", 0, LAST),
        ("If both pick action2 we get 1; action1 gives 3.\n\nAnswer: action1", 0, LAST),
        ("action1 or action2?\n\n**Final answer:** action2.", 1, LAST),
        ("Weighing action1 and action2.\n\naction1", 0, LAST),
        ("action2 pays more.\n**Answer:**\naction1", 0, LAST),
        ('action1 vs action2\n```json\n{"action": "action2"}\n```', 1, LAST),
        ("<think>action1? action2?</think>\n\naction2", 1, STRIPPED),
        ("<think>action1", None, TRUNCATED),
        ("I would not choose action1", None, NONE),
        ("I don't choose action1.", None, NONE),
        ("Not action1", None, NONE),
        ("Anything but action1.", None, NONE),
        ("My choice is not action1.", None, NONE),
        ("I choose neither action1 nor action2", None, BOTH),
        ("action1 or action2", None, BOTH),
        ("action1, action2", None, BOTH),
        ("I choose action1 because action2 is worse.", None, BOTH),
        ("I choose action1 if you do.", None, NONE),
        ("I choose action1 unless betrayed", None, NONE),
        ("I choose action1 with probability 0.5", None, NONE),
        ("If I choose action1, I get 3.", None, NONE),
        ("I choose action1?", None, NONE),
        ("I choose action1. Actually, no.", None, NONE),
        ("Answer: action1. No.", None, NONE),
        ("Answer: action1\nAnswer:", None, NONE),
        ("Answer: action2. Wait. Answer: action1", None, BOTH),
        ("Answer: cooperate, as in action1", None, NONE),
        ("I choose action10.", None, NONE),
        ("pre-action1", None, NONE),
        ("action1-like", None, NONE),
        ("The other chose action1.", None, NONE),
        ("It would be wrong to say I choose action1.", None, NONE),
        ('"I choose action1" is what a saint would say.', None, NONE),
        ("Options:\naction1\naction2", None, BOTH),
        ("Options:\n\naction1\n\naction2", None, BOTH),
        ("If the other plays action1:\naction2", None, BOTH),
        ("If they cooperate:\naction1", None, NONE),
        ("action2 pays more. Thus:\n\nAnswer: action1", 0, LAST),
        ("If you play action2:\nI choose action1", None, BOTH),
        ("Either action1 or\naction2", None, BOTH),
        ("Player 1: action1\nPlayer 2: action2", None, BOTH),
        ("", None, NONE),
        ("I cannot decide.", None, NONE),
        ("Last round I chose action1.", None, NONE),
        ("I think action1 is nice", None, NONE),
        ("Suppose I choose action1. Then we both win.", None, NONE),
        ("I choose action1\nI choose action2", None, BOTH),
        ("action1\naction2", None, BOTH),
        ("I choose action1 and action1", None, NONE),
        ("I choose action1 as long as you do", None, NONE),
        ("As long as you cooperate, I choose action1", None, NONE),
        ("In case you defect, I choose action1", None, NONE),
        ("Here is my answer:\naction1", 0, SENTENCE),
        ("I choose action1 because I will choose it only if you do", None, NONE),
        ("I choose action1 because I will if they do", None, NONE),
        ("I choose action1 because you may, unless you defect.", None, NONE),
        ("I choose action1 because if you do so too we both win.", None, NONE),
        ("I choose action1 because, wait, no.", None, NONE),
        ("I choose action1 because no.", None, NONE),
        ("I choose action1 since it pays, but I am not sure", None, NONE),
        ("I choose action1 because... on second thought, it is unfair.", None, NONE),
        ("I choose action1 because it is actually better to wait", None, NONE),
        ("I choose action1 as it pays only in the first round", None, NONE),
        ("I choose action1, as I do for now, and the other one instead later", None, NONE),
        ("My answer is action1 (but only in the first round)", None, NONE),
        ("My answer is action1 (in the first round)", None, NONE),
        ("My answer is action1 (wait, no)", None, NONE),
        ("My answer is action1 (first round only).", None, NONE),
        ("action1 it is (actually the worse one)", None, NONE),
        ("I choose action1. I choose action1 because, wait, no.", None, NONE),
        ("I choose action1. Only if you do.", None, NONE),
        ("I choose action1 because, wait, no.\nAnswer: action2", None, BOTH),
        ("I choose action1 because it is the first round and no one loses by it.", 0, SENTENCE),
        ("I choose action1 because it is best if both do so.", 0, SENTENCE),
        ("My answer is action1 (cooperate, as before)", 0, SENTENCE),
    ],
    ("X", "Y"): [
        ("I pick the X because, wait, no.", None, NONE),
        ("I pick X because it is fair.", 0, SENTENCE),
    ],
    ("A", "B"): [
        ("A", 0, EXACT),
        ("a", 0, STRIPPED),
        ("(B)", 1, STRIPPED),
        ("B)", 1, STRIPPED),
        ("A.", 0, STRIPPED),
        ("Option A", 0, SENTENCE),
        ("A good idea", None, NONE),
        ("I choose A.", 0, SENTENCE),
        ("I choose a good deal.", None, NONE),
        ("I choose option B", 1, SENTENCE),
        ("I'd pick a B.", None, NONE),
        ("A good plan is to defect. I choose B.", None, BOTH),
        ("Answer: B", 1, SENTENCE),
        ("A is better. Answer: B", None, BOTH),
        ("Plan A", None, NONE),
        ("A: I cooperate", None, NONE),
        ("I choose a.", None, NONE),
    ],
    ("1", "2", "10", "12"): [
        ("1", 0, EXACT),
        ("10", 2, EXACT),
        ("I choose 10.", 2, SENTENCE),
        ("I choose 1.", 0, SENTENCE),
        ("1. I cannot decide.", None, NONE),
        ("1.5", None, NONE),
        ("12%", None, NONE),
        ("-1", None, NONE),
        ("I choose 1.5", None, NONE),
        ("1/2", None, NONE),
        ("1 or 2", None, BOTH),
        ("1. Think\n2. Act", None, BOTH),
        ("Answer: 12", 3, SENTENCE),
        ("I pick number 2", 1, SENTENCE),
        ("1st", None, NONE),
    ],
    ("0", "10", "20", "30", "100"): [
        ("30", 3, EXACT),
        ("30 points", 3, STRIPPED),
        ("$30", 3, STRIPPED),
        ("30.0", 3, STRIPPED),
        ("€30.", 3, STRIPPED),
        ("I offer 30", 3, SENTENCE),
        ("I offer 30 points to the other player.", 3, SENTENCE),
        ("I offer $30.", 3, SENTENCE),
        ("I would give 20 coins", 2, SENTENCE),
        ("I keep 30", None, NONE),
        ("I offer 30%", None, NONE),
        ("I offer 35", None, NONE),
        ("I offer 30 of my 100 points.", None, BOTH),
        ("My offer is 10 points.", 1, SENTENCE),
        ("Offer: 10", 1, SENTENCE),
        ("25", None, NONE),
        ("30-100", None, NONE),
        ("I offer nothing", None, NONE),
        ("I'll send 0", 0, SENTENCE),
        ("three hundred 300", None, NONE),
        ("I offer 30, not 20", None, BOTH),
    ],
}


@pytest.mark.parametrize(
    ("labels", "case"), [(labels, case) for labels, cases in TABLES.items() for case in cases]
)
def test_what_a_text_chooses(labels: tuple[str, ...], case: Case) -> None:
    text, label, how = case
    reading = read(text, labels)
    assert (reading.label, reading.how) == (label, how)
    assert read(text, labels, finished=False).how == TRUNCATED


@given(st.text(), st.lists(st.text(min_size=1), min_size=2, max_size=4), st.booleans())
def test_any_text_is_one_label_or_a_reason(text: str, labels: list[str], finished: bool) -> None:
    reading = read(text, labels, finished=finished)
    assert reading.how in (LEGAL if reading.label is not None else ILLEGAL)
    if reading.label is not None:
        assert finished


@given(st.permutations(["action1", "action2", "action10"]), st.data())
def test_two_labels_in_one_breath_are_never_one(labels: list[str], data: st.DataObject) -> None:
    one, other = labels[:2]
    joint = data.draw(st.sampled_from([" or ", ", ", " and ", " / ", "\n", ". ", " rather than ", "; not "]))
    start = data.draw(st.sampled_from(["", "I choose ", "Answer: ", "**"]))
    assert read(f"{start}{one}{joint}{other}", labels).label is None


def test_reading_takes_no_time_that_grows_out_of_hand() -> None:
    evil = [
        "[" * 9999 + "]" * 9999,
        "```\n" * 4999,
        "to, " * 4999,
        "\\boxed{" * 2800,
        "because " * 2000 + "action1",
    ]
    start = time.process_time()
    for text in (*evil, "_" * LONGEST, "I choose " + "the " * 4000, "action1 " * (10 * LONGEST)):
        assert read(text, ("action1", "action2")).label is None
    assert time.process_time() - start < 20


# --- what a record keeps ---------------------------------------------------------------------------


def test_an_excerpt_has_no_secret_and_both_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TESTS_API_KEY", "a-key-of-the-tests")
    told = excerpt("x" * 70 + " a-key-of-the-tests " + "y" * 300 + " the end\x00")
    assert "a-k" not in told  # cut before it is hidden, half of it would stand there
    assert told.startswith("xxx")
    assert told.endswith("the end\\u0000")
    assert len(told) < 180


def test_notes_of_a_stranger_are_counts_or_left_out() -> None:
    odd = {"read": {"exact": 3, "none": -1, "both": "2", "guessed": 9}, "illegal": ["x"]}
    assert sound_notes(odd) == {"read": {"exact": 3}, "illegal": {}}


# --- the sample of a rate --------------------------------------------------------------------------


def sampled(counts: Sequence[tuple[int, int, int]], **provenance: Any) -> list[Record]:
    """Records of the first state of ipd: (answers C, answers D, illegal) each."""
    (decision, *_) = [d for d in ipd().memory_one() if d.history]
    return [
        Record(
            decision,
            "table",
            ((0, 1), (0, 1)),
            ("a", "b"),
            "m",
            "ipd",
            Choice.at([c, d], (c + d) / (c + d + no), c + d + no) if c + d else Choice.of([0, 0], 0.0, no),
            provenance={"counted": True, **provenance},
        )
        for c, d, no in counts
    ]


def test_a_sampled_rate_carries_legal_answers_and_interval() -> None:
    records = sampled([(18, 2, 0), (9, 1, 10)])
    rate = action_types(records)["C|C"]
    legal = mass(records)
    assert (rate, legal) == pytest.approx((0.9, 0.75))
    sample, of_mass = sample_of(rate), sample_of(legal)
    assert sample is not None
    assert of_mass is not None
    assert (sample.n, of_mass.n) == (30, 40)
    effective = 1 / (0.25 / 20 + 0.25 / 10)
    assert (sample.lower, sample.upper) == pytest.approx(rate_interval(0.9, effective))
    assert sample.lower < 0.75 < 0.9 < sample.upper < 1
    assert json.loads(json.dumps(rate)) == rate


def test_a_model_that_thought_in_vain_is_to_think_longer() -> None:
    (record,) = sampled([(0, 0, 5)])
    quiet = replace(record, provenance={})
    assert any("asks=aloud" in remedy for remedy in remedies([quiet]))
    aloud = remedies([replace(quiet, asks="aloud")])
    assert any("raise --think" in remedy for remedy in aloud)
    assert not any("asks=aloud" in remedy for remedy in aloud)


def test_an_exact_rate_carries_none() -> None:
    (record,) = sampled([(1, 1, 0)])
    exact = Record(record.decision, "table", record.order, ("a", "b"), "m", "ipd", Choice.at([0.7, 0.3], 0.9))
    assert sample_of(action_types([exact])["C|C"]) is None
    assert sample_of(mass([exact])) is None


@pytest.mark.parametrize(("first", "second"), [(0.5, 0.5), (0.05, 0.95), (0.02, 0.1)])
def test_the_interval_of_a_mean_over_orders_covers(first: float, second: float) -> None:
    """At least as often as it says, whether the orders are alike or not."""
    rng = np.random.default_rng(1)
    n, truth, hits = 10, (first + second) / 2, 0
    for _ in range(400):
        k = rng.binomial(n, [first, second])
        sample = sample_of(action_types(sampled([(int(x), n - int(x), 0) for x in k]))["C|C"])
        assert sample is not None
        hits += sample.lower <= truth <= sample.upper
    assert hits / 400 > 0.93


# --- a server that answers in words ----------------------------------------------------------------


@pytest.fixture(scope="module")
def net(tokenizer: Any) -> HuggingFace:
    return HuggingFace(willing(tokenizer, seed=7), tokenizer, name="tiny", provenance={"revision": "t"})


@contextmanager
def speaking(net: HuggingFace, say: Callable[[int], str], reason: str = "stop") -> Iterator[str]:
    """A real server on loopback whose answers are texts, one after another; its model's name."""
    said = iter(range(10**6))

    def draw(ids: list[int], body: dict[str, Any], drawn: Any, index: int) -> dict[str, Any]:
        message = {"role": "assistant", "content": say(next(said))}
        return {"index": index, "message": message, "finish_reason": reason, "logprobs": None, "made": 5}

    with serve(net, most_top=0) as server:
        server.draw = draw  # type: ignore[method-assign]
        os.environ |= {"TESTS_API_KEY": server.key, "TESTS_BASE_URL": f"{server.url}/v1"}
        try:
            yield "openai-api/tests/tiny(samples=10)"
        finally:
            del os.environ["TESTS_API_KEY"], os.environ["TESTS_BASE_URL"]


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def homines(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Exit code, output and errors of a command."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["homines", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        told = capsys.readouterr()
        return int(ended.value.code or 0), told.out, told.err

    return run


TURNS = (
    "action1",
    "**action1**",
    "I choose action1.",
    "action2 pays more, yet:\n\nAnswer: action1",
    "I would not choose action1.",
)


def test_answers_in_words_are_read_counted_and_shown(net: HuggingFace, tmp_path: Path, homines: Run) -> None:
    folder = tmp_path / "run"
    with speaking(net, lambda i: TURNS[i % 5]) as spec:
        asked = ("measure", spec, "--game", "ipd", "--out", str(folder))
        code, out, _ = homines(*asked)
        again, told, _ = homines(*asked, "--json")
    assert code == 0
    records = RunFolder(folder).records
    read_as = [sound_notes(r.provenance)["read"] for r in records]
    every = len(records) * 10
    assert sum(n.get(NONE, 0) for n in read_as) == pytest.approx(every / 5, abs=5)
    assert all(sum(n.values()) == 10 for n in read_as)
    assert {how for n in read_as for how in n} == {EXACT, STRIPPED, SENTENCE, LAST, NONE}
    assert np.mean([r.choice.mass for r in records if r.choice]) == pytest.approx(0.8, abs=0.03)
    assert f"{every} answers in words:" in " ".join(out.split())
    assert "'I would not choose action1.'" in out
    assert "n " in out
    assert "95% intervals" in out

    data = json.loads(told)
    assert again == 0
    assert data["words"]["illegal"] == {"I would not choose action1.": sum(n.get(NONE, 0) for n in read_as)}
    assert data["remedies"] == []
    for row in data["rows"]:
        sample = row["samples"]["mass"]
        assert sample["n"] == 10 * row["questions"]
        assert sample["lower"] < row["mass"] < sample["upper"]

    page = (folder / "report.html").read_text()
    assert "I would not choose action1." in page
    assert f"], n {every}" in page
    with open(folder / "tables" / "frames.csv", newline="") as file:
        row = next(csv.DictReader(file))
    assert int(row["mass n"]) == 10 * int(row["questions"])
    assert 0 <= float(row["mass lower"]) < float(row["mass"]) < float(row["mass upper"]) <= 1
    assert {"C|C n", "C|C lower", "C|C upper"} <= row.keys()
    assert (folder / "tables" / "readings.csv").is_file()


def test_no_legal_answer_is_a_result_with_a_remedy(net: HuggingFace, tmp_path: Path, homines: Run) -> None:
    folder = tmp_path / "run"
    with speaking(net, lambda i: "As an AI, I have no preference <b>" + "!" * (i % 2)) as spec:
        asked = ("measure", spec, "--game", "ipd", "--out", str(folder))
        code, out, _ = homines(*asked)
        _, told, _ = homines(*asked, "--json")
    refused, _, why = homines("fit", str(folder), "--family", "inequity")
    assert code == 0
    text = " ".join(out.split())
    assert "none of them legally" in text
    assert "--labels" in text
    assert "run again" not in text
    assert json.loads(told)["remedies"]
    assert refused == 2
    assert "illegal ones are no choices" in " ".join(why.split())
    page = (folder / "report.html").read_text()
    assert "none of them with an allowed label" in page
    assert "No answers are recorded" not in page
    assert "nothing to report yet" not in page
    assert "As an AI, I have no preference &lt;b&gt;" in page


@pytest.mark.parametrize("refuses", [False, True])
def test_a_server_of_vllm_without_log_probabilities_is_read_in_words(
    net: HuggingFace, monkeypatch: pytest.MonkeyPatch, refuses: bool
) -> None:
    def lacking(path: str, body: dict[str, Any]) -> None:
        if refuses and body.get("logprobs") is not None:
            raise Refusal(400, "logprobs is not supported by this engine")

    def spoil(path: str, body: dict[str, Any], reply: Any) -> Any:
        for i, choice in enumerate(reply.get("choices", ())):
            choice |= {"logprobs": None, "text": TURNS[i % 5], "finish_reason": "stop"}
        return reply

    with serve(net, before=lacking, spoil=spoil) as server:
        monkeypatch.setenv("VLLM_BASE_URL", server.url)
        monkeypatch.setenv("VLLM_API_KEY", server.key)
        model: Any = load("vllm/tiny")
        prompt = Prompt((("user", "action1 or action2?"),), ("action1", "action2"))
        (choice,) = model.score([prompt])
        notes = model.notes(prompt)
        model.close()
    assert (choice.n, choice.mass) == (20, 0.8)
    assert choice.p.tolist() == [1, 0]
    assert notes["counted"]
    assert notes["read"] == {EXACT: 4, STRIPPED: 4, SENTENCE: 4, LAST: 4, NONE: 4}


def test_answers_that_were_cut_ask_for_room(
    net: HuggingFace, tmp_path: Path, homines: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with speaking(net, lambda i: "I choose action1", reason="length") as spec:
        monkeypatch.setattr(run_page, "write", lambda folder: folder / "report.html")  # takes seconds
        code, out, _ = homines("measure", spec, "--game", "ipd", "--out", str(tmp_path / "run"))
    assert code == 0
    assert "tokens=2000" in out
    assert {r.choice.mass for r in RunFolder(tmp_path / "run").records if r.choice} == {0.0}
