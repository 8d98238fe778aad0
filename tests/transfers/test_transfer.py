"""Transfer: rates and changes are those of known choosers, intervals cover, folders go on, pages say it."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import homines as hm
from homines.cli.app import main
from homines.core.rates import mean_interval
from homines.core.types import Choice, HominesError, Prompt
from homines.elicitation.asking import measure
from homines.elicitation.scenario_file import Scenario, ScenarioSet, built_in
from homines.elicitation.scenarios import questions
from homines.models.mock import Mock
from homines.transfers import asking
from homines.transfers.asking import Transfer, training_of, transfer
from homines.transfers.plan import TransferPlan
from homines.transfers.rates import FEWEST, Agent, change, interval, parts, rate
from homines.transfers.verdict import headlines

OWN = [
    Scenario(f"s{i}", f"Case {i}. What do you do?", ("act", "rest"), 0, group="x" if i % 2 else "y", line=i)
    for i in range(24)
]
CONTROLS = [
    replace(s, id=f"c{s.id}", text=f"Other {s.text}", implied=1, group="", control="opposite")
    for s in OWN[:12]
]
EVERY = ScenarioSet("own", "own.csv", "0", (*OWN, *CONTROLS))
FOLDERS = Path(__file__).parents[1] / "folders"


def agent(name: str, p_act: Callable[[str], float], *, bias: float = 1.0, mass: float = 0.9) -> Agent:
    """An agent that acts with this probability by text; bias: odds of the first letter on top."""

    def choose(prompt: Prompt) -> Choice:
        p = p_act(prompt.text)
        odds = np.array([p, 1 - p]) * [bias if label == "A" else 1.0 for label in prompt.labels]
        return Choice.at(odds, mass=mass)

    model = Mock(choose, name)
    return Agent(name, name, "", EVERY, measure(model, questions(model, EVERY)))


def spread(text: str) -> float:
    """Another probability at every scenario."""
    return 0.3 + 0.4 * (sum(map(ord, text.splitlines()[0])) % 7) / 6


def found(*agents: Agent) -> Transfer:
    return Transfer(Path(), EVERY, list(agents), [])


# --- rates and intervals ---------------------------------------------------------------------------


@pytest.mark.parametrize("n", [FEWEST, 21, 126])
@pytest.mark.parametrize("shape", [(1, 1), (0.5, 0.5), (4, 2), (8, 2)])
def test_intervals_cover_the_mean_of_scenarios_like_these(n: int, shape: tuple[float, float]) -> None:
    rng = np.random.default_rng(0)
    mean = shape[0] / sum(shape)
    draws = rng.beta(*shape, size=(400, n))
    inside = [low <= mean <= high for low, high in (mean_interval(x.tolist()) for x in draws)]
    assert np.mean(inside) > 0.915  # .95 less three deviations of 400 trials


def test_there_is_no_interval_of_few_scenarios_nor_of_equal_ones() -> None:
    values = np.linspace(0, 1, FEWEST).tolist()
    assert interval(values) is not None
    assert interval(values[1:]) is None
    assert interval([0.5] * 50) is None


@settings(max_examples=10)
@given(p=st.floats(0.01, 0.99), bias=st.floats(0.2, 5))
def test_a_liking_for_a_place_is_told_apart_from_one_for_an_option(p: float, bias: float) -> None:
    whole = parts(EVERY)[0]
    r = rate(agent("a", lambda _: p, bias=bias), whole)
    first, last = p * bias / (p * bias + 1 - p), p / (p + (1 - p) * bias)
    assert r.value == pytest.approx((first + last) / 2)
    assert r.order_effect == pytest.approx(first - last)
    assert r.mass == pytest.approx(0.9)
    assert (r.low, r.high) == (None, None)  # all scenarios alike


def test_changes_are_paired_and_controls_stand_apart() -> None:
    before, after = agent("a", spread), agent("b", lambda text: spread(text) + 0.2)
    by_name = {p.name: p for p in parts(EVERY)}
    assert list(by_name) == ["all", "y", "x", "opposite"]
    c = change(before, after, by_name["all"])
    assert c is not None
    assert (c.value, c.scenarios) == (pytest.approx(0.2), 24)
    assert c.alike
    assert c.outcome == "changed"
    control = change(before, after, by_name["opposite"])
    assert control is not None
    assert control.value == pytest.approx(-0.2)  # the act is not implied there
    said = " ".join(headlines(found(before, after)))
    assert "It is the act that it learned" in said
    assert "alike in each of 24 scenarios" in said
    noisy = agent("c", lambda text: spread(text) + 0.1 * (len(text) % 2))
    moved = change(before, noisy, by_name["all"])
    assert moved is not None
    paired = [noisy.p[s.id] - before.p[s.id] for s in OWN]
    assert moved.low is None or (moved.low, moved.high) == pytest.approx(mean_interval(paired))


def test_outcomes_follow_interval_and_legal_mass() -> None:
    first, whole = agent("a", spread), parts(EVERY)[0]

    def against(p_act: Callable[[str], float], **more: float) -> str:
        c = change(first, agent("b", p_act, **more), whole)
        assert c is not None
        return c.outcome

    def swing(size: float) -> Callable[[str], float]:
        return lambda text: spread(text) + size * (-1) ** int(re.findall(r"\d+", text)[0])

    assert against(spread) == "unchanged"
    assert against(swing(0.02)) == "unchanged"
    assert against(swing(0.29)) == "not told"
    assert against(spread, mass=0.2) == "no answer"
    mute = agent("b", spread, mass=0.0)
    assert change(first, mute, whole) is None
    assert "answered no scenario both" in " ".join(headlines(found(first, mute)))
    assert "gave no legal answer" in headlines(found(mute))[0]
    assert "answers by the place" in headlines(found(agent("b", lambda _: 0.5, bias=9)))[0]


def test_what_failed_in_one_order_is_in_no_rate() -> None:
    whole = agent("a", spread)
    torn = [replace(r, choice=None, error="x") if i == 0 else r for i, r in enumerate(whole.records)]
    some = Agent("b", "b", "", EVERY, torn)
    assert (len(whole.p) - len(some.p), some.failed) == (1, 1)
    assert rate(some, parts(EVERY)[0]).scenarios == 23


# --- folders, command, Python ----------------------------------------------------------------------


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "own.csv"
    rows = [f"s{i},Case {i}. What do you do?,act,rest,{'AB'[i % 2]},{'xy'[i % 2]}" for i in range(12)]
    path.write_text("\n".join(["id,text,A,B,implied,group", *rows]) + "\n")
    return path


def homines(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", ["homines", *arguments])
    with pytest.raises(SystemExit) as left:
        main()
    return int(str(left.value.code or 0))


def test_a_command_asks_reports_and_goes_on(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    typed = ["transfer", "mock", "--scenarios", str(file), "--out", str(out)]
    assert homines([*typed, "--dry-run"], monkeypatch) == 0
    assert capsys.readouterr().out == "mock: 24 questions\n"
    assert not out.exists()
    assert homines([*typed, "mock/uniform", "--json"], monkeypatch) == 0
    result = json.loads(capsys.readouterr().out)
    assert {row["part"] for row in result["changes"]} == {"all", "x", "y"}
    assert [row["scenarios"] for row in result["changes"]] == [12, 6, 6]
    assert result["changes"][1]["lower"] is None  # six scenarios
    page = (out / "report.html").read_text()
    assert page.index("mock/uniform") < page.index("What changed")  # the verdict stands first
    assert "over the scenarios" in page
    assert (out / "tables" / "changes.csv").exists()
    assert (out / "figures" / "changes.png").exists()
    folders = sorted(path.parent for path in out.glob("*/records.jsonl"))
    assert [len((f / "records.jsonl").read_text().splitlines()) for f in folders] == [24, 24]
    report = hm.report(folders[0])  # a run folder as any other
    assert report.exists()


def test_what_is_there_is_not_asked_again_and_models_are_added(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = hm.transfer("mock", file, out=tmp_path / "out", progress=False)
    assert len(one.rates()) == 3
    assert not one.changes()
    monkeypatch.setattr(Mock, "score", lambda *_: pytest.fail("it is answered already"))
    again = hm.transfer("mock", file, out=tmp_path / "out", progress=False)
    assert again.rates() == one.rates()
    monkeypatch.undo()
    both = hm.transfer([hm.load("mock"), "mock/uniform"], file, out=tmp_path / "out", progress=False)
    assert [row["agent"] for row in both.changes()] == ["mock/uniform"] * 3
    assert both.verdict[0] == one.verdict[0]
    assert both.verdict[0] in repr(both)


def test_bad_input_is_refused_before_a_model_is_loaded(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(asking, "load", lambda *_, **__: pytest.fail("a model is loaded"))
    out = tmp_path / "out"
    file.write_text(file.read_text() + "s1,Another. What do you do?,act,rest,A,x\n")
    assert homines(["transfer", "mock", "--scenarios", str(file), "--out", str(out)], monkeypatch) == 2
    assert "own.csv line 14: the id 's1' is that of line 3" in capsys.readouterr().err
    assert homines(["transfer", "mock", "nothing", "--out", str(out)], monkeypatch) == 2
    assert "nothing" in capsys.readouterr().err
    assert not out.exists()
    for models, match in ((("mock", "mock"), "named twice"), ((), "no model is named")):
        with pytest.raises(HominesError, match=match):
            TransferPlan(models=models)
    with pytest.raises(HominesError, match="--form ethics-virtue is of a file"):
        transfer(TransferPlan(models=("mock",), form="ethics-virtue"), out)


def test_another_file_of_that_folder_is_refused_and_loses_nothing(file: Path, tmp_path: Path) -> None:
    hm.transfer("mock", file, out=tmp_path / "out", progress=False)
    (records,) = (tmp_path / "out").glob("*/records.jsonl")
    before = records.read_bytes()
    file.write_text(file.read_text() + "s99,Another. What do you do?,act,rest,A,x\n")
    with pytest.raises(HominesError, match=r"was made with another config \(sha256"):
        hm.transfer("mock", file, out=tmp_path / "out", progress=False)
    assert records.read_bytes() == before


def test_what_an_adapter_was_trained_on_is_read_from_its_run() -> None:
    assert training_of("smollm2") == "untrained"
    assert training_of(f"smollm2+{FOLDERS / 'aligned' / 'adapter'}") == "moralis(kappa=0.5) in ipd"
    assert training_of("smollm2+somebody/adapter") == ""


def test_folders_are_one_a_set() -> None:
    one, two = TransferPlan(models=("mock",)), TransferPlan(models=("mock", "mock/uniform"))
    assert one.folder == two.folder
    assert one.set.name == built_in().name
