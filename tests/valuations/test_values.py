"""Valuations: true agents are told, who has no scale is told so, folders go on, pages and refusals."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import homines as hm
from homines.cli.app import main
from homines.core.progress import Follow
from homines.core.types import Choice, HominesError, Interrupted, Prompt, digest
from homines.models.mock import Mock
from homines.valuations import asking
from homines.valuations.asking import Valuation, value
from homines.valuations.money import BudgetFinding, money_findings
from homines.valuations.page import ValuesReport, write_values
from homines.valuations.plan import ValuesPlan
from homines.valuations.scale import ScaleFinding

LISTED = re.compile(r"^(\w+)\. (.*)$", re.MULTILINE)
ROWS = [
    *(f"e{n},gain,euros,{n},You get {n} euros." for n in (1, 5, 20, 100, 500)),
    *(f"h{n},time,hours,{n},You get {n} free hours." for n in (1, 4, 15, 60, 240)),
    *(f"o{k},other,,,Thing number {w} happens." for k, w in enumerate(("one", "two", "three", "four"))),
]
PAID = {"one": 0.1, "two": 1.7, "three": -0.8, "four": 2.2}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "own.csv"
    path.write_text("\n".join(["id,kind,unit,amount,text", *ROWS]) + "\n")
    return path


def worth(text: str) -> float:
    """ln euros; an hour is worth 8 euros."""
    if found := re.search(r"get (\d+) euros", text):
        return 0.6 * math.log(float(found[1]))
    if found := re.search(r"get (\d+) free hours", text):
        return 0.6 * math.log(8 * float(found[1]))
    return next(x for word, x in PAID.items() if f" {word} " in text)


def agent(u: Callable[[str], float], *, place: float = 0.0, mass: float = 0.9, name: str = "theory") -> Mock:
    """Chooses by the logit of u of the option's text; place: log-odds of the option that is shown first."""

    def choose(prompt: Prompt) -> Choice:
        options = dict(LISTED.findall(prompt.text))
        first = next(iter(options))
        z = [u(options[label]) + place * (label == first) for label in prompt.labels]
        return Choice.of(z, mass=mass)

    return Mock(choose, name)


def ask(model: Mock, folder: Path, file: Path | None = None, **more: object) -> Valuation:
    plan = ValuesPlan(model="mock", outcomes=file, **more)  # type: ignore[arg-type]
    return value(plan, folder, loaded={"mock": model})


# --- true agents -----------------------------------------------------------------------------------


@pytest.mark.parametrize("pairs", ["few", "all"])
def test_a_true_scale_comes_back_with_its_rates(file: Path, tmp_path: Path, pairs: str) -> None:
    report = ValuesReport(ask(agent(worth, place=0.4), tmp_path / "out", file, pairs=pairs))
    f = report.scale
    assert f is not None
    assert f.scale is not None
    assert f.outcome == "scale"
    assert report.headlines[0].startswith("A scale: utilities of mock explain")
    true = np.array([worth(o.text) for o in f.found.plan.outcome_list.outcomes])
    assert np.corrcoef(f.scale.u, true)[0, 1] > 0.999  # a liking for a place bends it a little
    assert f.triples.weak == 0
    (r,) = [r for r in report.to_json()["rates"] if r["in"] == "euros"]
    assert r["worth of"] == "15 hours"
    assert r["rate"] == pytest.approx(120, rel=0.03)
    assert (f.order_effect or 0) > 0.05
    assert (len(f.found.scale), len(f.found.check)) == {"few": (35, 7), "all": (91, 0)}[pairs]
    if pairs == "all":
        assert f.against_all is not None
        few, fit, correlation = f.against_all
        assert len(few.pairs) == 35
        assert correlation > 0.999
        assert fit.pairs == 56
        assert fit.misfit < 1e-3


