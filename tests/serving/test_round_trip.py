"""Our back-end reads our server: the probabilities are the model's own, over all orders of the options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from homines.core.registry import find
from homines.core.run_folder import RunFolder
from homines.core.types import Choice, HominesError, Prompt
from homines.elicitation.asking import measure
from homines.elicitation.metrics import is_normalised, mass
from homines.elicitation.orders import orders
from homines.elicitation.questions import battery, questions
from homines.inference.api_budget import METER, Budget, OverBudget
from homines.models.decisions import INSTRUCTIONS, load
from homines.models.hf import HuggingFace
from homines.models.mock import Mock, hashed
from homines.reports.caveats import caveats
from homines.reports.measures import tabulate
from homines.reports.run_page import write
from homines.reports.run_view import read
from homines.reports.verdict import verdict
from homines.serving.app import application
from homines.serving.identity import identity
from tests.helpers.deciding import Spoilt, decisions
from tests.helpers.tiny import willing

SHAPES = ["decisions", "systemone"]
PROMPTS = [
    Prompt((("user", "Round 1: left or right?"),), ("left", "right")),
    Prompt((("user", "Which?"),), ("12", "1", "2")),
    Prompt((("system", "Be brief."), ("user", "Which number?")), ("1", "2")),
]


@pytest.fixture(scope="module")
def net(tokenizer: Any) -> HuggingFace:
    return HuggingFace(willing(tokenizer, "12", seed=7), tokenizer, name="tiny", provenance={"revision": "t"})


def app_of(model: Any, **how: Any) -> Any:
    return application(model, identity(model), **how)


def by_hand(model: Any, prompt: Prompt, shape: str) -> Choice:
    """The same probabilities from the model itself, in the words of the server, written out here."""
    p, masses = [], []
    turns = list(prompt.messages)
    if shape == "systemone" and len(turns) > 1:
        text = ",".join(f'{{"role":"{role}","content":"{said}"}}' for role, said in turns)
        turns = [("user", f"[{text}]")]
    for (row,) in orders(len(prompt.labels), 1):
        names = [prompt.labels[i] for i in row]
        *first, last = names
        end = f"{', '.join(first)} or {last}"
        words = "\n".join([INSTRUCTIONS, *names, f"Answer with exactly {end}."])
        asked = Prompt((*turns[:-1], ("user", f"{turns[-1][1]}\n\n{words}")), tuple(sorted(names)))
        (choice,) = model.score([asked])
        p.append([choice.p[asked.labels.index(label)] for label in prompt.labels])
        masses.append(choice.mass)
    return Choice.at(np.mean(p, axis=0), float(np.mean(masses)))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["mock", "tiny"])
def test_the_back_end_gives_the_models_own_probabilities_and_mass(
    shape: str, kind: str, net: HuggingFace
) -> None:
    own: Any = net if kind == "tiny" else Mock(hashed)
    model = decisions(app_of(own), own.name, shape=shape)
    for prompt, told in zip(PROMPTS, model.score(PROMPTS), strict=True):
        want = by_hand(own, prompt, shape)
        assert np.abs(told.p - want.p).max() < (1e-4 if kind == "tiny" else 1e-12)  # float32 in other batches
        assert told.mass == pytest.approx(want.mass, abs=1e-6)
        notes = model.notes(prompt)
        assert "normalised" not in notes
        assert notes["identity"]["revision"] == own.provenance["revision"]
        assert len(notes["by_order"]) == len(orders(len(prompt.labels), 1))
    model.close()


def test_the_order_of_the_options_changes_nothing(net: HuggingFace) -> None:
    model = decisions(app_of(net), "tiny")
    there, back = (Prompt((("user", "Which?"),), labels) for labels in (("1", "2", "12"), ("12", "2", "1")))
    one, two = model.score([there, back])
    assert np.abs(one.p - two.p[::-1]).max() < 1e-4
    assert model.notes(there)["order_spread"] < 1e-4  # the server has balanced it
    model.close()


def without_mass(reply: dict[str, Any]) -> dict[str, Any]:
    """As a service that tells no label mass."""
    rows = reply["answers"]
    for row in rows if isinstance(rows, list) else rows.values():
        row.pop("x_label_mass", None)
    return reply


def with_diagnostics(reply: dict[str, Any]) -> dict[str, Any]:
    """As vLLM tells it."""
    masses = {name: row["x_label_mass"] for name, row in reply["answers"].items()}
    told = {name: {"label_mass": m, "argmax_is_label": True} for name, m in masses.items()}
    return {**without_mass(reply), "diagnostics": told}


@pytest.mark.parametrize("shape", SHAPES)
def test_without_a_label_mass_the_answers_are_normalised_and_the_mass_is_unknown(shape: str) -> None:
    model = decisions(Spoilt(app_of(Mock(hashed)), without_mass), "mock", shape=shape)
    asked = questions(model, {"ipd": battery(find("games", "ipd"))}, [find("frames", "table")])
    records = measure(model, asked)
    assert all(map(is_normalised, records))
    assert mass(records) is None
    own = decisions(app_of(Mock(hashed)), "mock", shape=shape)
    known = measure(own, asked)
    assert mass(known) is not None
    for one, two in zip(records, known, strict=True):
        assert one.choice is not None
        assert two.choice is not None
        assert np.allclose(one.choice.p, two.choice.p)
        assert one.choice.mass == 1.0 > two.choice.mass


def test_a_run_without_a_known_mass_says_so_and_is_no_failure(tmp_path: Path) -> None:
    model = decisions(Spoilt(app_of(Mock(hashed)), without_mass), "mock")
    asked = questions(model, {"ipd": battery(find("games", "ipd"))}, [find("frames", "table")])
    with RunFolder(tmp_path / "run", {"kind": "measure", "model": model.name, "games": ["ipd"]}) as run:
        measure(model, asked, run)
    view = read(tmp_path / "run")
    found = verdict(view, model.name)
    assert found.legal.outcome == "not asked"
    assert found.finding not in ("no answer", "passed")
    rows = tabulate(view)
    assert {row["mass"] for row in rows["frames"]} == {None}
    assert {row["mass"] for row in rows["states"]} == {None}
    assert any("tells no legal mass" in text for text in caveats(view, rows))
    assert "tells no legal mass" in write(tmp_path / "run").read_text()


def test_the_label_mass_is_read_as_vllm_tells_it() -> None:
    model = decisions(Spoilt(app_of(Mock(hashed)), with_diagnostics), "mock", shape="systemone")
    own = decisions(app_of(Mock(hashed)), "mock", shape="systemone")
    assert [c.mass for c in model.score(PROMPTS)] == pytest.approx([c.mass for c in own.score(PROMPTS)])


def test_a_failed_call_is_made_again_and_counted() -> None:
    spoilt = Spoilt(app_of(Mock(hashed)), lambda reply: reply, [503, 500])
    model = decisions(spoilt, "mock", connections=1)
    before = METER.usage()
    model.score(PROMPTS[:1])
    used = {name: METER.usage()[name] - before[name] for name in ("calls", "retries")}
    assert used == {"calls": 2, "retries": 2}  # the trial, and the question
    assert spoilt.calls == 4


def test_a_budget_stops_before_the_call(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    spoilt = Spoilt(app_of(Mock(hashed)), lambda reply: reply)
    model = decisions(spoilt, "mock")
    model.ready()
    monkeypatch.setattr(METER, "budget", Budget(tokens=1))
    with pytest.raises(OverBudget):
        model.score(PROMPTS[:1])
    assert spoilt.calls == 1


def test_one_bad_reply_is_one_record(tmp_path: Any) -> None:
    left = [3]

    def spoil(reply: dict[str, Any]) -> dict[str, Any]:
        left[0] -= 1
        if left[0] == 0:
            reply["answers"][0]["probabilities"].pop()
        return reply

    model = decisions(Spoilt(app_of(Mock(hashed)), spoil), "mock", connections=1)
    asked = questions(model, {"ipd": battery(find("games", "ipd"))}, [find("frames", "table")])
    with RunFolder(tmp_path / "run", {}) as run:
        records = measure(model, asked, run)
    failed = [r for r in records if r.error]
    assert len(failed) == 1
    assert "no probability of" in str(failed[0].error)


# --- replies that are none ------------------------------------------------------------------------


def first(reply: dict[str, Any]) -> dict[str, Any]:
    return reply["answers"][0]


WRONG: dict[str, Any] = {
    "no probability of": lambda r: first(r)["probabilities"].pop(),
    "which was not asked": lambda r: first(r)["probabilities"].append({"value": "up", "probability": 0}),
    "twice": lambda r: first(r)["probabilities"].append(first(r)["probabilities"][0]),
    "sum to": lambda r: first(r)["probabilities"][0].update(probability=0.99),
    "no number": lambda r: first(r)["probabilities"][0].update(probability="0.5"),
    "is True": lambda r: first(r)["probabilities"][0].update(probability=True),
    "is -0.5": lambda r: first(r)["probabilities"][0].update(probability=-0.5),
    "label mass is 1.5": lambda r: first(r).update(x_label_mass=1.5),
    "declined": lambda r: first(r).update(type="refusal"),
    "type 'score'": lambda r: first(r).update(type="score"),
    "is named 'other'": lambda r: first(r).update(name="other"),
    "1 answers to 2": lambda r: r["answers"].pop(),
    "no answers": lambda r: r.pop("answers"),
}


@pytest.mark.parametrize("why", WRONG)
def test_a_reply_without_a_distribution_is_no_answer(why: str) -> None:
    def spoil(reply: dict[str, Any]) -> dict[str, Any]:
        WRONG[why](reply)
        return reply

    model = decisions(Spoilt(app_of(Mock(hashed)), spoil), "mock")
    model._tried = True
    (answer,) = model.answers(PROMPTS[:1])
    assert isinstance(answer, HominesError)
    assert why in str(answer)


@pytest.mark.parametrize("told", [b"<html>", b"[]", b'{"answers": 3}', b'{"answers": {}}', b"null"])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_reply_of_another_form_is_no_answer(told: bytes, shape: str) -> None:
    model = decisions(Spoilt(app_of(Mock(hashed)), lambda _: told), "mock", shape=shape, retries=1)
    model._tried = True
    (answer,) = model.answers(PROMPTS[:1])
    assert isinstance(answer, HominesError)


def test_rounded_probabilities_are_a_distribution() -> None:
    def spoil(reply: dict[str, Any]) -> dict[str, Any]:
        for row in reply["answers"]:
            for each in row["probabilities"]:
                each["probability"] = round(each["probability"], 2)
        return reply

    model = decisions(Spoilt(app_of(Mock(hashed)), spoil), "mock")
    (told,) = model.score(PROMPTS[1:2])
    assert told.p.sum() == pytest.approx(1, abs=1e-12)


# --- specs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ("", "needs the name"),
        ("x(shape=score)", "decisions, systemone"),
        ("x(connections=0)", "connections"),
        ("x(unknown=1)", "unknown"),
    ],
)
def test_a_mistyped_spec_is_refused(spec: str, why: str) -> None:
    with pytest.raises(HominesError, match=why):
        load(spec, ())


def test_nobody_there_names_the_address_and_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DECISIONS_BASE_URL", "http://127.0.0.1:9")
    model = load("x(retries=0)", ())
    with pytest.raises(HominesError, match=r"DECISIONS_BASE_URL.*homines serve"):
        model.score(PROMPTS[:1])