@pytest.mark.parametrize(
    ("model", "outcome", "said"),
    [
        (agent(lambda _: 0.0), "even", "No scale: mock has no preference to be seen"),
        (agent(lambda _: 0.0, place=4), "by place", "No scale: mock answers by the place"),
        (agent(worth, mass=0.1), "no answer", "No scale: mock gives no answer to speak of"),
        (agent(worth, mass=0.0), "no answer", "No scale: mock gives no answer to speak of"),
        (agent(lambda text: 40 * worth(text)), "order", "An order and no scale: mock is so certain"),
        (agent(lambda text: len(text) % 7 + 40.0 * ("euros" in text)), "order", "An order and no scale"),
    ],
    ids=["even", "place", "rarely", "mute", "certain", "one kind always"],
)
def test_who_has_no_scale_is_told_so(
    model: Mock, outcome: str, said: str, file: Path, tmp_path: Path
) -> None:
    found = ask(model, tmp_path / "out", file)
    report = ValuesReport(found)
    assert report.scale is not None
    assert report.scale.outcome == outcome
    assert report.headlines[0].startswith(said)
    assert "legal mass" in report.headlines[0]
    assert write_values(report).exists()


def test_random_answers_are_hardly_a_scale(file: Path, tmp_path: Path) -> None:
    found = ask(Mock(lambda p: Choice.of(noise(p)), "noise"), tmp_path / "out", file, pairs="all")
    f = ScaleFinding(found)
    assert f.outcome == "poor"
    share = f.triples.share("weak")
    assert share is not None
    assert 0.1 < share < 0.4  # a quarter by coins


def noise(prompt: Prompt) -> list[float]:
    """Log-odds by the two texts alone, in any order: a choice without a scale behind it."""
    options = dict(LISTED.findall(prompt.text))
    ordered = sorted(options.values())
    z = float(np.random.default_rng(int(digest(ordered), 16)).normal(0, 2))
    return [z if options[label] == ordered[0] else 0.0 for label in prompt.labels]


def test_budgets_of_one_utility_hardly_breach_and_random_ones_do(tmp_path: Path) -> None:
    def bundle(text: str) -> float:
        own, other = (float(x) for x in re.findall(r"(\d+(?:\.\d+)?) euros", text))
        return 30 * (0.6 * math.log(own + 1) + 0.4 * math.log(other + 1))

    found = ask(agent(bundle), tmp_path / "one", ask=("budgets",))
    f = BudgetFinding(found)
    assert (f.efficiency or 0) > 0.97
    assert f.drawn.mean() > f.random.mean() + 0.1
    assert f.random.mean() < 0.8
    assert ValuesReport(found).headlines[0].startswith("Budgets: ")
    even = BudgetFinding(ask(agent(lambda _: 0.0), tmp_path / "two", ask=("budgets",)))
    assert (even.tied, even.efficiency) == (12, None)
    assert abs(even.drawn.mean() - even.random.mean()) < 0.1


def test_risk_and_patience_of_a_true_agent_come_back(tmp_path: Path) -> None:
    def prospect(text: str) -> float:
        amounts = [float(x) for x in re.findall(r"(\d+) euros", text)]
        if share := re.search(r"(\d+)%", text):
            p = float(share[1]) / 100
            return 4 * (p * math.sqrt(amounts[0]) + (1 - p) * math.sqrt(amounts[1]))
        if months := re.search(r"in (\d+) month", text):
            return 5 * (math.log(amounts[0]) + math.log(0.8) + int(months[1]) / 12 * math.log(0.9))
        return 4 * math.sqrt(amounts[0]) if "sure" in text else 5 * math.log(amounts[0])

    found = ask(agent(prospect), tmp_path / "out", ask=("lotteries", "delays"))
    by_family = {f.family: f.fit for f in money_findings(found)}
    delays, crra = by_family["beta-delta, linear utility"], by_family["CRRA"]
    assert delays is not None
    assert crra is not None
    assert delays.value("beta") == pytest.approx(0.8, abs=1e-3)
    assert delays.value("delta") == pytest.approx(0.9, abs=1e-3)
    assert crra.value("r") == pytest.approx(0.5, abs=0.1)  # its precision is not contextual
    assert any("beta .80" in text for text in ValuesReport(found).headlines)


# --- folders, command, Python ----------------------------------------------------------------------


def homines(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", ["homines", *arguments])
    with pytest.raises(SystemExit) as left:
        main()
    return int(str(left.value.code or 0))


def test_a_command_asks_reports_and_goes_on(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    typed = ["values", "mock", "--outcomes", str(file), "--out", str(out), "--pairs", "30"]
    assert homines([*typed, "--dry-run"], monkeypatch) == 0
    assert capsys.readouterr().out.startswith("120 questions")
    assert not out.exists()
    assert homines([*typed, "--json"], monkeypatch) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["outcome"] in ("poor", "scale")
    assert len(result["outcomes"]) == 14
    page = (out / "report.html").read_text()
    assert page.index("scale: utilities") < page.index("The scale")  # the verdict stands first
    assert "over pairs" in page
    assert "Exactly one of these two will happen" in page
    assert len((out / "records.jsonl").read_text().splitlines()) == 120
    assert (out / "figures" / "scale.png").exists()
    asked: list[int] = []
    score = Mock.score
    monkeypatch.setattr(Mock, "score", lambda self, p: (asked.append(len(p)), score(self, p))[1])
    assert homines(typed, monkeypatch) == 0
    assert not asked
    assert homines([*typed[:-2], "--pairs", "all", "--ask", "outcomes", "--ask", "delays"], monkeypatch) == 0
    assert sum(asked) == 4 * (91 - 30) + 4 * 32
    asked.clear()
    assert homines(typed, monkeypatch) == 0  # fewer pairs again: the others stay
    assert not asked
    assert hm.report(out).exists()  # a run folder as any other


def test_an_interrupted_valuation_goes_on_where_it_was(file: Path, tmp_path: Path) -> None:
    whole = ask(agent(worth), tmp_path / "whole", file)
    plan = ValuesPlan(model="mock", outcomes=file)
    calls = iter(range(100))
    with pytest.raises(Interrupted):
        value(
            plan, tmp_path / "out", loaded={"mock": agent(worth)}, follow=Follow(stop=lambda: next(calls) > 4)
        )
    some = len((tmp_path / "out" / "records.jsonl").read_text().splitlines())
    assert 0 < some < len(whole.records)
    again = ask(agent(worth), tmp_path / "out", file)
    assert again.scale == whole.scale
    assert {r.key for r in again.records} == {r.key for r in whole.records}


def test_failed_questions_leave_their_pairs_out(file: Path, tmp_path: Path) -> None:
    def torn(prompt: Prompt) -> Choice:
        if "Thing number two" in prompt.text:
            raise RuntimeError("no answer")
        return agent(worth).handler(prompt)

    report = ValuesReport(ask(Mock(torn, "torn"), tmp_path / "out", file))
    assert report.found.failed > 0
    assert report.headlines[0].startswith("No scale: no pair that was answered connects o1")
    assert "without a legal answer" in write_values(report).read_text()


def test_python_has_the_same(file: Path, tmp_path: Path) -> None:
    result = hm.values("mock", file, out=tmp_path / "out", pairs=30, progress=False)
    assert result.verdict[0] in repr(result)
    assert len(result.table()) == 14
    assert result.report().exists()
    with pytest.raises(HominesError, match="no table called 'nothing'"):
        result.table("nothing")
    again = hm.values(hm.load("mock"), file, out=tmp_path / "out", pairs=30, progress=False)
    assert again.table("fit") == result.table("fit")
    with pytest.raises(HominesError, match="values has no option 'steps'"):
        hm.values("mock", steps=3)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"ask": ("prices",)}, "no part of a valuation called 'prices'; there are outcomes, budgets"),
        ({"ask": ()}, "nothing is to be asked"),
        ({"labels": ("A",)}, "labels 'A' must be two words"),
        ({"labels": ("A,B", "B,A")}, "are there twice"),
        ({"labels": ()}, "no labels are given"),
        ({"pairs": "some"}, "pairs 'some' is no number; write few, all, or a whole number"),
        ({"pairs": "-3"}, "pairs is -3"),
        ({"pairs": "10"}, "10 pairs of 80 outcomes leave nothing to check a scale by; ask 160"),
        ({"kind": ("gifts",)}, "no kind of outcome called 'gifts'; there are own gain"),
    ],
)
def test_bad_options_are_refused_before_a_model_is_loaded(
    options: dict[str, object], match: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "load", lambda *_, **__: pytest.fail("a model is loaded"))
    with pytest.raises(HominesError, match=match):
        value(ValuesPlan(model="mock", **options), tmp_path / "out")  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()
